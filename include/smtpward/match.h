/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Matches cgroups with rules: the policy's cgroup paths as one bit-parallel automaton that reads a
 * path name by name, from the root down. Pure functions, compiled by the BPF cgroup tracker and by
 * user space alike.
 *
 * Every segment of every path has a bit; the segments of one path are neighbours, the first one
 * lowest. A cgroup's `next` holds the segments that its children are compared with. A child that
 * matches segment N has N + 1 in its own `next`, unless N is the last segment of its path: then
 * the path is complete, and its rules cover the child and every cgroup below the child. Bits are
 * numbered through all words, so a shift carries from word to word.
 *
 * A unit is a path of one segment. The segment may begin at every cgroup that has nothing but
 * slices above it, and no slice matches it.
 */
#ifndef SMTPWARD_MATCH_H
#define SMTPWARD_MATCH_H

#include <smtpward/abi.h>
#include <smtpward/verdict.h>

/* The suffix that makes a cgroup transparent to `unit`. */
#define SMTPWARD_SLICE_SUFFIX ".slice"
#define SMTPWARD_SLICE_SUFFIX_LEN 6

/* For user space only: the programs bound the length of a name in another way. */
SMTPWARD_INLINE int smtpward_is_slice(const char *name, __u64 len)
{
	return len >= SMTPWARD_SLICE_SUFFIX_LEN &&
	       !__builtin_memcmp(name + len - SMTPWARD_SLICE_SUFFIX_LEN, SMTPWARD_SLICE_SUFFIX,
				 SMTPWARD_SLICE_SUFFIX_LEN);
}

SMTPWARD_INLINE void smtpward_segments_unite(struct smtpward_segments *segments,
					     const struct smtpward_segments *more)
{
	for (int i = 0; i < SMTPWARD_SEGMENT_WORDS; i++)
		segments->words[i] |= more->words[i];
}

/*
 * The segments that a name matches, from the four tables. A starred segment "a*b" matches a name
 * that begins with a, ends with b, and is long enough for both; a segment without a text before
 * (behind) its star is in every set of prefix (suffix). A table without an entry for the name
 * gives an empty set.
 */
SMTPWARD_INLINE void smtpward_match_name(const struct smtpward_segments *exact,
					 const struct smtpward_segments *prefix,
					 const struct smtpward_segments *suffix,
					 const struct smtpward_segments *length,
					 struct smtpward_segments *ret)
{
	for (int i = 0; i < SMTPWARD_SEGMENT_WORDS; i++)
		ret->words[i] = exact->words[i] |
				(prefix->words[i] & suffix->words[i] & length->words[i]);
}

/*
 * One step down, from parent to the child whose name matches `match`. `units` has the segments of
 * the units, `last` the last segment of every path and the units. completed receives the segments
 * that the child completes; the caller unites their rules into child->by_unit and child->by_path
 * and then calls smtpward_match_finish(). is_slice: the child's name ends with
 * SMTPWARD_SLICE_SUFFIX.
 */
SMTPWARD_INLINE void smtpward_match_step(const struct smtpward_cgroup *parent,
					 const struct smtpward_segments *match,
					 const struct smtpward_segments *units,
					 const struct smtpward_segments *last, int is_slice,
					 struct smtpward_cgroup *child,
					 struct smtpward_segments *completed)
{
	const int unit_begins = parent->slices && !is_slice;
	__u64 carry = 0;

	for (int i = 0; i < SMTPWARD_RULE_WORDS; i++) {
		child->by_path.words[i] = parent->by_path.words[i];
		child->by_unit.words[i] = parent->by_unit.words[i];
	}
	for (int i = 0; i < SMTPWARD_SEGMENT_WORDS; i++) {
		__u64 compared = parent->next.words[i] | (unit_begins ? units->words[i] : 0);
		__u64 reached = compared & match->words[i];
		__u64 going_on = reached & ~last->words[i];

		completed->words[i] = reached & last->words[i];
		child->next.words[i] = going_on << 1 | carry;
		carry = going_on >> 63;
	}
	child->slices = parent->slices && is_slice;
	child->pad = 0;
}

/*
 * Computes the rules of a cgroup from by_unit and by_path. Returns whether the cgroup needs an
 * entry; 0 if only the rules that ask for no cgroup cover it and every cgroup that can be below
 * it. any_unit and any_path: the rules that ask for no unit, for no path.
 */
SMTPWARD_INLINE int smtpward_match_finish(struct smtpward_cgroup *cgroup,
					  const struct smtpward_rules *any_unit,
					  const struct smtpward_rules *any_path)
{
	__u64 alive = cgroup->slices;

	for (int i = 0; i < SMTPWARD_RULE_WORDS; i++) {
		cgroup->rules.words[i] = cgroup->by_unit.words[i] & cgroup->by_path.words[i];
		alive |= cgroup->by_unit.words[i] ^ any_unit->words[i];
		alive |= cgroup->by_path.words[i] ^ any_path->words[i];
	}
	for (int i = 0; i < SMTPWARD_SEGMENT_WORDS; i++)
		alive |= cgroup->next.words[i];
	return alive != 0;
}

/*
 * True if the child, and every cgroup that can ever be below it, has exactly the parent's rules.
 * Call it after smtpward_match_finish().
 */
SMTPWARD_INLINE int smtpward_match_inherits(const struct smtpward_cgroup *parent,
					    const struct smtpward_cgroup *child)
{
	__u64 own = child->slices;

	for (int i = 0; i < SMTPWARD_RULE_WORDS; i++) {
		own |= child->by_unit.words[i] ^ parent->by_unit.words[i];
		own |= child->by_path.words[i] ^ parent->by_path.words[i];
	}
	for (int i = 0; i < SMTPWARD_SEGMENT_WORDS; i++)
		own |= child->next.words[i];
	return own == 0;
}

#endif /* SMTPWARD_MATCH_H */
