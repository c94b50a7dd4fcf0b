/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the pin directory have of each other: pins.c and pins_check.c. */
#ifndef SMTPWARD_PINS_PARTS_H
#define SMTPWARD_PINS_PARTS_H

#include <dirent.h>

#include "pins/pins.h"

/* Names in it, beside PINS_READER_NAME and those of maps, links, programs and iterators. */
#define GATE_NAME "map_gate"
#define POLICY_NAME "policy"
#define TRIAL_NAME "trial"
#define NEW_NAME "policy_new"

int pins_open_dir(int at_fd, const char *name, DIR **ret_dir);

/* The next entry that is not "." or "..": 1, 0 at the end, -errno. */
int pins_next_entry(DIR *dir, const char **ret_name);

/* The number in a generation's name; 0 if it is none. */
uint64_t pins_parse_generation(const char *name);

/*
 * pins_check.c: the directory, if it is on bpffs and nobody else's. made: by us, just now; alone:
 * for a load or unload, which take it from others.
 */
int pins_open_checked(const char *path, bool made, bool alone, int *ret_fd, struct reason *reason);

#endif /* SMTPWARD_PINS_PARTS_H */
