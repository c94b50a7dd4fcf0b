/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What of a policy is right by the language and is hardly meant: a rule that no connect
 * gets to, one that lets through more than it seems to, one that will soon match nothing.
 * Pure: what a machine knows of its units is asked elsewhere.
 */
#ifndef SMTPWARD_POLICY_DOUBTS_H
#define SMTPWARD_POLICY_DOUBTS_H

#include "policy/policy.h"

/*
 * Adds a doubt to each rule that has one, in the order of the rules. 0 or -ENOMEM. doubts
 * starts zeroed; the caller clears it.
 */
int policy_find_doubts(const struct policy *policy, struct policy_errors *doubts);

/* One more, about a rule. 0 or -ENOMEM. */
int policy_doubt(struct policy_errors *doubts, const struct policy_rule *rule, const char *format,
		 ...) __attribute__((format(printf, 3, 4)));

#endif /* SMTPWARD_POLICY_DOUBTS_H */
