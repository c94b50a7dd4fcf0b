// SPDX-License-Identifier: GPL-2.0-only
/* smtpward report: who tried, how often, where to? */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ask/report.h"
#include "ask/suggest.h"
#include "base/cleanup.h"
#include "base/macro.h"
#include "base/span.h"
#include "base/verdict_word.h"
#include "cli/msg.h"
#include "cli/redraw.h"
#include "cli/report_names.h"
#include "cli/say_report.h"
#include "cli/say_suggest.h"
#include "cmd/commands.h"
#include "host/unit.h"
#include "host/writable.h"
#include "pins/figures.h"
#include "pins/reader_view.h"
#include "pins/rows.h"
#include "pins/state.h"
#include "policy/policy_until.h"
#include "policy/policy_value.h"

#define REPORT_WATCH_SECONDS 2

struct report_config {
	const char *pins;
	const char *unit, *user, *verdict, *to, *since;
	bool json, watch, suggest;
};

static const struct option_spec options[] = {
	OPTION_PINS(struct report_config, pins),
	{ 0, "unit", "NAME", "of this unit, cgroup or container; * stands for any part",
	  OPTION_STRING, offsetof(struct report_config, unit) },
	{ 0, "user", "USER", "of this effective user, name or number", OPTION_STRING,
	  offsetof(struct report_config, user) },
	{ 0, "verdict", "deny|audit|allow", "with at least one such verdict", OPTION_STRING,
	  offsetof(struct report_config, verdict) },
	{ 0, "to", "ADDRESS", "to this address or prefix; ADDRESS:PORT, [ADDRESS]:PORT",
	  OPTION_STRING, offsetof(struct report_config, to) },
	{ 0, "since", "TIME", "seen since: 2h, 30m, or a time as 2026-01-31T12:00Z", OPTION_STRING,
	  offsetof(struct report_config, since) },
	{ 0, "watch", NULL, "draw it again every 2 seconds, until q", OPTION_FLAG,
	  offsetof(struct report_config, watch) },
	{ 0, "suggest", NULL, "rules that allow what mode audit let through", OPTION_FLAG,
	  offsetof(struct report_config, suggest) },
	OPTION_JSON(struct report_config, json),
};

/* Filters: each that makes no sense is said, and none is left out. */

static bool report_parse_user(const char *word, struct report_filter *filter)
{
	struct policy_id id = { 0 };
	struct reason reason;

	if (policy_value_user(word, &policy_source_system, &id, &reason)) {
		msg_error("--user: %s", reason.text);
		return false;
	}
	filter->has_user = true;
	filter->user = id.id;
	free(id.name);
	return true;
}

static bool report_parse_verdict(const char *word, struct report_filter *filter)
{
	const int verdict = verdict_from_word(word);

	if (verdict < 0) {
		msg_error("--verdict takes " VERDICT_WORDS ", and not '%s'", word);
		return false;
	}
	filter->has_verdict = true;
	filter->verdict = (unsigned int)verdict;
	return true;
}

/* "a.b.c.d:25" and "[...]:25": what stands before and behind the port's colon. */
static char *report_split_port(char *word)
{
	char *end, *colon;

	if (*word == '[') {
		end = strchr(word, ']');
		if (!end || (end[1] && end[1] != ':'))
			return NULL;
		*end = '\0';
		return end[1] ? end + 2 : NULL;
	}
	colon = strchr(word, ':');
	if (!colon || strchr(colon + 1, ':'))
		return NULL;
	*colon = '\0';
	return colon + 1;
}

static bool report_parse_to(const char *word, struct report_filter *filter)
{
	_cleanup_free_ char *copy = strdup(word);
	const char *port = copy ? report_split_port(copy) : NULL;
	struct reason reason;
	int r;

	if (!copy) {
		msg_error("--to: out of memory");
		return false;
	}
	if (*word == '[' && !strchr(word, ']'))
		r = reason_set(&reason, -EINVAL, "'%s' has no ']'", word);
	else
		r = policy_value_to(copy + (*copy == '['), &filter->to, &reason);
	if (!r && port)
		r = policy_value_port(port, &filter->port, &reason);
	if (!r && filter->to.bits == POLICY_PREFIX_LOCAL)
		r = reason_set(&reason, -EINVAL, "'%s' is no address", word);
	if (r) {
		msg_error("--to: %s", reason.text);
		return false;
	}
	filter->has_to = true;
	return true;
}

