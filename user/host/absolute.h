/* SPDX-License-Identifier: GPL-2.0-only */
/* Names of files that stay true if the working directory changes. */
#ifndef SMTPWARD_ABSOLUTE_H
#define SMTPWARD_ABSOLUTE_H

/*
 * Resolves the folder of a path, links and all, and keeps the last part: a link keeps its own
 * name, and a missing file has a path too. Slashes at the end go. The caller frees *ret_path.
 * -ENOENT: the folder is not there; -EINVAL: the last part is ".", ".." or nothing; -ENAMETOOLONG:
 * no system call takes the path.
 */
int absolute_path(const char *path, char **ret_path);

#endif /* SMTPWARD_ABSOLUTE_H */
