/* SPDX-License-Identifier: GPL-2.0-only */
/* Users and groups of another machine, from files like its /etc/passwd and /etc/group. */
#ifndef SMTPWARD_USERS_FILE_H
#define SMTPWARD_USERS_FILE_H

#include <stdbool.h>

#include "base/reason.h"
#include "policy/policy.h"

struct users_list {
	const char *path;	 /* NULL: no file was given, and no name is known */
	struct policy_id *items; /* in the file's order; of one name the first counts */
	size_t n_items;
	bool lacks; /* a name was looked up, but no file was given */
};

struct users_file {
	struct users_list users, groups;
};

/*
 * Reads a file whose lines begin with NAME:ANYTHING:NUMBER; path may be NULL. -errno with a reason
 * that names the file, and the line if the line is wrong; also if the file is not regular. The
 * caller clears the list.
 */
int users_list_read(const char *path, struct users_list *list, struct reason *reason);
void users_file_clear(struct users_file *files);

/*
 * The real world, but with these users and groups. files is the userdata, and must outlive the
 * source.
 */
struct policy_source users_file_source(struct users_file *files);

#endif /* SMTPWARD_USERS_FILE_H */
