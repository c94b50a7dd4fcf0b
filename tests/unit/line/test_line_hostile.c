// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bytes chosen to forge or break a line, read back by a reader that knows the format
 * and forgives nothing, in both forms.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "line/line.h"
#include "line/line_fixture.h"

/* The strict reader. */

#define READ_FIELDS_MAX 32

struct read_field {
	char name[32];
	bool quoted;
	char text[LINE_TEXT_SIZE];  /* between the quotes, as it stands */
	char bytes[LINE_TEXT_SIZE]; /* what it means */
	size_t len;
};

struct read_line {
	size_t count;
	struct read_field field[READ_FIELDS_MAX];
};

static int read_hex(const char *at)
{
	static const char digits[] = "0123456789abcdef";
	const char *high = at[0] ? strchr(digits, at[0]) : NULL;
	const char *low = high && at[1] ? strchr(digits, at[1]) : NULL;

	assert_non_null(high);
	assert_non_null(low);
	return (high - digits) * 16 + (low - digits);
}

/* An escape is taken only where there had to be one: each text has one way to be written. */
static const char *read_quoted(const char *at, struct read_field *ret)
{
	const char *start = ++at;

	while (*at != '"') {
		unsigned char byte = *at;

		assert_in_range(byte, 0x20, 0x7e);
		if (byte == '\\') {
			assert_int_equal(at[1], 'x');
			byte = read_hex(at + 2);
			assert_true(byte < 0x20 || byte > 0x7e || byte == '"' || byte == '\\');
			at += 3;
		}
		ret->bytes[ret->len++] = byte;
		at++;
	}
	memcpy(ret->text, start, at - start);
	ret->quoted = true;
	return at + 1;
}

static const char *read_bare(const char *at, struct read_field *ret)
{
	while (isalnum((unsigned char)*at) || *at == '.' || *at == ':')
		ret->text[ret->len++] = *at++;
	assert_true(ret->len > 0);
	memcpy(ret->bytes, ret->text, ret->len);
	return at;
}

static void read_line(const char *got, struct read_line *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (const char *at = got;; at++) {
		struct read_field *field = &ret->field[ret->count++];
		size_t len = strspn(at, "abcdefghijklmnopqrstuvwxyz");

		assert_true(ret->count < READ_FIELDS_MAX);
		assert_in_range(len, 1, sizeof(field->name) - 1);
		memcpy(field->name, at, len);
		assert_int_equal(at[len], '=');
		at += len + 1;
		at = *at == '"' ? read_quoted(at, field) : read_bare(at, field);
		if (*at == '\0')
			return;
		assert_int_equal(*at, ' ');
	}
}

static void assert_names(const struct read_line *got, const char *const *names, size_t count)
{
	assert_int_equal(got->count, count);
	for (size_t i = 0; i < count; i++)
		assert_string_equal(got->field[i].name, names[i]);
}

static const struct read_field *read_find(const struct read_line *got, const char *name)
{
	for (size_t i = 0; i < got->count; i++)
		if (strcmp(got->field[i].name, name) == 0)
			return &got->field[i];
	fail_msg("no %s", name);
	return NULL;
}

static void assert_string(const struct read_line *got, const char *name, const char *want,
			  size_t len)
{
	const struct read_field *field = read_find(got, name);

	assert_true(field->quoted);
	assert_int_equal(field->len, len);
	assert_memory_equal(field->bytes, want, len);
}

static void assert_number(const struct read_line *got, const char *name, uint64_t want)
{
	const struct read_field *field = read_find(got, name);
	char digits[24];

	snprintf(digits, sizeof(digits), "%" PRIu64, want);
	assert_false(field->quoted);
	assert_string_equal(field->bytes, digits);
}

