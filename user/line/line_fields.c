// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a line says, field by field: numbers and our own words first, then what the
 * caller could choose, the freest last.
 */
#include "line/line_fields.h"

#include <string.h>

#include "base/macro.h"
#include "base/mapped.h"
#include "base/quote.h"
#include "base/verdict_word.h"

/* Where the value of a field is. */
enum fields_source {
	FIELDS_NUMBER, /* an unsigned integer in struct line */
	FIELDS_TEXT,   /* an array of char there, with a NUL where it is not full */
	FIELDS_PATH,   /* a struct line_path there */
	FIELDS_MADE,   /* what a function makes of the line */
};

struct fields_row {
	unsigned int kinds; /* of line: those that have the field */
	const char *name;
	enum fields_source source;
	size_t offset, size; /* in struct line */
	void (*make)(const struct line *line, struct line_field *field);
	size_t width; /* of the value in a line of text, quotes included, at most */
};

static void fields_set_number(struct line_field *field, uint64_t number)
{
	field->kind = LINE_NUMBER;
	field->number = number;
}

static void fields_set_text(struct line_field *field, enum line_field_kind kind, const char *text,
			    size_t len)
{
	field->kind = kind;
	field->text = text;
	field->len = len;
}

static void fields_set_word(struct line_field *field, const char *word)
{
	fields_set_text(field, LINE_WORD, word, strlen(word));
}

static void fields_version(const struct line *line __attribute__((unused)),
			   struct line_field *field)
{
	fields_set_number(field, 1);
}

static void fields_healed(const struct line *line, struct line_field *field)
{
	fields_set_word(field, line->healed ? "yes" : "no");
}

static void fields_verdict(const struct line *line, struct line_field *field)
{
	fields_set_word(field, verdict_word(line->record.verdict));
}

static void fields_rule(const struct line *line, struct line_field *field)
{
	if (line->record.rule == SMTPWARD_RULE_NONE)
		fields_set_word(field, "default");
	else
		fields_set_number(field, line->record.rule + 1U);
}

static void fields_dst(const struct line *line, struct line_field *field)
{
	const uint8_t *address = line->record.address;

	/* Cannot fail: both families are known and dst holds the longest address. */
	if (mapped_is_ipv4(address))
		inet_ntop(AF_INET, address + MAPPED_BYTES, field->dst, sizeof(field->dst));
	else
		inet_ntop(AF_INET6, address, field->dst, sizeof(field->dst));
	fields_set_word(field, field->dst);
}

#define ATTEMPT (1U << LINE_ATTEMPT)
#define SUMMARY (1U << LINE_SUMMARY)
#define ANYONE (1U << LINE_ANYONE)
#define ALERT (1U << LINE_ALERT)
#define EVERY (ATTEMPT | SUMMARY | ANYONE | ALERT)

/* Digits of the greatest number of so many bytes; 0: not a size of a number. */
#define DIGITS(size) ((size) == 1 ? 3 : (size) == 2 ? 5 : (size) == 4 ? 10 : (size) == 8 ? 20 : 0)
#define QUOTED(len) (QUOTE_SIZE(len) - 1 + 2)
#define SIZE_OF(member) sizeof(((struct line *)0)->member)

/* The rest of a row, by source. */
#define NUMBER(member) \
	FIELDS_NUMBER, offsetof(struct line, member), SIZE_OF(member), NULL, DIGITS(SIZE_OF(member))
#define TEXT(member) \
	FIELDS_TEXT, offsetof(struct line, member), SIZE_OF(member), NULL, QUOTED(SIZE_OF(member))
#define PATH(member)                                                       \
	FIELDS_PATH, offsetof(struct line, member), SIZE_OF(member), NULL, \
		QUOTED(LINE_PATH_SIZE - 1)
#define MADE(function, width) FIELDS_MADE, 0, 0, function, width

