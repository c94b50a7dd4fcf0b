/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The paths of the executable and of the working directory, as struct smtpward_event keeps them:
 * last name first, each with its NUL.
 *
 * While a list grows, its length in the record is the end of the list in the text. Each round of a
 * loop reads the end back: the verifier then knows of the end only the bound that was just checked.
 */
#ifndef SMTPWARD_BPF_FILES_H
#define SMTPWARD_BPF_FILES_H

#include "task.h"

/* Names, and mounts that are crossed; of these at most so many above the first mount's root. */
#define FILES_STEPS 40
#define FILES_STEPS_ABOVE 16

/* The list of one path in a record's text. */
struct files_list {
	__u32 *end;
	__u32 room; /* the list ends there at the latest */
};

/* False if the list has no room left for the name, or the name cannot be read. */
static __always_inline bool files_append(struct smtpward_event *event,
					 const struct files_list *list, const void *name)
{
	const __u32 end = READ_ONCE(*list->end);
	long got;

	/* A long name may run past the list's room: the bytes there are written later. */
	if (end > SMTPWARD_TEXT_SIZE - SMTPWARD_NAME_SIZE)
		return false;
	got = bpf_probe_read_kernel_str(event->text + end, SMTPWARD_NAME_SIZE, name);
	if (got <= 1 || end + got > list->room)
		return false;
	WRITE_ONCE(*list->end, end + got);
	return true;
}

/*
 * The same for a typed dentry. A short name lies in the dentry, and a copy of FILES_SHORT bytes
 * costs less than the call of a helper.
 */
#define FILES_SHORT 32

static __always_inline const void *files_short_name(const struct dentry *dentry)
{
	const struct dentry___shortname *later = (const void *)dentry;

	/* By offsets: the verifier still knows what the pointer points into. */
	if (bpf_core_field_exists(later->d_shortname))
		return (const void *)dentry +
		       bpf_core_field_offset(struct dentry___shortname, d_shortname);
	return (const void *)dentry + bpf_core_field_offset(struct dentry, d_iname);
}

static __always_inline bool files_append_typed(struct smtpward_event *event,
					       const struct files_list *list, struct dentry *dentry)
{
	const void *short_name = files_short_name(dentry);
	const void *name = dentry->d_name.name;
	const __u32 end = READ_ONCE(*list->end);
	const __u32 len = dentry->d_name.len;

	if (len >= FILES_SHORT || name != short_name)
		return files_append(event, list, name);
	if (end > SMTPWARD_TEXT_SIZE - SMTPWARD_NAME_SIZE || end + len + 1 > list->room)
		return false;
	for (int i = 0; i < FILES_SHORT; i += 8)
		WRITE_ONCE(*(__u64 *)(event->text + end + i),
			   READ_ONCE(*(const __u64 *)(short_name + i)));
	event->text[end + len] = '\0';
	WRITE_ONCE(*list->end, end + len + 1);
	return true;
}

/* How a walk goes on. */
#define FILES_CUT 0   /* no further: names nearest to the root are missing */
#define FILES_DONE 1  /* no further: there are no more names */
#define FILES_MOUNT 2 /* at the root of the mount */

/*
 * The names up to the root of the mount. A file that is in no directory, as memfd_create(2) makes
 * them, has one name. A directory that was moved out of what its mount shows ends at the root of
 * its file system.
 */
static __always_inline int files_walk_typed(struct smtpward_event *event,
					    const struct files_list *list, struct dentry *root,
					    struct dentry *dentry)
{
	for (int i = 0; i < FILES_STEPS; i++) {
		struct dentry *parent;

		if (dentry == root)
			return FILES_MOUNT;
		parent = dentry->d_parent;
		if (dentry == parent && i > 0)
			return FILES_DONE;
		if (!files_append_typed(event, list, dentry))
			return FILES_CUT;
		if (dentry == parent)
			return FILES_DONE;
		dentry = parent;
	}
	return FILES_CUT;
}

/* The same, over all mounts. With root and dentry NULL it begins at the root of the mount. */
static __always_inline int files_walk_untyped(struct smtpward_event *event,
					      const struct files_list *list, struct mount *mount,
					      struct dentry *root, struct dentry *dentry)
{
	struct dentry *mountpoint, *unused;
	struct mount *above;

