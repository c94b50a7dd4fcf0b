// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a record to its two lines: what they have to say is in expected.h. A strict reader takes
 * both lines apart again, and the product's reader has to find the same in the text.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "expected.h"
#include "fuzz.h"
#include "line/line_fields.h"
#include "line/line_parse.h"

/* The line of text. */

static const char *read_text(const char *at, const char *text, size_t len)
{
	fuzz_assert(!strncmp(at, text, len));
	return at + len;
}

static const char *read_number(const char *at, uint64_t number)
{
	char *end = NULL;

	fuzz_assert(*at >= '0' && *at <= '9' && (*at != '0' || at[1] < '0' || at[1] > '9'));
	errno = 0;
	fuzz_assert(strtoull(at, &end, 10) == number && !errno);
	return end;
}

/*
 * A path of which something is left out in the middle: begin and end are right, and it has as
 * much as each path has in any case. Then it is what the rest of the line has to say of it.
 */
static void take_shortened(struct field *field, const char *back, size_t len)
{
	const char *mark = memmem(back, len, "/.../", 5);

	for (; mark; mark = memmem(mark + 1, len - (mark + 1 - back), "/.../", 5)) {
		size_t head = mark - back, tail = len - head - 5;

		if (head + tail >= field->len || memcmp(back, field->text, head) != 0 ||
		    memcmp(mark + 5, field->text + field->len - tail, tail) != 0)
			continue;
		/* Up to the slashes next to the mark, which it brings itself. */
		fuzz_assert(head >= LINE_PATH_LEAST / 8 - 8 || field->text[head] == '/');
		fuzz_assert(tail >= LINE_PATH_LEAST / 8 - 8 ||
			    field->text[field->len - tail - 1] == '/');
		memcpy(field->text, back, len);
		field->len = len;
		return;
	}
	fuzz_fail("a path is neither whole nor shortened");
}

/* Words of which some are left out at the end: no fewer than there are in any case. */
static void take_fewer(struct field *field, const char *back, size_t len)
{
	fuzz_assert(len >= 3 && len - 3 < field->len && !memcmp(back + len - 3, "...", 3));
	fuzz_assert(!memcmp(back, field->text, len - 3));
	fuzz_assert(len - 3 >= LINE_PATH_LEAST / 4 - 4);
	memcpy(field->text, back, len);
	field->len = len;
}

/* Only a separator and what is not plain is escaped, and a separator that is not stands for a NUL.
 */
static size_t read_list(const char *text, size_t len, char separator, char *back)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned int byte = (unsigned char)text[i];

		if (text[i] == separator) {
			byte = 0;
		} else if (text[i] == '\\') {
			fuzz_assert(len - i >= 4 && sscanf(text + i, "\\x%2x", &byte) == 1);
			fuzz_assert(byte &&
				    (byte == (unsigned char)separator || !fuzz_plain(byte)));
			i += 3;
		} else {
			fuzz_assert(fuzz_plain(byte));
		}
		back[n++] = (char)byte;
	}
	return n;
}

static const char *read_string(const char *at, struct field *field, bool *shortened)
{
	char back[4 * sizeof(field->text)];
	const char *end;
	size_t len;

	at = read_text(at, "\"", 1);
	end = strchr(at, '"');
	fuzz_assert(end && (size_t)(end - at) <= sizeof(back));
	if (field->kind == WORDS || field->kind == CHAIN)
		len = read_list(at, end - at, field->kind == WORDS ? ' ' : '<', back);
	else
		len = fuzz_unquote(at, end - at, back);
	if (len == field->len && !memcmp(back, field->text, len))
		return end + 1;
	fuzz_assert(field->kind == PATH || field->kind == WORDS);
	if (field->kind == WORDS)
		take_fewer(field, back, len);
	else
		take_shortened(field, back, len);
	*shortened = true;
	return end + 1;
}

static void check_time(const char *text, uint64_t time)
{
	unsigned int micro = 0;
	struct tm tm = { 0 };
	int end = 0;

	fuzz_assert(sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%6uZ%n", &tm.tm_year, &tm.tm_mon,
			   &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &micro, &end) == 7);
	fuzz_assert(end == LINE_TIME_SIZE - 1);
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	fuzz_assert((uint64_t)timegm(&tm) * 1000000 + micro == time / 1000);
}

