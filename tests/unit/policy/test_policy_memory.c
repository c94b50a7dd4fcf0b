// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory runs out at every place where a policy is read, printed and compiled: each
 * allocation fails in its turn, and then all after it as well. What comes of it is
 * -ENOMEM and nothing else; all that was allocated is let go, and outputs are as
 * they were.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "memory_fixture.h"
#include "policy/policy.h"
#include "ruleset/ruleset.h"

/* A world of two files and of every name. */

static int world_read(void *userdata __attribute__((unused)), const char *path, char **ret_text,
		      size_t *ret_size, char **reterr_why)
{
	static const char text[] = "deny to 10.0.0.0/8\n";
	char *copy;

	if (strcmp(path, "included")) {
		*reterr_why = strdup("it is not for you");
		return *reterr_why ? -EACCES : -ENOMEM;
	}
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	*ret_text = copy;
	*ret_size = strlen(text);
	return 0;
}

static int world_expand(void *userdata __attribute__((unused)),
			const char *includer __attribute__((unused)), const char *pattern,
			char ***ret_paths, size_t *ret_n, char **reterr_why __attribute__((unused)))
{
	_cleanup_free_ char **paths = calloc(1, sizeof(*paths));

	if (!paths)
		return -ENOMEM;
	paths[0] = strdup(pattern);
	if (!paths[0])
		return -ENOMEM;
	*ret_paths = TAKE_PTR(paths);
	*ret_n = 1;
	return 0;
}

static int world_same(void *userdata __attribute__((unused)), const char *a, const char *b)
{
	return !strcmp(a, b);
}

static int world_id(void *userdata __attribute__((unused)), const char *name, uint32_t *ret_id)
{
	if (!strcmp(name, "nobody-here"))
		return -ENOENT;
	*ret_id = (uint32_t)name[0];
	return 0;
}

static const struct policy_source source = {
	.read = world_read,
	.expand = world_expand,
	.same = world_same,
	.user = world_id,
	.group = world_id,
};

/*
 * The work that is done while memory runs out: 0 or -errno, and nothing is kept.
 * -EBADE if an output was touched by what failed, or a success is not the one that
 * there is with memory enough. Outputs begin as `untouched`.
 */

static const char *policy_text;	 /* to parse ... */
static char *policy_printed;	 /* ... and what comes of it, NULL if it is wrong */
static struct policy *policy;	 /* to print and to compile ... */
static char *rule_printed;	 /* ... its last rule ... */
static struct ruleset *compiled; /* ... and all of it */
static void *const untouched = (void *)&memory;

static int check_policy(struct policy *parsed)
{
	_cleanup_(policy_freep) struct policy *owned = parsed;
	_cleanup_free_ char *text = NULL;

	if (!policy_printed || policy_print(owned, &text))
		return -EBADE;
	return strcmp(text, policy_printed) ? -EBADE : 0;
}

static int parse(void)
{
	struct policy *parsed = untouched;
	struct policy_errors errors = { 0 };
	int r = policy_parse_text("p", policy_text, strlen(policy_text), &source, &parsed, &errors);
	size_t n_errors = errors.n_items;

	relent();
	policy_errors_clear(&errors);
	if (!r)
		return n_errors ? -EBADE : check_policy(parsed);
	/* With -ENOMEM there may be the errors found before. */
	return parsed != untouched || (r == -EINVAL && !n_errors) ? -EBADE : r;
}

static int check_text(int r, char *text, const char *expected)
{
	int same;

	relent();
	if (r)
		return text == untouched ? r : -EBADE;
	same = !strcmp(text, expected);
	free(text);
	return same ? 0 : -EBADE;
}

static int print(void)
{
	char *text = untouched;
	int r = policy_print(policy, &text);

	return check_text(r, text, policy_printed);
}

static int print_rule(void)
{
	char *text = untouched;
	int r = policy_print_rule(&policy->rules[policy->n_rules - 1], &text);

	return check_text(r, text, rule_printed);
}

static bool same_table(const void *a, size_t n_a, const void *b, size_t n_b, size_t size)
{
	return n_a == n_b && (!n_a || !memcmp(a, b, n_a * size));
}

