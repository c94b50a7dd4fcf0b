/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tells which rules are over: pure functions, compiled by the BPF programs and by user space
 * alike.
 *
 * Instants are nanoseconds since 1970, UTC, and all of them below 2^63: no year that a policy can
 * name comes near. The functions have no branches, as the verifier would follow each one.
 */
#ifndef SMTPWARD_UNTIL_H
#define SMTPWARD_UNTIL_H

#include <smtpward/abi.h>
#include <smtpward/verdict.h>

/* An instant that never comes: it fills up a table of instants. */
#define SMTPWARD_NEVER (~0ULL >> 1)

/* 1 if the instant has come, 0 before it. now may lie before 1970. */
SMTPWARD_INLINE __u64 smtpward_has_come(__u64 now, __u64 instant)
{
	return (now - instant) >> 63 ^ 1;
}

/*
 * An index into a table of instants, masked to the table's size. The mask is applied at each use,
 * and hidden from the compiler, which would drop it: a verifier before 5.12 forgets the bounds of
 * a number that went to the stack and back.
 */
SMTPWARD_INLINE __u64 smtpward_instant(__u64 index)
{
	__asm__("" : "+r"(index));
	return index & (SMTPWARD_RULES_MAX - 1);
}

/*
 * How many of the instants have come. ends has SMTPWARD_RULES_MAX instants, sorted: n that the
 * policy names, then SMTPWARD_NEVER. n is a constant of read-only data in a BPF program, so that
 * the verifier drops the steps that n instants do not need.
 */
SMTPWARD_INLINE __u64 smtpward_count_come(const __u64 *ends, __u32 n, __u64 now)
{
	__u64 come = 0;

#pragma GCC unroll 8
	for (__u32 step = SMTPWARD_RULES_MAX / 2; step; step /= 2)
		if (step <= n)
			come += step *
				smtpward_has_come(now, ends[smtpward_instant(come + step - 1)]);
	/* The steps add up to SMTPWARD_RULES_MAX - 1. */
	if (n == SMTPWARD_RULES_MAX)
		come += smtpward_has_come(now, ends[smtpward_instant(come)]);
	return come;
}

/*
 * Index, in a table of sets, of the set of the rules that are not over: 0 if the clock is not set,
 * N + 1 if N instants have come. floor: a clock that shows an earlier instant is not set.
 */
SMTPWARD_INLINE __u64 smtpward_alive_index(const __u64 *ends, __u32 n, __u64 floor, __u64 now)
{
	return (smtpward_count_come(ends, n, now) + 1) * smtpward_has_come(now, floor);
}

/* How many sets such a table has. */
#define SMTPWARD_ALIVE_SETS (SMTPWARD_RULES_MAX + 2)

#endif /* SMTPWARD_UNTIL_H */
