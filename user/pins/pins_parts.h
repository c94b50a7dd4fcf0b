/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the files of the pin directory: pins.c and pins_check.c. */
#ifndef SMTPWARD_PINS_PARTS_H
#define SMTPWARD_PINS_PARTS_H

#include <dirent.h>

#include "pins/pins.h"

/*
 * Names in the directory, beside PINS_READER_NAME and the names of maps, links, programs and
 * iterators.
 */
#define GATE_NAME "map_gate"
#define POLICY_NAME "policy"
#define TRIAL_NAME "trial"
#define NEW_NAME "policy_new"

int pins_open_dir(int at_fd, const char *name, DIR **ret_dir);

/* The next entry but "." and "..": 1, 0 at the end, -errno. */
int pins_next_entry(DIR *dir, const char **ret_name);

/* The number in a generation's name; 0 if the name is not a generation's. */
uint64_t pins_parse_generation(const char *name);

/*
 * pins_check.c: opens the directory if it is on bpffs and nobody else's. made: this process just
 * made it; alone: for a load or unload, which take the directory from others.
 */
int pins_open_checked(const char *path, bool made, bool alone, int *ret_fd, struct reason *reason);

#endif /* SMTPWARD_PINS_PARTS_H */
