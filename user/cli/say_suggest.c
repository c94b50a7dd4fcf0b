// SPDX-License-Identifier: GPL-2.0-only
/* Suggested rules for people; see say_suggest.h. */
#include "cli/say_suggest.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/macro.h"
#include "base/quote.h"
#include "line/line.h"

#define SAY_SUGGEST_NS_PER_SECOND 1000000000ULL

/* A comment ends with its line: what others chose is quoted. */
static void say_suggest_quoted(const char *text, FILE *out)
{
	char quoted[QUOTE_SIZE(LINE_PATH_SIZE)];
	size_t len = strlen(text);

	while (quote_text(text, len, quoted, sizeof(quoted)) < 0)
		len /= 2;
	fprintf(out, "\"%s\"", quoted);
}

static void say_suggest_time(uint64_t ns, FILE *out)
{
	const time_t when = (time_t)(ns / SAY_SUGGEST_NS_PER_SECOND);
	char text[32] = "an unknown time";
	struct tm tm;

	if (ns && gmtime_r(&when, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	fputs(text, out);
}

static const char *say_suggest_plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void say_suggest_last(const struct report_row *row, FILE *out)
{
	if (row->exe) {
		fputs("# last by ", out);
		say_suggest_quoted(row->exe, out);
		if (row->cwd) {
			fputs(" in ", out);
			say_suggest_quoted(row->cwd, out);
		}
		fputc('\n', out);
	}
	if (row->tenant->container.engine != CONTAINER_NONE) {
		fprintf(out, "# %s container ",
			container_engine_names[row->tenant->container.engine]);
		say_suggest_quoted(row->tenant->container.name, out);
		fputs(" of image ", out);
		say_suggest_quoted(row->tenant->container.image, out);
		fputc('\n', out);
	}
}

static void say_suggest_evidence(const struct suggestion *suggestion, FILE *out)
{
	fprintf(out, "# %" PRIu64 " attempt%s, %zu destination%s, from ", suggestion->attempts,
		say_suggest_plural(suggestion->attempts), suggestion->destinations,
		say_suggest_plural(suggestion->destinations));
	say_suggest_time(suggestion->first, out);
	fputs(" to ", out);
	say_suggest_time(suggestion->last, out);
	fputc('\n', out);
	say_suggest_last(suggestion->row, out);
}

/* By bit. */
static const char *const say_suggest_doubts[SUGGEST_DOUBTS_N] = {
	"many destinations, and no mail service's own delivery",
	"its user can change the program",
	"the program was deleted",
	"its user can write to the directory that it runs in",
	"the directory that it runs in was deleted",
	"a deny rule refuses it",
	"the cgroup has another name when it is made again",
	"in no service: the rule covers every cgroup",
	"the program is not there any more, or cannot be looked at",
	"the directory that it runs in is not there any more, or cannot be looked at",
	"attempts of its service have no row of their own: it may have more destinations",
	"the sessions of a user: every program that the user starts",
};

static void say_suggest_doubt(const struct suggestion *suggestion, FILE *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(say_suggest_doubts); i++)
		if (suggestion->doubts & 1U << i)
			fprintf(out, "# in doubt: %s\n", say_suggest_doubts[i]);
}

static void say_suggest_unnamed(const struct suggestion *suggestion, FILE *out)
{
	fputs("# no rule can name the cgroup ", out);
	say_suggest_quoted(suggestion->row->tenant->cgroup, out);
	fputc('\n', out);
}

static void say_suggest_one(const struct suggestion *suggestion, FILE *out)
{
	fputc('\n', out);
	say_suggest_evidence(suggestion, out);
	say_suggest_doubt(suggestion, out);
	if (suggestion->mta && suggestion->destinations <= SUGGEST_DESTINATIONS)
		fputs("# a mail service has other destinations tomorrow: take out 'to' and what "
		      "follows\n",
		      out);
	if (suggestion->rule)
		fprintf(out, "%s%s\n", suggestion->doubts ? "#" : "", suggestion->rule);
	else
		say_suggest_unnamed(suggestion, out);
}

static void say_suggest_place(int before, const struct smtpward_rule_info *rules, FILE *out)
{
	if (before < 0) {
		fputs("\n# Behind all rules.\n", out);
		return;
	}
	fprintf(out, "\n# Before rule %d, which matches first, ", before + 1);
	say_suggest_quoted(rules[before].file, out);
	fprintf(out, ":%" PRIu32 ": ", rules[before].line);
	say_suggest_quoted(rules[before].text, out);
	fputc('\n', out);
}

void say_suggest(const struct suggest *suggest, const struct smtpward_rule_info *rules,
		 size_t n_rules, FILE *out)
{
	fputs("# Rules that allow what mode audit has let through, and no rule allows.\n"
	      "# Those in doubt are comments. Read each: it may be abuse.\n",
	      out);
	for (size_t i = 0; i < suggest->n_items; i++) {
		const struct suggestion *suggestion = &suggest->items[i];

		if (!i || suggestion->before != suggest->items[i - 1].before)
			say_suggest_place(suggestion->before, rules, out);
		say_suggest_one(suggestion, out);
	}
	if (!suggest->n_items)
		fputs("\n# There is nothing to allow.\n", out);
	if (suggest->n_items + n_rules > SMTPWARD_RULES_MAX)
		fprintf(out,
			"\n# These are %zu rules, the policy has %zu, and a policy can have %d.\n",
			suggest->n_items, n_rules, SMTPWARD_RULES_MAX);
	if (suggest->of_guests)
		fprintf(out,
			"\n# %" PRIu64
			" attempt%s more, of guests: 'report' names them, and a rule "
			"with 'guest' allows one.\n",
			suggest->of_guests, say_suggest_plural(suggest->of_guests));
	if (suggest->not_covered)
		fprintf(out,
			"\n# %" PRIu64
			" more attempt%s had no row of their own: no rule is suggested "
			"for them.\n",
			suggest->not_covered, say_suggest_plural(suggest->not_covered));
}
