// SPDX-License-Identifier: GPL-2.0-only
/* Rules that end, as text: instants, what is left of them, and what is a unit's last rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/policy_ends.h"
#include "policy/policy_until.h"
#include "ruleset/ruleset_fixture.h"

static void test_instants(void **state)
{
	static const struct {
		const char *word;
		uint32_t until;
		const char *text;
	} rows[] = {
		{ "2000-01-01T00:00Z", POLICY_UNTIL_FIRST, "2000-01-01T00:00Z" },
		{ "2099-12-31T23:59:59Z", POLICY_UNTIL_LAST, "2099-12-31T23:59:59Z" },
		{ "2026-12-01T18:00Z", 1796148000, "2026-12-01T18:00Z" },
		{ "2026-12-01T18:00:00Z", 1796148000, "2026-12-01T18:00Z" },
		{ "2026-12-01T18:00:07Z", 1796148007, "2026-12-01T18:00:07Z" },
		{ "2026-12-01T19:00+01:00", 1796148000, "2026-12-01T18:00Z" },
		{ "2026-12-01T13:30-04:30", 1796148000, "2026-12-01T18:00Z" },
		{ "2026-12-02T08:00:00+14:00", 1796148000, "2026-12-01T18:00Z" },
		{ "2026-12-01T18:00+00:00", 1796148000, "2026-12-01T18:00Z" },
		{ "2026-12-01T18:00-00:00", 1796148000, "2026-12-01T18:00Z" },
		{ "2028-02-29T00:00Z", 1835395200, "2028-02-29T00:00Z" },
		{ "2000-02-29T00:00Z", 951782400, "2000-02-29T00:00Z" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct reason why = { "" };
		uint32_t until = 0;

		if (policy_value_until(rows[i].word, &until, &why))
			fail_msg("%s: %s", rows[i].word, why.text);
		if (until != rows[i].until)
			fail_msg("%s: %u", rows[i].word, until);
		assert_string_equal(policy_until_text(until).text, rows[i].text);
	}
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *word, *why;
	} rows[] = {
		{ "", "is not a time: write one as 2026-12-01T18:00Z" },
		{ "tomorrow", "is not a time" },
		{ "1796148000", "is not a time" },
		{ "2026-12-01", "is not a time" },
		{ "2026-12-01T18Z", "is not a time" },
		{ "2026-12-1T18:00Z", "is not a time" },
		{ "2026-12-01t18:00Z", "is not a time" },
		{ "2026-12-01T18:00z", "is not a time" },
		{ "2026-12-01T18:00.5Z", "is not a time" },
		{ "2026-12-01T18:00:00.5Z", "is not a time" },
		{ "2026-12-01T18:00Zx", "is not a time" },
		{ "2026-12-01T18:00+01", "is not a time" },
		{ "2026-12-01T18:00+0100", "is not a time" },
		{ "2026-12-01T18:00+01:00x", "is not a time" },
		{ "2026-12-01T18:00CET", "is not a time" },
		{ "+026-12-01T18:00Z", "is not a time" },
		{ "2026-12-01T18:00", "has no time zone" },
		{ "2026-12-01T18:00:30", "write 2026-12-01T18:00:30Z" },
		{ "2026-12-01T18:00+14:60", "minutes of an offset" },
		{ "2026-12-01T18:00+14:01", "no offset from UTC" },
		{ "2000-01-01T00:00+14:00", "2099, in UTC" },
		{ "2026-12-01T18:00-15:00", "no offset from UTC" },
		{ "2026-02-29T18:00Z", "there is no such day as 2026-02-29" },
		{ "2100-02-29T18:00Z", "there is no such day as 2100-02-29" },
		{ "2026-04-31T18:00Z", "there is no such day" },
		{ "2026-13-01T18:00Z", "there is no such day" },
		{ "2026-00-01T18:00Z", "there is no such day" },
		{ "2026-01-00T18:00Z", "there is no such day" },
		{ "2026-12-32T18:00Z", "there is no such day" },
		{ "2026-12-01T24:00Z", "hours go from 00 to 23" },
		{ "2026-12-01T18:60Z", "minutes and seconds from 00 to 59" },
		{ "2016-12-31T23:59:60Z", "a leap second is not counted" },
		{ "1999-12-31T23:59:59Z", "years go from 2000 to 2099" },
		{ "2000-01-01T00:59+01:00", "years go from 2000 to 2099" },
		{ "2100-01-01T00:00Z", "years go from 2000 to 2099" },
		{ "2099-12-31T23:00-01:00", "years go from 2000 to 2099" },
		{ "0000-01-01T00:00Z", "years go from 2000 to 2099" },
		{ "9999-12-31T23:59:59-14:00", "years go from 2000 to 2099" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct reason why = { "" };
		uint32_t until = 4711;

		if (policy_value_until(rows[i].word, &until, &why) != -EINVAL ||
		    !strstr(why.text, rows[i].why) || until != 4711)
			fail_msg("%s: %u, %s", rows[i].word, until, why.text);
	}
}

static void test_left(void **state)
{
	static const struct {
		int64_t left;
		const char *text;
	} rows[] = {
		{ -1, "ended" },	   { 0, "ended" },
		{ 1, "ends in 1 s" },	   { 119, "ends in 119 s" },
		{ 120, "ends in 2 min" },  { 7199, "ends in 119 min" },
		{ 7200, "ends in 2 h" },   { 172799, "ends in 47 h" },
		{ 172800, "ends in 2 d" }, { 2000000000, "ends in 23148 d" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(policy_left_text(2100000000, 2100000000 - rows[i].left).text,
				    rows[i].text);
}

#define NOW 1796148000 /* 2026-12-01T18:00Z */
#define LATER "until 2026-12-01T21:00Z"
#define LATEST "until 2026-12-01T22:00Z"

