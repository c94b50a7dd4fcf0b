// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which rules cover a cgroup: the automaton of match.h over the tables of ruleset.c,
 * walked from the root down as the kernel does, against the second opinion of
 * ruleset_fixture.h; and which cgroups need no entry.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <smtpward/match.h>

#include "ruleset/ruleset_random.h"

struct cover_case {
	const char *policy;
	const char *path;
	const char *rules; /* "none": and no entry in the kernel */
};

static void assert_covered(const struct cover_case *c)
{
	_cleanup_ruleset_ struct ruleset *ruleset = compile_text(c->policy);
	const struct names names = names_of(c->path);
	const struct tracked at = tracked_path(ruleset, &names);
	const char *rules = at.entry ? set_text(&at.cgroup.rules) : "none";

	if (strcmp(rules, c->rules))
		fail_msg("'%s' at %s: rules '%s', not '%s'", c->policy, c->path, rules, c->rules);
}

static void assert_all_covered(const struct cover_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_covered(&cases[i]);
}

#define AFFIXES "deny cgroup /ab*ba\ndeny cgroup /aba*\ndeny cgroup /*aba\ndeny cgroup /*"
#define CHAIN "deny cgroup /*\ndeny cgroup /a*\ndeny cgroup /ab*\ndeny cgroup /abc*"
#define STAR_AT "deny cgroup /a*c\ndeny cgroup /a*bc\ndeny cgroup /ab*c\ndeny cgroup /abc"

static void test_paths(void **state __attribute__((unused)))
{
	static const struct cover_case cases[] = {
		{ "deny cgroup /a/b", "/", "" },
		{ "deny cgroup /a/b", "/a", "" },
		{ "deny cgroup /a/b", "/a/b", "0" },
		{ "deny cgroup /a/b", "/a/b/c/d", "0" },
		{ "deny cgroup /a/b", "/b", "none" },
		{ "deny cgroup /a/b", "/a/a", "none" },
		{ "deny cgroup /a/b", "/c/a/b", "none" },
		{ "deny cgroup /a/b", "/a/c/b", "none" },
		{ "deny cgroup /a/b", "/a/bb", "none" },
		{ "deny cgroup /a/b", "/aa/b", "none" },
		{ "deny cgroup /ab", "/a", "none" },
		{ "deny cgroup /", "/", "0" },
		{ "deny cgroup /", "/a/b", "0" },
		{ "deny cgroup /, /a", "/a", "0" },
		{ "deny\ndeny cgroup /a", "/a", "0 1" },
		{ "deny\ndeny cgroup /a", "/b", "none" },
		{ "deny\nallow cgroup /", "/b", "0 1" },
		{ "deny cgroup /a, /b/c", "/b/c", "0" },
		{ "deny cgroup /a, /b/c", "/a/c", "0" },
		{ "deny cgroup /a, /b/c", "/b/a", "none" },
		{ "deny cgroup /a/b\ndeny cgroup /c\ndeny cgroup /a/b\ndeny cgroup /a", "/a/b",
		  "0 2 3" },
		{ "deny cgroup /a\ndeny cgroup /a/b/c", "/a/b/c", "0 1" },
		{ "deny cgroup /a\ndeny cgroup /b", "/a/b", "0" },
		{ "deny cgroup /a\xff/\x80", "/a\xff/\x80", "0" },
		{ "deny cgroup /a\xff/\x80", "/a\x7f/\x80", "none" },
	};

	assert_all_covered(cases, ARRAY_SIZE(cases));
}

