/* SPDX-License-Identifier: GPL-2.0-only */
/* Users and groups of another machine, from files like its /etc/passwd and /etc/group. */
#ifndef SMTPWARD_USERS_FILE_H
#define SMTPWARD_USERS_FILE_H

#include <stdbool.h>

#include "policy/policy.h"

struct users_file {
	const char *users, *groups;	/* NULL: none is known */
	bool lacks_users, lacks_groups; /* one was asked for that no file was named for */
};

/* The real world but for these two, which userdata is. It outlives the source. */
struct policy_source users_file_source(struct users_file *files);

#endif /* SMTPWARD_USERS_FILE_H */
