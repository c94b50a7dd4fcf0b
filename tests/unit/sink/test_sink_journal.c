// SPDX-License-Identifier: GPL-2.0-only
/*
 * The journal sink against a datagram socket that the test reads: what it sends is what the
 * protocol has, byte by byte. tests/syslog has a real journald.
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

/* What the kernel takes for the send buffer instead; 0: what was asked for. */
static int send_buffer;

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	if (send_buffer && level == SOL_SOCKET && name == SO_SNDBUF)
		value = &send_buffer;
	return syscall(SYS_setsockopt, fd, level, name, value, len);
}

static const char *head_of(int priority)
{
	static char head[256];

	snprintf(head, sizeof(head),
		 "PRIORITY=%d\nSYSLOG_FACILITY=10\nSYSLOG_IDENTIFIER=smtpward\nSYSLOG_PID=%d\n"
		 "SYSLOG_TIMESTAMP=2026-01-02T03:04:05.123456Z\nMESSAGE=",
		 priority, getpid());
	return head;
}

/* The next datagram is the line, and behind it no field. */
static void assert_bare(int daemon, const struct line *line)
{
	static char want[2 * LINE_TEXT_SIZE];

	snprintf(want, sizeof(want), "%s%s\n", head_of(4), text_of(line));
	assert_string_equal(daemon_read(daemon), want);
}

#define SAMPLE_FIELD "SMTPWARD_TIME=2026-01-02T03:04:05.123456Z\n"

static void test_journal_entries(void **state __attribute__((unused)))
{
	_cleanup_close_ int daemon = daemon_start();
	_cleanup_sink_ struct sink *sink = NULL;
	struct line line = sample(7);
	static char want[2 * LINE_TEXT_SIZE];
	const char *entry;

	assert_int_equal(sink_journal_open(SOCKET_NAME, &sink), 0);
	assert_int_equal(sink_write(sink, &line, NULL), 0);
	snprintf(want, sizeof(want),
		 "%s%s\nSMTPWARD_V=2\n" SAMPLE_FIELD
		 "SMTPWARD_VERDICT=deny\nSMTPWARD_RULE=default\nSMTPWARD_UNIT=a\n"
		 "SMTPWARD_EUID=0\nSMTPWARD_DST=::\nSMTPWARD_DPORT=25\nSMTPWARD_UID=0\n"
		 "SMTPWARD_GID=0\nSMTPWARD_AUID=0\nSMTPWARD_PID=7\nSMTPWARD_PPID=0\n"
		 "SMTPWARD_NETNS=0\nSMTPWARD_CGID=0\nSMTPWARD_EXE=/b\nSMTPWARD_CWD=/"
		 "e\nSMTPWARD_ARGS=f g\nSMTPWARD_ANCESTORS=d<h\n"
		 "SMTPWARD_COMM=c\nSMTPWARD_CGROUP=/a\n",
		 head_of(4), text_of(&line));
	assert_string_equal(daemon_read(daemon), want);

	line.record.rule = 2;
	line.record.auid = UINT32_MAX;
	assert_int_equal(sink_write(sink, &line, NULL), 0);
	entry = daemon_read(daemon);
	assert_non_null(strstr(entry, "\nSMTPWARD_RULE=3\n"));
	assert_non_null(strstr(entry, "\nSMTPWARD_AUID=-\n"));

	line_from_anyone(3, 4, SAMPLE_TIME, &line);
	assert_int_equal(sink_write(sink, &line, NULL), 0);
	snprintf(want, sizeof(want),
		 "%s%s\nSMTPWARD_V=2\n" SAMPLE_FIELD
		 "SMTPWARD_SUPPRESSED=3\nSMTPWARD_LOST=4\nSMTPWARD_UNIT=\nSMTPWARD_CGROUP=\n",
		 head_of(5), text_of(&line));
	assert_string_equal(daemon_read(daemon), want);

	line_from_alert("off", false, SAMPLE_TIME, &line);
	assert_int_equal(sink_write(sink, &line, NULL), 0);
	snprintf(want, sizeof(want),
		 "%s%s\nSMTPWARD_V=2\n" SAMPLE_FIELD "SMTPWARD_ALERT=off\nSMTPWARD_HEALED=no\n",
		 head_of(1), text_of(&line));
	assert_string_equal(daemon_read(daemon), want);
	assert_null(daemon_read(daemon));
}

/* What a caller chose stays a value: it begins no field and ends none. */
static void test_journal_forged(void **state __attribute__((unused)))
{
	_cleanup_close_ int daemon = daemon_start();
	_cleanup_sink_ struct sink *sink = NULL;
	struct line line = sample(7);
	const char *entry;

	strcpy(line.record.comm, "\nPRIORITY=0\n\xff\"");
	assert_int_equal(sink_journal_open(SOCKET_NAME, &sink), 0);
	assert_int_equal(sink_write(sink, &line, NULL), 0);
	entry = daemon_read(daemon);
	assert_non_null(strstr(entry, "\nSMTPWARD_COMM=\\x0aPRIORITY=0\\x0a\\xff\\x22\n"));
	assert_null(strstr(entry, "\nPRIORITY=0"));
}

