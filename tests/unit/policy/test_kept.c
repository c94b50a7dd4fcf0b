// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kept copy: it says the same as the policy that it was made of, whoever has which
 * name by then, and a number that has become another's is nobody's.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "policy/policy.h"
#include "ruleset/ruleset.h"

/* Names with every byte that a policy can hold in one, some of which look like a number. */
static int names_find(void *userdata, const char *name, uint32_t *ret_id)
{
	static const struct {
		const char *name;
		uint32_t id;
	} names[] = {
		{ "root", 0 },	      { "billing", 1001 }, { "to", 1002 },
		{ "a:b", 1003 },      { "x:7", 1004 },	   { "#x", 1005 },
		{ "a,\"b\\\x01", 7 }, { "\xc3\xa4", 8 },   { "last", UINT32_MAX - 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i].name, name))
			continue;
		*ret_id = names[i].id;
		return 0;
	}
	return -ENOENT;
}

/* userdata: the number that is another's now, or NULL. */
static int names_keep(void *userdata, uint32_t id, const char *name)
{
	const uint32_t *taken = userdata;

	if (!strcmp(name, "broken"))
		return -EIO;
	return !taken || *taken != id;
}

static int names_read(void *userdata, const char *path, char **ret_text, size_t *ret_size,
		      char **reterr_why)
{
	fail_msg("%s is read", path);
	return -EIO;
}

static struct policy_source source_of(uint32_t *taken)
{
	return (struct policy_source){
		.read = names_read,
		.user = names_find,
		.group = names_find,
		.kept_user = names_keep,
		.kept_group = names_keep,
		.userdata = taken,
	};
}

static struct policy *parse(const char *text)
{
	const struct policy_source source = source_of(NULL);
	struct policy_errors errors = { 0 };
	struct policy *policy = NULL;

	if (policy_parse_text("p", text, strlen(text), &source, &policy, &errors))
		fail_msg("%u:%u: %s", errors.items->line, errors.items->column, errors.items->text);
	return policy;
}

/* A kept copy may not look anything up by its name. */
static struct policy *parse_kept(const char *text, uint32_t *taken)
{
	struct policy_source source = source_of(taken);
	struct policy_errors errors = { 0 };
	struct policy *policy = NULL;

	source.user = source.group = NULL;
	if (policy_parse_kept("k", text, strlen(text), &source, &policy, &errors))
		fail_msg("%u:%u: %s in\n%s", errors.items->line, errors.items->column,
			 errors.items->text, text);
	return policy;
}

static void assert_same_values(enum policy_kind kind, const struct policy_values *a,
			       const struct policy_values *b)
{
	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < a->n; i++) {
		switch (kind) {
		case POLICY_TEXT:
			assert_string_equal(a->texts[i], b->texts[i]);
			break;
		case POLICY_ID:
			assert_int_equal(a->ids[i].id, b->ids[i].id);
			assert_int_equal(!a->ids[i].name, !b->ids[i].name);
			if (a->ids[i].name)
				assert_string_equal(a->ids[i].name, b->ids[i].name);
			break;
		case POLICY_PREFIX:
			assert_memory_equal(&a->prefixes[i], &b->prefixes[i], sizeof(*a->prefixes));
			break;
		case POLICY_PORT:
			assert_int_equal(a->ports[i], b->ports[i]);
			break;
		case POLICY_DEVICE:
			assert_string_equal(a->devices[i].text, b->devices[i].text);
			break;
		case POLICY_MAC:
			assert_memory_equal(&a->macs[i], &b->macs[i], sizeof(*a->macs));
			break;
		case POLICY_VLAN:
			assert_int_equal(a->vlans[i], b->vlans[i]);
			break;
		}
	}
}

static void assert_same(const struct policy *a, const struct policy *b)
{
	assert_int_equal(a->n_ports, b->n_ports);
	for (size_t i = 0; i < a->n_ports; i++)
		assert_int_equal(a->ports[i], b->ports[i]);
	assert_int_equal(a->mode, b->mode);
	assert_int_equal(a->reject, b->reject);
	assert_int_equal(a->log, b->log);
	assert_int_equal(a->limit_lines, b->limit_lines);
	assert_int_equal(a->limit_period, b->limit_period);
	assert_int_equal(a->limit_burst, b->limit_burst);
	assert_int_equal(a->n_rules, b->n_rules);
	for (size_t i = 0; i < a->n_rules; i++) {
		assert_int_equal(a->rules[i].verdict, b->rules[i].verdict);
		for (int c = 0; c < SMTPWARD_CONDITIONS_N; c++)
			assert_same_values(policy_kinds[c], &a->rules[i].values[c],
					   &b->rules[i].values[c]);
	}
}

