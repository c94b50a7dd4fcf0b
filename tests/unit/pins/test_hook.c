// SPDX-License-Identifier: GPL-2.0-only
/* The table of hooks: nothing of one hook is another's, and none has a descriptor yet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <smtpward/abi.h>

#include "pins/hook.h"

static void test_each_is_its_own(void **state)
{
	for (int a = 0; a < SMTPWARD_HOOKS; a++) {
		const struct hook_info *one = &hook_infos[a];

		assert_non_null(one->name);
		for (int b = 0; b < a; b++) {
			const struct hook_info *other = &hook_infos[b];

			assert_string_not_equal(one->name, other->name);
			assert_string_not_equal(one->link_pin, other->link_pin);
			assert_string_not_equal(one->program_pin, other->program_pin);
			assert_string_not_equal(one->program, other->program);
			assert_string_not_equal(one->before_map, other->before_map);
			assert_string_not_equal(one->lacking, other->lacking);
			assert_int_not_equal(one->attach_type, other->attach_type);
		}
	}
}

/* Pins, status and scripts have these words. */
static void test_words(void **state)
{
	const struct hook_info *hook = &hook_infos[SMTPWARD_HOOK_INET6_CONNECT];

	assert_string_equal(hook->name, "connect6");
	assert_string_equal(hook->link_pin, "link_connect6");
	assert_string_equal(hook->program_pin, "prog_connect6");
	assert_string_equal(hook->program, "smtpward_conn6");
	assert_string_equal(hook->before_map, "map_before6");
	assert_string_equal(hook->lacking, "not enforcing: the hook connect6 is not in force; "
					   "'smtpward load' puts it back");
	assert_int_equal(hook->attach_type, BPF_CGROUP_INET6_CONNECT);
}

static void test_no_descriptor_is_stdin(void **state)
{
	int fds[SMTPWARD_HOOKS] = { 0 };

	hook_fds_clear(fds);
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++)
		assert_int_equal(fds[hook], -1);
}

/* What the kernel's side writes is what is read: a text for each hook alone. */
static void test_runs_of_the_format(void **state)
{
	for (int only = 0; only < SMTPWARD_HOOKS; only++) {
		bool runs[SMTPWARD_HOOKS];
		char text[1024];
		size_t at = 0;

		for (int hook = 0; hook < SMTPWARD_HOOKS; hook++)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s=%d",
					       hook ? " " : "", hook_infos[hook].name,
					       hook == only);
		snprintf(text + at, sizeof(text) - at, "\n");
		assert_true(hook_parse_runs(text, runs));
		for (int hook = 0; hook < SMTPWARD_HOOKS; hook++)
			assert_int_equal(runs[hook], hook == only);
	}
}

/* By name, whatever another version has in what order. */
static void test_runs_of_other_versions(void **state)
{
	static const struct {
		const char *text;
		bool known, runs4, runs6;
	} cases[] = {
		{ "connect4=1 connect6=1\n", true, true, true },
		{ "connect4=0 connect6=1\n", true, false, true },
		{ "connect6=1 connect4=0\n", true, false, true },
		{ "bind4=1 connect4=1 connect6=0 sendmsg4=1\n", true, true, false },
		{ "connect4=1\n", true, true, false },
		{ "connect4=1 connect6=1", true, true, true },
		{ "connect46=1 connect6=1\n", true, false, true },
		{ "xconnect4=1 connect6=0\n", true, false, false },
		{ "connect4=2 connect6=1\n", true, false, true },
		{ "", false, false, false },
		{ "\n", false, false, false },
		{ "connect4 connect6\n", false, false, false },
		{ "connect4=\n", false, false, false },
		{ "bind4=1\n", false, false, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool runs[SMTPWARD_HOOKS];

		memset(runs, 1, sizeof(runs));
		if (hook_parse_runs(cases[i].text, runs) != cases[i].known)
			fail_msg("'%s'", cases[i].text);
		if (!cases[i].known) {
			/* Untouched. */
			for (int hook = 0; hook < SMTPWARD_HOOKS; hook++)
				assert_true(runs[hook]);
		} else if (runs[SMTPWARD_HOOK_INET4_CONNECT] != cases[i].runs4 ||
			   runs[SMTPWARD_HOOK_INET6_CONNECT] != cases[i].runs6) {
			fail_msg("'%s'", cases[i].text);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_is_its_own),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_no_descriptor_is_stdin),
		cmocka_unit_test(test_runs_of_the_format),
		cmocka_unit_test(test_runs_of_other_versions),
	};

	return cmocka_run_group_tests_name("hook", tests, NULL, NULL);
}
