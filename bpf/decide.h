/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The policy's answer to one connect: each part of the connect (port, address, cgroup, user, group)
 * becomes the set of rules that this part satisfies. The first rule in all sets decides.
 */
#ifndef SMTPWARD_BPF_DECIDE_H
#define SMTPWARD_BPF_DECIDE_H

#include <smtpward/until.h>
#include <smtpward/verdict.h>

#include "flow.h"
#include "maps.h"
#include "task.h"

/* How many cgroups above the calling task's are looked at for rules that its cgroup inherits. */
#define DECIDE_LEVELS 32

/* The calling task, as far as rules ask. Ids are those of the initial user namespace. */
struct caller {
	__u64 cgroup_id;
	__u32 euid;
	__u32 egid;
};

struct decision {
	__u32 rule; /* index, or SMTPWARD_RULE_NONE */
	__u32 verdict;
};

static __always_inline void caller_identify(struct caller *caller)
{
	struct task_struct *task = task_current();
	const struct cred *cred = TASK_READ(task, cred);

	caller->cgroup_id = bpf_get_current_cgroup_id();
	caller->euid = TASK_READ_ID(cred, euid.val);
	caller->egid = asks[SMTPWARD_GROUP] ? TASK_READ_ID(cred, egid.val) : TASK_NOBODY;
}

/*
 * A copy of the rules that a lookup found. Each set that a lookup may find is a state of its own to
 * the verifier, and the states of all lookups multiply; copies are one state.
 */
static __always_inline const struct smtpward_rules *decide_copy(struct smtpward_rules *copy,
								const struct smtpward_rules *found)
{
	for (__u32 i = 0; i < SMTPWARD_RULE_WORDS && i < rule_words; i++)
		copy->words[i] = found->words[i];
	return copy;
}

static __always_inline void decide_unite(struct smtpward_rules *copy,
					 const struct smtpward_rules *more)
{
	for (__u32 i = 0; i < SMTPWARD_RULE_WORDS && i < rule_words; i++)
		copy->words[i] |= more->words[i];
}

/* The rules that name this id, or any if no rule does. */
static __always_inline const struct smtpward_rules *decide_id(bool asked, void *map,
							      const __u32 *id,
							      const struct smtpward_rules *any,
							      struct smtpward_rules *copy)
{
	return asked ? decide_copy(copy, bpf_map_lookup_elem(map, id) ?: any) : any;
}

/* A destination as a key of map_addresses and map_local. */
union decide_key {
	struct smtpward_prefix prefix;
	struct {
		__u32 bits;
		__u32 words[4];
	};
};

/* 127.0.0.0/8 and ::1 are local even if nobody keeps the local addresses. */
static __always_inline bool decide_is_loopback(const union decide_key *key)
{
	if (key->words[0] | key->words[1])
		return false;
	if (key->words[2] == FLOW_MAPPED)
		return key->prefix.address[12] == 127;
	return !key->words[2] && key->words[3] == FLOW_LOOPBACK6;
}

