// SPDX-License-Identifier: GPL-2.0-only
/*
 * The settings: ports, mode, reject, log, limit, args, alert, packets, uplink, raw. One that stands
 * again says so with `replace`, so that no included file silently turns another's around.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/verdict_word.h"
#include "policy/policy_parse.h"
#include "policy/policy_value.h"

static int setting_fail_twice(struct policy_parser *parser, const struct policy_line *line,
			      const struct policy_word *word)
{
	return policy_fail(parser, line, word->column, "'%s' stands twice in this list",
			   policy_shown(word->text).text);
}

static bool setting_has_port(const uint16_t *ports, size_t n, uint16_t port)
{
	for (size_t i = 0; i < n; i++) {
		if (ports[i] == port)
			return true;
	}
	return false;
}

static int setting_parse_ports(struct policy_parser *parser, struct policy_line *line,
			       const struct policy_word *name)
{
	struct policy *policy = parser->policy;
	struct policy_list list;
	int r = policy_list(parser, line, name, &list), bad = 0;

	if (r < 0)
		return r;
	policy->n_ports = 0;
	for (size_t i = 0; i < list.n; i++) {
		const struct policy_word *word = &list.first[2 * i];
		struct reason why;
		uint16_t port = 0;

		r = policy_value_port(word->text, &port, &why);
		r = policy_check(parser, line, word, r, &why);
		if (!r && setting_has_port(policy->ports, policy->n_ports, port))
			r = setting_fail_twice(parser, line, word);
		if (!r && policy->n_ports == SMTPWARD_PORTS_MAX)
			return policy_fail(parser, line, word->column,
					   "too many ports: at most %d can be guarded",
					   SMTPWARD_PORTS_MAX);
		if (!r)
			policy->ports[policy->n_ports++] = port;
		if (r == -ENOMEM)
			return r;
		bad = r < 0 ? r : bad;
	}
	return policy_end(parser, line, "a comma or the end of the line", bad);
}

static int setting_parse_mode(struct policy_parser *parser, struct policy_line *line,
			      const struct policy_word *name)
{
	const struct policy_word *word;
	int r = policy_value(parser, line, name, &word);

	if (r < 0)
		return r;
	if (!strcmp(word->text, "enforce"))
		parser->policy->mode = POLICY_ENFORCE;
	else if (!strcmp(word->text, "audit"))
		parser->policy->mode = POLICY_AUDIT;
	else
		r = policy_fail(parser, line, word->column,
				"unknown mode '%s': expected enforce or audit",
				policy_shown(word->text).text);
	return policy_end(parser, line, "the end of the line", r);
}

static int setting_parse_reject(struct policy_parser *parser, struct policy_line *line,
				const struct policy_word *name)
{
	const struct policy_word *word;
	int r = policy_value(parser, line, name, &word);

	if (r < 0)
		return r;
	parser->policy->reject = policy_reject_number(word->text);
	if (!parser->policy->reject)
		r = policy_fail(parser, line, word->column,
				"unknown error '%s': expected EPERM, EACCES, ECONNREFUSED, "
				"EHOSTUNREACH, ENETUNREACH or ETIMEDOUT",
				policy_shown(word->text).text);
	return policy_end(parser, line, "the end of the line", r);
}

static int setting_parse_log(struct policy_parser *parser, struct policy_line *line,
			     const struct policy_word *name)
{
	struct policy_list list;
	uint32_t log = 0;
	int r = policy_list(parser, line, name, &list), bad = 0;

	if (r < 0)
		return r;
	for (size_t i = 0; i < list.n; i++) {
		const struct policy_word *word = &list.first[2 * i];
		int verdict = verdict_from_word(word->text);

		if (verdict < 0)
			r = policy_fail(parser, line, word->column,
					"unknown verdict '%s': expected " VERDICT_WORDS,
					policy_shown(word->text).text);
		else if (log & 1U << verdict)
			r = setting_fail_twice(parser, line, word);
		else
			log |= 1U << verdict;
		if (r == -ENOMEM)
			return r;
		bad = r < 0 ? r : bad;
	}
	parser->policy->log = log;
	return policy_end(parser, line, "a comma or the end of the line", bad);
}

static int setting_parse_limit(struct policy_parser *parser, struct policy_line *line,
			       const struct policy_word *name)
{
	struct policy *policy = parser->policy;
	const struct policy_word *rate, *burst, *number;
	struct reason why;
	int r = policy_value(parser, line, name, &rate), bad;

	if (r < 0)
		return r;
	r = policy_value_rate(rate->text, &policy->limit_lines, &policy->limit_period, &why);
	bad = policy_check(parser, line, rate, r, &why);
	if (bad == -ENOMEM)
		return bad;
	burst = policy_next(line);
	if (!burst && bad < 0)
		return bad;
	if (!burst || burst->quoted || strcmp(burst->text, "burst"))
		return policy_fail(parser, line, burst ? burst->column : rate->column,
				   "a limit has two parts: write 'limit N/s burst M'");
	r = policy_value(parser, line, burst, &number);
	if (r < 0)
		return r;
	r = policy_value_burst(number->text, &policy->limit_burst, &why);
	r = policy_check(parser, line, number, r, &why);
	return policy_end(parser, line, "the end of the line", r < 0 ? r : bad);
}

static int setting_parse_args(struct policy_parser *parser, struct policy_line *line,
			      const struct policy_word *name)
{
	const struct policy_word *word;
	int r = policy_value(parser, line, name, &word), args;

	if (r < 0)
		return r;
	args = policy_args_number(word->text);
	if (args < 0)
		r = policy_fail(parser, line, word->column,
				"unknown amount of args '%s': expected none, script or all",
				policy_shown(word->text).text);
	else
		parser->policy->args = (uint32_t)args;
	return policy_end(parser, line, "the end of the line", r);
}

static int setting_parse_alert(struct policy_parser *parser, struct policy_line *line,
			       const struct policy_word *name)
{
	struct policy *policy = parser->policy;
	const struct policy_word *word;
	struct reason why;
	int r = policy_value(parser, line, name, &word);

	if (r < 0)
		return r;
	r = policy_value_alert(word->text, &policy->alert_attempts, &policy->alert_period, &why);
	r = policy_check(parser, line, word, r, &why);
	return policy_end(parser, line, "the end of the line", r);
}

/* A setting with one of two words: *ret is true for the first one. */
static int setting_parse_either(struct policy_parser *parser, struct policy_line *line,
				const struct policy_word *name, const char *first,
				const char *second, bool *ret)
{
	const struct policy_word *word;
	int r = policy_value(parser, line, name, &word);

	if (r < 0)
		return r;
	if (!strcmp(word->text, first))
		*ret = true;
	else if (!strcmp(word->text, second))
		*ret = false;
	else
		r = policy_fail(parser, line, word->column,
				"'%s' is no value of '%s': expected %s or %s",
				policy_shown(word->text).text, name->text, first, second);
	return policy_end(parser, line, "the end of the line", r);
}

