// SPDX-License-Identifier: GPL-2.0-only
/* A strict reader of lines; see line_parse.h. */
#include "line/line_parse.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* Parses text as one kind of line. *ret_wrong: the byte at which that fails, if it fails. */
static int parse_as(enum line_kind kind, const char *text, size_t len, struct line_parsed *ret,
		    size_t *ret_wrong, const char **ret_name)
{
	const char *at = text, *end = text + len;
	struct line_field field = { 0 };
	size_t used = 0;
	int r;

	ret->kind = kind;
	ret->n = 0;
	while (!(r = line_parse_field(kind, &at, end, ret->bytes + used, &field))) {
		struct line_field *to = &ret->fields[ret->n++];

		assert(ret->n <= LINE_PARSED_FIELDS);
		*to = field;
		/* A text that points into the field's own dst moves with the field. */
		if (field.text == field.dst)
			to->text = to->dst;
		if (field.kind == LINE_STRING)
			used += field.len;
	}
	*ret_wrong = at - text;
	*ret_name = r == -EBADMSG ? field.name : NULL;
	return r == -ENOENT && at == end ? 0 : -EBADMSG;
}

static int parse_fail(struct reason *reason, size_t wrong, const char *name)
{
	if (!name)
		return reason_set(reason, -EBADMSG, "byte %zu: expected the end of the line",
				  wrong + 1);
	return reason_set(reason, -EBADMSG, "byte %zu: expected the field %s, as lines have it",
			  wrong + 1, name);
}

int line_parse(const char *text, size_t len, struct line_parsed *ret, struct reason *reason)
{
	const char *farthest_name = NULL;
	size_t farthest = 0;

	assert(text && ret && reason);

	if (len >= LINE_TEXT_SIZE)
		return reason_set(reason, -EBADMSG, "longer than %d bytes", LINE_TEXT_SIZE - 1);
	for (int kind = 0; kind < LINE_KINDS; kind++) {
		size_t wrong;
		const char *name;

		if (!parse_as((enum line_kind)kind, text, len, ret, &wrong, &name))
			return 0;
		if (kind && wrong <= farthest)
			continue;
		farthest = wrong;
		farthest_name = name;
	}
	return parse_fail(reason, farthest, farthest_name);
}

const struct line_field *line_parsed_field(const struct line_parsed *line, const char *name)
{
	for (size_t i = 0; i < line->n; i++)
		if (!strcmp(line->fields[i].name, name))
			return &line->fields[i];
	return NULL;
}
