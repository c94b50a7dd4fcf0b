/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every map and every constant of the programs.
 *
 * What lasts from policy to policy: the gate, the ring buffer, the tenants, the callers,
 * the readers' notes, the counters, the rows of report and the local addresses; a new load goes
 * on with the pinned ones. All other maps belong to one generation and are filled before its
 * programs decide anything. Sizes that depend on the policy or the machine are set by the loader.
 *
 * A full map never opens anything. map_events: the attempt is counted as lost.
 * map_callers: the attempt falls under the limit that the tenant's users without an entry share.
 * map_tenants: the cgroup is of the tenant above it.
 * map_inherited: map_tracker says so, and the rules of a cgroup without an entry are
 * looked for further up. map_cgroups: map_tracker says so, and a connect from a cgroup
 * without an entry is refused where a rule that asks for a cgroup could refuse it.
 * map_local: the address is not local. map_rows, map_row_tenants, map_row_lasts: see
 * smtpward/rows.h.
 */
#ifndef SMTPWARD_BPF_MAPS_H
#define SMTPWARD_BPF_MAPS_H

#include <smtpward/abi.h>
#include <smtpward/conditions.h>
#include <smtpward/packets.h>
#include <smtpward/rows.h>
#include <smtpward/until.h>

#include "kernel.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct smtpward_gate);
} map_gate SEC(".maps");

/* Mapped by user/pins/trial.c, which needs an atomic exchange: bpf(2) has none. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct smtpward_trial);
} map_trial SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} map_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct smtpward_caller_key);
	__type(value, struct smtpward_caller_counts);
} map_callers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct smtpward_tenant);
} map_tenants SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SMTPWARD_LEVELS_ENTRIES);
	__type(key, __u32);
	__type(value, __u64);
} map_levels SEC(".maps");

/* Attempts without a tenant, which cannot be: the root has an entry. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct smtpward_caller_counts);
} map_callers_rest SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct smtpward_caller_key);
	__type(value, struct smtpward_reported);
} map_reported SEC(".maps");

/* User space only: the reader's group, and root alone. */
struct note_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct smtpward_note);
};

struct note_map map_note SEC(".maps");
struct note_map map_note_root SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct smtpward_counters);
} map_counters SEC(".maps");

/* The rows of report: see smtpward/rows.h. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SMTPWARD_ROWS_ENTRIES);
	__type(key, struct smtpward_row_key);
	__type(value, struct smtpward_row);
} map_rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SMTPWARD_ROW_TENANTS);
	__type(key, __u64);
	__type(value, struct smtpward_row_tenant);
} map_row_tenants SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SMTPWARD_ROW_TENANTS);
	__type(key, __u64);
	__type(value, struct smtpward_row_names);
} map_row_names SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SMTPWARD_LASTS_ENTRIES);
	__type(key, struct smtpward_caller_key);
	__type(value, struct smtpward_row_last);
} map_row_lasts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct smtpward_rows_used);
} map_rows_used SEC(".maps");

/* Attempts that this generation decided; see abi.h. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SMTPWARD_ATTEMPTS_A_PORT);
	__type(key, __u32);
	__type(value, struct smtpward_attempts);
} map_attempts SEC(".maps");

/*
 * The programs that decided before this generation, one map a hook: kernels from
 * 6.18 on let a program array hold one attach type only. Empty once the switch is done,
 * but for a generation that is on trial: what it may have to go back to stays there.
 */
struct before_map {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
};

#define BEFORE_MAP(name, type, program, before, part) struct before_map map_##before SEC(".maps");

SMTPWARD_HOOK_TABLE(BEFORE_MAP)

