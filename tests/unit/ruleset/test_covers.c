// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which rule hides another: what is said to be so holds for every connect, by the policy's
 * own words and over the tables; and what it is to find it finds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ruleset/ruleset_connect.h"

#include "policy/policy_covers.h"

struct pair {
	const char *wide, *narrow; /* rules */
	bool covers;
};

static void assert_pairs(const struct pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		_cleanup_policy_ struct policy *policy = NULL;
		char text[512];

		snprintf(text, sizeof(text), "ports 25, 587\n%s\n%s\n", pairs[i].wide,
			 pairs[i].narrow);
		policy = policy_of(text);
		if (policy_rule_covers(policy, &policy->rules[0], &policy->rules[1]) !=
		    pairs[i].covers)
			fail_msg("'%s' and '%s'", pairs[i].wide, pairs[i].narrow);
	}
}

static void test_until(void **state)
{
#define T "until 2026-12-01T18:00"
	static const struct pair pairs[] = {
		{ "allow", "allow " T "Z", true },
		{ "allow " T "Z", "allow", false },
		{ "allow " T "Z", "deny", false },
		{ "allow " T "Z", "audit user 1 " T "Z", true },
		{ "allow " T "Z", "allow " T ":01Z", false },
		{ "allow " T ":01Z", "allow " T "Z", true },
		{ "allow " T "+01:00", "allow until 2026-12-01T17:00Z", true },
	};
#undef T

	assert_pairs(pairs, ARRAY_SIZE(pairs));
}

static void test_names(void **state)
{
	static const struct pair pairs[] = {
		{ "deny", "deny", true },
		{ "deny", "allow unit a.b user 1 to ::1 port 25", true },
		{ "deny unit a.b", "deny", false },
		{ "deny unit a.b", "deny unit a.b", true },
		{ "deny unit a.b", "deny unit a.b, c.d", false },
		{ "deny unit c.d, a.b", "deny unit a.b, c.d", true },
		{ "deny unit *", "deny unit a.b, c*", true },
		{ "deny unit *", "deny", false },
		{ "deny unit a*", "deny unit ab*, a, abc", true },
		{ "deny unit ab*", "deny unit a*", false },
		{ "deny unit a*b", "deny unit ab", true },
		{ "deny unit a*b", "deny unit a", false },
		{ "deny unit a*a", "deny unit a", false },
		{ "deny unit a*a", "deny unit a*a", true },
		{ "deny unit a*a", "deny unit aa*aa", true },
		{ "deny unit aa*a", "deny unit a*aa", false },
		{ "deny unit a", "deny unit a*", false },
		{ "deny cgroup /", "deny", true },
		{ "deny cgroup /", "deny unit a", true },
		{ "deny cgroup /*", "deny", false },
		{ "deny cgroup /a", "deny cgroup /a, /a/b, /a/b/c", true },
		{ "deny cgroup /a/b", "deny cgroup /a", false },
		{ "deny cgroup /a*/b", "deny cgroup /ax/b/c", true },
		{ "deny cgroup /a*", "deny cgroup /x/a", false },
		{ "deny cgroup /x, /", "deny cgroup /a*", true },
		/* A path that says which unit it is of. */
		{ "deny unit b", "deny cgroup /a.slice/b/c", true },
		{ "deny unit b", "deny cgroup /*.slice/b", true },
		{ "deny unit b*", "deny cgroup /b*c", true },
		{ "deny unit b*", "deny cgroup /b*", false },
		{ "deny unit b*", "deny cgroup /b*slice", false },
		{ "deny unit b*", "deny cgroup /b*xslice", true },
		{ "deny unit b", "deny cgroup /a/b", false },
		{ "deny unit b", "deny cgroup /a*/b", false },
		{ "deny unit b", "deny cgroup /a.slice", false },
		{ "deny unit b", "deny cgroup /", false },
		{ "deny unit b", "deny unit a cgroup /a.slice/b", true },
		{ "deny cgroup /b", "deny unit b", false },
	};

	(void)state;
	assert_pairs(pairs, ARRAY_SIZE(pairs));
}

static void test_guests(void **state)
{
	static const struct pair pairs[] = {
		{ "deny", "deny guest tap0", false },
		{ "deny guest *", "deny", false },
		{ "deny guest *", "allow guest tap0, vnet* mac 52:54:00:00:00:01 to ::1", true },
		{ "deny guest tap*", "deny guest tap0, tap*, tap", true },
		{ "deny guest tap0*", "deny guest tap*", false },
		{ "deny guest tap0", "deny guest tap0, tap1", false },
		{ "deny guest a vlan 7, 8", "deny guest a vlan 8", true },
		{ "deny guest a vlan 7", "deny guest a vlan 7, 8", false },
		{ "deny guest a vlan 7", "deny guest a", false },
		{ "deny guest a mac 00:00:00:00:00:0A", "deny guest a mac 00:00:00:00:00:0a",
		  true },
		{ "deny guest a mac 00:00:00:00:00:0a", "deny guest a", false },
		{ "deny guest a mac 00:00:00:00:00:0a",
		  "deny guest a mac 00:00:00:00:00:0a, 00:00:00:00:00:0b", false },
		{ "deny guest a from 10.0.0.0/8", "deny guest a from 10.1.0.0/16", true },
		{ "deny guest a from 10.0.0.0/8", "deny guest a to 10.1.0.0/16", false },
		{ "deny guest a from 0.0.0.0/0, ::/0", "deny guest a", true },
	};

	assert_pairs(pairs, ARRAY_SIZE(pairs));
}

