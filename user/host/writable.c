// SPDX-License-Identifier: GPL-2.0-only
/* Rights on a path; see writable.h. */
#include "host/writable.h"

#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/cleanup.h"

#define WRITABLE_GROUPS 256
#define WRITABLE_ACL "system.posix_acl_access"

struct writable_user {
	uint32_t uid;
	gid_t groups[WRITABLE_GROUPS];
	int n_groups;
};

/* A number without an account has no group. */
static bool writable_find_user(uint32_t uid, struct writable_user *user)
{
	_cleanup_free_ char *room = malloc(1 << 16);
	struct passwd entry, *found = NULL;

	user->uid = uid;
	user->n_groups = WRITABLE_GROUPS;
	if (!room || getpwuid_r(uid, &entry, room, 1 << 16, &found))
		return false;
	if (!found)
		user->n_groups = 0;
	return !found ||
	       getgrouplist(found->pw_name, found->pw_gid, user->groups, &user->n_groups) >= 0;
}

static bool writable_in_group(const struct writable_user *user, gid_t gid)
{
	for (int i = 0; i < user->n_groups; i++)
		if (user->groups[i] == gid)
			return true;
	return false;
}

/* Judges who can write to path itself, whatever the rights of the directories above. */
static enum writable writable_judge(const char *path, const struct stat *st,
				    const struct writable_user *user)
{
	const bool by_acl = st->st_mode & S_IWGRP && getxattr(path, WRITABLE_ACL, NULL, 0) > 0;

	if (user->uid && (st->st_uid == user->uid || st->st_mode & S_IWOTH || by_acl ||
			  (st->st_mode & S_IWGRP && writable_in_group(user, st->st_gid))))
		return WRITABLE_USER;
	if (st->st_uid || by_acl || st->st_mode & S_IWOTH || (st->st_mode & S_IWGRP && st->st_gid))
		return WRITABLE_OTHERS;
	return WRITABLE_ROOT;
}

/* The same of a directory above `below`: in a sticky one others can only add. */
static enum writable writable_judge_above(const char *path, const struct stat *st,
					  const struct stat *below,
					  const struct writable_user *user)
{
	const bool owns = st->st_uid == user->uid || below->st_uid == user->uid;

	if (st->st_mode & S_ISVTX && !(user->uid && owns))
		return st->st_uid || below->st_uid ? WRITABLE_OTHERS : WRITABLE_ROOT;
	return writable_judge(path, st, user);
}

/* path is real: it has no links, and is cut here from the end. */
static enum writable writable_walk(char *path, const struct writable_user *user)
{
	enum writable all;
	struct stat st, below;

	if (lstat(path, &below))
		return WRITABLE_UNKNOWN;
	all = writable_judge(path, &below, user);
	for (char *slash = strrchr(path, '/'); path[1]; slash = strrchr(path, '/')) {
		enum writable one;

		slash[slash == path] = '\0';
		if (lstat(path, &st))
			return WRITABLE_UNKNOWN;
		one = writable_judge_above(path, &st, &below, user);
		all = one > all ? one : all;
		below = st;
	}
	return all;
}

enum writable writable_by(const char *path, uint32_t uid)
{
	_cleanup_free_ char *real = *path == '/' ? realpath(path, NULL) : NULL;
	struct writable_user user;

	if (!real || !writable_find_user(uid, &user))
		return WRITABLE_UNKNOWN;
	return writable_walk(real, &user);
}
