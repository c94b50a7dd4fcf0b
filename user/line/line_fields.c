// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fields of a line in their order: first when, what and who, then numbers, then what the caller
 * could choose. A program that cuts a line off at its end cuts off the least.
 */
#include "line/line_fields.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "base/quote.h"
#include "line/line_values.h"

/* Source of a field's value. */
enum fields_source {
	FIELDS_NUMBER, /* an unsigned integer in struct line */
	FIELDS_TEXT,   /* an array of char there, with a NUL where it is not full */
	FIELDS_PATH,   /* a struct line_path there */
	FIELDS_WORDS,  /* the same, for a list of words */
	FIELDS_CHAIN,  /* the same, for a list that is never shortened */
	FIELDS_MADE,   /* what a function makes of the line, and another one understands */
};

struct fields_row {
	unsigned int kinds; /* of line: those that have the field */
	const char *name;
	enum fields_source source;
	size_t offset, size; /* in struct line */
	void (*make)(const struct line *line, struct line_field *field);
	bool (*parse)(const char *text, size_t len, struct line_field *field);
	size_t width; /* of the value in a line of text at most; of a path, of what is always there
		       */
};

#define ATTEMPT (1U << LINE_ATTEMPT)
#define PACKET (1U << LINE_PACKET)
#define GUEST (1U << LINE_GUEST)
#define RAW (1U << LINE_RAW)
#define GUEST_SUM (1U << LINE_GUEST_SUM)
#define SUMMARY (1U << LINE_SUMMARY)
#define ANYONE (1U << LINE_ANYONE)
#define ALERT (1U << LINE_ALERT)
#define TASK (ATTEMPT | RAW)  /* of the calling task */
#define SENT (PACKET | GUEST) /* of a packet */
#define TRIES (TASK | SENT)   /* of one attempt */
#define HELD (SUMMARY | GUEST_SUM | ANYONE)
#define EVERY (TRIES | HELD | ALERT)

/* Digits of the greatest number of so many bytes; 0: not a size of a number. */
#define DIGITS(size) ((size) == 1 ? 3 : (size) == 2 ? 5 : (size) == 4 ? 10 : (size) == 8 ? 20 : 0)
#define QUOTED(len) (QUOTE_SIZE(len) - 1 + 2)
#define SIZE_OF(member) sizeof(((struct line *)0)->member)

/* The rest of a row, by source. */
#define NUMBER(member)                                                             \
	FIELDS_NUMBER, offsetof(struct line, member), SIZE_OF(member), NULL, NULL, \
		DIGITS(SIZE_OF(member))
#define TEXT(member)                                                             \
	FIELDS_TEXT, offsetof(struct line, member), SIZE_OF(member), NULL, NULL, \
		QUOTED(SIZE_OF(member))
#define PATH(member) \
	FIELDS_PATH, offsetof(struct line, member), SIZE_OF(member), NULL, NULL, LINE_PATH_LEAST + 2
#define WORDS(member)                                                             \
	FIELDS_WORDS, offsetof(struct line, member), SIZE_OF(member), NULL, NULL, \
		LINE_PATH_LEAST + 2
/* A chain of n names in arrays of `size` bytes. */
#define CHAIN(member, n, size)                                                    \
	FIELDS_CHAIN, offsetof(struct line, member), SIZE_OF(member), NULL, NULL, \
		(size_t)(n)*QUOTED(size)
/* A function makes the value, and one of another name understands it. */
#define MADE_BY(make, parse, width) \
	FIELDS_MADE, 0, 0, line_value_##make, line_value_parse_##parse, width
#define MADE(function, width) MADE_BY(function, function, width)

