// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two of everything at once: loads, a load against an unload, and a flood beside
 * somebody who tries once a second.
 */
#include "fixture.h"

#include <signal.h>
#include <sys/stat.h>

#define ROUNDS 15

static int probe(void *arg)
{
	struct attempt v4 = { WAY_CONNECT, "192.0.2.1", 25 };
	struct attempt v6 = { WAY_CONNECT, "2001:db8::1", 25 };
	const int first = attempt(&v4), second = attempt(&v6);

	return first == second ? first : -1;
}

/* In a child of its own: what the last command printed is that child's. */
static int load(void *arg)
{
	return smtpward("load", "-q", "-c", arg, "--cgroup", fixture.attached, "--pins", fixture.pins,
			NULL);
}

static int unload(void *arg)
{
	return smtpward("unload", "-q", "--pins", fixture.pins, NULL);
}

static void race(child_fn first, child_fn second)
{
	char *file = strdup(policy_write("mode enforce\n"));
	struct child_handle children[2] = {
		child_start(CHILD(.cgroup = NULL), first, file),
		child_start(CHILD(.cgroup = NULL), second, file),
	};

	assert_int_equal(child_wait(&children[0]), 0);
	assert_int_equal(child_wait(&children[1]), 0);
	free(file);
}

static void test_two_loads(void **state)
{
	cgroup_make("other");
	for (int i = 0; i < fixture_rounds(ROUNDS); i++) {
		race(load, load);
		assert_int_equal(bpf_count_generations(), 1);
		assert_int_equal(child_run(CHILD_IN("other"), probe, NULL), EPERM);
	}
}

static void test_load_against_unload(void **state)
{
	cgroup_make("other");
	for (int i = 0; i < fixture_rounds(ROUNDS); i++) {
		bool loaded;

		race(load, unload);
		loaded = !access(fixture.pins, F_OK);
		assert_int_equal(child_run(CHILD_IN("other"), probe, NULL), loaded ? EPERM : 0);
		if (loaded)
			assert_int_equal(bpf_count_generations(), 1);
	}
}

static int flood(void *arg)
{
	struct attempt connect = { WAY_CONNECT, "192.0.2.1", 25 };

	for (int64_t deadline = clock_ms() + 8000; clock_ms() < deadline;)
		for (int i = 0; i < 1000; i++)
			if (attempt(&connect) != EPERM)
				return 1;
	return 0;
}

static double cpu_seconds(pid_t pid)
{
	unsigned long user, system;
	_cleanup_fclose_ FILE *file = NULL;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
				&user, &system),
			 2);
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* Each single attempt has its line within a second, three here; the flood costs the logger little. */
static void test_flood_hides_nobody(void **state)
{
	struct child_handle flooder;
	struct log log;
	double cpu;

	cgroup_make("flood");
	cgroup_make("single");
	policy_load("mode enforce\n");
	log_start(&log, LOG_FILE);
	flooder = child_start(CHILD_IN("flood"), flood, NULL);
	cpu = cpu_seconds(log.pid);
	for (unsigned int i = 0; i < 5; i++) {
		int64_t since = clock_ms();

		assert_int_equal(attempt_in("single", "192.0.2.1", 25), EPERM);
		log_line(&log, "/single\"", i);
		assert_in_range(clock_ms() - since, 0, 3000 * fixture_slow());
		while (pause_until(since + 1000))
			;
	}
	cpu = (cpu_seconds(log.pid) - cpu) / 5;
	assert_int_equal(child_wait(&flooder), 0);
	print_message("# the logger used %.2f%% of a core; %lu attempts suppressed\n", 100 * cpu,
		      status_counter("suppressed"));
	assert_true(cpu < 0.05 * fixture_slow());
	log_end(&log, SIGTERM);
	log_close(&log);
}

#define TEST(name) cmocka_unit_test_teardown(name, fixture_tidy)

static int tests(void)
{
	const struct CMUnitTest all[] = {
		TEST(test_two_loads),
		TEST(test_load_against_unload),
		TEST(test_flood_hides_nobody),
	};

	return cmocka_run_group_tests_name("together", all, fixture_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
