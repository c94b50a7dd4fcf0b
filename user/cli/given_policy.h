/* SPDX-License-Identifier: GPL-2.0-only */
/* The policy that a command was given: read, checked, compiled, its errors printed. */
#ifndef SMTPWARD_GIVEN_POLICY_H
#define SMTPWARD_GIVEN_POLICY_H

#include "cli/command.h"
#include "policy/policy.h"
#include "ruleset/ruleset.h"

struct given_policy {
	const char *name; /* of the file, as it was given, or POLICY_BUILTIN_NAME */
	char *file;	  /* the same, absolute where it is a path */
	struct policy *policy;
	struct ruleset *ruleset;
};

/*
 * Reads path, or the built-in policy where path is NULL. COMMAND_DONE, or else
 * every error has been printed and *ret_given is untouched. The places of the rules are
 * in absolute paths, which name the files from any directory.
 */
enum command_result given_policy_read(const char *path, struct given_policy *ret_given);
void given_policy_clear(struct given_policy *given);

#endif /* SMTPWARD_GIVEN_POLICY_H */
