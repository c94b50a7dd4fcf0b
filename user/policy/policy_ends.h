/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a policy's rules with `until` come to at an instant: what is over, what is left, and
 * after which of them a unit has nothing that lets it through. Pure.
 */
#ifndef SMTPWARD_POLICY_ENDS_H
#define SMTPWARD_POLICY_ENDS_H

#include "policy/policy.h"

/*
 * Adds to over the rules that match nothing any more, and to left what is left of the
 * others. A unit or a cgroup has its last rule where no other one that lets it through
 * names it, by itself or by what it lies in, and lasts longer. 0 or -ENOMEM.
 */
int policy_find_ends(const struct policy *policy, int64_t now, struct policy_errors *over,
		     struct policy_errors *left);

#endif /* SMTPWARD_POLICY_ENDS_H */
