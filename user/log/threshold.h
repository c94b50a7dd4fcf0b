/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The setting `alert`: which users of which tenants made more attempts within the last minute or
 * hour than it allows. Pure: the caller reads the counts and the clock.
 *
 * The period is cut into slots: an attempt leaves the sum up to a slot late. If a look finds an
 * entry for the first time, and the entry is younger than the period, all attempts of that entry
 * count as made when the entry was. If the entry is older, only attempts after this look count.
 */
#ifndef SMTPWARD_THRESHOLD_H
#define SMTPWARD_THRESHOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <smtpward/abi.h>

#define THRESHOLD_SLOTS 20

/* So many users of a tenant have alerts at the same time: a tenant can make users without end. */
#define THRESHOLD_USERS 16

struct threshold_caller {
	struct smtpward_caller_key key;
	uint64_t born_ns; /* CLOCK_BOOTTIME: of the entry in the kernel */
	uint64_t seen;	  /* attempts of that entry at the last look */
	uint64_t sum;	  /* attempts within the period */
	uint64_t total;	  /* attempts since it passed, and those within the period before */
	uint32_t slots[THRESHOLD_SLOTS];
	bool there;  /* at the last look that read the kernel's entries */
	bool passed; /* from the look with sum > most to the look with sum <= most / 2 */
	bool told;   /* its alert is out, and the end of it is not */
};

struct threshold {
	uint64_t most; /* attempts; 0: there are no alerts */
	uint64_t period_ns;
	size_t callers_max;
	uint64_t slot;			  /* of now */
	struct threshold_caller *callers; /* sorted by key, the first n_sorted of them */
	size_t n_callers, n_sorted;
	bool quiet; /* no alert is due */
};

/*
 * Begins anew if the setting is another one: 1 then, otherwise 0. *ret_told: how many alerts are
 * out whose ends never come. Counts of more than callers_max callers are left out.
 */
int threshold_set(struct threshold *threshold, uint64_t most, uint64_t seconds, size_t callers_max,
		  size_t *ret_told);

/*
 * A look: threshold_begin(), threshold_see() for each caller, in any order, threshold_end(). If the
 * kernel has counted no attempt since the last look, threshold_see() is left out, and `reads` is
 * false. now_ns is CLOCK_BOOTTIME. 0 or -ENOMEM.
 */
void threshold_begin(struct threshold *threshold, bool reads, uint64_t now_ns);
int threshold_see(struct threshold *threshold, const struct smtpward_caller_key *key,
		  const struct smtpward_caller_counts *counts, uint64_t now_ns);
void threshold_end(struct threshold *threshold);

/*
 * A caller whose alert, or the end of whose alert, is to be written next; NULL: there is none.
 * *ret_last: no further user of the caller's tenant has an alert after this one.
 */
struct threshold_caller *threshold_due(struct threshold *threshold, bool *ret_last);

/* Whether a user has a count of his own. */
bool threshold_knows(const struct threshold *threshold, uint64_t cgroup_id, uint32_t euid);

void threshold_clear(struct threshold *threshold);

#endif /* SMTPWARD_THRESHOLD_H */
