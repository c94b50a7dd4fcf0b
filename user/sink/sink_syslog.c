// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines to the machine's syslog daemon, one datagram each. libc's syslog(3) would
 * drop a line that the daemon has no room for, and say nothing.
 */
#include "sink/sink.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "sink/sink_datagram.h"

#define SYSLOG_DATAGRAM_SIZE (LINE_TEXT_SIZE + 64)

struct sink_syslog {
	struct sink sink; /* first: the ops get a pointer to it */
	struct sink_datagram datagram;
};

/* The protocol has English month names, whatever the locale. */
static int syslog_render(const struct line *line, char dst[SYSLOG_DATAGRAM_SIZE])
{
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t seconds = line->time / 1000000000;
	struct tm tm;
	int head, text;

	if (!localtime_r(&seconds, &tm))
		return -errno;
	head = snprintf(dst, SYSLOG_DATAGRAM_SIZE,
			"<%d>%s %2d %02d:%02d:%02d smtpward[%d]: ", sink_priority(line),
			months[tm.tm_mon], tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, getpid());
	text = line_to_text(line, dst + head, SYSLOG_DATAGRAM_SIZE - head);
	return text < 0 ? text : head + text;
}

static int syslog_deliver(struct sink_syslog *syslog, const struct line *line,
			  struct smtpward_receipt *receipt)
{
	char datagram[SYSLOG_DATAGRAM_SIZE];
	int len = syslog_render(line, datagram);

	if (len < 0)
		return len;
	return sink_datagram_send(&syslog->datagram, datagram, len, receipt);
}

static int syslog_write(struct sink *sink, const struct line *line,
			struct smtpward_receipt *receipt)
{
	struct sink_syslog *syslog = (struct sink_syslog *)sink;
	struct line shorter;
	int r = syslog_deliver(syslog, line, receipt);

	if (r != -EMSGSIZE)
		return r;
	sink_datagram_shorten(line, &shorter);
	return syslog_deliver(syslog, &shorter, receipt);
}

static int syslog_poll_fd(struct sink *sink)
{
	return sink_datagram_poll_fd(&((struct sink_syslog *)sink)->datagram);
}

/*
 * Closes the connection, for a daemon that was replaced while its old socket is full, and kept
 * open by somebody.
 */
static int syslog_reopen(struct sink *sink)
{
	sink_datagram_close(&((struct sink_syslog *)sink)->datagram);
	return 0;
}

static void syslog_free(struct sink *sink)
{
	struct sink_syslog *syslog = (struct sink_syslog *)sink;

	sink_datagram_close(&syslog->datagram);
	free(syslog);
}

static const struct sink_ops syslog_ops = {
	.name = "syslog",
	.write = syslog_write,
	.poll_fd = syslog_poll_fd,
	.reopen = syslog_reopen,
	.free = syslog_free,
};

int sink_syslog_open(const char *path, struct sink **ret)
{
	struct sink_datagram datagram;
	struct sink_syslog *syslog;
	int r;

	assert(path && ret);

	r = sink_datagram_name(path, &datagram);
	if (r)
		return r;
	syslog = calloc(1, sizeof(*syslog));
	if (!syslog)
		return -ENOMEM;
	syslog->sink.ops = &syslog_ops;
	syslog->datagram = datagram;
	*ret = &syslog->sink;
	return 0;
}
