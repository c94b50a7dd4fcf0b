/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by load and run: puts a given policy in force, with messages. */
#ifndef SMTPWARD_SAY_LOAD_H
#define SMTPWARD_SAY_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/command.h"
#include "cli/given_policy.h"
#include "load/load.h"

/* For run, before it loads: whether another process reads the violations already. */
enum command_result say_load_check_free(const char *path);

struct say_load_request {
	struct given_policy *given; /* given_policy_locate() was called */
	const char *cgroup;	    /* NULL: the v2 root */
	const char *pins;	    /* NULL: the default */
	const char *reader;	    /* the user that may read beside root; NULL: who may read now */
	bool trial;		    /* fails if a policy is loaded */
	uint64_t try_seconds;	    /* the length of the trial; 0: no trial */
};

/*
 * If ret_report->left is not 0, a smtpward of another ABI has left records: the caller has them
 * written by say_log_drain_left().
 */
enum command_result say_load_policy(const struct say_load_request *load,
				    struct load_report *ret_report);

/*
 * Lifts the policy; with only, that load and no other. *ret_lifted, unless it is NULL: the policy
 * refuses nothing any more, even if the result is a failure.
 */
enum command_result say_load_lift(const char *pins, const struct load_id *only, bool *ret_lifted);

#endif /* SMTPWARD_SAY_LOAD_H */
