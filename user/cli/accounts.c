// SPDX-License-Identifier: GPL-2.0-only
/* Reads the files of accounts; see accounts.h. */
#include "cli/accounts.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

/* Opens a file of accounts; *ret_file is NULL if the file is missing: then it names nobody. */
static int accounts_open(const char *path, FILE **ret_file)
{
	FILE *file = fopen(path, "re");

	if (!file && errno != ENOENT)
		return -errno;
	*ret_file = file;
	return 0;
}

/* Why the last read returned NULL: 0 at the end of the file, -ENOMEM or -EIO. */
static int accounts_end(FILE *file)
{
	if (ferror(file))
		return -EIO;
	return errno == ENOMEM ? -ENOMEM : 0;
}

int accounts_user_keeps(void *userdata, uint32_t uid, const char *name)
{
	_cleanup_fclose_ FILE *file = NULL;
	const struct passwd *entry;
	bool taken = false;
	int r = accounts_open("/etc/passwd", &file);

	(void)userdata;
	if (r || !file)
		return r ?: 1;
	while ((errno = 0, entry = fgetpwent(file))) {
		if (entry->pw_uid != uid)
			continue;
		if (!strcmp(entry->pw_name, name))
			return 1;
		taken = true;
	}
	r = accounts_end(file);
	return r ?: !taken;
}

int accounts_group_keeps(void *userdata, uint32_t gid, const char *name)
{
	_cleanup_fclose_ FILE *file = NULL;
	const struct group *entry;
	bool taken = false;
	int r = accounts_open("/etc/group", &file);

	(void)userdata;
	if (r || !file)
		return r ?: 1;
	while ((errno = 0, entry = fgetgrent(file))) {
		if (entry->gr_gid != gid)
			continue;
		if (!strcmp(entry->gr_name, name))
			return 1;
		taken = true;
	}
	r = accounts_end(file);
	return r ?: !taken;
}

/* A policy names users by name or by number. */
static bool accounts_is_number(const char *text, uid_t id)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", id);
	return !strcmp(text, number);
}

int accounts_find_user(const char *name, uid_t *ret_user, gid_t *ret_group)
{
	_cleanup_fclose_ FILE *file = NULL;
	const struct passwd *entry;
	int r = accounts_open("/etc/passwd", &file);

	if (r || !file)
		return r ?: -ENOENT;
	while ((errno = 0, entry = fgetpwent(file))) {
		if (strcmp(entry->pw_name, name) && !accounts_is_number(name, entry->pw_uid))
			continue;
		*ret_user = entry->pw_uid;
		*ret_group = entry->pw_gid;
		return 0;
	}
	r = accounts_end(file);
	return r ?: -ENOENT;
}

int accounts_find_group(const char *user, gid_t *ret_group)
{
	uid_t id;

	return accounts_find_user(user, &id, ret_group);
}
