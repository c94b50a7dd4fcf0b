/* SPDX-License-Identifier: GPL-2.0-only */
/* The devices that packets leave this machine by, as far as the machine itself tells. */
#ifndef SMTPWARD_UPLINKS_H
#define SMTPWARD_UPLINKS_H

#include <net/if.h>
#include <stddef.h>

/*
 * Finds the devices with hardware behind them and those of default routes, in the network namespace
 * of this process: each once, in the order of their numbers. -E2BIG if they are more than max. 0 or
 * -errno.
 */
int uplinks_find(char (*ret_names)[IFNAMSIZ], size_t max, size_t *ret_n);

#endif /* SMTPWARD_UPLINKS_H */
