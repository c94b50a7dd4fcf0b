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
	LINE_WORD,   /* ours: needs no quoting */
	LINE_STRING, /* somebody else's: any byte but NUL */
};

struct line_field {
	const char *name;
	enum line_field_kind kind;
	uint64_t number;
	const char *text; /* of a word or a string: in the line, or in dst */
	size_t len;
	char dst[INET6_ADDRSTRLEN];
	size_t next; /* row of the table */
};

/* The field behind *field; the first one if it is all zero. False: there is none. */
bool line_next_field(const struct line *line, struct line_field *field);

#endif /* SMTPWARD_LINE_FIELDS_H */