/* The fields in the order of the line. ROW(ARG, kinds of line, name, the rest). */
#define FIELDS(ROW, ARG)                                                        \
	ROW(ARG, EVERY, "v", MADE(fields_version, 1))                           \
	ROW(ARG, ALERT, "alert", PATH(alert))                                   \
	ROW(ARG, ALERT, "healed", MADE(fields_healed, sizeof("yes") - 1))       \
	ROW(ARG, SUMMARY | ANYONE, "suppressed", NUMBER(suppressed))            \
	ROW(ARG, SUMMARY | ANYONE, "lost", NUMBER(lost))                        \
	ROW(ARG, ATTEMPT, "verdict", MADE(fields_verdict, sizeof("allow") - 1)) \
	ROW(ARG, ATTEMPT, "rule", MADE(fields_rule, sizeof("default") - 1))     \
	ROW(ARG, ATTEMPT, "dst", MADE(fields_dst, INET6_ADDRSTRLEN - 1))        \
	ROW(ARG, ATTEMPT, "dport", NUMBER(record.port))                         \
	ROW(ARG, ATTEMPT, "uid", NUMBER(record.uid))                            \
	ROW(ARG, ATTEMPT | SUMMARY, "euid", NUMBER(record.euid))                \
	ROW(ARG, ATTEMPT, "gid", NUMBER(record.egid))                           \
	ROW(ARG, ATTEMPT, "auid", NUMBER(record.auid))                          \
	ROW(ARG, ATTEMPT, "pid", NUMBER(record.pid))                            \
	ROW(ARG, ATTEMPT, "ppid", NUMBER(record.ppid))                          \
	ROW(ARG, ATTEMPT, "netns", NUMBER(record.netns))                        \
	ROW(ARG, ATTEMPT | SUMMARY, "cgid", NUMBER(record.cgroup_id))           \
	ROW(ARG, ATTEMPT | SUMMARY | ANYONE, "unit", PATH(unit))                \
	ROW(ARG, ATTEMPT | SUMMARY | ANYONE, "cgroup", PATH(cgroup))            \
	ROW(ARG, ATTEMPT, "exe", PATH(exe))                                     \
	ROW(ARG, ATTEMPT, "parent", TEXT(record.parent))                        \
	ROW(ARG, ATTEMPT, "comm", TEXT(record.comm))

#define ROW_AS_VALUE(arg, kinds, name, ...) { kinds, name, __VA_ARGS__ },

static const struct fields_row fields_rows[] = { FIELDS(ROW_AS_VALUE, 0) };

/* Whoever writes a string has room for a path, quoted. */
#define CHECK(name, source, offset, size, make, width)                                          \
	_Static_assert((width) > 0 && ((source) != FIELDS_TEXT || (size) <= LINE_PATH_SIZE) &&  \
			       ((source) != FIELDS_PATH || (size) == sizeof(struct line_path)), \
		       "not a value of a line: " name);
#define ROW_AS_CHECK(arg, kinds, name, ...) CHECK(name, __VA_ARGS__)

FIELDS(ROW_AS_CHECK, 0)

#define WIDTH(name, source, offset, size, make, width) (sizeof(" " name "=") - 1 + (width))
/* NOLINTNEXTLINE(bugprone-macro-parentheses): a term of a sum */
#define ROW_AS_WIDTH(of, kinds, name, ...) +((kinds) & (of) ? WIDTH(name, __VA_ARGS__) : 0)
#define FITS(of) (FIELDS(ROW_AS_WIDTH, of) <= LINE_TEXT_SIZE)

/* No field has a space before it where it is the first: that leaves a byte for the NUL. */
_Static_assert(FITS(ATTEMPT) && FITS(SUMMARY) && FITS(ANYONE) && FITS(ALERT), "every line fits");

static uint64_t fields_read_number(const char *value, size_t size)
{
	uint64_t eight;
	uint32_t four;
	uint16_t two;

	switch (size) {
	case sizeof(eight):
		memcpy(&eight, value, sizeof(eight));
		return eight;
	case sizeof(four):
		memcpy(&four, value, sizeof(four));
		return four;
	case sizeof(two):
		memcpy(&two, value, sizeof(two));
		return two;
	default:
		return *(const uint8_t *)value;
	}
}

static void fields_read(const struct line *line, const struct fields_row *row,
			struct line_field *field)
{
	const char *value = (const char *)line + row->offset;
	const struct line_path *path = (const struct line_path *)value;

	field->name = row->name;
	switch (row->source) {
	case FIELDS_NUMBER:
		fields_set_number(field, fields_read_number(value, row->size));
		break;
	case FIELDS_TEXT:
		fields_set_text(field, LINE_STRING, value, strnlen(value, row->size));
		break;
	case FIELDS_PATH:
		fields_set_text(field, LINE_STRING, path->text, path->len);
		break;
	case FIELDS_MADE:
		row->make(line, field);
		break;
	}
}

bool line_next_field(const struct line *line, struct line_field *field)
{
	while (field->next < ARRAY_SIZE(fields_rows)) {
		const struct fields_row *row = &fields_rows[field->next++];

		if (!(row->kinds & 1U << line->kind))
			continue;
		fields_read(line, row, field);
		return true;
	}
	return false;
}
