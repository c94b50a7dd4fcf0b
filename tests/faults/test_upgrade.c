// SPDX-License-Identifier: GPL-2.0-only
/*
 * One version takes over from another of another ABI, in both directions: with no gap,
 * and with each attempt that the other one recorded in a line or a sum.
 *
 * The other one is this tree with another number and other layouts in its abi.h,
 * beside the smtpward that is tested.
 */
#include "fixture.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#define RECORDED 40 /* attempts of a caller; more than ... */
#define BURST 30    /* ... have a record */

#define POLICY "limit 1/h burst %d\nallow to 203.0.113.9\nallow cgroup /%s/allowed\n"

/* What the attackers count, in memory that they share with us. */
struct counts {
	bool stop;
	uint64_t refused, passed;
	uint64_t wrong;
};

static struct counts *counts;
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

/* While one takes over from the other: two that are refused, and two that pass. */
static int attack(void *arg)
{
	struct attempt refused4 = { WAY_CONNECT, NET_OUTSIDE4, 25 };
	struct attempt refused6 = { WAY_CONNECT, NET_OUTSIDE6, 25 };
	struct attempt allowed = { WAY_CONNECT, NET_OUTSIDE4_OTHER, 25 };

	while (!__atomic_load_n(&counts->stop, __ATOMIC_RELAXED)) {
		int wrong = (attempt(&refused4) != EPERM) + (attempt(&refused6) != EPERM) +
			    (attempt(&allowed) != 0);

		__atomic_fetch_add(&counts->wrong, (uint64_t)wrong, __ATOMIC_RELAXED);
		__atomic_fetch_add(&counts->refused, 2, __ATOMIC_RELAXED);
		__atomic_fetch_add(&counts->passed, 1, __ATOMIC_RELAXED);
	}
	return 0;
}

static struct child_handle attack_start(void)
{
	struct child_handle attacker;
	int64_t deadline = clock_ms() + FIXTURE_PATIENCE;

	memset(counts, 0, sizeof(*counts));
	attacker = child_start(CHILD_IN("other"), attack, NULL);
	while (!__atomic_load_n(&counts->refused, __ATOMIC_RELAXED))
		assert_true(pause_until(deadline));
	return attacker;
}

static void attack_end(struct child_handle *attacker)
{
	__atomic_store_n(&counts->stop, true, __ATOMIC_RELAXED);
	assert_int_equal(child_wait(attacker), 0);
	assert_int_equal(counts->wrong, 0);
}

/* What load wrote to the syslog socket: a few sums, for which there is room. */
static uint64_t written(int syslog)
{
	struct tally tally;
	uint64_t sum;

	tally_init(&tally);
	tally_datagrams(&tally, syslog);
	sum = tally_sum(&tally);
	tally_free(&tally);
	return sum;
}

static void log_begin(struct log *log)
{
	const char *const argv[] = { "smtpward", "log",	   "--pins", fixture.pins,
				     "--to",	 "stderr", NULL };

	log_start_run(log, argv, NULL);
}

/* What stands in the lines between a logger's messages. */
static uint64_t logged(const struct log *log)
{
	_cleanup_free_ char *copy = strdup(log->text);
	char *rest = copy, *line;
	struct tally tally;
	uint64_t sum;

	tally_init(&tally);
	while ((line = strsep(&rest, "\n")))
		if (strstr(line, " smtpward["))
			tally_line(&tally, line);
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

/* Nobody reads: the load that takes over writes what there is. */
static void takes_over(const char *before, const char *after)
{
	_cleanup_close_ int syslog = syslog_bind();
	_cleanup_(log_close) struct log log = { 0 };
	struct child_handle attacker;
	uint64_t sum, all;

	cgroup_make("allowed");
	cgroup_make("other");
	cgroup_make("third");
	load_with(before);
	assert_int_equal(child_run(CHILD_IN("third"), attempts, NULL), 0);
	attacker = attack_start();
	load_with(after);
	assert_non_null(strstr(run.err, "took over from a smtpward of ABI"));
	assert_one_generation();
	sum = written(syslog);
	attack_end(&attacker);
	assert_true(sum >= RECORDED);
	assert_int_equal(child_run(CHILD_IN("third"), attempts, NULL), 0);
	all = RECORDED + counts->refused + RECORDED;

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
	struct child_handle attacker;
	uint64_t sum;

	cgroup_make("allowed");
	cgroup_make("other");
	load_with(before);
	log_begin(&log);
	attacker = attack_start();
	load_with(after);
	assert_int_equal(log_wait_exit(&log), 0);
	assert_non_null(strstr(log.text, "another version of smtpward has taken over"));
	assert_one_generation();
	sum = logged(&log) + written(syslog);
	assert_true(sum > 0);
	attack_end(&attacker);

	log_begin(&next);
	log_end(&next, SIGTERM);
	assert_int_equal(sum + logged(&next), counts->refused);
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

static int setup(void **state)
{
	counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	assert_ptr_not_equal(counts, MAP_FAILED);
	if (fixture_setup(state))
		return -1;
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
	};

	return cmocka_run_group_tests_name("upgrade", all, setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
