// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every attempt is accounted for: it has its line, or is in a suppressed= or a lost=,
 * and that to the last one, by the kernel's counters and by the lines.
 */
#include "fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>

#define UNLIMITED "limit 1000000/s burst 1000000\n"

struct flood {
	int n;
	bool numbered; /* attempt i goes to the i-th address of 198.18.0.0/15 ... */
	int first;     /* ... and this is the first one */
	bool many_users;
	long pause_ns; /* after each */
};

/* How many of them were not refused. One socket: a refused one is as good as new. */
static int flood(void *userdata)
{
	const struct flood *flood = userdata;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(25) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), wrong = fd < 0;

	to.sin_addr.s_addr = inet_addr(NET_OUTSIDE4);
	for (int i = 0; i < flood->n; i++) {
		if (flood->numbered)
			to.sin_addr.s_addr = htonl(0xc6120000 + (uint32_t)(flood->first + i));
		if (flood->many_users && (seteuid(0) || seteuid((uid_t)(100000 + i))))
			wrong++;
		if (!connect(fd, (struct sockaddr *)&to, sizeof(to)) || errno != EPERM)
			wrong++;
		if (flood->pause_ns)
			nanosleep(&(struct timespec){ .tv_nsec = flood->pause_ns }, NULL);
	}
	return wrong;
}

static void run_flood(const char *cgroup, uid_t uid, struct flood *attempts)
{
	assert_int_equal(child_run(CHILD(.cgroup = cgroup, .uid = uid), flood, attempts), 0);
}

struct sums {
	uint64_t lines, suppressed, lost;
};

