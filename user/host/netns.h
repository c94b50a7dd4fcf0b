/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Network namespaces, by the inode numbers that the kernel and /proc give them. The host's is that
 * of process 1: a service manager may have given this process one of its own.
 */
#ifndef SMTPWARD_NETNS_H
#define SMTPWARD_NETNS_H

#include <stdbool.h>
#include <stdint.h>

/* Our own namespace if process 1 may not be looked at, as in some containers. 0 or -errno. */
int netns_read_host(uint32_t *ret_inode);

int netns_read_own(uint32_t *ret_inode);

/* Whether ours is the host's; false too if process 1 may not be looked at. 0 or -errno. */
int netns_is_host(bool *ret_is);

#endif /* SMTPWARD_NETNS_H */