static void test_numbers(void **state)
{
	static const struct pair pairs[] = {
		{ "deny user 1, 2", "deny user 2", true },
		{ "deny user 2", "deny user 1, 2", false },
		{ "deny user 2", "deny group 2", false },
		{ "deny port 25", "deny", false },
		{ "deny port 25, 587", "deny", true },
		{ "deny port 25", "deny port 25 user 1", true },
		{ "deny port 25 user 1", "deny port 25", false },
		{ "deny to 10.0.0.0/8", "deny to 10.1.0.0/16, 10.0.0.1", true },
		{ "deny to 10.0.0.0/8", "deny to 11.0.0.1", false },
		{ "deny to 10.0.0.0/9, 10.128.0.0/9", "deny to 10.0.0.0/8", true },
		{ "deny to 10.0.0.0/9, 10.128.0.0/10", "deny to 10.0.0.0/8", false },
		{ "deny to 0.0.0.0/0, ::/0", "deny", true },
		{ "deny to ::/0", "deny", false },
		{ "deny to ::/0", "deny to 10.0.0.1", false },
		{ "deny to ::/0", "deny to 2001:db8::/32", true },
		{ "deny to ::/1, 8000::/1", "deny to ::/0", true },
		{ "deny to 0.0.0.0/0", "deny to ::/0", false },
		{ "deny to ::ffff:0.0.0.0/96", "deny to 1.2.3.4", true },
		/* All around IPv4, which IPv6 has nothing of. */
		{ "deny to ::fffe:0:0/96, ::fffc:0:0/95", "deny to ::fffc:0:0/94", true },
		/* Any address may be local, or none, and none is in every namespace. */
		{ "allow to local", "allow to local", true },
		{ "allow to ::1, local", "allow to local, ::1 port 25", true },
		{ "allow to local", "allow to local, ::1", false },
		{ "allow to local", "allow to 127.0.0.1", false },
		{ "allow to local", "allow", false },
		{ "allow to 127.0.0.0/8, ::1", "allow to local", false },
		{ "allow to 0.0.0.0/0", "allow to local", false },
		{ "allow to 0.0.0.0/0, ::/0", "allow to local, ::1", true },
		{ "allow", "allow to local", true },
	};

	(void)state;
	assert_pairs(pairs, ARRAY_SIZE(pairs));
}

static bool matches(const struct policy_rule *rule, const struct connect *connect)
{
	return ports_name(rule, connect->port) && to_names(rule, connect) &&
	       ids_name(&rule->values[SMTPWARD_USER], connect->euid) &&
	       ids_name(&rule->values[SMTPWARD_GROUP], connect->egid) &&
	       rule_covers(rule, &connect->names);
}

/* Pairs out of small policies, and connects that are made to match their rules. */
static void test_random(void **state)
{
	size_t covered = 0, matched = 0;

	(void)state;
	dice_seed(20261127);
	for (int round = 0; round < 3000; round++) {
		_cleanup_policy_ struct policy *policy = policy_new();
		_cleanup_ruleset_ struct ruleset *ruleset = NULL;
		_cleanup_path_pool_ struct path_pool pool = { 0 };
		struct connect connect;

		policy->n_ports = 1 + dice(3);
		for (size_t i = 0; i < policy->n_ports; i++)
			policy->ports[i] = (uint16_t)(25 + 255 * i);
		for (size_t rules = 2 + dice(6); rules; rules--)
			random_rule(policy, &pool);
		ruleset = compile(policy);
		for (int attempt = 0; attempt < 60; attempt++) {
			random_caller(policy, ruleset, &pool, &connect);
			random_connect(policy, &connect);
			for (size_t narrow = 1; narrow < policy->n_rules; narrow++)
				for (size_t wide = 0; wide < narrow; wide++) {
					if (!policy_rule_covers(policy, &policy->rules[wide],
								&policy->rules[narrow]))
						continue;
					covered += !attempt;
					if (!matches(&policy->rules[narrow], &connect))
						continue;
					matched++;
					assert_true(matches(&policy->rules[wide], &connect));
					assert_int_not_equal(first_by_tables(ruleset, &connect),
							     narrow);
				}
		}
	}
	print_message("%zu rules hidden, %zu connects that would match one\n", covered, matched);
	assert_true(covered > 100 && matched > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_until),  cmocka_unit_test(test_names),
		cmocka_unit_test(test_guests), cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("covers", tests, NULL, NULL);
}