static const char *read_value(const char *at, struct field *field, bool *shortened)
{
	switch (field->kind) {
	case NUMBER:
		return field->len ? read_text(at, field->text, field->len)
				  : read_number(at, field->number);
	case NONE:
		return read_text(at, "-", 1);
	case WORD:
		return read_text(at, field->text, field->len);
	case TIME:
		check_time(at, field->number);
		return at + LINE_TIME_SIZE - 1;
	default:
		return read_string(at, field, shortened);
	}
}

static void read_line(const char *line, size_t len, struct expected *expected)
{
	const char *at = line;
	bool shortened = false;

	for (size_t i = 0; i < len; i++)
		fuzz_assert(line[i] >= 0x20 && line[i] <= 0x7e);
	for (size_t i = 0; i < expected->n; i++) {
		struct field *field = &expected->fields[i];
		const char *from;

		if (i)
			at = read_text(at, " ", 1);
		at = read_text(at, field->name, strlen(field->name));
		from = at = read_text(at, "=", 1);
		at = read_value(at, field, &shortened);
		field->value = from + (field->kind >= STRING);
		field->value_len = at - from - 2 * (field->kind >= STRING);
	}
	fuzz_assert(at == line + len && !*at);
	/* Nothing is left out of a line that is much shorter than it may be. */
	fuzz_assert(!shortened || len > 7000);
}

/* What the product's reader makes of it. */
static void check_parsed(const char *text, size_t len, const struct expected *expected)
{
	static struct line_parsed got;
	_cleanup_free_ char *exact = fuzz_copy(text, len);
	struct reason reason;

	if (line_parse(exact, len, &got, &reason))
		fuzz_fail("%s", reason.text);
	fuzz_assert(got.kind == expected->parsed);
	fuzz_assert(got.n == expected->n);
	for (size_t i = 0; i < got.n; i++) {
		const struct field *field = &expected->fields[i];

		fuzz_assert(!strcmp(got.fields[i].name, field->name));
		if (field->kind == NUMBER)
			fuzz_assert(got.fields[i].kind == LINE_NUMBER &&
				    got.fields[i].number == field->number);
		fuzz_assert((field->kind == NONE) == (got.fields[i].kind == LINE_NONE));
		if (field->kind != WORD && field->kind < STRING)
			continue;
		fuzz_assert(got.fields[i].len == field->len);
		fuzz_assert(!memcmp(got.fields[i].text, field->text, field->len));
	}
}

/* A line is written whole or not at all. */
static void check_room(const struct line *line, const char *text, size_t len)
{
	const size_t small[] = { 1, len / 2 + 1, len };
	_cleanup_free_ char *exact = malloc(len + 1);

	fuzz_assert(exact);
	fuzz_assert(line_to_text(line, exact, len + 1) == (int)len);
	fuzz_assert(!memcmp(exact, text, len + 1));
	for (size_t i = 0; i < ARRAY_SIZE(small); i++) {
		char *dst = exact + len + 1 - small[i];

		*dst = '#';
		fuzz_assert(line_to_text(line, dst, small[i]) == -ENOSPC && !*dst);
	}
	*exact = '#';
	fuzz_assert(line_to_text(line, exact, 0) == -ENOSPC && *exact == '#');
}

/* JSON. */

/* A number is one, as near as JSON has it here; the rest is what stands in the line of text. */
static void check_value(const json_t *value, const struct field *field)
{
	if (field->kind == NONE) {
		fuzz_assert(json_is_null(value));
		return;
	}
	if (field->kind == NUMBER && field->number <= INT64_MAX) {
		fuzz_assert(json_is_integer(value));
		fuzz_assert((uint64_t)json_integer_value(value) == field->number);
		return;
	}
	if (field->kind == NUMBER) {
		fuzz_assert(json_is_real(value));
		fuzz_assert(json_real_value(value) == (double)field->number);
		return;
	}
	fuzz_assert(json_is_string(value) && json_string_length(value) == field->value_len);
	fuzz_assert(!memcmp(json_string_value(value), field->value, field->value_len));
}

static void read_json(const char *text, const struct expected *expected)
{
	json_auto_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	void *at = json_object_iter(object);

	for (const char *byte = text; *byte; byte++)
		fuzz_assert(*byte >= 0x20 && *byte <= 0x7e);
	fuzz_assert(json_is_object(object) && at);
	fuzz_assert(!strcmp(json_object_iter_key(at), "kind"));
	fuzz_assert(!strcmp(json_string_value(json_object_iter_value(at)), expected->kind));
	for (size_t i = 0; i < expected->n; i++) {
		at = json_object_iter_next(object, at);
		fuzz_assert(at && !strcmp(json_object_iter_key(at), expected->fields[i].name));
		check_value(json_object_iter_value(at), &expected->fields[i]);
	}
	fuzz_assert(!json_object_iter_next(object, at));
}

