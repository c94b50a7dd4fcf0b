// SPDX-License-Identifier: GPL-2.0-only
/* A syslog socket that the test itself reads, in a /dev of its own. */
#include "fixture.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

void syslog_make_dev(void)
{
	assert_int_equal(mount("tmpfs", "/dev", "tmpfs", 0, "mode=755"), 0);
	assert_int_equal(mknod("/dev/null", S_IFCHR | 0666, makedev(1, 3)), 0);
	/* The mode of mknod(2) goes by the umask. */
	assert_int_equal(chmod("/dev/null", 0666), 0);
	assert_int_equal(mknod("/dev/urandom", S_IFCHR | 0666, makedev(1, 9)), 0);
}

int syslog_bind(void)
{
	const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = SYSLOG_SOCKET };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}
