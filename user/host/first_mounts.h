/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mounts that process 1 sees. A service manager may give the process of a service a
 * mount namespace of its own: what is mounted there, nobody else sees, and it ends with that
 * process.
 */
#ifndef SMTPWARD_FIRST_MOUNTS_H
#define SMTPWARD_FIRST_MOUNTS_H

#include <stdbool.h>

/* Whether ours are others, and process 1's can be had. 0 or -errno. */
int first_mounts_differ(bool *ret_differ);

/*
 * Runs step(userdata) among them, in a thread: its result, or -errno if it cannot be run
 * there.
 */
int first_mounts_run(int (*step)(void *userdata), void *userdata);

#endif /* SMTPWARD_FIRST_MOUNTS_H */
