/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The calling task, and what it leads to.
 *
 * Where the kernel gives a connect hook the task with its type, a member is one load, which
 * the kernel makes safe; elsewhere it is a call of a helper, four times as dear. Which of
 * the two it is the verifier knows, and drops the other.
 */
#ifndef SMTPWARD_BPF_TASK_H
#define SMTPWARD_BPF_TASK_H

#include "maps.h"

static __always_inline struct task_struct *task_current(void)
{
	if (typed_task)
		return (struct task_struct *)bpf_get_current_task_btf();
	return (struct task_struct *)bpf_get_current_task();
}

/* A member of what a pointer that came from task_current() points to; 0 if it is NULL. */
#define TASK_READ(pointer, member)                                                          \
	({                                                                                  \
		typeof(({ (pointer)->member; })) task_value = 0;                            \
		if (!typed_task)                                                            \
			bpf_core_read(&task_value, sizeof(task_value), &(pointer)->member); \
		else if (pointer)                                                           \
			task_value = (pointer)->member;                                     \
		task_value;                                                                 \
	})

/* Reads the id of a user or a group; TASK_NOBODY, never root's, if the id cannot be read. */
#define TASK_NOBODY (~0U)
#define TASK_READ_ID(pointer, member)                                                     \
	({                                                                                \
		__u32 task_id = TASK_NOBODY;                                              \
		if (!typed_task) {                                                        \
			if (bpf_core_read(&task_id, sizeof(task_id), &(pointer)->member)) \
				task_id = TASK_NOBODY;                                    \
		} else if (pointer) {                                                     \
			task_id = (pointer)->member;                                      \
		}                                                                         \
		task_id;                                                                  \
	})

/* The comm of a task, which is a typed one or not as that of task_current(). */
static __always_inline void task_read_comm(char *dst, struct task_struct *task)
{
	/* Two words: dst has the room, and lies as a __u64 does. */
	for (int i = 0; i < SMTPWARD_COMM_SIZE; i += 8) {
		__u64 word = 0;

		if (!typed_task)
			bpf_core_read(&word, sizeof(word), &task->comm[i]);
		else if (task)
			word = *(const __u64 *)&task->comm[i];
		*(__u64 *)(dst + i) = word;
	}
}

static __always_inline struct cgroup *task_cgroup(struct task_struct *task)
{
	return BPF_CORE_READ(task, cgroups, dfl_cgrp);
}

static __always_inline struct cgroup *task_cgroup_parent(struct cgroup *cgroup)
{
	return BPF_CORE_READ(cgroup, self.parent, cgroup);
}

/* From 6.1 on: the cgroup at a level, which is not over this one's own, at or above this one. */
static __always_inline struct cgroup *task_ancestor(struct cgroup *cgroup, int level)
{
	struct cgroup *ancestor = NULL;

	bpf_probe_read_kernel(&ancestor, sizeof(ancestor),
			      (const void *)__builtin_preserve_access_index(&cgroup->ancestors) +
				      level * sizeof(ancestor));
	return ancestor;
}

/* The id of that cgroup, on every kernel. */
static __always_inline __u64 task_ancestor_id(struct cgroup *cgroup, int level)
{
	struct cgroup *ancestor;
	__u64 id = 0;

	if (bpf_core_field_exists(cgroup->ancestors)) {
		ancestor = task_ancestor(cgroup, level);
		return BPF_CORE_READ(ancestor, kn, id);
	}
	bpf_probe_read_kernel(&id, sizeof(id),
			      (const void *)__builtin_preserve_access_index(&cgroup->ancestor_ids) +
				      level * sizeof(id));
	return id;
}

#endif /* SMTPWARD_BPF_TASK_H */
