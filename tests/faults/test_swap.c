// SPDX-License-Identifier: GPL-2.0-only
/*
 * A policy is replaced again and again while connects go on: what both policies
 * refuse never passes, what both allow is never refused, and cgroups that come and
 * go meanwhile are judged by their path and leave no entry.
 */
#include "fixture.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* What an attacker's life is limited to, longer than other children's. */
#define FIRE_SECONDS 7200

#define POLICIES "allow to %s\nallow to 203.0.113.9\nallow cgroup /%s/churn/allowed-*\n"

static unsigned int swaps(void)
{
	return (unsigned int)fixture_number("SMTPWARD_TEST_SWAPS", 30);
}

/* What the attackers count, in memory that they share with us. */
struct counts {
	bool stop;
	uint64_t refused_right, refused_wrong;
	uint64_t passed_right, passed_wrong;
	uint64_t failed; /* anything but 0 and EPERM */
};

static struct counts *counts;

static void count(int err, bool to_be_refused)
{
	uint64_t *counter = &counts->failed;

	if (err == EPERM)
		counter = to_be_refused ? &counts->refused_right : &counts->refused_wrong;
	else if (!err)
		counter = to_be_refused ? &counts->passed_wrong : &counts->passed_right;
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static bool stopped(void)
{
	return __atomic_load_n(&counts->stop, __ATOMIC_RELAXED);
}

/* In a tight loop: what both refuse, on IPv4 and IPv6, and what both allow. */
static int attack(void *arg)
{
	struct attempt refused4 = { WAY_CONNECT, "192.0.2.1", 25 };
	struct attempt refused6 = { WAY_CONNECT, "2001:db8::1", 25 };
	struct attempt allowed = { WAY_CONNECT, "203.0.113.9", 25 };

	alarm(FIRE_SECONDS);
	while (!stopped()) {
		for (int i = 0; i < 8; i++) {
			count(attempt(&refused4), true);
			count(attempt(&refused6), true);
		}
		count(attempt(&allowed), false);
	}
	return 0;
}

/* Made, entered, connected from, left and removed: one that is allowed, one that is not. */
static int churn(void *arg)
{
	struct attempt connect = { WAY_CONNECT, "192.0.2.1", 25 };
	_cleanup_close_ int parent = cgroup_open("churn", false);

	alarm(FIRE_SECONDS);
	for (unsigned int i = 0; !stopped(); i++) {
		const bool to_be_refused = i & 1;
		_cleanup_close_ int fd = -1;
		char name[64], path[80];

		snprintf(name, sizeof(name), "%s-%u", to_be_refused ? "denied" : "allowed", i);
		snprintf(path, sizeof(path), "churn/%s", name);
		fd = cgroup_open(path, true);
		if (fd < 0 || cgroup_enter_fd(fd))
			return 1;
		count(attempt(&connect), to_be_refused);
		if (cgroup_enter_fd(parent) ||
		    cgroup_rmdir(parent, name, clock_ms() + FIXTURE_PATIENCE))
			return 1;
	}
	return 0;
}

static void load(const char *other)
{
	policy_load(POLICIES, other, fixture.name);
}

static void swap_under_fire(child_fn third)
{
	struct child_handle children[3];

	memset(counts, 0, sizeof(*counts));
	cgroup_make("other");
	cgroup_make("churn");
	load("198.51.100.1");
	children[0] = child_start(CHILD_IN("other"), attack, NULL);
	children[1] = child_start(CHILD_IN("other"), attack, NULL);
	children[2] = child_start(CHILD_IN("churn"), third, NULL);
	for (unsigned int i = 0; i < swaps(); i++)
		load(i & 1 ? "198.51.100.1" : "198.51.100.2, ::1");
	__atomic_store_n(&counts->stop, true, __ATOMIC_RELAXED);
	for (size_t i = 0; i < ARRAY_SIZE(children); i++)
		assert_int_equal(child_wait(&children[i]), 0);
	print_message("# %u reloads, %lu refused, %lu passed\n", swaps(), counts->refused_right,
		      counts->passed_right);
	assert_int_equal(counts->passed_wrong, 0);
	assert_int_equal(counts->refused_wrong, 0);
	assert_int_equal(counts->failed, 0);
	assert_true(counts->refused_right > swaps());
	assert_true(counts->passed_right > 0);
	assert_int_equal(bpf_stale_cgroups(), 0);
}

static int idle(void *arg)
{
	return 0;
}

static void test_swap_under_fire(void **state)
{
	swap_under_fire(idle);
}

static void test_swap_while_cgroups_churn(void **state)
{
	swap_under_fire(churn);
}

static int setup(void **state)
{
	counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	assert_ptr_not_equal(counts, MAP_FAILED);
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