/* The same fields, in the same order, with the same characters, behind a time. */
static void assert_json_is(const struct line *line, const struct read_line *got)
{
	_cleanup_free_ char *text = NULL;
	char time[LINE_TIME_SIZE];
	json_auto_t *object = NULL;
	void *member;

	assert_int_equal(line_to_json(line, &text), 0);
	for (const char *at = text; *at; at++)
		assert_in_range(*at, 0x20, 0x7e);
	object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(object);
	assert_int_equal(json_object_size(object), got->count + 1);
	member = json_object_iter(object);
	assert_string_equal(json_object_iter_key(member), "time");
	line_time_text(line->time, time);
	assert_string_equal(json_string_value(json_object_iter_value(member)), time);
	for (size_t i = 0; i < got->count; i++) {
		const struct read_field *field = &got->field[i];
		const bool digits = strspn(field->text, "0123456789") == strlen(field->text);
		const json_t *value;

		member = json_object_iter_next(object, member);
		assert_string_equal(json_object_iter_key(member), field->name);
		value = json_object_iter_value(member);
		if (!field->quoted && digits && strtoull(field->text, NULL, 10) <= INT64_MAX) {
			assert_true(json_is_integer(value));
			assert_int_equal(json_integer_value(value),
					 strtoull(field->text, NULL, 10));
		} else {
			assert_string_equal(json_string_value(value), field->text);
		}
	}
	assert_null(json_object_iter_next(object, member));
}

static const char *const attempt_names[] = {
	"v",   "verdict", "rule",  "dst",  "dport", "uid",    "euid", "gid",	"auid",
	"pid", "ppid",	  "netns", "cgid", "unit",  "cgroup", "exe",  "parent", "comm",
};

/* Reads the line of an event back; *ret_line too where the caller wants to see more. */
static void assert_reads_back(const struct smtpward_event *event, struct read_line *ret_line)
{
	char text[LINE_TEXT_SIZE];
	struct line line;

	assert_int_equal(line_from_event(event, sizeof(*event), 0, &line), 0);
	assert_true(line_to_text(&line, text, sizeof(text)) > 0);
	read_line(text, ret_line);
	assert_names(ret_line, attempt_names, ARRAY_SIZE(attempt_names));
	assert_number(ret_line, "uid", event->uid);
	assert_number(ret_line, "euid", event->euid);
	assert_number(ret_line, "gid", event->egid);
	assert_number(ret_line, "auid", event->auid);
	assert_number(ret_line, "pid", event->pid);
	assert_number(ret_line, "ppid", event->ppid);
	assert_number(ret_line, "netns", event->netns);
	assert_number(ret_line, "cgid", event->cgroup_id);
	assert_number(ret_line, "dport", event->port);
	assert_string(ret_line, "comm", event->comm, strnlen(event->comm, sizeof(event->comm)));
	assert_string(ret_line, "parent", event->parent,
		      strnlen(event->parent, sizeof(event->parent)));
	assert_string(ret_line, "unit", line.unit.text, line.unit.len);
	assert_string(ret_line, "cgroup", line.cgroup.text, line.cgroup.len);
	assert_string(ret_line, "exe", line.exe.text, line.exe.len);
	assert_json_is(&line, ret_line);
}

static void test_hostile_strings(void **state __attribute__((unused)))
{
	static const char *const comms[] = {
		"\" uid=0 x=\"",
		"a\nv=1 uid=0",
		"a\\\" uid=0",
		"\\",
		"\\\\",
		"\\x22",
		"\x1b]0;x\a\x1b[2J",
		"=",
		" ",
		"\"",
		"\r\n",
		"\x7f\x80\xfe\xff",
		"\xc2\x9b"
		"2J",
		"\xe2\x80\xae"
		"gpj.exe",
		"a=b c=\"d\"",
		"\t\v\f\b\x01",
	};
	struct smtpward_event event = example();
	struct read_line *got = malloc(sizeof(*got));

	assert_non_null(got);
	for (size_t i = 0; i < ARRAY_SIZE(comms); i++) {
		const size_t len = strlen(comms[i]) + 1;
		char path[64];

		assert_in_range(len, 2, SMTPWARD_COMM_SIZE);
		memset(event.comm, 0, sizeof(event.comm));
		memcpy(event.comm, comms[i], len);
		memcpy(event.parent, event.comm, sizeof(event.parent));
		event_set_cgroup(&event, comms[i], len);
		event_set_exe(&event, comms[i], len);
		assert_reads_back(&event, got);
		snprintf(path, sizeof(path), "/%s", comms[i]);
		assert_string(got, "comm", comms[i], len - 1);
		assert_string(got, "unit", comms[i], len - 1);
		assert_string(got, "cgroup", path, len);
		assert_string(got, "exe", path, len);
	}
	free(got);
}

