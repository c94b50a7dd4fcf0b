// SPDX-License-Identifier: GPL-2.0-only
/*
 * One version takes over from another of another ABI, in both directions: with no gap,
 * and with each attempt that the other one recorded in a line or a sum.
 *
 * The other one is this tree with another number and other layouts in its abi.h,
 * beside the smtpward that is tested.
 */
#include "fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#define RECORDED 40 /* attempts of a caller; more than ... */
#define BURST 30    /* ... have a record */

#define POLICY "limit 1/h burst %d\n" FIRE_POLICY

static const char *ours;
static char other[PATH_MAX + 32];

static void load_with(const char *binary)
{
	fixture.binary = binary;
	policy_load(POLICY, BURST, fixture.name);
}

static int attempts(void *arg)
{
	struct attempt refused = { WAY_CONNECT, NET_OUTSIDE4, 25 };
	int wrong = 0;

	for (int i = 0; i < RECORDED; i++)
		wrong += attempt(&refused) != EPERM;
	return wrong;
}

/* What load wrote to the syslog socket, for which there is room. */
static uint64_t written_lines(int syslog, uint64_t *ret_lines)
{
	struct tally tally;
	uint64_t sum;

	tally_init(&tally);
	tally_datagrams(&tally, syslog);
	sum = tally_sum(&tally);
	*ret_lines = tally.lines;
	tally_free(&tally);
	return sum;
}

static uint64_t written(int syslog)
{
	uint64_t lines;

	return written_lines(syslog, &lines);
}

static void log_begin(struct log *log)
{
	const char *const argv[] = { "smtpward", "log",	   "--pins", fixture.pins,
				     "--to",	 "stderr", NULL };

	log_start_run(log, argv, NULL);
}

static uint64_t logged(const struct log *log)
{
	struct tally tally;
	uint64_t sum;

	tally_init(&tally);
	tally_log(&tally, log);
	sum = tally_sum(&tally);
	tally_free(&tally);
	return sum;
}

static void assert_one_generation(void)
{
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s/generation-1", fixture.pins);
	assert_int_equal(stat(path, &st), -1);
	snprintf(path, sizeof(path), "%s/generation-2", fixture.pins);
	assert_int_equal(stat(path, &st), 0);
}

/*
 * Nobody reads: the load that takes over writes what there is, with a line for each record of an
 * older version whose records are like its own.
 */
static void takes_over(const char *before, const char *after)
{
	_cleanup_close_ int syslog = syslog_bind();
	_cleanup_(log_close) struct log log = { 0 };
	uint64_t sum, lines, all;

	cgroup_make("third");
	load_with(before);
	assert_int_equal(child_run(CHILD_IN("third"), attempts, NULL), 0);
	fire_start(1, false);
	load_with(after);
	assert_non_null(strstr(run.err, "took over from a smtpward of ABI"));
	assert_one_generation();
	sum = written_lines(syslog, &lines);
	fire_end();
	assert_true(sum >= RECORDED);
	if (before == ours)
		assert_true(lines >= BURST);
	else
		assert_int_equal(lines, 0);
	assert_int_equal(child_run(CHILD_IN("third"), attempts, NULL), 0);
	all = RECORDED + fire->refused_right + RECORDED;

	log_begin(&log);
	log_end(&log, SIGTERM);
	assert_int_equal(sum + logged(&log), all);
	policy_unload();
}

/* The other one's logger reads: it notices, writes what is its to write, and ends. */
static void logger_ends(const char *before, const char *after)
{
	_cleanup_close_ int syslog = syslog_bind();
	_cleanup_(log_close) struct log log = { 0 }, next = { 0 };
	uint64_t sum;

	load_with(before);
	log_begin(&log);
	fire_start(1, false);
	load_with(after);
	/* Who wants to read on has to start it again. */
	assert_int_equal(log_wait_exit(&log), 1);
	assert_non_null(strstr(log.text, "another version of smtpward has taken over"));
	assert_one_generation();
	sum = logged(&log) + written(syslog);
	assert_true(sum > 0);
	fire_end();

	log_begin(&next);
	log_end(&next, SIGTERM);
	assert_int_equal(sum + logged(&next), fire->refused_right);
	policy_unload();
}

static void test_upgrade(void **state)
{
	takes_over(other, ours);
}

static void test_downgrade(void **state)
{
	takes_over(ours, other);
}

static void test_upgrade_with_logger(void **state)
{
	logger_ends(other, ours);
}

