/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tells which cgroups are tenants: the part that the tracker and the walk over the existing
 * cgroups share. bpf/tenant.h has the rule for new cgroups.
 */
#ifndef SMTPWARD_TENANT_H
#define SMTPWARD_TENANT_H

#include <smtpward/match.h>

/* systemd's name for the slice of all sessions of a user is this, a number, and ".slice". */
#define SMTPWARD_USER_SLICE_PREFIX "user-"
#define SMTPWARD_USER_SLICE_PREFIX_LEN 5

/* Whether a slice is such a slice. name has SMTPWARD_NAME_SIZE bytes, or a NUL before. */
SMTPWARD_INLINE int smtpward_is_user_slice(const char *name)
{
	for (int i = 0; i < SMTPWARD_USER_SLICE_PREFIX_LEN; i++)
		if (name[i] != SMTPWARD_USER_SLICE_PREFIX[i])
			return 0;
	return name[SMTPWARD_USER_SLICE_PREFIX_LEN] >= '0' &&
	       name[SMTPWARD_USER_SLICE_PREFIX_LEN] <= '9';
}

/*
 * Whether a cgroup that has no tenant above it but the root is a tenant: all cgroups are, but for
 * the slices that other tenants lie below. owner: the cgroup's user, as the initial user namespace
 * numbers it.
 */
SMTPWARD_INLINE int smtpward_tenant_begins(int is_slice, int is_user_slice, __u32 owner)
{
	return !is_slice || is_user_slice || owner;
}

#endif /* SMTPWARD_TENANT_H */