static void test_journal_longest(void **state __attribute__((unused)))
{
	_cleanup_close_ int daemon = daemon_start();
	_cleanup_sink_ struct sink *sink = NULL;
	struct line line = long_sample(1);
	static char want[2 * LINE_TEXT_SIZE];

	assert_int_equal(sink_journal_open(SOCKET_NAME, &sink), 0);
	assert_int_equal(sink_write(sink, &line, NULL), 0);
	snprintf(want, sizeof(want), "%s%s\nSMTPWARD_V=2\n", head_of(4), text_of(&line));
	assert_int_equal(strncmp(daemon_read(daemon), want, strlen(want)), 0);
}

/* Too long for the send buffer: first the fields go, then paths are cut. */
static void test_journal_too_long(void **state __attribute__((unused)))
{
	_cleanup_close_ int daemon = daemon_start();
	_cleanup_sink_ struct sink *sink = NULL;
	struct line line = long_sample(1);

	send_buffer = LINE_TEXT_SIZE / 2 + 1024; /* the kernel doubles it */
	assert_int_equal(sink_journal_open(SOCKET_NAME, &sink), 0);
	assert_int_equal(sink_write(sink, &line, NULL), 0);
	assert_bare(daemon, &line);

	send_buffer = 1; /* the kernel takes its own minimum for it */
	assert_int_equal(sink_reopen(sink), 0);
	assert_int_equal(sink_write(sink, &line, NULL), 0);
	path_fill(&line.cgroup, 128);
	memcpy(line.cgroup.text, "/...", 4);
	line.unit = line.exe = line.cgroup;
	assert_bare(daemon, &line);
	assert_null(daemon_read(daemon));
	send_buffer = 0;
}

#define DEV_LOG "dev-log"
#define JOURNALD_LOG "journald-log"

static const struct sink_machine_paths paths = {
	.log = DEV_LOG,
	.journald_log = JOURNALD_LOG,
	.journald_socket = SOCKET_NAME,
};

static void assert_is_syslog(int daemon)
{
	assert_int_equal(strncmp(daemon_read(daemon), "<84>", 4), 0);
	assert_null(daemon_read(daemon));
}

static void assert_is_journal(int daemon)
{
	assert_int_equal(strncmp(daemon_read(daemon), "PRIORITY=4\n", 11), 0);
	assert_null(daemon_read(daemon));
}

/* journald's own protocol where the log is its own, and whenever it becomes so. */
static void test_machine(void **state __attribute__((unused)))
{
	_cleanup_close_ int journald_log = -1, journald = -1;
	int rsyslogd = daemon_start_at(DEV_LOG);
	_cleanup_sink_ struct sink *sink = NULL;

	assert_int_equal(sink_machine_open(&paths, &sink), 0);
	assert_int_equal(write_sample(sink, 1), 0);
	assert_is_syslog(rsyslogd);
	/* It is there, and somebody else has the log. */
	journald_log = daemon_start_at(JOURNALD_LOG);
	journald = daemon_start();
	assert_int_equal(sink_reopen(sink), 0);
	assert_int_equal(write_sample(sink, 2), 0);
	assert_is_syslog(rsyslogd);

	assert_int_equal(unlink(DEV_LOG), 0);
	close(rsyslogd);
	assert_int_equal(write_sample(sink, 3), -ENOENT);
	assert_int_equal(symlink(JOURNALD_LOG, DEV_LOG), 0);
	assert_int_equal(write_sample(sink, 3), 0);
	assert_is_journal(journald);
	assert_null(daemon_read(journald_log));

	/* Without its own socket it is a syslog daemon as any other. */
	close(TAKE_FD(journald));
	assert_int_equal(unlink(SOCKET_NAME), 0);
	assert_int_equal(write_sample(sink, 4), -ENOENT);
	assert_int_equal(write_sample(sink, 4), 0);
	assert_is_syslog(journald_log);
}

static void test_machine_without(void **state __attribute__((unused)))
{
	_cleanup_sink_ struct sink *sink = NULL;
	_cleanup_close_ int journald = -1;

	/* What is not there is nobody's. */
	journald = daemon_start();
	assert_int_equal(sink_machine_open(&paths, &sink), 0);
	assert_int_equal(write_sample(sink, 1), -ENOENT);
	assert_int_equal(sink_poll_fd(sink), -1);
	assert_null(daemon_read(journald));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_journal_entries),  TEST(test_journal_forged), TEST(test_journal_longest),
		TEST(test_journal_too_long), TEST(test_machine),	TEST(test_machine_without),
	};

	set_local_time();
	return cmocka_run_group_tests_name("sink_journal", tests, NULL, NULL);
}
