// SPDX-License-Identifier: GPL-2.0-only
/* Tells the service manager; see notify.h. */
#include "log/notify.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"

bool notify_wanted(void)
{
	const char *path = getenv("NOTIFY_SOCKET");

	return path && *path;
}

/* Parses a path, or an abstract name, which has an @ in place of the first NUL. */
static int notify_parse_address(const char *path, struct sockaddr_un *ret_address,
				socklen_t *ret_size)
{
	size_t len = strlen(path);

	if (*path != '/' && *path != '@')
		return -EAFNOSUPPORT;
	if (len >= sizeof(ret_address->sun_path))
		return -ENAMETOOLONG;
	*ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(ret_address->sun_path, path, len);
	if (*path == '@')
		ret_address->sun_path[0] = '\0';
	*ret_size = offsetof(struct sockaddr_un, sun_path) + len;
	return 0;
}

int notify_alive(void)
{
	return getenv("WATCHDOG_USEC") ? notify_send("WATCHDOG=1") : 0;
}

int notify_send(const char *text)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un address;
	socklen_t size;
	int r;

	if (!notify_wanted())
		return 0;
	r = notify_parse_address(getenv("NOTIFY_SOCKET"), &address, &size);
	if (r)
		return r;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&address,
		   size) < 0)
		return -errno;
	return 0;
}
