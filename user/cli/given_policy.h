/* SPDX-License-Identifier: GPL-2.0-only */
/* The policy that a command was given: read, checked, compiled, its errors printed. */
#ifndef SMTPWARD_GIVEN_POLICY_H
#define SMTPWARD_GIVEN_POLICY_H

#include <stdbool.h>

#include "base/reason.h"
#include "cli/command.h"
#include "policy/policy.h"
#include "ruleset/ruleset.h"

struct given_policy {
	const char *name; /* of the file, as it was given, or POLICY_BUILTIN_NAME */
	char *file;	  /* after given_policy_locate(): the same, absolute where it is a path */
	const char *why;  /* it is the one that was kept: what was wrong with the file; or NULL */
	struct policy *policy;
	struct ruleset *ruleset;
};

/*
 * Reads path, or the built-in policy where path is NULL. COMMAND_DONE, or else
 * every error has been printed and *ret_given is untouched.
 */
enum command_result given_policy_read(const char *path, struct given_policy *ret_given);

/* The same through another source; *reterr_first is then the first error. */
enum command_result given_policy_read_from(const char *path, const struct policy_source *source,
					   struct given_policy *ret_given,
					   struct reason *reterr_first);

/* The same of a directory too: all *.conf in it are one policy. */
enum command_result given_policy_read_with(const char *path, const struct policy_source *source,
					   struct given_policy *ret_given);

/* Compiles a policy, which is the given one's then, under this name. */
enum command_result given_policy_take(const char *name, struct policy **policy,
				      struct given_policy *ret_given, struct reason *reterr);

/* Refuses nothing from here on, whatever it says: its mode is audit. */
void given_policy_audit(struct given_policy *given);

/*
 * For what stays in the kernel: the file, and the places of the rules, in absolute paths, which
 * name the files from any directory. 0, or -errno with a reason.
 */
int given_policy_locate(struct given_policy *given, struct reason *reason);

/*
 * When the last of its files was changed, in seconds since 1970: a clock that is before that
 * is not set. 0 if no file says so.
 */
int64_t given_policy_written(const struct given_policy *given);

/* Whether rules end, and the clock is before that. */
bool given_policy_is_ahead(const struct given_policy *given);

/* "FILE:LINE:COLUMN: TEXT", fit for a terminal. */
void given_policy_explain(const struct policy_error *error, struct reason *ret_reason);

/* Prints what policy_doubts.h found, as warnings. */
void given_print_doubts(const struct policy_errors *doubts);

/*
 * Prints what policy_ends.h finds now: what is over as warnings, what is left as notes, which
 * --quiet leaves out; and a file that is ahead of the clock.
 */
int given_print_ends(const struct given_policy *given);

void given_policy_clear(struct given_policy *given);

#endif /* SMTPWARD_GIVEN_POLICY_H */
