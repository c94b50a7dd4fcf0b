// SPDX-License-Identifier: GPL-2.0-only
/* A report for people and for programs; see say_report.h. */
#include "cli/say_report.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/macro.h"
#include "base/mapped.h"
#include "base/plural.h"
#include "base/quote.h"
#include "base/verdict_word.h"
#include "cli/say_json.h"
#include "line/line.h"
#include "pins/figures.h"
#include "pins/state.h"

#define SAY_CELL_SIZE (QUOTE_SIZE(LINE_PATH_SIZE) + 64)

#define SAY_NS_PER_SECOND 1000000000ULL

/* The longest text that a cell has, quoted; a longer one is cut, which a table can do with. */
static void say_quote(const char *text, char *dst, size_t size)
{
	size_t len = strlen(text);

	while (quote_text(text, len, dst, size) < 0)
		len /= 2;
}

static void say_time(uint64_t ns, char *dst, size_t size)
{
	const time_t when = (time_t)(ns / SAY_NS_PER_SECOND);
	struct tm tm;

	snprintf(dst, size, "-");
	if (ns && gmtime_r(&when, &tm))
		strftime(dst, size, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static void say_address(const uint8_t address[16], char dst[static INET6_ADDRSTRLEN])
{
	if (mapped_is_ipv4(address))
		inet_ntop(AF_INET, address + MAPPED_BYTES, dst, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, address, dst, INET6_ADDRSTRLEN);
}

static const struct smtpward_rule_info *say_rule(const struct say_report *say,
						 const struct report_row *row)
{
	return row->rule >= 0 ? &say->state->rules[row->rule] : NULL;
}

/* Cells of the table of attempts. */

typedef void (*say_cell)(const struct say_report *say, const struct report_row *row, char *dst,
			 size_t size);

static void say_cell_unit(const struct say_report *say, const struct report_row *row, char *dst,
			  size_t size)
{
	const struct report_tenant *tenant = row->tenant;
	const char *name = !tenant ? "" : *tenant->unit ? tenant->unit : tenant->cgroup;
	const bool guest = report_is_of_guest(row);
	size_t len = 0;

	if (!tenant) {
		snprintf(dst, size, "(other tenants)");
		return;
	}
	if (guest) {
		len = (size_t)snprintf(dst, size, "guest ");
		name = tenant->guest;
	}
	say_quote(*name ? name : "?", dst + len, size - len - sizeof(" (gone)"));
	len = strlen(dst);
	if (tenant->gone)
		snprintf(dst + len, size - len, " (gone)");
}

static void say_cell_container(const struct say_report *say, const struct report_row *row,
			       char *dst, size_t size)
{
	const struct container *container = row->tenant ? &row->tenant->container : NULL;
	char name[SAY_CELL_SIZE / 3], image[SAY_CELL_SIZE / 3];

	snprintf(dst, size, "-");
	if (!container || container->engine == CONTAINER_NONE)
		return;
	say_quote(*container->name ? container->name : "?", name, sizeof(name));
	say_quote(container->image, image, sizeof(image));
	snprintf(dst, size, "%s:%s%s%s%s", container_engine_names[container->engine], name,
		 *image ? " (" : "", image, *image ? ")" : "");
}

static void say_cell_user(const struct say_report *say, const struct report_row *row, char *dst,
			  size_t size)
{
	char name[256];

	if (row->kind != REPORT_ROW || report_is_of_guest(row)) {
		snprintf(dst, size, "-");
		return;
	}
	say_quote(row->user ?: "", name, sizeof(name));
	if (row->user)
		snprintf(dst, size, "%s(%" PRIu32 ")", name, row->euid);
	else
		snprintf(dst, size, "%" PRIu32, row->euid);
}

static void say_cell_rule(const struct say_report *say, const struct report_row *row, char *dst,
			  size_t size)
{
	const struct smtpward_rule_info *rule = say_rule(say, row);
	char file[QUOTE_SIZE(sizeof(rule->file))];

	if (rule) {
		say_quote(rule->file, file, sizeof(file));
		snprintf(dst, size, "%d %s:%" PRIu32, row->rule + 1, file, rule->line);
	} else {
		snprintf(dst, size, "%s", row->rule == REPORT_RULE_DEFAULT ? "default" : "-");
	}
}

static void say_cell_to(const struct say_report *say, const struct report_row *row, char *dst,
			size_t size)
{
	const bool is_ipv4 = mapped_is_ipv4(row->address);
	char address[INET6_ADDRSTRLEN];

	if (row->kind != REPORT_ROW) {
		snprintf(dst, size, "(others)");
		return;
	}
	if (!row->port) {
		snprintf(dst, size, "-");
		return;
	}
	say_address(row->address, address);
	snprintf(dst, size, is_ipv4 ? "%s:%u" : "[%s]:%u", address, row->port);
}

static void say_cell_attempts(const struct say_report *say, const struct report_row *row, char *dst,
			      size_t size)
{
	snprintf(dst, size, "%" PRIu64, row->total);
}

static void say_cell_deny(const struct say_report *say, const struct report_row *row, char *dst,
			  size_t size)
{
	snprintf(dst, size, "%" PRIu64, row->attempts[SMTPWARD_DENY]);
}

static void say_cell_audit(const struct say_report *say, const struct report_row *row, char *dst,
			   size_t size)
{
	snprintf(dst, size, "%" PRIu64, row->attempts[SMTPWARD_AUDIT]);
}

static void say_cell_allow(const struct say_report *say, const struct report_row *row, char *dst,
			   size_t size)
{
	snprintf(dst, size, "%" PRIu64, row->attempts[SMTPWARD_ALLOW]);
}

static void say_cell_first(const struct say_report *say, const struct report_row *row, char *dst,
			   size_t size)
{
	say_time(row->first, dst, size);
}

static void say_cell_last(const struct say_report *say, const struct report_row *row, char *dst,
			  size_t size)
{
	say_time(row->last, dst, size);
}

static void say_cell_exe(const struct say_report *say, const struct report_row *row, char *dst,
			 size_t size)
{
	say_quote(row->exe ?: "-", dst, size);
}

static void say_cell_cwd(const struct say_report *say, const struct report_row *row, char *dst,
			 size_t size)
{
	say_quote(row->cwd ?: "-", dst, size);
}

static const struct say_column {
	const char *title;
	say_cell cell;
	bool right;	 /* numbers */
	bool containers; /* only if there are any */
} say_columns[] = {
	{ "UNIT", say_cell_unit, false, false },
	{ "CONTAINER", say_cell_container, false, true },
	{ "USER", say_cell_user, false, false },
	{ "RULE", say_cell_rule, false, false },
	{ "TO", say_cell_to, false, false },
	{ "ATTEMPTS", say_cell_attempts, true, false },
	{ "DENY", say_cell_deny, true, false },
	{ "AUDIT", say_cell_audit, true, false },
	{ "ALLOW", say_cell_allow, true, false },
	{ "FIRST", say_cell_first, false, false },
	{ "LAST", say_cell_last, false, false },
	{ "LAST EXE", say_cell_exe, false, false },
	{ "LAST CWD", say_cell_cwd, false, false },
};

static bool say_has_containers(const struct say_report *say, size_t n_rows)
{
	for (size_t i = 0; i < n_rows; i++) {
		const struct report_tenant *tenant = say->report->rows[i].tenant;

		if (tenant && tenant->container.engine != CONTAINER_NONE)
			return true;
	}
	return false;
}

/* Nothing stands behind the last column of a line. */
static void say_put_cell(const struct say_column *column, const char *text, size_t width, FILE *out)
{
	const bool last = column == &say_columns[ARRAY_SIZE(say_columns) - 1];

	if (last)
		fprintf(out, "%s\n", text);
	else if (column->right)
		fprintf(out, "%*s  ", (int)width, text);
	else
		fprintf(out, "%-*s  ", (int)width, text);
}

static void say_rows(const struct say_report *say, size_t n_rows, FILE *out)
{
	const bool containers = say_has_containers(say, n_rows);
	size_t widths[ARRAY_SIZE(say_columns)];
	char text[SAY_CELL_SIZE];

	for (size_t c = 0; c < ARRAY_SIZE(say_columns); c++) {
		widths[c] = strlen(say_columns[c].title);
		for (size_t i = 0; i < n_rows; i++) {
			say_columns[c].cell(say, &say->report->rows[i], text, sizeof(text));
			if (strlen(text) > widths[c])
				widths[c] = strlen(text);
		}
	}
	for (size_t c = 0; c < ARRAY_SIZE(say_columns); c++)
		if (containers || !say_columns[c].containers)
			say_put_cell(&say_columns[c], say_columns[c].title, widths[c], out);
	for (size_t i = 0; i < n_rows; i++)
		for (size_t c = 0; c < ARRAY_SIZE(say_columns); c++) {
			if (!containers && say_columns[c].containers)
				continue;
			say_columns[c].cell(say, &say->report->rows[i], text, sizeof(text));
			say_put_cell(&say_columns[c], text, widths[c], out);
		}
}

/* Hits of a rule since the load: all of them, also those that get no line. */
static uint64_t say_hits(const struct say_report *say, uint32_t rule)
{
	uint64_t hits = 0;

	for (uint32_t port = 0; port < say->state->policy.ports && port < SMTPWARD_PORTS_MAX;
	     port++)
		hits += figures_attempts(say->figures, port, rule);
	return hits;
}

static void say_rule_line(const struct say_report *say, const char *name, uint32_t rule,
			  const struct smtpward_rule_info *info, FILE *out)
{
	char hits[24] = "-", file[QUOTE_SIZE(sizeof(info->file))];

	if (say->figures->attempts)
		snprintf(hits, sizeof(hits), "%" PRIu64, say_hits(say, rule));
	fprintf(out, "%-7s  %10s  ", name, hits);
	if (!info) {
		fprintf(out, "deny\n");
		return;
	}
	say_quote(info->file, file, sizeof(file));
	fprintf(out, "%s%s  # %s:%" PRIu32 "\n", info->text, info->truncated ? "..." : "", file,
		info->line);
}

static void say_rules(const struct say_report *say, FILE *out)
{
	const struct state *state = say->state;
	char name[16], since[32];

	say_time(state_loaded_at(state) * SAY_NS_PER_SECOND, since, sizeof(since));
	fprintf(out, "\nHits since the load, %s:\n%-7s  %10s  TEXT\n", since, "RULE", "HITS");
	for (uint32_t i = 0; i < state->policy.rules; i++) {
		snprintf(name, sizeof(name), "%" PRIu32, i + 1);
		say_rule_line(say, name, i, &state->rules[i], out);
	}
	say_rule_line(say, "default", SMTPWARD_RULE_NONE, NULL, out);
}

#define SAY_REPORT_UNCOUNTED_TEXT                                                           \
	"the policy was loaded by a version that does not count by destination: 'smtpward " \
	"load' begins"

static void say_notes(const struct say_report *say, FILE *out)
{
	char when[32];

	if (say->names->looked_up) {
		say_time(say->names->looked_up * SAY_NS_PER_SECOND, when, sizeof(when));
		fprintf(out, "\ncontainers were looked up at %s\n", when);
	}
	for (size_t i = 0; i < say->names->n_notes; i++)
		if (say->names->notes[i])
			fprintf(out, "no name: %s\n", say->names->notes[i]);
}

void say_report_text(const struct say_report *say, size_t max_rows, FILE *out)
{
	const size_t n = say->report->n_rows;
	const size_t shown = max_rows && n > max_rows ? max_rows : n;

	if (!say->known)
		fprintf(out, "no attempts: " SAY_REPORT_UNCOUNTED_TEXT "\n");
	else if (!n)
		fprintf(out, "no attempts\n");
	else
		say_rows(say, shown, out);
	if (shown < n)
		fprintf(out, "and %zu more\n", n - shown);
	if (say->report->rowless)
		fprintf(out,
			"%" PRIu64 " %s no row of %s own: user and destination are not known\n",
			say->report->rowless,
			plural(say->report->rowless, "more attempt has", "more attempts have"),
			plural(say->report->rowless, "its", "their"));
	say_rules(say, out);
	say_notes(say, out);
}

/* JSON. */

static json_t *say_json_time(uint64_t ns)
{
	char text[LINE_TIME_SIZE];

	if (!ns)
		return json_null();
	line_time_text(ns, text);
	return json_string(text);
}

/* Somebody else's text, as it stands in a line; null for none. */
static json_t *say_json_foreign(const char *text)
{
	char quoted[QUOTE_SIZE(LINE_PATH_SIZE)];

	if (!text)
		return json_null();
	return quote_text(text, strlen(text), quoted, sizeof(quoted)) < 0 ? NULL
									  : json_string(quoted);
}

static json_t *say_json_container(const struct say_report *say, const struct container *container)
{
	if (container->engine == CONTAINER_NONE)
		return json_null();
	return json_pack("{s:s, s:o, s:o, s:o, s:o}", "engine",
			 container_engine_names[container->engine], "id",
			 *container->id ? json_string(container->id) : json_null(), "name",
			 say_json_foreign(*container->name ? container->name : NULL), "image",
			 say_json_foreign(*container->image ? container->image : NULL), "looked_up",
			 say_json_time(say->names->looked_up * SAY_NS_PER_SECOND));
}

static json_t *say_json_tenant(const struct say_report *say, const struct report_tenant *tenant)
{
	if (!tenant)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "unit",
			 say_json_foreign(*tenant->unit ? tenant->unit : NULL), "cgroup",
			 say_json_foreign(*tenant->cgroup ? tenant->cgroup : NULL), "cgid",
			 tenant->cgroup_id & SMTPWARD_GUEST_BIT
				 ? json_null()
				 : json_integer((json_int_t)tenant->cgroup_id),
			 "guest", say_json_foreign(*tenant->guest ? tenant->guest : NULL), "gone",
			 say_json_time(tenant->gone), "container",
			 say_json_container(say, &tenant->container));
}

/* rule: as in a line, 0 by default; null for none of this policy. */
static json_t *say_json_rule_of(const struct report_row *row)
{
	if (row->rule == REPORT_RULE_FORMER)
		return json_null();
	return json_integer(row->rule == REPORT_RULE_DEFAULT ? 0 : row->rule + 1);
}

static json_t *say_json_row(const struct say_report *say, const struct report_row *row)
{
	static const char *const kinds[] = {
		[REPORT_ROW] = "row",
		[REPORT_OTHER] = "other",
		[REPORT_REST] = "rest",
	};
	const struct smtpward_rule_info *rule = say_rule(say, row);
	const bool one = row->kind == REPORT_ROW;
	/* An option of a socket goes nowhere, and a packet may hide where. */
	const bool to = one && row->port;
	char address[INET6_ADDRSTRLEN];

	say_address(row->address, address);
	return json_pack(
		"{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:o, s:o, s:o, "
		"s:o, s:o}",
		"kind", kinds[row->kind], "tenant", say_json_tenant(say, row->tenant), "euid",
		one && !report_is_of_guest(row) ? json_integer(row->euid) : json_null(), "user",
		say_json_foreign(row->user), "rule", say_json_rule_of(row), "file",
		say_json_foreign(rule ? rule->file : NULL), "line",
		rule ? json_integer(rule->line) : json_null(), "dst",
		to ? json_string(address) : json_null(), "dport",
		to ? json_integer(row->port) : json_null(), "attempts", (json_int_t)row->total,
		"deny", (json_int_t)row->attempts[SMTPWARD_DENY], "audit",
		(json_int_t)row->attempts[SMTPWARD_AUDIT], "allow",
		(json_int_t)row->attempts[SMTPWARD_ALLOW], "first", say_json_time(row->first),
		"last", say_json_time(row->last), "exe", say_json_foreign(row->exe), "cwd",
		say_json_foreign(row->cwd), "exe_time", say_json_time(row->exe_at));
}

static json_t *say_json_hits(const struct say_report *say, uint32_t rule)
{
	return say->figures->attempts ? json_integer((json_int_t)say_hits(say, rule)) : json_null();
}

static json_t *say_json_rules(const struct say_report *say)
{
	const struct state *state = say->state;
	json_t *rules = json_array();

	for (uint32_t i = 0; i < state->policy.rules; i++) {
		const struct smtpward_rule_info *rule = &state->rules[i];

		rules = say_json_append(
			rules, json_pack("{s:i, s:s, s:o, s:b, s:o, s:i, s:o}", "rule", i + 1,
					 "verdict", verdict_word(rule->verdict), "text",
					 say_json_text(rule->text), "truncated",
					 rule->truncated != 0, "file", say_json_text(rule->file),
					 "line", rule->line, "hits", say_json_hits(say, i)));
	}
	return say_json_append(rules, json_pack("{s:i, s:s, s:n, s:b, s:n, s:n, s:o}", "rule", 0,
						"verdict", verdict_word(SMTPWARD_DENY), "text",
						"truncated", false, "file", "line", "hits",
						say_json_hits(say, SMTPWARD_RULE_NONE)));
}

json_t *say_report_json(const struct say_report *say)
{
	json_t *rows = json_array(), *notes = json_array();

	for (size_t i = 0; i < say->report->n_rows; i++)
		rows = say_json_append(rows, say_json_row(say, &say->report->rows[i]));
	for (size_t i = 0; i < say->names->n_notes; i++)
		if (say->names->notes[i])
			notes = say_json_append(notes, say_json_foreign(say->names->notes[i]));
	return json_pack("{s:b, s:o, s:I, s:I, s:o, s:o, s:o}", "counted", say->known, "rows", rows,
			 "attempts", (json_int_t)say->report->attempts, "rowless",
			 (json_int_t)say->report->rowless, "loaded_at",
			 say_json_time(state_loaded_at(say->state) * SAY_NS_PER_SECOND), "rules",
			 say_json_rules(say), "notes", notes);
}