	READ_NEAR3(&above, &mountpoint, &unused, mount, struct mount, mnt_parent, mnt_mountpoint,
		   mnt.mnt_root);
	for (int i = 0; i < (typed_task ? FILES_STEPS_ABOVE : FILES_STEPS); i++) {
		struct dentry *parent;
		const char *name;

		if (dentry == root) {
			if (above == mount || !above)
				return FILES_DONE;
			mount = above;
			dentry = mountpoint;
			READ_NEAR3(&above, &mountpoint, &root, mount, struct mount, mnt_parent,
				   mnt_mountpoint, mnt.mnt_root);
			continue;
		}
		READ_NEAR(&parent, &name, dentry, struct dentry, d_parent, d_name.name);
		if (dentry == parent && i > 0)
			return FILES_DONE;
		if (!files_append(event, list, name))
			return FILES_CUT;
		if (dentry == parent)
			return FILES_DONE;
		dentry = parent;
	}
	return FILES_CUT;
}

/* The names from a file up to the root of its mount tree. False: some are missing. */
static __always_inline bool files_walk(struct smtpward_event *event, const struct files_list *list,
				       struct vfsmount *vfsmount, struct dentry *dentry)
{
	/* Memory that the verifier does not follow; the last ancestor is written later. */
	char *const memory = event->ancestor[SMTPWARD_ANCESTORS - 1];
	struct dentry *root = UNTYPED(TASK_READ(vfsmount, mnt_root), memory);
	struct mount *mount =
		(void *)UNTYPED(vfsmount, memory) - bpf_core_field_offset(struct mount, mnt);

	if (typed_task) {
		const int how = files_walk_typed(event, list, root, dentry);

		if (how != FILES_MOUNT)
			return how == FILES_DONE;
		root = dentry = NULL;
	}
	return files_walk_untyped(event, list, mount, root, dentry) == FILES_DONE;
}

/* The part of the text behind the one that ends at `begin`: at least one name, if there is room. */
static __always_inline __u32 files_room(__u32 begin, __u32 left_to_others)
{
	const __u32 least = begin + SMTPWARD_NAME_SIZE;
	const __u32 most = SMTPWARD_TEXT_SIZE - left_to_others;

	return OPAQUE(least > most ? least : most, begin);
}

/* Behind the cgroup's names. */
static __always_inline void files_exe(struct smtpward_event *event, struct task_struct *task)
{
	const __u32 begin = READ_ONCE(event->cgroup_len);
	const struct files_list list = {
		.end = &event->exe_len,
		.room = files_room(begin, SMTPWARD_NAME_SIZE + SMTPWARD_ARGS_USUAL),
	};
	struct mm_struct *mm = TASK_READ(task, mm);
	struct file *file = TASK_READ(mm, exe_file);
	struct dentry *dentry = TASK_READ(file, f_path.dentry);

	if (!dentry)
		return;
	if (!TASK_READ(dentry, d_hash.pprev))
		event->flags |= SMTPWARD_EXE_DELETED;
	WRITE_ONCE(event->exe_len, begin);
	if (!files_walk(event, &list, TASK_READ(file, f_path.mnt), dentry))
		event->flags |= SMTPWARD_EXE_CUT;
	WRITE_ONCE(event->exe_len, READ_ONCE(event->exe_len) - begin);
}

/* Behind the executable's names. */
static __always_inline void files_cwd(struct smtpward_event *event, struct task_struct *task)
{
	const __u32 begin = READ_ONCE(event->cgroup_len) + READ_ONCE(event->exe_len);
	const struct files_list list = {
		.end = &event->cwd_len,
		.room = files_room(begin, SMTPWARD_ARGS_USUAL),
	};
	struct fs_struct *fs = TASK_READ(task, fs);
	struct dentry *dentry = TASK_READ(fs, pwd.dentry);

	if (!dentry)
		return;
	event->flags |= SMTPWARD_CWD_KNOWN;
	/* The root of a file system has no name that could be taken away. */
	if (!TASK_READ(dentry, d_hash.pprev) && TASK_READ(dentry, d_parent) != dentry)
		event->flags |= SMTPWARD_CWD_DELETED;
	WRITE_ONCE(event->cwd_len, begin);
	if (!files_walk(event, &list, TASK_READ(fs, pwd.mnt), dentry))
		event->flags |= SMTPWARD_CWD_CUT;
	WRITE_ONCE(event->cwd_len, READ_ONCE(event->cwd_len) - begin);
}

#endif /* SMTPWARD_BPF_FILES_H */
