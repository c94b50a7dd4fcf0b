/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The record of an attempt: who gets one, and what it says.
 *
 * Lines are limited by tenant and effective user, and by tenant, before the ring buffer, so
 * that a flood costs a counter and hides nobody else, whatever cgroups and users it comes from.
 * Every attempt that the policy logs ends in exactly one of: a record, suppressed, lost.
 */
#ifndef SMTPWARD_BPF_RECORD_H
#define SMTPWARD_BPF_RECORD_H

#include "args.h"
#include "count.h"
#include "decide.h"
#include "files.h"
#include "paths.h"
#include "tenant.h"

/* Bytes of map_events that a record takes: with the kernel's header, rounded up to 8. */
#define RECORD_SIZE ((sizeof(struct smtpward_event) + 8 + 7) / 8 * 8)

/*
 * The initial value of a new entry. All CPUs share it: born_ns may be another CPU's, microseconds
 * off, which is harmless.
 */
static struct smtpward_caller_counts caller_newborn;

/* Whether one more user of the tenant may have an entry. The reader counts those it deleted. */
static __always_inline bool record_has_user_room(const struct smtpward_caller_key *user,
						 const struct smtpward_tenant *tenant)
{
	const struct smtpward_caller_key key = { .cgroup_id = user->cgroup_id, .shared = 1 };
	const struct smtpward_reported *reported;
	__u32 users = READ_ONCE(tenant->users);

	if (users < SMTPWARD_TENANT_USERS)
		return true;
	reported = bpf_map_lookup_elem(&map_reported, &key);
	return reported && users - READ_ONCE(reported->forgotten) < SMTPWARD_TENANT_USERS;
}

/* NULL: the user gets no entry, for the tenant has too many or map_callers is full. */
static __always_inline struct smtpward_caller_counts *
record_make_user(const struct smtpward_caller_key *key, struct smtpward_tenant *tenant)
{
	if (!record_has_user_room(key, tenant))
		return NULL;
	WRITE_ONCE(caller_newborn.born_ns, bpf_ktime_get_boot_ns());
	/* Fails if another CPU was first: then its entry is used. */
	if (!bpf_map_update_elem(&map_callers, key, &caller_newborn, BPF_NOEXIST))
		__sync_fetch_and_add(&tenant->users, 1);
	return bpf_map_lookup_elem(&map_callers, key);
}

/*
 * The counts of a user who has no entry, or of a guest. If the task was moved while it called, the
 * key may name no tenant: the key is then changed to the root's.
 */
static __always_inline struct smtpward_caller_counts *
record_other_counts(struct smtpward_caller_key *key, bool guest)
{
	struct smtpward_tenant *tenant = bpf_map_lookup_elem(&map_tenants, &key->cgroup_id);
	struct smtpward_caller_counts *counts;

	if (!tenant) {
		key->cgroup_id = root_cgroup;
		tenant = bpf_map_lookup_elem(&map_tenants, &key->cgroup_id);
	}
	if (!tenant)
		return bpf_map_lookup_elem(&map_callers_rest, &(const __u32){ 0 });
	if (guest)
		return &tenant->shared.counts;
	counts = record_make_user(key, tenant);
	if (counts)
		return counts;
	COUNT(callers_full);
	return &tenant->shared.counts;
}

/*
 * The value of next_ns after one more line; 0 if the limit allows no line. next_ns runs ahead of
 * the clock by one interval a line, up to the window. Two CPUs at the same time may allow one line
 * too many; neither loses count. The reader's group can write next_ns: a value further ahead than
 * a program would write is ignored.
 */
static __always_inline __u64 record_next_ns(const __u64 *next_ns, __u64 now, __u64 interval_ns,
					    __u64 window_ns)
{
	__u64 next = READ_ONCE(*next_ns);

	if (next < now)
		next = now;
	if (next - now > window_ns + interval_ns)
		next = now;
	return next - now > window_ns ? 0 : next + interval_ns;
}

