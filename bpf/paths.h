/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The names from a cgroup and from an executable up to the root, as struct
 * smtpward_event keeps them: last name first, each with its NUL.
 *
 * How much is written so far lives in the record and is read back each round: the
 * verifier then knows nothing of it but the bound that was just checked, and sees
 * that all rounds are alike.
 */
#ifndef SMTPWARD_BPF_PATHS_H
#define SMTPWARD_BPF_PATHS_H

#include "task.h"

/*
 * Levels whose names are written, and levels that a hostile nesting is followed up where
 * the kernel has no list of all cgroups above one.
 */
#define PATHS_LEVELS 32
#define PATHS_LEVELS_SKIPPED 512

/* The levels next to the root whose names always fit: a slice, and what is in it. */
#define PATHS_TOP 2

#define PATHS_EXE_STEPS 40

/*
 * Appends a name to a list in the record. False where the list has no room left
 * for the longest name and keep_free bytes, or the name cannot be read.
 */
static __always_inline bool paths_append(char *list, __u32 size, __u32 *len, const void *name,
					 __u32 keep_free)
{
	__u32 used = READ_ONCE(*len);
	long got;

	if (used > size - SMTPWARD_NAME_SIZE - keep_free)
		return false;
	got = bpf_probe_read_kernel_str(list + used, SMTPWARD_NAME_SIZE, name);
	if (got <= 1)
		return false;
	WRITE_ONCE(*len, used + got);
	return true;
}

/* The names of a cgroup, in a record or in a tenant's entry. */
struct paths_list {
	char *names; /* SMTPWARD_CGROUP_SIZE */
	__u32 *len;
	__u32 *flags;
};

/*
 * The level of the root that paths start from: the first of a container may lie anywhere. What
 * lies deeper than the levels that are looked at counts as the hierarchy's own root.
 */
static __always_inline int paths_root_level(struct cgroup *cgroup)
{
	int level = 0;

	if (root_cgroup == SMTPWARD_ROOT_CGROUP)
		return 0;
	if (cgroup)
		level = BPF_CORE_READ(cgroup, level);
	for (int i = 0; i < PATHS_LEVELS && i <= level; i++)
		if (task_ancestor_id(cgroup, i) == root_cgroup)
			return i;
	return 0;
}

/* 0 at the root that paths start from, and past all cgroups; otherwise more. */
static __always_inline int paths_cgroup_level(struct cgroup *cgroup, int root_level)
{
	if (!cgroup || BPF_CORE_READ(cgroup, kn, id) == root_cgroup)
		return 0;
	return BPF_CORE_READ(cgroup, level) - root_level;
}

static __always_inline void paths_cgroup_append(const struct paths_list *list,
						struct cgroup *cgroup, __u32 keep_free)
{
	const char *name = BPF_CORE_READ(cgroup, kn, name);

	if (!paths_append(list->names, SMTPWARD_CGROUP_SIZE, list->len, name, keep_free))
		*list->flags |= SMTPWARD_CGROUP_CUT;
}

/* Writes the names below the top as far as there is room; returns where it stopped. */
static __always_inline struct cgroup *paths_cgroup_low(const struct paths_list *list,
						       struct cgroup *cgroup, int root_level)
{
	for (int i = 0; i < PATHS_LEVELS; i++) {
		if (paths_cgroup_level(cgroup, root_level) <= PATHS_TOP)
			return cgroup;
		paths_cgroup_append(list, cgroup, PATHS_TOP * SMTPWARD_NAME_SIZE);
		if (READ_ONCE(*list->flags) & SMTPWARD_CGROUP_CUT)
			break;
		cgroup = task_cgroup_parent(cgroup);
	}
	return cgroup;
}

/*
 * Without that list it is from css to css, one read a level: the longest loop by far, and
 * what the verifier has to go through at every load.
 */
static __always_inline struct cgroup *paths_cgroup_skip(const struct paths_list *list,
							struct cgroup *cgroup, int root_level)
{
	struct cgroup_subsys_state *css = &cgroup->self;
	int levels = paths_cgroup_level(cgroup, root_level) - PATHS_TOP;

	if (levels <= 0)
		return cgroup;
	*list->flags |= SMTPWARD_CGROUP_CUT;
	if (bpf_core_field_exists(cgroup->ancestors))
		return task_ancestor(cgroup, root_level + PATHS_TOP);
	for (int i = 0; i < PATHS_LEVELS_SKIPPED && i < levels; i++)
		css = BPF_CORE_READ(css, parent);
	return BPF_CORE_READ(css, cgroup);
}

static __always_inline void paths_cgroup(const struct paths_list *list, struct cgroup *cgroup)
{
	const int root_level = paths_root_level(cgroup);

	cgroup = paths_cgroup_low(list, cgroup, root_level);
	cgroup = paths_cgroup_skip(list, cgroup, root_level);
	if (READ_ONCE(*list->flags) & SMTPWARD_CGROUP_CUT) {
		if (paths_cgroup_level(cgroup, root_level) != PATHS_TOP)
			return;
		*list->flags |= SMTPWARD_CGROUP_TOP;
	}
	for (int i = 0; i < PATHS_TOP; i++) {
		if (!paths_cgroup_level(cgroup, root_level))
			return;
		paths_cgroup_append(list, cgroup, 0);
		cgroup = task_cgroup_parent(cgroup);
	}
}

static __always_inline struct mount *paths_mount(struct vfsmount *vfsmount)
{
	return (void *)vfsmount - bpf_core_field_offset(struct mount, mnt);
}

/* The path of a task's executable from the root of its mount tree. */
static __always_inline void paths_exe(struct smtpward_event *event, struct task_struct *task)
{
	struct mm_struct *mm = TASK_READ(task, mm);
	struct file *file = TASK_READ(mm, exe_file);
	struct vfsmount *vfsmount;
	struct dentry *dentry, *root;
	struct mount *mount;

	if (!file)
		return;
	vfsmount = TASK_READ(file, f_path.mnt);
	dentry = TASK_READ(file, f_path.dentry);
	root = TASK_READ(vfsmount, mnt_root);
	if (!TASK_READ(dentry, d_hash.pprev))
		event->flags |= SMTPWARD_EXE_DELETED;
	mount = paths_mount(vfsmount);
	for (int i = 0; i < PATHS_EXE_STEPS; i++) {
		struct dentry *parent;
		const char *name;

		if (dentry == root) {
			struct mount *above;

			READ_NEAR(&above, &dentry, mount, struct mount, mnt_parent, mnt_mountpoint);
			if (above == mount || !above)
				return;
			mount = above;
			root = BPF_CORE_READ(mount, mnt.mnt_root);
			continue;
		}
		READ_NEAR(&parent, &name, dentry, struct dentry, d_parent, d_name.name);
		if (!paths_append(event->exe, sizeof(event->exe), &event->exe_len, name, 0))
			break;
		/* A file that is in no directory, as memfd_create(2) makes them. */
		if (dentry == parent)
			return;
		dentry = parent;
	}
	event->flags |= SMTPWARD_EXE_CUT;
}

#endif /* SMTPWARD_BPF_PATHS_H */
