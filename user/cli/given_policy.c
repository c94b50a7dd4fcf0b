// SPDX-License-Identifier: GPL-2.0-only
/* The policy that a command was given; see given_policy.h. */
#include "cli/given_policy.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/quote.h"
#include "cli/msg.h"

/* A glob may find a file whose name is not fit for a terminal. */
static void given_print_file(const char *file)
{
	char quoted[QUOTE_SIZE(4096)];

	if (quote_text(file, strlen(file), quoted, sizeof(quoted)) >= 0)
		fputs(quoted, stderr);
}

static void given_print(const struct policy_errors *errors, const char *what)
{
	for (size_t i = 0; i < errors->n_items; i++) {
		const struct policy_error *error = &errors->items[i];

		given_print_file(error->file);
		if (error->line)
			fprintf(stderr, ":%u", error->line);
		if (error->column)
			fprintf(stderr, ":%u", error->column);
		fprintf(stderr, ": %s: %s\n", what, error->text);
	}
}

void given_print_doubts(const struct policy_errors *doubts)
{
	given_print(doubts, "warning");
}

/* A directory is a file that includes what is in it. */
static int given_parse_directory(const char *path, const struct policy_source *source,
				 struct policy **ret_policy, struct policy_errors *errors)
{
	static const char text[] = "include *.conf\n";
	_cleanup_free_ char *name = NULL;

	if (asprintf(&name, "%s/", path) < 0) {
		name = NULL; /* undefined after a failure */
		return -ENOMEM;
	}
	return policy_parse_text(name, text, strlen(text), source, ret_policy, errors);
}

static int given_parse(const char *path, const struct policy_source *source, bool directories,
		       struct policy **ret_policy, struct policy_errors *errors)
{
	struct stat st;

	if (path && directories && !stat(path, &st) && S_ISDIR(st.st_mode))
		return given_parse_directory(path, source, ret_policy, errors);
	if (path)
		return policy_parse(path, source, ret_policy, errors);
	return policy_parse_text(POLICY_BUILTIN_NAME, policy_builtin_text,
				 strlen(policy_builtin_text), source, ret_policy, errors);
}

static enum command_result given_compile(const struct policy *policy, struct ruleset **ret_ruleset)
{
	size_t rule = 0;
	int r = ruleset_compile(policy, ret_ruleset, &rule);

	if (!r)
		return COMMAND_DONE;
	if (r == -E2BIG) {
		const struct policy_place *place = &policy->rules[rule].place;

		fprintf(stderr,
			"%s:%u:%u: error: too many names: units and the segments of cgroup paths "
			"can be %d together\n",
			place->file, place->line, place->column, SMTPWARD_SEGMENTS_MAX);
		return COMMAND_BAD_INPUT;
	}
	msg_error("cannot compile the policy: %s", strerror(-r));
	return COMMAND_FAILED;
}

static enum command_result given_read(const char *path, const struct policy_source *source,
				      bool directories, struct given_policy *ret_given)
{
	_cleanup_(policy_errors_clear) struct policy_errors errors = { 0 };
	_cleanup_(policy_freep) struct policy *policy = NULL;
	struct ruleset *ruleset = NULL;
	enum command_result result;
	int r = given_parse(path, source, directories, &policy, &errors);

	given_print(&errors, "error");
	if (r == -EINVAL)
		return COMMAND_BAD_INPUT;
	if (r) {
		msg_error("cannot read %s: %s", path ?: POLICY_BUILTIN_NAME, strerror(-r));
		return COMMAND_FAILED;
	}
	result = given_compile(policy, &ruleset);
	if (result != COMMAND_DONE)
		return result;
	ret_given->name = path ?: POLICY_BUILTIN_NAME;
	ret_given->policy = TAKE_PTR(policy);
	ret_given->ruleset = ruleset;
	return COMMAND_DONE;
}

enum command_result given_policy_read(const char *path, struct given_policy *ret_given)
{
	return given_read(path, &policy_source_system, false, ret_given);
}

enum command_result given_policy_read_with(const char *path, const struct policy_source *source,
					   struct given_policy *ret_given)
{
	return given_read(path, source, true, ret_given);
}

void given_policy_clear(struct given_policy *given)
{
	policy_free(given->policy);
	ruleset_free(given->ruleset);
}
