// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receipts: what a sink leaves in memory that outlives it says whether its last line is
 * out. Told by writers that are really killed, at any moment, and by what they wrote.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "sink/sink_fixture.h"

#define KILLS 300

/* What the writer and whoever comes after it share, as map_note is. */
struct shared {
	struct smtpward_receipt receipt;
	uint32_t line;	  /* that is being written */
	uint32_t settled; /* the last one that is known to be out */
};

static struct shared *share(void)
{
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(shared != MAP_FAILED);
	return shared;
}

static uint32_t count_datagrams(int daemon)
{
	char datagram[3 * LINE_TEXT_SIZE];
	uint32_t n = 0;

	while (recv(daemon, datagram, sizeof(datagram), 0) > 0)
		n++;
	assert_int_equal(errno, EAGAIN);
	return n;
}

/*
 * Until it is killed: a line is settled before its receipt is blanked for the next one, and
 * that is blank before the next line is named.
 */
static void write_for_ever(struct sink *sink, struct shared *shared)
{
	for (;;) {
		struct line line = sample(shared->line);

		__atomic_store_n(&shared->settled, shared->line, __ATOMIC_RELEASE);
		__atomic_store_n(&shared->receipt.kind, SMTPWARD_RECEIPT_NONE, __ATOMIC_RELEASE);
		__atomic_store_n(&shared->line, shared->line + 1, __ATOMIC_RELEASE);
		while (sink_write(sink, &line, &shared->receipt))
			;
	}
}

/* Goes on where the last writer was killed. */
static pid_t start_writer(struct sink *sink, struct shared *shared)
{
	pid_t pid = fork();

	if (!pid)
		write_for_ever(sink, shared);
	assert_true(pid > 0);
	return pid;
}

/* At any moment from its second line on: the first one is out by then. */
static void kill_soon(pid_t pid, const struct shared *shared, uint32_t before)
{
	const struct timespec soon = { .tv_nsec = random() % 300000 };
	int status;

	while (__atomic_load_n(&shared->line, __ATOMIC_ACQUIRE) - before < 2)
		sched_yield();
	nanosleep(&soon, NULL);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* line counts the one that was being written: without a receipt for it, it is not out. */
static void settle(struct sink *sink, struct shared *shared)
{
	int out;

	if (shared->line == shared->settled)
		return;
	out = sink_is_out(sink, &shared->receipt);
	assert_in_range(out, 0, 1);
	shared->line -= !out;
	shared->settled = shared->line;
}

static void kill_writers_to_a_daemon(int (*open_sink)(const char *path, struct sink **ret))
{
	_cleanup_close_ int daemon = daemon_start();
	struct shared *shared = share();
	uint32_t received = 0;

	for (int i = 0; i < KILLS; i++) {
		_cleanup_sink_ struct sink *sink = NULL;
		uint32_t before;

		assert_int_equal(open_sink(SOCKET_NAME, &sink), 0);
		settle(sink, shared);
		assert_int_equal(received, shared->line);
		before = shared->line;
		kill_soon(start_writer(sink, shared), shared, before);
		received += count_datagrams(daemon);
	}
	assert_true(received >= KILLS);
	munmap(shared, sizeof(*shared));
}

static void test_syslog_killed(void **state __attribute__((unused)))
{
	kill_writers_to_a_daemon(sink_syslog_open);
}

static void test_journal_killed(void **state __attribute__((unused)))
{
	kill_writers_to_a_daemon(sink_journal_open);
}

static uint32_t count_lines(const char *path)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	uint32_t n = 0;
	char *line = NULL;
	size_t size = 0;

	assert_non_null(file);
	while (getline(&line, &size, file) > 0) {
		assert_non_null(strstr(line, " smtpward["));
		assert_non_null(strstr(line, " cgroup=\"/a\"\n"));
		n++;
	}
	free(line);
	return n;
}

static const char *file_text(void)
{
	static char text[1 << 16];
	_cleanup_close_ int fd = open("log", O_RDONLY | O_CLOEXEC);
	ssize_t len = read(fd, text, sizeof(text) - 1);

	assert_true(len >= 0);
	text[len] = '\0';
	return text;
}

static void test_file_killed(void **state __attribute__((unused)))
{
	struct shared *shared = share();

	for (int i = 0; i < KILLS; i++) {
		_cleanup_sink_ struct sink *sink = NULL;
		uint32_t before;

		assert_int_equal(sink_file_open("log", &sink), 0);
		settle(sink, shared);
		if (i % 50 == 0)
			assert_int_equal(count_lines("log"), shared->line);
		before = shared->line;
		kill_soon(start_writer(sink, shared), shared, before);
	}
	assert_true(count_lines("log") >= KILLS);
	munmap(shared, sizeof(*shared));
}

