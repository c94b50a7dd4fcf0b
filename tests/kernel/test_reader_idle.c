// SPDX-License-Identifier: GPL-2.0-only
/*
 * A caller that was idle for an hour wakes up while the line of its sum is being written: the
 * entry is not removed with what was counted meanwhile. A time namespace makes the hour, and
 * strace holds the line.
 */
#include "fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <bpf/bpf.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

#define FLOOD 500

/* Microseconds; long enough for the flood that comes meanwhile. */
#define HOLD "inject=write:delay_enter=3000000"

static char path[128];
static struct tally tally;

static int flood(void *arg)
{
	const uint32_t from = *(const uint32_t *)arg;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	for (uint32_t i = from; i < from + FLOOD; i++) {
		struct sockaddr_in6 to = tally_address(0, i);

		if (!connect(fd, (struct sockaddr *)&to, sizeof(to)) || errno != EPERM)
			return 1;
	}
	return 0;
}

/* For children: their boot time is two hours ahead of the kernel's. */
static void move_clock(void)
{
	static const char offset[] = "boottime 7200 0";
	_cleanup_close_ int fd = -1;

	if (unshare(CLONE_NEWTIME))
		fixture_skip("this kernel has no time namespaces");
	fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, offset, strlen(offset)), strlen(offset));
}

/* -D: strace is the grandchild, so that the pid is the logger's. */
static int hold_writes(void *arg)
{
	/* LeakSanitizer is no friend of ptrace(2). */
	setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
	execlp("strace", "strace", "-D", "-qq", "-o", "/dev/null", "-P", path, "-e", HOLD,
	       fixture.binary, "log", "--pins", fixture.pins, "--to", path, NULL);
	return -errno;
}

/* Until the process is in a write(2). */
static void wait_for_write(pid_t pid)
{
	int64_t deadline = clock_ms() + FIXTURE_PATIENCE;
	char name[64], text[64] = "";

	snprintf(name, sizeof(name), "/proc/%d/syscall", (int)pid);
	for (;;) {
		_cleanup_close_ int fd = open(name, O_RDONLY | O_CLOEXEC);
		ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

		text[len > 0 ? len : 0] = '\0';
		if (len > 0 && strtol(text, NULL, 10) == SYS_write && text[0] != 'r')
			return;
		if (!pause_until(deadline))
			fail_msg("the log does not come to its line: %s", text);
	}
}

/* SIGTERM has it sum up; SIGKILL comes once it has taken out the records, and sums up none. */
static void log_and_end(int signal)
{
	const char *argv[] = { "smtpward", "log", "--pins", fixture.pins, "--to", path, NULL };
	int64_t deadline = clock_ms() + FIXTURE_PATIENCE;
	_cleanup_(log_close) struct log log = { 0 };
	struct stat st = { 0 };

	log_start_run(&log, argv, NULL);
	while (stat(path, &st) || !st.st_size)
		assert_true(pause_until(deadline));
	log_end(&log, signal);
}

static void take_file(void)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	ssize_t len;

	assert_non_null(file);
	while ((len = getline(&line, &size, file)) > 0) {
		assert_int_equal(line[len - 1], '\n');
		line[len - 1] = '\0';
		tally_line(&tally, line);
	}
}

static unsigned int count_callers(void)
{
	_cleanup_close_ int fd = bpf_pin_open("policy/map_callers");
	struct smtpward_caller_key key;
	unsigned int n = 0;

	for (void *at = NULL; !bpf_map_get_next_key(fd, at, &key); at = &key)
		n++;
	return n;
}

static void test_woken(void **state)
{
	_cleanup_(log_close) struct log log = { 0 };
	uint32_t from = 0;

	if (system("strace -V >/dev/null 2>&1"))
		fixture_skip("there is no strace");
	snprintf(path, sizeof(path), "%s/lines", fixture.dir);
	unlink(path);
	tally_init(&tally);
	policy_load("limit 1/h burst 1\n");
	cgroup_make("x.service");
	move_clock();
	assert_int_equal(child_run(CHILD_IN("x.service"), flood, &from), 0);
	log_and_end(SIGKILL);

	log_start_run(&log, (const char *const[]){ "smtpward", "log", NULL }, hold_writes);
	assert_int_equal(kill(log.pid, SIGTERM), 0);
	wait_for_write(log.pid);
	from += FLOOD;
	assert_int_equal(child_run(CHILD_IN("x.service"), flood, &from), 0);
	assert_int_equal(log_wait_exit(&log), 0);

	/* Awake it has its entry still, and once it sleeps again that goes. */
	log_and_end(SIGTERM);
	log_and_end(SIGTERM);
	assert_int_equal(count_callers(), 0);
	take_file();
	assert_int_equal(tally.twice, 0);
	assert_int_equal(tally_sum(&tally), 2 * FLOOD);
	tally_free(&tally);
	assert_int_equal(unlink(path), 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, fixture_tidy)

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_woken),
	};

	return cmocka_run_group_tests_name("reader, idle", tests, fixture_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
