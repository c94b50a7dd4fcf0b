/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The count of attempts, for 'smtpward report': a row for each tenant, user, rule and destination,
 * within the bounds of smtpward/rows.h. The limit on lines does not matter here: an attempt over
 * the limit is counted as any other, and costs one lookup more.
 *
 * Everything that is chosen here ends here: no value lives on that the verifier would follow
 * through the rest of the program.
 */
#ifndef SMTPWARD_BPF_COUNT_H
#define SMTPWARD_BPF_COUNT_H

#include "decide.h"
#include "flow.h"
#include "maps.h"

/*
 * Initial values of new entries. All CPUs share them: first_ns may be another CPU's, microseconds
 * off, which is harmless.
 */
static struct smtpward_row row_newborn;
static struct smtpward_row_tenant row_tenant_newborn;
static struct smtpward_row_last row_last_newborn;

/* The names of a tenant's entry, which are copied as they lie there. */
#define COUNT_NAMES(member)                                                \
	(__builtin_offsetof(struct smtpward_caller, member) -              \
		 __builtin_offsetof(struct smtpward_caller, cgroup_len) == \
	 __builtin_offsetof(struct smtpward_row_names, member))

_Static_assert(COUNT_NAMES(flags) && COUNT_NAMES(cgroup), "both have the same layout");

/*
 * The tenant's entry, made if there is room; NULL: there is none. If the task was moved while it
 * called, the key may name no tenant: the key is then changed to the root's.
 */
static __always_inline struct smtpward_row_tenant *count_tenant(struct smtpward_row_key *key,
								struct smtpward_rows_used *used)
{
	struct smtpward_row_tenant *entry = bpf_map_lookup_elem(&map_row_tenants, &key->tenant);
	struct smtpward_tenant *tenant;

	if (entry)
		return entry;
	tenant = bpf_map_lookup_elem(&map_tenants, &key->tenant);
	if (!tenant) {
		key->tenant = root_cgroup;
		tenant = bpf_map_lookup_elem(&map_tenants, &key->tenant);
	}
	if (!tenant)
		return NULL;
	/* Fails if the map is full, or another CPU was first: then its entry is used. */
	if (bpf_map_update_elem(&map_row_tenants, &key->tenant, &row_tenant_newborn, BPF_NOEXIST))
		return bpf_map_lookup_elem(&map_row_tenants, &key->tenant);
	count(&used->tenants);
	/* Only for who has an entry: then there is room for the names. */
	bpf_map_update_elem(&map_row_names, &key->tenant, &tenant->shared.cgroup_len, BPF_NOEXIST);
	return bpf_map_lookup_elem(&map_row_tenants, &key->tenant);
}

static __always_inline bool count_has_room(__u64 made, __u64 kept, __u64 most, const __u64 *used,
					   __s64 shared)
{
	if (made < kept)
		return true;
	return made < kept + most && (__s64)READ_ONCE(*used) < shared;
}

/* The row of an attempt that is the first of its kind, or what stands for it. */
static __always_inline struct smtpward_row *count_make_row(struct smtpward_row_key *key, __u64 now)
{
	struct smtpward_rows_used *used = bpf_map_lookup_elem(&map_rows_used, &(const __u32){ 0 });
	struct smtpward_row_tenant *tenant;
	struct smtpward_row *row;
	__u64 rows;

	if (!used)
		return NULL;
	tenant = count_tenant(key, used);
	if (!tenant)
		return &used->rest;
	rows = READ_ONCE(tenant->rows);
	if (!count_has_room(rows, SMTPWARD_ROWS_KEPT, SMTPWARD_ROWS_A_TENANT, &used->rows,
			    SMTPWARD_ROWS_SHARED - SMTPWARD_ROWS_SLACK))
		return &tenant->other;
	WRITE_ONCE(row_newborn.first_ns, now);
	if (!bpf_map_update_elem(&map_rows, key, &row_newborn, BPF_NOEXIST)) {
		count(&tenant->rows);
		if (rows >= SMTPWARD_ROWS_KEPT)
			count(&used->rows);
	}
	row = bpf_map_lookup_elem(&map_rows, key);
	return row ? row : &tenant->other;
}

