// SPDX-License-Identifier: GPL-2.0-only
/* Finds who made more attempts than the setting `alert` allows; see threshold.h. */
#include "log/threshold.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

_Static_assert(sizeof(struct threshold_caller) == 136, "smtpward(8) says so");

static int threshold_compare(const void *a, const void *b)
{
	const struct smtpward_caller_key *one = &((const struct threshold_caller *)a)->key;
	const struct smtpward_caller_key *other = &((const struct threshold_caller *)b)->key;

	if (one->cgroup_id != other->cgroup_id)
		return one->cgroup_id < other->cgroup_id ? -1 : 1;
	if (one->shared != other->shared)
		return one->shared < other->shared ? -1 : 1;
	return one->euid < other->euid ? -1 : one->euid > other->euid;
}

static uint64_t threshold_slot_ns(const struct threshold *threshold)
{
	return threshold->period_ns / THRESHOLD_SLOTS;
}

int threshold_set(struct threshold *threshold, uint64_t most, uint64_t seconds, size_t callers_max,
		  size_t *ret_told)
{
	const uint64_t period_ns = seconds * 1000000000;
	size_t told = 0;

	if (threshold->most == most && threshold->period_ns == period_ns)
		return 0;
	for (size_t i = 0; i < threshold->n_callers; i++)
		told += threshold->callers[i].told;
	threshold_clear(threshold);
	threshold->most = most;
	threshold->period_ns = period_ns;
	threshold->callers_max = callers_max;
	*ret_told = told;
	return 1;
}

/* Takes the slots out of the sum that are older than the period. */
static void threshold_age(struct threshold_caller *caller, uint64_t from, uint64_t slots)
{
	for (uint64_t i = 1; i <= slots && i <= THRESHOLD_SLOTS; i++) {
		uint32_t *slot = &caller->slots[(from + i) % THRESHOLD_SLOTS];

		caller->sum -= *slot;
		*slot = 0;
	}
}

void threshold_begin(struct threshold *threshold, bool reads, uint64_t now_ns)
{
	const uint64_t slot = now_ns / threshold_slot_ns(threshold), before = threshold->slot;

	for (size_t i = 0; i < threshold->n_callers; i++) {
		if (reads)
			threshold->callers[i].there = false;
		if (slot > before)
			threshold_age(&threshold->callers[i], before, slot - before);
	}
	threshold->slot = slot;
	threshold->n_sorted = threshold->n_callers;
}

static struct threshold_caller *threshold_find(const struct threshold *threshold,
					       const struct smtpward_caller_key *key)
{
	const struct threshold_caller wanted = { .key = *key };

	if (!threshold->n_sorted)
		return NULL;
	return bsearch(&wanted, threshold->callers, threshold->n_sorted, sizeof(wanted),
		       threshold_compare);
}

static struct threshold_caller *threshold_add(struct threshold *threshold,
					      const struct smtpward_caller_key *key)
{
	struct threshold_caller *caller =
		array_add(&threshold->callers, &threshold->n_callers, sizeof(*caller));

	if (caller)
		*caller = (struct threshold_caller){ .key = *key };
	return caller;
}

static void threshold_count(struct threshold_caller *caller, uint64_t at_slot, uint64_t attempts)
{
	uint32_t *slot = &caller->slots[at_slot % THRESHOLD_SLOTS];
	const uint64_t room = UINT32_MAX - *slot;

	/* The reader's group can write any number into the kernel's entry. */
	if (attempts > room)
		attempts = room;
	*slot += (uint32_t)attempts;
	caller->sum += attempts;
	caller->total += attempts;
}

/* The slot of what an entry had counted before it was seen: the one that it was made in. */
static uint64_t threshold_slot_of(const struct threshold *threshold, uint64_t born_ns)
{
	const uint64_t slot = born_ns / threshold_slot_ns(threshold);

	return slot + THRESHOLD_SLOTS > threshold->slot && slot <= threshold->slot
		       ? slot
		       : threshold->slot;
}

