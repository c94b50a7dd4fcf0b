/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Paths that nobody but root and our own user can bend: nobody else can have put the file there,
 * or can move it away.
 */
#ifndef SMTPWARD_TRUSTED_H
#define SMTPWARD_TRUSTED_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/reason.h"

/*
 * Opens the directory of a path's last part, O_PATH; *ret_name is where that part begins in path.
 * -EPERM if others could change this directory or one above it: others own the directory, or may
 * write to it and it is not sticky.
 */
int trusted_open_parent(const char *path, int *ret_fd, const char **ret_name);

/*
 * Opens the file that a path leads to, links followed, with flags for open(2) such as O_RDONLY.
 * -EPERM if others could change the file, a directory on the way to it, or a link that leads
 * there; the reason names it and says what to do. Other failures leave the reason as it is. A
 * device, FIFO or socket is opened whoever owns it.
 */
int trusted_open(const char *path, int flags, int *ret_fd, struct reason *reterr);

/* Whether root or our own user owns the file, no other may write to it, and it has one name. */
bool trusted_file(int fd, const struct stat *st);

/* Whether a and b are the same inode of the same device. */
bool trusted_same(const struct stat *a, const struct stat *b);

#endif /* SMTPWARD_TRUSTED_H */