static int setting_parse_packets(struct policy_parser *parser, struct policy_line *line,
				 const struct policy_word *name)
{
	return setting_parse_either(parser, line, name, "on", "off", &parser->policy->packets);
}

/* Notes a setting that is about packets: without 'packets on' it is in doubt. */
static void setting_note_layer(struct policy_parser *parser, const struct policy_line *line,
			       const struct policy_word *name)
{
	parser->policy->layer_place =
		(struct policy_place){ line->file, line->number, name->column };
}

static int setting_parse_raw(struct policy_parser *parser, struct policy_line *line,
			     const struct policy_word *name)
{
	parser->policy->raw_set = true;
	setting_note_layer(parser, line, name);
	return setting_parse_either(parser, line, name, "allow", "deny",
				    &parser->policy->raw_allowed);
}

/* "auto" or "none"; -ENOENT for another word. Neither stands in a list. */
static int setting_parse_uplink_word(struct policy_parser *parser, const struct policy_line *line,
				     const struct policy_word *word, size_t n)
{
	const bool automatic = !strcmp(word->text, "auto");

	if (!automatic && strcmp(word->text, "none"))
		return -ENOENT;
	if (n > 1)
		return policy_fail(parser, line, word->column,
				   "'%s' stands alone, or the names of devices do", word->text);
	parser->policy->uplink = automatic ? POLICY_UPLINK_AUTO : POLICY_UPLINK_NONE;
	return 0;
}

static int setting_compare_devices(const void *a, const void *b)
{
	return strcmp(((const struct policy_device *)a)->text,
		      ((const struct policy_device *)b)->text);
}

static int setting_add_uplink(struct policy_parser *parser, const struct policy_line *line,
			      const struct policy_word *word)
{
	struct policy *policy = parser->policy;
	struct policy_device device;
	struct reason why;
	int r = policy_value_device(word->text, false, &device, &why);

	r = policy_check(parser, line, word, r, &why);
	if (r)
		return r;
	if (!strcmp(device.text, "lo"))
		return policy_fail(parser, line, word->column,
				   "'lo' leads to this machine alone: name a device that packets "
				   "leave it by");
	for (size_t i = 0; i < policy->n_uplinks; i++)
		if (!setting_compare_devices(&policy->uplinks[i], &device))
			return setting_fail_twice(parser, line, word);
	policy->uplinks[policy->n_uplinks++] = device;
	policy->uplink = POLICY_UPLINK_NAMED;
	return 0;
}

