/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Messages of a service to its manager: the datagram of sd_notify(3), whose protocol is documented
 * as stable, spoken without its library, which would bring in more code than all of the logger
 * has.
 */
#ifndef SMTPWARD_NOTIFY_H
#define SMTPWARD_NOTIFY_H

#include <stdbool.h>

/* Whether a manager listens: $NOTIFY_SOCKET is set. */
bool notify_wanted(void);

/*
 * Sends "NAME=value" assignments, one a line. 0 if no manager listens. Does not wait: -EAGAIN if
 * the manager is busy.
 */
int notify_send(const char *text);

/* Sends "WATCHDOG=1" if the manager watches over the service. */
int notify_alive(void);

#endif /* SMTPWARD_NOTIFY_H */
