/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by local and run: a keeper of the local addresses for each policy that is loaded, one
 * after the other, in a child that has given up all rights, with messages.
 */
#ifndef SMTPWARD_SAY_LOCAL_H
#define SMTPWARD_SAY_LOCAL_H

#include <stdbool.h>
#include <sys/types.h>

#include "cli/command.h"

struct say_local_options {
	const char *pins; /* NULL: the default */
	uid_t user;	  /* the user that the child becomes */
	gid_t group;
};

/* nobody, and nobody's group: the kernel itself uses this number for an id without a mapping. */
#define SAY_LOCAL_NOBODY 65534

/*
 * Runs until a signal ends it; waits while nothing is loaded. In each child the function returns,
 * too, with the child's result, for main(), which ends the child.
 */
enum command_result say_local_run(const struct say_local_options *options);

/* The same in a child that runs beside us and ends with us. Returns in that child, too. */
enum command_result say_local_start(const struct say_local_options *options, bool *ret_child);

#endif /* SMTPWARD_SAY_LOCAL_H */
