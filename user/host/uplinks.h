/* SPDX-License-Identifier: GPL-2.0-only */
/* The devices that packets leave this machine by, as far as the machine itself tells. */
#ifndef SMTPWARD_UPLINKS_H
#define SMTPWARD_UPLINKS_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Finds the devices with hardware behind them and those of default routes, in the network namespace
 * of this process: each once, in the order of their numbers. -E2BIG if they are more than max. 0 or
 * -errno.
 */
int uplinks_find(char (*ret_names)[IFNAMSIZ], size_t max, size_t *ret_n);

/* Whether packets of others go through this machine: it routes, or has a port of a bridge. */
int uplinks_forward(bool *ret_forwards);

#endif /* SMTPWARD_UPLINKS_H */
