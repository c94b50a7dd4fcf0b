// SPDX-License-Identifier: GPL-2.0-only
/*
 * What was recorded while no logger ran is written when one starts, with the time of
 * the call and not of the line.
 */
#include "fixture.h"

#include <poll.h>
#include <signal.h>
#include <time.h>

#define LATE_MS 3000

struct span {
	struct timespec begin, end;
};

static struct span attempt_long_ago(void)
{
	struct span span;
	int64_t deadline;

	policy_load("mode enforce\n");
	cgroup_make("x");
	clock_gettime(CLOCK_REALTIME, &span.begin);
	assert_int_equal(attempt_in("x", NET_OUTSIDE4, 25), EPERM);
	clock_gettime(CLOCK_REALTIME, &span.end);
	deadline = clock_ms() + LATE_MS;
	while (pause_until(deadline))
		;
	return span;
}

static double as_seconds(const struct timespec *time)
{
	return (double)time->tv_sec + (double)time->tv_nsec / 1e9;
}

static void test_late_line_in_a_file(void **state)
{
	const struct span span = attempt_long_ago();
	_cleanup_(log_close) struct log log;
	const char *rest;
	struct tm tm = { 0 };
	double time;

	log_start(&log, LOG_FILE);
	rest = strptime(log_line(&log, " verdict=deny ", 0), "%Y-%m-%dT%H:%M:%S", &tm);
	assert_non_null(rest);
	time = (double)timegm(&tm) + strtod(rest, NULL);
	/* The clocks are compared when the line is written: one may be slewed meanwhile. */
	assert_true(time >= as_seconds(&span.begin) - 0.01);
	assert_true(time <= as_seconds(&span.end) + 0.01);
	log_end(&log, SIGTERM);
}

static void test_late_line_in_syslog(void **state)
{
	const struct span span = attempt_long_ago();
	const char *argv[] = { "smtpward", "log", "--pins", fixture.pins, NULL };
	_cleanup_close_ int socket = syslog_bind();
	struct pollfd wait = { .fd = socket, .events = POLLIN };
	_cleanup_(log_close) struct log log;
	char datagram[4096] = "", expected[64];
	bool right = false;

	log_start_run(&log, argv, NULL);
	assert_int_equal(poll(&wait, 1, FIXTURE_PATIENCE), 1);
	assert_true(recv(socket, datagram, sizeof(datagram) - 1, 0) > 0);
	assert_non_null(strstr(datagram, " verdict=deny "));
	for (time_t time = span.begin.tv_sec; time <= span.end.tv_sec; time++) {
		strftime(expected, sizeof(expected), ">%b %e %H:%M:%S smtpward[", localtime(&time));
		right |= strstr(datagram, expected) != NULL;
	}
	if (!right)
		fail_msg("not the time of the call, %s: %s", expected, datagram);
	log_end(&log, SIGTERM);
	unlink(SYSLOG_SOCKET);
}

static int setup(void **state)
{
	fixture_setup(state);
	syslog_make_dev();
	return 0;
}

#define TEST(name) cmocka_unit_test_teardown(name, fixture_tidy)

static int tests(void)
{
	const struct CMUnitTest all[] = {
		TEST(test_late_line_in_a_file),
		TEST(test_late_line_in_syslog),
	};

	return cmocka_run_group_tests_name("late", all, setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
