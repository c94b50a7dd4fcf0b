/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The units that this machine knows: by the files that systemd reads, whether the units run or
 * not, and by the cgroups that are there now.
 */
#ifndef SMTPWARD_UNIT_H
#define SMTPWARD_UNIT_H

#include <stdbool.h>
#include <stddef.h>

enum unit_kind {
	UNIT_UNKNOWN,
	UNIT_KNOWN,
	UNIT_TEMPLATE, /* its instances have cgroups, the template has none */
	UNIT_ALIAS,    /* the cgroup has the name of the real unit */
	UNIT_MASKED,   /* nothing starts it */
};

/*
 * Finds the kind of the unit with this name, which may have one star. KNOWN also for an instance
 * of a template that is there, and for a cgroup. *ret_real: the real unit of an alias, allocated;
 * else NULL. 0 or -errno.
 */
int unit_find(const char *name, enum unit_kind *ret_kind, char **ret_real);

/*
 * The same in directories of files, of which the first that has the name counts; and in a cgroup
 * directory.
 */
int unit_find_in_files(const char *const *dirs, size_t n_dirs, const char *name,
		       enum unit_kind *ret_kind, char **ret_real);
int unit_is_in_cgroups(const char *dir, const char *name, bool *ret_known);

#endif /* SMTPWARD_UNIT_H */
