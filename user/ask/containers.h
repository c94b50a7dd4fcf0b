/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The names of containers, out of the files that engines keep for root. A name is that of the
 * moment it was looked up at. What others than root could have written is not believed.
 */
#ifndef SMTPWARD_CONTAINERS_H
#define SMTPWARD_CONTAINERS_H

#include "ask/container.h"
#include "base/reason.h"

/*
 * Looks up name and image of a container that container_from_cgroup() told of. `root` stands
 * before each path, "" for this machine's. 0 if its name is known; otherwise -errno, and the
 * reason says which file lacks it and why.
 */
int containers_look_up(const char *root, struct container *container, struct reason *reason);

#endif /* SMTPWARD_CONTAINERS_H */
