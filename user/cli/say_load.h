/* SPDX-License-Identifier: GPL-2.0-only */
/* What load and run have in common: a given policy put in force, and said so. */
#ifndef SMTPWARD_SAY_LOAD_H
#define SMTPWARD_SAY_LOAD_H

#include <stdbool.h>

#include "cli/command.h"
#include "cli/given_policy.h"

/*
 * What run asks before it loads: whether somebody else reads the violations already,
 * and whether a policy is loaded that a trial would lift at its end.
 */
enum command_result say_load_check_free(const char *path, bool trial);

/*
 * reader is the user that may read beside root, NULL the one that may now.
 * *ret_left tells that a smtpward of another ABI has left behind what it recorded: the
 * caller's to have written, by say_log_drain_left().
 */
enum command_result say_load_policy(const struct given_policy *given, const char *cgroup,
				    const char *pins, const char *reader, bool *ret_left);
enum command_result say_load_lift(const char *pins);

#endif /* SMTPWARD_SAY_LOAD_H */
