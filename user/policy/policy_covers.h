/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether one rule matches all that another would: proven condition by condition, of what
 * their values mean. Pure.
 */
#ifndef SMTPWARD_POLICY_COVERS_H
#define SMTPWARD_POLICY_COVERS_H

#include <stdbool.h>

#include "policy/policy.h"

/*
 * True: every connect that matches narrow matches wide. False: there may be one that does
 * not; also where that would take more than comparing the values of the two rules, as for
 * a path that lies in a unit by its parents alone, or for very long lists.
 */
bool policy_rule_covers(const struct policy *policy, const struct policy_rule *wide,
			const struct policy_rule *narrow);

/* The same of two cgroup paths: all that is at narrow or below it is at wide or below it. */
bool policy_path_covers(const char *wide, const char *narrow);

#endif /* SMTPWARD_POLICY_COVERS_H */