static bool report_parse_since(const char *word, struct report_filter *filter)
{
	const uint64_t now = (uint64_t)time(NULL);
	struct reason reason;
	uint64_t seconds;
	uint32_t when;

	if (!span_parse(word, &seconds)) {
		filter->since = (now > seconds ? now - seconds : 0) * 1000000000ULL;
		return true;
	}
	if (policy_value_until(word, &when, &reason)) {
		msg_error("--since takes a span as 2h or 30m, or a time as 2026-01-31T12:00Z, and "
			  "not '%s'",
			  word);
		return false;
	}
	filter->since = when * 1000000000ULL;
	return true;
}

static bool report_parse_filter(const struct report_config *config, struct report_filter *filter)
{
	static const struct {
		size_t offset;
		bool (*parse)(const char *word, struct report_filter *filter);
	} parts[] = {
		{ offsetof(struct report_config, user), report_parse_user },
		{ offsetof(struct report_config, verdict), report_parse_verdict },
		{ offsetof(struct report_config, to), report_parse_to },
		{ offsetof(struct report_config, since), report_parse_since },
	};
	bool good = true;

	filter->unit = config->unit;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		const char *word = *(const char *const *)((const char *)config + parts[i].offset);

		if (word && !parts[i].parse(word, filter))
			good = false;
	}
	if (config->watch && config->json) {
		msg_error("--watch draws, and --json is for programs: choose one");
		good = false;
	}
	if (config->suggest && (config->watch || config->json)) {
		msg_error("--suggest writes rules: --watch and --json are of no use with it");
		good = false;
	}
	return good;
}

/* All that one report is made of. */
struct report_look {
	struct state state;
	struct figures figures;
	struct rows rows;
	struct report_names names;
	struct report report;
};

static void report_look_end(struct report_look *look)
{
	state_clear(&look->state);
	figures_clear(&look->figures);
	rows_clear(&look->rows);
	report_names_clear(&look->names);
	report_clear(&look->report);
}

static int report_look_at(const struct report_config *config, const struct report_filter *filter,
			  struct report_look *look, struct reason *reason)
{
	const char *pins = reader_view_choose(config->pins);
	struct report_source source;
	int r = state_read_rows(pins, &look->state, &look->figures, &look->rows, reason);

	if (r == -ENOENT)
		return reason_set(reason, r, "nothing is loaded at %s: 'smtpward load' does", pins);
	if (r)
		return r;
	source = report_names_source(&look->names);
	r = report_build(&look->rows, look->state.rules, look->state.policy.rules, &source, filter,
			 &look->report);
	return r ? reason_errno(reason, r, "cannot make a report") : 0;
}

static struct say_report report_say(const struct report_look *look)
{
	return (struct say_report){
		.report = &look->report,
		.names = &look->names,
		.state = &look->state,
		.figures = &look->figures,
		.known = look->rows.known,
	};
}

static enum command_result report_print_json(const struct say_report *say)
{
	json_t *json = say_report_json(say);
	int failed = !json || json_dumpf(json, stdout, JSON_INDENT(2)) || putchar('\n') == EOF;

	json_decref(json);
	if (!failed)
		return COMMAND_DONE;
	msg_error("cannot print JSON");
	return COMMAND_FAILED;
}

static enum command_result report_once(const struct report_config *config,
				       const struct report_filter *filter)
{
	_cleanup_(report_look_end) struct report_look look = { 0 };
	struct reason reason;
	struct say_report say;

	if (report_look_at(config, filter, &look, &reason)) {
		msg_error("%s", reason.text);
		return COMMAND_FAILED;
	}
	say = report_say(&look);
	if (config->json)
		return report_print_json(&say);
	say_report_text(&say, 0, stdout);
	return COMMAND_DONE;
}

/* Suggestions. */

static enum writable report_writable(void *userdata, const char *path, uint32_t uid)
{
	return writable_by(path, uid);
}

static bool report_unit_is_roots(void *userdata, const char *unit)
{
	_cleanup_free_ char *real = NULL;
	enum unit_kind kind = UNIT_UNKNOWN;

	return !unit_find(unit, &kind, &real) && kind == UNIT_KNOWN;
}

