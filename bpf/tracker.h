/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The cgroup tracker: keeps map_cgroups and map_inherited true as cgroups come and go.
 *
 * The kernel calls the cgroup_mkdir tracepoint under cgroup_mutex, after the
 * cgroup is made and before its directory can be entered (cgroup_mkdir() in
 * kernel/cgroup/cgroup.c: TRACE_CGROUP_PATH, then kernfs_activate): no task is in
 * it yet, and no other mkdir runs. cgroup_rmdir comes when no task can be left.
 */
#ifndef SMTPWARD_BPF_TRACKER_H
#define SMTPWARD_BPF_TRACKER_H

#include <smtpward/match.h>

#include "maps.h"
#include "paths.h"

/* Too large for the stack. One entry: cgroup_mutex lets one mkdir in at a time. */
struct tracker_scratch {
	struct smtpward_affix forward;
	struct smtpward_affix backward;
	struct smtpward_segments match;
	struct smtpward_cgroup child;
	struct smtpward_segments completed;
	struct smtpward_tenant tenant; /* see tenant.h */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tracker_scratch);
} map_scratch SEC(".maps");

/* The name as a key, NUL-padded, and its length; 0 if it cannot be read. */
static __always_inline __u32 tracker_read_name(struct tracker_scratch *scratch, const char *name)
{
	long size;

	__builtin_memset(scratch->forward.text, 0, SMTPWARD_NAME_SIZE);
	size = bpf_probe_read_kernel_str(scratch->forward.text, SMTPWARD_NAME_SIZE, name);
	if (size <= 1 || size > SMTPWARD_NAME_SIZE)
		return 0;
	return size - 1;
}

/*
 * The name backwards. No branch on its length: what lies behind the name is NULs,
 * and so is what the index wraps round to.
 */
static __always_inline void tracker_reverse_name(struct tracker_scratch *scratch, __u32 len)
{
	for (__u32 i = 0; i < SMTPWARD_NAME_SIZE; i++)
		scratch->backward.text[i] =
			scratch->forward.text[(len - 1 - i) & (SMTPWARD_NAME_SIZE - 1)];
}

/* False if the tables cannot be read. */
static __always_inline bool tracker_match_name(struct tracker_scratch *scratch, __u32 len)
{
	/* No name has length 0, so nothing matches there: an empty set to stand in. */
	const struct smtpward_segments *none =
		bpf_map_lookup_elem(&map_lengths, &(const __u32){ 0 });
	const struct smtpward_segments *exact, *prefix, *suffix, *length;

	if (!none)
		return false;
	prefix = suffix = length = none;
	exact = bpf_map_lookup_elem(&map_names, scratch->forward.text) ?: none;
	if (asks_star) {
		tracker_reverse_name(scratch, len);
		scratch->forward.bits = len * 8;
		scratch->backward.bits = len * 8;
		prefix = bpf_map_lookup_elem(&map_prefixes, &scratch->forward) ?: none;
		suffix = bpf_map_lookup_elem(&map_suffixes, &scratch->backward) ?: none;
		length = bpf_map_lookup_elem(&map_lengths, &len) ?: none;
	}
	smtpward_match_name(exact, prefix, suffix, length, &scratch->match);
	return true;
}

static __always_inline struct tracker_scratch *tracker_room(void)
{
	return bpf_map_lookup_elem(&map_scratch, &(const __u32){ 0 });
}

static __always_inline int tracker_is_slice(const struct tracker_scratch *scratch, __u32 len)
{
	return paths_is_slice(scratch->forward.text, len);
}

/* Unites into the cgroup the rules of every path and unit that is complete. */
static __always_inline void tracker_complete(const struct smtpward_segments *completed,
					     struct smtpward_cgroup *cgroup)
{
	for (__u32 word = 0; word < SMTPWARD_SEGMENT_WORDS && word < segment_words; word++) {
		__u64 bits = completed->words[word];

		for (__u32 i = 0; i < 64 && bits; i++) {
			__u32 segment = word * 64 + smtpward_lowest_bit(bits);
			const struct smtpward_path *path;

			bits &= bits - 1;
			path = bpf_map_lookup_elem(&map_paths, &segment);
			if (!path)
				continue;
			smtpward_rules_unite(&cgroup->by_unit, &path->by_unit);
			smtpward_rules_unite(&cgroup->by_path, &path->by_path);
		}
	}
}

static __always_inline void tracker_missing(__u32 from)
{
	struct smtpward_tracker *tracker = bpf_map_lookup_elem(&map_tracker, &from);

	if (tracker)
		count(&tracker->missing);
}

/* A cgroup whose state is not known: what it needed an entry for is lost. */
static __always_inline void tracker_lost(void)
{
	tracker_missing(SMTPWARD_TRACKER_CGROUPS);
	COUNT(cgroups_full);
}

static __always_inline void tracker_inherit(__u64 id, const struct smtpward_rules *rules)
{
	if (bpf_map_update_elem(&map_inherited, &id, rules, BPF_ANY))
		tracker_missing(SMTPWARD_TRACKER_INHERITED);
}

/* Whether a cgroup is of cgroup v2, and not the root of v2. */
static __always_inline bool tracker_is_ours(struct cgroup *cgroup)
{
	return cgroup->root->hierarchy_id == 0 && cgroup->self.parent;
}

/* Computes the child's state from its parent's into scratch->child. False: no name or no tables. */
static __always_inline bool tracker_enter(struct tracker_scratch *scratch, struct cgroup *cgroup,
					  const struct smtpward_cgroup *parent)
{
	__u32 len = tracker_read_name(scratch, cgroup->kn->name);

	if (!len || !tracker_match_name(scratch, len))
		return false;
	smtpward_match_step(parent, &scratch->match, CONSTANT(unit_segments),
			    CONSTANT(last_segments), tracker_is_slice(scratch, len),
			    &scratch->child, &scratch->completed);
	tracker_complete(&scratch->completed, &scratch->child);
	return true;
}

static __always_inline void tracker_made(struct cgroup *cgroup)
{
	const struct smtpward_rules *inherited;
	__u64 parent_id, id = cgroup->kn->id;
	struct tracker_scratch *scratch;
	struct smtpward_cgroup *parent;

	parent_id = cgroup->self.parent->cgroup->kn->id;
	parent = bpf_map_lookup_elem(&map_cgroups, &parent_id);
	if (!parent) {
		inherited = bpf_map_lookup_elem(&map_inherited, &parent_id);
		if (inherited)
			tracker_inherit(id, inherited);
		return;
	}
	scratch = tracker_room();
	if (!scratch || !tracker_enter(scratch, cgroup, parent)) {
		tracker_lost();
		return;
	}
	if (!smtpward_match_finish(&scratch->child, CONSTANT(any_UNIT), CONSTANT(any_CGROUP)))
		return;
	if (smtpward_match_inherits(parent, &scratch->child))
		tracker_inherit(id, &scratch->child.rules);
	else if (bpf_map_update_elem(&map_cgroups, &id, &scratch->child, BPF_ANY))
		tracker_lost();
}

static __always_inline void tracker_removed(struct cgroup *cgroup)
{
	__u64 id = cgroup->kn->id;

	/* The cgroup has an entry in one of the maps or in none: a missing entry is no error. */
	if (bpf_map_delete_elem(&map_cgroups, &id))
		bpf_map_delete_elem(&map_inherited, &id);
}

#endif /* SMTPWARD_BPF_TRACKER_H */
