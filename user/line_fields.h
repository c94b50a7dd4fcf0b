/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fields of a line, in order: the one place that knows their names. Text and
 * JSON are two ways to write this list down.
 */
#ifndef SMTPWARD_VIOLATION_FIELDS_H
#define SMTPWARD_VIOLATION_FIELDS_H

#include <arpa/inet.h>

#include "line.h"

#define VIOLATION_FIELDS_MAX 18

enum violation_field_kind {
	VIOLATION_NUMBER,
	VIOLATION_WORD,	  /* ours: needs no quoting */
	VIOLATION_STRING, /* somebody else's: any byte but NUL */
};

struct violation_field {
	const char *name;
	enum violation_field_kind kind;
	uint64_t number;
	const char *text;
	size_t len;
};

struct violation_fields {
	size_t count;
	struct violation_field field[VIOLATION_FIELDS_MAX];
	char dst[INET6_ADDRSTRLEN];
};

/* The texts in *ret point into *violation and *ret itself. */
void violation_fields(const struct violation *violation, struct violation_fields *ret);

#endif /* SMTPWARD_VIOLATION_FIELDS_H */