static __always_inline void count_attempt(__u64 tenant, const struct flow *flow,
					  const struct caller *caller,
					  const struct decision *decision, __u64 now)
{
	struct smtpward_row_key key = {
		.tenant = tenant,
		.rule = rule_hashes[decision->rule & (SMTPWARD_RULE_HASHES - 1)],
		.words = { flow->words[0], flow->words[1], flow->words[2], flow->words[3] },
		.euid = caller->euid,
		.port = flow->port,
	};
	struct smtpward_row *row = bpf_map_lookup_elem(&map_rows, &key);

	if (!row)
		row = count_make_row(&key, now);
	if (!row)
		return;
	/* There is no verdict 3, and the verifier cannot know that: it would be last_ns. */
	count((__u64 *)row + (decision->verdict & 3));
	WRITE_ONCE(row->last_ns, now);
}

/* The entry of a user's last attempt; NULL: there is no room for it. */
static __always_inline struct smtpward_row_last *count_last(const struct smtpward_caller_key *key)
{
	struct smtpward_row_last *last = bpf_map_lookup_elem(&map_row_lasts, key);
	struct smtpward_row_tenant *tenant;
	struct smtpward_rows_used *used;
	__u64 lasts;

	if (last)
		return last;
	tenant = bpf_map_lookup_elem(&map_row_tenants, &key->cgroup_id);
	used = bpf_map_lookup_elem(&map_rows_used, &(const __u32){ 0 });
	if (!tenant || !used)
		return NULL;
	lasts = READ_ONCE(tenant->lasts);
	if (!count_has_room(lasts, 1, SMTPWARD_LASTS_A_TENANT, &used->lasts,
			    SMTPWARD_LASTS_SHARED - SMTPWARD_ROWS_SLACK))
		return NULL;
	if (!bpf_map_update_elem(&map_row_lasts, key, &row_last_newborn, BPF_NOEXIST)) {
		count(&tenant->lasts);
		if (lasts)
			count(&used->lasts);
	}
	return bpf_map_lookup_elem(&map_row_lasts, key);
}

/*
 * Keeps what a record says as its user's last attempt. The program adds 1 to `writers`, and then
 * reads it: if it reads 1, it writes the entry, otherwise the entry stays as it is. Linux before
 * 5.12 has no atomic addition that returns the old value.
 */
static __always_inline void count_keep_last(const struct smtpward_caller_key *key,
					    const struct smtpward_event *event)
{
	struct smtpward_row_last *last = count_last(key);
	const __u64 exe_len = READ_ONCE(event->exe_len), cwd_len = READ_ONCE(event->cwd_len);
	const __u64 args_len = READ_ONCE(event->args_len), begin = READ_ONCE(event->cgroup_len);
	const __u64 len = exe_len + cwd_len + args_len;

	if (!last || event->time_ns - READ_ONCE(last->time_ns) < SMTPWARD_LAST_INTERVAL_NS)
		return;
	if (len > sizeof(last->text) || begin > sizeof(event->text))
		return;
	count(&last->writers);
	if (READ_ONCE(last->writers) == 1) {
		last->time_ns = event->time_ns;
		last->flags = event->flags;
		last->exe_len = exe_len;
		last->cwd_len = cwd_len;
		last->args_len = args_len;
		bpf_probe_read_kernel(last->text, len, event->text + begin);
		barrier();
		WRITE_ONCE(last->writes, last->writes + 1);
	}
	__sync_fetch_and_add(&last->writers, -1);
}

/* A cgroup that has rows is gone: its rows stay until a load or a heal takes them away. */
static __always_inline void count_tenant_removed(__u64 id)
{
	struct smtpward_row_tenant *tenant = bpf_map_lookup_elem(&map_row_tenants, &id);
	struct smtpward_rows_used *used = bpf_map_lookup_elem(&map_rows_used, &(const __u32){ 0 });

	if (!tenant || !used || tenant->gone_ns)
		return;
	WRITE_ONCE(tenant->gone_ns, bpf_ktime_get_boot_ns());
	count(&used->gone);
}

#endif /* SMTPWARD_BPF_COUNT_H */
