/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether one rule matches every connect that another rule matches: proven condition by condition,
 * from the meaning of the values. Pure.
 */
#ifndef SMTPWARD_POLICY_COVERS_H
#define SMTPWARD_POLICY_COVERS_H

#include <stdbool.h>

#include "policy/policy.h"

/*
 * True: every connect that matches narrow matches wide. False: some connect may match narrow
 * alone. Also false if the proof would take more than comparing the values of the two rules, as
 * for a path that lies in a unit by its parents alone, or for very long lists.
 */
bool policy_rule_covers(const struct policy *policy, const struct policy_rule *wide,
			const struct policy_rule *narrow);

/* The same of two cgroup paths: every cgroup at narrow or below it is at wide or below it. */
bool policy_path_covers(const char *wide, const char *narrow);

#endif /* SMTPWARD_POLICY_COVERS_H */
