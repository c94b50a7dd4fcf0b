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

/* A member of what a pointer that came from task_current() points to; 0 where it is NULL. */
#define TASK_READ(pointer, member)                                                          \
	({                                                                                  \
		typeof(({ (pointer)->member; })) task_value = 0;                            \
		if (!typed_task)                                                            \
			bpf_core_read(&task_value, sizeof(task_value), &(pointer)->member); \
		else if (pointer)                                                           \
			task_value = (pointer)->member;                                     \
		task_value;                                                                 \
	})

/* One that is the id of a user or a group: nobody's where it cannot be read, never root's. */
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

static __always_inline struct cgroup *task_cgroup(struct task_struct *task)
{
	return BPF_CORE_READ(task, cgroups, dfl_cgrp);
}

static __always_inline struct cgroup *task_cgroup_parent(struct cgroup *cgroup)
{
	return BPF_CORE_READ(cgroup, self.parent, cgroup);
}

#endif /* SMTPWARD_BPF_TASK_H */
