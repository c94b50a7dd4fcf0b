// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines to the machine's syslog daemon, one datagram each. libc's syslog(3) would
 * drop a line that the daemon has no room for, and say nothing.
 */
#include "sink/sink.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/macro.h"

/* Room for a few of the longest lines while the daemon is busy. */
#define SYSLOG_SEND_BUFFER (256 * 1024)

#define SYSLOG_DATAGRAM_SIZE (LINE_TEXT_SIZE + 64)

/*
 * The longest path in a line that was too long for the socket. The line is then
 * under 2.5 KiB; the smallest send buffer that the kernel has takes 4 KiB.
 */
#define SYSLOG_SHORT_PATH 128

struct sink_syslog {
	struct sink sink; /* first: the ops get a pointer to it */
	struct sockaddr_un address;
	int fd;	   /* connected, or -1 */
	bool full; /* the last write found the daemon's queue full: fd polls for room */
};

static int syslog_priority(const struct line *line)
{
	if (line->kind == LINE_ALERT)
		return LOG_AUTHPRIV | LOG_ALERT;
	if (line->kind != LINE_ATTEMPT)
		return LOG_AUTHPRIV | LOG_NOTICE;
	switch (line->record.verdict) {
	case SMTPWARD_ALLOW:
		return LOG_AUTHPRIV | LOG_INFO;
	case SMTPWARD_AUDIT:
		return LOG_AUTHPRIV | LOG_NOTICE;
	default:
		return LOG_AUTHPRIV | LOG_WARNING;
	}
}

/* The month's name is the protocol's and not the locale's. */
static int syslog_datagram(const struct line *line, char dst[SYSLOG_DATAGRAM_SIZE])
{
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t seconds = line->time / 1000000000;
	struct tm tm;
	int head, text;

	if (!localtime_r(&seconds, &tm))
		return -errno;
	head = snprintf(dst, SYSLOG_DATAGRAM_SIZE,
			"<%d>%s %2d %02d:%02d:%02d smtpward[%d]: ", syslog_priority(line),
			months[tm.tm_mon], tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, getpid());
	text = line_to_text(line, dst + head, SYSLOG_DATAGRAM_SIZE - head);
	return text < 0 ? text : head + text;
}

static void syslog_disconnect(struct sink_syslog *syslog)
{
	if (syslog->fd >= 0)
		close(syslog->fd);
	syslog->fd = -1;
}

static int syslog_connect(struct sink_syslog *syslog)
{
	_cleanup_close_ int fd = -1;
	const int size = SYSLOG_SEND_BUFFER;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&syslog->address, sizeof(syslog->address)) < 0)
		return -errno;
	syslog->fd = TAKE_FD(fd);
	return 0;
}

static int syslog_send(const struct sink_syslog *syslog, const char *datagram, size_t len,
		       struct smtpward_receipt *receipt)
{
	struct iovec text = { .iov_base = (void *)datagram, .iov_len = len };
	struct sink_message *message = (struct sink_message *)receipt->message;
	int sent;

