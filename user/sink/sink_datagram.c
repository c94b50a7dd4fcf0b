// SPDX-License-Identifier: GPL-2.0-only
/* One datagram a line to a daemon's socket; see sink_datagram.h. */
#include "sink/sink_datagram.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"

/* Room for a few of the longest lines while the daemon is busy. */
#define DATAGRAM_SEND_BUFFER (256 * 1024)

/*
 * The longest path in a line that was too long for the socket. The line is then
 * under 2.5 KiB; the smallest send buffer that the kernel has takes 4 KiB.
 */
#define DATAGRAM_SHORT_PATH 128

/*
 * Argument of sendmmsg(2), in a receipt. The kernel writes msg_len there once the datagram is in
 * the receiver's queue, and before the process can be killed.
 */
struct datagram_message {
	struct mmsghdr header;
} __attribute__((may_alias));

_Static_assert(sizeof(struct datagram_message) <= sizeof(((struct smtpward_receipt *)0)->message),
	       "the receipt has room");

int sink_datagram_name(const char *path, struct sink_datagram *ret)
{
	if (path[0] == '\0')
		return -EINVAL;
	if (strlen(path) >= sizeof(ret->address.sun_path))
		return -ENAMETOOLONG;
	*ret = (struct sink_datagram){ .address.sun_family = AF_UNIX, .fd = -1 };
	memcpy(ret->address.sun_path, path, strlen(path) + 1);
	return 0;
}

void sink_datagram_close(struct sink_datagram *datagram)
{
	if (datagram->fd >= 0)
		close(datagram->fd);
	datagram->fd = -1;
	datagram->full = false;
}

static int datagram_connect(struct sink_datagram *datagram)
{
	_cleanup_close_ int fd = -1;
	const int size = DATAGRAM_SEND_BUFFER;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&datagram->address, sizeof(datagram->address)) < 0)
		return -errno;
	datagram->fd = TAKE_FD(fd);
	return 0;
}

static int datagram_send(const struct sink_datagram *datagram, const char *data, size_t len,
			 struct smtpward_receipt *receipt)
{
	struct iovec text = { .iov_base = (void *)data, .iov_len = len };
	struct datagram_message *message = (struct datagram_message *)receipt->message;
	int sent;

	message->header = (struct mmsghdr){ .msg_hdr = { .msg_iov = &text, .msg_iovlen = 1 } };
	__atomic_store_n(&receipt->kind, SMTPWARD_RECEIPT_MESSAGE, __ATOMIC_RELEASE);
	do
		sent = sendmmsg(datagram->fd, &message->header, 1, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* Whether a socket's error means that its daemon has gone. */
static bool datagram_is_stale(int r)
{
	return r == -ECONNREFUSED || r == -ENOTCONN || r == -ECONNRESET || r == -ENOENT ||
	       r == -EPIPE;
}

static int datagram_deliver(struct sink_datagram *datagram, const char *data, size_t len,
			    struct smtpward_receipt *receipt)
{
	int r;

	if (datagram->fd >= 0) {
		r = datagram_send(datagram, data, len, receipt);
		if (!datagram_is_stale(r))
			return r;
		sink_datagram_close(datagram);
	}
	r = datagram_connect(datagram);
	if (r < 0)
		return r;
	return datagram_send(datagram, data, len, receipt);
}

int sink_datagram_send(struct sink_datagram *datagram, const char *data, size_t len,
		       struct smtpward_receipt *receipt)
{
	int r = datagram_deliver(datagram, data, len, receipt);

	datagram->full = r == -EAGAIN;
	return r == -ENOBUFS ? -EAGAIN : r;
}

bool sink_datagram_is_out(const struct smtpward_receipt *receipt)
{
	const struct datagram_message *message = (const struct datagram_message *)receipt->message;

	return receipt->kind == SMTPWARD_RECEIPT_MESSAGE && message->header.msg_len != 0;
}

/* After ENOBUFS the kernel was short of memory: the socket polls writable all the same. */
int sink_datagram_poll_fd(const struct sink_datagram *datagram)
{
	return datagram->full ? datagram->fd : -1;
}

static void datagram_shorten_path(struct line_path *path)
{
	static const char cut[] = "/...";
	const size_t cut_len = sizeof(cut) - 1;
	const char *tail, *slash;

	if (path->len <= DATAGRAM_SHORT_PATH)
		return;
	tail = path->text + path->len - (DATAGRAM_SHORT_PATH - cut_len);
	slash = strchr(tail, '/');
	if (slash)
		tail = slash;
	path->len = cut_len + strlen(tail);
	memmove(path->text + cut_len, tail, strlen(tail) + 1);
	memcpy(path->text, cut, cut_len);
}

/* Words end where they are cut. */
static void datagram_shorten_words(struct line_path *words)
{
	static const char cut[] = "...";

	if (words->len <= DATAGRAM_SHORT_PATH)
		return;
	words->len = DATAGRAM_SHORT_PATH;
	memcpy(words->text + words->len - (sizeof(cut) - 1), cut, sizeof(cut));
}

void sink_datagram_shorten(const struct line *line, struct line *ret)
{
	*ret = *line;
	datagram_shorten_path(&ret->cgroup);
	datagram_shorten_path(&ret->unit);
	datagram_shorten_path(&ret->exe);
	datagram_shorten_path(&ret->cwd);
	datagram_shorten_words(&ret->args);
}
