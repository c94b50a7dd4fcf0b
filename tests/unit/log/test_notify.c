// SPDX-License-Identifier: GPL-2.0-only
/* What a service manager gets, on a socket as it would have it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "log/notify.h"

/* Bound to a path, or with an @ in front to an abstract name, and named to notify.c. */
static int listen_at(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0 && strlen(name) < sizeof(address.sun_path));
	memcpy(address.sun_path, name, strlen(name));
	if (*name == '@')
		address.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&address,
			      offsetof(struct sockaddr_un, sun_path) + strlen(name)),
			 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	return fd;
}

static void assert_gets(int fd, const char *expected)
{
	char text[256];
	ssize_t size = recv(fd, text, sizeof(text) - 1, 0);

	assert_int_equal(size, strlen(expected));
	text[size] = '\0';
	assert_string_equal(text, expected);
}

static void test_nobody_asked(void **state __attribute__((unused)))
{
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(notify_send("READY=1"), 0);
	setenv("NOTIFY_SOCKET", "", 1);
	assert_int_equal(notify_send("READY=1"), 0);
}

static void test_path(void **state __attribute__((unused)))
{
	char dir[] = "/tmp/smtpward-notify.XXXXXX", path[64];
	_cleanup_close_ int fd = -1;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
	fd = listen_at(path);
	assert_int_equal(notify_send("STATUS=all is well\nREADY=1"), 0);
	assert_gets(fd, "STATUS=all is well\nREADY=1");
	unlink(path);
	assert_int_equal(notify_send("READY=1"), -ENOENT);
	rmdir(dir);
}

static void test_abstract(void **state __attribute__((unused)))
{
	_cleanup_close_ int fd = -1;
	char name[64];

	snprintf(name, sizeof(name), "@smtpward-notify-%d", (int)getpid());
	fd = listen_at(name);
	assert_int_equal(notify_send("STOPPING=1"), 0);
	assert_gets(fd, "STOPPING=1");
}

static void test_watchdog(void **state __attribute__((unused)))
{
	_cleanup_close_ int fd = -1;
	char name[64];

	snprintf(name, sizeof(name), "@smtpward-watchdog-%d", (int)getpid());
	fd = listen_at(name);
	unsetenv("WATCHDOG_USEC");
	assert_int_equal(notify_alive(), 0);
	assert_int_equal(recv(fd, name, sizeof(name), 0), -1);
	setenv("WATCHDOG_USEC", "1000000", 1);
	assert_int_equal(notify_alive(), 0);
	assert_gets(fd, "WATCHDOG=1");
}

/* A manager that reads nothing for a while holds nobody up. */
static void test_busy_manager(void **state __attribute__((unused)))
{
	_cleanup_close_ int fd = -1;
	char name[64];
	int err = 0;

	snprintf(name, sizeof(name), "@smtpward-busy-%d", (int)getpid());
	fd = listen_at(name);
	for (int i = 0; i < 100000 && !err; i++)
		err = notify_send("STATUS=x");
	assert_int_equal(err, -EAGAIN);
	assert_gets(fd, "STATUS=x");
	assert_int_equal(notify_send("STATUS=y"), 0);
}

static void test_wrong_address(void **state __attribute__((unused)))
{
	char name[256];

	setenv("NOTIFY_SOCKET", "vsock:2:1234", 1);
	assert_int_equal(notify_send("READY=1"), -EAFNOSUPPORT);
	memset(name, 'x', sizeof(name));
	name[0] = '/';
	name[sizeof(name) - 1] = '\0';
	setenv("NOTIFY_SOCKET", name, 1);
	assert_int_equal(notify_send("READY=1"), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_asked), cmocka_unit_test(test_path),
		cmocka_unit_test(test_abstract),     cmocka_unit_test(test_watchdog),
		cmocka_unit_test(test_busy_manager), cmocka_unit_test(test_wrong_address),
	};

	return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