static void test_downgrade_with_logger(void **state)
{
	logger_ends(ours, other);
}

/* Fills the queue of the syslog socket; returns with how many datagrams. */
static unsigned int fill_queue(void)
{
	const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = SYSLOG_SOCKET };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	unsigned int n = 0;

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	while (send(fd, "", 1, 0) == 1)
		n++;
	assert_int_equal(errno, EAGAIN);
	return n;
}

struct queue {
	int fd;
	unsigned int n;
};

/* Takes those out again, once the load has had its time to try. */
static int empty_queue(void *arg)
{
	const struct timespec second = { .tv_sec = 2 };
	const struct queue *queue = arg;
	char byte;

	nanosleep(&second, NULL);
	for (unsigned int i = 0; i < queue->n; i++)
		if (recv(queue->fd, &byte, 1, 0) != 1)
			return 1;
	return 0;
}

/* A sink that takes no line at first costs a wait, and no attempt is counted twice for it. */
static void test_upgrade_stuck(void **state)
{
	_cleanup_close_ int syslog = syslog_bind();
	struct queue queue = { .fd = syslog };
	struct child_handle emptier;

	cgroup_make("third");
	load_with(other);
	assert_int_equal(child_run(CHILD_IN("third"), attempts, NULL), 0);
	queue.n = fill_queue();
	emptier = child_start(CHILD_IN("third"), empty_queue, &queue);
	load_with(ours);
	assert_int_equal(child_wait(&emptier), 0);
	assert_int_equal(written(syslog), RECORDED);
	policy_unload();
}

/* What reads does not guess at layouts that it does not know. */
static void test_foreign_policy(void **state)
{
	load_with(other);
	fixture.binary = ours;
	assert_int_equal(smtpward("status", "--pins", fixture.pins, NULL), 1);
	assert_non_null(strstr(run.err, "of ABI 99"));
	assert_int_equal(smtpward("log", "--pins", fixture.pins, NULL), 1);
	assert_non_null(strstr(run.err, "of ABI 99"));
	policy_unload();
}

/* Attempts of "third" by its row of report; -1: there is none. */
static json_int_t counted(void)
{
	json_int_t attempts = -1;
	json_t *json;

	if (smtpward("report", "--json", "--pins", fixture.pins, "--unit", "third", NULL))
		fail_msg("report: status %d: %s", run.status, run.err);
	json = json_loads(run.out, 0, NULL);
	json_unpack(json, "{s:[{s:I}]}", "rows", "attempts", &attempts);
	json_decref(json);
	return attempts;
}

static void count_attempts(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(attempt_in("third", NET_OUTSIDE4, 25), EPERM);
}

/* The count of report outlives the ABI: it goes on in each version that has it. */
static void test_count_goes_on(void **state)
{
	cgroup_make("third");
	load_with(ours);
	count_attempts(3);
	load_with(other);
	assert_int_equal(counted(), 3);
	count_attempts(4);
	assert_int_equal(counted(), 7);
	load_with(ours);
	count_attempts(5);
	assert_int_equal(counted(), 12);
	policy_unload();
}

/* As many datagrams may wait: a line for each record, of each caller. */
static void set_queue(void)
{
	_cleanup_close_ int fd = open("/proc/sys/net/unix/max_dgram_qlen", O_WRONLY | O_CLOEXEC);

	assert_int_equal(write(fd, "512", 3), 3);
}

static int setup(void **state)
{
	fire_setup();
	if (fixture_setup(state))
		return -1;
	set_queue();
	syslog_make_dev();
	ours = fixture.binary;
	snprintf(other, sizeof(other), "%.*s/other-abi/smtpward",
		 (int)(strrchr(fixture.built, '/') - fixture.built), fixture.built);
	return access(other, X_OK);
}

static int tidy(void **state)
{
	fixture.binary = ours;
	unlink(SYSLOG_SOCKET);
	return fixture_tidy(state);
}

#define TEST(name) cmocka_unit_test_teardown(name, tidy)

static int tests(void)
{
	const struct CMUnitTest all[] = {
		TEST(test_upgrade),
		TEST(test_downgrade),
		TEST(test_upgrade_with_logger),
		TEST(test_downgrade_with_logger),
		TEST(test_upgrade_stuck),
		TEST(test_foreign_policy),
		TEST(test_count_goes_on),
	};

	return cmocka_run_group_tests_name("upgrade", all, setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
