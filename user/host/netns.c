// SPDX-License-Identifier: GPL-2.0-only
/* Reads network namespaces; see netns.h. */
#include "host/netns.h"

#include <errno.h>
#include <sys/stat.h>

static int netns_read(const char *path, uint32_t *ret_inode)
{
	struct stat st;

	if (stat(path, &st))
		return -errno;
	/* The number is proc's own: the kernel has it in 32 bits. */
	*ret_inode = (uint32_t)st.st_ino;
	return 0;
}

int netns_read_own(uint32_t *ret_inode)
{
	return netns_read("/proc/self/ns/net", ret_inode);
}

static bool netns_hides(int r)
{
	return r == -EACCES || r == -EPERM || r == -ENOENT;
}

int netns_read_host(uint32_t *ret_inode)
{
	int r = netns_read("/proc/1/ns/net", ret_inode);

	return netns_hides(r) ? netns_read_own(ret_inode) : r;
}

int netns_is_host(bool *ret_is)
{
	uint32_t own, host;
	int r = netns_read("/proc/1/ns/net", &host);

	*ret_is = false;
	if (!r)
		r = netns_read_own(&own);
	if (r)
		return netns_hides(r) ? 0 : r;
	*ret_is = own == host;
	return 0;
}
