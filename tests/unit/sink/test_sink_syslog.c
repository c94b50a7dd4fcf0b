// SPDX-License-Identifier: GPL-2.0-only
/*
 * The syslog sink against a real datagram socket that is missing, full, restarted. What
 * only a kernel under strain says is put in its mouth.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "sink/sink_fixture.h"

static struct fault fault_send;
static bool small_send_buffer;

int sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags)
{
	return fault_strikes(&fault_send) ? -1 : syscall(SYS_sendmmsg, fd, messages, count, flags);
}

/* As with a small net.core.wmem_max: the kernel takes its own minimum for it. */
int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	const int one = 1;

	if (small_send_buffer && level == SOL_SOCKET && name == SO_SNDBUF)
		value = &one;
	return syscall(SYS_setsockopt, fd, level, name, value, len);
}

static void assert_datagram(int fd, const struct line *line)
{
	char want[LINE_TEXT_SIZE + 64];

	snprintf(want, sizeof(want), "<84>Jan  2 08:34:05 smtpward[%d]: %s", getpid(),
		 text_of(line));
	assert_string_equal(daemon_read(fd), want);
}

static void assert_sample(int fd, uint32_t pid)
{
	struct line line = sample(pid);

	assert_datagram(fd, &line);
}

static void test_syslog_lines(void **state __attribute__((unused)))
{
	_cleanup_close_ int daemon = daemon_start();
	_cleanup_sink_ struct sink *sink = NULL;
	struct line line = sample(7);
	char want[512];

	assert_int_equal(sink_syslog_open(SOCKET_NAME, &sink), 0);
	assert_int_equal(sink_write(sink, &line, NULL), 0);
	snprintf(want, sizeof(want),
		 "<84>Jan  2 08:34:05 smtpward[%d]: v=2 "
		 "time=2026-01-02T03:04:05.123456Z verdict=deny rule=default unit=\"a\" euid=0 "
		 "dst=:: dport=25 uid=0 gid=0 auid=0 pid=7 ppid=0 netns=0 cgid=0 exe=\"/b\" "
		 "cwd=\"/e\" args=\"f g\" ancestors=\"d<h\" comm=\"c\" cgroup=\"/a\"",
		 getpid());
	assert_string_equal(daemon_read(daemon), want);

	line.record.verdict = SMTPWARD_AUDIT;
	line.time += 11 * 86400 * 1000000000ULL;
	assert_int_equal(sink_write(sink, &line, NULL), 0);
	assert_int_equal(strncmp(daemon_read(daemon), "<85>Jan 13 08:34:05 smtpward[", 29), 0);

	line.record.verdict = SMTPWARD_ALLOW;
	line.time += 334 * 86400 * 1000000000ULL;
	assert_int_equal(sink_write(sink, &line, NULL), 0);
	assert_int_equal(strncmp(daemon_read(daemon), "<86>Dec 13 08:34:05 smtpward[", 29), 0);

	line_from_anyone(3, 4, SAMPLE_TIME, &line);
	assert_int_equal(sink_write(sink, &line, NULL), 0);
	snprintf(want, sizeof(want),
		 "<85>Jan  2 08:34:05 smtpward[%d]: v=2 time=2026-01-02T03:04:05.123456Z "
		 "suppressed=3 lost=4 unit=\"\" cgroup=\"\"",
		 getpid());
	assert_string_equal(daemon_read(daemon), want);
	assert_null(daemon_read(daemon));
	assert_int_equal(sink_poll_fd(sink), -1);
}

static void test_syslog_path(void **state __attribute__((unused)))
{
	const size_t max = sizeof(((struct sockaddr_un *)NULL)->sun_path);
	struct sink *sink = (struct sink *)state;
	char path[256] = "";

	memset(path, 'x', max);
	assert_int_equal(sink_syslog_open(path, &sink), -ENAMETOOLONG);
	assert_int_equal(sink_syslog_open("", &sink), -EINVAL);
	assert_ptr_equal(sink, state);
	path[max - 1] = '\0';
	assert_int_equal(sink_syslog_open(path, &sink), 0);
	sink_free(sink);
}

