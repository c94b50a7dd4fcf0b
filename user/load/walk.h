/* SPDX-License-Identifier: GPL-2.0-only */
/* Gives the cgroups that are there already their entries in the maps of a new generation. */
#ifndef SMTPWARD_WALK_H
#define SMTPWARD_WALK_H

#include <stdbool.h>
#include <stdint.h>

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

/* Waits until no mkdir(2) of a cgroup that began before is under way. 0 or -errno. */
int walk_barrier(int root_fd);

/*
 * Calls back for each cgroup directly below the one with this id, until that returns something
 * else than 0. 0 if the cgroup is gone.
 */
int walk_children(int root_fd, uint64_t id,
		  int (*child)(void *userdata, int dir_fd, const char *name), void *userdata);

/* What a cgroup's own removal makes of a look at it. */
bool walk_is_gone(int err);

#endif /* SMTPWARD_WALK_H */