/*
 * Whether map_events has room for one more record of this tenant: with it, the tenant's records
 * take no more bytes of map_events than are free. So if N tenants write all they can at the same
 * time, 1 / (N + 1) of map_events stays free, and each tenant that begins later can take half of
 * the free part: enough for a dozen. The number of a tenant's records there is an upper bound, but
 * for one a CPU: those since its mark, and those before the mark until the reader has passed the
 * mark.
 */
static __always_inline bool record_has_room(struct smtpward_tenant *tenant)
{
	const __u64 read = bpf_ringbuf_query(&map_events, BPF_RB_CONS_POS);
	const __u64 written = bpf_ringbuf_query(&map_events, BPF_RB_PROD_POS);
	const __u64 used = written - read;
	__u64 before = READ_ONCE(tenant->records_before);
	__u64 since = READ_ONCE(tenant->records_since);

	if (read >= READ_ONCE(tenant->mark)) {
		before = since;
		since = 0;
		WRITE_ONCE(tenant->mark, written);
		WRITE_ONCE(tenant->records_before, before);
		WRITE_ONCE(tenant->records_since, since);
	}
	if (used > events_size || (before + since + 1) * RECORD_SIZE > events_size - used)
		return false;
	__sync_fetch_and_add(&tenant->records_since, 1);
	return true;
}

/* Copies the cgroup's names from the tenant's entry. False: the cgroup is not the tenant itself. */
static __always_inline bool record_copy_names(struct smtpward_event *event, __u64 tenant_id,
					      const struct smtpward_caller *named)
{
	const __u64 len = READ_ONCE(named->cgroup_len);
	const __u32 flags = READ_ONCE(named->flags);

	if (event->cgroup_id != tenant_id || !(flags & SMTPWARD_CALLER_NAMED) ||
	    len > SMTPWARD_CGROUP_SIZE)
		return false;
	bpf_probe_read_kernel(event->text, len, named->cgroup);
	event->cgroup_len = len;
	event->flags = flags & SMTPWARD_CGROUP_FLAGS;
	return true;
}

/* A record that is being filled, and its user and tenant. */
struct record {
	struct smtpward_event *event;
	struct smtpward_caller_key key;
	const struct smtpward_tenant *tenant;
	__u64 now; /* CLOCK_BOOTTIME */
};

static __always_inline void record_fill_cgroup(const struct record *record,
					       struct task_struct *task)
{
	struct smtpward_event *event = record->event;
	const struct paths_list list = {
		.names = event->text,
		.len = &event->cgroup_len,
		.flags = &event->flags,
	};

	if (!record_copy_names(event, record->key.cgroup_id, &record->tenant->shared))
		paths_cgroup(&list, task_cgroup(task));
}

static __always_inline __u32 record_netns(const struct task_struct *task)
{
	struct nsproxy *nsproxy = TASK_READ(task, nsproxy);
	struct net *net = TASK_READ(nsproxy, net_ns);

	return TASK_READ(net, ns.inum);
}

/* The processes above, up to process 1; the kernel's own are below process 0, which is none. */
static __always_inline void record_fill_ancestors(struct smtpward_event *event,
						  struct task_struct *parent)
{
	int i;

	for (i = 0; i < SMTPWARD_ANCESTORS; i++) {
		const __u32 pid = TASK_READ(parent, tgid);

		if (!pid)
			break;
		task_read_comm(event->ancestor[i], parent);
		event->ancestors = i + 1;
		if (pid == 1)
			break;
		parent = TASK_READ(parent, real_parent);
	}
}

/* in_connect: the hook has the helpers of connect hooks, on every kernel. */
static __always_inline void record_fill_task(const struct record *record, bool in_connect)
{
	struct smtpward_event *event = record->event;
	struct task_struct *task = task_current();
	const struct cred *cred = TASK_READ(task, cred);
	struct task_struct *parent = TASK_READ(task, real_parent);

	event->uid = TASK_READ_ID(cred, uid.val);
	event->egid = TASK_READ_ID(cred, egid.val);
	event->auid = TASK_NOBODY;
	if (bpf_core_field_exists(task->loginuid))
		event->auid = TASK_READ_ID(task, loginuid.val);
	event->pid = in_connect ? bpf_get_current_pid_tgid() >> 32 : TASK_READ(task, tgid);
	event->ppid = TASK_READ(parent, tgid);
	event->netns = record_netns(task);
	if (typed_task || !in_connect)
		task_read_comm(event->comm, task);
	else
		bpf_get_current_comm(event->comm, sizeof(event->comm));
	record_fill_cgroup(record, task);
	files_exe(event, task);
	files_cwd(event, task);
	args_read(event, task);
	record_fill_ancestors(event, parent);
}