/* valid: what the second opinion says; r: what the product did. */
static void check_lines(bool valid, int r, const struct line *line, struct expected *expected)
{
	static char text[LINE_TEXT_SIZE];
	_cleanup_free_ char *json = NULL;
	int len;

	if (!valid) {
		fuzz_assert(r == -EBADMSG);
		for (size_t i = 0; i < sizeof(*line); i++)
			fuzz_assert(((const uint8_t *)line)[i] == 0xa5);
		return;
	}
	fuzz_assert(!r);
	len = line_to_text(line, text, sizeof(text));
	fuzz_assert(len > 0 && len < LINE_TEXT_SIZE);
	read_line(text, len, expected);
	check_parsed(text, len, expected);
	check_room(line, text, len);
	fuzz_assert(!line_to_json(line, &json));
	read_json(json, expected);
}

/* Input. */

/*
 * A list of names: its length, then its bytes. A tidy one has only names that there
 * can be.
 */
static uint32_t take_list(struct input *input, bool tidy, char *list, size_t size)
{
	uint16_t len = 0;

	input_bytes(input, &len, sizeof(len));
	len %= size + 2; /* one over is too long */
	memset(list, len ? 'X' : '\0', size);
	input_bytes(input, list, len < size ? len : size);
	if (!tidy || !len || len > size)
		return len;
	for (size_t i = 0; i < len; i++)
		if (list[i] == '/' || (!list[i] && (!i || !list[i - 1] || i + 2 == len)))
			list[i] = '_';
	list[len - 1] = '\0';
	return len > 1 ? len : 0;
}

static void fuzz_event(const struct smtpward_event *event, size_t size, int64_t offset)
{
	struct expected *expected = calloc(1, sizeof(*expected));
	_cleanup_free_ char *record = fuzz_copy(event, size);
	struct line line;
	bool valid;

	fuzz_assert(expected);
	memset(&line, 0xa5, sizeof(line));
	valid = size == sizeof(*event) && expect_event(event, offset, expected);
	check_lines(valid, line_from_event(record, size, offset, &line), &line, expected);
	free(expected);
}

/* The record as it is, of any size. */
static void take_raw_event(struct input *input)
{
	int64_t offset = input_number(input);
	struct smtpward_event *event = calloc(2, sizeof(*event));

	size_t size;

	fuzz_assert(event);
	size = input_bytes(input, event, 2 * sizeof(*event));
	fuzz_event(event, size, offset);
	free(event);
}

/* The head of one that is often valid: of any hook, and of one that there is not. */
static void take_head(struct input *input, struct smtpward_event *event)
{
	input_bytes(input, event, offsetof(struct smtpward_event, text));
	event->verdict %= 4;
	event->rule %= SMTPWARD_RULE_NONE + 2;
	event->ancestors %= SMTPWARD_ANCESTORS + 2;
	event->hook %= SMTPWARD_OF_RAW + 2;
	event->flags &= 0xf03ffU;
}

/*
 * A task's. If the hook is one of packets, the packet's part is what the lists have there, and the
 * lists' lengths lead beyond its begin.
 */
static void take_event(struct input *input)
{
	int64_t offset = input_number(input);
	bool tidy = input_below(input, 8);
	struct smtpward_event event = { 0 };

	uint32_t *const lens[] = { &event.cgroup_len, &event.exe_len, &event.cwd_len,
				   &event.args_len };
	size_t used = 0;

	take_head(input, &event);
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		const size_t room = sizeof(event.text) - used;
		const size_t most = i || room < SMTPWARD_CGROUP_SIZE ? room : SMTPWARD_CGROUP_SIZE;

		*lens[i] = take_list(input, tidy && i < 3, event.text + used, most);
		used += *lens[i] < most ? *lens[i] : most;
	}
	fuzz_event(&event, sizeof(event), offset);
}

