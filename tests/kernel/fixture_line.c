// SPDX-License-Identifier: GPL-2.0-only
/*
 * The product's own reader of lines. In a file of its own, as the product's struct line differs
 * from the fixture's.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "line/line_parse.h"

bool line_strict(const char *text, size_t len,
		 void (*each)(void *userdata, const char *name, const char *value, size_t len),
		 void *userdata, char *why, size_t size);

bool line_strict(const char *text, size_t len,
		 void (*each)(void *userdata, const char *name, const char *value, size_t len),
		 void *userdata, char *why, size_t size)
{
	struct line_parsed line;
	struct reason reason;

	if (line_parse(text, len, &line, &reason)) {
		snprintf(why, size, "%s", reason.text);
		return false;
	}
	for (size_t i = 0; i < line.n; i++) {
		const struct line_field *field = &line.fields[i];
		char digits[24];

		snprintf(digits, sizeof(digits), "%" PRIu64, field->number);
		if (field->text)
			each(userdata, field->name, field->text, field->len);
		else
			each(userdata, field->name, digits, strlen(digits));
	}
	return true;
}
