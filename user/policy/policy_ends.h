/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rules with `until` at an instant: which are over, how long the others last, and after which
 * rule nothing lets a unit through. Pure.
 */
#ifndef SMTPWARD_POLICY_ENDS_H
#define SMTPWARD_POLICY_ENDS_H

#include "policy/policy.h"

/*
 * Adds to over the rules that match nothing any more, and to left the time that each of the others
 * has left. A rule is the last one of a unit or a cgroup if no other allow or audit lasts longer
 * and names the unit or cgroup, or a cgroup above. 0 or -ENOMEM.
 */
int policy_find_ends(const struct policy *policy, int64_t now, struct policy_errors *over,
		     struct policy_errors *left);

#endif /* SMTPWARD_POLICY_ENDS_H */
