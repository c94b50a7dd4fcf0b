/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads a line of text back into its fields. The parser takes every line that line_to_text() can
 * have written, and no other. For readers of lines, and for tests of code that writes or reads
 * them.
 */
#ifndef SMTPWARD_LINE_PARSE_H
#define SMTPWARD_LINE_PARSE_H

#include "base/reason.h"
#include "line/line_fields.h"

/* Room for the fields of every kind of line. */
#define LINE_PARSED_FIELDS 32

struct line_parsed {
	enum line_kind kind;
	size_t n;
	struct line_field fields[LINE_PARSED_FIELDS]; /* texts: bytes, without quotes */
	char bytes[LINE_TEXT_SIZE];		      /* the texts of the fields */
};

/*
 * Parses len bytes, from "v=2" on, without a newline. 0; or -EBADMSG if the text is no line:
 * reason says where it goes wrong, and *ret is undefined.
 */
int line_parse(const char *text, size_t len, struct line_parsed *ret, struct reason *reason);

/* The field with this name, or NULL. */
const struct line_field *line_parsed_field(const struct line_parsed *line, const char *name);

#endif /* SMTPWARD_LINE_PARSE_H */
