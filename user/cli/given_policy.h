/* SPDX-License-Identifier: GPL-2.0-only */
/* The policy that a command was given: read, checked, compiled, its errors printed. */
#ifndef SMTPWARD_GIVEN_POLICY_H
#define SMTPWARD_GIVEN_POLICY_H

#include "cli/command.h"
#include "policy/policy.h"
#include "ruleset/ruleset.h"

struct given_policy {
	const char *name; /* of the file, or POLICY_BUILTIN_NAME */
	struct policy *policy;
	struct ruleset *ruleset;
};

/*
 * Reads path, or the built-in policy where path is NULL. COMMAND_DONE, or else
 * every error has been printed and *ret_given is untouched.
 */
enum command_result given_policy_read(const char *path, struct given_policy *ret_given);

/* The same of a file, or of all *.conf of a directory as one policy, and of another world. */
enum command_result given_policy_read_with(const char *path, const struct policy_source *source,
					   struct given_policy *ret_given);

/* Prints what policy_doubts.h found, as warnings. */
void given_print_doubts(const struct policy_errors *doubts);

void given_policy_clear(struct given_policy *given);

#endif /* SMTPWARD_GIVEN_POLICY_H */