static void test_stars(void **state __attribute__((unused)))
{
	static const struct cover_case cases[] = {
		{ "deny cgroup /*", "/", "" },
		{ "deny cgroup /*", "/a", "0" },
		{ "deny cgroup /*/a", "/b", "" },
		{ "deny cgroup /*/a", "/b/a", "0" },
		{ "deny cgroup /*/a", "/b/c", "none" },
		{ "deny cgroup /*/a", "/b/c/a", "none" },
		{ "deny cgroup /*/*/a", "/b/c/a", "0" },
		{ "deny cgroup /a*", "/a", "0" },
		{ "deny cgroup /*a", "/a", "0" },
		{ "deny cgroup /a*a", "/a", "none" },
		{ "deny cgroup /a*a", "/aa", "0" },
		{ "deny cgroup /a*b", "/a*b", "0" },
		{ "deny cgroup /a*/b", "/a/b", "0" },
		{ "deny cgroup /a*b", "/a/b", "none" },
		{ AFFIXES, "/aba", "1 2 3" },
		{ AFFIXES, "/abba", "0 3" },
		{ AFFIXES, "/ababa", "0 1 2 3" },
		{ AFFIXES, "/abaaba", "0 1 2 3" },
		{ AFFIXES, "/ba", "3" },
		{ CHAIN, "/abcd", "0 1 2 3" },
		{ CHAIN, "/abc", "0 1 2 3" },
		{ CHAIN, "/ab", "0 1 2" },
		{ CHAIN, "/a", "0 1" },
		{ CHAIN, "/b", "0" },
		{ STAR_AT, "/abc", "0 1 2 3" },
		{ STAR_AT, "/ac", "0" },
		{ STAR_AT, "/abbc", "0 1 2" },
		{ STAR_AT, "/axbc", "0 1" },
		{ STAR_AT, "/abxc", "0 2" },
		{ "deny cgroup /*\xff", "/\x80\xff", "0" },
		/* No first half of one value of a list with another's second. */
		{ "deny cgroup /a*b, /c*d", "/axd", "none" },
		{ "deny cgroup /a*b, /c*d", "/cxb", "none" },
	};

	assert_all_covered(cases, ARRAY_SIZE(cases));
}

static void test_units(void **state __attribute__((unused)))
{
	static const struct cover_case cases[] = {
		{ "deny unit a.service", "/", "" },
		{ "deny unit a.service", "/a.service", "0" },
		{ "deny unit a.service", "/a.service/b", "0" },
		{ "deny unit a.service", "/x.slice", "" },
		{ "deny unit a.service", "/x.slice/.slice/x-y.slice/a.service", "0" },
		{ "deny unit a.service", "/x.slice/b.service", "none" },
		{ "deny unit a.service", "/x.slice/b.service/a.service", "none" },
		{ "deny unit a.service", "/b/x.slice/a.service", "none" },
		{ "deny unit a.service", "/x.slices/a.service", "none" },
		{ "deny unit a.service", "/xslice/a.service", "none" },
		{ "deny unit a.service", "/slice/a.service", "none" },
		{ "deny unit a.service", "/x.slice/aa.service", "none" },
		{ "deny unit a@*.service", "/x.slice/a@1.service", "0" },
		{ "deny unit a@*.service", "/x.slice/a@.service", "0" },
		{ "deny unit a@*.service", "/x.slice/a@service", "none" },
		/* No unit is a slice, whatever its pattern is. */
		{ "deny unit u*", "/u.slice", "" },
		{ "deny unit u*", "/u.slice/a.service", "none" },
		{ "deny unit u*", "/u.slice/u.slice/u.service", "0" },
		{ "deny unit u*", "/v.slice/u", "0" },
		{ "deny unit *", "/v.slice", "" },
		{ "deny unit *", "/v.slice/.slice/v", "0" },
		{ "deny unit v.slice*", "/v.slice/v.slice", "" },
		{ "deny unit v.slice*", "/v.slice/v.slice.scope", "0" },
		{ "deny unit a.b, c.d\ndeny unit c.d", "/c.d", "0 1" },
		{ "deny unit a.b\ndeny cgroup /x/a.b", "/x/a.b", "1" },
	};

	assert_all_covered(cases, ARRAY_SIZE(cases));
}

#define BOTH "deny unit a.b cgroup /x.slice, /y.slice/z\ndeny"

/* Of a rule with both, both have to hold, in whatever order they come to. */
static void test_unit_and_path(void **state __attribute__((unused)))
{
	static const struct cover_case cases[] = {
		{ BOTH, "/", "1" },
		{ BOTH, "/x.slice", "1" },
		{ BOTH, "/x.slice/a.b", "0 1" },
		{ BOTH, "/x.slice/w.slice/a.b/c", "0 1" },
		{ BOTH, "/x.slice/a.c", "1" },
		{ BOTH, "/a.b", "1" },
		{ BOTH, "/a.b/x.slice", "1" },
		{ BOTH, "/y.slice/a.b", "1" },
		{ BOTH, "/y.slice/z", "1" },
		{ BOTH, "/y.slice/z/a.b", "1" },
		{ BOTH, "/d", "none" },
		{ BOTH, "/w.slice/d", "none" },
		{ "deny unit a.b cgroup /a.b/c/d", "/a.b/c", "" },
		{ "deny unit a.b cgroup /a.b/c/d", "/a.b/c/d", "0" },
		{ "deny unit a.b cgroup /*/a.b", "/x.slice/a.b", "0" },
		{ "deny unit a.b cgroup /*/a.b", "/x/a.b", "" },
		{ "deny unit a.b cgroup /", "/", "" },
		{ "deny unit a.b cgroup /", "/a.b", "0" },
		{ "deny unit a.b cgroup /", "/x.slice/b", "" },
		{ "deny unit a.b\ndeny cgroup /x.slice", "/x.slice/a.b", "0 1" },
	};

	assert_all_covered(cases, ARRAY_SIZE(cases));
}

