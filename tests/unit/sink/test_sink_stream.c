// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stream sink against pipes that fill up, stop and break: never a torn line, never
 * one twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "sink/sink_fixture.h"

static struct fault fault_write;

ssize_t write(int fd, const void *data, size_t len)
{
	return fault_strikes(&fault_write) ? -1 : syscall(SYS_write, fd, data, len);
}

struct stream {
	int reader, writer;
	char text[1 << 20]; /* read so far */
	size_t used;
};

static struct stream *stream_start(int flags)
{
	struct stream *stream = calloc(1, sizeof(*stream));
	int fds[2];

	assert_non_null(stream);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	stream->reader = fds[0];
	stream->writer = fds[1];
	assert_true(fcntl(stream->writer, F_SETPIPE_SZ, 8192) >= 8192);
	assert_int_equal(fcntl(stream->reader, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(fcntl(stream->writer, F_SETFL, flags), 0);
	return stream;
}

/* At most so many bytes; false if there was nothing to read. */
static bool stream_read(struct stream *stream, size_t size)
{
	ssize_t n = read(stream->reader, stream->text + stream->used, size);

	if (n < 0) {
		assert_int_equal(errno, EAGAIN);
		return false;
	}
	stream->used += n;
	assert_true(stream->used < sizeof(stream->text));
	return n > 0;
}

static void stream_read_all(struct stream *stream)
{
	while (stream_read(stream, 4096))
		;
}

static void stream_end(struct stream *stream)
{
	close(stream->reader);
	close(stream->writer);
	free(stream);
}

static void test_stream_text(void **state __attribute__((unused)))
{
	struct stream *stream = stream_start(0);
	struct sink *sink = NULL;

	assert_int_equal(sink_stream_open(stream->writer, false, &sink), 0);
	assert_int_equal(write_sample(sink, 0), 0);
	assert_int_equal(write_sample(sink, 1), 0);
	stream_read_all(stream);
	assert_samples(stream->text, 0, 2, false);
	assert_int_equal(sink_poll_fd(sink), -1);
	assert_int_equal(sink_reopen(sink), 0);
	sink_free(sink);
	assert_int_equal(fcntl(stream->writer, F_GETFL) & O_NONBLOCK, 0);
	stream_end(stream);
	assert_int_equal(sink_stream_open(-1, false, &sink), -EBADF);
}

static void test_stream_json(void **state __attribute__((unused)))
{
	struct stream *stream = stream_start(0);
	struct sink *sink = NULL;
	struct line line;

	assert_int_equal(sink_stream_open(stream->writer, true, &sink), 0);
	assert_int_equal(write_sample(sink, 7), 0);
	line_from_anyone(1, 2, SAMPLE_TIME, &line);
	assert_int_equal(sink_write(sink, &line, NULL), 0);
	stream_read_all(stream);
	assert_string_equal(
		stream->text,
		"{\"kind\":\"attempt\",\"v\":2,\"time\":\"2026-01-02T03:04:05.123456Z\","
		"\"verdict\":\"deny\",\"rule\":0,\"unit\":\"a\",\"euid\":0,\"dst\":\"::\","
		"\"dport\":25,\"uid\":0,\"gid\":0,\"auid\":0,\"pid\":7,\"ppid\":0,\"netns\":0,"
		"\"cgid\":0,\"exe\":\"/b\",\"cwd\":\"/e\",\"args\":\"f "
		"g\",\"ancestors\":\"d<h\",\"comm\":\"c\",\"cgroup\":\"/a\"}\n"
		"{\"kind\":\"summary\",\"v\":2,\"time\":\"2026-01-02T03:04:05.123456Z\","
		"\"suppressed\":1,\"lost\":2,\"unit\":\"\",\"cgroup\":\"\"}\n");
	sink_free(sink);
	stream_end(stream);
}

/* Long lines through a pipe of two pages, read in pieces that fit nothing. */
static void stream_squeeze(struct stream *stream, struct sink *sink, uint32_t lines)
{
	unsigned int refused = 0;

	for (uint32_t pid = 0; pid < lines; pid++) {
		int r;

		while ((r = write_long(sink, pid)) == -EAGAIN) {
			assert_true(stream_read(stream, 1 + refused % 3000));
			refused++;
		}
		assert_int_equal(r, 0);
	}
	assert_true(refused > lines);
	stream_read_all(stream);
}

static void test_stream_slow_text(void **state __attribute__((unused)))
{
	struct stream *stream = stream_start(O_NONBLOCK);
	struct sink *sink = NULL;

	assert_int_equal(sink_stream_open(stream->writer, false, &sink), 0);
	stream_squeeze(stream, sink, 20);
	assert_samples(stream->text, 0, 20, true);
	sink_free(sink);
	stream_end(stream);
}

static void test_stream_slow_json(void **state __attribute__((unused)))
{
	struct stream *stream = stream_start(O_NONBLOCK);
	struct sink *sink = NULL;
	char *line, *rest;

	assert_int_equal(sink_stream_open(stream->writer, true, &sink), 0);
	stream_squeeze(stream, sink, 20);
	line = stream->text;
	for (uint32_t pid = 0; pid < 20; pid++, line = rest + 1) {
		json_auto_t *object = NULL;

		rest = strchr(line, '\n');
		assert_non_null(rest);
		object = json_loadb(line, rest - line, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(object);
		assert_int_equal(json_integer_value(json_object_get(object, "pid")), pid);
	}
	assert_string_equal(line, "");
	sink_free(sink);
	stream_end(stream);
}

/* Where nothing of a line is out, nothing of it is kept. */
static void test_stream_full(void **state __attribute__((unused)))
{
	struct stream *stream = stream_start(O_NONBLOCK);
	struct sink *sink = NULL;
	size_t filled = 0;

	assert_int_equal(sink_stream_open(stream->writer, false, &sink), 0);
	while (write(stream->writer, "x", 1) == 1)
		filled++;
	assert_int_equal(write_sample(sink, 1), -EAGAIN);
	assert_false(polls_writable(sink_poll_fd(sink)));
	stream_read_all(stream);
	assert_int_equal(stream->used, filled);
	assert_true(polls_writable(sink_poll_fd(sink)));
	assert_int_equal(write_sample(sink, 2), 0);
	stream_read_all(stream);
	assert_samples(stream->text + filled, 2, 1, false);
	sink_free(sink);
	stream_end(stream);
}

static void test_stream_gone(void **state __attribute__((unused)))
{
	struct stream *stream = stream_start(O_NONBLOCK);
	struct sink *sink = NULL;

	assert_int_equal(sink_stream_open(stream->writer, false, &sink), 0);
	assert_int_equal(write_long(sink, 0), 0);
	assert_int_equal(write_long(sink, 1), -EAGAIN);
	assert_int_equal(close(stream->reader), 0);
	assert_int_equal(write_long(sink, 1), -EPIPE);
	assert_int_equal(write_long(sink, 1), -EPIPE);
	assert_int_equal(sink_poll_fd(sink), -1);
	sink_free(sink);
	assert_int_equal(sink_stream_open(stream->writer, true, &sink), 0);
	assert_int_equal(write_sample(sink, 1), -EPIPE);
	sink_free(sink);
	close(stream->writer);
	free(stream);
}

/* A reader that has stopped, and a pipe that would block: write does not. */
static void test_stream_blocking(void **state __attribute__((unused)))
{
	struct stream *stream = stream_start(0);
	struct sink *sink = NULL;

	assert_int_equal(sink_stream_open(stream->writer, false, &sink), 0);
	stream_squeeze(stream, sink, 20);
	assert_samples(stream->text, 0, 20, true);
	sink_free(sink);
	stream_end(stream);
}

static void test_stream_interrupted(void **state __attribute__((unused)))
{
	struct stream *stream = stream_start(0);
	struct sink *sink = NULL;

	assert_int_equal(sink_stream_open(stream->writer, false, &sink), 0);
	fault_write = (struct fault){ EINTR, 1 };
	assert_int_equal(write_sample(sink, 0), -EAGAIN);
	assert_int_equal(write_sample(sink, 0), 0);
	fault_write = (struct fault){ ENOSPC, 1 };
	assert_int_equal(write_sample(sink, 1), -ENOSPC);
	assert_int_equal(sink_poll_fd(sink), -1);
	assert_int_equal(write_sample(sink, 1), 0);
	stream_read_all(stream);
	assert_samples(stream->text, 0, 2, false);
	sink_free(sink);
	stream_end(stream);
}

/*
 * Somebody else writes to the same pipe, and that takes the room which the poll saw. It blocks,
 * as its other writer wants it, and a write that waits would never end.
 */
static struct stream *crowded;

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	int ready = (int)syscall(SYS_poll, fds, n, timeout);
	char page[4096] = "";

	if (ready > 0 && crowded && fds[0].events == POLLOUT)
		assert_int_equal(syscall(SYS_write, crowded->writer, page, sizeof(page)), 4096);
	return ready;
}

static void test_stream_crowded(void **state __attribute__((unused)))
{
	struct stream *stream = stream_start(0);
	struct sink *sink = NULL;
	char page[4096] = "";

	assert_int_equal(sink_stream_open(stream->writer, false, &sink), 0);
	assert_int_equal(write(stream->writer, page, sizeof(page)), sizeof(page));
	crowded = stream;
	alarm(10);
	assert_int_equal(write_sample(sink, 1), -EAGAIN);
	alarm(0);
	crowded = NULL;
	stream_read_all(stream);
	assert_int_equal(stream->used, 8192);
	assert_int_equal(write_sample(sink, 1), 0);
	stream_read_all(stream);
	assert_samples(stream->text + 8192, 1, 1, false);
	sink_free(sink);
	stream_end(stream);
}

/* A terminal that nobody reads, or that somebody has stopped: polls writable at first. */
static void test_stream_terminal(void **state __attribute__((unused)))
{
	_cleanup_close_ int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	_cleanup_close_ int slave = -1;
	struct sink *sink = NULL;
	struct termios raw;
	uint32_t pid = 0;
	char text[4096];
	int r;

	assert_true(master >= 0 && !grantpt(master) && !unlockpt(master));
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(slave >= 0);
	assert_int_equal(tcgetattr(slave, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(slave, TCSANOW, &raw), 0);
	assert_int_equal(sink_stream_open(slave, false, &sink), 0);
	assert_int_equal(tcflow(slave, TCOOFF), 0);
	alarm(10);
	assert_int_equal(write_sample(sink, 1), -EAGAIN);
	assert_int_equal(tcflow(slave, TCOON), 0);
	/* A worker of the kernel may make some more room meanwhile. */
	for (int full = 0; full < 100; full = r ? full + 1 : 0) {
		r = write_long(sink, pid);
		assert_true(r == -EAGAIN || (r == 0 && pid++ < 100000));
	}
	alarm(0);
	assert_int_equal(fcntl(slave, F_GETFL) & O_NONBLOCK, 0);
	/* Whoever reads again has the rest of the line. */
	assert_int_equal(fcntl(master, F_SETFL, O_NONBLOCK), 0);
	do
		while (read(master, text, sizeof(text)) > 0)
			;
	while ((r = write_long(sink, pid)) == -EAGAIN);
	assert_int_equal(r, 0);
	sink_free(sink);
}

/* A socket takes what it can, and has no other end that another description would help. */
static void test_stream_socket(void **state __attribute__((unused)))
{
	struct sink *sink = NULL;
	uint32_t pid = 0;
	int fds[2], r;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(sink_stream_open(fds[0], false, &sink), 0);
	alarm(10);
	while ((r = write_long(sink, pid)) == 0)
		assert_true(pid++ < 100000);
	alarm(0);
	assert_int_equal(r, -EAGAIN);
	assert_int_equal(close(fds[1]), 0);
	assert_int_equal(write_long(sink, pid), -EPIPE);
	sink_free(sink);
	close(fds[0]);
}

/* What a closed stdout is: it takes nothing, and is not opened anew for that. */
static void test_stream_read_only(void **state __attribute__((unused)))
{
	_cleanup_close_ int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct sink *sink = NULL;

	assert_true(fd >= 0);
	assert_int_equal(sink_stream_own(fd), -EBADF);
	assert_int_equal(sink_stream_open(fd, true, &sink), 0);
	assert_int_equal(write_sample(sink, 1), -EBADF);
	sink_free(sink);
}

static void test_free_nothing(void **state __attribute__((unused)))
{
	_cleanup_sink_ struct sink *sink = NULL;

	sink_free(sink);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_stream_text),	     TEST(test_stream_json),
		TEST(test_stream_slow_text), TEST(test_stream_slow_json),
		TEST(test_stream_full),	     TEST(test_stream_gone),
		TEST(test_stream_blocking),  TEST(test_stream_interrupted),
		TEST(test_stream_crowded),   TEST(test_stream_terminal),
		TEST(test_stream_socket),    TEST(test_stream_read_only),
		TEST(test_free_nothing),
	};

	signal(SIGPIPE, SIG_IGN);
	set_local_time();
	return cmocka_run_group_tests_name("sink_stream", tests, NULL, NULL);
}
