// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where lines go: several places at once, of which one does not take them; a file that cannot
 * be opened again; a terminal that is stopped.
 */
#include "fixture.h"
#include "fixture_drain.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define POLICY "limit 1000000/s burst 1000000\n"

static char path[128], put_away[140];

/* What the log has as stdout or stderr instead of its pipe; -1: nothing. */
static int other_out = -1, other_err = -1;

static int take_others(void *arg)
{
	if (other_out >= 0 && dup2(other_out, STDOUT_FILENO) < 0)
		return -errno;
	if (other_err >= 0 && dup2(other_err, STDERR_FILENO) < 0)
		return -errno;
	return 0;
}

static void begin(void)
{
	snprintf(path, sizeof(path), "%s/lines", fixture.dir);
	snprintf(put_away, sizeof(put_away), "%s.1", path);
	unlink(path);
	unlink(put_away);
	other_out = other_err = -1;
	policy_load(POLICY);
	cgroup_make("web.service");
}

static void attempts(unsigned int n)
{
	while (n--)
		assert_int_equal(attempt_in("web.service", NET_OUTSIDE4, 25), EPERM);
}

/* ret_size: of those lines, or NULL. */
static unsigned int count_lines(const char *name, off_t *ret_size)
{
	_cleanup_fclose_ FILE *file = fopen(name, "re");
	_cleanup_free_ char *line = NULL;
	unsigned int n = 0;
	off_t bytes = 0;
	size_t size = 0;
	ssize_t len;

	while (file && (len = getline(&line, &size, file)) > 0) {
		if (!strstr(line, " verdict=deny ") || line[len - 1] != '\n')
			continue;
		n++;
		bytes += len;
	}
	if (ret_size)
		*ret_size = bytes;
	return n;
}

static void wait_for_lines(const char *name, unsigned int n)
{
	int64_t deadline = clock_ms() + FIXTURE_PATIENCE;

	while (count_lines(name, NULL) != n)
		if (!pause_until(deadline))
			fail_msg("%s has %u lines, not %u", name, count_lines(name, NULL), n);
}

static void test_several(void **state)
{
	const char *argv[] = { "smtpward", "log",  "--pins", fixture.pins, "--to", path,
			       "--to",	   "json", "--to",   "stderr",	   NULL };
	_cleanup_(log_close) struct log log;

	begin();
	log_start_run(&log, argv, NULL);
	attempts(3);
	wait_for_lines(path, 3);
	log_line(&log, "\"verdict\":\"deny\"", 2);
	log_line(&log, " verdict=deny ", 2);
	log_end(&log, SIGTERM);
	assert_int_equal(log_count(&log, "missed"), 0);
	assert_int_equal(count_lines(path, NULL), 3);
}

static int close_standard(void *arg)
{
	return close_range(STDIN_FILENO, STDERR_FILENO, 0);
}

/* Nothing is open: what has a line in the file is an attempt, and nothing else is there. */
static void test_nothing_is_open(void **state)
{
	const char *argv[] = { "smtpward", "log",  "--pins", fixture.pins, "--to", path,
			       "--to",	   "json", "--to",   "stderr",	   NULL };
	_cleanup_(log_close) struct log log;
	struct stat st;
	off_t size = 0;

	begin();
	log_start_run(&log, argv, close_standard);
	attempts(3);
	wait_for_lines(path, 3);
	log_end(&log, SIGTERM);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(count_lines(path, &size), 3);
	assert_int_equal(size, st.st_size);
}

#define MANY 30

static unsigned int count_whole(int fd)
{
	static char text[1 << 16];
	unsigned int n = 0;
	ssize_t len = read(fd, text, sizeof(text));

	for (ssize_t i = 0; i < len; i++)
		n += text[i] == '\n';
	return n;
}

/* Whoever was to read one of them has stopped: the first one has all, and what is missed is said.
 */
static void test_one_is_stopped(void **state)
{
	const char *argv[] = { "smtpward", "log",  "--pins", fixture.pins, "--to",
			       path,	   "--to", "json",   NULL };
	_cleanup_(log_close) struct log log;
	unsigned int missed;
	int pipes[2];

	begin();
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_true(fcntl(pipes[1], F_SETPIPE_SZ, 4096) >= 4096);
	other_out = pipes[1];
	log_start_run(&log, argv, take_others);
	attempts(MANY);
	wait_for_lines(path, MANY);
	log_line(&log, "json takes no line: nobody reads it; what it misses is counted", 0);
	attempts(1);
	wait_for_lines(path, MANY + 1);
	log_end(&log, SIGTERM);
	assert_int_equal(sscanf(log_line(&log, "json has missed", 0),
				"smtpward: warning: json has missed %u lines", &missed),
			 1);
	assert_in_range(missed, 1, MANY);
	assert_int_equal(count_whole(pipes[0]) + missed, MANY + 1);
	close(pipes[0]);
	close(pipes[1]);
}

