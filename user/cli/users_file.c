// SPDX-License-Identifier: GPL-2.0-only
/* Users of another machine; see users_file.h. */
#include "cli/users_file.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

static int users_file_user(void *userdata, const char *name, uint32_t *ret_uid)
{
	struct users_file *files = userdata;
	_cleanup_fclose_ FILE *file = files->users ? fopen(files->users, "re") : NULL;
	const struct passwd *entry;

	files->lacks_users |= !files->users;
	if (!file)
		return files->users ? -errno : -ENOENT;
	while ((entry = fgetpwent(file))) {
		if (strcmp(entry->pw_name, name) != 0)
			continue;
		*ret_uid = entry->pw_uid;
		return 0;
	}
	return -ENOENT;
}

static int users_file_group(void *userdata, const char *name, uint32_t *ret_gid)
{
	struct users_file *files = userdata;
	_cleanup_fclose_ FILE *file = files->groups ? fopen(files->groups, "re") : NULL;
	const struct group *entry;

	files->lacks_groups |= !files->groups;
	if (!file)
		return files->groups ? -errno : -ENOENT;
	while ((entry = fgetgrent(file))) {
		if (strcmp(entry->gr_name, name) != 0)
			continue;
		*ret_gid = entry->gr_gid;
		return 0;
	}
	return -ENOENT;
}

struct policy_source users_file_source(struct users_file *files)
{
	struct policy_source source = policy_source_system;

	source.user = users_file_user;
	source.group = users_file_group;
	source.userdata = files;
	return source;
}