/* The fields in the order of the line. ROW(ARG, kinds of line, name, the rest). */
#define FIELDS(ROW, ARG)                                                                      \
	ROW(ARG, EVERY, "v", MADE(version, 1))                                                \
	ROW(ARG, EVERY, "time", MADE(time, LINE_TIME_SIZE - 1))                               \
	ROW(ARG, ALERT, "alert", PATH(alert))                                                 \
	ROW(ARG, ALERT, "healed", MADE(healed, sizeof("yes") - 1))                            \
	ROW(ARG, HELD, "suppressed", NUMBER(suppressed))                                      \
	ROW(ARG, HELD, "lost", NUMBER(lost))                                                  \
	ROW(ARG, TRIES, "verdict", MADE(verdict, sizeof("allow") - 1))                        \
	ROW(ARG, TRIES, "rule", MADE(rule, sizeof(LINE_DEFAULT) - 1))                         \
	ROW(ARG, PACKET, "hook", MADE(hook, sizeof("packet") - 1))                            \
	ROW(ARG, GUEST, "hook", MADE_BY(hook, guest_hook, sizeof("uplink") - 1))              \
	ROW(ARG, RAW, "hook", MADE_BY(hook, raw_hook, sizeof("raw") - 1))                     \
	ROW(ARG, GUEST | GUEST_SUM, "guest", TEXT(packet.guest))                              \
	ROW(ARG, TASK | PACKET | SUMMARY | ANYONE, "unit", PATH(unit))                        \
	ROW(ARG, TASK | PACKET | SUMMARY, "euid", NUMBER(record.euid))                        \
	ROW(ARG, ATTEMPT, "dst", MADE(dst, INET6_ADDRSTRLEN - 1))                             \
	ROW(ARG, SENT, "dst", MADE_BY(any_dst, any_address, INET6_ADDRSTRLEN - 1))            \
	ROW(ARG, ATTEMPT | SENT, "dport", NUMBER(record.port))                                \
	ROW(ARG, SENT, "src", MADE_BY(src, any_address, INET6_ADDRSTRLEN - 1))                \
	ROW(ARG, SENT, "orig_src", MADE_BY(orig_src, any_address, INET6_ADDRSTRLEN - 1))      \
	ROW(ARG, SENT, "smac", MADE(smac, sizeof(LINE_MAC_TEXT) - 1))                         \
	ROW(ARG, SENT, "vlan", MADE(vlan, DIGITS(SIZE_OF(packet.vlan))))                      \
	ROW(ARG, GUEST, "iif", NUMBER(packet.iif))                                            \
	ROW(ARG, TASK, "uid", NUMBER(record.uid))                                             \
	ROW(ARG, TASK, "gid", NUMBER(record.egid))                                            \
	ROW(ARG, TASK, "auid", MADE(auid, DIGITS(SIZE_OF(record.auid))))                      \
	ROW(ARG, TASK, "pid", NUMBER(record.pid))                                             \
	ROW(ARG, TASK, "ppid", NUMBER(record.ppid))                                           \
	ROW(ARG, TASK | SENT, "netns", NUMBER(record.netns))                                  \
	ROW(ARG, TASK | PACKET | SUMMARY, "cgid", NUMBER(record.cgroup_id))                   \
	ROW(ARG, SENT, "dev", TEXT(packet.device))                                            \
	ROW(ARG, TASK, "exe", PATH(exe))                                                      \
	ROW(ARG, TASK, "cwd", PATH(cwd))                                                      \
	ROW(ARG, TASK, "args", WORDS(args))                                                   \
	ROW(ARG, TASK, "ancestors", CHAIN(ancestors, SMTPWARD_ANCESTORS, SMTPWARD_COMM_SIZE)) \
	ROW(ARG, TASK, "comm", TEXT(record.comm))                                             \
	ROW(ARG, TASK | PACKET | SUMMARY | ANYONE, "cgroup", PATH(cgroup))

#define ROW_AS_VALUE(arg, kinds, name, ...) { kinds, name, __VA_ARGS__ },

static const struct fields_row fields_rows[] = { FIELDS(ROW_AS_VALUE, 0) };

/* Every writer of a string has room for a quoted path, so no string may be longer. */
#define CHECK(name, source, offset, size, make, parse, width)                                  \
	_Static_assert((width) > 0 && ((source) != FIELDS_TEXT || (size) <= LINE_PATH_SIZE) && \
			       ((source) < FIELDS_PATH || (source) > FIELDS_CHAIN ||           \
				(size) == sizeof(struct line_path)),                           \
		       "not a value of a line: " name);
#define ROW_AS_CHECK(arg, kinds, name, ...) CHECK(name, __VA_ARGS__)

FIELDS(ROW_AS_CHECK, 0)

#define WIDTH(name, source, offset, size, make, parse, width) (sizeof(" " name "=") - 1 + (width))
/* NOLINTNEXTLINE(bugprone-macro-parentheses): a term of a sum */
#define ROW_AS_WIDTH(of, kinds, name, ...) +((kinds) & (of) ? WIDTH(name, __VA_ARGS__) : 0)
#define LEAST(of) (FIELDS(ROW_AS_WIDTH, of))

/* No field has a space before it where it is the first: that leaves a byte for the NUL. */
_Static_assert(LEAST(ATTEMPT) <= LINE_TEXT_SIZE && LEAST(PACKET) <= LINE_TEXT_SIZE &&
		       LEAST(GUEST) <= LINE_TEXT_SIZE && LEAST(RAW) <= LINE_TEXT_SIZE &&
		       LEAST(SUMMARY) <= LINE_TEXT_SIZE && LEAST(GUEST_SUM) <= LINE_TEXT_SIZE &&
		       LEAST(ANYONE) <= LINE_TEXT_SIZE && LEAST(ALERT) <= LINE_TEXT_SIZE,
	       "every line fits");

#define OF_PATH(source, ...) \
	((source) == FIELDS_PATH || (source) == FIELDS_WORDS ? LINE_PATH_LEAST : 0)
/* NOLINTNEXTLINE(bugprone-macro-parentheses): a term of a sum */
#define ROW_AS_PATHS(of, kinds, name, ...) +((kinds) & (of) ? OF_PATH(__VA_ARGS__) : 0)
#define ROOM(of) (LINE_TEXT_SIZE - LEAST(of) + (FIELDS(ROW_AS_PATHS, of)))

