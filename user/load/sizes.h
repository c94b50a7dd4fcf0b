/* SPDX-License-Identifier: GPL-2.0-only */
/* The sizes of maps that depend on the machine. A large map costs memory only as it fills up. */
#ifndef SMTPWARD_SIZES_H
#define SMTPWARD_SIZES_H

#include "load/loader.h"

/*
 * Sets events_size, callers_max, tenants_max and cgroups_max. root_fd is the v2 root. 0 or -errno.
 */
int sizes_choose(int root_fd, struct loader_options *options);

#endif /* SMTPWARD_SIZES_H */
