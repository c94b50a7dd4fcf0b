// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reader that is not root, taken over: with all that its group may open it can lose,
 * forge or delay lines until the next load, and do nothing else. What it does here, it does
 * as that user.
 */
#include "fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include <bpf/bpf.h>

static void file_path(char *dst, size_t size, const char *name)
{
	snprintf(dst, size, "%s/%s", fixture.dir, name);
}

/* The file of a log. */

static int load_other(const char *pins)
{
	return smtpward("load", "-c", policy_write("mode audit\n"), "--cgroup", fixture.attached,
			"--pins", pins, NULL);
}

/* Two instances do not know of each other; a line of one is not taken for the other's. */
static void test_one_file_two_logs(void **state)
{
	char pins[128], path[128], rotated[128];
	const char *first[] = { "smtpward", "log", "--pins", fixture.pins, "--to", path, NULL };
	const char *second[] = { "smtpward", "log", "--pins", pins, "--to", path, NULL };
	_cleanup_(log_close) struct log log = { 0 }, other = { 0 };

	snprintf(pins, sizeof(pins), "%s-other", fixture.pins);
	file_path(path, sizeof(path), "lines");
	file_path(rotated, sizeof(rotated), "lines.1");
	policy_load("mode audit\n");
	assert_int_equal(load_other(pins), 0);
	log_start_run(&log, first, NULL);
	for (int64_t deadline = clock_ms() + FIXTURE_PATIENCE; access(path, F_OK);)
		assert_true(pause_until(deadline));
	assert_int_equal(smtpward_child(second, NULL, NULL), 1);
	assert_non_null(strstr(run.err, "another smtpward writes to it"));
	/* Also where only a rotation makes it the same one. */
	assert_int_equal(rename(path, rotated), 0);
	log_start_run(&other, second, NULL);
	for (int64_t deadline = clock_ms() + FIXTURE_PATIENCE; access(path, F_OK);)
		assert_true(pause_until(deadline));
	assert_int_equal(kill(log.pid, SIGHUP), 0);
	log_line(&log, "another smtpward writes to it", 0);
	log_end(&other, SIGTERM);
	log_end(&log, SIGTERM);
	assert_int_equal(smtpward("unload", "--pins", pins, NULL), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unlink(rotated), 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, fixture_tidy)

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_file_two_logs),
	};

	return cmocka_run_group_tests_name("reader's harm", tests, fixture_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
