/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mounts that process 1 sees. A service manager may give the process of a service a mount
 * namespace of its own: nobody else sees the mounts there, and they end with the process.
 */
#ifndef SMTPWARD_FIRST_MOUNTS_H
#define SMTPWARD_FIRST_MOUNTS_H

#include <stdbool.h>

/* Whether our mounts differ from process 1's, and process 1's can be entered. 0 or -errno. */
int first_mounts_differ(bool *ret_differ);

/*
 * Runs step(userdata) among the mounts of process 1, in a thread. Returns the step's result, or
 * -errno if the step cannot be run there.
 */
int first_mounts_run(int (*step)(void *userdata), void *userdata);

#endif /* SMTPWARD_FIRST_MOUNTS_H */
