/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tenants: which cgroups share one limit on lines.
 *
 * Whoever owns a subtree can make cgroups without end, and so can a container's root. So a cgroup's
 * tenant is decided as the cgroup is made, when its maker is known: the tracepoint runs in the
 * context of mkdir(2). A new cgroup belongs to the tenant T of its parent if
 *
 *   - its maker and its parent lie in one tenant: T, or a tenant that T lies in, or
 *   - the cgroup or its parent is owned by somebody but root, who made it or had it made, or
 *   - the cgroup lies below user-N.slice: root's managers make that user's sessions there;
 *
 * otherwise the cgroup is a tenant of its own. Slices above all tenants are no tenants. Two
 * tenants may be taken for one, but a cgroup that a task of a tenant makes belongs to that tenant.
 * That holds also if root has made a second tenant inside the first, as lxc-attach does, because
 * tasks of the first tenant can move into the second.
 * user/load/tenants.c decides for the cgroups that were there before the load. A tenant
 * does not change as long as its cgroup is there.
 */
#ifndef SMTPWARD_BPF_TENANT_H
#define SMTPWARD_BPF_TENANT_H

#include <linux/errno.h>

#include <smtpward/tenant.h>

#include "count.h"
#include "paths.h"
#include "tracker.h"

/* The level of a cgroup's tenant; 0: the root is its tenant. */
static __always_inline int tenant_find_level(struct cgroup *cgroup)
{
	int level = cgroup ? BPF_CORE_READ(cgroup, level) : 0;

	if (level > SMTPWARD_TENANT_LEVELS)
		level = SMTPWARD_TENANT_LEVELS;
	for (int i = 0; i < SMTPWARD_TENANT_LEVELS && level > 0; i++, level--) {
		__u64 id = task_ancestor_id(cgroup, level);

		if (id == root_cgroup)
			return 0;
		if (bpf_map_lookup_elem(&map_tenants, &id))
			return level;
	}
	return 0;
}

/*
 * The id of the calling task's tenant. If the cgroup was looked at before, this is one load:
 * map_levels has the tenant's level, and a helper the id at that level. For a task that is moved
 * meanwhile it may be the id of a cgroup that is no tenant.
 */
static __always_inline __u64 tenant_of_caller(__u64 cgroup_id)
{
	const __u32 index = cgroup_id & (SMTPWARD_LEVELS_ENTRIES - 1);
	__u64 *known = bpf_map_lookup_elem(&map_levels, &index);
	struct cgroup *cgroup;
	__u64 word, level;

	if (!known)
		return root_cgroup;
	word = READ_ONCE(*known);
	if (word >> SMTPWARD_LEVEL_BITS == cgroup_id) {
		level = word & ((1 << SMTPWARD_LEVEL_BITS) - 1);
		return level ? bpf_get_current_ancestor_cgroup_id(level) : root_cgroup;
	}
	cgroup = task_cgroup(task_current());
	level = tenant_find_level(cgroup);
	if (BPF_CORE_READ(cgroup, kn, id) == cgroup_id)
		WRITE_ONCE(*known, cgroup_id << SMTPWARD_LEVEL_BITS | level);
	return level ? task_ancestor_id(cgroup, level) : root_cgroup;
}

/* The id of the tenant of any cgroup, whose id is known; NULL is the root. */
static __always_inline __u64 tenant_of_cgroup(struct cgroup *cgroup, __u64 cgroup_id)
{
	const __u32 index = cgroup_id & (SMTPWARD_LEVELS_ENTRIES - 1);
	__u64 *known = bpf_map_lookup_elem(&map_levels, &index);
	__u64 word, level;

	if (!known || !cgroup)
		return root_cgroup;
	word = READ_ONCE(*known);
	if (word >> SMTPWARD_LEVEL_BITS == cgroup_id) {
		level = word & ((1 << SMTPWARD_LEVEL_BITS) - 1);
	} else {
		level = tenant_find_level(cgroup);
		WRITE_ONCE(*known, cgroup_id << SMTPWARD_LEVEL_BITS | level);
	}
	return level ? task_ancestor_id(cgroup, level) : root_cgroup;
}

/* The functions below run as cgroups are made and removed: under cgroup_mutex, one at a time. */

static __always_inline __u32 tenant_owner(struct cgroup *cgroup)
{
	struct kernfs_iattrs *iattr = BPF_CORE_READ(cgroup, kn, iattr);

	return iattr ? BPF_CORE_READ(iattr, ia_uid.val) : 0;
}