static void test_syslog_appears_later(void **state __attribute__((unused)))
{
	_cleanup_sink_ struct sink *sink = NULL;
	_cleanup_close_ int daemon = -1;

	assert_int_equal(sink_syslog_open(SOCKET_NAME, &sink), 0);
	assert_int_equal(write_sample(sink, 1), -ENOENT);
	assert_int_equal(write_sample(sink, 1), -ENOENT);
	assert_int_equal(sink_poll_fd(sink), -1);
	daemon = daemon_start();
	assert_int_equal(write_sample(sink, 1), 0);
	assert_sample(daemon, 1);
}

static void test_syslog_restarted(void **state __attribute__((unused)))
{
	_cleanup_sink_ struct sink *sink = NULL;
	int daemon = daemon_start(), old;

	assert_int_equal(sink_syslog_open(SOCKET_NAME, &sink), 0);
	assert_int_equal(write_sample(sink, 1), 0);
	assert_sample(daemon, 1);

	close(daemon);
	unlink(SOCKET_NAME);
	daemon = daemon_start();
	assert_int_equal(write_sample(sink, 2), 0);
	assert_sample(daemon, 2);

	close(daemon); /* and its socket stays */
	assert_int_equal(write_sample(sink, 3), -ECONNREFUSED);
	assert_int_equal(write_sample(sink, 3), -ECONNREFUSED);
	unlink(SOCKET_NAME);
	assert_int_equal(write_sample(sink, 3), -ENOENT);
	daemon = daemon_start();
	assert_int_equal(write_sample(sink, 3), 0);
	assert_sample(daemon, 3);

	/* The old socket is shut, and still open somewhere. */
	assert_int_equal(shutdown(daemon, SHUT_RD), 0);
	assert_int_equal(write_sample(sink, 4), -EPIPE);
	old = daemon;
	unlink(SOCKET_NAME);
	daemon = daemon_start();
	assert_int_equal(write_sample(sink, 4), 0);
	assert_sample(daemon, 4);
	assert_null(daemon_read(daemon));
	close(daemon);
	close(old);
}

/* The samples from 0 on, until one is not taken: which. */
static uint32_t fill(struct sink *sink)
{
	for (uint32_t pid = 0; pid < 100000; pid++) {
		int r = write_sample(sink, pid);

		if (r == 0)
			continue;
		assert_int_equal(r, -EAGAIN);
		assert_true(pid > 0);
		return pid;
	}
	fail_msg("never full");
	return 0;
}

static void test_syslog_full(void **state __attribute__((unused)))
{
	_cleanup_close_ int daemon = daemon_start();
	_cleanup_sink_ struct sink *sink = NULL;
	uint32_t next, seen = 0;

	assert_int_equal(sink_syslog_open(SOCKET_NAME, &sink), 0);
	next = fill(sink);
	assert_true(sink_poll_fd(sink) >= 0);
	assert_false(polls_writable(sink_poll_fd(sink)));
	assert_int_equal(write_sample(sink, next), -EAGAIN);
	while (!polls_writable(sink_poll_fd(sink)))
		assert_sample(daemon, seen++);
	assert_in_range(seen, 1, next);
	assert_int_equal(write_sample(sink, next), 0);
	assert_int_equal(sink_poll_fd(sink), -1);
	while (seen <= next)
		assert_sample(daemon, seen++);
	assert_null(daemon_read(daemon));
}

