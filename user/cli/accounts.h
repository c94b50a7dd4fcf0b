/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who /etc/passwd and /etc/group say has which number. Nobody else is asked: early in a
 * boot, whom nsswitch.conf names may be out of reach, and lets a lookup wait for good.
 */
#ifndef SMTPWARD_ACCOUNTS_H
#define SMTPWARD_ACCOUNTS_H

#include <stdint.h>
#include <sys/types.h>

/* As kept_user and kept_group of struct policy_source. */
int accounts_user_keeps(void *userdata, uint32_t uid, const char *name);
int accounts_group_keeps(void *userdata, uint32_t gid, const char *name);

/* A user, or his group alone. -ENOENT if the file does not have him. */
int accounts_find_user(const char *name, uid_t *ret_user, gid_t *ret_group);
int accounts_find_group(const char *user, gid_t *ret_group);

#endif /* SMTPWARD_ACCOUNTS_H */
