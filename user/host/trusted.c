// SPDX-License-Identifier: GPL-2.0-only
/* Who may change what a path leads to; see trusted.h. */
#include "host/trusted.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"

static bool owned(const struct stat *st)
{
	return !st->st_uid || st->st_uid == geteuid();
}

/* Root's group is root. An ACL that gives more shows in the group's bits. */
static bool others_write(const struct stat *st)
{
	return st->st_mode & S_IWOTH || (st->st_mode & S_IWGRP && st->st_gid);
}

bool trusted_file(const struct stat *st)
{
	return owned(st) && !others_write(st) && st->st_nlink == 1;
}

/* In a sticky directory others make names, and leave alone those that are not theirs. */
static int check_directory(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	return owned(&st) && (!others_write(&st) || st.st_mode & S_ISVTX) ? 0 : -EPERM;
}

/* From the root down, so that a directory is checked before what is in it is believed. */
static int open_directories(char *path, int *ret_fd)
{
	_cleanup_close_ int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char *name, *rest = path;
	int err;

	if (fd < 0)
		return -errno;
	err = check_directory(fd);
	while (!err && (name = strsep(&rest, "/"))) {
		int next;

		if (!*name)
			continue;
		next = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return -errno;
		close(fd);
		fd = next;
		err = check_directory(fd);
	}
	if (err)
		return err;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int trusted_open_parent(const char *path, int *ret_fd, const char **ret_name)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	_cleanup_free_ char *dir = NULL, *resolved = NULL;
	int err;

	dir = slash ? strndup(path, (size_t)(name - path)) : strdup(".");
	if (!dir)
		return -ENOMEM;
	resolved = realpath(dir, NULL);
	if (!resolved)
		return -errno;
	err = open_directories(resolved, ret_fd);
	if (!err)
		*ret_name = name;
	return err;
}