/* None, of IPv4, or any. */
static void take_address(struct input *input, uint8_t address[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	const size_t kind = input_below(input, 4);

	memset(address, 0, 16);
	if (kind)
		input_bytes(input, address, 16);
	if (kind == 1)
		memcpy(address, mapped, sizeof(mapped));
}

/* Any bytes, with a NUL or without one. */
static void take_device(struct input *input, char device[SMTPWARD_DEVICE_SIZE])
{
	const size_t len = input_below(input, SMTPWARD_DEVICE_SIZE + 1);

	memset(device, 'd', len);
	input_bytes(input, device, len);
}

/* Three of eight are just beyond what there can be. */
static void take_packet_part(struct input *input, uint8_t hook, struct smtpward_packet *packet)
{
	const size_t odd = input_below(input, 8);

	take_address(input, packet->source);
	take_address(input, packet->original);
	input_bytes(input, &packet->mac, sizeof(packet->mac));
	input_bytes(input, &packet->vlan, sizeof(packet->vlan));
	input_bytes(input, &packet->iif, sizeof(packet->iif));
	input_bytes(input, &packet->pad, sizeof(packet->pad));
	packet->mac &= (1ULL << 48) - 1;
	packet->vlan &= 4095;
	if (odd == 1)
		packet->mac = 1ULL << 48;
	if (odd == 2)
		packet->vlan = 4096;
	if (odd != 3 && hook == SMTPWARD_OF_PACKET)
		packet->iif = 0;
	take_device(input, packet->device);
	take_device(input, packet->guest);
}

/* A packet's. The lists that a packet has not may have any length. */
static void take_packet(struct input *input)
{
	int64_t offset = input_number(input);
	bool tidy = input_below(input, 8);
	bool over = !input_below(input, 8); /* the names run into the packet's part */
	struct smtpward_packet packet = { 0 };
	struct smtpward_event event = { 0 };

	take_head(input, &event);
	event.hook = SMTPWARD_OF_PACKET + event.hook % 2;
	take_address(input, event.address);
	event.cgroup_len = take_list(input, tidy, event.text,
				     over ? sizeof(event.text) : SMTPWARD_CGROUP_SIZE);
	take_packet_part(input, event.hook, &packet);
	memcpy(event.text + SMTPWARD_PACKET_AT, &packet, sizeof(packet));
	fuzz_event(&event, sizeof(event), offset);
}

static void take_caller(struct input *input)
{
	struct expected *expected = calloc(1, sizeof(*expected));
	uint64_t suppressed = input_number(input), lost = input_number(input);
	bool tidy = input_below(input, 8);
	struct smtpward_caller_key key = { 0 };
	struct smtpward_caller caller = { 0 };
	struct line line;
	uint64_t time;
	bool valid;

	fuzz_assert(expected);
	memset(&line, 0xa5, sizeof(line));
	time = input_number(input);
	input_bytes(input, &key, sizeof(key));
	key.shared %= 2;
	input_bytes(input, &caller, offsetof(struct smtpward_caller, cgroup));
	caller.flags &= 0xf003fU;
	caller.cgroup_len = take_list(input, tidy, caller.cgroup, sizeof(caller.cgroup));
	valid = expect_caller(&key, &caller, suppressed, lost, time, expected);
	check_lines(valid, line_from_caller(&key, &caller, suppressed, lost, time, &line), &line,
		    expected);
	free(expected);
}

static void take_anyone(struct input *input)
{
	struct expected *expected = calloc(1, sizeof(*expected));
	uint64_t suppressed = input_number(input), lost = input_number(input);
	struct line line;
	uint64_t time;

	fuzz_assert(expected);
	memset(&line, 0xa5, sizeof(line));
	time = input_number(input);
	fuzz_assert(expect_caller(NULL, NULL, suppressed, lost, time, expected));
	line_from_anyone(suppressed, lost, time, &line);
	check_lines(true, 0, &line, expected);
	free(expected);
}

static void take_alert(struct input *input)
{
	struct expected *expected = calloc(1, sizeof(*expected));
	bool healed = input_below(input, 2);
	char alert[TEXT_MAX] = "";
	struct line line;
	uint64_t time;

	fuzz_assert(expected);
	memset(&line, 0xa5, sizeof(line));
	time = input_number(input);
	input_bytes(input, alert, sizeof(alert) - 1);
	expected->kind = "alert";
	expected->parsed = LINE_ALERT;
	expect_begin(expected, time);
	field_add(expect(expected, "alert", STRING), alert, strnlen(alert, LINE_PATH_SIZE - 1));
	expect_word(expected, "healed", healed ? "yes" : "no");
	line_from_alert(alert, healed, time, &line);
	check_lines(true, 0, &line, expected);
	free(expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const takes[])(struct input *) = {
		take_event, take_raw_event, take_caller, take_anyone, take_alert, take_packet,
	};
	struct input input = { data, size };

	takes[input_below(&input, ARRAY_SIZE(takes))](&input);
	return 0;
}
