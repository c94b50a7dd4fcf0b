// SPDX-License-Identifier: GPL-2.0-only
/*
 * Users of another machine; see users_file.h. fgetpwent(3) is not used, as it takes -1 for a
 * number and skips lines that it cannot read without a word.
 */
#include "cli/users_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/macro.h"
#include "policy/policy_lex.h"

/* The last number, 4294967295, is no id. */
static bool users_parse_id(const char *text, uint32_t *ret_id)
{
	const size_t digits = strspn(text, "0123456789");
	unsigned long long id;

	if (!digits || digits > 10 || text[digits])
		return false;
	id = strtoull(text, NULL, 10);
	if (id >= UINT32_MAX)
		return false;
	*ret_id = (uint32_t)id;
	return true;
}

/* Not NIS lines, which begin with a sign and name users of yet another machine. */
static bool users_is_entry(const char *line)
{
	return *line && !strchr("+-#", *line);
}

static int users_take_line(char *line, unsigned int number, struct users_list *list,
			   struct reason *reason)
{
	const char *name, *id = NULL;
	struct policy_id entry = { 0 }, *added;
	char *rest = line;

	line[strcspn(line, "\n")] = '\0';
	if (!users_is_entry(line))
		return 0;
	name = strsep(&rest, ":");
	if (rest && strsep(&rest, ":"))
		id = strsep(&rest, ":");
	if (!id || !*name)
		return reason_set(reason, -EINVAL,
				  "%s:%u: a line begins with a name, a password and a "
				  "number, with colons between them",
				  list->path, number);
	if (!users_parse_id(id, &entry.id))
		return reason_set(reason, -EINVAL,
				  "%s:%u: '%s' has the id '%s': expected a number from 0 to %u",
				  list->path, number, policy_shown(name).text,
				  policy_shown(id).text, UINT32_MAX - 1);
	entry.name = strdup(name);
	added = entry.name ? array_add(&list->items, &list->n_items, sizeof(*added)) : NULL;
	if (!added) {
		free(entry.name);
		return reason_errno(reason, -ENOMEM, "cannot read %s", list->path);
	}
	*added = entry;
	return 0;
}

static int users_open(const char *path, FILE **ret_file, struct reason *reason)
{
	/* Not blocking, as a fifo shows to be one only after it is open. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	FILE *file;

	if (fd < 0 || fstat(fd, &st))
		return reason_errno(reason, -errno, "cannot read %s", path);
	if (!S_ISREG(st.st_mode))
		return reason_set(reason, -EINVAL, "cannot read %s: it is %s", path,
				  S_ISDIR(st.st_mode) ? "a directory" : "not a regular file");
	file = fdopen(fd, "r");
	if (!file)
		return reason_errno(reason, -errno, "cannot read %s", path);
	TAKE_FD(fd);
	*ret_file = file;
	return 0;
}

int users_list_read(const char *path, struct users_list *list, struct reason *reason)
{
	_cleanup_fclose_ FILE *file = NULL;
	_cleanup_free_ char *line = NULL;
	unsigned int number = 0;
	size_t size = 0;
	int r;

	list->path = path;
	if (!path)
		return 0;
	r = users_open(path, &file, reason);
	while (!r && getline(&line, &size, file) >= 0)
		r = users_take_line(line, ++number, list, reason);
	if (r || feof(file))
		return r;
	return reason_errno(reason, -errno, "cannot read %s", path);
}

static void users_list_clear(struct users_list *list)
{
	for (size_t i = 0; i < list->n_items; i++)
		free(list->items[i].name);
	free(list->items);
}

void users_file_clear(struct users_file *files)
{
	users_list_clear(&files->users);
	users_list_clear(&files->groups);
}

static int users_list_find(struct users_list *list, const char *name, uint32_t *ret_id)
{
	list->lacks |= !list->path;
	for (size_t i = 0; i < list->n_items; i++) {
		if (strcmp(list->items[i].name, name) != 0)
			continue;
		*ret_id = list->items[i].id;
		return 0;
	}
	return -ENOENT;
}

static int users_file_user(void *userdata, const char *name, uint32_t *ret_uid)
{
	struct users_file *files = userdata;

	return users_list_find(&files->users, name, ret_uid);
}

static int users_file_group(void *userdata, const char *name, uint32_t *ret_gid)
{
	struct users_file *files = userdata;

	return users_list_find(&files->groups, name, ret_gid);
}

struct policy_source users_file_source(struct users_file *files)
{
	struct policy_source source = policy_source_system;

	source.user = users_file_user;
	source.group = users_file_group;
	source.users = files->users.path;
	source.groups = files->groups.path;
	source.userdata = files;
	return source;
}
