// SPDX-License-Identifier: GPL-2.0-only
/* Who made more attempts than the setting `alert` allows; see threshold.h. */
#include "log/threshold.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

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

void threshold_set(struct threshold *threshold, uint64_t most, uint64_t seconds)
{
	const uint64_t period_ns = seconds * 1000000000;

	if (threshold->most == most && threshold->period_ns == period_ns)
		return;
	threshold_clear(threshold);
	threshold->most = most;
	threshold->period_ns = period_ns;
}

bool threshold_is_idle(const struct threshold *threshold)
{
	for (size_t i = 0; i < threshold->n_callers; i++)
		if (threshold->callers[i].sum || threshold->callers[i].passed ||
		    threshold->callers[i].told)
			return false;
	return true;
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

void threshold_begin(struct threshold *threshold, uint64_t now_ns)
{
	const uint64_t slot = now_ns / threshold_slot_ns(threshold), before = threshold->slot;

	for (size_t i = 0; i < threshold->n_callers; i++) {
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

static void threshold_count(struct threshold *threshold, struct threshold_caller *caller,
			    uint64_t attempts)
{
	uint32_t *slot = &caller->slots[threshold->slot % THRESHOLD_SLOTS];
	const uint64_t room = UINT32_MAX - *slot;

	/* The reader's group can write any number into the kernel's entry. */
	if (attempts > room)
		attempts = room;
	*slot += (uint32_t)attempts;
	caller->sum += attempts;
	caller->total += attempts;
}

int threshold_see(struct threshold *threshold, const struct smtpward_caller_key *key,
		  const struct smtpward_caller_counts *counts, uint64_t now_ns)
{
	struct threshold_caller *caller = threshold_find(threshold, key);
	const bool known = caller;

	if (!known)
		caller = threshold_add(threshold, key);
	if (!caller)
		return -ENOMEM;
	caller->there = true;
	if (caller->born_ns != counts->born_ns) {
		const bool young = now_ns - counts->born_ns <= threshold->period_ns;

		caller->born_ns = counts->born_ns;
		caller->seen = known || young ? 0 : counts->attempts;
	}
	if (counts->attempts > caller->seen)
		threshold_count(threshold, caller, counts->attempts - caller->seen);
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

void threshold_end(struct threshold *threshold)
{
	size_t n = 0;

	for (size_t i = 0; i < threshold->n_callers; i++) {
		struct threshold_caller *caller = &threshold->callers[i];

		threshold_judge(threshold, caller);
		if (caller->there || caller->sum || caller->told)
			threshold->callers[n++] = *caller;
	}
	threshold->n_callers = n;
	if (n)
		qsort(threshold->callers, n, sizeof(*threshold->callers), threshold_compare);
}

static size_t threshold_told_of_tenant(const struct threshold *threshold, uint64_t cgroup_id)
{
	size_t told = 0;

	for (size_t i = 0; i < threshold->n_callers; i++)
		told += threshold->callers[i].told &&
			threshold->callers[i].key.cgroup_id == cgroup_id;
	return told;
}

bool threshold_is_last_of_tenant(const struct threshold *threshold,
				 const struct threshold_caller *caller)
{
	return threshold_told_of_tenant(threshold, caller->key.cgroup_id) + 1 == THRESHOLD_USERS;
}

struct threshold_caller *threshold_due(struct threshold *threshold)
{
	for (size_t i = 0; i < threshold->n_callers; i++) {
		struct threshold_caller *caller = &threshold->callers[i];

		if (caller->told == caller->passed)
			continue;
		if (caller->told ||
		    threshold_told_of_tenant(threshold, caller->key.cgroup_id) < THRESHOLD_USERS)
			return caller;
	}
	return NULL;
}

void threshold_clear(struct threshold *threshold)
{
	free(threshold->callers);
	*threshold = (struct threshold){ .most = 0 };
}
