// SPDX-License-Identifier: GPL-2.0-only
/*
 * status --metrics: each attempt in the sample of its rule and port, and the rest as the kernel
 * has it, for root and for the reader that is not.
 */
#include "fixture.h"

#include <bpf/bpf.h>
#include <signal.h>
#include <time.h>

#define POLICY                                  \
	"ports 25, 2500\nlimit 10/s burst 10\n" \
	"allow to %s\naudit user 1234 port 25\ndeny unit x.service\n"

static int metrics_as(child_fn become)
{
	const char *argv[] = { "smtpward", "status", "--metrics", "--pins", fixture.pins, NULL };

	return smtpward_child(argv, become, NULL);
}

static int metrics(void)
{
	return metrics_as(NULL);
}

/* The sample of that name and these labels, or -1. */
static double sample(const char *series)
{
	const size_t len = strlen(series);

	for (const char *line = run.out; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, series, len) && line[len] == ' ')
			return strtod(line + len + 1, NULL);
	}
	return -1;
}

static void assert_sample(const char *series, double value)
{
	if (sample(series) != value)
		fail_msg("%s is %f, not %f, in: %s", series, sample(series), value, run.out);
}

static unsigned int count_samples(const char *name)
{
	unsigned int n = 0;

	for (const char *at = run.out; (at = strstr(at, name)); at++)
		n += at > run.out && at[-1] == '\n' && at[strlen(name)] == '{';
	return n;
}

static void assert_attempts(void)
{
	assert_sample("smtpward_attempts_total{verdict=\"allow\",rule=\"1\",port=\"25\"}", 1);
	assert_sample("smtpward_attempts_total{verdict=\"allow\",rule=\"1\",port=\"2500\"}", 2);
	assert_sample("smtpward_attempts_total{verdict=\"audit\",rule=\"2\",port=\"25\"}", 1);
	assert_sample("smtpward_attempts_total{verdict=\"audit\",rule=\"2\",port=\"2500\"}", 0);
	assert_sample("smtpward_attempts_total{verdict=\"deny\",rule=\"3\",port=\"2500\"}", 1);
	assert_sample("smtpward_attempts_total{verdict=\"deny\",rule=\"default\",port=\"25\"}", 2);
	assert_int_equal(count_samples("smtpward_attempts_total"), 8);
}

static int attempt_as_1234(const char *cgroup)
{
	struct attempt try = { .to = NET_OUTSIDE4, .port = 25 };

	return child_run(CHILD(.cgroup = cgroup, .uid = 1234, .euid = 1234), attempt, &try);
}

static void make_attempts(void)
{
	assert_int_equal(attempt_in("y.service", NET_OUTSIDE4_OTHER, 25), 0);
	assert_int_equal(attempt_in("y.service", NET_OUTSIDE4_OTHER, 2500), 0);
	assert_int_equal(attempt_in("x.service", NET_OUTSIDE4_OTHER, 2500), 0);
	assert_int_equal(attempt_as_1234("y.service"), 0);
	assert_int_equal(attempt_in("x.service", NET_OUTSIDE4, 2500), EPERM);
	assert_int_equal(attempt_in("y.service", NET_OUTSIDE4, 25), EPERM);
	assert_int_equal(attempt_in("y.service", NET_OUTSIDE6, 25), EPERM);
}

static void test_attempts(void **state)
{
	policy_load(POLICY, NET_OUTSIDE4_OTHER);
	make_attempts();
	assert_int_equal(metrics(), 0);
	assert_attempts();
	assert_sample("smtpward_enforcing", 1);
	assert_sample("smtpward_denied_total", 3);
	assert_sample("smtpward_audited_total", 1);
	assert_sample("smtpward_allowed_total", 3);
	/* Its own rules from then on: each load begins anew, and the counters go on. */
	policy_load("ports 25\nmode audit\n");
	assert_int_equal(attempt_in("y.service", NET_OUTSIDE4, 25), 0);
	assert_int_equal(metrics(), 3);
	assert_sample("smtpward_attempts_total{verdict=\"audit\",rule=\"default\",port=\"25\"}", 1);
	assert_int_equal(count_samples("smtpward_attempts_total"), 1);
	assert_sample("smtpward_audited_total", 2);
	assert_sample("smtpward_enforcing", 0);
	assert_sample("smtpward_hook_in_force{hook=\"connect4\"}", 1);
}

static void test_reader(void **state)
{
	cgroup_make("log.service");
	assert_int_equal(smtpward("load", "-c", policy_write(POLICY, NET_OUTSIDE4_OTHER),
				  "--cgroup", fixture.attached, "--pins", fixture.pins, "--reader",
				  READER, NULL),
			 0);
	make_attempts();
	if (metrics_as(reader_enter_and_become))
		fail_msg("status %d: %s%s", run.status, run.out, run.err);
	assert_attempts();
	assert_sample("smtpward_enforcing", 1);
	assert_sample("smtpward_degraded{reason=\"pins\"}", 0);
	assert_true(sample("smtpward_buffer_used_bytes") > 0);
	assert_true(sample("smtpward_tenants") >= 2);
}