/* The same for the gates on uplinks, which are on no hook of a cgroup. */
struct before_map map_before_eth SEC(".maps"), map_before_bare SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct smtpward_cgroup);
} map_cgroups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct smtpward_rules);
} map_inherited SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SMTPWARD_TRACKER_ENTRIES);
	__type(key, __u32);
	__type(value, struct smtpward_tracker);
} map_tracker SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct smtpward_name);
	__type(value, struct smtpward_segments);
} map_names SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct smtpward_affix);
	__type(value, struct smtpward_segments);
} map_prefixes SEC(".maps"), map_suffixes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SMTPWARD_NAME_SIZE);
	__type(key, __u32);
	__type(value, struct smtpward_segments);
} map_lengths SEC(".maps");

/* By a unit, or the last segment of a path: the rules that it is a condition of. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SMTPWARD_SEGMENTS_MAX);
	__type(key, __u32);
	__type(value, struct smtpward_path);
} map_paths SEC(".maps");

struct id_rules {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct smtpward_rules);
};

#define ID_MAP(condition, map, member) struct id_rules map SEC(".maps");
SMTPWARD_ID_CONDITIONS(ID_MAP)
#undef ID_MAP

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct smtpward_prefix);
	__type(value, struct smtpward_rules);
} map_addresses SEC(".maps");

/* Written by root as the clock is set, also after the load. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct smtpward_clock);
} map_clock SEC(".maps");

/* Written by who keeps the local addresses, and by nobody else. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SMTPWARD_LOCAL_ENTRIES);
	__type(key, struct smtpward_prefix);
	__type(value, __u64);
} map_local SEC(".maps");

/* Read by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct smtpward_policy_info);
} map_policy SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct smtpward_host);
} map_host SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct smtpward_origin);
} map_origin SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct smtpward_rule_info);
} map_rules SEC(".maps");

/* The second layer: see smtpward/packets.h. A socket takes its mark with it when it goes. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct smtpward_mark);
} map_marks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SMTPWARD_PASS_ENTRIES);
	__type(key, __u32);
	__type(value, struct smtpward_pass);
} map_passes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SMTPWARD_LAYERS_ENTRIES);
	__type(key, __u64);
	__type(value, __u32);
} map_layers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct smtpward_packet_counters);
} map_pkt_counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct smtpward_layer);
} map_layer SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SMTPWARD_GUESTS);
	__type(key, __u32);
	__type(value, __u32);
} map_guest_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SMTPWARD_REPEATS_ENTRIES);
	__type(key, __u32);
	__type(value, __u64);
} map_repeats SEC(".maps");

/* By the name of a device, NUL-padded, and by source address: rules on guests. */
struct prefix_rules {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct smtpward_prefix);
	__type(value, struct smtpward_rules);
};

struct prefix_rules map_guests SEC(".maps");
struct prefix_rules map_sources SEC(".maps");

struct id_rules map_vlans SEC(".maps");

/* The key is the number that the bytes of the address make, the first one highest. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct smtpward_rules);
} map_macs SEC(".maps");

/* Read by iter_hooks; see attached.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct smtpward_hooks);
} map_hooks SEC(".maps");

/*
 * The policy's constants. Frozen before the programs are verified, so that what a
 * policy does not use is not in its programs.
 */
const volatile __u64 generation;
/* The same, or SMTPWARD_GENERATION_NONE on trial. */
const volatile __u64 generation_for_good;
const volatile __u64 trial_ends_ns;
const volatile bool trial_falls_back; /* on a generation, which is in map_before4 and so on */
const volatile __u32 fallback_parts;  /* SMTPWARD_PART_*: that this generation has programs of */
const volatile __u32 ports_count;
const volatile __u16 ports[SMTPWARD_PORTS_MAX]; /* host byte order */
const volatile struct smtpward_rules port_rules[SMTPWARD_PORTS_MAX];

/*
 * any_X: the rules without a condition X. asks[X]: some rule has a condition X. Unit and cgroup
 * are looked up together: any_cgroup has the rules with neither, asks_cgroup is for either.
 * any_X are no array: the address of an array's item would take one instruction more.
 */