static __always_inline void record_fill_head(const struct record *record, const struct flow *flow,
					     const struct caller *caller,
					     const struct decision *decision)
{
	struct smtpward_event *event = record->event;

	event->time_ns = record->now;
	event->generation = generation;
	event->cgroup_id = caller->cgroup_id;
	__builtin_memcpy(event->address, flow->address, sizeof(event->address));
	event->port = flow->port;
	event->rule = decision->rule;
	event->verdict = decision->verdict;
	event->ancestors = 0;
	event->hook = SMTPWARD_OF_CONNECT;
	event->pad = 0;
	event->flags = 0;
	event->euid = caller->euid;
	event->cgroup_len = 0;
	event->exe_len = 0;
	event->cwd_len = 0;
	event->args_len = 0;
}

/*
 * The counter of the user's lost attempts. The counts are looked up again, for those that
 * record_reserve() found are of one of two maps, which makes two states to the verifier. That of
 * Linux 6.1 takes no two reservations for equal (regsafe() compares their ids): each state that
 * comes to the reservation costs all that fills the record once more.
 */
static __always_inline __u64 *record_lost(const struct record *record,
					  struct smtpward_tenant *tenant)
{
	struct smtpward_caller_counts *counts = bpf_map_lookup_elem(&map_callers, &record->key);

	return counts ? &counts->lost : &tenant->shared.counts.lost;
}

/*
 * Reserves a record: that takes the user's allowance, the tenant's, and room. False: one of them is
 * lacking, and the attempt is counted. A flood pays the user's lookup alone.
 */
static __always_inline bool record_reserve(struct record *record, bool guest)
{
	const __u64 now = record->now;
	struct smtpward_caller_counts *counts =
		guest ? NULL : bpf_map_lookup_elem(&map_callers, &record->key);
	struct smtpward_event *event = NULL;
	struct smtpward_tenant *tenant;
	__u64 next, of_all = 0;

	if (!counts)
		counts = record_other_counts(&record->key, guest);
	if (!counts) {
		COUNT(broken);
		return false;
	}
	count(&counts->attempts);
	next = record_next_ns(&counts->next_ns, now, limit_interval_ns, limit_window_ns);
	tenant = next ? bpf_map_lookup_elem(&map_tenants, &record->key.cgroup_id) : NULL;
	if (tenant)
		of_all =
			record_next_ns(&tenant->next_ns, now, tenant_interval_ns, tenant_window_ns);
	if (!tenant || !of_all) {
		count(&counts->suppressed);
		COUNT(suppressed);
		return false;
	}
	WRITE_ONCE(counts->next_ns, next);
	WRITE_ONCE(tenant->next_ns, of_all);
	if (record_has_room(tenant))
		event = bpf_ringbuf_reserve(&map_events, sizeof(*event), 0);
	if (!event) {
		count(record_lost(record, tenant));
		COUNT(lost);
		return false;
	}
	record->event = event;
	record->tenant = tenant;
	return true;
}

static __always_inline void record_attempt(const struct flow *flow, const struct caller *caller,
					   const struct decision *decision)
{
	struct record record = {
		.key.cgroup_id = tenant_of_caller(caller->cgroup_id),
		.key.euid = caller->euid,
		.now = bpf_ktime_get_boot_ns(),
	};

	count_attempt(record.key.cgroup_id, flow, caller, decision, record.now);
	if (!record_reserve(&record, false))
		return;
	record_fill_head(&record, flow, caller, decision);
	record_fill_task(&record, true);
	count_keep_last(&record.key, record.event);
	bpf_ringbuf_submit(record.event, 0);
	COUNT(recorded);
}

#endif /* SMTPWARD_BPF_RECORD_H */
