// SPDX-License-Identifier: GPL-2.0-only
/* The part that all sinks share. */
#include "sink/sink.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/macro.h"
#include "host/trusted.h"
#include "sink/sink_datagram.h"

static const struct sink_machine_paths sink_machine_paths = {
	.log = SINK_SYSLOG_PATH,
	.journald_log = SINK_JOURNALD_LOG_PATH,
	.journald_socket = SINK_JOURNALD_PATH,
};

static int sink_open_syslog(struct sink **ret_sink)
{
	return sink_machine_open(&sink_machine_paths, ret_sink);
}

static int sink_open_journal(struct sink **ret_sink)
{
	return sink_journal_open(SINK_JOURNALD_PATH, ret_sink);
}

static int sink_open_stderr(struct sink **ret_sink)
{
	return sink_stream_open(STDERR_FILENO, false, ret_sink);
}

static int sink_open_json(struct sink **ret_sink)
{
	return sink_stream_open(STDOUT_FILENO, true, ret_sink);
}

/* is_out: whether the line of a receipt is out, if the receipt alone can tell; else NULL. */
static const struct {
	const char *name;
	int (*open)(struct sink **ret_sink);
	bool (*is_out)(const struct smtpward_receipt *receipt);
} sink_rows[] = {
	{ SINK_SYSLOG, sink_open_syslog, sink_datagram_is_out },
	{ SINK_JOURNAL, sink_open_journal, sink_datagram_is_out },
	{ SINK_STDERR, sink_open_stderr, NULL },
	{ "json", sink_open_json, NULL },
};

/* The row of a sink's name, or -1 for a file. */
static int sink_find_row(const char *spec)
{
	for (size_t i = 0; i < ARRAY_SIZE(sink_rows); i++)
		if (!strcmp(spec, sink_rows[i].name))
			return (int)i;
	return -1;
}

int sink_open(const char *spec, struct sink **ret_sink)
{
	int row;

	assert(spec && ret_sink);

	row = sink_find_row(spec);
	return row < 0 ? sink_file_open(spec, ret_sink) : sink_rows[row].open(ret_sink);
}

static bool sink_is_machine_and_journal(const char *a, const char *b)
{
	return !strcmp(a, SINK_SYSLOG) && !strcmp(b, SINK_JOURNAL) &&
	       sink_machine_is_journalds(&sink_machine_paths);
}

bool sink_same_place(const char *a, const char *b)
{
	struct stat sa, sb;

	assert(a && b);

	if (!strcmp(a, b) || sink_is_machine_and_journal(a, b) || sink_is_machine_and_journal(b, a))
		return true;
	/* sink_open() reports a symbolic link. */
	return sink_find_row(a) < 0 && sink_find_row(b) < 0 && !lstat(a, &sa) && !lstat(b, &sb) &&
	       trusted_same(&sa, &sb);
}

const char *sink_default(void)
{
	return access(SINK_SYSLOG_PATH, F_OK) ? SINK_STDERR : SINK_SYSLOG;
}

int sink_priority(const struct line *line)
{
	if (line->kind == LINE_ALERT)
		return LOG_AUTHPRIV | LOG_ALERT;
	if (!line_is_attempt(line))
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

int sink_line(const struct line *line, char dst[SINK_LINE_SIZE])
{
	char time[LINE_TIME_SIZE];
	int head, text;

	line_time_text(line->time, time);
	head = snprintf(dst, SINK_LINE_SIZE, "%s smtpward[%d]: ", time, getpid());
	text = line_to_text(line, dst + head, SINK_LINE_SIZE - head - 1);
	if (text < 0)
		return text;
	memcpy(dst + head + text, "\n", 2);
	return head + text + 1;
}

int sink_write(struct sink *sink, const struct line *line, struct smtpward_receipt *receipt)
{
	struct smtpward_receipt unasked = { 0 };

	assert(sink && line);

	return sink->ops->write(sink, line, receipt ?: &unasked);
}

int sink_is_out(struct sink *sink, const struct smtpward_receipt *receipt)
{
	int r = 0;

	assert(sink && receipt);

	if (sink->ops->is_out)
		r = sink->ops->is_out(sink, receipt);
	if (r)
		return r;
	/* The last log may have written to another kind of sink. */
	for (size_t i = 0; i < ARRAY_SIZE(sink_rows); i++)
		if (sink_rows[i].is_out && sink_rows[i].is_out(receipt))
			return 1;
	return 0;
}

int sink_poll_fd(struct sink *sink)
{
	assert(sink);

	return sink->ops->poll_fd ? sink->ops->poll_fd(sink) : -1;
}

int sink_reopen(struct sink *sink)
{
	assert(sink);

	return sink->ops->reopen ? sink->ops->reopen(sink) : 0;
}

int sink_where(struct sink *sink, char *dst, size_t size)
{
	assert(sink && dst && size);

	return sink->ops->where ? sink->ops->where(sink, dst, size) : -EOPNOTSUPP;
}

void sink_tend(struct sink *sink)
{
	assert(sink);

	if (sink->ops->tend)
		sink->ops->tend(sink);
}

void sink_free(struct sink *sink)
{
	if (sink)
		sink->ops->free(sink);
}

void sink_freep(struct sink **sink)
{
	sink_free(*sink);
}
