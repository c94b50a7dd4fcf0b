// SPDX-License-Identifier: GPL-2.0-only
/*
 * The logger is killed at the worst moment: the line is out, and the note of it is
 * not made. strace holds it there, between the system call's end and its return.
 */
#include "fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#define ATTEMPTS 40
#define WINDOWS 8

/* Whatever a line may go out by; microseconds. */
#define HOLD "inject=write,writev,pwrite64,sendto,sendmsg,sendmmsg:delay_exit=200000"

struct scene {
	const char *to;
	bool sums_up; /* it is told to end first: that is when it sums up */
	bool reader;  /* not root, but the reader that is not */
	int socket;   /* of syslog, or -1 */
	int file;
	size_t used; /* of text, which is what the file holds behind its last whole line */
	char text[65536];
	struct tally tally;
};

static int attempts(void *arg)
{
	const int users = *(int *)arg;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	for (uint32_t i = 0; i < ATTEMPTS; i++) {
		struct sockaddr_in6 to = tally_address(0, i);

		if (users && (seteuid(0) || seteuid((uid_t)(100000 + (int)i % users))))
			return 1;
		if (!connect(fd, (struct sockaddr *)&to, sizeof(to)) || errno != EPERM)
			return 1;
	}
	return 0;
}

static void take_file(struct scene *scene)
{
	ssize_t got =
		read(scene->file, scene->text + scene->used, sizeof(scene->text) - scene->used - 1);
	char *begin = scene->text, *end;

	assert_true(got >= 0);
	scene->used += (size_t)got;
	scene->text[scene->used] = '\0';
	while ((end = strchr(begin, '\n'))) {
		*end = '\0';
		tally_line(&scene->tally, begin);
		begin = end + 1;
	}
	scene->used -= (size_t)(begin - scene->text);
	memmove(scene->text, begin, scene->used);
}

static void take(struct scene *scene)
{
	if (scene->socket >= 0)
		tally_datagrams(&scene->tally, scene->socket);
	else
		take_file(scene);
}

/* -D: strace is the grandchild, so that the pid is the logger's. */
static pid_t start_held(const struct scene *scene)
{
	pid_t pid = fork();

	if (!pid) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDERR_FILENO);
		if (scene->reader && reader_become(NULL))
			_exit(126);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execlp("strace", "strace", "-D", "-qq", "-o", "/dev/null", "-e", HOLD,
		       fixture.binary, "log", "--pins", fixture.pins, "--to", scene->to, NULL);
		_exit(127);
	}
	assert_true(pid > 0);
	child_register(pid);
	return pid;
}

/* As soon as one line is out. False if there is nothing more to write. */
static bool kill_in_the_window(struct scene *scene)
{
	const uint64_t before = tally_sum(&scene->tally);
	int64_t deadline = clock_ms() + 5000 * fixture_slow();
	int64_t told = clock_ms() + 1000 * fixture_slow();
	pid_t pid = start_held(scene);
	int status;

	while (tally_sum(&scene->tally) == before && pause_until(deadline)) {
		if (scene->sums_up && clock_ms() > told && !kill(pid, SIGTERM))
			told = deadline;
		take(scene);
	}
	kill(pid, SIGKILL);
	assert_int_equal(child_reap(pid, clock_ms() + FIXTURE_PATIENCE, &status), 0);
	take(scene);
	return tally_sum(&scene->tally) != before;
}

/* One that ends as told to, or one that gets no more done than the records. */
static void read_undisturbed(struct scene *scene, int signal)
{
	const char *argv[] = { "smtpward", "log", "--pins", fixture.pins, "--to", scene->to, NULL };
	int64_t deadline = clock_ms() + 500;
	_cleanup_(log_close) struct log log;

	log_start_run(&log, argv, scene->reader ? reader_become : NULL);
	while (pause_until(deadline))
		take(scene);
	log_end(&log, signal);
	take(scene);
}

static void hold_and_kill(struct scene *scene, const char *limit, int users)
{
	unsigned int windows = 0;
	uint64_t before;

	if (system("strace -V >/dev/null 2>&1"))
		fixture_skip("there is no strace");
	tally_init(&scene->tally);
	assert_int_equal(smtpward("load", "-c", policy_write("%s\n", limit), "--cgroup",
				  fixture.attached, "--pins", fixture.pins, "--reader",
				  scene->reader ? READER : "root", NULL),
			 0);
	cgroup_make("x.service");
	assert_int_equal(child_run(CHILD_IN("x.service"), attempts, &users), 0);
	if (scene->sums_up)
		read_undisturbed(scene, SIGKILL);
	for (int i = 0; i < WINDOWS; i++)
		windows += kill_in_the_window(scene);
	assert_true(windows >= WINDOWS / 2);
	do {
		before = tally_sum(&scene->tally);
		read_undisturbed(scene, SIGTERM);
	} while (tally_sum(&scene->tally) != before);
	print_message("# killed behind %u lines: %lu lines (%lu twice), %lu suppressed\n", windows,
		      scene->tally.lines, scene->tally.twice, scene->tally.suppressed);
	assert_int_equal(scene->tally.twice, 0);
	assert_int_equal(scene->tally.lines, status_counter("recorded"));
	assert_int_equal(scene->tally.suppressed, status_counter("suppressed"));
	assert_int_equal(tally_sum(&scene->tally), ATTEMPTS);
	tally_free(&scene->tally);
}

#define RECORDS "limit 1000000/s burst 1000000"
#define SUMMARIES "limit 1/h burst 1"

static void with_file(const char *limit, int users)
{
	static struct scene scene;
	_cleanup_close_ int file = -1;
	char path[128];

	snprintf(path, sizeof(path), "%s/lines", fixture.dir);
	unlink(path);
	file = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(file >= 0);
	scene = (struct scene){ .to = path, .sums_up = users, .socket = -1, .file = file };
	hold_and_kill(&scene, limit, users);
}

static void with_syslog(const char *limit, int users, bool reader)
{
	static struct scene scene;
	_cleanup_close_ int socket = syslog_bind();

	assert_int_equal(chmod(SYSLOG_SOCKET, 0666), 0);
	scene = (struct scene){
		.to = "syslog",
		.sums_up = users,
		.reader = reader,
		.socket = socket,
		.file = -1,
	};
	hold_and_kill(&scene, limit, users);
}

static void test_file_record(void **state)
{
	with_file(RECORDS, 0);
}

static void test_file_summary(void **state)
{
	with_file(SUMMARIES, 20);
}

static void test_syslog_record(void **state)
{
	with_syslog(RECORDS, 0, false);
}

static void test_syslog_summary(void **state)
{
	with_syslog(SUMMARIES, 20, false);
}

/* The reader that is not root has a note of its own. */
static void test_reader_record(void **state)
{
	with_syslog(RECORDS, 0, true);
}

static void test_reader_summary(void **state)
{
	with_syslog(SUMMARIES, 20, true);
}

static int setup(void **state)
{
	fixture_setup(state);
	syslog_make_dev();
	return 0;
}

static int tidy(void **state)
{
	unlink(SYSLOG_SOCKET);
	return fixture_tidy(state);
}

#define TEST(name) cmocka_unit_test_teardown(name, tidy)

static int tests(void)
{
	const struct CMUnitTest all[] = {
		TEST(test_file_record),	   TEST(test_file_summary),  TEST(test_syslog_record),
		TEST(test_syslog_summary), TEST(test_reader_record), TEST(test_reader_summary),
	};

	return cmocka_run_group_tests_name("window", all, setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
