// SPDX-License-Identifier: GPL-2.0-only
/*
 * A policy is replaced again and again while connects go on: what both policies
 * refuse never passes, what both allow is never refused, and cgroups that come and
 * go meanwhile are judged by their path and leave no entry.
 */
#include "fixture.h"

#define POLICIES "allow to %s\n" FIRE_POLICY

static unsigned int swaps(void)
{
	return (unsigned int)fixture_number("SMTPWARD_TEST_SWAPS", 30);
}

static void load(const char *other)
{
	policy_load(POLICIES, other, fixture.name);
}

static void swap_under_fire(bool churns)
{
	load("198.51.100.1");
	fire_start(2, churns);
	for (unsigned int i = 0; i < swaps(); i++)
		load(i & 1 ? "198.51.100.1" : "198.51.100.2, ::1");
	fire_end();
	print_message("# %u reloads, %lu refused, %lu passed\n", swaps(), fire->refused_right,
		      fire->passed_right);
	assert_true(fire->refused_right > swaps());
	assert_int_equal(bpf_stale_cgroups(), 0);
}

static void test_swap_under_fire(void **state)
{
	swap_under_fire(false);
}

static void test_swap_while_cgroups_churn(void **state)
{
	swap_under_fire(true);
}

static int setup(void **state)
{
	fire_setup();
	return fixture_setup(state);
}

#define TEST(name) cmocka_unit_test_teardown(name, fixture_tidy)

static int tests(void)
{
	const struct CMUnitTest all[] = {
		TEST(test_swap_under_fire),
		TEST(test_swap_while_cgroups_churn),
	};

	return cmocka_run_group_tests_name("swap", all, setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