/* All of them in a row, as LINE: TEXT. */
static void join(const struct policy_errors *errors, char *dst, size_t size)
{
	size_t used = 0;

	*dst = '\0';
	for (size_t i = 0; i < errors->n_items; i++)
		used += (size_t)snprintf(dst + used, size - used, "%s%u: %s", i ? "; " : "",
					 errors->items[i].line, errors->items[i].text);
	assert_true(used < size);
}

static void assert_ends(const char *rules, const char *over, const char *left)
{
	_cleanup_(policy_errors_clear) struct policy_errors is_over = { 0 }, is_left = { 0 };
	_cleanup_policy_ struct policy *policy = policy_of(rules);
	char text[2048];

	assert_int_equal(policy_find_ends(policy, NOW, &is_over, &is_left), 0);
	join(&is_over, text, sizeof(text));
	assert_string_equal(text, over);
	join(&is_left, text, sizeof(text));
	if (strcmp(text, left) != 0)
		fail_msg("%s: %s, and not %s", rules, text, left);
}

#define LAST ", and no allow or audit that names the "

static void test_last(void **state)
{
	assert_ends("allow unit a\ndeny\n", "", "");
	assert_ends("allow user 1 until 2026-12-01T18:00Z\n",
		    "1: this rule ended at 2026-12-01T18:00Z: it matches nothing", "");
	assert_ends("allow user 1 " LATER "\n", "", "1: ends in 3 h");
	assert_ends("allow unit a " LATER "\n", "", "1: ends in 3 h" LAST "unit 'a' lasts longer");
	assert_ends("audit cgroup /a/b " LATER "\n", "",
		    "1: ends in 3 h" LAST "cgroup '/a/b' lasts longer");
	/* Each of them that nothing else lets through. */
	assert_ends("allow unit a, b, c " LATER "\nallow unit b\n", "",
		    "1: ends in 3 h" LAST "unit 'a' lasts longer; 1: ends in 3 h" LAST
		    "unit 'c' lasts longer");
	/* By another rule, by one that lasts longer, by a wider one, by what it lies in. */
	assert_ends("allow unit a " LATER "\nallow unit a user 1\n", "", "1: ends in 3 h");
	assert_ends("allow unit a " LATER "\naudit unit a\n", "", "1: ends in 3 h");
	assert_ends("allow unit a@x " LATER "\nallow unit a@*\n", "", "1: ends in 3 h");
	assert_ends("allow cgroup /a/b " LATER "\nallow cgroup /a\n", "", "1: ends in 3 h");
	assert_ends("allow cgroup /x.slice/a/b " LATER "\nallow unit a\n", "", "1: ends in 3 h");
	assert_ends("allow unit a " LATER "\nallow cgroup /x.slice/a/b\n", "", "1: ends in 3 h");
	assert_ends("allow unit a " LATER "\nallow unit a " LATEST "\n", "",
		    "1: ends in 3 h; 2: ends in 4 h" LAST "unit 'a' lasts longer");
	assert_ends("allow unit a " LATER "\nallow unit a user 1 " LATER "\n", "",
		    "1: ends in 3 h; 2: ends in 3 h" LAST "unit 'a' lasts longer");
	/* Not by a narrower one, a deny, or one that is over. */
	assert_ends("allow unit a* " LATER "\nallow unit ab\n", "",
		    "1: ends in 3 h" LAST "unit 'a*' lasts longer");
	assert_ends("allow cgroup /a " LATER "\nallow cgroup /a/b\n", "",
		    "1: ends in 3 h" LAST "cgroup '/a' lasts longer");
	assert_ends("allow unit a " LATER "\ndeny unit a\nallow user 1\n", "",
		    "1: ends in 3 h" LAST "unit 'a' lasts longer");
	assert_ends("allow unit a " LATER "\nallow unit a until 2026-12-01T17:59Z\n",
		    "2: this rule ended at 2026-12-01T17:59Z: it matches nothing",
		    "1: ends in 3 h" LAST "unit 'a' lasts longer");
}

/* A copy that is kept says the same, over or not. */
static void test_kept(void **state)
{
	_cleanup_policy_ struct policy *policy =
		policy_of("allow user 1 until 2020-01-01T00:00Z\n"
			  "audit until 2099-01-01T01:00+01:00 user 2 port 25\n");
	static const struct policy_source source = { .user = no_id, .group = no_id };
	_cleanup_(policy_errors_clear) struct policy_errors errors = { 0 };
	_cleanup_policy_ struct policy *again = NULL;
	_cleanup_free_ char *text = NULL;

	assert_int_equal(policy_print_kept(policy, &text), 0);
	assert_non_null(strstr(text, "\nallow user 1 until 2020-01-01T00:00Z\n"));
	assert_non_null(strstr(text, "\naudit user 2 port 25 until 2099-01-01T00:00Z\n"));
	assert_int_equal(policy_parse_kept("p", text, strlen(text), &source, &again, &errors), 0);
	assert_int_equal(again->rules[0].until, policy->rules[0].until);
	assert_int_equal(again->rules[1].until, policy->rules[1].until);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_instants), cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_left),	 cmocka_unit_test(test_last),
		cmocka_unit_test(test_kept),
	};

	return cmocka_run_group_tests_name("until", tests, NULL, NULL);
}