/* A list's values stand each for itself: no first half of one with another's second. */
static void test_unit_lists(void **state __attribute__((unused)))
{
	static const struct cover_case cases[] = {
		{ "deny unit a*.b, c*.d", "/ax.b", "0" },
		{ "deny unit a*.b, c*.d", "/cx.d", "0" },
		{ "deny unit a*.b, c*.d", "/ax.d", "none" },
		{ "deny unit a*.b, c*.d", "/cx.b", "none" },
		{ "deny unit a*.b\ndeny unit c*.d", "/ax.d", "none" },
		{ "deny unit postfix@*.service, docker-*.scope", "/x.slice/docker-1.service",
		  "none" },
		/* Long enough for the one that it is not. */
		{ "deny unit .aa*aa., .bb*, *bb.", "/.aa.", "none" },
	};

	assert_all_covered(cases, ARRAY_SIZE(cases));
}

/* The longest names: exact, behind and before a star, and with no room for a star's text. */
static void test_long_names(void **state __attribute__((unused)))
{
	char name[SMTPWARD_NAME_SIZE], pattern[PATTERN_SIZE], half[PATTERN_SIZE];
	_cleanup_policy_ struct policy *policy = policy_new();
	_cleanup_ruleset_ struct ruleset *ruleset = NULL;
	struct tracked root, child;

	memset(name, 'x', SMTPWARD_NAME_MAX);
	name[SMTPWARD_NAME_MAX] = '\0';
	add_unit(add_rule(policy, SMTPWARD_DENY), name);
	snprintf(pattern, sizeof(pattern), "%s*", name);
	add_unit(add_rule(policy, SMTPWARD_DENY), pattern);
	snprintf(pattern, sizeof(pattern), "*%s", name + 1);
	add_unit(add_rule(policy, SMTPWARD_DENY), pattern);
	snprintf(half, sizeof(half), "%.100s*%.155s", name, name);
	add_unit(add_rule(policy, SMTPWARD_DENY), half);
	ruleset = compile(policy);
	root = tracked_root(ruleset);

	child = tracked_child(ruleset, &root, name);
	assert_set(&child.cgroup.rules, "0 1 2 3");
	name[0] = 'y';
	child = tracked_child(ruleset, &root, name);
	assert_set(&child.cgroup.rules, "2");
	name[0] = 'x';
	name[SMTPWARD_NAME_MAX - 1] = '\0';
	child = tracked_child(ruleset, &root, name);
	assert_set(&child.cgroup.rules, "2");
	child = tracked_child(ruleset, &root, name + 1);
	assert_false(child.entry);
}

/* One step alone, with the unit 0, the paths 1 to 3 and 62 to 64, and 65 and 66 of one each. */
static void test_step(void **state __attribute__((unused)))
{
	static const struct smtpward_segments units = { { 1 << 0 } };
	static const struct smtpward_segments last = { { 1 << 0 | 1 << 3,
							 1 << 0 | 1 << 1 | 1 << 2 } };
	static const struct smtpward_segments match = { { 1 << 0 | 1 << 2 | 1 << 3 | 1ULL << 63,
							  1 << 0 | 1 << 2 } };
	struct smtpward_cgroup parent = {
		.next = { { 1 << 1 | 1 << 2 | 1ULL << 63, 1 << 1 | 1 << 2 } },
		.slices = 1,
		.pad = 4711,
	};
	struct smtpward_segments completed;
	struct smtpward_cgroup child;

	memset(&child, 0xff, sizeof(child));
	smtpward_match_step(&parent, &match, &units, &last, 0, &child, &completed);
	assert_int_equal(completed.words[0], 1 << 0);
	assert_int_equal(completed.words[1], 1 << 2);
	assert_int_equal(child.next.words[0], 1 << 3);
	assert_int_equal(child.next.words[1], 1 << 0);
	assert_int_equal(child.slices, 0);
	assert_int_equal(child.pad, 0);
	smtpward_match_step(&parent, &match, &units, &last, 1, &child, &completed);
	assert_int_equal(completed.words[0], 0);
	assert_int_equal(child.slices, 1);
	for (size_t i = 2; i < SMTPWARD_SEGMENT_WORDS; i++)
		assert_int_equal(completed.words[i] | child.next.words[i], 0);
}