static int setting_parse_uplink(struct policy_parser *parser, struct policy_line *line,
				const struct policy_word *name)
{
	struct policy *policy = parser->policy;
	struct policy_list list;
	int r = policy_list(parser, line, name, &list), bad = 0;

	setting_note_layer(parser, line, name);
	if (r < 0)
		return r;
	if (list.n > SMTPWARD_UPLINKS_MAX) {
		r = policy_fail(parser, line, list.first[2UL * SMTPWARD_UPLINKS_MAX].column,
				"%zu uplinks are too many: at most %d can be named", list.n,
				SMTPWARD_UPLINKS_MAX);
		return policy_end(parser, line, "a comma or the end of the line", r);
	}
	policy->n_uplinks = 0;
	for (size_t i = 0; i < list.n; i++) {
		r = setting_parse_uplink_word(parser, line, &list.first[2 * i], list.n);
		if (r == -ENOENT)
			r = setting_add_uplink(parser, line, &list.first[2 * i]);
		if (r == -ENOMEM)
			return r;
		bad = r < 0 ? r : bad;
	}
	qsort(policy->uplinks, policy->n_uplinks, sizeof(*policy->uplinks),
	      setting_compare_devices);
	return policy_end(parser, line, "a comma or the end of the line", bad);
}

static const struct {
	const char *name;
	int (*parse)(struct policy_parser *parser, struct policy_line *line,
		     const struct policy_word *name);
} settings[POLICY_N_SETTINGS] = {
	[POLICY_PORTS] = { "ports", setting_parse_ports },
	[POLICY_MODE] = { "mode", setting_parse_mode },
	[POLICY_REJECT] = { "reject", setting_parse_reject },
	[POLICY_LOG] = { "log", setting_parse_log },
	[POLICY_LIMIT] = { "limit", setting_parse_limit },
	[POLICY_ARGS] = { "args", setting_parse_args },
	[POLICY_PACKETS] = { "packets", setting_parse_packets },
	[POLICY_UPLINK] = { "uplink", setting_parse_uplink },
	[POLICY_RAW] = { "raw", setting_parse_raw },
	[POLICY_ALERT] = { "alert", setting_parse_alert },
};

int policy_find_setting(const char *word)
{
	for (int i = 0; i < POLICY_N_SETTINGS; i++) {
		if (!strcmp(word, settings[i].name))
			return i;
	}
	return -1;
}

/* Finds the setting of a line, and whether it may stand again; -ENOENT if the line has none. */
static int setting_find(struct policy_parser *parser, struct policy_line *line, bool *ret_replaces)
{
	const struct policy_word *word = &line->words.items[line->next], *name = word;
	bool replaces = !strcmp(word->text, "replace");
	int i;

	if (replaces) {
		line->next++;
		name = line->next < line->words.n_items ? &line->words.items[line->next] : NULL;
	}
	i = name && !name->quoted ? policy_find_setting(name->text) : -1;
	if (i < 0 && !replaces)
		return -ENOENT;
	if (i < 0) {
		parser->ports_unknown = true;
		return policy_fail(
			parser, line, name ? name->column : word->column,
			"'replace' goes before a setting: expected ports, mode, reject, log, "
			"limit, args, alert, packets, uplink or raw");
	}
	*ret_replaces = replaces;
	return i;
}

int policy_parse_setting(struct policy_parser *parser, struct policy_line *line)
{
	const struct policy_word *name;
	struct policy_place *place = NULL;
	bool replaces = false;
	int i = setting_find(parser, line, &replaces), r;

	if (i < 0)
		return i;
	name = &line->words.items[line->next];
	place = &parser->settings[i];
	if (place->file && !replaces) {
		r = policy_fail(
			parser, line, name->column,
			"'%s' was set already at %s:%u: write 'replace %s' where a later one "
			"is to hold",
			name->text, policy_shown(place->file).text, place->line, name->text);
	} else {
		*place = (struct policy_place){ line->file, line->number, name->column };
		line->next++;
		r = settings[i].parse(parser, line, name);
	}
	if (r < 0 && i == POLICY_PORTS)
		parser->ports_unknown = true;
	return r;
}
