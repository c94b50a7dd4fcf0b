/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which units this machine knows: by the files that systemd reads, whether they run or not,
 * and by the cgroups that are there now.
 */
#ifndef SMTPWARD_UNIT_H
#define SMTPWARD_UNIT_H

#include <stdbool.h>
#include <stddef.h>

enum unit_kind {
	UNIT_UNKNOWN,
	UNIT_KNOWN,
	UNIT_TEMPLATE, /* no process is in the cgroup of one, but in those of its instances */
	UNIT_ALIAS,    /* the cgroup has the unit's own name */
	UNIT_MASKED,   /* nothing starts it */
};

/*
 * What a unit is whose name matches, which may have one star; KNOWN also where it is an instance
 * of a template that is there, or a cgroup. *ret_real: an alias's own unit, allocated; else NULL.
 * 0 or -errno.
 */
int unit_find(const char *name, enum unit_kind *ret_kind, char **ret_real);

/* The same of directories of files, the first that has it counts; and of a cgroup directory. */
int unit_find_in_files(const char *const *dirs, size_t n_dirs, const char *name,
		       enum unit_kind *ret_kind, char **ret_real);
int unit_is_in_cgroups(const char *dir, const char *name, bool *ret_known);

#endif /* SMTPWARD_UNIT_H */