/* An address of fe80::/10 is the host's on one link and anybody's on the next. */
static __always_inline bool decide_is_link_local(const union decide_key *key)
{
	return (key->words[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

static __always_inline bool decide_is_leased(const union decide_key *key)
{
	const __u64 *end = bpf_map_lookup_elem(&map_local, key);

	return end && smtpward_lease_holds(READ_ONCE(*end), bpf_ktime_get_boot_ns());
}

/*
 * Whether the destination is an address of the host. It does not count as one for a socket of
 * another network namespace, whose routes may lead the same address anywhere, nor for a socket that
 * is bound to a device: an address is local on its own device alone.
 */
static __always_inline bool decide_is_local(struct bpf_sock_addr *ctx, const union decide_key *key)
{
	if (!decide_is_loopback(key) && (decide_is_link_local(key) || !decide_is_leased(key)))
		return false;
	return !ctx->sk->bound_dev_if && flow_netns(ctx) == host_netns;
}

/* The rules by destination: those by its address and those by 'local'. */
static __always_inline const struct smtpward_rules *
decide_to(const struct flow *flow, struct bpf_sock_addr *ctx, struct smtpward_rules *copy)
{
	union decide_key key = { .prefix.bits = 128 };
	const __u8 asked = asks[SMTPWARD_TO];

	if (!asked)
		return CONSTANT(any_TO);
	__builtin_memcpy(key.prefix.address, flow->address, sizeof(key.prefix.address));
	decide_copy(copy, bpf_map_lookup_elem(&map_addresses, &key) ?: CONSTANT(any_TO));
	if (asked == SMTPWARD_ASKS_LOCAL && decide_is_local(ctx, &key))
		decide_unite(copy, CONSTANT(local_rules));
	return copy;
}

/* Whether the tracker had no room in a map for a cgroup. */
static __always_inline bool decide_misses(__u32 from)
{
	const struct smtpward_tracker *tracker = bpf_map_lookup_elem(&map_tracker, &from);

	return !tracker || READ_ONCE(tracker->missing);
}

/* The rules of the nearest cgroup above the calling task's that has some; NULL: too far. */
static __always_inline const struct smtpward_rules *decide_nearest_cgroup(void)
{
	struct cgroup *cgroup = task_cgroup((void *)bpf_get_current_task());

	for (int i = 0; i < DECIDE_LEVELS; i++) {
		const struct smtpward_cgroup *entry;
		__u64 id;

		cgroup = task_cgroup_parent(cgroup);
		id = BPF_CORE_READ(cgroup, kn, id);
		entry = bpf_map_lookup_elem(&map_cgroups, &id);
		if (entry)
			return &entry->rules;
	}
	return NULL;
}

static __always_inline const struct smtpward_rules *decide_find_cgroup(const struct caller *caller,
								       bool *ret_unsure)
{
	const struct smtpward_rules *inherited;
	const struct smtpward_cgroup *cgroup;

	*ret_unsure = false;
	cgroup = bpf_map_lookup_elem(&map_cgroups, &caller->cgroup_id);
	if (cgroup)
		return &cgroup->rules;
	inherited = bpf_map_lookup_elem(&map_inherited, &caller->cgroup_id);
	if (inherited)
		return inherited;
	*ret_unsure = decide_misses(SMTPWARD_TRACKER_CGROUPS);
	if (!decide_misses(SMTPWARD_TRACKER_INHERITED))
		return CONSTANT(any_cgroup);
	inherited = decide_nearest_cgroup();
	if (inherited)
		return inherited;
	*ret_unsure = true;
	return CONSTANT(any_cgroup);
}

/* The rules by the calling task's cgroup. unsure: a rule that covers the cgroup may be missing. */
static __always_inline const struct smtpward_rules *
decide_cgroup(const struct caller *caller, struct smtpward_rules *copy, bool *ret_unsure)
{
	bool unsure;

	*ret_unsure = false;
	if (!asks_cgroup)
		return CONSTANT(any_cgroup);
	decide_copy(copy, decide_find_cgroup(caller, &unsure));
	*ret_unsure = OPAQUE(unsure, caller->cgroup_id);
	return copy;
}

/* decide_satisfy() sets each condition: these four by name, and each of the id conditions. */
#define DECIDE_COUNT(name, map, member) +1
_Static_assert(SMTPWARD_CONNECT_CONDITIONS_N == 4 SMTPWARD_ID_CONDITIONS(DECIDE_COUNT),
	       "every condition is looked up");
#undef DECIDE_COUNT

static __always_inline void
decide_satisfy(const struct flow *flow, struct bpf_sock_addr *ctx, const struct caller *caller,
	       struct smtpward_satisfied *satisfied,
	       struct smtpward_rules copies[SMTPWARD_CONNECT_CONDITIONS_N], bool *ret_unsure)
{
	const struct smtpward_rules **by = satisfied->by;

	by[SMTPWARD_PORT] = CONSTANT(port_rules[flow->port_index & (SMTPWARD_PORTS_MAX - 1)]);
	by[SMTPWARD_CGROUP] = decide_cgroup(caller, &copies[SMTPWARD_CGROUP], ret_unsure);
	by[SMTPWARD_UNIT] = by[SMTPWARD_CGROUP];
#define DECIDE_ID(name, map, member)                                                  \
	by[SMTPWARD_##name] = decide_id(asks[SMTPWARD_##name], &map, &caller->member, \
					CONSTANT(any_##name), &copies[SMTPWARD_##name]);
	SMTPWARD_ID_CONDITIONS(DECIDE_ID)
#undef DECIDE_ID
	by[SMTPWARD_TO] = decide_to(flow, ctx, &copies[SMTPWARD_TO]);
}

/*
 * Nanoseconds since the epoch. CLOCK_TAI is set with the machine's clock. CLOCK_BOOTTIME is not:
 * 'smtpward clock' corrects the offset. Neither stops while the machine is suspended: for
 * CLOCK_BOOTTIME see the kernel's Documentation/core-api/timekeeping.rst; CLOCK_TAI follows
 * CLOCK_REALTIME.
 */
static __always_inline __u64 decide_now(const struct smtpward_clock *clock)
{
	return (reads_tai ? bpf_ktime_get_tai_ns() : bpf_ktime_get_boot_ns()) +
	       READ_ONCE(clock->offset_ns);
}

/* The rules that have not ended. Without the map, which cannot be, as if the clock were not set. */
static __always_inline const struct smtpward_rules *decide_find_alive(void)
{
	const struct smtpward_clock *clock = bpf_map_lookup_elem(&map_clock, &(const __u32){ 0 });
	const struct smtpward_rules *sets = CONSTANT(alive);
	__u64 index;

	if (!clock)
		return sets;
	index = smtpward_alive_index(CONSTANT(ends), ends_count, READ_ONCE(clock->floor_ns),
				     decide_now(clock));
	/* The index is always below; the verifier has to see that. */
	__asm__("" : "+r"(index));
	return index < SMTPWARD_ALIVE_SETS ? &sets[index] : sets;
}

/* Takes the rules that have ended out of one set, and so out of the intersection of all. */
static __always_inline void decide_narrow(struct smtpward_satisfied *satisfied,
					  struct smtpward_rules *narrowed)
{
	const struct smtpward_rules *now = decide_find_alive();

	for (int i = 0; i < SMTPWARD_RULE_WORDS; i++)
		narrowed->words[i] = satisfied->by[SMTPWARD_PORT]->words[i] & now->words[i];
	satisfied->by[SMTPWARD_PORT] = narrowed;
}

/*
 * For a cgroup whose entry may have found no room: the first rule that would refuse the connect if
 * every condition on the cgroup held; SMTPWARD_RULE_NONE if no rule would.
 */
static __always_inline __u32 decide_worst_case(struct smtpward_satisfied *satisfied)
{
	struct smtpward_rules refusing;

	for (int i = 0; i < SMTPWARD_RULE_WORDS; i++)
		refusing.words[i] = satisfied->by[SMTPWARD_PORT]->words[i] & denying.words[i];
	satisfied->by[SMTPWARD_PORT] = &refusing;
	satisfied->by[SMTPWARD_UNIT] = satisfied->by[SMTPWARD_CGROUP] = &refusing;
	return smtpward_first_rule(satisfied, rule_words);
}

static __always_inline void decide_rule(const struct flow *flow, struct bpf_sock_addr *ctx,
					const struct caller *caller, struct decision *decision)
{
	struct smtpward_satisfied satisfied;
	struct smtpward_rules copies[SMTPWARD_CONNECT_CONDITIONS_N], narrowed;
	bool unsure;
	__u32 words, worst;

	decide_satisfy(flow, ctx, caller, &satisfied, copies, &unsure);
	words = rule_words_for_good;
	/* A policy without 'until' pays this comparison alone: the verifier drops the branch. */
	if (words == SMTPWARD_WORDS_NONE) {
		decide_narrow(&satisfied, &narrowed);
		words = rule_words;
	}
	decision->rule = smtpward_first_rule(&satisfied, words);
	decision->verdict = SMTPWARD_DENY;
	if (decision->rule >= SMTPWARD_RULES_MAX)
		return;
	decision->verdict = verdicts[decision->rule];
	if (!unsure || decision->verdict == SMTPWARD_DENY)
		return;
	worst = decide_worst_case(&satisfied);
	if (worst < decision->rule) {
		decision->rule = worst;
		decision->verdict = SMTPWARD_DENY;
		COUNT(cgroup_unsure);
	}
}

#endif /* SMTPWARD_BPF_DECIDE_H */
