/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which units this machine knows: by the files that systemd reads, whether they run or not,
 * and by the cgroups that are there now.
 */
#ifndef SMTPWARD_UNIT_H
#define SMTPWARD_UNIT_H

#include <stdbool.h>

/*
 * Whether there is a unit whose name matches, which may have one star; also where it is an
 * instance of a template that is there. 0 or -errno.
 */
int unit_is_known(const char *name, bool *ret_known);

/* The same of one directory of files, and of a cgroup directory with its slices. */
int unit_is_in_files(const char *dir, const char *name, bool *ret_known);
int unit_is_in_cgroups(const char *dir, const char *name, bool *ret_known);

#endif /* SMTPWARD_UNIT_H */
