/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of all sinks need: a directory, attempts, and calls that fail when
 * told to. Included after cmocka.h.
 */
#ifndef SMTPWARD_TEST_SINK_FIXTURE_H
#define SMTPWARD_TEST_SINK_FIXTURE_H

#include <dirent.h>
#include <ftw.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "line/line_fields.h"
#include "sink/sink.h"

#define _cleanup_sink_ _cleanup_(sink_freep)

/* Faults: the next calls of one function fail, then the kernel is asked again. */

struct fault {
	int error;
	int times;
};

static inline bool fault_strikes(struct fault *fault)
{
	if (fault->times == 0)
		return false;
	fault->times--;
	errno = fault->error;
	return true;
}

/* Each test has a directory of its own, is in it, and leaves no descriptor open. */

struct sandbox {
	char dir[32];
	unsigned int fds;
};

static inline unsigned int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static inline int remove_entry(const char *path, const struct stat *st __attribute__((unused)),
			       int type __attribute__((unused)),
			       struct FTW *ftw __attribute__((unused)))
{
	return remove(path);
}

static inline int setup(void **state)
{
	struct sandbox *sandbox = calloc(1, sizeof(*sandbox));

	assert_non_null(sandbox);
	strcpy(sandbox->dir, "/tmp/smtpward-test-XXXXXX");
	assert_non_null(mkdtemp(sandbox->dir));
	sandbox->fds = count_fds();
	*state = sandbox;
	return chdir(sandbox->dir);
}

static inline int teardown(void **state)
{
	_cleanup_free_ struct sandbox *sandbox = *state;

	assert_int_equal(count_fds(), sandbox->fds);
	assert_int_equal(chdir("/"), 0);
	return nftw(sandbox->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* 2026-01-02T03:04:05.123456Z */
#define SAMPLE_TIME 1767323045123456789ULL

static inline struct line sample(uint32_t pid)
{
	return (struct line){
		.kind = LINE_ATTEMPT,
		.time = SAMPLE_TIME,
		.record = {
			.rule = SMTPWARD_RULE_NONE,
			.port = 25,
			.pid = pid,
			.comm = "c",
		},
		.cgroup = { "/a", 2 },
		.unit = { "a", 1 },
		.exe = { "/b", 2 },
		.cwd = { "/e", 2 },
		.args = { "f\0g", 3 },
		.ancestors = { "d\0h", 3 },
	};
}

static inline void path_fill(struct line_path *path, size_t len)
{
	memset(path->text, '\n', len);
	path->text[0] = '/';
	path->text[len] = '\0';
	path->len = len;
}

/* As long as a line gets. */
static inline struct line long_sample(uint32_t pid)
{
	struct line line = sample(pid);

	path_fill(&line.cgroup, LINE_PATH_SIZE - 1);
	path_fill(&line.unit, LINE_PATH_SIZE - 1);
	path_fill(&line.exe, LINE_PATH_SIZE - 1);
	line_shorten(&line);
	return line;
}

static inline int write_sample(struct sink *sink, uint32_t pid)
{
	struct line line = sample(pid);

	return sink_write(sink, &line, NULL);
}

static inline int write_long(struct sink *sink, uint32_t pid)
{
	struct line line = long_sample(pid);

	return sink_write(sink, &line, NULL);
}

static inline const char *text_of(const struct line *line)
{
	static char text[LINE_TEXT_SIZE];

	assert_true(line_to_text(line, text, sizeof(text)) > 0);
	return text;
}

/* As a file has the line. */
static inline const char *line_of(const struct line *line)
{
	static char text[SINK_LINE_SIZE];

	snprintf(text, sizeof(text), "2026-01-02T03:04:05.123456Z smtpward[%d]: %s\n", getpid(),
		 text_of(line));
	return text;
}

/* What text says, as lines of the samples with these pids and nothing else. */
static inline void assert_samples(const char *text, uint32_t first, uint32_t count, bool all_long)
{
	for (uint32_t pid = first; pid < first + count; pid++) {
		struct line line = all_long ? long_sample(pid) : sample(pid);
		const char *want = line_of(&line);

		assert_int_equal(strncmp(text, want, strlen(want)), 0);
		text += strlen(want);
	}
	assert_string_equal(text, "");
}

static inline bool polls_writable(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLOUT };

	return poll(&pollfd, 1, 0) == 1 && pollfd.revents == POLLOUT;
}

#define SOCKET_NAME "log.sock"

/* A daemon's socket, in the current directory. */
static inline int daemon_start_at(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(strlen(name) < sizeof(address.sun_path));
	strcpy(address.sun_path, name);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static inline int daemon_start(void)
{
	return daemon_start_at(SOCKET_NAME);
}

/* The next datagram, or NULL if there is none. */
static inline const char *daemon_read(int fd)
{
	static char datagram[4 * LINE_TEXT_SIZE];
	ssize_t len = recv(fd, datagram, sizeof(datagram) - 1, 0);

	if (len < 0) {
		assert_int_equal(errno, EAGAIN);
		return NULL;
	}
	datagram[len] = '\0';
	assert_int_equal(strlen(datagram), len);
	return datagram;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Half an hour off: a time that is not local, or local where it must not be, shows. */
static inline void set_local_time(void)
{
	setenv("TZ", "TST-5:30", 1);
	tzset();
}

#endif /* SMTPWARD_TEST_SINK_FIXTURE_H */