#define ANY(name, word, kind) const volatile struct smtpward_rules any_##name;
SMTPWARD_CONDITIONS(ANY)
#undef ANY
const volatile struct smtpward_rules any_cgroup;
const volatile __u8 asks[SMTPWARD_CONNECT_CONDITIONS_N]; /* of TO it may be SMTPWARD_ASKS_LOCAL */
const volatile bool asks_cgroup;
const volatile bool asks_star; /* for a name with a star */

/* The rules that name "local" among their addresses, and the namespace that is meant. */
const volatile struct smtpward_rules local_rules;
const volatile __u32 host_netns; /* inode number */

const volatile __u32 rule_words;
/* The same, or SMTPWARD_WORDS_NONE if a rule has an end. */
const volatile __u32 rule_words_for_good;
const volatile __u8 verdicts[SMTPWARD_RULES_MAX];
const volatile struct smtpward_rules denying;		/* the rules whose verdict is deny */
const volatile __u64 rule_hashes[SMTPWARD_RULE_HASHES]; /* see smtpward/rows.h */

/*
 * Rules with an end: see until.h. reads_tai: bpf_ktime_get_tai_ns() is there, from 6.1 on. The
 * tables are a map of their own, which no policy has but one with such rules.
 */
const volatile bool reads_tai;
const volatile __u32 ends_count;
const volatile __u64 ends[SMTPWARD_RULES_MAX] SEC(".rodata.until");
const volatile struct smtpward_rules alive[SMTPWARD_ALIVE_SETS] SEC(".rodata.until");

const volatile struct smtpward_segments unit_segments;
const volatile struct smtpward_segments last_segments;
const volatile __u32 segment_words;

const volatile bool audit_mode;
const volatile __u32 reject; /* errno, 0 if the kernel's own EPERM is meant */
const volatile __u32 log_verdicts;
const volatile __u32 args_shown; /* SMTPWARD_ARGS_* */
const volatile __u64 limit_interval_ns;
const volatile __u64 limit_window_ns; /* how far ahead of the clock a burst may run */
const volatile __u64 events_size;     /* bytes that map_events has room for */
const volatile __u64 tenant_interval_ns;
const volatile __u64 tenant_window_ns;

/*
 * The second layer: what the policy asks for of it. A rule from first_to_rule on may not be the one
 * that would decide for another address.
 */
const volatile __u32 layer_parts;   /* SMTPWARD_PART_* */
const volatile __u32 first_to_rule; /* the first one with `to`, or SMTPWARD_RULE_NONE + 1 */
const volatile struct smtpward_rules guest_rules[SMTPWARD_PORTS_MAX];
#define ANY(name, word, kind) const volatile struct smtpward_rules any_##name;
SMTPWARD_GUEST_CONDITIONS(ANY)
#undef ANY
const volatile bool asks_guest[SMTPWARD_CONDITIONS_N - SMTPWARD_GUEST];
const volatile __u64 repeats_seed; /* so that nobody finds two attempts of one hash */

/* Whether bpf_get_current_task_btf() is for connect hooks: see task.h. */
const volatile bool typed_task;

/* The v2 root that paths start from: where a walk up ends. */
const volatile __u64 root_cgroup;

/*
 * The address of a constant, for the functions that both sides share. What it points
 * to is written before the load, which a compiler must not get to know: without its
 * volatile, clang 19 takes the constant for the zeros that it is here.
 */
#define CONSTANT(name)                                               \
	({                                                           \
		const void *_constant = (const void *)&(name);       \
		__asm__ volatile("" : "+r"(_constant) : : "memory"); \
		_constant;                                           \
	})

static __always_inline void count(__u64 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

/* Counts in map_counters. Atomic: a program can be preempted by another on its CPU. */
#define COUNT(member)                                                            \
	({                                                                       \
		struct smtpward_counters *_counters =                            \
			bpf_map_lookup_elem(&map_counters, &(const __u32){ 0 }); \
		if (_counters)                                                   \
			count(&_counters->member);                               \
	})

#endif /* SMTPWARD_BPF_MAPS_H */