/* It is read again: what was missed is said, once it has missed nothing for a while. */
static void test_one_goes_on(void **state)
{
	const char *argv[] = { "smtpward", "log",  "--pins", fixture.pins, "--to",
			       path,	   "--to", "json",   NULL };
	_cleanup_(log_close) struct log log;
	unsigned int missed, whole;
	int pipes[2];

	begin();
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_true(fcntl(pipes[1], F_SETPIPE_SZ, 4096) >= 4096);
	other_out = pipes[1];
	log_start_run(&log, argv, take_others);
	attempts(MANY);
	log_line(&log, "json takes no line", 0);
	wait_for_lines(path, MANY);
	whole = count_whole(pipes[0]);
	assert_int_equal(
		sscanf(log_line(&log, "json takes lines again", 0),
		       "smtpward: warning: json takes lines again, and has missed %u lines",
		       &missed),
		1);
	/* With the rest of the one that it had a part of. */
	whole += count_whole(pipes[0]);
	assert_int_equal(whole + missed, MANY);
	log_end(&log, SIGTERM);
	assert_int_equal(log_count(&log, "has missed"), 1);
	close(pipes[0]);
	close(pipes[1]);
}

/* After a rotation: until it works, and meanwhile it is said where lines go. */
static void test_reopen(void **state)
{
	const char *argv[] = { "smtpward", "log", "--pins", fixture.pins, "--to", path, NULL };
	_cleanup_(log_close) struct log log;
	char words[400];

	begin();
	log_start_run(&log, argv, NULL);
	attempts(1);
	wait_for_lines(path, 1);
	assert_int_equal(rename(path, put_away), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(kill(log.pid, SIGHUP), 0);
	snprintf(words, sizeof(words),
		 "cannot open %s again: Is a directory; tried again each second, lines go to %s "
		 "meanwhile",
		 path, put_away);
	log_line(&log, words, 0);
	attempts(1);
	wait_for_lines(put_away, 2);
	assert_int_equal(rmdir(path), 0);
	snprintf(words, sizeof(words), "%s is open again: lines go there", path);
	log_line(&log, words, 0);
	attempts(1);
	wait_for_lines(path, 1);
	log_end(&log, SIGTERM);
	assert_int_equal(log_count(&log, "smtpward: "), 2);
	assert_int_equal(count_lines(put_away, NULL), 2);
}

/* Of terminals of our own: a guest may have none. */
static int open_terminal(int *ret_master)
{
	int master, slave, unlocked = 0, number;
	char dir[72], name[96];

	snprintf(dir, sizeof(dir), "%s/pts", fixture.dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(mount("devpts", dir, "devpts", 0, "newinstance"), 0);
	snprintf(name, sizeof(name), "%s/ptmx", dir);
	master = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(master >= 0);
	assert_int_equal(ioctl(master, TIOCSPTLCK, &unlocked), 0);
	assert_int_equal(ioctl(master, TIOCGPTN, &number), 0);
	snprintf(name, sizeof(name), "%s/%d", dir, number);
	slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(slave >= 0);
	assert_int_equal(umount2(dir, MNT_DETACH), 0);
	assert_int_equal(rmdir(dir), 0);
	*ret_master = master;
	return slave;
}

/* So many lines that it has no room for the last ones. */
#define TOO_MANY 100

/* Nobody reads the terminal: SIGTERM ends it all the same, and the rest waits in the kernel. */
static void test_terminal_is_stopped(void **state)
{
	const char *argv[] = { "smtpward", "log", "--pins", fixture.pins, "--to", "stderr", NULL };
	_cleanup_(log_close) struct log log;
	int master;

	begin();
	other_err = open_terminal(&master);
	log_start_run(&log, argv, take_others);
	attempts(TOO_MANY);
	log_end(&log, SIGTERM);
	close(other_err);
	close(master);
	other_err = -1;
	log_close(&log);
	log_start(&log, LOG_STDERR);
	log_line(&log, " verdict=deny ", 0);
	log_end(&log, SIGTERM);
}

#define SLOW_LINES 6

/* For as long as it takes lines it is waited for, however long that is in all. */
static void test_slow_end(void **state)
{
	const unsigned int patience = 600 * (unsigned int)fixture_slow();
	struct slow_drain drain = { .every_ms = patience / 2,
				    .takes = SLOW_LINES,
				    .patience_ms = patience };

	begin();
	attempts(SLOW_LINES);
	assert_int_equal(drain_slowly(fixture.pins, &drain), 0);
	assert_int_equal(drain.taken, SLOW_LINES);
}

static void assert_ends(unsigned int takes, const char *what)
{
	struct slow_drain drain = { .takes = takes, .patience_ms = 200 };
	char text[128];

	snprintf(text, sizeof(text), "the last %s no line: the sink does not take them in time",
		 what);
	assert_int_equal(drain_slowly(fixture.pins, &drain), -ETIMEDOUT);
	assert_string_equal(drain.reason.text, text);
}

/* What has no line in the end: records, of which one was taken, sums, or both. */
static void test_words_of_the_end(void **state)
{
	begin();
	attempts(2);
	assert_ends(1, "records have");
	policy_unload();
	policy_load("limit 1/h burst 2\n");
	attempts(5);
	assert_ends(1, "records and sums have");
	assert_ends(1, "sums have");
}

#define TEST(name) cmocka_unit_test_teardown(name, fixture_tidy)

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_several),	TEST(test_nothing_is_open),  TEST(test_one_is_stopped),
		TEST(test_one_goes_on), TEST(test_reopen),	     TEST(test_terminal_is_stopped),
		TEST(test_slow_end),	TEST(test_words_of_the_end),
	};

	return cmocka_run_group_tests_name("sinks", tests, fixture_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
