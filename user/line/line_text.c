// SPDX-License-Identifier: GPL-2.0-only
/*
 * The line of text. It is written for every attempt, so its parts are appended
 * straight to the buffer.
 */
#include "line/line.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/quote.h"
#include "line/line_fields.h"

/* A line as it grows. Once something did not fit, overflow stays and nothing more is added. */
struct buffer {
	char *dst;
	size_t size; /* without the NUL */
	size_t used;
	bool overflow;
};

static void text_append(struct buffer *buffer, const char *text, size_t len)
{
	if (buffer->overflow || buffer->size - buffer->used < len) {
		buffer->overflow = true;
		return;
	}
	memcpy(buffer->dst + buffer->used, text, len);
	buffer->used += len;
}

static void text_append_number(struct buffer *buffer, uint64_t number)
{
	char digits[20]; /* of UINT64_MAX */
	size_t at = sizeof(digits);

	do {
		digits[--at] = '0' + number % 10;
		number /= 10;
	} while (number > 0);
	text_append(buffer, digits + at, sizeof(digits) - at);
}

static void text_append_quoted(struct buffer *buffer, const struct line_field *field)
{
	ssize_t quoted;

	text_append(buffer, "\"", 1);
	if (buffer->overflow)
		return;
	quoted = quote_list(field->text, field->len, field->separator, buffer->dst + buffer->used,
			    buffer->size - buffer->used + 1);
	if (quoted < 0) {
		buffer->overflow = true;
		return;
	}
	buffer->used += quoted;
	text_append(buffer, "\"", 1);
}

static void text_append_field(struct buffer *buffer, const struct line_field *field)
{
	if (buffer->used > 0)
		text_append(buffer, " ", 1);
	text_append(buffer, field->name, strlen(field->name));
	text_append(buffer, "=", 1);
	switch (field->kind) {
	case LINE_NUMBER:
		if (field->text)
			text_append(buffer, field->text, field->len);
		else
			text_append_number(buffer, field->number);
		break;
	case LINE_NONE:
	case LINE_WORD:
		text_append(buffer, field->text, field->len);
		break;
	case LINE_STRING:
		text_append_quoted(buffer, field);
		break;
	}
}

int line_to_text(const struct line *line, char *dst, size_t size)
{
	struct buffer buffer = { .dst = dst, .size = size - 1 };
	struct line_field field = { 0 };

	if (size == 0)
		return -ENOSPC;
	while (line_next_field(line, &field))
		text_append_field(&buffer, &field);
	if (buffer.overflow) {
		dst[0] = '\0'; /* half a line is none */
		return -ENOSPC;
	}
	dst[buffer.used] = '\0';
	return buffer.used;
}

void line_time_text(uint64_t time, char dst[LINE_TIME_SIZE])
{
	unsigned int micro = time / 1000 % 1000000;
	time_t seconds = time / 1000000000;
	size_t used;
	struct tm tm;

	/* 64 bits of nanoseconds end in the year 2554: four digits, no overflow. */
	gmtime_r(&seconds, &tm);
	used = strftime(dst, LINE_TIME_SIZE, "%Y-%m-%dT%H:%M:%S.", &tm);
	for (unsigned int unit = 100000; unit > 0; unit /= 10)
		dst[used++] = '0' + micro / unit % 10;
	dst[used++] = 'Z';
	dst[used] = '\0';
}