/* Names of random bytes, as many as fit; returns the bytes used. */
static size_t random_names(char *list, size_t size)
{
	size_t used = 0;

	while (random() % 8) {
		size_t len = 1 + random() % (random() % 8 ? 12 : 255);

		if (used + len + 1 > size)
			break;
		for (size_t i = 0; i < len; i++) {
			char byte = random() % 4 ? random() : "\"\\= \n\r."[random() % 7];

			list[used++] = byte == '\0' || byte == '/' ? '"' : byte;
		}
		list[used++] = '\0';
	}
	return used;
}

static void random_bytes(void *dst, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((unsigned char *)dst)[i] = random();
}

static void test_random_strings(void **state __attribute__((unused)))
{
	struct read_line *got = malloc(sizeof(*got));

	assert_non_null(got);
	srandom(587);
	for (int round = 0; round < 400; round++) {
		struct smtpward_event event;

		random_bytes(&event, sizeof(event));
		event.verdict %= SMTPWARD_ALLOW + 1;
		event.rule %= SMTPWARD_RULE_NONE + 1;
		event.cgroup_len = random_names(event.cgroup, sizeof(event.cgroup));
		event.exe_len = random_names(event.exe, sizeof(event.exe));
		event.flags &= SMTPWARD_CGROUP_CUT | SMTPWARD_EXE_CUT | SMTPWARD_EXE_DELETED;
		assert_reads_back(&event, got);
	}
	free(got);
}

/* Whatever a record holds, it is refused or gives one line that reads back. */
static void test_random_records(void **state __attribute__((unused)))
{
	struct read_line *got = malloc(sizeof(*got));
	unsigned int good = 0;

	assert_non_null(got);
	srandom(465);
	for (int round = 0; round < 20000; round++) {
		struct smtpward_event event = example();
		char unaligned[sizeof(event) + 1];
		struct line line;

		for (int i = random() % 4; i >= 0; i--) {
			size_t at = random() % 3 ? random() % 112UL : random() % sizeof(event);

			((unsigned char *)&event)[at] = random();
		}
		memcpy(unaligned + 1, &event, sizeof(event));
		if (line_from_event(unaligned + 1, sizeof(event), 0, &line) < 0)
			continue;
		if (good++ % 16 == 0)
			assert_reads_back(&event, got);
	}
	assert_in_range(good, 1000, 19999);
	free(got);
}

/* The longest line that a record can make, and that any struct line can. */
static void test_longest(void **state __attribute__((unused)))
{
	struct read_line *got = malloc(sizeof(*got));
	char text[LINE_TEXT_SIZE];
	struct smtpward_event event;
	struct line line;
	int len;

	assert_non_null(got);
	memset(&event, 0xff, sizeof(event));
	event.verdict = SMTPWARD_DENY;
	event.rule = SMTPWARD_RULE_NONE;
	event.flags = SMTPWARD_CGROUP_CUT | SMTPWARD_CGROUP_TOP | SMTPWARD_EXE_CUT |
		      SMTPWARD_EXE_DELETED;
	event.cgroup_len = sizeof(event.cgroup);
	event.cgroup[sizeof(event.cgroup) - 1] = '\0';
	event.cgroup[1] = '\0'; /* the unit is as long as it can be */
	event.exe_len = sizeof(event.exe);
	event.exe[sizeof(event.exe) - 1] = '\0';
	assert_reads_back(&event, got);
	assert_int_equal(read_find(got, "unit")->len, 1021);

	assert_int_equal(line_from_event(&event, sizeof(event), 0, &line), 0);
	line.unit.len = line.cgroup.len = line.exe.len = LINE_PATH_SIZE - 1;
	memset(line.unit.text, 0xff, LINE_PATH_SIZE - 1);
	memset(line.cgroup.text, 0xff, LINE_PATH_SIZE - 1);
	memset(line.exe.text, 0xff, LINE_PATH_SIZE - 1);
	len = line_to_text(&line, text, sizeof(text));
	assert_in_range(len, 3 * 4 * (LINE_PATH_SIZE - 1), LINE_TEXT_SIZE - 1);
	read_line(text, got);
	assert_json_is(&line, got);
	free(got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostile_strings),
		cmocka_unit_test(test_random_strings),
		cmocka_unit_test(test_random_records),
		cmocka_unit_test(test_longest),
	};

	return cmocka_run_group_tests_name("line_hostile", tests, NULL, NULL);
}