/* What a cgroup has of its own, one thing at a time. */
static void test_inherits(void **state __attribute__((unused)))
{
	const struct smtpward_cgroup parent = {
		.by_unit = { { 3 } },
		.by_path = { { 0, 5 } },
		.next = { { 1 } },
		.slices = 1,
	};
	struct smtpward_cgroup child = { .by_unit = parent.by_unit, .by_path = parent.by_path };

	assert_true(smtpward_match_inherits(&parent, &child));
	child.slices = 1;
	assert_false(smtpward_match_inherits(&parent, &child));
	child.slices = 0;
	child.next.words[SMTPWARD_SEGMENT_WORDS - 1] = 1ULL << 63;
	assert_false(smtpward_match_inherits(&parent, &child));
	child.next.words[SMTPWARD_SEGMENT_WORDS - 1] = 0;
	child.by_unit.words[SMTPWARD_RULE_WORDS - 1] = 1ULL << 63;
	assert_false(smtpward_match_inherits(&parent, &child));
	child.by_unit = parent.by_unit;
	child.by_path.words[0] = 1;
	assert_false(smtpward_match_inherits(&parent, &child));
}

/* Paths whose segments lie on both sides of a word's end, or just not, for each word. */

static void assert_step(const struct ruleset *ruleset, struct tracked *at, const char *name,
			const char *rules)
{
	*at = tracked_child(ruleset, at, name);
	assert_string_equal(at->entry ? set_text(&at->cgroup.rules) : "none", rules);
}

static void check_carry(size_t before)
{
	_cleanup_policy_ struct policy *policy = policy_new();
	_cleanup_ruleset_ struct ruleset *ruleset = NULL;
	_cleanup_free_ char *filler = calloc(before + 1, 2);
	struct tracked at;

	assert_non_null(filler);
	for (size_t i = 0; i < before; i++)
		memcpy(filler + 2 * i, "/f", 2);
	add_cgroup(add_rule(policy, SMTPWARD_DENY), filler);
	add_cgroup(add_rule(policy, SMTPWARD_DENY), "/x/y/z");
	add_cgroup(add_rule(policy, SMTPWARD_DENY), "/w");
	add_cgroup(add_rule(policy, SMTPWARD_DENY), "/*/w");
	ruleset = compile(policy);
	assert_int_equal(ruleset->n_segments, before + 6);

	at = tracked_root(ruleset);
	for (size_t i = 1; i <= before; i++)
		assert_step(ruleset, &at, "f", i == before ? "0" : "");
	assert_step(ruleset, &at, "x", "0"); /* no path begins where another ends */
	at = tracked_root(ruleset);
	assert_step(ruleset, &at, "x", "");
	assert_step(ruleset, &at, "y", "");
	assert_step(ruleset, &at, "z", "1");
	assert_step(ruleset, &at, "w", "1");
	at = tracked_root(ruleset);
	assert_step(ruleset, &at, "w", "2");
	assert_step(ruleset, &at, "w", "2 3");
}

static void test_carry(void **state __attribute__((unused)))
{
	for (size_t before = 1; before <= SMTPWARD_SEGMENTS_MAX - 6; before++)
		if (before <= 2 * 64 || before % 64 >= 64 - 6 || before % 64 <= 1)
			check_carry(before);
}

/* Random policies over random trees. */

struct walk {
	const struct policy *policy;
	const struct ruleset *ruleset;
	const struct path_pool *pool;
	struct names names;
	size_t compared, covered, without_entry, inherits;
};

static void walk_fail(const struct walk *walk, const char *what, const struct smtpward_rules *found,
		      const struct smtpward_rules *expected)
{
	_cleanup_free_ char *text = NULL;

	assert_int_equal(policy_print(walk->policy, &text), 0);
	fail_msg("%s at %s: rules '%s', not '%s', of\n%s", what, names_text(&walk->names),
		 set_text(found), set_text(expected), text);
}