static void assert_comes_back(const char *text)
{
	_cleanup_(policy_freep) struct policy *policy = parse(text), *again = NULL;
	_cleanup_free_ char *kept = NULL, *printed = NULL;

	assert_int_equal(policy_print_kept(policy, &kept), 0);
	again = parse_kept(kept, NULL);
	assert_same(policy, again);
	assert_int_equal(policy_print_kept(again, &printed), 0);
	assert_string_equal(printed, kept);
}

static void test_comes_back(void **state)
{
	static const char *const settings[] = {
		"ports 25, 465, 587\n",	 "ports 2525\nmode audit\n",
		"mode enforce\n",	 "reject EACCES\n",
		"reject ECONNREFUSED\n", "reject ETIMEDOUT\n",
		"log allow\n",		 "log deny, audit, allow\n",
		"limit 7/m burst 3\n",	 "limit 1000000/h burst 1000000\n",
	};

	assert_comes_back("");
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		assert_comes_back(settings[i]);
	assert_comes_back(
		"ports 25, 26\n"
		"allow\n"
		"audit user root, billing, \"to\", a:b, x:7, \"#x\", 4711\n"
		"deny group \"a,\\x22b\\x5c\\x01\", \"\xc3\xa4\", last, 5\n"
		"allow unit a.service, \"b \\x22.scope\", c*.d cgroup /, \"/a b\", /*/x user root "
		"group root to 10.0.0.0/8, ::1, ::/0, fe80::/10 port 25, 26\n");
}

static void test_text(void **state)
{
	_cleanup_(policy_freep) struct policy *policy =
		parse("allow user root, \"to\", 33\ndeny group \"a,\\x22b\\x5c\\x01\"\n");
	_cleanup_free_ char *kept = NULL;

	assert_int_equal(policy_print_kept(policy, &kept), 0);
	assert_non_null(strstr(kept, "allow user root:0, \"to:1002\", 33\n"));
	assert_non_null(strstr(kept, "deny group \"a,\\x22b\\x5c\\x01:7\"\n"));
}

/* A block list in many files is longer than one may be. */
static void test_size(void **state)
{
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_free_ char *text = NULL;
	const size_t size = 2U << 20;

	text = malloc(size + 1);
	assert_non_null(text);
	memset(text, '\n', size);
	text[size] = '\0';
	policy = parse_kept(text, NULL);
	assert_int_equal(policy->n_rules, 0);
}

static void test_taken(void **state)
{
	uint32_t taken = 1001;
	_cleanup_(policy_freep) struct policy *policy = parse_kept(
		"allow user root:0, billing:1001, other:1001, 1001 group g:1001\n", &taken);
	_cleanup_(ruleset_freep) struct ruleset *ruleset = NULL;
	const struct policy_id *users = policy->rules[0].values[SMTPWARD_USER].ids;
	size_t rule;

	assert_int_equal(users[0].id, 0);
	assert_int_equal(users[1].id, POLICY_ID_NONE);
	assert_string_equal(users[1].name, "billing");
	assert_int_equal(users[2].id, POLICY_ID_NONE);
	/* The policy had the number and no name: whoever has it. */
	assert_int_equal(users[3].id, 1001);
	assert_null(users[3].name);
	assert_int_equal(policy->rules[0].values[SMTPWARD_GROUP].ids[0].id, POLICY_ID_NONE);
	assert_int_equal(ruleset_compile(policy, &ruleset, &rule), 0);
}

static void assert_is_none(const char *text, bool kept, const char *expected)
{
	const struct policy_source source = source_of(NULL);
	struct policy_errors errors = { 0 };
	struct policy *policy = NULL;
	int r = kept ? policy_parse_kept("k", text, strlen(text), &source, &policy, &errors)
		     : policy_parse_text("k", text, strlen(text), &source, &policy, &errors);

	assert_int_equal(r, -EINVAL);
	assert_null(policy);
	assert_int_equal(errors.n_items, 1);
	if (!strstr(errors.items->text, expected))
		fail_msg("%s: %s", text, errors.items->text);
	policy_errors_clear(&errors);
}

static void test_none(void **state)
{
	assert_is_none("allow user root", true, "'root': a kept copy has the number of a user");
	assert_is_none("allow user root:", true, "a user name cannot be empty");
	assert_is_none("allow user :1", true, "':1': a kept copy has the number");
	assert_is_none("allow user root:01", true, "leading zeros");
	assert_is_none("allow user root:4294967295", true, "expected a number from 0");
	assert_is_none("allow group root:x", true,
		       "'root:x': a kept copy has the number of a group");
	assert_is_none("allow group broken:5", true, "cannot look up the group 'broken'");
	assert_is_none("allow user root:0, root:0", true, "stands twice");
	assert_is_none("include x", true, "unknown setting or rule 'include'");
	/* And nobody else has them. */
	assert_is_none("allow user root:0", false, "there is no user 'root:0'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_comes_back), cmocka_unit_test(test_text),
		cmocka_unit_test(test_size),	   cmocka_unit_test(test_taken),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests_name("kept", tests, NULL, NULL);
}
