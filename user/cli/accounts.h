/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The numbers of users and groups by /etc/passwd and /etc/group alone. Early in a boot the other
 * sources of nsswitch.conf may be out of reach, and a lookup in them may wait for good.
 */
#ifndef SMTPWARD_ACCOUNTS_H
#define SMTPWARD_ACCOUNTS_H

#include <stdint.h>
#include <sys/types.h>

/* For kept_user and kept_group of struct policy_source. */
int accounts_user_keeps(void *userdata, uint32_t uid, const char *name);
int accounts_group_keeps(void *userdata, uint32_t gid, const char *name);

/* Find a user, or only his group. -ENOENT if /etc/passwd does not have the user. */
int accounts_find_user(const char *name, uid_t *ret_user, gid_t *ret_group);
int accounts_find_group(const char *user, gid_t *ret_group);

#endif /* SMTPWARD_ACCOUNTS_H */
