/* SPDX-License-Identifier: GPL-2.0-only */
/* Gives the existing cgroups their entries in the maps of a new generation. */
#ifndef SMTPWARD_WALK_H
#define SMTPWARD_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/reason.h"
#include "load/loader.h"
#include "ruleset/ruleset.h"

/*
 * Gives every cgroup below root_fd its state. The tracker must run meanwhile, which does the same
 * for new cgroups: between the two, no cgroup is missed, and no entry of a removed cgroup stays.
 */
int walk_cgroups(const struct loader *loader, const struct ruleset *ruleset, int root_fd,
		 struct reason *reason);

/* Waits until every mkdir(2) of a cgroup that began before the call has ended. 0 or -errno. */
int walk_barrier(int root_fd);

/*
 * Calls child for each cgroup directly below the one with this id, until child returns something
 * else than 0. 0 if the cgroup is gone.
 */
int walk_children(int root_fd, uint64_t id,
		  int (*child)(void *userdata, int dir_fd, const char *name), void *userdata);

/* Whether err, of a look at a cgroup, means that the cgroup was removed. */
bool walk_is_gone(int err);

#endif /* SMTPWARD_WALK_H */