/* What the second opinion has on this cgroup; returns whether it needs an entry. */
static bool second_opinion(const struct walk *walk, struct smtpward_rules *ret_rules)
{
	bool needs_entry = false;

	*ret_rules = (struct smtpward_rules){ 0 };
	for (size_t i = 0; i < walk->policy->n_rules; i++) {
		const struct policy_rule *rule = &walk->policy->rules[i];

		if (rule_covers(rule, &walk->names))
			set_add(ret_rules, i);
		needs_entry |= rule_tracks(rule, &walk->names);
	}
	return needs_entry;
}

/*
 * A cgroup and those below it. Nothing below one without an entry gets one, so
 * comparing them all is the check that none was needed. nearest: of it and those above
 * it, the last one with an entry of its own, which tells the rules of all that have none.
 */
static void walk_cgroup(struct walk *walk, const struct tracked *at, const struct tracked *nearest,
			const char *guide)
{
	const struct smtpward_rules *found = tracked_rules(walk->ruleset, at);
	struct smtpward_rules expected;
	bool needs_entry = second_opinion(walk, &expected);

	if (!set_equal(found, &expected))
		walk_fail(walk, at->entry ? "with an entry" : "without an entry", found, &expected);
	if (walk->names.n && needs_entry != at->entry)
		walk_fail(walk, needs_entry ? "no entry" : "a useless entry", found, &expected);
	if (at->entry && !at->inherits)
		nearest = at;
	if (!set_equal(&nearest->cgroup.rules, &expected))
		walk_fail(walk, "nearest above", &nearest->cgroup.rules, &expected);
	walk->compared++;
	walk->covered += !set_equal(found, &walk->ruleset->any_cgroup);
	walk->without_entry += !at->entry;
	walk->inherits += at->inherits;
	if (walk->names.n == 8)
		return;
	for (size_t children = walk->names.n < 3 ? 5 : dice(3); children; children--) {
		bool other_guide = walk->pool->n && (!guide || chance(25));
		const char *next = other_guide ? pool_pick(walk->pool) : guide;
		char *name = walk->names.items[walk->names.n];
		struct tracked child;

		random_step(walk->policy, next, walk->names.n, name);
		child = tracked_child(walk->ruleset, at, name);
		walk->names.n++;
		walk_cgroup(walk, &child, nearest, next);
		walk->names.n--;
	}
}

/* A small one, one with all the rules, or one with all the segments that there can be. */
static void random_policy(struct policy *policy, struct path_pool *pool)
{
	size_t kind = dice(60), rules = kind ? 1 + dice(12) : SMTPWARD_RULES_MAX;

	for (size_t i = 0; i < rules; i++)
		random_cgroups(add_rule(policy, SMTPWARD_DENY), pool, 3);
	if (kind > 2)
		return;
	while (pool->segments < SMTPWARD_SEGMENTS_MAX)
		add_cgroup(&policy->rules[dice(rules)], random_path(pool));
}

static void test_random(void **state __attribute__((unused)))
{
	size_t compared = 0, covered = 0, without_entry = 0, inherits = 0;

	dice_seed(0x5eed25);
	while (compared < 250000) {
		_cleanup_policy_ struct policy *policy = policy_new();
		_cleanup_path_pool_ struct path_pool pool = { .n = 0 };
		_cleanup_ruleset_ struct ruleset *ruleset = NULL;
		struct walk walk = { .policy = policy, .pool = &pool };
		struct tracked root;

		random_policy(policy, &pool);
		walk.ruleset = ruleset = compile(policy);
		root = tracked_root(ruleset);
		walk_cgroup(&walk, &root, &root, NULL);
		compared += walk.compared;
		covered += walk.covered;
		without_entry += walk.without_entry;
		inherits += walk.inherits;
	}
	print_message("%zu cgroups: %zu covered, %zu without an entry, %zu inherit\n", compared,
		      covered, without_entry, inherits);
	assert_in_range(covered, compared / 4, compared * 9 / 10);
	assert_in_range(without_entry, compared / 10, compared * 9 / 10);
	assert_in_range(inherits, compared / 10, compared * 9 / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),	   cmocka_unit_test(test_stars),
		cmocka_unit_test(test_units),	   cmocka_unit_test(test_unit_and_path),
		cmocka_unit_test(test_unit_lists), cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_step),	   cmocka_unit_test(test_inherits),
		cmocka_unit_test(test_carry),	   cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("match", tests, NULL, NULL);
}
