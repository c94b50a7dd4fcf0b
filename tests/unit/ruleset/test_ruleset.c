// SPDX-License-Identifier: GPL-2.0-only
/*
 * The compiler from a policy to the tables and constants of the kernel: each of them,
 * the limits, and the whole decision over them against the policy's own words.
 * Which rules cover a cgroup is test_match.c's.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <smtpward/verdict.h>

#include "ruleset/ruleset_connect.h"

static void test_settings(void **state __attribute__((unused)))
{
	_cleanup_ruleset_ struct ruleset *a = compile_text("ports 587, 25\nmode audit\nlog allow\n"
							   "reject EACCES\nallow\naudit\ndeny");
	_cleanup_ruleset_ struct ruleset *b = compile_text("");

	assert_int_equal(a->n_ports, 2);
	assert_int_equal(a->ports[0], 587);
	assert_int_equal(a->ports[1], 25);
	assert_true(a->audit_mode);
	assert_int_equal(a->log, 1 << SMTPWARD_ALLOW);
	assert_int_equal(a->reject, EACCES);
	assert_int_equal(a->n_rules, 3);
	assert_int_equal(a->verdicts[0], SMTPWARD_ALLOW);
	assert_int_equal(a->verdicts[1], SMTPWARD_AUDIT);
	assert_int_equal(a->verdicts[2], SMTPWARD_DENY);
	assert_set(&a->denying, "2");

	assert_false(b->audit_mode);
	assert_int_equal(b->reject, EPERM);
	assert_int_equal(b->n_rules, 0);
	assert_int_equal(b->rule_words, 0);
	assert_int_equal(b->segment_words, 0);
	assert_false(b->asks_cgroup || b->asks[SMTPWARD_USER] || b->asks[SMTPWARD_GROUP] ||
		     b->asks[SMTPWARD_TO] || b->asks_star);
	assert_set(&b->denying, "");
}

/* How many lines in a period of so many seconds, and the time that a burst takes to refill. */
static void test_limit(void **state __attribute__((unused)))
{
	static const struct {
		const char *limit;
		uint64_t interval, window;
		uint64_t of_tenant, window_of_tenant; /* ten times as many lines */
	} cases[] = {
		{ "limit 10/s burst 100", 100000000, 9900000000, 10000000, 9990000000 },
		{ "limit 1/s burst 1", 1000000000, 0, 100000000, 900000000 },
		{ "limit 3/s burst 4", 333333333, 999999999, 33333333, 1299999987 },
		{ "limit 2/m burst 5", 30000000000, 120000000000, 3000000000, 147000000000 },
		{ "limit 1/h burst 2", 3600000000000, 3600000000000, 360000000000, 6840000000000 },
		{ "limit 1000000/s burst 1", 1000, 0, 100, 900 },
		{ "limit 1/h burst 1000000", 3600000000000, 3600000000000 * 999999, 360000000000,
		  360000000000 * 9999999 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_ruleset_ struct ruleset *ruleset = compile_text(cases[i].limit);

		assert_int_equal(ruleset->limit_interval_ns, cases[i].interval);
		assert_int_equal(ruleset->limit_window_ns, cases[i].window);
		assert_int_equal(ruleset->tenant_interval_ns, cases[i].of_tenant);
		assert_int_equal(ruleset->tenant_window_ns, cases[i].window_of_tenant);
	}
}

static void test_ports(void **state __attribute__((unused)))
{
	_cleanup_ruleset_ struct ruleset *ruleset =
		compile_text("ports 25, 465, 587\nallow\nallow port 587\nallow port 587, 25\n"
			     "deny port 465 user 0");

	assert_set(&ruleset->port_rules[0], "0 2");
	assert_set(&ruleset->port_rules[1], "0 3");
	assert_set(&ruleset->port_rules[2], "0 1 2");
	for (size_t i = 3; i < SMTPWARD_PORTS_MAX; i++)
		assert_set(&ruleset->port_rules[i], "");
}

static const char *users_text(const struct ruleset *ruleset, uint32_t id)
{
	return set_text(ids_find(ruleset, SMTPWARD_USER, id));
}

static const char *groups_text(const struct ruleset *ruleset, uint32_t id)
{
	return set_text(ids_find(ruleset, SMTPWARD_GROUP, id));
}

static void test_ids(void **state __attribute__((unused)))
{
	_cleanup_ruleset_ struct ruleset *ruleset =
		compile_text("allow user 33, 0\ndeny\nallow user 33 group 8\nallow group 8, 33\n"
			     "allow user 4294967294");

	assert_int_equal(ruleset->ids[SMTPWARD_USER].n_items, 3);
	assert_int_equal(ruleset->ids[SMTPWARD_GROUP].n_items, 2);
	assert_string_equal(users_text(ruleset, 0), "0 1 3");
	assert_string_equal(users_text(ruleset, 33), "0 1 2 3");
	assert_string_equal(users_text(ruleset, 4294967294), "1 3 4");
	assert_string_equal(users_text(ruleset, 8), "1 3");
	assert_string_equal(groups_text(ruleset, 8), "0 1 2 3 4");
	assert_string_equal(groups_text(ruleset, 33), "0 1 3 4");
	assert_string_equal(groups_text(ruleset, 0), "0 1 4");
}

/* The rules without each condition, and whether any rule has it. */
static void test_any(void **state __attribute__((unused)))
{
	static const struct {
		const char *policy, *any; /* of unit, path, both, user, group, to */
		const char *asks;	  /* cgroup, user, group, to, star */
	} cases[] = {
		{ "deny\ndeny", "0 1|0 1|0 1|0 1|0 1|0 1", "-----" },
		{ "deny unit a.b\ndeny", "1|0 1|1|0 1|0 1|0 1", "c----" },
		{ "deny cgroup /\ndeny", "0 1|1|1|0 1|0 1|0 1", "c----" },
		{ "deny cgroup /a/*\ndeny", "0 1|1|1|0 1|0 1|0 1", "c---*" },
		{ "deny unit *.b", "|0||0|0|0", "c---*" },
		{ "deny unit a.b cgroup /a\ndeny unit a.b", "|1||0 1|0 1|0 1", "c----" },
		{ "deny user 0\ndeny unit a.b", "0|0 1|0|1|0 1|0 1", "cu---" },
		{ "deny group 0", "0|0|0|0||0", "--g--" },
		{ "deny to ::1\ndeny port 25", "0 1|0 1|0 1|0 1|0 1|1", "---t-" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_ruleset_ struct ruleset *r = compile_text(cases[i].policy);
		const char asks[] = { r->asks_cgroup ? 'c' : '-',
				      r->asks[SMTPWARD_USER] ? 'u' : '-',
				      r->asks[SMTPWARD_GROUP] ? 'g' : '-',
				      r->asks[SMTPWARD_TO] ? 't' : '-',
				      r->asks_star ? '*' : '-',
				      '\0' };
		char any[128];

		snprintf(any, sizeof(any), "%s|%s|%s|%s|%s|%s", set_text(&r->any[SMTPWARD_UNIT]),
			 set_text(&r->any[SMTPWARD_CGROUP]), set_text(&r->any_cgroup),
			 set_text(&r->any[SMTPWARD_USER]), set_text(&r->any[SMTPWARD_GROUP]),
			 set_text(&r->any[SMTPWARD_TO]));
		assert_string_equal(any, cases[i].any);
		assert_string_equal(asks, cases[i].asks);
	}
}

static const char *address_text(const struct ruleset *ruleset, const char *address)
{
	uint8_t bytes[16] = { [10] = 0xff, [11] = 0xff };

	assert_true(inet_pton(AF_INET, address, bytes + 12) == 1 ||
		    inet_pton(AF_INET6, address, bytes) == 1);
	return set_text(addresses_find(ruleset, bytes));
}

struct address_case {
	const char *address;
	const char *rules;
};

static void assert_addresses(const char *policy, const struct address_case *cases)
{
	_cleanup_ruleset_ struct ruleset *ruleset = compile_text(policy);

	for (; cases->address; cases++)
		if (strcmp(address_text(ruleset, cases->address), cases->rules))
			fail_msg("'%s' to %s: rules '%s', not '%s'", policy, cases->address,
				 address_text(ruleset, cases->address), cases->rules);
}

static void test_addresses(void **state __attribute__((unused)))
{
	assert_addresses("deny to 10.0.0.0/8\ndeny to 10.1.0.0/16, ::1\ndeny to 10.1.0.1\ndeny\n"
			 "deny to 0.0.0.0/0",
			 (struct address_case[]){ { "10.1.0.1", "0 1 2 3 4" },
						  { "10.1.0.2", "0 1 3 4" },
						  { "10.2.0.1", "0 3 4" },
						  { "11.1.0.1", "3 4" },
						  { "255.255.255.255", "3 4" },
						  { "::1", "1 3" },
						  { "::2", "3" },
						  { "::a01:1", "3" },
						  { 0 } });
	/* The longer prefix first, and prefixes that end within a byte. */
	assert_addresses("deny to 2001:db8:8000::/33\ndeny to 2001:db8::/32\n"
			 "deny to 2001:db8:c000::/34\ndeny to ::/0\ndeny to 2001:db8:4000::/34",
			 (struct address_case[]){ { "2001:db8:c000::1", "0 1 2 3" },
						  { "2001:db8:8000::1", "0 1 3" },
						  { "2001:db8:4000::1", "1 3 4" },
						  { "2001:db8::1", "1 3" },
						  { "2001:db9::1", "3" },
						  { "::1", "3" },
						  { "10.0.0.1", "" },
						  { 0 } });
	assert_addresses("deny to 128.0.0.0/1\ndeny to 0.0.0.0/1\ndeny to 192.0.2.0/31",
			 (struct address_case[]){ { "192.0.2.1", "0 2" },
						  { "192.0.2.2", "0" },
						  { "127.255.255.255", "1" },
						  { "::ffff:128.0.0.0", "0" },
						  { "::fffe:8000:0", "" },
						  { 0 } });
}

/* "local" is in no table: its rules are known, and unite with those of an address. */
static void test_local(void **state __attribute__((unused)))
{
	static const char policy[] = "allow to 192.0.2.1\nallow to local\n"
				     "allow to local, 192.0.2.0/24\nallow user 1 to local\nallow";
	_cleanup_ruleset_ struct ruleset *ruleset = compile_text(policy), *none = NULL;

	assert_true(ruleset->asks_local);
	assert_int_equal(ruleset->local.words[0], 0xe);
	assert_int_equal(ruleset->any[SMTPWARD_TO].words[0], 0x10);
	assert_int_equal(ruleset->n_addresses, 3);
	assert_addresses(policy, (struct address_case[]){ { "192.0.2.1", "0 2 4" },
							  { "192.0.2.2", "2 4" },
							  { "127.0.0.1", "4" },
							  { "::1", "4" },
							  { 0 } });
	none = compile_text("allow to 127.0.0.0/8, ::1");
	assert_false(none->asks_local);
	assert_int_equal(none->local.words[0], 0);
}

/* What is under 96 bits is IPv6's, even where the mapped addresses lie in it. */
static const char *guest_text(const struct ruleset *ruleset, const char *device)
{
	const struct ruleset_address *longest = NULL;
	uint8_t name[16] = { 0 };

	memcpy(name, device, strlen(device));
	for (size_t i = 0; i < ruleset->n_guests; i++) {
		const struct smtpward_prefix *prefix = &ruleset->guests[i].prefix;

		assert_false(prefix->bits % 8);
		if (!memcmp(prefix->address, name, prefix->bits / 8) &&
		    (!longest || prefix->bits > longest->prefix.bits))
			longest = &ruleset->guests[i];
	}
	return longest ? set_text(&longest->rules) : "none";
}

/* A rule on guests is in no set of a connect's; the sets of guests have no other rules. */
static void test_guests(void **state __attribute__((unused)))
{
	_cleanup_ruleset_ struct ruleset *r = compile_text(
		"ports 25, 587\nallow\nallow guest tap1*, docker0 port 25\n"
		"deny guest tap10*\nallow guest tap101 mac 00:00:00:00:01:0a vlan 7, 9 from ::/0\n"
		"allow guest * vlan 7 from 10.0.0.0/8\ndeny to ::1");

	assert_set(&r->port_rules[0], "0 5");
	assert_set(&r->port_rules[1], "0 5");
	assert_set(&r->guest_rules[0], "1 2 3 4");
	assert_set(&r->guest_rules[1], "2 3 4");

	assert_string_equal(guest_text(r, "tap101"), "1 2 3 4");
	assert_string_equal(guest_text(r, "tap1010"), "1 2 4");
	assert_string_equal(guest_text(r, "tap1"), "1 4");
	assert_string_equal(guest_text(r, "docker0"), "1 4");
	assert_string_equal(guest_text(r, "docker00"), "4");
	assert_string_equal(guest_text(r, ""), "4");

	assert_set(&r->any[SMTPWARD_MAC], "0 1 2 4 5");
	assert_int_equal(r->n_macs, 1);
	assert_int_equal(r->macs[0].mac, 0x10a);
	assert_set(&r->macs[0].rules, "0 1 2 3 4 5");

	assert_int_equal(r->vlans.n_items, 2);
	assert_int_equal(r->vlans.items[0].id, 7);
	assert_set(&r->vlans.items[0].rules, "0 1 2 3 4 5");
	assert_int_equal(r->vlans.items[1].id, 9);
	assert_set(&r->vlans.items[1].rules, "0 1 2 3 5");

	/* 10.0.0.0/8, what else is IPv4, and ::/0. */
	assert_int_equal(r->n_sources, 3);
}

static void test_families(void **state __attribute__((unused)))
{
	static const char *const prefixes[] = { "::/0",		 "::/1",	  "::/64",
						"::/80",	 "::fffe:0:0/95", "::ffc0:0:0/90",
						"::fe00:0:0/87", "::8000:0:0/81" };

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		char policy[128];

		snprintf(policy, sizeof(policy), "deny to %s\ndeny to 10.0.0.0/8", prefixes[i]);
		assert_addresses(policy, (struct address_case[]){ { "192.0.2.1", "" },
								  { "0.0.0.1", "" },
								  { "255.255.255.255", "" },
								  { "10.0.0.1", "1" },
								  { 0 } });
		snprintf(policy, sizeof(policy), "deny to %s\ndeny\ndeny to 0.0.0.0/0",
			 prefixes[i]);
		assert_addresses(policy, (struct address_case[]){ { "192.0.2.1", "1 2" }, { 0 } });
	}
	assert_addresses("deny to ::fffe:0:0/95\ndeny to ::/64\ndeny to ::ffff:0:0/96",
			 (struct address_case[]){ { "::fffe:1:2", "0 1" },
						  { "::fffd:1:2", "1" },
						  { "::ffff:1.2.3.4", "2" },
						  { "::1:ffff:102:304", "1" },
						  { 0 } });
	/* What begins like IPv4 with fewer zeros is IPv6. */
	assert_addresses("deny to 1::ffff:0:0/96\ndeny to ::ffff:0:0:0/96\ndeny to ::/96",
			 (struct address_case[]){ { "1::ffff:1.2.3.4", "0" },
						  { "::ffff:0:102:304", "1" },
						  { "::1.2.3.4", "2" },
						  { "1.2.3.4", "" },
						  { 0 } });
}

static void test_tables(void **state __attribute__((unused)))
{
	_cleanup_ruleset_ struct ruleset *ruleset =
		compile_text("deny unit b.b, \xff.b, a.b, a*.b, a*.c, c*.b, *.b, *.c, e*\n"
			     "deny cgroup /a.b/a*/b.b");

	assert_int_equal(ruleset->n_names, 3);
	for (size_t i = 1; i < ruleset->n_names; i++)
		assert_true(memcmp(ruleset->names[i - 1].name.text, ruleset->names[i].name.text,
				   SMTPWARD_NAME_SIZE) < 0);
	/* No two entries have one key: "a", "c", "e", ""; "b.", "c.", "". */
	assert_int_equal(ruleset->n_prefixes, 4);
	assert_int_equal(ruleset->n_suffixes, 3);
	assert_int_equal(ruleset->n_segments, 9 + 3);
	for (size_t word = 0; word < SMTPWARD_SEGMENT_WORDS; word++)
		assert_int_equal(ruleset->lengths[0].words[word], 0);
	assert_int_equal(ruleset->root.slices, 1);
	assert_int_equal(ruleset->root.pad, 0);
}

/* Limits. */

static void add_path_of(struct policy *policy, size_t rule, size_t segments)
{
	char path[2 * SMTPWARD_SEGMENTS_MAX + 1] = "";

	for (size_t i = 0; i < segments; i++)
		memcpy(path + 2 * i, "/a", 3);
	while (policy->n_rules <= rule)
		add_rule(policy, SMTPWARD_DENY);
	add_cgroup(&policy->rules[rule], path);
}

static void assert_too_big(const struct policy *policy, size_t expected)
{
	struct ruleset *const untouched = (struct ruleset *)&expected;
	struct ruleset *ruleset = untouched;
	size_t rule = 4711;

	assert_int_equal(ruleset_compile(policy, &ruleset, &rule), -E2BIG);
	assert_ptr_equal(ruleset, untouched);
	assert_int_equal(rule, expected);
}

static void assert_segment_words(size_t segments, size_t words)
{
	_cleanup_policy_ struct policy *policy = policy_new();
	_cleanup_ruleset_ struct ruleset *ruleset = NULL;

	add_path_of(policy, 0, segments);
	ruleset = compile(policy);
	assert_int_equal(ruleset->n_segments, segments);
	assert_int_equal(ruleset->segment_words, words);
}

static void test_words(void **state __attribute__((unused)))
{
	_cleanup_policy_ struct policy *rules = policy_new();

	for (size_t n = 1; n <= SMTPWARD_RULES_MAX; n++) {
		_cleanup_ruleset_ struct ruleset *ruleset = NULL;

		add_rule(rules, SMTPWARD_AUDIT);
		ruleset = compile(rules);
		assert_int_equal(ruleset->n_rules, n);
		assert_int_equal(ruleset->rule_words, 1 + (n > 64) + (n > 128) + (n > 192));
	}
	for (size_t words = 1; words <= SMTPWARD_SEGMENT_WORDS; words++) {
		assert_segment_words(64 * words - 63, words);
		assert_segment_words(64 * words, words);
	}
}

static void test_segments(void **state __attribute__((unused)))
{
	_cleanup_policy_ struct policy *policy = policy_new();
	_cleanup_ruleset_ struct ruleset *ruleset = NULL;

	add_path_of(policy, 0, 1000);
	add_path_of(policy, 1, 22);
	ruleset = compile(policy);
	assert_int_equal(ruleset->n_segments, 1022);
	add_path_of(policy, 3, 1);
	add_unit(&policy->rules[3], "a");
	/* The same ones cost nothing, and neither does the root. */
	add_path_of(policy, 4, 1000);
	add_cgroup(&policy->rules[4], "/");
	add_unit(&policy->rules[4], "a");
	ruleset_freep(&ruleset);
	ruleset = compile(policy);
	assert_int_equal(ruleset->n_segments, 1024);
	assert_int_equal(ruleset->segment_words, 16);
	add_path_of(policy, 5, 2);
	add_path_of(policy, 6, 3);
	assert_too_big(policy, 5);
}

/* As many units as can be, each in a word's every place; and one too many. */
static void test_units(void **state __attribute__((unused)))
{
	_cleanup_policy_ struct policy *policy = policy_new();
	_cleanup_ruleset_ struct ruleset *ruleset = NULL;
	struct tracked root;
	char unit[16];

	for (int i = 0; i < SMTPWARD_SEGMENTS_MAX; i++) {
		sprintf(unit, i % 2 ? "%d.a*" : "%d.a", i);
		if (i % 4 == 0)
			add_rule(policy, SMTPWARD_DENY);
		add_unit(&policy->rules[i / 4], unit);
	}
	ruleset = compile(policy);
	root = tracked_root(ruleset);
	for (int i = 0; i < SMTPWARD_SEGMENTS_MAX; i++) {
		struct tracked child;
		char rule[16];

		sprintf(unit, "%d.a", i);
		sprintf(rule, "%d", i / 4);
		child = tracked_child(ruleset, &root, unit);
		assert_set(&child.cgroup.rules, rule);
	}
	add_unit(&policy->rules[7], "b");
	assert_too_big(policy, SMTPWARD_RULES_MAX - 1);
}

/* The whole decision. */

static void decide_fail(const struct policy *policy, const struct connect *connect,
			uint32_t by_tables, uint32_t by_words)
{
	_cleanup_free_ char *text = NULL;
	char address[INET6_ADDRSTRLEN];

	assert_int_equal(policy_print(policy, &text), 0);
	inet_ntop(AF_INET6, connect->address, address, sizeof(address));
	fail_msg("%s %u user %u group %u at %s: rule %u, not %u, of\n%s", address, connect->port,
		 connect->euid, connect->egid, names_text(&connect->names), by_tables, by_words,
		 text);
}

static void check_verdicts(const struct policy *policy, const struct ruleset *ruleset)
{
	for (size_t i = 0; i < policy->n_rules; i++) {
		assert_int_equal(ruleset->verdicts[i], policy->rules[i].verdict);
		assert_int_equal(set_has(&ruleset->denying, i),
				 policy->rules[i].verdict == SMTPWARD_DENY);
	}
}

static void test_random(void **state __attribute__((unused)))
{
	size_t decided = 0, by_rule = 0, by_first = 0;

	dice_seed(0xc0ec7);
	while (decided < 250000) {
		_cleanup_policy_ struct policy *policy = policy_new();
		_cleanup_path_pool_ struct path_pool pool = { .n = 0 };
		_cleanup_ruleset_ struct ruleset *ruleset = NULL;

		random_policy(policy, &pool);
		ruleset = compile(policy);
		check_verdicts(policy, ruleset);
		for (int i = 0; i < 200; i++, decided++) {
			struct connect connect;
			uint32_t by_tables, by_words;

			random_caller(policy, ruleset, &pool, &connect);
			random_connect(policy, &connect);
			by_tables = first_by_tables(ruleset, &connect);
			by_words = first_by_words(policy, &connect);
			if (by_tables != by_words)
				decide_fail(policy, &connect, by_tables, by_words);
			by_rule += by_words != SMTPWARD_RULE_NONE;
			by_first += by_words == 0;
		}
	}
	print_message("%zu connects: %zu by a rule, %zu by the first\n", decided, by_rule,
		      by_first);
	assert_in_range(by_rule, decided / 2, decided * 19 / 20);
	assert_in_range(by_first, decided / 20, decided / 2);
}

/* Two rules that end together have one instant; and a rule without an end is in every set. */
static void test_ends(void **state)
{
	_cleanup_ruleset_ struct ruleset *ruleset =
		compile_text("allow user 1 until 2030-01-01T00:00Z\n"
			     "deny user 2\n"
			     "audit user 3 until 2029-01-01T00:00Z\n"
			     "allow user 4 until 2030-01-01T01:00+01:00\n");
	_cleanup_ruleset_ struct ruleset *none = compile_text("deny user 2\n");

	assert_true(ruleset->asks_until);
	assert_int_equal(ruleset->n_ends, 2);
	assert_int_equal(ruleset->ends[0], 1861920000 * NS_PER_SECOND);
	assert_int_equal(ruleset->ends[1], 1893456000 * NS_PER_SECOND);
	for (size_t i = 2; i < SMTPWARD_RULES_MAX; i++)
		assert_int_equal(ruleset->ends[i], SMTPWARD_NEVER);
	assert_set(&ruleset->alive[0], "1");
	assert_set(&ruleset->alive[1], "0 1 2 3");
	assert_set(&ruleset->alive[2], "0 1 3");
	assert_set(&ruleset->alive[3], "1");
	assert_false(none->asks_until);
	assert_int_equal(none->n_ends, 0);
	assert_int_equal(none->ends[0], SMTPWARD_NEVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settings), cmocka_unit_test(test_limit),
		cmocka_unit_test(test_ports),	 cmocka_unit_test(test_ids),
		cmocka_unit_test(test_any),	 cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_local),	 cmocka_unit_test(test_guests),
		cmocka_unit_test(test_families), cmocka_unit_test(test_tables),
		cmocka_unit_test(test_words),	 cmocka_unit_test(test_segments),
		cmocka_unit_test(test_units),	 cmocka_unit_test(test_ends),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("ruleset", tests, NULL, NULL);
}