static const size_t fields_rooms[] = {
	[LINE_ATTEMPT] = ROOM(ATTEMPT), [LINE_PACKET] = ROOM(PACKET),
	[LINE_GUEST] = ROOM(GUEST),	[LINE_RAW] = ROOM(RAW),
	[LINE_SUMMARY] = ROOM(SUMMARY), [LINE_GUEST_SUM] = ROOM(GUEST_SUM),
	[LINE_ANYONE] = ROOM(ANYONE),	[LINE_ALERT] = ROOM(ALERT),
};

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

/* Returns the separator between two words or names of a list; 0: the field is no list. */
static char fields_separator(enum fields_source source)
{
	return source == FIELDS_WORDS ? ' ' : source == FIELDS_CHAIN ? '<' : 0;
}

static void fields_read(const struct line *line, const struct fields_row *row,
			struct line_field *field)
{
	const char *value = (const char *)line + row->offset;
	const struct line_path *path = (const struct line_path *)value;

	field->name = row->name;
	field->separator = fields_separator(row->source);
	switch (row->source) {
	case FIELDS_NUMBER:
		line_value_set_number(field, fields_read_number(value, row->size));
		break;
	case FIELDS_TEXT:
		line_value_set_text(field, LINE_STRING, value, strnlen(value, row->size));
		break;
	case FIELDS_PATH:
	case FIELDS_WORDS:
	case FIELDS_CHAIN:
		line_value_set_text(field, LINE_STRING, path->text, path->len);
		break;
	case FIELDS_MADE:
		row->make(line, field);
		break;
	}
}

static const struct fields_row *fields_next_row(enum line_kind kind, size_t *next)
{
	while (*next < ARRAY_SIZE(fields_rows)) {
		const struct fields_row *row = &fields_rows[(*next)++];

		if (row->kinds & 1U << kind)
			return row;
	}
	return NULL;
}

bool line_next_field(const struct line *line, struct line_field *field)
{
	const struct fields_row *row = fields_next_row(line->kind, &field->next);

	if (!row)
		return false;
	fields_read(line, row, field);
	return true;
}

struct line_path *line_next_path(struct line *line, size_t *next, char *ret_separator)
{
	const struct fields_row *row;

	while ((row = fields_next_row(line->kind, next))) {
		if (row->source != FIELDS_PATH && row->source != FIELDS_WORDS)
			continue;
		*ret_separator = fields_separator(row->source);
		return (struct line_path *)((char *)line + row->offset);
	}
	return NULL;
}

size_t line_paths_room(enum line_kind kind)
{
	return fields_rooms[kind];
}

static bool fields_parse_string(const struct fields_row *row, const char *text, size_t len,
				char *dst, struct line_field *field)
{
	ssize_t bytes;

	if (len < 2 || text[0] != '"' || text[len - 1] != '"')
		return false;
	field->separator = fields_separator(row->source);
	bytes = quote_list_undo(text + 1, len - 2, field->separator, dst);
	if (bytes < 0)
		return false;
	line_value_set_text(field, LINE_STRING, dst, (size_t)bytes);
	if (row->source == FIELDS_TEXT)
		return (size_t)bytes <= row->size && !memchr(dst, '\0', (size_t)bytes);
	return (size_t)bytes < LINE_PATH_SIZE;
}

static bool fields_parse(const struct fields_row *row, const char *text, size_t len, char *dst,
			 struct line_field *field)
{
	switch (row->source) {
	case FIELDS_NUMBER:
		line_value_set_number(field, 0);
		return line_value_parse_number(text, len, UINT64_MAX >> (64 - 8 * row->size),
					       &field->number);
	case FIELDS_TEXT:
	case FIELDS_PATH:
	case FIELDS_WORDS:
	case FIELDS_CHAIN:
		return fields_parse_string(row, text, len, dst, field);
	case FIELDS_MADE:
		return row->parse(text, len, field);
	}
	return false;
}

/* A value ends with the line or before a blank; in a string there may be blanks. */
static size_t fields_measure(const char *at, const char *end)
{
	const char *quote = at < end && *at == '"' ? memchr(at + 1, '"', end - at - 1) : NULL;
	const char *blank;

	if (quote)
		return quote + 1 - at;
	blank = memchr(at, ' ', end - at);
	return (blank ?: end) - at;
}

int line_parse_field(enum line_kind kind, const char **at, const char *end, char *dst,
		     struct line_field *field)
{
	const bool first = field->next == 0;
	const struct fields_row *row = fields_next_row(kind, &field->next);
	const char *from = *at;
	size_t len;

	if (!row)
		return -ENOENT;
	field->name = row->name;
	if (!first && (from == end || *from++ != ' '))
		return -EBADMSG;
	len = strlen(row->name);
	if ((size_t)(end - from) <= len || memcmp(from, row->name, len) != 0 || from[len] != '=')
		return -EBADMSG;
	from += len + 1;
	len = fields_measure(from, end);
	if (!fields_parse(row, from, len, dst, field))
		return -EBADMSG;
	*at = from + len;
	return 0;
}
