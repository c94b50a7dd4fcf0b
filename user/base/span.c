// SPDX-License-Identifier: GPL-2.0-only
/* Spans of time; see span.h. */
#include "base/span.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"

#define SPAN_SECONDS_MAX (366ULL * 24 * 60 * 60)

/* The units from large to small; of two words for one unit the longer comes first. */
static const struct {
	const char *word;
	uint64_t seconds;
} span_units[] = { { "h", 3600 }, { "min", 60 }, { "m", 60 }, { "s", 1 } };

/* Parses the digits at *text, and moves *text behind them. 0, -EINVAL or -ERANGE. */
static int span_take_number(const char **text, uint64_t *ret_number)
{
	uint64_t number = 0;
	const char *at = *text;

	/* Elsewhere a leading 0 makes a number octal. */
	if (at[0] == '0' && at[1] >= '0' && at[1] <= '9')
		return -EINVAL;
	for (; *at >= '0' && *at <= '9'; at++) {
		if (number > SPAN_SECONDS_MAX)
			return -ERANGE;
		number = number * 10 + (uint64_t)(*at - '0');
	}
	if (at == *text)
		return -EINVAL;
	*text = at;
	*ret_number = number;
	return 0;
}

/* The index of the unit at *text, or -EINVAL. Moves *text behind the unit. */
static int span_take_unit(const char **text)
{
	for (size_t i = 0; i < ARRAY_SIZE(span_units); i++) {
		const size_t len = strlen(span_units[i].word);

		if (strncmp(*text, span_units[i].word, len) != 0)
			continue;
		*text += len;
		return (int)i;
	}
	return -EINVAL;
}

int span_parse(const char *text, uint64_t *ret_seconds)
{
	uint64_t sum = 0, smallest = UINT64_MAX;

	do {
		uint64_t number = 0;
		int unit, r = span_take_number(&text, &number);

		if (r)
			return r;
		unit = span_take_unit(&text);
		if (unit < 0 || span_units[unit].seconds >= smallest)
			return -EINVAL;
		smallest = span_units[unit].seconds;
		if (number > SPAN_SECONDS_MAX / smallest)
			return -ERANGE;
		sum += number * smallest;
	} while (*text);
	if (sum > SPAN_SECONDS_MAX)
		return -ERANGE;
	*ret_seconds = sum;
	return 0;
}

void span_text(uint64_t seconds, char dst[SPAN_SIZE])
{
	const uint64_t hours = seconds / 3600, minutes = seconds / 60 % 60;
	int used = 0;

	if (hours)
		used += snprintf(dst, SPAN_SIZE, "%" PRIu64 "h", hours);
	if (minutes)
		used += snprintf(dst + used, SPAN_SIZE - (size_t)used, "%s%" PRIu64 "m",
				 used ? " " : "", minutes);
	if (seconds % 60 || !used)
		snprintf(dst + used, SPAN_SIZE - (size_t)used, "%s%" PRIu64 "s", used ? " " : "",
			 seconds % 60);
}
