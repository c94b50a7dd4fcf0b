/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What local and run have in common: a keeper of the local addresses for each policy that is
 * loaded, one after the other, in a child that has given up all rights, with messages.
 */
#ifndef SMTPWARD_SAY_LOCAL_H
#define SMTPWARD_SAY_LOCAL_H

#include <stdbool.h>
#include <sys/types.h>

#include "cli/command.h"

struct say_local_options {
	const char *pins; /* NULL: the default */
	uid_t user;	  /* whom the child becomes */
	gid_t group;
};

/* Nobody, and his group: what the kernel itself calls an id that is none. */
#define SAY_LOCAL_NOBODY 65534

/*
 * Goes on until a signal ends it, and waits where nothing is loaded. It returns in each child,
 * too, with what that has come to: for main(), which ends the child by that.
 */
enum command_result say_local_run(const struct say_local_options *options);

/* The same beside us, in a child that ends with us. It returns in the child, too. */
enum command_result say_local_start(const struct say_local_options *options, bool *ret_child);

#endif /* SMTPWARD_SAY_LOCAL_H */
