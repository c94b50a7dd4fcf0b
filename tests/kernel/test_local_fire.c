// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who keeps the local addresses, under fire: addresses that come and go, killed, stopped,
 * told more than it takes in, policy after policy, in another network namespace.
 */
#include "fixture_local.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

static int become_elsewhere(void *arg)
{
	return unshare(CLONE_NEWNET) ? 1 : 0;
}

/* Connects to what stays, without end: how many of them failed. */
static volatile bool *over;

static int hammer(void *arg)
{
	struct attempt to = { WAY_CONNECT, arg, 25 };
	int failed = 0;

	while (!*over)
		failed += attempt(&to) != 0;
	return failed;
}

static void test_under_fire(void **state)
{
	static const struct {
		const char *address;
		uint8_t bits;
	} flips[] = { { ADDED4, 32 }, { ADDED6, 128 } };
	const int rounds = fixture_rounds(100);
	struct child_handle steady[2];
	_cleanup_keeper_ keeper = { 0 };
	int64_t begin;

	over = mmap(NULL, sizeof(*over), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(over, MAP_FAILED);
	keeper_keep(&keeper, "allow to local");
	steady[0] = child_start(CHILD_IN("x.service"), hammer, (void *)KEPT4);
	steady[1] = child_start(CHILD_IN("x.service"), hammer, (void *)KEPT6);
	begin = clock_ms();
	for (int i = 0; i < rounds; i++) {
		const char *address = flips[i % 2].address;

		local_add(address, flips[i % 2].bits);
		local_wait(address, 0, clock_ms(), SOON_MS);
		local_remove(address, flips[i % 2].bits);
		local_wait(address, EPERM, clock_ms(), SOON_MS);
	}
	/* Not when leases are renewed, every 2 seconds. */
	print_message("%d addresses came and went in %lld ms\n", rounds,
		      (long long)(clock_ms() - begin));
	assert_true(clock_ms() - begin < (int64_t)rounds * SOON_MS / 4);
	*over = true;
	assert_int_equal(child_wait(&steady[0]), 0);
	assert_int_equal(child_wait(&steady[1]), 0);
	munmap((void *)over, sizeof(*over));
}

/* An address that leaves after the keeper died or stopped: 10 seconds, and no connect more. */
static void lapse(struct keeper *keeper, int signal)
{
	int64_t begin;

	keeper_keep(keeper, "allow to local");
	local_add(ADDED6, 128);
	local_wait(ADDED6, 0, clock_ms(), SOON_MS);
	/* The half that keeps: for the root's half alone there is the next test. */
	assert_int_equal(kill(signal == SIGSTOP ? keeper_child(keeper->pid) : keeper->pid, signal),
			 0);
	begin = clock_ms();
	local_remove(ADDED6, 128);
	assert_int_equal(local_reach(KEPT4), 0);
	local_wait(ADDED6, EPERM, begin, LEASE_MS + SOON_MS - 1000);
	local_wait(KEPT4, EPERM, begin, LEASE_MS + SOON_MS - 1000);
	local_status(4, "nobody keeps the local addresses");
	assert_int_equal(local_reach("127.0.0.1"), 0);
}

static void test_killed(void **state)
{
	struct keeper keeper = { 0 };
	pid_t child;

	lapse(&keeper, SIGKILL);
	child = keeper_child(keeper.pid);
	assert_int_equal(child, 0);
	child_reap(keeper.pid, clock_ms() + FIXTURE_PATIENCE, NULL);
	close(keeper.fd);
}

static void test_stopped(void **state)
{
	_cleanup_keeper_ keeper = { 0 };

	lapse(&keeper, SIGSTOP);
	assert_int_equal(kill(keeper_child(keeper.pid), SIGCONT), 0);
	local_wait(KEPT4, 0, clock_ms(), SOON_MS);
	assert_int_equal(local_reach(ADDED6), EPERM);
}

static void test_child_killed(void **state)
{
	_cleanup_keeper_ keeper = { 0 };
	const int64_t begin = clock_ms();

	keeper_keep(&keeper, "allow to local");
	assert_int_equal(kill(keeper_child(keeper.pid), SIGKILL), 0);
	keeper_says(&keeper, "keeping the local addresses");
	local_add(ADDED4, 32);
	local_wait(ADDED4, 0, clock_ms(), SOON_MS);
	local_remove(ADDED4, 32);
	local_wait(ADDED4, EPERM, clock_ms(), SOON_MS);
	assert_true(clock_ms() >= begin);
}

/* More news than it takes in while it is stopped: what it hears of nothing of, it looks at. */
static void test_overrun(void **state)
{
	_cleanup_keeper_ keeper = { 0 };
	pid_t child;

	keeper_keep(&keeper, "allow to local");
	child = keeper_child(keeper.pid);
	assert_int_equal(kill(child, SIGSTOP), 0);
	for (int i = 0; i < 2000; i++) {
		local_add("198.18.9.9", 32);
		local_remove("198.18.9.9", 32);
	}
	local_add(ADDED4, 32);
	local_remove(KEPT4, 32);
	assert_int_equal(kill(child, SIGCONT), 0);
	local_wait(ADDED4, 0, clock_ms(), SOON_MS);
	local_wait(KEPT4, EPERM, clock_ms(), SOON_MS);
	assert_int_equal(keeper_child(keeper.pid), child);
	local_add(KEPT4, 32);
	local_remove(ADDED4, 32);
	local_wait(KEPT4, 0, clock_ms(), SOON_MS);
}

static void test_keeper_elsewhere(void **state)
{
	_cleanup_keeper_ keeper = { 0 };

	cgroup_make("x.service");
	policy_load("allow to local");
	keeper_start(&keeper, become_elsewhere);
	keeper_says(&keeper, "another network namespace than the host's");
	assert_int_equal(local_reach(KEPT4), EPERM);
	local_status(4, "nobody keeps the local addresses");
}

/* From policy to policy: what goes on asking never lacks them, what did not has them soon. */
static void test_reload(void **state)
{
	struct child_handle steady;
	_cleanup_keeper_ keeper = { 0 };

	over = mmap(NULL, sizeof(*over), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	keeper_keep(&keeper, "allow to local");
	steady = child_start(CHILD_IN("x.service"), hammer, (void *)KEPT4);
	for (int i = 0; i < 5; i++) {
		policy_load("allow to local, 198.18.0.%d", i + 1);
		keeper_says(&keeper, "keeping the local addresses");
	}
	*over = true;
	assert_int_equal(child_wait(&steady), 0);
	policy_load("allow to 127.0.0.1");
	keeper_says(&keeper, "no rule asks for the local addresses");
	assert_int_equal(local_reach(KEPT4), EPERM);
	policy_load("allow to local");
	keeper_says(&keeper, "keeping the local addresses");
	local_wait(KEPT4, 0, clock_ms(), SOON_MS);
	policy_unload();
	policy_load("allow to local");
	keeper_says(&keeper, "keeping the local addresses");
	local_wait(KEPT4, 0, clock_ms(), SOON_MS);
	munmap((void *)over, sizeof(*over));
}

static void test_run_keeps(void **state)
{
	const char *argv[] = { "smtpward", "run",
			       "-c",	   policy_write("allow to local"),
			       "--cgroup", fixture.attached,
			       "--pins",   fixture.pins,
			       NULL };
	_cleanup_(log_close) struct log log = { 0 };

	cgroup_make("x.service");
	log_start_run(&log, argv, NULL);
	log_line(&log, "keeping the local addresses", 0);
	local_wait(KEPT4, 0, clock_ms(), FIXTURE_PATIENCE);
	log_end(&log, SIGTERM);
	local_wait(KEPT4, EPERM, clock_ms(), LEASE_MS + SOON_MS);
}

#define TEST(name) cmocka_unit_test_teardown(name, fixture_tidy)

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_under_fire),	 TEST(test_killed),    TEST(test_stopped),
		TEST(test_child_killed), TEST(test_overrun),   TEST(test_keeper_elsewhere),
		TEST(test_reload),	 TEST(test_run_keeps),
	};

	return cmocka_run_group_tests_name("local, under fire", tests, local_setup,
					   fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