static uint64_t number_of(const char *line, const char *name)
{
	const char *at = strstr(line, name);

	return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

/* Over the lines that hold needle. */
static struct sums sum_up(const struct log *log, const char *needle)
{
	struct sums sums = { 0 };
	char *copy = strdup(log->text), *rest = copy, *line;

	assert_non_null(copy);
	while ((line = strsep(&rest, "\n"))) {
		if (!strstr(line, needle))
			continue;
		sums.lines += strstr(line, " verdict=") != NULL;
		sums.suppressed += number_of(line, " suppressed=");
		sums.lost += number_of(line, " lost=");
	}
	free(copy);
	return sums;
}

static struct sums kernel_sums(void)
{
	return (struct sums){ status_counter("recorded"), status_counter("suppressed"),
			      status_counter("lost") };
}

static void assert_sums(const struct sums *sums, uint64_t expected, const char *where)
{
	uint64_t got = sums->lines + sums->suppressed + sums->lost;

	if (got != expected)
		fail_msg("%s: %d lines + %d suppressed + %d lost are not %d", where,
			 (int)sums->lines, (int)sums->suppressed, (int)sums->lost, (int)expected);
}

/* Both say the same, and both say all. */
static void assert_accounted(const struct log *log, uint64_t expected)
{
	struct sums kernel = kernel_sums(), lines = sum_up(log, "");

	assert_sums(&kernel, expected, "status");
	assert_sums(&lines, expected, "the log");
	assert_int_equal(lines.lines, kernel.lines);
	assert_int_equal(lines.suppressed, kernel.suppressed);
	assert_int_equal(lines.lost, kernel.lost);
	assert_int_equal(status_counter("denied"), expected);
}

/* What a logger leaves in the ring when it ends is the next one's: so the ring is empty. */
static void end_when_read(struct log *log)
{
	uint64_t recorded = status_counter("recorded");

	if (recorded)
		log_line(log, " verdict=", (unsigned int)recorded - 1);
	log_end(log, SIGTERM);
}

static void test_limit(void **state)
{
	_cleanup_(log_close) struct log log;
	struct flood attempts = { .n = 5000 };
	int64_t began, seconds;
	struct sums sums;

	policy_load("limit 5/s burst 10\n");
	cgroup_make("flooder.service");
	log_start(&log, LOG_FILE);
	began = clock_ms();
	run_flood("flooder.service", 0, &attempts);
	seconds = (clock_ms() - began) / 1000 + 1;
	end_when_read(&log);
	assert_accounted(&log, 5000);
	sums = sum_up(&log, "unit=\"flooder.service\"");
	assert_sums(&sums, 5000, "the flooder's own lines");
	assert_int_equal(sums.lost, 0);
	/* No process races for the limit here: a burst, and the rate as time goes by. */
	assert_in_range(sums.lines, 10, 10 + 5 * (uint64_t)seconds);
}

static void test_limit_by_several_at_once(void **state)
{
	_cleanup_(log_close) struct log log;
	struct flood attempts = { .n = 5000 };
	struct child_handle handles[4];

	policy_load("limit 5/s burst 10\n");
	cgroup_make("flooder.service");
	log_start(&log, LOG_FILE);
	for (int i = 0; i < 4; i++)
		handles[i] = child_start(CHILD_IN("flooder.service"), flood, &attempts);
	for (int i = 0; i < 4; i++)
		assert_int_equal(child_wait(&handles[i]), 0);
	end_when_read(&log);
	assert_accounted(&log, 20000);
}

/* A rate of one an hour: who gets a line of its own has an allowance of its own. */
static void test_limits_are_not_shared(void **state)
{
	_cleanup_(log_close) struct log log;
	struct flood many = { .n = 1000 }, one = { .n = 1 };
	struct sums sums;

	policy_load("limit 1/h burst 2\n");
	cgroup_make("flooder.service");
	cgroup_make("other.service");
	run_flood("flooder.service", 0, &many);
	run_flood("other.service", 0, &one);
	run_flood("flooder.service", 33, &one);
	log_start(&log, LOG_FILE);
	end_when_read(&log);
	assert_accounted(&log, 1002);
	sums = sum_up(&log, "unit=\"other.service\"");
	assert_int_equal(sums.lines, 1);
	sums = sum_up(&log, " euid=33 ");
	assert_int_equal(sums.lines, 1);
	sums = sum_up(&log, "unit=\"flooder.service\"");
	assert_int_equal(sums.lines, 3);
	assert_int_equal(sums.suppressed, 998);
	sums = sum_up(&log, " euid=0 ");
	assert_int_equal(sums.suppressed, 998);
}

/* The allowance comes back with time. */
static void test_limit_refills(void **state)
{
	struct flood attempts = { .n = 100 }, one = { .n = 1 };
	int64_t began, deadline;
	uint64_t recorded;

	policy_load("limit 20/s burst 3\n");
	cgroup_make("x");
	began = clock_ms();
	run_flood("x", 0, &attempts);
	recorded = status_counter("recorded");
	assert_in_range(recorded, 3, 3 + 20 * (uint64_t)(clock_ms() - began + 999) / 1000);
	deadline = clock_ms() + 400;
	while (pause_until(deadline))
		;
	assert_int_equal(status_counter("recorded"), recorded);
	for (int i = 0; i < 3; i++) {
		uint64_t before = status_counter("recorded");

		run_flood("x", 0, &one);
		assert_int_equal(status_counter("recorded"), before + 1);
	}
}

/* The ring is 8 MiB at most, a record 1,920 bytes with its header, and half of it one tenant's. */
#define MORE_THAN_THE_RING ((8 << 20) / 1920 / 2 + 3001)

static void test_no_reader(void **state)
{
	_cleanup_(log_close) struct log log;
	struct flood attempts = { .n = MORE_THAN_THE_RING, .numbered = true };
	struct sums sums;
	char dst[64];

	policy_load(UNLIMITED);
	cgroup_make("flooder.service");
	run_flood("flooder.service", 0, &attempts);
	sums = kernel_sums();
	assert_sums(&sums, MORE_THAN_THE_RING, "status");
	assert_int_equal(sums.suppressed, 0);
	assert_true(sums.lost >= 3000 && sums.lines > 500);
	log_start(&log, LOG_FILE);
	/* The earliest ones, each of them, in their order. */
	for (unsigned int i = 0; i < sums.lines; i += i < 3 || i + 3 > sums.lines ? 1 : 97) {
		snprintf(dst, sizeof(dst), " dst=198.%u.%u.%u ", 18 + (i >> 16), i >> 8 & 255,
			 i & 255);
		assert_non_null(strstr(log_line(&log, "verdict=", i), dst));
	}
	end_when_read(&log);
	assert_accounted(&log, MORE_THAN_THE_RING);
	assert_int_equal(sum_up(&log, "unit=\"flooder.service\"").lost, sums.lost);
}

/* What was said once is not said again by the next reader. */
static void test_summaries_are_said_once(void **state)
{
	_cleanup_(log_close) struct log first, second, third;
	struct flood attempts = { .n = 100 };
	struct sums sums;

	policy_load("limit 1/h burst 1\n");
	cgroup_make("x");
	run_flood("x", 0, &attempts);
	log_start(&first, LOG_FILE);
	end_when_read(&first);
	assert_accounted(&first, 100);
	log_start(&second, LOG_STDERR);
	log_end(&second, SIGTERM);
	assert_int_equal(log_count(&second, ""), 0);
	run_flood("x", 0, &attempts);
	log_start(&third, LOG_STDERR);
	log_end(&third, SIGTERM);
	sums = sum_up(&third, "");
	assert_int_equal(sums.suppressed, 100);
	assert_int_equal(sums.lines, 0);
}

static void test_reloads_in_a_flood(void **state)
{
	_cleanup_(log_close) struct log log;
	struct flood attempts = { .n = 40000 };
	struct child_handle handles[2];

	policy_load("limit 5/s burst 10\n");
	cgroup_make("x");
	log_start(&log, LOG_FILE);
	for (int i = 0; i < 2; i++)
		handles[i] = child_start(CHILD_IN("x"), flood, &attempts);
	for (int i = 0; i < 6; i++)
		policy_load("limit 5/s burst %d\nallow unit u%d.service\n", 10 + i, i);
	for (int i = 0; i < 2; i++)
		assert_int_equal(child_wait(&handles[i]), 0);
	end_when_read(&log);
	assert_accounted(&log, 80000);
}

/* More users than a tenant has entries for. */
static void test_more_callers_than_room(void **state)
{
	_cleanup_(log_close) struct log log;
	struct flood attempts = { .n = SMTPWARD_TENANT_USERS + 500, .many_users = true };
	struct sums sums;

	policy_load("limit 1/h burst 1\n");
	cgroup_make("x");
	log_start(&log, LOG_FILE);
	run_flood("x", 0, &attempts);
	assert_int_equal(status_counter("callers_full"), 500);
	end_when_read(&log);
	assert_accounted(&log, (uint64_t)attempts.n);
	/* Ten times the limit of one for all, and one sum for those without an entry. */
	sums = kernel_sums();
	assert_int_equal(sums.lines, 10);
	assert_int_equal(sums.lost, 0);
	assert_int_equal(sum_up(&log, " unit=\"x\"").suppressed, sums.suppressed);
	assert_int_equal(sum_up(&log, " suppressed=500 lost=0 unit=\"x\" ").suppressed, 500);
}

#define KILLS 12
#define BETWEEN_KILLS 80

static void note_lines(const struct log *log, unsigned int seen[KILLS * BETWEEN_KILLS])
{
	unsigned int high, low;

	for (const char *at = log->text; (at = strstr(at, " dst=198.18.")); at++) {
		assert_int_equal(sscanf(at, " dst=198.18.%u.%u", &high, &low), 2);
		assert_true(high * 256 + low < KILLS * BETWEEN_KILLS);
		seen[high * 256 + low]++;
	}
}

/* A logger that dies with a line in hand: no attempt is without a line after that. */
static void test_killed_logger(void **state)
{
	static unsigned int seen[KILLS * BETWEEN_KILLS];
	_cleanup_(log_close) struct log last;
	unsigned int lines = 0;

	memset(seen, 0, sizeof(seen));
	policy_load(UNLIMITED);
	cgroup_make("x");
	for (int i = 0; i < KILLS; i++) {
		struct flood attempts = { .n = BETWEEN_KILLS, .numbered = true,
					  .first = i * BETWEEN_KILLS, .pause_ns = 100000 };
		struct child_handle handle = child_start(CHILD_IN("x"), flood, &attempts);
		_cleanup_(log_close) struct log log;

		log_start(&log, LOG_FILE);
		log_line(&log, "verdict=", 40 + (unsigned int)i * 3);
		log_end(&log, SIGKILL);
		assert_int_equal(child_wait(&handle), 0);
		note_lines(&log, seen);
	}
	assert_int_equal(attempt_in("x", NET_OUTSIDE6, 25), EPERM);
	log_start(&last, LOG_FILE);
	log_line(&last, " dst=" NET_OUTSIDE6 " ", 0);
	log_end(&last, SIGTERM);
	note_lines(&last, seen);
	assert_int_equal(status_counter("lost"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(seen); i++) {
		if (!seen[i])
			fail_msg("attempt %zu has no line", i);
		lines += seen[i];
	}
	/* A line that was out already comes again where the note of it was cut off. */
	assert_in_range(lines, ARRAY_SIZE(seen), ARRAY_SIZE(seen) + KILLS);
}

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_limit, fixture_tidy),
		cmocka_unit_test_teardown(test_limit_by_several_at_once, fixture_tidy),
		cmocka_unit_test_teardown(test_limits_are_not_shared, fixture_tidy),
		cmocka_unit_test_teardown(test_limit_refills, fixture_tidy),
		cmocka_unit_test_teardown(test_no_reader, fixture_tidy),
		cmocka_unit_test_teardown(test_summaries_are_said_once, fixture_tidy),
		cmocka_unit_test_teardown(test_reloads_in_a_flood, fixture_tidy),
		cmocka_unit_test_teardown(test_more_callers_than_room, fixture_tidy),
		cmocka_unit_test_teardown(test_killed_logger, fixture_tidy),
	};

	return cmocka_run_group_tests_name("accounting", tests, fixture_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
