/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether the hooks are in force, as a file: a pinned iterator, whose program writes the text at
 * each read(2). A reader that is not root has no other way to ask: with a descriptor of a link it
 * could detach the hook, and with one of a program attach it elsewhere. The file needs neither, and
 * no bpf(2).
 *
 * The iterator goes over the kernel's maps, which are few and of which there is always one. Some
 * kernels refuse a program that iterates over a map's elements.
 *
 * The array of programs that the kernel runs for connects in a cgroup is freed by RCU, and an
 * iterator's program runs under rcu_read_lock(). The cgroup is looked for from the reader's own
 * cgroup up: a reader outside of the cgroup with the hooks learns nothing. All are below the root.
 */
#ifndef SMTPWARD_BPF_ATTACHED_H
#define SMTPWARD_BPF_ATTACHED_H

#include "task.h"

#define ATTACHED_LEVELS 64
#define ATTACHED_PROGRAMS 256

static __always_inline struct cgroup *attached_find_cgroup(__u64 id)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct cgroup *cgroup = task_cgroup(task);

	for (int i = 0; i < ATTACHED_LEVELS && cgroup; i++) {
		if (BPF_CORE_READ(cgroup, kn, id) == id)
			return cgroup;
		cgroup = task_cgroup_parent(cgroup);
	}
	return NULL;
}

/* The index of the hook's array in cgroup->bpf.effective, which differs between kernels. */
#define ATTACHED_INDEX(name)                                                       \
	(bpf_core_enum_value_exists(enum cgroup_bpf_attach_type, CGROUP_##name)    \
		 ? bpf_core_enum_value(enum cgroup_bpf_attach_type, CGROUP_##name) \
		 : BPF_CGROUP_##name)

static __always_inline int attached_runs(struct cgroup *cgroup, __u64 index, __u32 program_id)
{
	const __u64 size = bpf_core_type_size(struct bpf_prog_array_item);
	struct bpf_prog_array *array = NULL;
	const void *item;

	bpf_probe_read_kernel(
		&array, sizeof(array),
		(const void *)__builtin_preserve_access_index(&cgroup->bpf.effective) +
			index * sizeof(array));
	item = __builtin_preserve_access_index(&array->items);
	for (int i = 0; i < ATTACHED_PROGRAMS && array; i++) {
		struct bpf_prog *program = BPF_CORE_READ((struct bpf_prog_array_item *)item, prog);

		if (!program)
			break;
		if (BPF_CORE_READ(program, aux, id) == program_id)
			return 1;
		item += size;
	}
	return 0;
}

/* A word for each hook that the generation has: whether it runs the generation's program. */
#define HOOKS_TELL(name, type, program, before, part)                                  \
	if (hooks->program_ids[SMTPWARD_HOOK_##type]) {                                \
		static const char format[] = " " #name "=%d";                          \
		const int skipped = SMTPWARD_HOOK_##type == 0;                         \
		__u64 runs = attached_runs(cgroup, ATTACHED_INDEX(type),               \
					   hooks->program_ids[SMTPWARD_HOOK_##type]);  \
                                                                                       \
		bpf_seq_printf(seq, format + skipped, sizeof(format) - skipped, &runs, \
			       sizeof(runs));                                          \
	}

static __always_inline void attached_tell(struct seq_file *seq, const struct smtpward_hooks *hooks)
{
	static const char end[] = "\n";
	struct cgroup *cgroup = attached_find_cgroup(hooks->cgroup_id);

	if (!cgroup)
		return;
	SMTPWARD_HOOK_TABLE(HOOKS_TELL)
	bpf_seq_printf(seq, end, sizeof(end), NULL, 0);
}

#endif /* SMTPWARD_BPF_ATTACHED_H */
