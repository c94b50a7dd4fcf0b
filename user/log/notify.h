/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a service tells its manager: the datagram of sd_notify(3), whose protocol is
 * documented as stable, to be spoken without its library. That one would bring in more
 * than all of the logger has.
 */
#ifndef SMTPWARD_NOTIFY_H
#define SMTPWARD_NOTIFY_H

#include <stdbool.h>

/* Whether somebody wants to know: $NOTIFY_SOCKET is set. */
bool notify_wanted(void);

/*
 * Sends "NAME=value" assignments, one a line. 0 if nobody wants to know. Does not
 * wait: -EAGAIN if the manager is busy.
 */
int notify_send(const char *text);

/* "WATCHDOG=1", where the manager watches over its services. */
int notify_alive(void);

#endif /* SMTPWARD_NOTIFY_H */
