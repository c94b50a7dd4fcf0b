/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The record of an attempt: who gets one, and what it says.
 *
 * Lines are limited by cgroup and effective user before the ring buffer, so that a
 * flood costs a counter and hides nobody else. Every attempt that the policy logs
 * ends in exactly one of: a record, suppressed, lost.
 */
#ifndef SMTPWARD_BPF_RECORD_H
#define SMTPWARD_BPF_RECORD_H

#include "paths.h"
#include "decide.h"

/*
 * What a new entry starts from: nothing but its time of birth, which the last CPU that
 * was here wrote. Any of these times will do, so long as the entry has one from the start.
 */
static struct smtpward_caller caller_newborn;

/* The entry of this caller alone, NULL where it has none. */
static __always_inline struct smtpward_caller *record_own_entry(const struct caller *caller)
{
	struct smtpward_caller_key key = {
		.cgroup_id = caller->cgroup_id,
		.euid = caller->euid,
	};

	return bpf_map_lookup_elem(&map_callers, &key);
}

/* The entry of (cgroup, user), or the one that all share which found the map full. */
static __always_inline struct smtpward_caller *record_caller(const struct caller *caller)
{
	struct smtpward_caller_key key = {
		.cgroup_id = caller->cgroup_id,
		.euid = caller->euid,
	};
	struct smtpward_caller *entry = record_own_entry(caller);

	if (entry)
		return entry;
	/* Where another CPU was first this fails, and its entry is as good. */
	WRITE_ONCE(caller_newborn.counts.born_ns, bpf_ktime_get_ns());
	bpf_map_update_elem(&map_callers, &key, &caller_newborn, BPF_NOEXIST);
	entry = record_own_entry(caller);
	if (entry)
		return entry;
	COUNT(callers_full);
	return bpf_map_lookup_elem(&map_callers_rest, &(const __u32){ 0 });
}

/*
 * Whether the limit lets one more line through. next_ns runs ahead of the clock by
 * one interval a line, up to the window. Two CPUs at once may let a line too many
 * through; neither loses count. The reader's group may write next_ns too: what is further
 * ahead than a program puts it holds nobody's lines back.
 */
static __always_inline bool record_within_limit(struct smtpward_caller *entry)
{
	__u64 now = bpf_ktime_get_ns();
	__u64 next = READ_ONCE(entry->counts.next_ns);

	if (next < now)
		next = now;
	if (next - now > limit_window_ns + limit_interval_ns)
		next = now;
	if (next - now > limit_window_ns)
		return false;
	WRITE_ONCE(entry->counts.next_ns, next + limit_interval_ns);
	return true;
}

/*
 * The cgroup's names as an earlier record of this caller had them: they never change,
 * for cgroup v2 has no rename, and no id is used twice. False where there are none.
 */
static __always_inline bool record_copy_names(struct smtpward_event *event,
					      const struct smtpward_caller *entry)
{
	__u32 flags = READ_ONCE(entry->flags);
	__u64 len = READ_ONCE(entry->cgroup_len);

	if (!(flags & SMTPWARD_CALLER_NAMED) || len > sizeof(event->cgroup))
		return false;
	bpf_probe_read_kernel(event->cgroup, len, entry->cgroup);
	event->cgroup_len = len;
	event->flags = flags & (SMTPWARD_CGROUP_CUT | SMTPWARD_CGROUP_TOP);
	return true;
}

/* The entry keeps the cgroup's names, also for the lines that sum up what was held back. */
static __always_inline void record_name_caller(struct smtpward_caller *entry,
					       const struct smtpward_event *event)
{
	__u32 flags = event->flags & (SMTPWARD_CGROUP_CUT | SMTPWARD_CGROUP_TOP);

	bpf_probe_read_kernel(entry->cgroup, sizeof(entry->cgroup), event->cgroup);
	WRITE_ONCE(entry->cgroup_len, event->cgroup_len);
	WRITE_ONCE(entry->flags, flags | SMTPWARD_CALLER_NAMED);
}

/*
 * The entry is looked up again, and not kept over the loops that write the names: the
 * verifier would go through them once for every kind of entry that it may be.
 */
static __always_inline void record_fill_cgroup(struct smtpward_event *event,
					       struct task_struct *task,
					       const struct caller *caller,
					       const struct smtpward_caller *entry)
{
	struct smtpward_caller *own;

	if (record_copy_names(event, entry))
		return;
	paths_cgroup(event, task);
	own = record_own_entry(caller);
	if (own)
		record_name_caller(own, event);
}

static __always_inline __u32 record_netns(const struct task_struct *task)
{
	struct nsproxy *nsproxy = TASK_READ(task, nsproxy);
	struct net *net = TASK_READ(nsproxy, net_ns);

	return TASK_READ(net, ns.inum);
}

static __always_inline void record_fill_task(struct smtpward_event *event,
					     const struct caller *caller,
					     const struct smtpward_caller *entry)
{
	const struct cred *cred = caller->cred;
	struct task_struct *task = task_current();
	struct task_struct *parent = TASK_READ(task, real_parent);

	event->uid = TASK_READ_ID(cred, uid.val);
	event->egid = TASK_READ_ID(cred, egid.val);
	event->auid = TASK_NOBODY;
	if (bpf_core_field_exists(task->loginuid))
		event->auid = TASK_READ_ID(task, loginuid.val);
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->ppid = TASK_READ(parent, tgid);
	event->netns = record_netns(task);
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	BPF_CORE_READ_STR_INTO(&event->parent, parent, comm);
	record_fill_cgroup(event, task, caller, entry);
	paths_exe(event, task);
}

static __always_inline void record_fill(struct smtpward_event *event, const struct flow *flow,
					const struct caller *caller,
					const struct decision *decision,
					const struct smtpward_caller *entry)
{
	event->time_ns = bpf_ktime_get_boot_ns();
	event->generation = generation;
	event->cgroup_id = caller->cgroup_id;
	__builtin_memcpy(event->address, flow->address, sizeof(event->address));
	event->port = flow->port;
	event->rule = decision->rule;
	event->verdict = decision->verdict;
	__builtin_memset(event->pad, 0, sizeof(event->pad));
	event->flags = 0;
	event->euid = caller->euid;
	event->cgroup_len = 0;
	event->exe_len = 0;
	record_fill_task(event, caller, entry);
}

static __always_inline void record_attempt(const struct flow *flow, const struct caller *caller,
					   const struct decision *decision)
{
	struct smtpward_caller *entry = record_caller(caller);
	struct smtpward_event *event;

	if (!entry) {
		COUNT(broken);
		return;
	}
	count(&entry->counts.attempts);
	if (!record_within_limit(entry)) {
		count(&entry->counts.suppressed);
		COUNT(suppressed);
		return;
	}
	event = bpf_ringbuf_reserve(&map_events, sizeof(*event), 0);
	if (!event) {
		count(&entry->counts.lost);
		COUNT(lost);
		return;
	}
	record_fill(event, flow, caller, decision, entry);
	bpf_ringbuf_submit(event, 0);
	COUNT(recorded);
}

#endif /* SMTPWARD_BPF_RECORD_H */