/* The policy in force, of the texts that map_rules has. NULL: it cannot be read again. */
static struct policy *report_parse_policy(const struct state *state, struct reason *reason)
{
	_cleanup_(policy_errors_clear) struct policy_errors errors = { 0 };
	_cleanup_free_ char *text = NULL;
	struct policy *policy = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out) {
		reason_set(reason, -ENOMEM, "out of memory");
		return NULL;
	}
	for (uint32_t i = 0; i < state->policy.ports; i++)
		fprintf(out, "%s%u", i ? ", " : "ports ", state->policy.port[i]);
	fputc('\n', out);
	/* A rule whose text is cut keeps its place and verdict, and allows nothing that is
	 * suggested. */
	for (uint32_t i = 0; i < state->policy.rules; i++)
		fprintf(out, "%s\n",
			!state->rules[i].truncated		   ? state->rules[i].text
			: state->rules[i].verdict == SMTPWARD_DENY ? "deny cgroup /"
			: state->rules[i].verdict == SMTPWARD_AUDIT
				? "audit cgroup /"
				: "allow cgroup /- user 4294967294");
	if (fclose(out)) {
		reason_set(reason, -ENOMEM, "out of memory");
		return NULL;
	}
	if (policy_parse_text("the policy in force", text, size, &policy_source_system, &policy,
			      &errors))
		reason_set(reason, -EINVAL,
			   "the policy in force has a rule that is wrong today: %s",
			   errors.n_items ? errors.items[0].text : "out of memory");
	return policy;
}

static enum command_result report_suggest(const struct report_config *config,
					  const struct report_filter *filter)
{
	static const struct suggest_source source = {
		.writable = report_writable,
		.unit_is_roots = report_unit_is_roots,
	};
	_cleanup_(report_look_end) struct report_look look = { 0 };
	_cleanup_(suggest_clear) struct suggest suggest = { 0 };
	_cleanup_(policy_freep) struct policy *policy = NULL;
	struct reason reason;

	if (report_look_at(config, filter, &look, &reason)) {
		msg_error("%s", reason.text);
		return COMMAND_FAILED;
	}
	policy = report_parse_policy(&look.state, &reason);
	if (!policy) {
		msg_error("cannot suggest rules: %s", reason.text);
		return COMMAND_FAILED;
	}
	if (suggest_build(&look.report, policy, &source, &suggest)) {
		msg_error("cannot suggest rules: out of memory");
		return COMMAND_FAILED;
	}
	say_suggest(&suggest, look.state.rules, look.state.policy.rules, stdout);
	return COMMAND_DONE;
}

/* How many rows the screen has room for beside titles, rules and what is said of names. */
static size_t report_rows_on(const struct report_look *look)
{
	const size_t other = 12 + look->state.policy.rules + look->names.n_notes;
	const size_t lines = redraw_lines();

	return lines > other ? lines - other : 1;
}

static void report_write(const struct report_config *config, const struct report_filter *filter,
			 FILE *out)
{
	_cleanup_(report_look_end) struct report_look look = { 0 };
	const time_t now = time(NULL);
	struct reason reason;
	struct say_report say;
	char when[32] = "";
	struct tm tm;

	if (gmtime_r(&now, &tm))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	/* If nothing can be read, the reason alone is shown: a load brings the report back. */
	if (report_look_at(config, filter, &look, &reason)) {
		fprintf(out, "%s  %s\n", when, reason.text);
		return;
	}
	fprintf(out, "%s  %s\n\n", when, state_headline(&look.state));
	say = report_say(&look);
	say_report_text(&say, report_rows_on(&look), out);
}

static void report_draw(const struct report_config *config, const struct report_filter *filter)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return;
	report_write(config, filter, out);
	if (!fclose(out))
		redraw_show(text);
}

static enum command_result report_watch(const struct report_config *config,
					const struct report_filter *filter)
{
	_cleanup_(redraw_end) struct redraw redraw = REDRAW_CLOSED;
	struct reason reason;

	if (redraw_begin(&redraw, &reason)) {
		msg_error("%s", reason.text);
		return COMMAND_BAD_INPUT;
	}
	do
		report_draw(config, filter);
	while (redraw_wait(&redraw, REPORT_WATCH_SECONDS));
	return COMMAND_DONE;
}

static enum command_result report_run(void *userdata, int argc, char **argv)
{
	const struct report_config *config = userdata;
	struct report_filter filter = { 0 };

	if (!report_parse_filter(config, &filter))
		return COMMAND_BAD_INPUT;
	if (config->suggest)
		return report_suggest(config, &filter);
	return config->watch ? report_watch(config, &filter) : report_once(config, &filter);
}

const struct command cmd_report = {
	.name = "report",
	.summary = "who tried, how often, where to, by which rule",
	.description =
		"Counts every attempt that the policy logs, also those that the limit on lines "
		"keeps\nfrom a line: by unit, user, rule, destination and port. The counts go on "
		"through\nreloads, and end with an unload.",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.config_size = sizeof(struct report_config),
	.run = report_run,
};
