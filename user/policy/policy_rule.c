// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rules: a verdict, then conditions, each with one value or a list of values. conditions.h has
 * the table of conditions.
 */
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/macro.h"
#include "base/verdict_word.h"
#include "policy/policy_parse.h"
#include "policy/policy_until.h"
#include "policy/policy_value.h"

static int rule_compare_path(const void *a, const void *b)
{
	return strcmp(a, b);
}

/*
 * Counts the segments of a path once, however many rules name the path. A unit is a path of one
 * segment.
 */
static int rule_add_path(struct policy_parser *parser, const char *path, size_t segments)
{
	_cleanup_free_ char *copy = strdup(path);
	char *const *found = copy ? tsearch(copy, &parser->paths, rule_compare_path) : NULL;

	if (!found)
		return -ENOMEM;
	if (*found != copy)
		return 0;
	TAKE_PTR(copy); /* the tree owns it */
	parser->n_segments += segments;
	return 0;
}

static int rule_count_path(struct policy_parser *parser, const struct policy_line *line,
			   const struct policy_word *word, size_t segments)
{
	const size_t before = parser->n_segments;
	int r = rule_add_path(parser, word->text, segments);

	if (r < 0)
		return r;
	/*
	 * The error is reported once, for the path that exceeds the limit: every new path behind
	 * it does too.
	 */
	if (before <= SMTPWARD_SEGMENTS_MAX && parser->n_segments > SMTPWARD_SEGMENTS_MAX)
		return policy_fail(parser, line, word->column,
				   "too many names: units and the segments of cgroup paths can be "
				   "%d together",
				   SMTPWARD_SEGMENTS_MAX);
	return 0;
}

/* A port that a rule names; the end of the policy says which are guarded. */
static int rule_add_port(struct policy_parser *parser, const struct policy_line *line,
			 const struct policy_word *word, const uint16_t *port)
{
	struct policy_port_use *added =
		array_add(&parser->port_uses, &parser->n_port_uses, sizeof(*added));

	if (!added)
		return -ENOMEM;
	*added = (struct policy_port_use){
		.place = { line->file, line->number, word->column },
		.port = *port,
	};
	return 0;
}

static int rule_compare_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int rule_compare_id(const void *a, const void *b)
{
	const struct policy_id *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static int rule_compare_prefix(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct policy_prefix));
}

static int rule_compare_device(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct policy_device));
}

static int rule_compare_mac(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct policy_mac));
}

