/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fills the maps of a new generation: the policy's tables, and the cgroups that
 * are there already.
 */
#ifndef SMTPWARD_FILL_H
#define SMTPWARD_FILL_H

#include "loader.h"
#include "policy.h"
#include "reason.h"
#include "ruleset.h"

int fill_policy(const struct loader *loader, const struct ruleset *ruleset, struct reason *reason);

/* What status shows. info is complete; the rules' texts come from policy. */
int fill_description(const struct loader *loader, const struct policy *policy,
		     const struct smtpward_policy_info *info, struct reason *reason);

/*
 * Gives every cgroup below root_fd its state. To be called while the tracker runs,
 * which does the same for cgroups that come meanwhile: between the two, none is
 * missed and none that is gone is left.
 */
int fill_cgroups(const struct loader *loader, const struct ruleset *ruleset, int root_fd,
		 struct reason *reason);

#endif /* SMTPWARD_FILL_H */
