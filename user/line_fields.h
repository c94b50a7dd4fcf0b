/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fields of a line, in order: the one place that knows their names. Text and
 * JSON are two ways to write this list down.
 */
#ifndef SMTPWARD_LINE_FIELDS_H
#define SMTPWARD_LINE_FIELDS_H

#include <arpa/inet.h>

#include "line.h"

#define LINE_FIELDS_MAX 18

enum line_field_kind {
	LINE_NUMBER,
	LINE_WORD,   /* ours: needs no quoting */
	LINE_STRING, /* somebody else's: any byte but NUL */
};

struct line_field {
	const char *name;
	enum line_field_kind kind;
	uint64_t number;
	const char *text;
	size_t len;
};

struct line_fields {
	size_t count;
	struct line_field field[LINE_FIELDS_MAX];
	char dst[INET6_ADDRSTRLEN];
};

/* The texts in *ret point into *line and *ret itself. */
void line_fields(const struct line *line, struct line_fields *ret);

#endif /* SMTPWARD_LINE_FIELDS_H */
