// SPDX-License-Identifier: GPL-2.0-only
/*
 * What all sinks have in common.
 */
#include "sink.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int sink_line(const struct violation *violation, char dst[SINK_LINE_SIZE])
{
	char time[VIOLATION_TIME_SIZE];
	int head, text;

	violation_time_text(violation->time, time);
	head = snprintf(dst, SINK_LINE_SIZE, "%s smtpward[%d]: ", time, getpid());
	text = violation_to_text(violation, dst + head, SINK_LINE_SIZE - head - 1);
	if (text < 0)
		return text;
	memcpy(dst + head + text, "\n", 2);
	return head + text + 1;
}

int sink_write(struct sink *sink, const struct violation *violation)
{
	return sink->ops->write(sink, violation);
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
