/* SPDX-License-Identifier: GPL-2.0-only */
/* Gives the cgroups that are there already their entries in the maps of a new generation. */
#ifndef SMTPWARD_WALK_H
#define SMTPWARD_WALK_H

#include "base/reason.h"
#include "load/loader.h"
#include "ruleset/ruleset.h"

/*
 * Gives every cgroup below root_fd its state. To be called while the tracker runs,
 * which does the same for cgroups that come meanwhile: between the two, none is
 * missed and none that is gone is left.
 */
int walk_cgroups(const struct loader *loader, const struct ruleset *ruleset, int root_fd,
		 struct reason *reason);

#endif /* SMTPWARD_WALK_H */
