/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The names from a cgroup up to the root, as struct smtpward_event keeps them: last name first,
 * each with its NUL.
 *
 * The length so far lives in the record, and each round of a loop reads it back: the verifier then
 * knows of the length only the bound that was just checked, so all rounds have one state.
 */
#ifndef SMTPWARD_BPF_PATHS_H
#define SMTPWARD_BPF_PATHS_H

#include <smtpward/match.h>

#include "task.h"

/*
 * Levels whose names are written, and levels that a hostile nesting is followed up where
 * the kernel has no list of all cgroups above one.
 */
#define PATHS_LEVELS 32
#define PATHS_LEVELS_SKIPPED 512

/* The levels next to the root that the unit is looked for in: slices are root's to make. */
#define PATHS_TOP 8

/*
 * Appends a name to a list in the record. False if the list has no room left
 * for the longest name and keep_free bytes, or the name cannot be read.
 */
static __always_inline bool paths_append(char *list, __u32 size, __u32 *len, const void *name,
					 __u32 keep_free)
{
	__u32 used = READ_ONCE(*len);
	long got;

	/* The second for the verifier, which knows nothing of keep_free. */
	if (used + keep_free > size - SMTPWARD_NAME_SIZE || used > size - SMTPWARD_NAME_SIZE)
		return false;
	got = bpf_probe_read_kernel_str(list + used, SMTPWARD_NAME_SIZE, name);
	if (got <= 1)
		return false;
	WRITE_ONCE(*len, used + got);
	return true;
}

