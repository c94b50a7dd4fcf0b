/* SPDX-License-Identifier: GPL-2.0-only */
/* Decides which of the existing cgroups are tenants: see bpf/tenant.h. */
#ifndef SMTPWARD_TENANTS_H
#define SMTPWARD_TENANTS_H

#include <stdint.h>

#include <smtpward/abi.h>

#include "base/reason.h"
#include "load/loader.h"

/* Cgroups that share the limit of the tenant above them, though it is not known who made them. */
struct tenants_merged {
	uint64_t cgroups; /* directly below the tenants */
	uint64_t tenants;
	char first[SMTPWARD_CGROUP_SIZE]; /* the path of one of these tenants */
};

/*
 * Fills map_tenants, the root's entry last. The tracker must run by then: it decides nothing
 * before the root's entry is there, and decides for every cgroup that is made afterwards.
 */
int tenants_walk(const struct loader *loader, int root_fd, struct tenants_merged *ret_merged,
		 struct reason *reason);

#endif /* SMTPWARD_TENANTS_H */
