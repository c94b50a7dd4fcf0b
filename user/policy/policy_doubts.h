/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules that are right by the language and hardly meant: a rule that no connect reaches, a rule
 * that lets through more than it seems to, a rule that will soon match nothing. Pure:
 * unit_doubts.h asks the machine about its units.
 */
#ifndef SMTPWARD_POLICY_DOUBTS_H
#define SMTPWARD_POLICY_DOUBTS_H

#include "policy/policy.h"

/*
 * Adds a doubt for each doubtful rule, in the order of the rules. 0 or -ENOMEM. doubts must start
 * zeroed; the caller clears it.
 */
int policy_find_doubts(const struct policy *policy, struct policy_errors *doubts);

/* Adds a doubt about what stands at a place. 0 or -ENOMEM. */
int policy_doubt(struct policy_errors *doubts, const struct policy_place *place, const char *format,
		 ...) __attribute__((format(printf, 3, 4)));

#endif /* SMTPWARD_POLICY_DOUBTS_H */