/* Whether a name of this length, without its NUL, is a slice's. It has SMTPWARD_NAME_SIZE bytes. */
static __always_inline bool paths_is_slice(const char *name, __u32 len)
{
	static const char suffix[] = SMTPWARD_SLICE_SUFFIX;

	if (len < SMTPWARD_SLICE_SUFFIX_LEN)
		return false;
	len -= SMTPWARD_SLICE_SUFFIX_LEN;
	for (int i = 0; i < SMTPWARD_SLICE_SUFFIX_LEN; i++)
		if (name[(len + i) & (SMTPWARD_NAME_SIZE - 1)] != suffix[i])
			return false;
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

static __always_inline bool paths_cgroup_append(const struct paths_list *list,
						struct cgroup *cgroup, __u32 keep_free)
{
	const char *name = BPF_CORE_READ(cgroup, kn, name);

	return paths_append(list->names, SMTPWARD_CGROUP_SIZE, list->len, name, keep_free);
}

/* All names. False: there is no room for them. */
static __always_inline bool paths_cgroup_whole(const struct paths_list *list, struct cgroup *cgroup)
{
	for (int i = 0; i < PATHS_LEVELS; i++) {
		struct cgroup *parent;

		if (!cgroup || BPF_CORE_READ(cgroup, kn, id) == root_cgroup)
			return true;
		parent = task_cgroup_parent(cgroup);
		/* The hierarchy's own root, of a caller that went outside, has no name. */
		if (!parent)
			return true;
		if (!paths_cgroup_append(list, cgroup, 0))
			return false;
		cgroup = parent;
	}
	return false;
}

/*
 * The cgroup PATHS_TOP levels below the root, or this one if it is nearer. Before Linux 6.1 there
 * is no cgroup->ancestors: css->parent is followed, one read a level, PATHS_LEVELS_SKIPPED at most.
 */
static __always_inline struct cgroup *paths_cgroup_above(struct cgroup *cgroup, int root_level)
{
	const int levels = paths_cgroup_level(cgroup, root_level) - PATHS_TOP;
	struct cgroup_subsys_state *css = &cgroup->self;

	if (levels <= 0)
		return cgroup;
	if (bpf_core_field_exists(cgroup->ancestors))
		return task_ancestor(cgroup, root_level + PATHS_TOP);
	for (int i = 0; i < PATHS_LEVELS_SKIPPED && i < levels; i++)
		css = BPF_CORE_READ(css, parent);
	return BPF_CORE_READ(css, cgroup);
}

/*
 * Names of a path that are kept whatever else is left out: all down to the unit, and at least two.
 * These names leave room for the longest name, which paths_append() asks for at the last name.
 */
struct paths_top {
	struct cgroup *cgroup; /* the lowest; NULL: nothing is kept */
	__u32 names;
	__u32 size; /* of the names, with their NULs */
};

/* A level next to the root. */
struct paths_level {
	struct cgroup *cgroup;
	__u32 size; /* of its name, with the NUL */
	__u32 is_slice;
};

/* In the list's last bytes, before its names are written: the verifier does not follow them. */
struct paths_scratch {
	struct paths_level levels[PATHS_TOP]; /* from the root down */
	char name[SMTPWARD_NAME_SIZE];
};

/* How many levels there are; 0 if one cannot be read, and where it starts below PATHS_TOP. */
static __always_inline int paths_read_levels(struct paths_scratch *scratch, struct cgroup *cgroup,
					     int root_level)
{
	const int levels = paths_cgroup_level(cgroup, root_level);

	if (levels > PATHS_TOP)
		return 0;
	for (int i = 0; i < PATHS_TOP; i++) {
		const int above = paths_cgroup_level(cgroup, root_level) - 1;
		struct paths_level *level = &scratch->levels[above & (PATHS_TOP - 1)];
		long size;

		if (above < 0)
			break;
		size = bpf_probe_read_kernel_str(scratch->name, SMTPWARD_NAME_SIZE,
						 BPF_CORE_READ(cgroup, kn, name));
		if (size <= 1)
			return 0;
		level->cgroup = cgroup;
		level->size = size;
		level->is_slice = paths_is_slice(scratch->name, size - 1);
		cgroup = task_cgroup_parent(cgroup);
	}
	return levels;
}

static __always_inline void paths_cgroup_top(const struct paths_list *list, struct cgroup *cgroup,
					     int root_level, struct paths_top *ret)
{
	struct paths_scratch *scratch =
		(void *)(list->names + SMTPWARD_CGROUP_SIZE - sizeof(*scratch));
	struct paths_level *const levels = scratch->levels;
	const int depth =
		paths_read_levels(scratch, paths_cgroup_above(cgroup, root_level), root_level);
	__u32 names = 0, size = 0;

	/* The one nearest to the root that is no slice is the unit. */
	for (int i = 0; i < PATHS_TOP && i < depth; i++) {
		names++;
		size += levels[i].size;
		if (i > 0 && !(levels[0].is_slice && levels[i].is_slice))
			break;
	}
	/* Slices of somebody who was given one can be so long: then the two alone. */
	if (size > SMTPWARD_CGROUP_SIZE - SMTPWARD_NAME_SIZE) {
		names = 2;
		size = levels[0].size + levels[1].size;
	}
	ret->names = OPAQUE(names, depth);
	ret->size = OPAQUE(size, depth);
	ret->cgroup = depth > 0 ? levels[(ret->names - 1) & (PATHS_TOP - 1)].cgroup : NULL;
	/* The kernel's addresses are nobody's who reads a record. */
	__builtin_memset(levels, 0, sizeof(scratch->levels));
}

/* As many names as there is room for, and those of the top. */
static __always_inline void paths_cgroup_cut(const struct paths_list *list, struct cgroup *cgroup)
{
	struct paths_top top = { .names = 0 };
	int root_level;

	/* Read back, or the verifier would follow each level that the root may have to the end. */
	WRITE_ONCE(*list->len, paths_root_level(cgroup));
	root_level = READ_ONCE(*list->len) & (PATHS_LEVELS - 1);
	WRITE_ONCE(*list->len, 0);
	*list->flags |= SMTPWARD_CGROUP_CUT;
	paths_cgroup_top(list, cgroup, root_level, &top);
	for (int i = 0; i < PATHS_LEVELS; i++) {
		if (paths_cgroup_level(cgroup, root_level) <= (int)top.names ||
		    !paths_cgroup_append(list, cgroup, top.size + SMTPWARD_NAME_SIZE))
			break;
		cgroup = task_cgroup_parent(cgroup);
	}
	if (!top.cgroup)
		return;
	*list->flags |= SMTPWARD_CGROUP_TOP | top.names << SMTPWARD_CGROUP_TOP_SHIFT;
	for (int i = 0; i < PATHS_TOP; i++) {
		if (!paths_cgroup_level(top.cgroup, root_level))
			return;
		paths_cgroup_append(list, top.cgroup, 0);
		top.cgroup = task_cgroup_parent(top.cgroup);
	}
}

static __always_inline void paths_cgroup(const struct paths_list *list, struct cgroup *cgroup)
{
	if (!paths_cgroup_whole(list, cgroup))
		paths_cgroup_cut(list, cgroup);
}

#endif /* SMTPWARD_BPF_PATHS_H */
