/* SPDX-License-Identifier: GPL-2.0-only */
/* What load and run have in common: a given policy put in force, and said so. */
#ifndef SMTPWARD_SAY_LOAD_H
#define SMTPWARD_SAY_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/command.h"
#include "cli/given_policy.h"
#include "load/load.h"

/* What run asks before it loads: whether somebody else reads the violations already. */
enum command_result say_load_check_free(const char *path);

struct say_load_request {
	struct given_policy *given; /* is located: given_policy_locate() */
	const char *cgroup;	    /* NULL: the v2 root */
	const char *pins;	    /* NULL: the default */
	const char *reader;   /* the user that may read beside root; NULL: the one that may now */
	bool trial;	      /* only where nothing is loaded */
	uint64_t try_seconds; /* on trial for so long; 0: for good */
};

/*
 * Where (*ret_report).left is not 0, a smtpward of another ABI has left behind what it
 * recorded: the caller's to have written, by say_log_drain_left().
 */
enum command_result say_load_policy(const struct say_load_request *load,
				    struct load_report *ret_report);

/*
 * Lifts the policy; with only, that load and no other. *ret_lifted, where it is asked for: nothing
 * of it refuses any more, also where the result is a failure.
 */
enum command_result say_load_lift(const char *pins, const struct load_id *only, bool *ret_lifted);

#endif /* SMTPWARD_SAY_LOAD_H */
