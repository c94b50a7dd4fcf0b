/* SPDX-License-Identifier: GPL-2.0-only */
/* The policy that a command was given: read, checked, compiled, its errors printed. */
#ifndef SMTPWARD_GIVEN_POLICY_H
#define SMTPWARD_GIVEN_POLICY_H

#include "base/reason.h"
#include "cli/command.h"
#include "policy/policy.h"
#include "ruleset/ruleset.h"

struct given_policy {
	const char *name; /* of the file, or POLICY_BUILTIN_NAME */
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

/* Compiles a policy, which is the given one's then, under this name. */
enum command_result given_policy_take(const char *name, struct policy **policy,
				      struct given_policy *ret_given, struct reason *reterr);

/* "FILE:LINE:COLUMN: TEXT", fit for a terminal. */
void given_policy_explain(const struct policy_error *error, struct reason *ret_reason);

void given_policy_clear(struct given_policy *given);

#endif /* SMTPWARD_GIVEN_POLICY_H */