static int rule_compare_number(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

static const struct {
	size_t item_size;
	int (*compare)(const void *a, const void *b); /* 0 if a equals b */
} kinds[] = {
	[POLICY_TEXT] = { sizeof(char *), rule_compare_text },
	[POLICY_ID] = { sizeof(struct policy_id), rule_compare_id },
	[POLICY_PREFIX] = { sizeof(struct policy_prefix), rule_compare_prefix },
	[POLICY_PORT] = { sizeof(uint16_t), rule_compare_number },
	[POLICY_DEVICE] = { sizeof(struct policy_device), rule_compare_device },
	[POLICY_MAC] = { sizeof(struct policy_mac), rule_compare_mac },
	[POLICY_VLAN] = { sizeof(uint16_t), rule_compare_number },
};

/*
 * Writes a value into item, its place in the rule's list. Items are zeroed, and stay zeroed on
 * failure. A switch and not a table, as the compiler reports a condition that is missing.
 */
static int rule_read_value(const struct policy_parser *parser, enum smtpward_condition condition,
			   const char *text, void *item, size_t *ret_segments, struct reason *why)
{
	*ret_segments = 1;
	switch (condition) {
	case SMTPWARD_UNIT:
		return policy_value_unit(text, item, why);
	case SMTPWARD_CGROUP:
		return policy_value_cgroup(text, item, ret_segments, why);
	case SMTPWARD_USER:
		return parser->kept ? policy_value_kept_user(text, parser->source, item, why)
				    : policy_value_user(text, parser->source, item, why);
	case SMTPWARD_GROUP:
		return parser->kept ? policy_value_kept_group(text, parser->source, item, why)
				    : policy_value_group(text, parser->source, item, why);
	case SMTPWARD_TO:
		return policy_value_to(text, item, why);
	case SMTPWARD_FROM:
		return policy_value_prefix(text, item, why);
	case SMTPWARD_PORT:
		return policy_value_port(text, item, why);
	case SMTPWARD_GUEST:
		return policy_value_device(text, true, item, why);
	case SMTPWARD_MAC:
		return policy_value_mac(text, item, why);
	case SMTPWARD_VLAN:
		return policy_value_vlan(text, item, why);
	case SMTPWARD_CONDITIONS_N:
		break;
	}
	return -EINVAL;
}

static int rule_parse_value(struct policy_parser *parser, const struct policy_line *line,
			    enum smtpward_condition condition, const struct policy_word *word,
			    void *item)
{
	struct reason why;
	size_t segments;
	int r = rule_read_value(parser, condition, word->text, item, &segments, &why);

	r = policy_check(parser, line, word, r, &why);
	if (r < 0)
		return r;
	if (condition == SMTPWARD_UNIT || condition == SMTPWARD_CGROUP)
		return rule_count_path(parser, line, word, segments);
	if (condition == SMTPWARD_PORT)
		return rule_add_port(parser, line, word, item);
	return 0;
}

static void rule_keep(void *item)
{
	(void)item; /* the tree borrows its items from the rule */
}

static void rule_free_tree(void **tree)
{
	tdestroy(*tree, rule_keep);
}

/* A tree and not a scan, as a block list may have thousands of prefixes. */
static int rule_check_twice(struct policy_parser *parser, const struct policy_line *line,
			    enum policy_kind kind, const struct policy_list *list,
			    const char *items, size_t i, void **tree)
{
	const char *item = items + i * kinds[kind].item_size;
	const struct policy_word *word = &list->first[2 * i], *before;
	char *const *found;

	/* Many names may resolve to no id. */
	if (kind == POLICY_ID &&
	    ((const struct policy_id *)(const void *)item)->id == POLICY_ID_NONE)
		return 0;
	found = tsearch(item, tree, kinds[kind].compare);
	if (!found)
		return -ENOMEM;
	if (*found == item)
		return 0;
	before = &list->first[2 * ((size_t)(*found - items) / kinds[kind].item_size)];
	if (!strcmp(before->text, word->text))
		return policy_fail(parser, line, word->column, "'%s' stands twice in this list",
				   policy_shown(word->text).text);
	return policy_fail(parser, line, word->column, "'%s' is the same as '%s' in this list",
			   policy_shown(word->text).text, policy_shown(before->text).text);
}

/* Refuses "local" in a deny: an address that is not known to be local would pass the rule. */
static int rule_check_local(struct policy_parser *parser, const struct policy_line *line,
			    const struct policy_word *word, enum smtpward_condition condition,
			    const struct policy_rule *rule, const void *item)
{
	if (condition != SMTPWARD_TO || rule->verdict != SMTPWARD_DENY ||
	    ((const struct policy_prefix *)item)->bits != POLICY_PREFIX_LOCAL)
		return 0;
	return policy_fail(parser, line, word->column,
			   "a deny rule cannot have 'local': it would deny nothing while nobody "
			   "keeps the local addresses; name them");
}

static int rule_parse_condition(struct policy_parser *parser, struct policy_line *line,
				enum smtpward_condition condition, const struct policy_word *name,
				struct policy_rule *rule)
{
	const enum policy_kind kind = policy_kinds[condition];
	const size_t item_size = kinds[kind].item_size;
	_cleanup_(rule_free_tree) void *tree = NULL;
	struct policy_list list;
	char *items;
	int r = policy_list(parser, line, name, &list), bad = 0;

	if (r < 0)
		return r;
	items = calloc(list.n, item_size);
	if (!items)
		return -ENOMEM;
	/* The rule owns the list before the list is filled: a zeroed item can be freed. */
	rule->values[condition] = (struct policy_values){ .items = items, .n = list.n };
	for (size_t i = 0; i < list.n; i++) {
		r = rule_parse_value(parser, line, condition, &list.first[2 * i],
				     items + i * item_size);
		if (!r)
			r = rule_check_local(parser, line, &list.first[2 * i], condition, rule,
					     items + i * item_size);
		if (!r)
			r = rule_check_twice(parser, line, kind, &list, items, i, &tree);
		if (r == -ENOMEM)
			return r;
		bad = r < 0 ? r : bad;
	}
	return bad;
}

/* The number of `until` among the conditions: behind the last. */
#define RULE_UNTIL SMTPWARD_CONDITIONS_N

static int rule_read_until(struct policy_parser *parser, struct policy_line *line,
			   const struct policy_word *name, uint32_t *ret_until)
{
	const struct policy_word *word;
	struct reason why;
	int r = policy_value(parser, line, name, &word);

	if (r)
		return r;
	r = policy_check(parser, line, word, policy_value_until(word->text, ret_until, &why), &why);
	if (r)
		return r;
	if (line->next == line->words.n_items || !line->words.items[line->next].comma)
		return 0;
	return policy_fail(parser, line, line->words.items[line->next].column,
			   "'%s' takes one time and no list: a rule ends once", name->text);
}

static int rule_parse_until(struct policy_parser *parser, struct policy_line *line,
			    const struct policy_word *name, struct policy_rule *rule)
{
	int r = rule_read_until(parser, line, name, &rule->until);

	/* A time that cannot be read uses up the line: the rest would only be misread. */
	if (r)
		line->next = line->words.n_items;
	if (r || rule->verdict != SMTPWARD_DENY)
		return r;
	return policy_fail(parser, line, name->column,
			   "'%s' is for allow and audit: what a deny refuses would pass once it is "
			   "over; give the end to an allow above it",
			   name->text);
}

/* "unit, cgroup, user, group, to, port, guest, mac, vlan, from or until" */
static struct policy_shown rule_condition_words(void)
{
	struct policy_shown words = { "" };
	size_t len = 0;

	for (int i = 0; i < SMTPWARD_CONDITIONS_N && len < sizeof(words.text); i++)
		len += (size_t)snprintf(words.text + len, sizeof(words.text) - len, "%s%s",
					i ? ", " : "", policy_condition_names[i]);
	if (len < sizeof(words.text))
		snprintf(words.text + len, sizeof(words.text) - len, " or %s", POLICY_UNTIL_WORD);
	return words;
}

static int rule_find_condition(const struct policy_word *word)
{
	for (int i = 0; !word->quoted && i < SMTPWARD_CONDITIONS_N; i++) {
		if (!strcmp(word->text, policy_condition_names[i]))
			return i;
	}
	return !word->quoted && !strcmp(word->text, POLICY_UNTIL_WORD) ? RULE_UNTIL : -1;
}

/* The first of some conditions that a rule has, in the order of the line; words as below. */
static const struct policy_word *rule_first_of(const struct policy_word *const words[],
					       unsigned int conditions)
{
	const struct policy_word *first = NULL;

	for (int i = 0; i < SMTPWARD_CONDITIONS_N; i++)
		if (words[i] && conditions & 1U << i && (!first || words[i] < first))
			first = words[i];
	return first;
}

/*
 * Whether the conditions of a rule can hold together: a guest has no process that this machine
 * knows, and a process of this machine is no guest. words has the word of each condition.
 */
static int rule_check_guest(struct policy_parser *parser, const struct policy_line *line,
			    const struct policy_word *const words[])
{
	const unsigned int of_guests = 1U << SMTPWARD_MAC | 1U << SMTPWARD_VLAN |
				       1U << SMTPWARD_FROM;
	const unsigned int of_processes = 1U << SMTPWARD_UNIT | 1U << SMTPWARD_CGROUP |
					  1U << SMTPWARD_USER | 1U << SMTPWARD_GROUP;
	const bool guest = words[SMTPWARD_GUEST];
	const struct policy_word *wrong = rule_first_of(words, guest ? of_processes : of_guests);

	if (!wrong)
		return 0;
	return policy_fail(
		parser, line, wrong->column,
		guest ? "'%s' is about a process of this machine, and 'guest' about "
			"none: make it two rules"
		      : "'%s' is about a guest: name its device with 'guest' in the same "
			"rule",
		wrong->text);
}

static int rule_parse_conditions(struct policy_parser *parser, struct policy_line *line,
				 struct policy_rule *rule)
{
	const struct policy_word *words[RULE_UNTIL + 1] = { NULL };
	const struct policy_word *word;
	int r = 0, failed;

	for (size_t n = 0; (word = policy_next(line)); n++) {
		const int i = rule_find_condition(word);

		if (i < 0)
			return policy_fail(parser, line, word->column,
					   "unknown condition '%s': expected %s%s",
					   policy_shown_word(word).text,
					   rule_condition_words().text,
					   n ? ", or a comma before one more value" : "");
		if (words[i])
			return policy_fail(parser, line, word->column,
					   "'%s' stands twice in this rule: give it one %s",
					   word->text, i == RULE_UNTIL ? "time" : "list");
		words[i] = word;
		failed = i == RULE_UNTIL
				 ? rule_parse_until(parser, line, word, rule)
				 : rule_parse_condition(parser, line, (enum smtpward_condition)i,
							word, rule);
		if (failed == -ENOMEM)
			return failed;
		r = failed < 0 ? failed : r;
	}
	failed = rule_check_guest(parser, line, words);
	return failed ? failed : r;
}

static int rule_add_rule(struct policy *policy, struct policy_rule *rule)
{
	struct policy_rule *added = array_add(&policy->rules, &policy->n_rules, sizeof(*added));

	if (!added)
		return -ENOMEM;
	*added = *rule;
	*rule = (struct policy_rule){ 0 };
	return 0;
}

int policy_parse_rule(struct policy_parser *parser, struct policy_line *line)
{
	const struct policy_word *word = &line->words.items[line->next];
	int verdict = verdict_from_word(word->text), r = 0, bad;
	_cleanup_(policy_rule_clear) struct policy_rule rule = {
		.place = { line->file, line->number, word->column },
	};

	if (verdict < 0)
		return -ENOENT;
	line->next++;
	rule.verdict = (uint8_t)verdict;
	if (++parser->n_rules == SMTPWARD_RULES_MAX + 1)
		r = policy_fail(parser, line, word->column, "too many rules: a policy can have %d",
				SMTPWARD_RULES_MAX);
	if (r == -ENOMEM)
		return r;
	bad = rule_parse_conditions(parser, line, &rule);
	if (bad < 0 || r < 0 || parser->n_rules > SMTPWARD_RULES_MAX)
		return bad < 0 ? bad : -EINVAL;
	return rule_add_rule(parser->policy, &rule);
}