/* Of four attempts with a record; a log takes them out, and the time of the last stays. */
static void test_buffer(void **state)
{
	const double now = (double)time(NULL);
	struct log log;

	policy_load(POLICY, NET_OUTSIDE4_OTHER);
	assert_int_equal(metrics(), 0);
	assert_sample("smtpward_last_record_timestamp_seconds", -1);
	assert_sample("smtpward_buffer_used_bytes", 0);
	make_attempts();
	assert_int_equal(metrics(), 0);
	assert_sample("smtpward_buffer_used_bytes", 4 * 1920);
	assert_sample("smtpward_buffer_read_bytes_total", 0);
	assert_sample("smtpward_reader_active", 0);
	assert_true(sample("smtpward_last_record_timestamp_seconds") >= now - 1);
	assert_true(sample("smtpward_last_record_timestamp_seconds") <= (double)time(NULL) + 1);
	log_start(&log, LOG_FILE);
	log_line(&log, " dst=" NET_OUTSIDE6 " ", 0);
	assert_int_equal(metrics(), 0);
	assert_sample("smtpward_reader_active", 1);
	log_end(&log, SIGTERM);
	log_close(&log);
	assert_int_equal(metrics(), 0);
	assert_sample("smtpward_buffer_used_bytes", 0);
	assert_sample("smtpward_buffer_read_bytes_total", 4 * 1920);
	assert_true(sample("smtpward_last_record_timestamp_seconds") >= now - 1);
}

/* Samples of the largest policy, which has more of them than a run's output has room for. */
static unsigned int count_all_samples(void)
{
	char command[512], number[32] = "";
	FILE *pipe;

	snprintf(command, sizeof(command), "%s status --metrics --pins %s | grep -c '^smtpward_'",
		 fixture.binary, fixture.pins);
	pipe = popen(command, "re");
	assert_non_null(pipe);
	assert_non_null(fgets(number, sizeof(number), pipe));
	assert_int_equal(pclose(pipe), 0);
	return (unsigned int)strtoul(number, NULL, 10);
}

/* Ports and rules bound what there is, and nobody who connects does. */
static void test_bounded(void **state)
{
	char rules[SMTPWARD_RULES_MAX * 32];
	size_t len = (size_t)snprintf(rules, sizeof(rules), "ports 25");
	unsigned int others;

	policy_load("ports 25\n");
	others = count_all_samples() - 1;
	for (int port = 2500; port < 2500 + SMTPWARD_PORTS_MAX - 1; port++)
		len += (size_t)snprintf(rules + len, sizeof(rules) - len, ", %d", port);
	for (int rule = 0; rule < SMTPWARD_RULES_MAX; rule++)
		len += (size_t)snprintf(rules + len, sizeof(rules) - len, "\nallow user %d",
					10000 + rule);
	policy_load("%s\n", rules);
	assert_int_equal(count_all_samples(),
			 others + SMTPWARD_PORTS_MAX * (SMTPWARD_RULES_MAX + 1));
	assert_int_equal(attempt_in("y.service", NET_OUTSIDE4, 2514), EPERM);
	assert_int_equal(attempt_in("x.service", NET_OUTSIDE6, 2514), EPERM);
	/* The last record has a time from now on. */
	assert_int_equal(count_all_samples(),
			 others + 1 + SMTPWARD_PORTS_MAX * (SMTPWARD_RULES_MAX + 1));
}

static void test_quoted(void **state)
{
	char path[PATH_MAX], expected[2 * PATH_MAX];

	/* What names the policy is anybody's: a quote, a backslash, a byte that is no UTF-8. */
	snprintf(path, sizeof(path), "%s/a\"\\\xff.conf", fixture.dir);
	assert_int_equal(rename(policy_write("ports 25\n"), path), 0);
	assert_int_equal(policy_load_file(path), 0);
	assert_int_equal(metrics(), 0);
	snprintf(expected, sizeof(expected), "config=\"%s/a\\\\x22\\\\x5c\\\\xff.conf\"",
		 fixture.dir);
	if (!strstr(run.out, expected))
		fail_msg("no %s in: %s", expected, run.out);
}

/* Figures of what is not in force any more. */
static void test_detached(void **state)
{
	_cleanup_close_ int connect4 = -1, connect6 = -1;

	policy_load(POLICY, NET_OUTSIDE4_OTHER);
	make_attempts();
	connect4 = bpf_pin_open("link_connect4");
	connect6 = bpf_pin_open("link_connect6");
	assert_int_equal(bpf_link_detach(connect4) | bpf_link_detach(connect6), 0);
	if (metrics() != 3)
		fail_msg("status %d: %s%s", run.status, run.out, run.err);
	assert_attempts();
	assert_sample("smtpward_enforcing", 0);
	assert_sample("smtpward_hook_in_force{hook=\"connect6\"}", 0);
	assert_sample("smtpward_buffer_used_bytes", 4 * 1920);
}

static void test_nothing(void **state)
{
	assert_int_equal(metrics(), 3);
	assert_sample("smtpward_enforcing", 0);
	assert_sample("smtpward_loaded", 0);
	policy_load("ports 25\n");
	assert_int_equal(metrics(), 0);
	assert_sample("smtpward_loaded", 1);
}

static int begin(void **state)
{
	cgroup_make("x.service");
	cgroup_make("y.service");
	return 0;
}

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_attempts, begin, fixture_tidy),
		cmocka_unit_test_setup_teardown(test_reader, begin, fixture_tidy),
		cmocka_unit_test_setup_teardown(test_buffer, begin, fixture_tidy),
		cmocka_unit_test_setup_teardown(test_bounded, begin, fixture_tidy),
		cmocka_unit_test_setup_teardown(test_quoted, begin, fixture_tidy),
		cmocka_unit_test_setup_teardown(test_detached, begin, fixture_tidy),
		cmocka_unit_test_setup_teardown(test_nothing, begin, fixture_tidy),
	};

	return cmocka_run_group_tests_name("metrics", tests, fixture_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
