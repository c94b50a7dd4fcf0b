// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fields of a line in their order: first when, what and who, then numbers, then what the caller
 * could choose. A program that cuts a line off at its end cuts off the least.
 */
#include "line/line_fields.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/macro.h"
#include "base/mapped.h"
#include "base/quote.h"
#include "base/verdict_word.h"

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

static void fields_set_number(struct line_field *field, uint64_t number)
{
	field->kind = LINE_NUMBER;
	field->number = number;
	field->text = NULL;
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

static bool fields_is_word(const char *text, size_t len, const char *word)
{
	return strlen(word) == len && !memcmp(text, word, len);
}

/* Digits as they are written here: no sign, and no zero in front. */
static bool fields_parse_number(const char *text, size_t len, uint64_t most, uint64_t *ret_number)
{
	uint64_t number = 0;

	if (len == 0 || (len > 1 && text[0] == '0'))
		return false;
	for (size_t i = 0; i < len; i++) {
		const unsigned int digit = (unsigned char)text[i] - (unsigned int)'0';

		if (digit > 9 || number > most / 10 || (number == most / 10 && digit > most % 10))
			return false;
		number = number * 10 + digit;
	}
	*ret_number = number;
	return true;
}

/* The text, where something wants it with its NUL. */
static bool fields_copy(const char *text, size_t len, struct line_field *field)
{
	if (len >= sizeof(field->dst) || memchr(text, '\0', len))
		return false;
	memcpy(field->dst, text, len);
	field->dst[len] = '\0';
	fields_set_text(field, LINE_WORD, field->dst, len);
	return true;
}

#define VERSION 2

static void fields_version(const struct line *line __attribute__((unused)),
			   struct line_field *field)
{
	fields_set_number(field, VERSION);
}

static bool fields_parse_version(const char *text, size_t len, struct line_field *field)
{
	fields_set_number(field, 0);
	return fields_parse_number(text, len, VERSION, &field->number) && field->number == VERSION;
}

_Static_assert(LINE_TIME_SIZE <= INET6_ADDRSTRLEN, "dst has room for a time");

static void fields_time(const struct line *line, struct line_field *field)
{
	line_time_text(line->time, field->dst);
	fields_set_word(field, field->dst);
}

static bool fields_parse_time(const char *text, size_t len, struct line_field *field)
{
	char again[LINE_TIME_SIZE];
	unsigned int micro = 0;
	struct tm tm = { 0 };

	if (!fields_copy(text, len, field))
		return false;
	/* NOLINTNEXTLINE(cert-err34-c): what it makes of them has to give the same text again */
	if (sscanf(field->dst, "%4d-%2d-%2dT%2d:%2d:%2d.%6uZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		   &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &micro) != 7)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	line_time_text((uint64_t)timegm(&tm) * 1000000000 + micro * 1000ULL, again);
	return !strcmp(again, field->dst);
}

static const char *const fields_yes_no[] = { "no", "yes" };

static void fields_healed(const struct line *line, struct line_field *field)
{
	fields_set_word(field, fields_yes_no[line->healed]);
}

static bool fields_parse_healed(const char *text, size_t len, struct line_field *field)
{
	return fields_copy(text, len, field) && (fields_is_word(text, len, fields_yes_no[false]) ||
						 fields_is_word(text, len, fields_yes_no[true]));
}

static void fields_verdict(const struct line *line, struct line_field *field)
{
	fields_set_word(field, verdict_word(line->record.verdict));
}

static bool fields_parse_verdict(const char *text, size_t len, struct line_field *field)
{
	return fields_copy(text, len, field) && verdict_from_word(field->dst) >= 0;
}

static const char fields_default[] = "default";

static void fields_set_default(struct line_field *field)
{
	fields_set_number(field, 0);
	field->text = fields_default;
	field->len = sizeof(fields_default) - 1;
}

static void fields_rule(const struct line *line, struct line_field *field)
{
	if (line->record.rule == SMTPWARD_RULE_NONE)
		fields_set_default(field);
	else
		fields_set_number(field, line->record.rule + 1U);
}

static bool fields_parse_rule(const char *text, size_t len, struct line_field *field)
{
	if (fields_is_word(text, len, fields_default)) {
		fields_set_default(field);
		return true;
	}
	fields_set_number(field, 0);
	return fields_parse_number(text, len, SMTPWARD_RULES_MAX, &field->number) && field->number;
}

static void fields_set_address(struct line_field *field, const uint8_t address[static 16])
{
	/* Cannot fail: both families are known and dst holds the longest address. */
	if (mapped_is_ipv4(address))
		inet_ntop(AF_INET, address + MAPPED_BYTES, field->dst, sizeof(field->dst));
	else
		inet_ntop(AF_INET6, address, field->dst, sizeof(field->dst));
	fields_set_word(field, field->dst);
}

static void fields_dst(const struct line *line, struct line_field *field)
{
	fields_set_address(field, line->record.address);
}

static bool fields_parse_dst(const char *text, size_t len, struct line_field *field)
{
	char again[INET6_ADDRSTRLEN];
	uint8_t address[16];
	int family = AF_INET;

	if (!fields_copy(text, len, field))
		return false;
	if (memchr(text, ':', len))
		family = AF_INET6;
	if (inet_pton(family, field->dst, address) != 1 ||
	    (family == AF_INET6 && mapped_is_ipv4(address)))
		return false;
	return inet_ntop(family, address, again, sizeof(again)) && !strcmp(again, field->dst);
}

static const char fields_none[] = "-";

static void fields_set_none(struct line_field *field)
{
	fields_set_text(field, LINE_NONE, fields_none, sizeof(fields_none) - 1);
}

/* An address of a packet, which may hide it. */
static void fields_set_any_address(struct line_field *field, const uint8_t address[static 16])
{
	static const uint8_t none[16];

	if (memcmp(address, none, sizeof(none)) != 0)
		fields_set_address(field, address);
	else
		fields_set_none(field);
}

static bool fields_parse_any_address(const char *text, size_t len, struct line_field *field)
{
	if (fields_is_word(text, len, fields_none)) {
		fields_set_none(field);
		return true;
	}
	/* The address of zeros is printed as "-". */
	return !fields_is_word(text, len, "::") && fields_parse_dst(text, len, field);
}

static void fields_any_dst(const struct line *line, struct line_field *field)
{
	fields_set_any_address(field, line->record.address);
}

static void fields_src(const struct line *line, struct line_field *field)
{
	fields_set_any_address(field, line->packet.source);
}

static void fields_orig_src(const struct line *line, struct line_field *field)
{
	fields_set_any_address(field, line->packet.original);
}

#define fields_parse_any_dst fields_parse_any_address
#define fields_parse_src fields_parse_any_address
#define fields_parse_orig_src fields_parse_any_address

#define MAC_TEXT "00:00:00:00:00:00"

_Static_assert(sizeof(MAC_TEXT) <= INET6_ADDRSTRLEN, "dst has room for a MAC address");

static void fields_format_mac(uint64_t mac, char *dst)
{
	snprintf(dst, sizeof(MAC_TEXT), "%02x:%02x:%02x:%02x:%02x:%02x", (uint8_t)(mac >> 40),
		 (uint8_t)(mac >> 32), (uint8_t)(mac >> 24), (uint8_t)(mac >> 16),
		 (uint8_t)(mac >> 8), (uint8_t)mac);
}

static void fields_smac(const struct line *line, struct line_field *field)
{
	if (!line->packet.mac) {
		fields_set_none(field);
		return;
	}
	fields_format_mac(line->packet.mac, field->dst);
	fields_set_word(field, field->dst);
}

static bool fields_parse_smac(const char *text, size_t len, struct line_field *field)
{
	char again[sizeof(MAC_TEXT)];
	uint64_t mac = 0;

	if (fields_is_word(text, len, fields_none)) {
		fields_set_none(field);
		return true;
	}
	if (len != sizeof(MAC_TEXT) - 1 || !fields_copy(text, len, field))
		return false;
	for (size_t i = 0; i < len; i += 3)
		mac = mac << 8 | (uint8_t)strtoul(field->dst + i, NULL, 16);
	fields_format_mac(mac, again);
	return mac && !strcmp(again, field->dst);
}

#define VLAN_MAX 4095

static void fields_vlan(const struct line *line, struct line_field *field)
{
	if (line->packet.vlan)
		fields_set_number(field, line->packet.vlan);
	else
		fields_set_none(field);
}

static bool fields_parse_vlan(const char *text, size_t len, struct line_field *field)
{
	if (fields_is_word(text, len, fields_none)) {
		fields_set_none(field);
		return true;
	}
	fields_set_number(field, 0);
	return fields_parse_number(text, len, VLAN_MAX, &field->number) && field->number;
}

/* The hooks that a kind of line may be of. */

static const char *const fields_hooks[] = {
	[SMTPWARD_OF_PACKET] = "packet",
	[SMTPWARD_OF_UPLINK] = "uplink",
	[SMTPWARD_OF_RAW] = "raw",
};

static void fields_hook(const struct line *line, struct line_field *field)
{
	fields_set_word(field, fields_hooks[line->record.hook]);
}

static bool fields_parse_hook(const char *text, size_t len, struct line_field *field)
{
	return fields_copy(text, len, field) &&
	       (fields_is_word(text, len, fields_hooks[SMTPWARD_OF_PACKET]) ||
		fields_is_word(text, len, fields_hooks[SMTPWARD_OF_UPLINK]));
}

static bool fields_parse_guest_hook(const char *text, size_t len, struct line_field *field)
{
	return fields_copy(text, len, field) &&
	       fields_is_word(text, len, fields_hooks[SMTPWARD_OF_UPLINK]);
}

static bool fields_parse_raw_hook(const char *text, size_t len, struct line_field *field)
{
	return fields_copy(text, len, field) &&
	       fields_is_word(text, len, fields_hooks[SMTPWARD_OF_RAW]);
}

#define fields_guest_hook fields_hook
#define fields_raw_hook fields_hook

/* auid of a task that nobody logged in for. */
#define NOBODY UINT32_MAX

static void fields_auid(const struct line *line, struct line_field *field)
{
	if (line->record.auid == NOBODY)
		fields_set_none(field);
	else
		fields_set_number(field, line->record.auid);
}

static bool fields_parse_auid(const char *text, size_t len, struct line_field *field)
{
	if (fields_is_word(text, len, fields_none)) {
		fields_set_none(field);
		return true;
	}
	fields_set_number(field, 0);
	return fields_parse_number(text, len, NOBODY - 1, &field->number);
}

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
#define MADE(function, width) FIELDS_MADE, 0, 0, fields_##function, fields_parse_##function, width

/* The fields in the order of the line. ROW(ARG, kinds of line, name, the rest). */
#define FIELDS(ROW, ARG)                                                                      \
	ROW(ARG, EVERY, "v", MADE(version, 1))                                                \
	ROW(ARG, EVERY, "time", MADE(time, LINE_TIME_SIZE - 1))                               \
	ROW(ARG, ALERT, "alert", PATH(alert))                                                 \
	ROW(ARG, ALERT, "healed", MADE(healed, sizeof("yes") - 1))                            \
	ROW(ARG, HELD, "suppressed", NUMBER(suppressed))                                      \
	ROW(ARG, HELD, "lost", NUMBER(lost))                                                  \
	ROW(ARG, TRIES, "verdict", MADE(verdict, sizeof("allow") - 1))                        \
	ROW(ARG, TRIES, "rule", MADE(rule, sizeof(fields_default) - 1))                       \
	ROW(ARG, PACKET, "hook", MADE(hook, sizeof("packet") - 1))                            \
	ROW(ARG, GUEST, "hook", MADE(guest_hook, sizeof("uplink") - 1))                       \
	ROW(ARG, RAW, "hook", MADE(raw_hook, sizeof("raw") - 1))                              \
	ROW(ARG, GUEST | GUEST_SUM, "guest", TEXT(packet.guest))                              \
	ROW(ARG, TASK | PACKET | SUMMARY | ANYONE, "unit", PATH(unit))                        \
	ROW(ARG, TASK | PACKET | SUMMARY, "euid", NUMBER(record.euid))                        \
	ROW(ARG, ATTEMPT, "dst", MADE(dst, INET6_ADDRSTRLEN - 1))                             \
	ROW(ARG, SENT, "dst", MADE(any_dst, INET6_ADDRSTRLEN - 1))                            \
	ROW(ARG, ATTEMPT | SENT, "dport", NUMBER(record.port))                                \
	ROW(ARG, SENT, "src", MADE(src, INET6_ADDRSTRLEN - 1))                                \
	ROW(ARG, SENT, "orig_src", MADE(orig_src, INET6_ADDRSTRLEN - 1))                      \
	ROW(ARG, SENT, "smac", MADE(smac, sizeof(MAC_TEXT) - 1))                              \
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
		fields_set_number(field, fields_read_number(value, row->size));
		break;
	case FIELDS_TEXT:
		fields_set_text(field, LINE_STRING, value, strnlen(value, row->size));
		break;
	case FIELDS_PATH:
	case FIELDS_WORDS:
	case FIELDS_CHAIN:
		fields_set_text(field, LINE_STRING, path->text, path->len);
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
	fields_set_text(field, LINE_STRING, dst, (size_t)bytes);
	if (row->source == FIELDS_TEXT)
		return (size_t)bytes <= row->size && !memchr(dst, '\0', (size_t)bytes);
	return (size_t)bytes < LINE_PATH_SIZE;
}

static bool fields_parse(const struct fields_row *row, const char *text, size_t len, char *dst,
			 struct line_field *field)
{
	switch (row->source) {
	case FIELDS_NUMBER:
		fields_set_number(field, 0);
		return fields_parse_number(text, len, UINT64_MAX >> (64 - 8 * row->size),
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
