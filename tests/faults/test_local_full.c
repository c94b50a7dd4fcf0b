// SPDX-License-Identifier: GPL-2.0-only
/* The host has more prefixes of its own than the kernel's map of them has room for. */
#include "fixture_local.h"

#include <linux/rtnetlink.h>
#include <signal.h>

/* More prefixes than the map has room for, which the keeper says; the host's own had it. */
static void test_full(void **state)
{
	const int routes = SMTPWARD_LOCAL_ENTRIES;
	_cleanup_keeper_ keeper = { 0 };
	char prefix[64];
	pid_t child;

	keeper_keep(&keeper, "allow to local");
	child = keeper_child(keeper.pid);
	for (int more = 1; more >= 0; more--) {
		assert_int_equal(kill(child, SIGSTOP), 0);
		for (int i = 0; i < routes; i++) {
			snprintf(prefix, sizeof(prefix), "2001:db8:%x::", i);
			local_route(prefix, 48, RT_TABLE_LOCAL, more);
		}
		assert_int_equal(kill(child, SIGCONT), 0);
		keeper_says(&keeper, more ? "have no room in the kernel's map"
					  : "all local addresses have room again");
	}
	local_wait(KEPT4, 0, clock_ms(), FIXTURE_PATIENCE);
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
