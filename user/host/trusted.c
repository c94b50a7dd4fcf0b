// SPDX-License-Identifier: GPL-2.0-only
/* Checks who may change the file that a path leads to; see trusted.h. */
#include "host/trusted.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/quote.h"

/* How many links Linux itself follows in one path: MAXSYMLINKS. */
#define TRUSTED_LINKS_MAX 40

static bool trusted_is_owned(const struct stat *st)
{
	return !st->st_uid || st->st_uid == geteuid();
}

/* Write permission for group 0 counts as root's own. */
static bool trusted_mode_lets_others(const struct stat *st)
{
	return st->st_mode & S_IWOTH || (st->st_mode & S_IWGRP && st->st_gid);
}

/*
 * Whether an ACL may let others write. acl(5): with an ACL the group's bits are the mask, and
 * nobody named in the ACL gets more than the mask. The call goes by a name in /proc, as
 * fgetxattr(2) takes no O_PATH descriptor. If the call fails otherwise, there may be an ACL.
 */
static bool trusted_acl_lets_others(int fd, const struct stat *st)
{
	char magic[64];

	if (!(st->st_mode & S_IWGRP))
		return false;
	snprintf(magic, sizeof(magic), "/proc/self/fd/%d", fd);
	return getxattr(magic, "system.posix_acl_access", NULL, 0) >= 0 ||
	       (errno != ENODATA && errno != ENOTSUP);
}

static bool trusted_others_write(int fd, const struct stat *st)
{
	return trusted_mode_lets_others(st) || trusted_acl_lets_others(fd, st);
}

bool trusted_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

bool trusted_file(int fd, const struct stat *st)
{
	return trusted_is_owned(st) && !trusted_others_write(fd, st) && st->st_nlink == 1;
}

/* In a sticky directory others can make names, but cannot replace names that are not theirs. */
static int trusted_check_directory(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	return trusted_is_owned(&st) && (!trusted_others_write(fd, &st) || st.st_mode & S_ISVTX)
		       ? 0
		       : -EPERM;
}

/*
 * Whether nobody but root and our user can change the file: by owning it, by its mode or by an
 * ACL.
 */
static bool trusted_is_kept(int fd, const struct stat *st)
{
	if (!trusted_is_owned(st))
		return false;
	if (S_ISLNK(st->st_mode) || (S_ISDIR(st->st_mode) && st->st_mode & S_ISVTX))
		return true;
	return !trusted_others_write(fd, st);
}

/* Devices, FIFOs and sockets can only end a path: the caller refuses them. */
static bool trusted_is_asked(const struct stat *st)
{
	return S_ISREG(st->st_mode) || S_ISDIR(st->st_mode) || S_ISLNK(st->st_mode);
}

/*
 * The file that a path leads to is "it". A directory on the way goes by the kernel's name for it.
 */
static void trusted_name(int fd, bool end, char *dst, size_t size)
{
	char magic[64], target[PATH_MAX] = "";
	ssize_t len;

	snprintf(dst, size, "it");
	if (end)
		return;
	snprintf(magic, sizeof(magic), "/proc/self/fd/%d", fd);
	len = readlink(magic, target, sizeof(target) - 1);
	if (len < 0 || quote_text(target, (size_t)len, dst, size) < 0)
		snprintf(dst, size, "a directory on the way to it");
}

static int trusted_check(int fd, bool end, struct reason *reterr)
{
	char name[256];
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (trusted_is_kept(fd, &st) || !trusted_is_asked(&st))
		return 0;
	trusted_name(fd, end, name, sizeof(name));
	if (!trusted_is_owned(&st) && !end)
		return reason_set(
			reterr, -EPERM,
			"%s belongs to the user %u, and what is in there decides for root: "
			"keep it where nobody but root can change it, as in /etc",
			name, st.st_uid);
	if (!trusted_is_owned(&st))
		return reason_set(reterr, -EPERM,
				  "it belongs to the user %u, and decides for root: make it root's "
				  "(chown root)",
				  st.st_uid);
	if (!trusted_mode_lets_others(&st))
		return reason_set(reterr, -EPERM,
				  "an ACL lets others write to %s, and it decides for root: take "
				  "it away (setfacl -b)",
				  name);
	return reason_set(reterr, -EPERM,
			  "others can write to %s, and it decides for root: take that right away "
			  "(chmod go-w)",
			  name);
}

/* Opens from the root down, so that each directory is checked before a name in it is believed. */
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

/* The state of a walk along a path. */
struct walk {
	int fd;	    /* the directory, or at the end what the path leads to */
	char *rest; /* the rest of the path; allocated */
	unsigned int links;
};

static void trusted_walk_end(struct walk *walk)
{
	cleanup_close(&walk->fd);
	free(walk->rest);
}

static int trusted_walk_begin(struct walk *walk, const char *path, struct reason *reterr)
{
	_cleanup_free_ char *here = *path == '/' ? NULL : getcwd(NULL, 0);

	if (*path != '/' && !here)
		return -errno;
	if (asprintf(&walk->rest, "%s/%s", here ?: "", path) < 0) {
		walk->rest = NULL; /* undefined after a failure */
		return -ENOMEM;
	}
	walk->fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (walk->fd < 0)
		return -errno;
	return trusted_check(walk->fd, false, reterr);
}

/* Puts a link's target in the link's place in the path. */
static int trusted_walk_link(struct walk *walk, int link_fd, const char *rest)
{
	char target[PATH_MAX] = "";
	char *path;

	if (++walk->links > TRUSTED_LINKS_MAX)
		return -ELOOP;
	if (readlinkat(link_fd, "", target, sizeof(target) - 1) < 0)
		return -errno;
	if (asprintf(&path, "%s%s%s", target, rest ? "/" : "", rest ?: "") < 0)
		return -ENOMEM;
	free(walk->rest);
	walk->rest = path;
	if (*path != '/')
		return 0;
	close(walk->fd);
	walk->fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return walk->fd < 0 ? -errno : 0;
}

/*
 * Goes one name further, and returns 1 at the end of the path. The name's file is checked before
 * it is opened for real, at the end of the path; it is the same file then, as nobody but root and
 * our user can change the directory.
 */
static int trusted_walk_on(struct walk *walk, int flags, struct reason *reterr)
{
	_cleanup_close_ int next = -1;
	char *rest = walk->rest, *name;
	struct stat st;
	int r;

	do
		name = strsep(&rest, "/");
	while (rest && !*name);
	next = openat(walk->fd, *name ? name : ".", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (next < 0 || fstat(next, &st))
		return -errno;
	r = trusted_check(next, !rest && !S_ISLNK(st.st_mode), reterr);
	if (r)
		return r;
	if (S_ISLNK(st.st_mode))
		return trusted_walk_link(walk, next, rest);
	if (!rest) {
		close(next);
		next = openat(walk->fd, *name ? name : ".", flags | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return -errno;
	}
	close(walk->fd);
	walk->fd = TAKE_FD(next);
	if (!rest)
		return 1;
	memmove(walk->rest, rest, strlen(rest) + 1);
	return 0;
}

int trusted_open(const char *path, int flags, int *ret_fd, struct reason *reterr)
{
	_cleanup_(trusted_walk_end) struct walk walk = { .fd = -1 };
	int r = trusted_walk_begin(&walk, path, reterr);

	while (!r)
		r = trusted_walk_on(&walk, flags, reterr);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(walk.fd);
	return 0;
}
