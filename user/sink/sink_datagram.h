/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the sinks that send a line to a daemon on this machine, as one datagram to the
 * daemon's socket: the connection, and the receipt.
 */
#ifndef SMTPWARD_SINK_DATAGRAM_H
#define SMTPWARD_SINK_DATAGRAM_H

#include <sys/socket.h>
#include <sys/un.h>

#include "sink/sink.h"

struct sink_datagram {
	struct sockaddr_un address;
	int fd;	   /* connected, or -1 */
	bool full; /* the last datagram found the daemon's queue full: fd polls for room */
};

/* Names the socket, which need not exist yet. -EINVAL, -ENAMETOOLONG. */
int sink_datagram_name(const char *path, struct sink_datagram *ret);

/*
 * Sends a line in one piece: 0, -EAGAIN or another -errno, as a sink's write does. A daemon that
 * was restarted has a new socket at the path, which is tried at once. -EMSGSIZE if the socket
 * takes no datagram of this length.
 */
int sink_datagram_send(struct sink_datagram *datagram, const char *data, size_t len,
		       struct smtpward_receipt *receipt);

/* Whether the datagram of this receipt is out; false for another sink's receipt. */
bool sink_datagram_is_out(const struct smtpward_receipt *receipt);

/* For the operations of a sink. */
int sink_datagram_poll_fd(const struct sink_datagram *datagram);
void sink_datagram_close(struct sink_datagram *datagram);

/*
 * Makes a line for the same attempt that fits any send buffer: with all numbers, and with paths
 * that say that they were cut. For -EMSGSIZE, which comes only if the administrator has set
 * net.core.wmem_max below the length of a line: trying the whole line for ever would hold back
 * every line behind it.
 */
void sink_datagram_shorten(const struct line *line, struct line *ret);

#endif /* SMTPWARD_SINK_DATAGRAM_H */
