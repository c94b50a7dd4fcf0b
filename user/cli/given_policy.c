// SPDX-License-Identifier: GPL-2.0-only
/* The policy that a command was given: reads, checks and prints it; see given_policy.h. */
#include "cli/given_policy.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/quote.h"
#include "cli/msg.h"
#include "host/absolute.h"
#include "policy/policy_ends.h"

/* A glob may find a file with a name that would harm a terminal. */
static void given_quote_file(const char *file, char *dst, size_t size)
{
	if (quote_text(file, strlen(file), dst, size) < 0)
		snprintf(dst, size, "?");
}

/* Whether an error has a line: the text that stands for a directory has no lines. */
static bool given_has_lines(const struct policy_error *error)
{
	const size_t len = strlen(error->file);

	return error->line && len && error->file[len - 1] != '/';
}

static void given_print(const struct policy_errors *errors, const char *what)
{
	for (size_t i = 0; i < errors->n_items; i++) {
		const struct policy_error *error = &errors->items[i];
		char file[QUOTE_SIZE(4096)];

		given_quote_file(error->file, file, sizeof(file));
		fputs(file, stderr);
		if (given_has_lines(error))
			fprintf(stderr, ":%u", error->line);
		if (given_has_lines(error) && error->column)
			fprintf(stderr, ":%u", error->column);
		fprintf(stderr, ": %s: %s\n", what, error->text);
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

void given_print_doubts(const struct policy_errors *doubts)
{
	given_print(doubts, "warning");
}

/* The newest of the policy's files, and the time when it was changed; 0 if there is none. */
static int64_t given_find_newest(const struct given_policy *given, const char **ret_file)
{
	int64_t newest = 0;
	struct stat st;

	*ret_file = "";
	for (size_t i = 0; i < given->policy->n_files; i++) {
		const char *file = given->policy->files[i];

		if (stat(file, &st) || st.st_mtime <= newest)
			continue;
		newest = st.st_mtime;
		*ret_file = file;
	}
	return newest;
}

int64_t given_policy_written(const struct given_policy *given)
{
	const char *file;

	return given_find_newest(given, &file);
}

bool given_policy_is_ahead(const struct given_policy *given)
{
	return given->ruleset->asks_until && given_policy_written(given) > time(NULL);
}

static void given_format_time(time_t when, char *dst, size_t size)
{
	struct tm tm;

	if (!gmtime_r(&when, &tm) || !strftime(dst, size, "%Y-%m-%dT%H:%M:%SZ", &tm))
		snprintf(dst, size, "%lld", (long long)when);
}

/* Warns of a clock that is behind the policy: the programs regard the clock as not set. */
static void given_print_ahead(const struct given_policy *given)
{
	char file[QUOTE_SIZE(4096)], written[32], now[32];
	const char *newest;

	if (!given_policy_is_ahead(given))
		return;
	given_format_time(given_find_newest(given, &newest), written, sizeof(written));
	given_format_time(time(NULL), now, sizeof(now));
	given_quote_file(newest, file, sizeof(file));
	fprintf(stderr,
		"%s: warning: the file is of %s, and the clock says %s: rules with until match "
		"nothing before that time; if the clock is right, 'touch' the file and load\n",
		file, written, now);
}

int given_print_ends(const struct given_policy *given)
{
	_cleanup_(policy_errors_clear) struct policy_errors over = { 0 }, left = { 0 };
	int r = policy_find_ends(given->policy, time(NULL), &over, &left);

	given_print_ahead(given);
	given_print(&over, "warning");
	if (msg_get_level() >= MSG_INFO)
		given_print(&left, "note");
	return r;
}

/* Parses a directory as if a file included everything in it. */
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

static int given_copy(const char *text, char **ret_copy)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	*ret_copy = copy;
	return 0;
}

/* Messages show an absolute path unchanged. */
static int given_make_absolute(const char *path, char **ret_path)
{
	return *path == '/' ? given_copy(path, ret_path) : absolute_path(path, ret_path);
}

/*
 * Makes a file of the policy absolute, and the places of its rules: they point to the list of
 * files.
 */
static int given_locate_file(struct policy *policy, char **file)
{
	char *absolute = NULL;
	int r = given_make_absolute(*file, &absolute);

	if (r)
		return r;
	for (size_t i = 0; i < policy->n_rules; i++)
		if (policy->rules[i].place.file == *file)
			policy->rules[i].place.file = absolute;
	free(*file);
	*file = absolute;
	return 0;
}

/*
 * Errors were printed with the names as given. From here on names are absolute: the kernel's copy
 * is read from other directories.
 */
static int given_locate(struct policy *policy, const char *path, char **ret_file)
{
	if (!strcmp(path, POLICY_BUILTIN_NAME))
		return given_copy(path, ret_file);
	for (size_t i = 0; i < policy->n_files; i++) {
		int r = given_locate_file(policy, &policy->files[i]);

		if (r)
			return r;
	}
	return given_make_absolute(path, ret_file);
}

enum command_result given_policy_take(const char *name, struct policy **policy,
				      struct given_policy *ret_given, struct reason *reterr)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = NULL;
	enum command_result result = given_compile(*policy, &ruleset, reterr);

	if (result != COMMAND_DONE)
		return result;
	ret_given->name = name;
	ret_given->policy = TAKE_PTR(*policy);
	ret_given->ruleset = TAKE_PTR(ruleset);
	return COMMAND_DONE;
}

static enum command_result given_read(const char *path, const struct policy_source *source,
				      bool directories, struct given_policy *ret_given,
				      struct reason *reterr_first)
{
	_cleanup_(policy_errors_clear) struct policy_errors errors = { 0 };
	_cleanup_(policy_freep) struct policy *policy = NULL;
	int r = given_parse(path, source, directories, &policy, &errors);

	given_print(&errors, "error");
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

enum command_result given_policy_read_from(const char *path, const struct policy_source *source,
					   struct given_policy *ret_given,
					   struct reason *reterr_first)
{
	return given_read(path, source, false, ret_given, reterr_first);
}

enum command_result given_policy_read(const char *path, struct given_policy *ret_given)
{
	struct reason reason;

	return given_read(path, &policy_source_system, false, ret_given, &reason);
}

enum command_result given_policy_read_with(const char *path, const struct policy_source *source,
					   struct given_policy *ret_given)
{
	struct reason reason;

	return given_read(path, source, true, ret_given, &reason);
}

void given_policy_audit(struct given_policy *given)
{
	given->policy->mode = POLICY_AUDIT;
	given->ruleset->audit_mode = true;
}

int given_policy_locate(struct given_policy *given, struct reason *reason)
{
	int r = given->file ? 0 : given_locate(given->policy, given->name, &given->file);

	if (r)
		return reason_errno(reason, r, "cannot find out in which directory %s is",
				    given->name);
	return 0;
}

void given_policy_clear(struct given_policy *given)
{
	free(given->file);
	policy_free(given->policy);
	ruleset_free(given->ruleset);
}
