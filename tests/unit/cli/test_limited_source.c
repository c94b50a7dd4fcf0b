// SPDX-License-Identifier: GPL-2.0-only
/*
 * The real world for a limited time: the same answers; and a directory service that does
 * not answer, or takes who asks down with it, costs no more than the limit.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "cli/limited_source.h"

/* A directory service of our own: libc's name, found before libc's. */
int getpwnam_r(const char *name, struct passwd *entry, char *buffer, size_t size,
	       struct passwd **found)
{
	*found = NULL;
	if (!strcmp(name, "blocks"))
		pause();
	if (!strcmp(name, "crashes"))
		raise(SIGKILL);
	if (!strcmp(name, "fails"))
		return EIO;
	if (strcmp(name, "billing"))
		return 0;
	entry->pw_uid = 1001;
	*found = entry;
	return 0;
}

static char dir[] = "/tmp/smtpward-limited-XXXXXX";

static char *path_of(const char *name)
{
	char *path = NULL;

	assert_true(asprintf(&path, "%s/%s", dir, name) > 0);
	return path;
}

static void write_file(const char *name, const char *text, mode_t mode)
{
	_cleanup_free_ char *path = path_of(name);
	FILE *out = fopen(path, "we");

	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* What the parser makes of "p" in the directory: the canonical form, or the errors. */
static char *parse(unsigned int seconds)
{
	_cleanup_(limited_source_close) struct limited_source limited = LIMITED_SOURCE_CLOSED;
	_cleanup_(policy_errors_clear) struct policy_errors errors = { 0 };
	_cleanup_(policy_freep) struct policy *policy = NULL;
	_cleanup_free_ char *path = path_of("p");
	struct reason reason;
	char *text = NULL;
	size_t size = 0;
	FILE *out;
	int r;

	assert_int_equal(limited_source_open(seconds, &limited, &reason), 0);
	r = policy_parse(path, &limited.source, &policy, &errors);
	if (!r) {
		assert_int_equal(policy_print(policy, &text), 0);
		return text;
	}
	assert_int_equal(r, -EINVAL);
	out = open_memstream(&text, &size);
	assert_non_null(out);
	for (size_t i = 0; i < errors.n_items; i++)
		fprintf(out, "%u:%u: %s\n", errors.items[i].line, errors.items[i].column,
			errors.items[i].text);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void assert_says(char *said, const char *expected)
{
	if (!strstr(said, expected))
		fail_msg("'%s' is not in: %s", expected, said);
	free(said);
}

static void assert_no_child(void)
{
	/* One that had to be killed may be on its way. */
	for (int tries = 0; tries < 500 && waitpid(-1, NULL, WNOHANG) >= 0; tries++)
		usleep(10000);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void test_same_answers(void **state)
{
	write_file("b.conf", "deny user billing\n", 0644);
	write_file("a.conf", "allow group root\n", 0644);
	write_file("p", "include *.conf\ninclude none*\n", 0644);
	assert_says(parse(10), "\nallow group root\ndeny user billing\n");
	write_file("p", "include p\ninclude gone\nallow user fails, nobody-of-this-name\n", 0644);
	assert_says(parse(10), "1:9: cannot include");
	assert_says(parse(10), "2:9: cannot include");
	assert_says(parse(10), "there is no such file");
	assert_says(parse(10), "3:12: cannot look up the user 'fails': Input/output error\n");
	assert_says(parse(10), "there is no user 'nobody-of-this-name' on this machine\n");
	write_file("w", "", 0666);
	write_file("p", "include w\n", 0644);
	assert_says(parse(10), "others can write to it");
	assert_no_child();
}

/* As long as a file can be, and longer. */
static void test_size(void **state)
{
	_cleanup_free_ char *text = malloc((2U << 20) + 1);

	assert_non_null(text);
	memset(text, '\n', 2U << 20);
	text[2U << 20] = '\0';
	write_file("p", text, 0644);
	assert_says(parse(10), "over 1 MiB");
	text[1U << 20] = '\0';
	write_file("p", text, 0644);
	assert_says(parse(10), "mode enforce");
	assert_no_child();
}

static void test_no_answer(void **state)
{
	double begun;
	char *said;

	write_file("p", "allow user billing\nallow user blocks, billing\ndeny group root\n", 0644);
	begun = seconds_now();
	said = parse(1);
	assert_true(seconds_now() - begun >= 0.9 && seconds_now() - begun < 5);
	/* What comes after it is not waited for, one by one. */
	assert_string_equal(said, "2:12: cannot look up the user 'blocks': no answer in time\n"
				  "2:20: cannot look up the user 'billing': no answer in time\n"
				  "3:12: cannot look up the group 'root': no answer in time\n");
	free(said);
	assert_no_child();
}

static void test_crash(void **state)
{
	const double begun = seconds_now();

	write_file("p", "allow user crashes\n", 0644);
	assert_says(parse(60), "1:12: cannot look up the user 'crashes': ");
	assert_true(seconds_now() - begun < 30);
	assert_no_child();
}

/* One that cannot be ended keeps no lock of ours. */
static void test_no_descriptors(void **state)
{
	_cleanup_(limited_source_close) struct limited_source limited = LIMITED_SOURCE_CLOSED;
	_cleanup_close_ int lock = fcntl(STDERR_FILENO, F_DUPFD, 20);
	char ours[64], its[64];
	struct reason reason;

	assert_true(lock >= 20);
	assert_int_equal(limited_source_open(10, &limited, &reason), 0);
	/* It has begun, then. */
	assert_int_equal(limited.source.same(limited.source.userdata, "/", "/"), 1);
	snprintf(ours, sizeof(ours), "/proc/self/fd/%d", lock);
	snprintf(its, sizeof(its), "/proc/%d/fd/%d", (int)limited.child, lock);
	assert_int_equal(access(ours, F_OK), 0);
	assert_int_equal(access(its, F_OK), -1);
}

static int setup(void **state)
{
	/* The program's main() has that, too. */
	signal(SIGPIPE, SIG_IGN);
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	static const char *const names[] = { "p", "w", "a.conf", "b.conf" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = path_of(names[i]);

		unlink(path);
	}
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_answers),   cmocka_unit_test(test_size),
		cmocka_unit_test(test_no_answer),      cmocka_unit_test(test_crash),
		cmocka_unit_test(test_no_descriptors),
	};

	return cmocka_run_group_tests_name("limited_source", tests, setup, teardown);
}
