// SPDX-License-Identifier: GPL-2.0-only
/*
 * One JSON object a line. Strings are quoted as in the text line before they become
 * JSON: a name in a cgroup need not be UTF-8, which JSON cannot say, and whoever
 * reads both forms finds the same characters in both.
 */
#include "line/line.h"

#include <errno.h>
#include <jansson.h>

#include "base/quote.h"
#include "line/line_fields.h"

static const char *const json_kinds[LINE_KINDS] = {
	[LINE_ATTEMPT] = "attempt", [LINE_PACKET] = "attempt",	[LINE_GUEST] = "attempt",
	[LINE_RAW] = "attempt",	    [LINE_SUMMARY] = "summary", [LINE_GUEST_SUM] = "summary",
	[LINE_ANYONE] = "summary",  [LINE_ALERT] = "alert",
};

/* Integers are signed here; a number that is over stays a number, near enough. */
static json_t *json_from_number(uint64_t number)
{
	if (number > INT64_MAX)
		return json_real((double)number);
	return json_integer((json_int_t)number);
}

static json_t *json_from_string(const struct line_field *field)
{
	char quoted[QUOTE_SIZE(LINE_PATH_SIZE)];
	ssize_t len = quote_list(field->text, field->len, field->separator, quoted, sizeof(quoted));

	if (len < 0)
		return NULL;
	return json_stringn(quoted, len);
}

static json_t *json_from_field(const struct line_field *field)
{
	switch (field->kind) {
	case LINE_NUMBER:
		return json_from_number(field->number);
	case LINE_NONE:
		return json_null();
	case LINE_WORD:
		return json_stringn(field->text, field->len);
	case LINE_STRING:
		return json_from_string(field);
	}
	return NULL;
}

int line_to_json(const struct line *line, char **ret_json)
{
	json_auto_t *object = json_object();
	struct line_field field = { 0 };
	char *text;

	/* A failed allocation is passed on: setting NULL in an object, or in none, fails. */
	if (json_object_set_new(object, "kind", json_string(json_kinds[line->kind])) < 0)
		return -ENOMEM;
	while (line_next_field(line, &field))
		if (json_object_set_new(object, field.name, json_from_field(&field)) < 0)
			return -ENOMEM;
	text = json_dumps(object, JSON_COMPACT);
	if (!text)
		return -ENOMEM;
	*ret_json = text;
	return 0;
}
