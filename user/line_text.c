// SPDX-License-Identifier: GPL-2.0-only
/*
 * The line of text. It is written for every attempt, so its parts are appended
 * straight to the buffer.
 */
#include "line.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "line_fields.h"
#include "quote.h"

/* Everything but the five strings is under 1000 bytes: fixed names and numbers. */
_Static_assert(3 * QUOTE_SIZE(VIOLATION_PATH_SIZE) + 2 * QUOTE_SIZE(SMTPWARD_COMM_SIZE) + 1000 <=
		       VIOLATION_LINE_SIZE,
	       "every violation fits a line");

/* A line as it grows. Once something did not fit, overflow stays and nothing more is added. */
struct line {
	char *dst;
	size_t size; /* without the NUL */
	size_t used;
	bool overflow;
};

static void line_append(struct line *line, const char *text, size_t len)
{
	if (line->overflow || line->size - line->used < len) {
		line->overflow = true;
		return;
	}
	memcpy(line->dst + line->used, text, len);
	line->used += len;
}

static void line_append_number(struct line *line, uint64_t number)
{
	char digits[20]; /* of UINT64_MAX */
	size_t at = sizeof(digits);

	do {
		digits[--at] = '0' + number % 10;
		number /= 10;
	} while (number > 0);
	line_append(line, digits + at, sizeof(digits) - at);
}

static void line_append_quoted(struct line *line, const char *text, size_t len)
{
	ssize_t quoted;

	line_append(line, "\"", 1);
	if (line->overflow)
		return;
	quoted = quote_text(text, len, line->dst + line->used, line->size - line->used + 1);
	if (quoted < 0) {
		line->overflow = true;
		return;
	}
	line->used += quoted;
	line_append(line, "\"", 1);
}

static void line_append_field(struct line *line, const struct violation_field *field)
{
	if (line->used > 0)
		line_append(line, " ", 1);
	line_append(line, field->name, strlen(field->name));
	line_append(line, "=", 1);
	switch (field->kind) {
	case VIOLATION_NUMBER:
		line_append_number(line, field->number);
		break;
	case VIOLATION_WORD:
		line_append(line, field->text, field->len);
		break;
	case VIOLATION_STRING:
		line_append_quoted(line, field->text, field->len);
		break;
	}
}

int violation_to_text(const struct violation *violation, char *dst, size_t size)
{
	struct line line = { .dst = dst, .size = size - 1 };
	struct violation_fields fields;

	if (size == 0)
		return -ENOSPC;
	violation_fields(violation, &fields);
	for (size_t i = 0; i < fields.count; i++)
		line_append_field(&line, &fields.field[i]);
	if (line.overflow) {
		dst[0] = '\0'; /* half a line is none */
		return -ENOSPC;
	}
	dst[line.used] = '\0';
	return line.used;
}

void violation_time_text(uint64_t time, char dst[VIOLATION_TIME_SIZE])
{
	unsigned int micro = time / 1000 % 1000000;
	time_t seconds = time / 1000000000;
	size_t used;
	struct tm tm;

	/* 64 bits of nanoseconds end in the year 2554: four digits, no overflow. */
	gmtime_r(&seconds, &tm);
	used = strftime(dst, VIOLATION_TIME_SIZE, "%Y-%m-%dT%H:%M:%S.", &tm);
	for (unsigned int unit = 100000; unit > 0; unit /= 10)
		dst[used++] = '0' + micro / unit % 10;
	dst[used++] = 'Z';
	dst[used] = '\0';
}
