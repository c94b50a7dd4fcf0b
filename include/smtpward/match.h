/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which rules cover a cgroup: the policy's cgroup paths as one bit-parallel
 * automaton that reads a path name by name, from the root down. Pure functions,
 * compiled by the BPF cgroup tracker and by user space alike.
 *
 * Every segment of every path has a bit; the segments of one path are neighbours,
 * the first one lowest. A cgroup's `next` holds the segments that its children are
 * compared with: a child that matches segment N has N + 1 in its own `next`, unless
 * N is the last of its path; then the path is complete, and its rules cover the
 * child and everything below. Bits are numbered through all words, so a shift
 * carries from word to word.
 *
 * `unit NAME` needs no segments: it holds where all names so far were slices and
 * this one matches NAME.
 */
#ifndef SMTPWARD_MATCH_H
#define SMTPWARD_MATCH_H

#include <smtpward/abi.h>
#include <smtpward/verdict.h>

/* The suffix that makes a cgroup transparent to `unit`. */
#define SMTPWARD_SLICE_SUFFIX ".slice"
#define SMTPWARD_SLICE_SUFFIX_LEN 6

/*
 * What a name matches, from the four tables. A starred pattern "a*b" matches a name
 * that begins with a, ends with b, and is long enough for both; one without a text
 * before or behind its star is in every set of that side. A table that has nothing
 * for the name gives an empty set.
 */
SMTPWARD_INLINE void smtpward_match_name(const struct smtpward_match *exact,
					 const struct smtpward_match *prefix,
					 const struct smtpward_match *suffix,
					 const struct smtpward_match *length,
					 struct smtpward_match *ret)
{
	for (int i = 0; i < SMTPWARD_RULE_WORDS; i++)
		ret->units.words[i] = exact->units.words[i] |
				      (prefix->units.words[i] & suffix->units.words[i] &
				       length->units.words[i]);
	for (int i = 0; i < SMTPWARD_SEGMENT_WORDS; i++)
		ret->segments.words[i] = exact->segments.words[i] |
					 (prefix->segments.words[i] & suffix->segments.words[i] &
					  length->segments.words[i]);
}

/*
 * One step down: the child of parent whose name matches `match`. `last` has the
 * last segment of every path. Fills in all of child but the rules of the paths
 * that are complete now; those paths' last segments go to completed, and the
 * caller unites their rules into child->rules. is_slice: the child's name ends
 * with SMTPWARD_SLICE_SUFFIX.
 */
SMTPWARD_INLINE void smtpward_match_step(const struct smtpward_cgroup *parent,
					 const struct smtpward_match *match,
					 const struct smtpward_segments *last, int is_slice,
					 struct smtpward_cgroup *child,
					 struct smtpward_segments *completed)
{
	__u64 carry = 0;

	for (int i = 0; i < SMTPWARD_RULE_WORDS; i++) {
		child->rules.words[i] = parent->rules.words[i];
		if (parent->slices)
			child->rules.words[i] |= match->units.words[i];
	}
	for (int i = 0; i < SMTPWARD_SEGMENT_WORDS; i++) {
		__u64 reached = parent->next.words[i] & match->segments.words[i];
		__u64 going_on = reached & ~last->words[i];

		completed->words[i] = reached & last->words[i];
		child->next.words[i] = going_on << 1 | carry;
		carry = going_on >> 63;
	}
	child->slices = parent->slices && is_slice;
	child->pad = 0;
}

/*
 * Whether a cgroup in this state needs an entry: where it does not, nothing covers
 * it but the rules that ask for no cgroup, and nothing below it can be covered.
 */
SMTPWARD_INLINE int smtpward_match_alive(const struct smtpward_cgroup *cgroup,
					 const struct smtpward_rules *any)
{
	__u64 alive = cgroup->slices;

	for (int i = 0; i < SMTPWARD_RULE_WORDS; i++)
		alive |= cgroup->rules.words[i] ^ any->words[i];
	for (int i = 0; i < SMTPWARD_SEGMENT_WORDS; i++)
		alive |= cgroup->next.words[i];
	return alive != 0;
}

#endif /* SMTPWARD_MATCH_H */