static void test_file_receipts(void **state __attribute__((unused)))
{
	struct smtpward_receipt receipt = { 0 }, rotated;
	_cleanup_sink_ struct sink *sink = NULL;
	struct line line = sample(1);
	struct stat st;

	assert_int_equal(sink_file_open("log", &sink), 0);
	assert_int_equal(sink_is_out(sink, &receipt), 0);
	assert_int_equal(write_sample(sink, 0), 0);
	assert_int_equal(sink_write(sink, &line, &receipt), 0);
	assert_int_equal(sink_is_out(sink, &receipt), 1);
	rotated = receipt;
	rotated.inode++;
	assert_int_equal(sink_is_out(sink, &rotated), 0);

	/* Half of it: it is taken back, and what was there before stays. */
	assert_int_equal(truncate("log", (off_t)(receipt.offset + receipt.length / 2)), 0);
	assert_int_equal(sink_is_out(sink, &receipt), 0);
	assert_int_equal(stat("log", &st), 0);
	assert_int_equal(st.st_size, receipt.offset);
	assert_int_equal(sink_is_out(sink, &receipt), 0);
	assert_int_equal(count_lines("log"), 1);
}

/* One that lies takes back no line that is whole, and no more than a line. */
static void test_forged_receipts(void **state __attribute__((unused)))
{
	struct smtpward_receipt receipt = { 0 };
	_cleanup_sink_ struct sink *sink = NULL;
	struct line line = sample(2);
	struct stat st;

	assert_int_equal(sink_file_open("log", &sink), 0);
	assert_int_equal(write_sample(sink, 0), 0);
	assert_int_equal(write_sample(sink, 1), 0);
	assert_int_equal(sink_write(sink, &line, &receipt), 0);
	assert_int_equal(stat("log", &st), 0);
	for (off_t offset = 0; offset < st.st_size; offset++) {
		receipt.offset = (uint64_t)offset;
		receipt.length = 1ULL << 40;
		assert_int_equal(sink_is_out(sink, &receipt), 0);
	}
	assert_samples(file_text(), 0, 3, false);
	/* As much as somebody else's whole line, without its end, and far too much. */
	assert_int_equal(truncate("log", st.st_size - 1), 0);
	receipt.offset = 0;
	assert_int_equal(sink_is_out(sink, &receipt), 0);
	assert_samples(file_text(), 0, 3, false);
	assert_int_equal(truncate("log", 4 * SINK_LINE_SIZE), 0);
	assert_int_equal(sink_is_out(sink, &receipt), 0);
	assert_int_equal(stat("log", &st), 0);
	assert_int_equal(st.st_size, 4 * SINK_LINE_SIZE);
}

/* The receipt of one kind of sink may be read by another. */
static void test_other_sink(void **state __attribute__((unused)))
{
	struct smtpward_receipt of_file = { 0 }, of_syslog = { 0 }, of_stream = { 0 };
	_cleanup_sink_ struct sink *file = NULL, *syslog = NULL, *stream = NULL;
	_cleanup_close_ int daemon = daemon_start();
	_cleanup_close_ int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct line line = sample(1);

	assert_int_equal(sink_file_open("log", &file), 0);
	assert_int_equal(sink_syslog_open(SOCKET_NAME, &syslog), 0);
	assert_int_equal(sink_stream_open(null, false, &stream), 0);
	assert_int_equal(sink_write(file, &line, &of_file), 0);
	assert_int_equal(sink_write(syslog, &line, &of_syslog), 0);
	assert_int_equal(sink_write(stream, &line, &of_stream), 0);
	assert_int_equal(sink_is_out(stream, &of_syslog), 1);
	assert_int_equal(sink_is_out(file, &of_syslog), 1);
	assert_int_equal(sink_is_out(syslog, &of_file), 0);
	assert_int_equal(sink_is_out(stream, &of_stream), 0);

	/* A line that nobody took. */
	assert_int_equal(unlink(SOCKET_NAME), 0);
	assert_int_equal(sink_reopen(syslog), 0);
	of_syslog = (struct smtpward_receipt){ 0 };
	assert_int_equal(sink_write(syslog, &line, &of_syslog), -ENOENT);
	assert_int_equal(sink_is_out(syslog, &of_syslog), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_syslog_killed), TEST(test_journal_killed),  TEST(test_file_killed),
		TEST(test_file_receipts), TEST(test_forged_receipts), TEST(test_other_sink),
	};

	return cmocka_run_group_tests_name("receipt", tests, NULL, NULL);
}
