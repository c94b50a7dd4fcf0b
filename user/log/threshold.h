/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The setting `alert`: which users of which tenants made more attempts within the last minute or
 * hour than it allows. Pure: the caller reads the counts and the clock.
 *
 * The period is cut into slots, so a count is off by the attempts of one slot at most. Counts of
 * which nothing is known from before are taken for new if their entry is younger than the period;
 * otherwise what they have counted so far is left out.
 */
#ifndef SMTPWARD_THRESHOLD_H
#define SMTPWARD_THRESHOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <smtpward/abi.h>

#define THRESHOLD_SLOTS 60

/* So many users of a tenant have alerts at the same time: a tenant can make users without end. */
#define THRESHOLD_USERS 16

struct threshold_caller {
	struct smtpward_caller_key key;
	uint64_t born_ns; /* CLOCK_BOOTTIME: of the entry in the kernel */
	uint64_t seen;	  /* attempts of that entry at the last look */
	uint64_t sum;	  /* attempts within the period */
	uint64_t total;	  /* attempts since it passed, and those within the period before */
	uint32_t slots[THRESHOLD_SLOTS];
	bool there;  /* at the last look */
	bool passed; /* it made more attempts than it may, until it made half as many at most */
	bool told;   /* its alert is out, and the end of it is not */
};

struct threshold {
	uint64_t most; /* attempts; 0: there are no alerts */
	uint64_t period_ns;
	uint64_t slot;			  /* of now */
	struct threshold_caller *callers; /* sorted by key */
	size_t n_callers, n_sorted;
};

/* Begins anew if the setting is another one. */
void threshold_set(struct threshold *threshold, uint64_t most, uint64_t seconds);

/* Whether a look can be left out if the kernel has counted no attempt since the last one. */
bool threshold_is_idle(const struct threshold *threshold);

/*
 * A look: threshold_begin(), threshold_see() for each caller, in any order, threshold_end(). now_ns
 * is CLOCK_BOOTTIME. 0 or -ENOMEM.
 */
void threshold_begin(struct threshold *threshold, uint64_t now_ns);
int threshold_see(struct threshold *threshold, const struct smtpward_caller_key *key,
		  const struct smtpward_caller_counts *counts, uint64_t now_ns);
void threshold_end(struct threshold *threshold);

/* A caller whose alert, or the end of whose alert, is to be written next; NULL: there is none. */
struct threshold_caller *threshold_due(struct threshold *threshold);

/* Whether no further user of the caller's tenant has an alert after this one. */
bool threshold_is_last_of_tenant(const struct threshold *threshold,
				 const struct threshold_caller *caller);

void threshold_clear(struct threshold *threshold);

#endif /* SMTPWARD_THRESHOLD_H */
