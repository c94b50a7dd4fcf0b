/* SPDX-License-Identifier: GPL-2.0-only */
/* The policy that a command was given: reads, checks and compiles it, and prints its errors. */
#ifndef SMTPWARD_GIVEN_POLICY_H
#define SMTPWARD_GIVEN_POLICY_H

#include <stdbool.h>

#include "base/reason.h"
#include "cli/command.h"
#include "policy/policy.h"
#include "ruleset/ruleset.h"

struct given_policy {
	const char *name; /* of the file, as given, or POLICY_BUILTIN_NAME */
	char *file;	  /* after given_policy_locate(): the name, absolute if it is a path */
	const char *why;  /* the policy is the kept one, as the file was wrong: how; or NULL */
	struct policy *policy;
	struct ruleset *ruleset;
};

/*
 * Reads path, or the built-in policy if path is NULL. COMMAND_DONE; otherwise every error has been
 * printed and *ret_given is untouched.
 */
enum command_result given_policy_read(const char *path, struct given_policy *ret_given);

/* The same through another source; on failure *reterr_first is the first error. */
enum command_result given_policy_read_from(const char *path, const struct policy_source *source,
					   struct given_policy *ret_given,
					   struct reason *reterr_first);

/* The same, of a directory, too: all *.conf in the directory are one policy. */
enum command_result given_policy_read_with(const char *path, const struct policy_source *source,
					   struct given_policy *ret_given);

/* Compiles a policy under this name. The given policy owns it from then on; *policy is NULL. */
enum command_result given_policy_take(const char *name, struct policy **policy,
				      struct given_policy *ret_given, struct reason *reterr);

/* Sets mode audit: the policy refuses nothing then, whatever its rules say. */
void given_policy_audit(struct given_policy *given);

/*
 * Makes the file, and the places of the rules, absolute paths, for the kernel's copy: these name
 * the files from any directory. 0, or -errno with a reason.
 */
int given_policy_locate(struct given_policy *given, struct reason *reason);

/*
 * The time at which the newest of the policy's files was changed, in seconds since 1970: a clock
 * that is before that is not set. 0 if there is no such time.
 */
int64_t given_policy_written(const struct given_policy *given);

/* Whether rules end, and the clock is before the time of given_policy_written(). */
bool given_policy_is_ahead(const struct given_policy *given);

/* Writes "FILE:LINE:COLUMN: TEXT", safe for a terminal. */
void given_policy_explain(const struct policy_error *error, struct reason *ret_reason);

/* Prints doubts of policy_doubts.h as warnings. */
void given_print_doubts(const struct policy_errors *doubts);

/*
 * Prints the ends that policy_ends.h finds now: rules that are over as warnings, time that is left
 * as notes, which --quiet leaves out; and warns of a file that is ahead of the clock.
 */
int given_print_ends(const struct given_policy *given);

void given_policy_clear(struct given_policy *given);

#endif /* SMTPWARD_GIVEN_POLICY_H */
