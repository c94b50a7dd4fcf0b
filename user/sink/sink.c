// SPDX-License-Identifier: GPL-2.0-only
/*
 * What all sinks have in common.
 */
#include "sink/sink.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

	return sink->ops->write(sink, line, receipt ?: &unasked);
}

int sink_is_out(struct sink *sink, const struct smtpward_receipt *receipt)
{
	switch (receipt->kind) {
	case SMTPWARD_RECEIPT_MESSAGE:
		return ((const struct sink_message *)receipt->message)->header.msg_len != 0;
	case SMTPWARD_RECEIPT_FILE:
		return sink->ops->is_out ? sink->ops->is_out(sink, receipt) : 0;
	default:
		return 0;
	}
}

int sink_poll_fd(struct sink *sink)
{
	return sink->ops->poll_fd(sink);
}

int sink_reopen(struct sink *sink)
{
	return sink->ops->reopen(sink);
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
