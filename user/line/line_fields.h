/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fields of a line, one after the other. Text and JSON are two ways to write them
 * down; the table in line_fields.c is the one place that knows their names.
 */
#ifndef SMTPWARD_LINE_FIELDS_H
#define SMTPWARD_LINE_FIELDS_H

#include <arpa/inet.h>

#include "line/line.h"

enum line_field_kind {
	LINE_NUMBER,
	LINE_NONE,   /* a value that there is none of: "-" in text, null in JSON */
	LINE_WORD,   /* ours: needs no quoting */
	LINE_STRING, /* somebody else's: any bytes */
};

struct line_field {
	const char *name;
	enum line_field_kind kind;
	uint64_t number;
	/*
	 * Word or string: a pointer into the line, or to dst. Number: the word that the line of
	 * text has in place of the number, or NULL.
	 */
	const char *text;
	size_t len;
	char separator; /* of a string: what stands for a NUL in it, see quote_list(); 0: nothing */
	char dst[INET6_ADDRSTRLEN];
	size_t next; /* row of the table */
};

/* The field behind *field; the first one if it is all zero. False: there is none. */
bool line_next_field(const struct line *line, struct line_field *field);

/*
 * The way back, for line_parse(): the field behind *field in a line of that kind, out of the
 * *at that its name begins at, which moves behind it. Strings need room at dst for their bytes.
 * 0, -ENOENT if the kind has no more fields, -EBADMSG if the next one does not stand there
 * as line_to_text() writes it; *field then has its name.
 */
int line_parse_field(enum line_kind kind, const char **at, const char *end, char *dst,
		     struct line_field *field);

/*
 * The path, or the words, behind *next rows of the table, which moves behind it; NULL: there is
 * none. *ret_separator is as in struct line_field.
 */
struct line_path *line_next_path(struct line *line, size_t *next, char *ret_separator);

/* Returns the room for all paths and words of a line, quoted, so that the line is not too long. */
size_t line_paths_room(enum line_kind kind);

/* As much of a path is always there, quoted. */
#define LINE_PATH_LEAST 1024

/*
 * Takes what a line has too much off the end of its words, with "..." in place of it, and then out
 * of the middle of its longest paths. "/.../" stands for it; the names beside it may be parts of
 * names.
 */
void line_shorten(struct line *line);

#endif /* SMTPWARD_LINE_FIELDS_H */
