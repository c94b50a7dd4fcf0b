/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The verdict over sets of rules: pure functions, no helper and no libc, compiled
 * by the BPF programs and by user space alike.
 */
#ifndef SMTPWARD_VERDICT_H
#define SMTPWARD_VERDICT_H

#include <smtpward/abi.h>
#include <smtpward/conditions.h>

#define SMTPWARD_INLINE static inline __attribute__((always_inline, unused))

/*
 * Number of the lowest bit that is set in bits, which must not be 0. BPF has no instruction for
 * that: the function counts the zeros below the bit, all in parallel. It has no branches, as the
 * verifier would follow each one 64 ways.
 */
SMTPWARD_INLINE __u32 smtpward_lowest_bit(__u64 bits)
{
	__u64 below = ~bits & (bits - 1);

	below -= below >> 1 & 0x5555555555555555ULL;
	below = (below & 0x3333333333333333ULL) + (below >> 2 & 0x3333333333333333ULL);
	below = (below + (below >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
	return below * 0x0101010101010101ULL >> 56;
}

SMTPWARD_INLINE void smtpward_rules_unite(struct smtpward_rules *rules,
					  const struct smtpward_rules *more)
{
	for (int i = 0; i < SMTPWARD_RULE_WORDS; i++)
		rules->words[i] |= more->words[i];
}

/*
 * True if end, of an entry of map_local, is to come, and by no more than a lease. If end is past,
 * end - now - 1 wraps.
 */
SMTPWARD_INLINE int smtpward_lease_holds(__u64 end, __u64 now)
{
	return end - now - 1 < SMTPWARD_LOCAL_LEASE_NS;
}

/*
 * For each condition, the rules that the connect satisfies. No pointer is NULL; unit and cgroup
 * have the same one, as they are looked up together.
 */
struct smtpward_satisfied {
	const struct smtpward_rules *by[SMTPWARD_CONNECT_CONDITIONS_N];
};

/*
 * Index of the first rule that is in all sets, or SMTPWARD_RULE_NONE. Looks at the first `words`
 * words: in a BPF program a constant of read-only data, so that the verifier drops the words that
 * a policy has no rules for.
 */
SMTPWARD_INLINE __u32 smtpward_first_rule(const struct smtpward_satisfied *satisfied, __u32 words)
{
	for (__u32 i = 0; i < SMTPWARD_RULE_WORDS; i++) {
		__u64 bits = ~0ULL;

		if (i >= words)
			break;
		for (int condition = 0; condition < SMTPWARD_CONNECT_CONDITIONS_N; condition++)
			bits &= satisfied->by[condition]->words[i];
		if (bits)
			return i * 64 + smtpward_lowest_bit(bits);
	}
	return SMTPWARD_RULE_NONE;
}

#endif /* SMTPWARD_VERDICT_H */