static __always_inline __u64 tenant_id(struct cgroup *cgroup)
{
	int level = tenant_find_level(cgroup);

	return level ? task_ancestor_id(cgroup, level) : 0;
}

/* Whether the cgroup and the calling task lie in a common tenant. */
static __always_inline bool tenant_is_shared(struct cgroup *cgroup)
{
	struct cgroup *own = task_cgroup((void *)bpf_get_current_task());
	const int level = cgroup->level, own_level = BPF_CORE_READ(own, level);

	/* Every common tenant lies in the first tenant that the cgroup lies in. */
	for (int i = 1; i <= SMTPWARD_TENANT_LEVELS && i <= level; i++) {
		__u64 id = task_ancestor_id(cgroup, i);

		if (id != root_cgroup && bpf_map_lookup_elem(&map_tenants, &id))
			return i <= own_level && task_ancestor_id(own, i) == id;
	}
	return false;
}

/* Whether a new cgroup is a tenant of its own; *ret_flags: which kind. */
static __always_inline bool tenant_is_new(struct tracker_scratch *scratch, struct cgroup *cgroup,
					  __u32 *ret_flags)
{
	struct cgroup *parent = cgroup->self.parent->cgroup;
	const __u32 len = tracker_read_name(scratch, cgroup->kn->name);
	const bool is_slice = tracker_is_slice(scratch, len);
	const bool is_users = is_slice && smtpward_is_user_slice(scratch->forward.text);
	const __u64 above = tenant_id(parent);
	const struct smtpward_tenant *tenant;

	*ret_flags = is_users ? SMTPWARD_TENANT_USER_SLICE : 0;
	if (!above)
		return smtpward_tenant_begins(is_slice, is_users, tenant_owner(cgroup));
	tenant = bpf_map_lookup_elem(&map_tenants, &above);
	if (!tenant || tenant->flags & SMTPWARD_TENANT_USER_SLICE)
		return false;
	if (tenant_owner(cgroup) || tenant_owner(parent))
		return false;
	return !tenant_is_shared(parent);
}

static __always_inline void tenant_add(struct smtpward_tenant *tenant, struct cgroup *cgroup,
				       __u32 flags)
{
	const struct paths_list list = {
		.names = tenant->shared.cgroup,
		.len = &tenant->shared.cgroup_len,
		.flags = &tenant->shared.flags,
	};
	const __u64 id = cgroup->kn->id;
	long r;

	__builtin_memset(&tenant->shared.counts, 0, sizeof(tenant->shared.counts));
	tenant->shared.counts.born_ns = bpf_ktime_get_boot_ns();
	tenant->shared.cgroup_len = 0;
	tenant->shared.flags = SMTPWARD_CALLER_NAMED;
	tenant->flags = flags;
	paths_cgroup(&list, cgroup);
	/* An older load's tracker may have added the entry before: its answer is the same. */
	r = bpf_map_update_elem(&map_tenants, &id, tenant, BPF_NOEXIST);
	if (r && r != -EEXIST)
		COUNT(tenants_full);
}

/* Nothing is decided before the walk over the existing cgroups ends: see user/load/tenants.c. */
static __always_inline bool tenant_is_decided(void)
{
	const __u64 root = root_cgroup;

	return bpf_map_lookup_elem(&map_tenants, &root);
}

static __always_inline void tenant_made(struct cgroup *cgroup)
{
	struct tracker_scratch *scratch = tracker_room();
	__u32 flags;

	if (!scratch || !tenant_is_decided() || cgroup->level > SMTPWARD_TENANT_LEVELS)
		return;
	if (tenant_is_new(scratch, cgroup, &flags))
		tenant_add(&scratch->tenant, cgroup, flags);
}

/* An entry without counts is deleted at once, others by the reader once it has summed them up. */
static __always_inline void tenant_removed(struct cgroup *cgroup)
{
	const __u64 id = cgroup->kn->id;
	struct smtpward_tenant *tenant = bpf_map_lookup_elem(&map_tenants, &id);

	count_tenant_removed(id);
	if (!tenant || tenant->gone_ns)
		return;
	if (!tenant->users && !tenant->shared.counts.attempts) {
		bpf_map_delete_elem(&map_tenants, &id);
		return;
	}
	WRITE_ONCE(tenant->gone_ns, bpf_ktime_get_boot_ns());
	COUNT(tenants_gone);
}

#endif /* SMTPWARD_BPF_TENANT_H */
