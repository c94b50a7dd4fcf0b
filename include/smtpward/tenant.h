/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which cgroups are tenants, as far as both the tracker and the walk over what is there decide
 * it alike: see bpf/tenant.h, which has the rule for new ones.
 */
#ifndef SMTPWARD_TENANT_H
#define SMTPWARD_TENANT_H

#include <smtpward/match.h>

/* What the slice of all sessions of a user is called: this, a number, and ".slice". */
#define SMTPWARD_USER_SLICE_PREFIX "user-"
#define SMTPWARD_USER_SLICE_PREFIX_LEN 5

/* Of a slice. name has SMTPWARD_NAME_SIZE bytes, or a NUL before. */
SMTPWARD_INLINE int smtpward_is_user_slice(const char *name)
{
	for (int i = 0; i < SMTPWARD_USER_SLICE_PREFIX_LEN; i++)
		if (name[i] != SMTPWARD_USER_SLICE_PREFIX[i])
			return 0;
	return name[SMTPWARD_USER_SLICE_PREFIX_LEN] >= '0' &&
	       name[SMTPWARD_USER_SLICE_PREFIX_LEN] <= '9';
}

/*
 * Whether a cgroup is a tenant that has none above it but the root: all but the slices that
 * other tenants lie below. owner: its user, as the initial user namespace has it.
 */
SMTPWARD_INLINE int smtpward_tenant_begins(int is_slice, int is_user_slice, __u32 owner)
{
	return !is_slice || is_user_slice || owner;
}

#endif /* SMTPWARD_TENANT_H */