	message->header = (struct mmsghdr){ .msg_hdr = { .msg_iov = &text, .msg_iovlen = 1 } };
	__atomic_store_n(&receipt->kind, SMTPWARD_RECEIPT_MESSAGE, __ATOMIC_RELEASE);
	do
		sent = sendmmsg(syslog->fd, &message->header, 1, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* What a socket says whose daemon has gone. */
static bool syslog_stale(int r)
{
	return r == -ECONNREFUSED || r == -ENOTCONN || r == -ECONNRESET || r == -ENOENT ||
	       r == -EPIPE;
}

/* A daemon that was restarted has a new socket at the path: tried once, at once. */
static int syslog_deliver(struct sink_syslog *syslog, const char *datagram, size_t len,
			  struct smtpward_receipt *receipt)
{
	int r;

	if (syslog->fd >= 0) {
		r = syslog_send(syslog, datagram, len, receipt);
		if (!syslog_stale(r))
			return r;
		syslog_disconnect(syslog);
	}
	r = syslog_connect(syslog);
	if (r < 0)
		return r;
	return syslog_send(syslog, datagram, len, receipt);
}

static void syslog_shorten_path(struct line_path *path)
{
	static const char cut[] = "/...";
	const size_t cut_len = sizeof(cut) - 1;
	const char *tail, *slash;

	if (path->len <= SYSLOG_SHORT_PATH)
		return;
	tail = path->text + path->len - (SYSLOG_SHORT_PATH - cut_len);
	slash = strchr(tail, '/');
	if (slash)
		tail = slash;
	path->len = cut_len + strlen(tail);
	memmove(path->text + cut_len, tail, strlen(tail) + 1);
	memcpy(path->text, cut, cut_len);
}

/*
 * The same attempt in a line that any send buffer takes: with all its numbers, and
 * with paths that say that they were cut. Only where the administrator has set
 * net.core.wmem_max under the length of a line is there need of it; trying the
 * whole line for ever would hold back every line behind it.
 */
static int syslog_deliver_short(struct sink_syslog *syslog, const struct line *line,
				struct smtpward_receipt *receipt)
{
	char datagram[SYSLOG_DATAGRAM_SIZE];
	struct line shorter = *line;
	int len;

	syslog_shorten_path(&shorter.cgroup);
	syslog_shorten_path(&shorter.unit);
	syslog_shorten_path(&shorter.exe);
	len = syslog_datagram(&shorter, datagram);
	if (len < 0)
		return len;
	return syslog_deliver(syslog, datagram, len, receipt);
}

static int syslog_write(struct sink *sink, const struct line *line,
			struct smtpward_receipt *receipt)
{
	struct sink_syslog *syslog = (struct sink_syslog *)sink;
	char datagram[SYSLOG_DATAGRAM_SIZE];
	int len, r;

	len = syslog_datagram(line, datagram);
	if (len < 0)
		return len;
	r = syslog_deliver(syslog, datagram, len, receipt);
	if (r == -EMSGSIZE)
		r = syslog_deliver_short(syslog, line, receipt);
	syslog->full = r == -EAGAIN;
	return r == -ENOBUFS ? -EAGAIN : r;
}

/* After ENOBUFS the kernel was short of memory: the socket polls writable all the same. */
static int syslog_poll_fd(struct sink *sink)
{
	struct sink_syslog *syslog = (struct sink_syslog *)sink;

	return syslog->full ? syslog->fd : -1;
}

/* For a daemon that was replaced while somebody holds its old socket open, full. */
static int syslog_reopen(struct sink *sink)
{
	struct sink_syslog *syslog = (struct sink_syslog *)sink;

	syslog_disconnect(syslog);
	syslog->full = false;
	return 0;
}

static void syslog_free(struct sink *sink)
{
	struct sink_syslog *syslog = (struct sink_syslog *)sink;

	syslog_disconnect(syslog);
	free(syslog);
}

static const struct sink_ops syslog_ops = {
	.name = "syslog",
	.write = syslog_write,
	.poll_fd = syslog_poll_fd,
	.reopen = syslog_reopen,
	.free = syslog_free,
};

bool sink_syslog_is_out(const struct smtpward_receipt *receipt)
{
	const struct sink_message *message = (const struct sink_message *)receipt->message;

	return receipt->kind == SMTPWARD_RECEIPT_MESSAGE && message->header.msg_len != 0;
}

int sink_syslog_open(const char *path, struct sink **ret)
{
	struct sink_syslog *syslog;

	assert(path && ret);

	if (path[0] == '\0')
		return -EINVAL;
	if (strlen(path) >= sizeof(syslog->address.sun_path))
		return -ENAMETOOLONG;
	syslog = calloc(1, sizeof(*syslog));
	if (!syslog)
		return -ENOMEM;
	syslog->sink.ops = &syslog_ops;
	syslog->address.sun_family = AF_UNIX;
	memcpy(syslog->address.sun_path, path, strlen(path) + 1);
	syslog->fd = -1;
	*ret = &syslog->sink;
	return 0;
}
