// SPDX-License-Identifier: GPL-2.0-only
/* The policy that a command was given; see given_policy.h. */
#include "cli/given_policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/quote.h"
#include "cli/msg.h"

/* A glob may find a file whose name is not fit for a terminal. */
static void given_quote_file(const char *file, char *dst, size_t size)
{
	if (quote_text(file, strlen(file), dst, size) < 0)
		snprintf(dst, size, "?");
}

static void given_print_errors(const struct policy_errors *errors)
{
	for (size_t i = 0; i < errors->n_items; i++) {
		const struct policy_error *error = &errors->items[i];
		char file[QUOTE_SIZE(4096)];

		given_quote_file(error->file, file, sizeof(file));
		fputs(file, stderr);
		if (error->line)
			fprintf(stderr, ":%u", error->line);
		if (error->column)
			fprintf(stderr, ":%u", error->column);
		fprintf(stderr, ": error: %s\n", error->text);
	}
}

void given_policy_explain(const struct policy_error *error, struct reason *ret_reason)
{
	char file[QUOTE_SIZE(4096)], place[32] = "";

	given_quote_file(error->file, file, sizeof(file));
	if (error->line)
		snprintf(place, sizeof(place), ":%u:%u", error->line, error->column);
	reason_set(ret_reason, 0, "%s%s: %s", file, place, error->text);
}

static int given_parse(const char *path, const struct policy_source *source,
		       struct policy **ret_policy, struct policy_errors *errors)
{
	if (path)
		return policy_parse(path, source, ret_policy, errors);
	return policy_parse_text(POLICY_BUILTIN_NAME, policy_builtin_text,
				 strlen(policy_builtin_text), source, ret_policy, errors);
}

static enum command_result given_compile(const struct policy *policy, struct ruleset **ret_ruleset,
					 struct reason *reterr)
{
	size_t rule = 0;
	int r = ruleset_compile(policy, ret_ruleset, &rule);

	if (!r)
		return COMMAND_DONE;
	if (r == -E2BIG) {
		const struct policy_place *place = &policy->rules[rule].place;

		reason_set(reterr, r,
			   "%s:%u:%u: error: too many names: units and the segments of cgroup "
			   "paths can be %d together",
			   place->file, place->line, place->column, SMTPWARD_SEGMENTS_MAX);
		fprintf(stderr, "%s\n", reterr->text);
		return COMMAND_BAD_INPUT;
	}
	reason_errno(reterr, r, "cannot compile the policy");
	msg_error("%s", reterr->text);
	return COMMAND_FAILED;
}

enum command_result given_policy_take(const char *name, struct policy **policy,
				      struct given_policy *ret_given, struct reason *reterr)
{
	struct ruleset *ruleset = NULL;
	enum command_result result = given_compile(*policy, &ruleset, reterr);

	if (result != COMMAND_DONE)
		return result;
	ret_given->name = name;
	ret_given->policy = TAKE_PTR(*policy);
	ret_given->ruleset = ruleset;
	return COMMAND_DONE;
}

enum command_result given_policy_read_from(const char *path, const struct policy_source *source,
					   struct given_policy *ret_given,
					   struct reason *reterr_first)
{
	_cleanup_(policy_errors_clear) struct policy_errors errors = { 0 };
	_cleanup_(policy_freep) struct policy *policy = NULL;
	int r = given_parse(path, source, &policy, &errors);

	given_print_errors(&errors);
	if (r == -EINVAL) {
		given_policy_explain(&errors.items[0], reterr_first);
		return COMMAND_BAD_INPUT;
	}
	if (r) {
		reason_errno(reterr_first, r, "cannot read %s", path ?: POLICY_BUILTIN_NAME);
		msg_error("%s", reterr_first->text);
		return COMMAND_FAILED;
	}
	return given_policy_take(path ?: POLICY_BUILTIN_NAME, &policy, ret_given, reterr_first);
}

enum command_result given_policy_read(const char *path, struct given_policy *ret_given)
{
	struct reason reason;

	return given_policy_read_from(path, &policy_source_system, ret_given, &reason);
}

void given_policy_clear(struct given_policy *given)
{
	policy_free(given->policy);
	ruleset_free(given->ruleset);
}