#define SAME_TABLE(a, b, table) \
	same_table((a)->table, (a)->n_##table, (b)->table, (b)->n_##table, sizeof(*(a)->table))

static bool same_ruleset(const struct ruleset *a, const struct ruleset *b)
{
	for (int condition = 0; condition < SMTPWARD_CONDITIONS_N; condition++)
		if (!SAME_TABLE(&a->ids[condition], &b->ids[condition], items))
			return false;
	return SAME_TABLE(a, b, addresses) && SAME_TABLE(a, b, names) &&
	       SAME_TABLE(a, b, prefixes) && SAME_TABLE(a, b, suffixes) &&
	       !memcmp(&a->root, &b->root, sizeof(a->root)) &&
	       !memcmp(a->paths, b->paths, sizeof(a->paths)) &&
	       !memcmp(a->lengths, b->lengths, sizeof(a->lengths));
}

static int compile(void)
{
	struct ruleset *ruleset = untouched;
	size_t rule = 4711;
	int r = ruleset_compile(policy, &ruleset, &rule);

	relent();
	if (rule != 4711 || (r && ruleset != untouched))
		return -EBADE;
	if (!r && !same_ruleset(ruleset, compiled))
		r = -EBADE;
	if (!r || r == -EBADE)
		ruleset_free(ruleset);
	return r;
}

/* Runs work with its allocation number `at` failing, and returns what it returned. */
static int run_out_at(int (*work)(void), unsigned long at, bool for_good)
{
	int r;

	arm(at, for_good);
	r = work();
	disarm();
	return r;
}

static void check_run_out(int (*work)(void), unsigned long at, bool for_good, int expected)
{
	const char *after = for_good ? " and all after it" : "";
	int r = run_out_at(work, at, for_good);

	if (!memory.failed)
		fail_msg("allocation %lu did not come", at);
	/* libc has its way around some; a policy that is wrong is found wrong all the same. */
	if (r != -ENOMEM && r != expected)
		fail_msg("%d when allocation %lu failed%s", r, at, after);
	if (memory.blocks)
		fail_msg("%ld blocks lost when allocation %lu failed%s", memory.blocks, at, after);
}

static void run_out(const char *what, int (*work)(void), int expected)
{
	unsigned long allocations;

	assert_int_equal(run_out_at(work, 0, false), expected);
	assert_int_equal(memory.blocks, 0);
	allocations = memory.calls;
	assert_true(allocations > 0);
	for (unsigned long at = 1; at <= allocations; at++) {
		check_run_out(work, at, false, expected);
		check_run_out(work, at, true, expected);
	}
	print_message("%s: %lu allocations\n", what, allocations);
}

static const char good[] =
	"ports 25, 465, 587\n"
	"mode audit\n"
	"reject ECONNREFUSED\n"
	"log deny, allow\n"
	"limit 7/m burst 3\n"
	"include included\n"
	"allow to 127.0.0.0/8, ::1, 192.0.2.25 port 25, 587\n"
	"deny unit a.service, b@*.service, \"c \\x22*.scope\" user root, 33, mail\n"
	"audit cgroup /, /a, /a/b*/*, \"/\\x5c#\" user root group mail, 8, 9\n"
	"deny cgroup /a/b*/*, /c unit *.scope group 8 to 0.0.0.0/0, 2001:db8::/32, ::/0\n"
	"allow\n";

static const char bad[] = "ports 25, 0\n"
			  "mode x\n"
			  "include elsewhere\n"
			  "include included\n"
			  "deny user nobody-here, root, root, 33 cgroup a, /b, /b\n"
			  "deny cgroup /c/d unit a.service, x to ::1, 10.0.0.1/8 port 587\n"
			  "deny \x01\n"
			  "deny unit \"x\n"
			  "deni\n";

static struct policy *read_policy(const char *text)
{
	struct policy_errors errors = { 0 };
	struct policy *parsed = NULL;

	if (policy_parse_text("p", text, strlen(text), &source, &parsed, &errors))
		fail_msg("%s", errors.n_items ? errors.items[0].text : "no memory");
	return parsed;
}

/* The policy of a text, and all that comes of it with memory enough. */
static void set_policy(const char *text)
{
	size_t rule;

	policy_text = text;
	policy = read_policy(text);
	assert_int_equal(policy_print(policy, &policy_printed), 0);
	if (policy->n_rules)
		assert_int_equal(
			policy_print_rule(&policy->rules[policy->n_rules - 1], &rule_printed), 0);
	assert_int_equal(ruleset_compile(policy, &compiled, &rule), 0);
}

static void clear_policy(void)
{
	policy_free(TAKE_PTR(policy));
	free(TAKE_PTR(policy_printed));
	free(TAKE_PTR(rule_printed));
	ruleset_free(TAKE_PTR(compiled));
}

static void test_parse(void **state __attribute__((unused)))
{
	static const char *const texts[] = { good, policy_builtin_text, "" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		set_policy(texts[i]);
		run_out("parse", parse, 0);
		clear_policy();
	}
	policy_text = bad;
	run_out("parse what is wrong", parse, -EINVAL);
}

/* So many that tables grow and move, and the printed text as well. */
#define MANY_RULES 90

static char *many_rules(void)
{
	char *text = calloc(MANY_RULES, 256), *at = text;

	assert_non_null(text);
	for (int i = 0; i < MANY_RULES; i++)
		at += sprintf(at,
			      "deny unit a%d*.service, b%d.service cgroup /c%d/d, /e%d* "
			      "user %d, %d group %d to 10.0.%d.0/24, 2001:db8:%d::/48\n",
			      i, i, i, i, i, i + 1, i, i, i);
	return text;
}

static void for_each_policy(const char *what, int (*work)(void))
{
	_cleanup_free_ char *many = many_rules();
	const char *const texts[] = { good, policy_builtin_text, many };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		set_policy(texts[i]);
		run_out(what, work, 0);
		clear_policy();
	}
}

static void test_print(void **state __attribute__((unused)))
{
	for_each_policy("print", print);
	for_each_policy("print a rule", print_rule);
}

static void test_compile(void **state __attribute__((unused)))
{
	for_each_policy("compile", compile);
}

/* That the allocator of this file is the one in use, by libc as well, and that it counts. */
static void test_allocator(void **state __attribute__((unused)))
{
	char *text = NULL;
	size_t size = 0;
	FILE *out;

	arm(0, false);
	text = strdup("x");
	disarm();
	assert_non_null(text);
	assert_int_equal(memory.calls, 1);
	assert_int_equal(memory.blocks, 1);
	free(text);

	arm(1, false);
	out = open_memstream(&text, &size);
	disarm();
	assert_null(out);
	assert_int_equal(memory.failed, 1);
	assert_int_equal(memory.blocks, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_allocator),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_compile),
	};

	return cmocka_run_group_tests_name("policy memory", tests, NULL, NULL);
}
