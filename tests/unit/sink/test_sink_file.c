// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file sink against real files, on a disk that fills up among others: never a torn
 * line, never one twice.
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
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sink/sink_fixture.h"

static struct fault fault_write, fault_truncate;
static unsigned int truncations;

ssize_t write(int fd, const void *data, size_t len)
{
	return fault_strikes(&fault_write) ? -1 : syscall(SYS_write, fd, data, len);
}

int ftruncate(int fd, off_t len)
{
	truncations++;
	return fault_strikes(&fault_truncate) ? -1 : syscall(SYS_ftruncate, fd, len);
}

static const char *file_text(const char *path)
{
	static char text[1 << 20];
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n;

	assert_true(fd >= 0);
	while ((n = read(fd, text + used, sizeof(text) - 1 - used)) > 0)
		used += n;
	assert_int_equal(n, 0);
	text[used] = '\0';
	assert_int_equal(strlen(text), used);
	return text;
}

static void test_file_lines(void **state __attribute__((unused)))
{
	_cleanup_sink_ struct sink *sink = NULL;
	char want[512];
	struct stat st;

	umask(0);
	assert_int_equal(sink_file_open("log", &sink), 0);
	assert_int_equal(stat("log", &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(write_sample(sink, 7), 0);
	snprintf(want, sizeof(want),
		 "2026-01-02T03:04:05.123456Z smtpward[%d]: v=2 "
		 "time=2026-01-02T03:04:05.123456Z verdict=deny rule=default unit=\"a\" euid=0 "
		 "dst=:: dport=25 uid=0 gid=0 auid=0 pid=7 ppid=0 netns=0 cgid=0 exe=\"/b\" "
		 "cwd=\"/e\" args=\"f g\" ancestors=\"d<h\" comm=\"c\" cgroup=\"/a\"\n",
		 getpid());
	assert_string_equal(file_text("log"), want);
	assert_int_equal(sink_poll_fd(sink), -1);

	sink_free(sink);
	assert_int_equal(sink_file_open("log", &sink), 0);
	assert_int_equal(write_sample(sink, 8), 0);
	assert_samples(file_text("log"), 7, 2, false);
}

static void test_file_refused(void **state __attribute__((unused)))
{
	struct sink *sink = (struct sink *)state;
	_cleanup_close_ int reader = -1;

	assert_int_equal(sink_file_open("no/such", &sink), -ENOENT);
	assert_int_equal(mkdir("dir", 0700), 0);
	assert_int_equal(sink_file_open("dir", &sink), -EISDIR);
	assert_int_equal(symlink("target", "link"), 0);
	assert_int_equal(sink_file_open("link", &sink), -ELOOP);
	assert_int_equal(access("target", F_OK), -1);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(sink_file_open("fifo", &sink), -ENXIO);
	reader = open("fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(reader >= 0);
	assert_int_equal(sink_file_open("fifo", &sink), -EINVAL);
	assert_int_equal(sink_file_open("/dev/null", &sink), -EINVAL);
	assert_ptr_equal(sink, state);
}

#define OTHER 65534

/* In a directory as given, which is then removed. */
static int open_in(uid_t uid, gid_t gid, mode_t mode, const char *path)
{
	struct sink *sink = NULL;
	int r;

	assert_int_equal(mkdir("dir", 0700), 0);
	assert_int_equal(mkdir("dir/ours", 0700), 0);
	assert_int_equal(symlink("dir/ours", "way"), 0);
	assert_int_equal(chown("dir", uid, gid), 0);
	assert_int_equal(chmod("dir", mode), 0);
	r = sink_file_open(path, &sink);
	sink_free(sink);
	assert_int_equal(unlink(path), r ? -1 : 0);
	assert_int_equal(unlink("way"), 0);
	assert_int_equal(rmdir("dir/ours"), 0);
	assert_int_equal(rmdir("dir"), 0);
	return r;
}

/* Where others could put a file in the place of ours, or us on the way to another. */
static void test_file_in_others_directory(void **state __attribute__((unused)))
{
	const char *const paths[] = { "dir/log", "dir/ours/log", "way/log", "./dir/../dir/log" };

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		assert_int_equal(open_in(0, 0, 0755, paths[i]), 0);
		assert_int_equal(open_in(0, OTHER, 0755, paths[i]), 0);
		assert_int_equal(open_in(0, 0, 0775, paths[i]), 0);
		assert_int_equal(open_in(0, 0, 01777, paths[i]), 0);
		assert_int_equal(open_in(OTHER, OTHER, 0755, paths[i]), -EPERM);
		assert_int_equal(open_in(OTHER, OTHER, 01777, paths[i]), -EPERM);
		assert_int_equal(open_in(0, 0, 0757, paths[i]), -EPERM);
		assert_int_equal(open_in(0, OTHER, 0775, paths[i]), -EPERM);
	}
}

static int open_with(uid_t uid, gid_t gid, mode_t mode, bool linked)
{
	struct sink *sink = NULL;
	int r, fd = open("log", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fchown(fd, uid, gid), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	assert_true(!linked || !link("log", "second"));
	r = sink_file_open("log", &sink);
	sink_free(sink);
	assert_true(!linked || !unlink("second"));
	assert_int_equal(unlink("log"), 0);
	return r;
}

/* A file that is there already: only one that others cannot have written to. */
static void test_file_of_others(void **state __attribute__((unused)))
{
	assert_int_equal(open_with(0, 0, 0600, false), 0);
	assert_int_equal(open_with(0, OTHER, 0644, false), 0);
	assert_int_equal(open_with(0, 0, 0660, false), 0);
	assert_int_equal(open_with(OTHER, 0, 0600, false), -EPERM);
	assert_int_equal(open_with(0, OTHER, 0660, false), -EPERM);
	assert_int_equal(open_with(0, 0, 0602, false), -EPERM);
	assert_int_equal(open_with(0, 0, 0600, true), -EPERM);
}

static void test_file_reopen(void **state __attribute__((unused)))
{
	_cleanup_sink_ struct sink *sink = NULL;

	assert_int_equal(sink_file_open("log", &sink), 0);
	assert_int_equal(write_sample(sink, 1), 0);
	assert_int_equal(rename("log", "log.1"), 0);
	assert_int_equal(write_sample(sink, 2), 0);

	assert_int_equal(mkdir("log", 0700), 0);
	assert_int_equal(sink_reopen(sink), -EISDIR);
	assert_int_equal(write_sample(sink, 3), 0);
	assert_int_equal(rmdir("log"), 0);
	assert_int_equal(close(open("log", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)), 0);
	assert_int_equal(chown("log", OTHER, OTHER), 0);
	assert_int_equal(sink_reopen(sink), -EPERM);
	assert_int_equal(unlink("log"), 0);

	assert_int_equal(sink_reopen(sink), 0);
	assert_int_equal(write_sample(sink, 4), 0);
	assert_int_equal(sink_reopen(sink), 0);
	assert_int_equal(write_sample(sink, 5), 0);
	assert_samples(file_text("log.1"), 1, 3, false);
	assert_samples(file_text("log"), 4, 2, false);
}

/* Receipts go by the file's length: nobody else writes to it. */
static void test_file_is_locked(void **state)
{
	_cleanup_sink_ struct sink *first = NULL, *second = NULL;
	struct sink *third = (struct sink *)state;

	assert_int_equal(sink_file_open("log", &first), 0);
	assert_int_equal(sink_file_open("log", &third), -EBUSY);
	assert_ptr_equal(third, state);
	assert_int_equal(sink_reopen(first), 0);
	assert_int_equal(sink_file_open("log", &third), -EBUSY);
	/* Rotated away, it is the first one's still; a reopen finds what became of the name. */
	assert_int_equal(rename("log", "log.1"), 0);
	assert_int_equal(sink_file_open("log", &second), 0);
	assert_int_equal(sink_reopen(first), -EBUSY);
	assert_int_equal(write_sample(first, 1), 0);
	assert_samples(file_text("log.1"), 1, 1, false);
	sink_free(TAKE_PTR(second));
	assert_int_equal(sink_reopen(first), 0);
	assert_int_equal(write_sample(first, 2), 0);
	assert_samples(file_text("log"), 2, 1, false);
}

static void test_file_faults(void **state __attribute__((unused)))
{
	_cleanup_sink_ struct sink *sink = NULL;

	assert_int_equal(sink_file_open("log", &sink), 0);
	fault_write = (struct fault){ EINTR, 3 };
	assert_int_equal(write_sample(sink, 1), 0);
	fault_write = (struct fault){ EIO, 2 };
	assert_int_equal(write_sample(sink, 2), -EIO);
	assert_int_equal(write_sample(sink, 2), -EIO);
	assert_int_equal(write_sample(sink, 2), 0);
	assert_samples(file_text("log"), 1, 2, false);
}

/* Runs a test in a process of its own, for what cannot be undone. 77 is a skip. */
static void run_child(void (*body)(void), const char *skip_reason)
{
	pid_t child;
	int status;

	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		body();
		fflush(NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("skipped: %s\n", skip_reason);
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define CHILD_ASSERT(condition)                                                         \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			_exit(1);                                                       \
		}                                                                       \
	} while (0)

/* A file of so many lines of samples, and nothing else. */
static void child_assert_file(const char *path, uint32_t lines)
{
	const char *text = file_text(path);

	for (uint32_t pid = 0; pid < lines; pid++) {
		struct line line = sample(pid);
		const char *want = line_of(&line);

		CHILD_ASSERT(strncmp(text, want, strlen(want)) == 0);
		text += strlen(want);
	}
	CHILD_ASSERT(*text == '\0');
}

static void child_fill_disk(void)
{
	static const char filler[32768];
	struct sink *sink = NULL;
	uint32_t pid = 0;
	int fd, r;

	if (unshare(CLONE_NEWNS) < 0)
		_exit(77);
	CHILD_ASSERT(mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0);
	CHILD_ASSERT(mkdir("disk", 0700) == 0);
	CHILD_ASSERT(mount("tmpfs", "disk", "tmpfs", 0, "size=64k") == 0);
	fd = open("disk/filler", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CHILD_ASSERT(fd >= 0 && write(fd, filler, sizeof(filler)) == sizeof(filler));
	close(fd);

	CHILD_ASSERT(sink_file_open("disk/log", &sink) == 0);
	while ((r = write_sample(sink, pid)) == 0)
		pid++;
	CHILD_ASSERT(pid > 0);
	CHILD_ASSERT(r == -ENOSPC);
	CHILD_ASSERT(truncations == 1); /* the disk took half a line */
	child_assert_file("disk/log", pid);
	CHILD_ASSERT(write_sample(sink, pid) == -ENOSPC);
	child_assert_file("disk/log", pid);
	CHILD_ASSERT(unlink("disk/filler") == 0);
	CHILD_ASSERT(write_sample(sink, pid) == 0);
	CHILD_ASSERT(write_sample(sink, pid + 1) == 0);
	child_assert_file("disk/log", pid + 2);
	sink_free(sink);
}

static void test_file_full_disk(void **state __attribute__((unused)))
{
	run_child(child_fill_disk, "no mount namespace: not root");
}

static void limit_file_size(rlim_t size)
{
	struct rlimit limit = { size, RLIM_INFINITY };

	CHILD_ASSERT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

/* The first line and 100 bytes of the second. */
static rlim_t torn_size(void)
{
	struct line line = sample(0);

	return strlen(line_of(&line)) + 100;
}

static void child_fill_limit(void)
{
	struct sink *sink = NULL;

	signal(SIGXFSZ, SIG_IGN);
	CHILD_ASSERT(sink_file_open("log", &sink) == 0);
	limit_file_size(torn_size());
	CHILD_ASSERT(write_sample(sink, 0) == 0);
	CHILD_ASSERT(write_sample(sink, 1) == -ENOSPC);
	CHILD_ASSERT(write_sample(sink, 1) == -ENOSPC);
	CHILD_ASSERT(truncations == 2);
	child_assert_file("log", 1);
	limit_file_size(torn_size() - 100);
	CHILD_ASSERT(write_sample(sink, 1) == -EFBIG);
	child_assert_file("log", 1);
	limit_file_size(RLIM_INFINITY);
	CHILD_ASSERT(write_sample(sink, 1) == 0);
	child_assert_file("log", 2);
	sink_free(sink);
}

static void test_file_size_limit(void **state __attribute__((unused)))
{
	run_child(child_fill_limit, "");
}

/* Half a line that cannot be taken back: the rest is all that is written later. */
static void child_cannot_truncate(void)
{
	struct sink *sink = NULL;
	struct stat st;

	signal(SIGXFSZ, SIG_IGN);
	CHILD_ASSERT(sink_file_open("log", &sink) == 0);
	CHILD_ASSERT(write_sample(sink, 0) == 0);
	limit_file_size(torn_size());
	fault_truncate = (struct fault){ EPERM, 100 };
	CHILD_ASSERT(write_sample(sink, 1) == -ENOSPC);
	CHILD_ASSERT(stat("log", &st) == 0 && (rlim_t)st.st_size == torn_size());
	CHILD_ASSERT(write_sample(sink, 1) == -EFBIG);
	limit_file_size(torn_size() + 10);
	CHILD_ASSERT(write_sample(sink, 1) == -ENOSPC);
	CHILD_ASSERT(sink_reopen(sink) == 0); /* the same file */
	limit_file_size(RLIM_INFINITY);
	CHILD_ASSERT(write_sample(sink, 1) == 0);
	CHILD_ASSERT(write_sample(sink, 2) == 0);
	child_assert_file("log", 3);
	sink_free(sink);
}

static void test_file_cannot_truncate(void **state __attribute__((unused)))
{
	run_child(child_cannot_truncate, "");
}

/* The same, and then the file is rotated away: the new one has the line whole. */
static void child_cannot_truncate_rotated(void)
{
	struct sink *sink = NULL;

	signal(SIGXFSZ, SIG_IGN);
	CHILD_ASSERT(sink_file_open("log", &sink) == 0);
	limit_file_size(100);
	fault_truncate = (struct fault){ EPERM, 1 };
	CHILD_ASSERT(write_sample(sink, 0) == -ENOSPC);
	limit_file_size(RLIM_INFINITY);
	CHILD_ASSERT(rename("log", "log.1") == 0);
	CHILD_ASSERT(sink_reopen(sink) == 0);
	CHILD_ASSERT(write_sample(sink, 0) == 0);
	child_assert_file("log", 1);
	sink_free(sink);
}

static void test_file_cannot_truncate_rotated(void **state __attribute__((unused)))
{
	run_child(child_cannot_truncate_rotated, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_file_lines),
		TEST(test_file_refused),
		TEST(test_file_in_others_directory),
		TEST(test_file_of_others),
		TEST(test_file_reopen),
		TEST(test_file_is_locked),
		TEST(test_file_faults),
		TEST(test_file_full_disk),
		TEST(test_file_size_limit),
		TEST(test_file_cannot_truncate),
		TEST(test_file_cannot_truncate_rotated),
	};

	set_local_time();
	return cmocka_run_group_tests_name("sink_file", tests, NULL, NULL);
}
