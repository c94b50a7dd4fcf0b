// SPDX-License-Identifier: GPL-2.0-only
/* Who may change what a path leads to; see trusted.h. */
#include "host/trusted.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"

static bool trusted_is_owned(const struct stat *st)
{
	return !st->st_uid || st->st_uid == geteuid();
}

/* Root's group is root. An ACL that gives more shows in the group's bits. */
static bool trusted_others_write(const struct stat *st)
{
	return st->st_mode & S_IWOTH || (st->st_mode & S_IWGRP && st->st_gid);
}

bool trusted_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

bool trusted_file(const struct stat *st)
{
	return trusted_is_owned(st) && !trusted_others_write(st) && st->st_nlink == 1;
}

/* In a sticky directory others make names, and leave alone those that are not theirs. */
static int trusted_check_directory(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	return trusted_is_owned(&st) && (!trusted_others_write(&st) || st.st_mode & S_ISVTX)
		       ? 0
		       : -EPERM;
}

/* From the root down, so that a directory is checked before what is in it is believed. */
static int trusted_open_directories(char *path, int *ret_fd)
{
	_cleanup_close_ int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char *name, *rest = path;
	int r;

	if (fd < 0)
		return -errno;
	r = trusted_check_directory(fd);
	if (r)
		return r;
	while ((name = strsep(&rest, "/"))) {
		int next;

		if (!*name)
			continue;
		next = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return -errno;
		close(fd);
		fd = next;
		r = trusted_check_directory(fd);
		if (r)
			return r;
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int trusted_open_parent(const char *path, int *ret_fd, const char **ret_name)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	_cleanup_free_ char *dir = NULL, *resolved = NULL;
	int r;

	dir = slash ? strndup(path, (size_t)(name - path)) : strdup(".");
	if (!dir)
		return -ENOMEM;
	resolved = realpath(dir, NULL);
	if (!resolved)
		return -errno;
	r = trusted_open_directories(resolved, ret_fd);
	if (r)
		return r;
	*ret_name = name;
	return 0;
}
