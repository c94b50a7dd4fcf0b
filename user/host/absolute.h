/* SPDX-License-Identifier: GPL-2.0-only */
/* Names of files that stay true if the working directory changes. */
#ifndef SMTPWARD_ABSOLUTE_H
#define SMTPWARD_ABSOLUTE_H

/*
 * The path with its folder resolved, links and all, and its last part as it is: a link keeps its
 * own name, and a file that is not there has one. Slashes at the end go. *ret_path is to be freed.
 * -ENOENT: the folder is not there; -EINVAL: the last part is ".", ".." or nothing;
 * -ENAMETOOLONG: no system call takes it.
 */
int absolute_path(const char *path, char **ret_path);

#endif /* SMTPWARD_ABSOLUTE_H */