/* The daemon was replaced, and somebody keeps its old socket and reads nothing. */
static void test_syslog_reopen(void **state __attribute__((unused)))
{
	_cleanup_sink_ struct sink *sink = NULL;
	_cleanup_close_ int daemon = -1;
	const int old = daemon_start();
	uint32_t next;

	assert_int_equal(sink_syslog_open(SOCKET_NAME, &sink), 0);
	next = fill(sink);
	unlink(SOCKET_NAME);
	daemon = daemon_start();
	assert_int_equal(write_sample(sink, next), -EAGAIN);
	assert_int_equal(sink_reopen(sink), 0);
	assert_int_equal(sink_poll_fd(sink), -1);
	assert_int_equal(write_sample(sink, next), 0);
	assert_sample(daemon, next);
	close(old);
}

static void test_syslog_faults(void **state __attribute__((unused)))
{
	_cleanup_close_ int daemon = daemon_start();
	_cleanup_sink_ struct sink *sink = NULL;

	assert_int_equal(sink_syslog_open(SOCKET_NAME, &sink), 0);
	fault_send = (struct fault){ EINTR, 3 };
	assert_int_equal(write_sample(sink, 1), 0);
	fault_send = (struct fault){ ENOBUFS, 1 };
	assert_int_equal(write_sample(sink, 2), -EAGAIN);
	assert_int_equal(sink_poll_fd(sink), -1);
	assert_int_equal(write_sample(sink, 2), 0);
	fault_send = (struct fault){ ECONNRESET, 1 };
	assert_int_equal(write_sample(sink, 3), 0);
	fault_send = (struct fault){ ENOTCONN, 2 };
	assert_int_equal(write_sample(sink, 4), -ENOTCONN);
	assert_int_equal(write_sample(sink, 4), 0);
	fault_send = (struct fault){ EACCES, 1 };
	assert_int_equal(write_sample(sink, 5), -EACCES);
	assert_int_equal(write_sample(sink, 5), 0);
	for (uint32_t pid = 1; pid <= 5; pid++)
		assert_sample(daemon, pid);
	assert_null(daemon_read(daemon));
}

static void test_syslog_longest(void **state __attribute__((unused)))
{
	_cleanup_close_ int daemon = daemon_start();
	_cleanup_sink_ struct sink *sink = NULL;
	struct line line = long_sample(1);

	assert_int_equal(sink_syslog_open(SOCKET_NAME, &sink), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(sink_write(sink, &line, NULL), 0);
	for (int i = 0; i < 4; i++)
		assert_datagram(daemon, &line);
}

/* Too long for the send buffer: the same attempt, its paths cut, and said so. */
static void test_syslog_too_long(void **state __attribute__((unused)))
{
	_cleanup_close_ int daemon = daemon_start();
	_cleanup_sink_ struct sink *sink = NULL;
	struct line line = long_sample(1), shorter = long_sample(1);

	small_send_buffer = true;
	assert_int_equal(sink_syslog_open(SOCKET_NAME, &sink), 0);
	assert_int_equal(write_sample(sink, 6), 0);
	assert_sample(daemon, 6);

	strcpy(line.cgroup.text + line.cgroup.len - strlen("/last.service"), "/last.service");
	strcpy(shorter.cgroup.text, "/.../last.service");
	shorter.cgroup.len = strlen(shorter.cgroup.text);
	strcpy(shorter.exe.text, "/...");
	memset(shorter.exe.text + 4, '\n', 124);
	shorter.exe.text[128] = '\0';
	shorter.exe.len = 128;
	shorter.unit = shorter.exe;
	assert_int_equal(sink_write(sink, &line, NULL), 0);
	assert_datagram(daemon, &shorter);
	assert_int_equal(write_sample(sink, 7), 0);
	assert_sample(daemon, 7);
	assert_null(daemon_read(daemon));
	small_send_buffer = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_syslog_lines),	 TEST(test_syslog_path),
		TEST(test_syslog_appears_later), TEST(test_syslog_restarted),
		TEST(test_syslog_full),		 TEST(test_syslog_reopen),
		TEST(test_syslog_faults),	 TEST(test_syslog_longest),
		TEST(test_syslog_too_long),
	};

	set_local_time();
	return cmocka_run_group_tests_name("sink_syslog", tests, NULL, NULL);
}