int threshold_see(struct threshold *threshold, const struct smtpward_caller_key *key,
		  const struct smtpward_caller_counts *counts, uint64_t now_ns)
{
	struct threshold_caller *caller = threshold_find(threshold, key);
	const bool known = caller;
	uint64_t slot = threshold->slot;

	/* The reader's group can make and delete entries without end. */
	if (!known && threshold->n_callers >= threshold->callers_max)
		return 0;
	if (!known)
		caller = threshold_add(threshold, key);
	if (!caller)
		return -ENOMEM;
	caller->there = true;
	if (caller->born_ns != counts->born_ns) {
		const bool young = now_ns - counts->born_ns < threshold->period_ns;

		caller->born_ns = counts->born_ns;
		caller->seen = known || young ? 0 : counts->attempts;
		if (!known)
			slot = threshold_slot_of(threshold, counts->born_ns);
	}
	if (counts->attempts > caller->seen)
		threshold_count(caller, slot, counts->attempts - caller->seen);
	caller->seen = counts->attempts;
	return 0;
}

static void threshold_judge(const struct threshold *threshold, struct threshold_caller *caller)
{
	if (!caller->passed && !caller->told)
		caller->total = caller->sum;
	if (caller->sum > threshold->most)
		caller->passed = true;
	else if (caller->sum <= threshold->most / 2)
		caller->passed = false;
}

/* An entry may be seen twice in a look if others go meanwhile: see callers_each_in(). */
static void threshold_drop_twins(struct threshold *threshold)
{
	size_t n = 0;

	for (size_t i = 0; i < threshold->n_callers; i++)
		if (!n || threshold_compare(&threshold->callers[n - 1], &threshold->callers[i]))
			threshold->callers[n++] = threshold->callers[i];
	threshold->n_callers = n;
}

void threshold_end(struct threshold *threshold)
{
	const bool added = threshold->n_callers > threshold->n_sorted;
	size_t n = 0;

	for (size_t i = 0; i < threshold->n_callers; i++) {
		struct threshold_caller *caller = &threshold->callers[i];

		threshold_judge(threshold, caller);
		if (caller->there || caller->sum || caller->told)
			threshold->callers[n++] = *caller;
	}
	threshold->n_callers = n;
	threshold->quiet = false;
	/* array_add() begins with none. */
	if (!n) {
		free(threshold->callers);
		threshold->callers = NULL;
	} else if (added) {
		qsort(threshold->callers, n, sizeof(*threshold->callers), threshold_compare);
		threshold_drop_twins(threshold);
	}
	threshold->n_sorted = threshold->n_callers;
}

/* The callers of the tenant that the first of them is of: how many, and how many were told. */
static size_t threshold_measure_tenant(const struct threshold *threshold, size_t first,
				       size_t *ret_told)
{
	const uint64_t cgroup_id = threshold->callers[first].key.cgroup_id;
	size_t i = first, told = 0;

	for (; i < threshold->n_callers && threshold->callers[i].key.cgroup_id == cgroup_id; i++)
		told += threshold->callers[i].told;
	*ret_told = told;
	return i - first;
}

struct threshold_caller *threshold_due(struct threshold *threshold, bool *ret_last)
{
	for (size_t first = 0, n = 0; !threshold->quiet && first < threshold->n_callers;
	     first += n) {
		size_t told;

		n = threshold_measure_tenant(threshold, first, &told);
		for (size_t i = first; i < first + n; i++) {
			struct threshold_caller *caller = &threshold->callers[i];

			if (caller->told == caller->passed ||
			    (caller->passed && told >= THRESHOLD_USERS))
				continue;
			*ret_last = caller->passed && told + 1 == THRESHOLD_USERS;
			return caller;
		}
	}
	threshold->quiet = true;
	return NULL;
}

bool threshold_knows(const struct threshold *threshold, uint64_t cgroup_id, uint32_t euid)
{
	const struct smtpward_caller_key key = { .cgroup_id = cgroup_id, .euid = euid };

	return threshold_find(threshold, &key);
}

void threshold_clear(struct threshold *threshold)
{
	free(threshold->callers);
	*threshold = (struct threshold){ .most = 0 };
}
