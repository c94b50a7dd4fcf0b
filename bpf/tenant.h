/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tenants: which cgroups share one limit on lines.
 *
 * Whoever has a subtree of their own makes cgroups without end, and so does a container's root.
 * So it is decided as a cgroup is made, where its maker is known: the tracepoint runs in the
 * context of mkdir(2). A new cgroup is of the tenant T that its parent is of if
 *
 *   - its maker and its parent lie in one tenant, T or one that T lies in, or
 *   - it or its parent is owned by somebody but root: who has it made it, or had it made, or
 *   - it lies below user-N.slice: root's managers make that user's sessions there;
 *
 * otherwise it is a tenant of its own. The slices above all tenants are none. Two may count as
 * one; what one tenant makes is never split off: nor if root has put another tenant into it, as
 * lxc-attach does, where whoever is inside can go. What was there before the load is decided by
 * user/load/tenants.c. A tenant never changes as long as its cgroup is there.
 */
#ifndef SMTPWARD_BPF_TENANT_H
#define SMTPWARD_BPF_TENANT_H

#include <linux/errno.h>

#include <smtpward/tenant.h>

#include "paths.h"
#include "tracker.h"

/* The level of the tenant of a cgroup; 0: it has none but the root. */
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
 * The id of the calling task's tenant. For a cgroup that was looked at before it is one load: its
 * level is known, and the helper knows the rest. A task that is moved meanwhile is of a tenant
 * that it was in, or of none that there is.
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

/* As cgroups are made and removed: under cgroup_mutex, one at a time. */

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

/* Whether a tenant that this cgroup lies in is one of the calling task, too. */
static __always_inline bool tenant_is_shared(struct cgroup *cgroup)
{
	struct cgroup *own = task_cgroup((void *)bpf_get_current_task());
	const int level = cgroup->level, own_level = BPF_CORE_READ(own, level);

	/* All that they share lie in the first one that the cgroup lies in. */
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
	tenant->shared.counts.born_ns = bpf_ktime_get_ns();
	tenant->shared.cgroup_len = 0;
	tenant->shared.flags = SMTPWARD_CALLER_NAMED;
	tenant->flags = flags;
	paths_cgroup(&list, cgroup);
	/* The tracker of an older load may have been first: its answer is the same. */
	r = bpf_map_update_elem(&map_tenants, &id, tenant, BPF_NOEXIST);
	if (r && r != -EEXIST)
		COUNT(tenants_full);
}

/* Until the walk is through with what was there, nothing is decided: see user/load/tenants.c. */
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

/* What has counted nothing goes at once, and what has once the reader has summed it up. */
static __always_inline void tenant_removed(struct cgroup *cgroup)
{
	const __u64 id = cgroup->kn->id;
	struct smtpward_tenant *tenant = bpf_map_lookup_elem(&map_tenants, &id);

	if (!tenant || tenant->gone_ns)
		return;
	if (!tenant->users && !tenant->shared.counts.attempts) {
		bpf_map_delete_elem(&map_tenants, &id);
		return;
	}
	WRITE_ONCE(tenant->gone_ns, bpf_ktime_get_ns());
	COUNT(tenants_gone);
}

#endif /* SMTPWARD_BPF_TENANT_H */
