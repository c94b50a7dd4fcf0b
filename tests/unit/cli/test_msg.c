// SPDX-License-Identifier: GPL-2.0-only
/* Messages to somebody who does not read them: they wait, or they do not, as was said. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "cli/msg.h"

#define MESSAGES 1000

/* In a child: says so many that they fit nowhere, on a descriptor that blocks. */
static int say_many(int err)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		dup2(err, STDERR_FILENO);
		alarm(10);
		msg_never_wait();
		for (int i = 0; i < MESSAGES; i++)
			msg_warning("the message %d, which is long enough: %0200d", i, 0);
		_exit(fcntl(err, F_GETFL) & O_NONBLOCK ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		fail_msg("it waits: ended by signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

static void assert_first_ones(int fd)
{
	char text[4096] = "";

	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	assert_int_equal(strncmp(text, "smtpward: warning: the message 0, ", 34), 0);
	assert_non_null(strstr(text, "0\nsmtpward: warning: the message 1, "));
}

static void test_pipe(void **state __attribute__((unused)))
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(say_many(fds[1]), 0);
	assert_first_ones(fds[0]);
	close(fds[0]);
	close(fds[1]);
}

static void test_socket(void **state __attribute__((unused)))
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(say_many(fds[1]), 0);
	assert_first_ones(fds[0]);
	close(fds[0]);
	close(fds[1]);
}

static void test_file(void **state __attribute__((unused)))
{
	char name[] = "/tmp/smtpward-msg-XXXXXX";
	_cleanup_close_ int fd = mkostemp(name, O_CLOEXEC | O_APPEND);
	char text[64] = "";

	assert_true(fd >= 0);
	assert_int_equal(unlink(name), 0);
	assert_int_equal(say_many(fd), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_first_ones(fd);
	/* All of them. */
	assert_true(lseek(fd, -40, SEEK_END) > 200 * MESSAGES);
	assert_int_equal(read(fd, text, sizeof(text) - 1), 40);
	assert_string_equal(text + 35, "0000\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pipe),
		cmocka_unit_test(test_socket),
		cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests_name("msg", tests, NULL, NULL);
}
