// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a line says can be put into a rule: `unit` and what stands between the quotes of
 * the line's unit= are about the same cgroups, whatever these are called.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ruleset/ruleset_fixture.h"

#include "base/quote.h"
#include "line/line.h"
#include "line/line_fixture.h"

#define DEPTH_MAX 5
#define ROUNDS 20000

/* All that decides is whether a name is a slice; and a name may need its quotes. */
static const char *const names[] = {
	"a.slice",   "system.slice",	".slice",  "slice",	    "a.slice.x", "docker",
	"a.service", "lxc.payload.web", "b.scope", "libpod_parent", "unit",	 "#1",
	"a b",	     "a\"b,c",		"a\\x2db", "caf\xc3\xa9",   "x.sliced",
};

struct path {
	const char *names[DEPTH_MAX]; /* from the root */
	size_t n;
};

static struct path random_path(unsigned int *seed)
{
	struct path path = { .n = (size_t)rand_r(seed) % (DEPTH_MAX + 1) };

	for (size_t i = 0; i < path.n; i++)
		path.names[i] = names[(size_t)rand_r(seed) % ARRAY_SIZE(names)];
	return path;
}

/* What a line of a caller in that cgroup calls its unit. */
static void line_unit(const struct path *path, char unit[LINE_PATH_SIZE])
{
	struct smtpward_event event = example();
	char list[SMTPWARD_CGROUP_SIZE];
	struct line line;
	size_t len = 0;

	for (size_t i = path->n; i-- > 0;) {
		memcpy(list + len, path->names[i], strlen(path->names[i]) + 1);
		len += strlen(path->names[i]) + 1;
	}
	event_set_cgroup(&event, list, len);
	assert_int_equal(line_from_event(&event, sizeof(event), 0, &line), 0);
	memcpy(unit, line.unit.text, line.unit.len + 1);
}

static bool covers(const struct ruleset *ruleset, const struct path *path)
{
	struct smtpward_cgroup at = ruleset->root, child;

	for (size_t i = 0; i < path->n; i++) {
		ruleset_enter(ruleset, &at, path->names[i], &child);
		at = child;
	}
	return at.rules.words[0] & 1;
}

static void test_line_into_rule(void **state)
{
	unsigned int seed = 1;
	size_t units = 0;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		const struct path path = random_path(&seed), other = random_path(&seed);
		char unit[LINE_PATH_SIZE], other_unit[LINE_PATH_SIZE];
		char quoted[QUOTE_SIZE(64)], rule[sizeof(quoted) + 32];
		_cleanup_policy_ struct policy *policy = NULL;
		_cleanup_ruleset_ struct ruleset *ruleset = NULL;

		line_unit(&path, unit);
		if (!*unit)
			continue;
		units++;
		assert_true(quote_text(unit, strlen(unit), quoted, sizeof(quoted)) >= 0);
		snprintf(rule, sizeof(rule), "deny unit \"%s\"", quoted);
		policy = policy_of(rule);
		ruleset = compile(policy);
		line_unit(&other, other_unit);
		if (!covers(ruleset, &path))
			fail_msg("%s does not cover what it was made of", rule);
		if (covers(ruleset, &other) != !strcmp(unit, other_unit))
			fail_msg("%s, and a line that says unit=\"%s\"", rule, other_unit);
	}
	assert_true(units > ROUNDS / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_line_into_rule) };

	return cmocka_run_group_tests_name("unit", tests, NULL, NULL);
}
