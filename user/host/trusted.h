/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Paths that nobody but root and our own user can bend: what is written there cannot
 * have been put in its place, and stays where it is.
 */
#ifndef SMTPWARD_TRUSTED_H
#define SMTPWARD_TRUSTED_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/reason.h"

/*
 * Opens the directory that a path's last part is in, O_PATH, and says where that part
 * begins. -EPERM if others could change it or one above it: it is theirs, or they
 * may write to it and it is not sticky.
 */
int trusted_open_parent(const char *path, int *ret_fd, const char **ret_name);

/*
 * Opens what a path leads to, links followed, with flags of open(2) as O_RDONLY. Where
 * others could change that file, a directory on the way to it, or which way that is:
 * -EPERM, with a reason that names the one and what to do. Other failures leave the reason
 * as it is. What is neither a file nor a directory is opened whoever has it.
 */
int trusted_open(const char *path, int flags, int *ret_fd, struct reason *reterr);

/* A file that root or our own user owns, that no other may write to, with one name. */
bool trusted_file(int fd, const struct stat *st);

/* Whether both are the same file: the same inode of the same device. */
bool trusted_same(const struct stat *a, const struct stat *b);

#endif /* SMTPWARD_TRUSTED_H */
