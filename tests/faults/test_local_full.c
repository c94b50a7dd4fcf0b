// SPDX-License-Identifier: GPL-2.0-only
/* The host has more prefixes of its own than the kernel's map of them has room for. */
#include "fixture_local.h"

#include <linux/rtnetlink.h>
#include <signal.h>

/* A prefix that is shorter than the others, and so the last of them in the table's order. */
#define FIRST "2001:db8:a000"

/*
 * More prefixes than the map has room for, which the keeper and status say. What is in it stays,
 * whatever is new.
 */
static void test_full(void **state)
{
	const int routes = SMTPWARD_LOCAL_ENTRIES;
	_cleanup_keeper_ keeper = { 0 };
	char prefix[64];
	pid_t child;

	keeper_keep(&keeper, "allow to local");
	child = keeper_child(keeper.pid);
	local_route(FIRST "::", 48, RT_TABLE_LOCAL, true);
	local_wait(FIRST "::1", 0, clock_ms(), SOON_MS);
	for (int more = 1; more >= 0; more--) {
		assert_int_equal(kill(child, SIGSTOP), 0);
		for (int i = 0; i < routes; i++) {
			snprintf(prefix, sizeof(prefix), "2001:db8:%x::", i);
			local_route(prefix, 64, RT_TABLE_LOCAL, more);
		}
		assert_int_equal(kill(child, SIGCONT), 0);
		keeper_says(&keeper, more ? "have no room in the kernel's map"
					  : "all local addresses have room again");
		assert_int_equal(local_reach(FIRST "::1"), 0);
		assert_int_equal(local_reach(KEPT4), 0);
		if (more)
			local_status(4, "\ndegraded  the map of the local addresses is full");
	}
	local_status(0, "\nlocal ");
	local_route(FIRST "::", 48, RT_TABLE_LOCAL, false);
	assert_int_equal(local_reach("2001:db8:1::1"), EPERM);
	assert_int_equal(keeper_child(keeper.pid), child);
}

#define TEST(name) cmocka_unit_test_teardown(name, fixture_tidy)

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_full),
	};

	return cmocka_run_group_tests_name("local, full", tests, local_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
