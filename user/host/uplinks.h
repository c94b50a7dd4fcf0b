/* SPDX-License-Identifier: GPL-2.0-only */
/* The devices that packets leave this machine by, as far as the machine itself tells. */
#ifndef SMTPWARD_UPLINKS_H
#define SMTPWARD_UPLINKS_H

#include <stdbool.h>

/*
 * Calls uplink for each of the devices with hardware behind them and those of default routes, in
 * the network namespace of this process: each once, in the order of their numbers, until uplink
 * returns something else than 0. 0 or -errno.
 */
int uplinks_each(int (*uplink)(void *userdata, const char *name), void *userdata);

bool uplinks_is_bridge(const char *device);

/*
 * Calls port for each port of a bridge that leads out: those with hardware behind them, or all if
 * no port has any.
 */
int uplinks_each_port(const char *bridge, int (*port)(void *userdata, const char *name),
		      void *userdata);

#endif /* SMTPWARD_UPLINKS_H */
