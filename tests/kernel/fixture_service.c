// SPDX-License-Identifier: GPL-2.0-only
/* The log as under a service manager; see fixture_service.h. */
#include "fixture_service.h"

#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/un.h>

static int service_bind(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", fixture.dir, name);
	unlink(address.sun_path);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(chmod(address.sun_path, 0666), 0);
	return fd;
}

int service_become(void *arg)
{
	char path[96];

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", "/dev", "tmpfs", 0, "mode=755"))
		return -errno;
	snprintf(path, sizeof(path), "%s/log", fixture.dir);
	if (symlink(path, "/dev/log"))
		return -errno;
	snprintf(path, sizeof(path), "%s/notify", fixture.dir);
	setenv("NOTIFY_SOCKET", path, 1);
	setenv("WATCHDOG_USEC", "60000000", 1);
	return reader_enter_and_become(arg);
}

void service_listen(struct service *service)
{
	service->syslog = service_bind("log");
	service->manager = service_bind("notify");
}

void service_start(struct service *service, const char *option)
{
	const char *argv[] = { "smtpward", "log", "--pins", fixture.pins, option, NULL };

	service_listen(service);
	log_start_run(&service->log, argv, service_become);
}

void service_close(struct service *service)
{
	log_close(&service->log);
	cleanup_close(&service->syslog);
	cleanup_close(&service->manager);
}

const char *service_wait(int fd, const char *needle)
{
	int64_t deadline = clock_ms() + FIXTURE_PATIENCE;
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	static char text[16384];
	ssize_t size;

	do {
		int64_t left = deadline - clock_ms();

		if (left <= 0 || poll(&wait, 1, (int)left) <= 0)
			fail_msg("no datagram with '%s'", needle);
		size = recv(fd, text, sizeof(text) - 1, 0);
		assert_true(size >= 0);
		text[size] = '\0';
	} while (!strstr(text, needle));
	return text;
}
