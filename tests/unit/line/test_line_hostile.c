// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bytes chosen to forge or break a line, read back in both forms by the reader that knows the
 * format and forgives nothing; and what it does not forgive.
 */
#include <errno.h>
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
#include "base/quote.h"
#include "line/line.h"
#include "line/line_fixture.h"
#include "line/line_parse.h"

static void assert_names(const struct line_parsed *got, const char *const *names, size_t count)
{
	assert_int_equal(got->n, count);
	for (size_t i = 0; i < count; i++)
		assert_string_equal(got->fields[i].name, names[i]);
}

static const struct line_field *find(const struct line_parsed *got, const char *name)
{
	const struct line_field *field = line_parsed_field(got, name);

	assert_non_null(field);
	return field;
}

static void assert_string(const struct line_parsed *got, const char *name, const char *want,
			  size_t len)
{
	const struct line_field *field = find(got, name);

	assert_int_equal(field->kind, LINE_STRING);
	assert_int_equal(field->len, len);
	assert_memory_equal(field->text, want, len);
}

static void assert_number(const struct line_parsed *got, const char *name, uint64_t want)
{
	const struct line_field *field = find(got, name);

	assert_int_equal(field->kind, LINE_NUMBER);
	assert_int_equal(field->number, want);
}

static void read_line(const char *text, size_t len, struct line_parsed *ret)
{
	struct reason reason;

	if (line_parse(text, len, ret, &reason))
		fail_msg("%s: %s", reason.text, text);
}

static void assert_value(const json_t *value, const struct line_field *field)
{
	char quoted[QUOTE_SIZE(LINE_PATH_SIZE)];

	switch (field->kind) {
	case LINE_NUMBER:
		assert_true(json_is_number(value));
		if (field->number <= INT64_MAX)
			assert_int_equal(json_integer_value(value), field->number);
		else
			assert_true(json_real_value(value) == (double)field->number);
		return;
	case LINE_NONE:
		assert_true(json_is_null(value));
		return;
	case LINE_WORD:
	case LINE_STRING:
		assert_true(quote_list(field->text, field->len, field->separator, quoted,
				       sizeof(quoted)) >= 0);
		assert_string_equal(json_string_value(value), quoted);
		return;
	}
	fail();
}

/* The same fields, in the same order, with the same characters, behind the kind. */
static void assert_json_is(const struct line *line, const struct line_parsed *got)
{
	_cleanup_free_ char *text = NULL;
	json_auto_t *object = NULL;
	void *member;

	assert_int_equal(line_to_json(line, &text), 0);
	for (const char *at = text; *at; at++)
		assert_in_range(*at, 0x20, 0x7e);
	object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(object);
	assert_int_equal(json_object_size(object), got->n + 1);
	member = json_object_iter(object);
	assert_string_equal(json_object_iter_key(member), "kind");
	assert_string_equal(json_string_value(json_object_iter_value(member)), "attempt");
	for (size_t i = 0; i < got->n; i++) {
		member = json_object_iter_next(object, member);
		assert_string_equal(json_object_iter_key(member), got->fields[i].name);
		assert_value(json_object_iter_value(member), &got->fields[i]);
	}
	assert_null(json_object_iter_next(object, member));
}

/* clang-format off */
static const char *const attempt_names[] = {
	"v", "time", "verdict", "rule", "unit", "euid", "dst", "dport", "uid", "gid", "auid", "pid",
	"ppid", "netns", "cgid", "exe", "cwd", "args", "ancestors", "comm", "cgroup",
};
/* clang-format on */

/* Reads the line of an event back; *ret_line too where the caller wants to see more. */
static void assert_reads_back(const struct smtpward_event *event, struct line_parsed *ret_line)
{
	char text[LINE_TEXT_SIZE];
	struct line line;
	int len;

	assert_int_equal(line_from_event(event, sizeof(*event), 0, &line), 0);
	len = line_to_text(&line, text, sizeof(text));
	assert_in_range(len, 1, LINE_TEXT_SIZE - 1);
	read_line(text, len, ret_line);
	assert_names(ret_line, attempt_names, ARRAY_SIZE(attempt_names));
	assert_number(ret_line, "uid", event->uid);
	assert_number(ret_line, "euid", event->euid);
	assert_number(ret_line, "gid", event->egid);
	if (event->auid == UINT32_MAX)
		assert_int_equal(find(ret_line, "auid")->kind, LINE_NONE);
	else
		assert_number(ret_line, "auid", event->auid);
	assert_number(ret_line, "pid", event->pid);
	assert_number(ret_line, "ppid", event->ppid);
	assert_number(ret_line, "netns", event->netns);
	assert_number(ret_line, "cgid", event->cgroup_id);
	assert_number(ret_line, "dport", event->port);
	assert_string(ret_line, "comm", event->comm, strnlen(event->comm, sizeof(event->comm)));
	assert_string(ret_line, "cwd", line.cwd.text, line.cwd.len);
	assert_string(ret_line, "args", line.args.text, line.args.len);
	assert_string(ret_line, "ancestors", line.ancestors.text, line.ancestors.len);
	assert_string(ret_line, "unit", line.unit.text, line.unit.len);
	assert_string(ret_line, "cgroup", line.cgroup.text, line.cgroup.len);
	assert_string(ret_line, "exe", line.exe.text, line.exe.len);
	assert_json_is(&line, ret_line);
}

static void test_hostile_strings(void **state __attribute__((unused)))
{
	static const char *const comms[] = {
		"\" uid=0 x=\"",
		"a\nv=2 uid=0",
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
	struct line_parsed *got = malloc(sizeof(*got));

	assert_non_null(got);
	for (size_t i = 0; i < ARRAY_SIZE(comms); i++) {
		const size_t len = strlen(comms[i]) + 1;
		char path[64];

		assert_in_range(len, 2, SMTPWARD_COMM_SIZE);
		memset(event.comm, 0, sizeof(event.comm));
		memcpy(event.comm, comms[i], len);
		event_set_ancestor(&event, 1, comms[i]);
		event_set_cgroup(&event, comms[i], len);
		event_set_exe(&event, comms[i], len);
		event_set_cwd(&event, comms[i], len);
		event_set_args(&event, comms[i], len);
		assert_reads_back(&event, got);
		snprintf(path, sizeof(path), "/%s", comms[i]);
		assert_string(got, "comm", comms[i], len - 1);
		assert_string(got, "unit", comms[i], len - 1);
		assert_string(got, "cgroup", path, len);
		assert_string(got, "exe", path, len);
		assert_string(got, "cwd", path, len);
		assert_string(got, "args", comms[i], len - 1);
		memcpy(path, "apache2", 8);
		memcpy(path + 8, comms[i], len);
		assert_string(got, "ancestors", path, 8 + len - 1);
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

/* clang-format off */
static const char *const packet_names[] = {
	"v", "time", "verdict", "rule", "hook", "unit", "euid", "dst", "dport", "src", "orig_src",
	"smac", "vlan", "netns", "cgid", "dev", "cgroup",
};
static const char *const guest_names[] = {
	"v", "time", "verdict", "rule", "hook", "guest", "dst", "dport", "src", "orig_src", "smac",
	"vlan", "iif", "netns", "dev",
};
static const char *const raw_names[] = {
	"v", "time", "verdict", "rule", "hook", "unit", "euid", "uid", "gid", "auid", "pid", "ppid",
	"netns", "cgid", "exe", "cwd", "args", "ancestors", "comm", "cgroup",
};
/* clang-format on */

/* A word of ours, as it stands in the line: NULL is none. */
static void assert_word(const struct line_parsed *got, const char *name, const char *word)
{
	const struct line_field *field = find(got, name);

	if (!word) {
		assert_int_equal(field->kind, LINE_NONE);
		return;
	}
	assert_int_equal(field->kind, LINE_WORD);
	assert_int_equal(field->len, strlen(word));
	assert_memory_equal(field->text, word, field->len);
}

static void assert_packet_is(const struct line_parsed *got, const struct smtpward_packet *packet)
{
	char mac[18];

	assert_string(got, "dev", packet->device, strnlen(packet->device, sizeof(packet->device)));
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", (uint8_t)(packet->mac >> 40),
		 (uint8_t)(packet->mac >> 32), (uint8_t)(packet->mac >> 24),
		 (uint8_t)(packet->mac >> 16), (uint8_t)(packet->mac >> 8), (uint8_t)packet->mac);
	assert_word(got, "smac", packet->mac ? mac : NULL);
	if (packet->vlan)
		assert_number(got, "vlan", packet->vlan);
	else
		assert_int_equal(find(got, "vlan")->kind, LINE_NONE);
}

/* Packets whose devices have any name, and that come from anywhere, or nowhere. */
static void test_random_packets(void **state __attribute__((unused)))
{
	struct line_parsed *got = malloc(sizeof(*got));

	assert_non_null(got);
	srandom(3);
	for (int i = 0; i < 20000; i++) {
		struct smtpward_event event = example_packet();
		struct smtpward_packet packet;
		char text[LINE_TEXT_SIZE];
		struct line line;
		int len;

		random_bytes(&packet, sizeof(packet));
		packet.mac &= random() % 8 ? 0xffffffffffff : random() % 2 ? 0 : ~0ULL;
		packet.vlan &= random() % 8 ? 4095 : random() % 2 ? 0 : UINT16_MAX;
		packet.iif = random() % 2 ? packet.iif : 0;
		if (random() % 4 == 0)
			memset(packet.original, 0, sizeof(packet.original));
		if (random() % 4 == 0)
			memset(packet.source, 0, sizeof(packet.source));
		event_set_packet(&event, &packet);
		event.hook = random() % 2 ? SMTPWARD_OF_UPLINK : SMTPWARD_OF_PACKET;
		random_bytes(event.address, sizeof(event.address));
		if (packet.mac >> 48 || packet.vlan > 4095 ||
		    (packet.iif && event.hook == SMTPWARD_OF_PACKET)) {
			assert_int_equal(line_from_event(&event, sizeof(event), 0, &line),
					 -EBADMSG);
			continue;
		}
		assert_int_equal(line_from_event(&event, sizeof(event), 0, &line), 0);
		len = line_to_text(&line, text, sizeof(text));
		assert_in_range(len, 1, LINE_TEXT_SIZE - 1);
		read_line(text, len, got);
		if (packet.iif)
			assert_names(got, guest_names, ARRAY_SIZE(guest_names));
		else
			assert_names(got, packet_names, ARRAY_SIZE(packet_names));
		assert_word(got, "hook", event.hook == SMTPWARD_OF_UPLINK ? "uplink" : "packet");
		assert_packet_is(got, &packet);
		if (packet.iif)
			assert_string(got, "guest", packet.guest,
				      strnlen(packet.guest, sizeof(packet.guest)));
		assert_json_is(&line, got);
	}
	free(got);
}

static void test_option(void **state __attribute__((unused)))
{
	struct smtpward_event event = example();
	struct line_parsed *got = malloc(sizeof(*got));
	char text[LINE_TEXT_SIZE];
	struct line line;
	int len;

	assert_non_null(got);
	event.hook = SMTPWARD_OF_RAW;
	assert_int_equal(line_from_event(&event, sizeof(event), 0, &line), 0);
	len = line_to_text(&line, text, sizeof(text));
	read_line(text, len, got);
	assert_names(got, raw_names, ARRAY_SIZE(raw_names));
	assert_word(got, "hook", "raw");
	assert_json_is(&line, got);
	free(got);
}

/* What only looks like a line of a packet. */
static void test_no_packets(void **state __attribute__((unused)))
{
#define GUEST_WITH(dst, src, smac, vlan)                                                      \
	"v=2 time=1970-01-01T00:00:01.000000Z verdict=deny rule=default hook=uplink "         \
	"guest=\"tap0\" dst=" dst " dport=25 src=" src " orig_src=- smac=" smac " vlan=" vlan \
	" iif=1 netns=1 dev=\"eth0\""
	static const char *const good = GUEST_WITH("192.0.2.1", "::1", "52:54:00:12:34:56", "7");
	static const char *const bad[] = {
		GUEST_WITH("::", "::1", "52:54:00:12:34:56", "7"),
		GUEST_WITH("192.0.2.1", "::", "52:54:00:12:34:56", "7"),
		GUEST_WITH("192.0.2.1", "--", "52:54:00:12:34:56", "7"),
		GUEST_WITH("192.0.2.1", "::1", "52:54:00:12:34:5", "7"),
		GUEST_WITH("192.0.2.1", "::1", "52:54:00:12:34:5G", "7"),
		GUEST_WITH("192.0.2.1", "::1", "52:54:00:12:34:5A", "7"),
		GUEST_WITH("192.0.2.1", "::1", "00:00:00:00:00:00", "7"),
		GUEST_WITH("192.0.2.1", "::1", "52-54-00-12-34-56", "7"),
		GUEST_WITH("192.0.2.1", "::1", "52:54:00:12:34:56", "0"),
		GUEST_WITH("192.0.2.1", "::1", "52:54:00:12:34:56", "4096"),
		"v=2 time=1970-01-01T00:00:01.000000Z suppressed=1 lost=0 "
		"guest=\"0123456789abcdefg\"",
		"v=2 time=1970-01-01T00:00:01.000000Z suppressed=1 lost=0 guest=\"a\" ",
	};
	struct line_parsed *got = malloc(sizeof(*got));
	struct reason reason;

	assert_non_null(got);
	assert_int_equal(line_parse(good, strlen(good), got, &reason), 0);
	assert_int_equal(got->kind, LINE_GUEST);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (line_parse(bad[i], strlen(bad[i]), got, &reason) != -EBADMSG)
			fail_msg("is no line: %s", bad[i]);
	free(got);
}

static void test_random_strings(void **state __attribute__((unused)))
{
	struct line_parsed *got = malloc(sizeof(*got));

	assert_non_null(got);
	srandom(587);
	for (int round = 0; round < 400; round++) {
		struct smtpward_event event;

		random_bytes(&event, sizeof(event));
		event.verdict %= SMTPWARD_ALLOW + 1;
		event.rule %= SMTPWARD_RULE_NONE + 1;
		event.ancestors %= SMTPWARD_ANCESTORS + 1;
		event.cgroup_len = random_names(event.text, SMTPWARD_CGROUP_SIZE);
		event.exe_len = random_names(event.text + event.cgroup_len, 256);
		event.cwd_len = random_names(event.text + event.cgroup_len + event.exe_len, 256);
		event.args_len = random() % (SMTPWARD_ARGS_LEAST + 1);
		event.hook = SMTPWARD_OF_CONNECT;
		event.flags &= SMTPWARD_CGROUP_CUT | SMTPWARD_EXE_CUT | SMTPWARD_EXE_DELETED |
			       SMTPWARD_CWD_CUT | SMTPWARD_CWD_DELETED | SMTPWARD_CWD_KNOWN |
			       SMTPWARD_ARGS_CUT;
		assert_reads_back(&event, got);
	}
	free(got);
}

/* Whatever a record holds, it is refused or gives one line that reads back. */
static void test_random_records(void **state __attribute__((unused)))
{
	struct line_parsed *got = malloc(sizeof(*got));
	unsigned int good = 0;

	assert_non_null(got);
	srandom(465);
	for (int round = 0; round < 20000; round++) {
		struct smtpward_event event = example();
		char unaligned[sizeof(event) + 1];
		struct line line;

		for (int i = random() % 4; i >= 0; i--) {
			size_t at = random() % 3 ? random() % offsetof(struct smtpward_event, text)
						 : random() % sizeof(event);

			((unsigned char *)&event)[at] = random();
		}
		memcpy(unaligned + 1, &event, sizeof(event));
		if (line_from_event(unaligned + 1, sizeof(event), 0, &line) < 0)
			continue;
		/* Of a packet: see test_random_packets(). */
		if (event.hook != SMTPWARD_OF_CONNECT)
			continue;
		if (good++ % 16 == 0)
			assert_reads_back(&event, got);
	}
	assert_in_range(good, 1000, 19999);
	free(got);
}

/* What a name of so many bytes that need quoting is, with its NUL. */
static size_t odd_name(char *dst, size_t len, char byte)
{
	memset(dst, byte, len);
	dst[len] = '\0';
	return len + 1;
}

/* A caller with the longest names that there can be, and as many words. */
static struct smtpward_event longest(void)
{
	struct smtpward_event event = example();
	char name[256];

	memset(event.comm, 0x01, sizeof(event.comm));
	event.ancestors = SMTPWARD_ANCESTORS;
	memset(event.ancestor, 0x01, sizeof(event.ancestor));
	event.cgroup_len = event.exe_len = event.cwd_len = event.args_len = 0;
	for (int i = 0; i < 4; i++)
		event.cgroup_len += odd_name(event.text + event.cgroup_len, 255, (char)(i + 1));
	odd_name(name, 255, 5);
	event_set_exe(&event, name, sizeof(name));
	event_set_cwd(&event, name, sizeof(name));
	odd_name(name, SMTPWARD_ARGS_LEAST - 1, ' ');
	event_set_args(&event, name, SMTPWARD_ARGS_LEAST);
	return event;
}

static bool has(const struct line_field *field, const char *text)
{
	return memmem(field->text, field->len, text, strlen(text));
}

/* So much at its beginning, and at its end, is what it was. */
static void assert_shortened(const struct line_field *field, const struct line_path *path)
{
	const size_t head = (const char *)memmem(field->text, field->len, "/.../", 5) - field->text;
	const size_t tail = field->len - head - 5;

	assert_true(has(field, "/.../"));
	assert_in_range(head, LINE_PATH_LEAST / 8 - 8, path->len);
	assert_memory_equal(field->text, path->text, head);
	assert_in_range(tail, LINE_PATH_LEAST / 8 - 8, path->len);
	assert_memory_equal(field->text + head + 5, path->text + path->len - tail, tail);
}

/* 8,000 bytes are enough for who and what, and what is left out shows. */
static void test_shortened(void **state __attribute__((unused)))
{
	struct smtpward_event event = longest();
	struct line_parsed *got = malloc(sizeof(*got));
	struct line whole = { 0 };
	char text[LINE_TEXT_SIZE];
	struct line line;
	int len;

	assert_non_null(got);
	for (int i = 4; i > 0; i--) {
		whole.cgroup.text[whole.cgroup.len++] = '/';
		memset(whole.cgroup.text + whole.cgroup.len, i, 255);
		whole.cgroup.len += 255;
	}
	assert_int_equal(line_from_event(&event, sizeof(event), 0, &line), 0);
	len = line_to_text(&line, text, sizeof(text));
	assert_in_range(len, 7500, 8000);
	read_line(text, len, got);
	/* Only the longest of them has to give something up. */
	assert_int_equal(find(got, "unit")->len, 255);
	assert_int_equal(find(got, "exe")->len, 256);
	assert_int_equal(find(got, "cwd")->len, 256);
	assert_int_equal(find(got, "args")->len, SMTPWARD_ARGS_LEAST - 1);
	assert_shortened(find(got, "cgroup"), &whole.cgroup);
	assert_number(got, "pid", event.pid);
	assert_json_is(&line, got);

	/* If the paths are shorter, there is room for all of the cgroup's. */
	event_set_exe(&event, TEXT("a"));
	assert_int_equal(line_from_event(&event, sizeof(event), 0, &line), 0);
	assert_int_equal(line.cgroup.len, whole.cgroup.len);
	free(got);
}

/* Words give up what they have over their share before any path gives up something. */
static void test_words_first(void **state __attribute__((unused)))
{
	struct smtpward_event event = longest();
	struct line_parsed *got = malloc(sizeof(*got));
	char text[LINE_TEXT_SIZE], words[LINE_PATH_SIZE];
	struct line line;
	int len;

	assert_non_null(got);
	event.cgroup_len -= 512;
	memmove(event.text + event.cgroup_len, event.text + event.cgroup_len + 512, 256 + 256);
	assert_int_equal(line_from_event(&event, sizeof(event), 0, &line), 0);
	assert_int_equal(line.cgroup.len, 2 * 256);
	memset(words, ' ', sizeof(words));
	words[10] = '\0';
	memcpy(line.args.text, words, 600);
	line.args.len = 600;
	line_shorten(&line);
	len = line_to_text(&line, text, sizeof(text));
	assert_in_range(len, 7800, 8000);
	read_line(text, len, got);
	assert_int_equal(find(got, "cgroup")->len, 2 * 256);
	len = (int)find(got, "args")->len - 3;
	assert_in_range(len, LINE_PATH_LEAST / 4, 599);
	assert_memory_equal(find(got, "args")->text, words, (size_t)len);
	assert_memory_equal(find(got, "args")->text + len, "...", 3);
	/* When they are at their share, the longest path follows. */
	memset(line.cgroup.text + 1, 1, 1023);
	line.cgroup.len = 1024;
	line_shorten(&line);
	len = line_to_text(&line, text, sizeof(text));
	assert_in_range(len, 7800, 8000);
	read_line(text, len, got);
	assert_in_range(find(got, "args")->len, LINE_PATH_LEAST / 4 - 1, LINE_PATH_LEAST / 4 + 4);
	assert_true(has(find(got, "cgroup"), "/.../"));
	assert_int_equal(find(got, "exe")->len, 256);
	free(got);
}

/* Whatever the paths of a line are, each has its share, and no line is too long. */
static void test_longest(void **state __attribute__((unused)))
{
	struct line_parsed *got = malloc(sizeof(*got));
	char text[LINE_TEXT_SIZE];

	assert_non_null(got);
	srandom(2525);
	for (int round = 0; round < 2000; round++) {
		struct smtpward_event event = longest();
		struct line line, before;
		size_t next = 0;
		struct line_path *path;
		char separator;
		int len;

		assert_int_equal(line_from_event(&event, sizeof(event), 0, &line), 0);
		while ((path = line_next_path(&line, &next, &separator))) {
			path->len = round ? random() % LINE_PATH_SIZE : LINE_PATH_SIZE - 1;
			for (size_t i = 0; i < path->len; i++)
				path->text[i] = round ? "a/\n\""[random() % 4] : '\n';
			path->text[path->len] = '\0';
		}
		before = line;
		line_shorten(&line);
		len = line_to_text(&line, text, sizeof(text));
		assert_in_range(len, 1, LINE_TEXT_SIZE - 1);
		read_line(text, len, got);
		assert_json_is(&line, got);
		/* Nothing of another one is in it, and no round takes what is within the bounds. */
		assert_true(line.unit.len <= before.unit.len + 5);
		before = line;
		line_shorten(&line);
		assert_memory_equal(&line, &before, sizeof(line));
	}
	free(got);
}

/* What is no line of ours, by what is wrong with it. */
static void test_refused(void **state __attribute__((unused)))
{
#define FRONT "v=2 time=2026-01-02T03:04:05.123456Z "
#define SUM FRONT "suppressed=1 lost=2 unit=\"a\" euid=3 cgid=4 cgroup=\"/a\""
	static const char *const texts[] = {
		"",
		"v",
		"v=",
		"v=1",
		"v=2",
		"v=2 ",
		"v=02 ",
		" " SUM,
		SUM " ",
		SUM "\n",
		SUM " comm=\"x\"",
		FRONT "suppressed=1 lost=2 unit=\"a\" euid=3 cgid=4 cgroup=\"/a",
		FRONT "suppressed=1 lost=2 unit=\"a\" euid=3 cgid=4 cgroup=/a",
		FRONT "suppressed=1 lost=2 unit=\"a\" euid=3 cgroup=\"/a\"",
		FRONT "suppressed=1 lost=2 unit=\"a\"  euid=3 cgid=4 cgroup=\"/a\"",
		FRONT "suppressed=1 lost=2 unit=\"a\"euid=3 cgid=4 cgroup=\"/a\"",
		FRONT "lost=2 suppressed=1 unit=\"a\" euid=3 cgid=4 cgroup=\"/a\"",
		FRONT "suppressed=01 lost=2 unit=\"a\" euid=3 cgid=4 cgroup=\"/a\"",
		FRONT "suppressed=-1 lost=2 unit=\"a\" euid=3 cgid=4 cgroup=\"/a\"",
		FRONT "suppressed= lost=2 unit=\"a\" euid=3 cgid=4 cgroup=\"/a\"",
		FRONT "suppressed=\"1\" lost=2 unit=\"a\" euid=3 cgid=4 cgroup=\"/a\"",
		FRONT "suppressed=18446744073709551616 lost=2 unit=\"\" cgroup=\"\"",
		FRONT "suppressed=1 lost=2 unit=\"a\" euid=4294967296 cgid=4 cgroup=\"/a\"",
		FRONT "suppressed=1 lost=2 unit=\"\\x61\" cgroup=\"\"",
		FRONT "suppressed=1 lost=2 unit=\"\\x0A\" cgroup=\"\"",
		FRONT "suppressed=1 lost=2 unit=\"\\n\" cgroup=\"\"",
		FRONT "suppressed=1 lost=2 unit=\"\\x0\" cgroup=\"\"",
		FRONT "suppressed=1 lost=2 unit=\"\xc3\xa9\" cgroup=\"\"",
		FRONT "suppressed=1 lost=2 unit=\"a\tb\" cgroup=\"\"",
		"v=2 time=2026-01-02T03:04:05Z alert=\"x\" healed=no",
		"v=2 time=2026-01-02T03:04:60.000000Z alert=\"x\" healed=no",
		"v=2 time=2026-02-30T03:04:05.000000Z alert=\"x\" healed=no",
		"v=2 time=2026-01-02T03:04:05.12345Z alert=\"x\" healed=no",
		"v=2 time=2026-01-02T03:04:05.1234567Z alert=\"x\" healed=no",
		"v=2 time=2026-01-02T03:04:05.123456+00:00 alert=\"x\" healed=no",
		FRONT "alert=\"x\" healed=maybe",
		FRONT "alert=\"x\" healed=",
		FRONT "alert=x healed=no",
	};
	struct line_parsed *got = malloc(sizeof(*got));
	struct reason reason;

	assert_non_null(got);
	read_line(SUM, strlen(SUM), got);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (!line_parse(texts[i], strlen(texts[i]), got, &reason))
			fail_msg("it takes: %s", texts[i]);
	free(got);
}

/* Each byte of a line is looked at: there is none that any other may be in the place of. */
static void test_each_byte(void **state __attribute__((unused)))
{
	struct smtpward_event event = example();
	struct line_parsed *got = malloc(sizeof(*got));
	char text[LINE_TEXT_SIZE];
	struct line line;
	struct reason reason;
	int len;

	assert_non_null(got);
	assert_int_equal(line_from_event(&event, sizeof(event), 0, &line), 0);
	len = line_to_text(&line, text, sizeof(text));
	for (int i = 0; i < len; i++) {
		const char byte = text[i];

		text[i] = '\n';
		assert_int_equal(line_parse(text, len, got, &reason), -EBADMSG);
		text[i] = byte;
		assert_int_equal(line_parse(text, i, got, &reason), -EBADMSG);
	}
	read_line(text, len, got);
	free(got);
}

/* Fields that only some values are right for, in the middle of an attempt. */
static void test_values(void **state __attribute__((unused)))
{
	static const struct {
		const char *from, *to;
		bool right;
	} cases[] = {
		{ "verdict=deny", "verdict=allow", true },
		{ "verdict=deny", "verdict=refuse", false },
		{ "verdict=deny", "verdict=", false },
		{ "rule=default", "rule=1", true },
		{ "rule=default", "rule=256", true },
		{ "rule=default", "rule=0", false },
		{ "rule=default", "rule=257", false },
		{ "rule=default", "rule=-", false },
		{ "dst=203.0.113.9", "dst=2001:db8::19", true },
		{ "dst=203.0.113.9", "dst=::", true },
		{ "dst=203.0.113.9", "dst=::ffff:203.0.113.9", false },
		{ "dst=203.0.113.9", "dst=203.0.113.09", false },
		{ "dst=203.0.113.9", "dst=2001:DB8::19", false },
		{ "dst=203.0.113.9", "dst=2001:db8:0::19", false },
		{ "dst=203.0.113.9", "dst=mail.example", false },
		{ "dport=25", "dport=65535", true },
		{ "dport=25", "dport=65536", false },
		{ "auid=1000", "auid=-", true },
		{ "auid=1000", "auid=0", true },
		{ "auid=1000", "auid=4294967294", true },
		{ "auid=1000", "auid=4294967295", false },
		{ "auid=1000", "auid=", false },
		{ "comm=\"php\"", "comm=\"0123456789abcdef\"", true },
		{ "comm=\"php\"", "comm=\"0123456789abcdefg\"", false },
		{ "comm=\"php\"", "comm=\"a\\x00b\"", false },
		{ "comm=\"php\"", "comm=\"a\" uid=0 x=\"b\"", false },
		{ "args=\"php mail.php\"", "args=\"php\\x20mail.php\"", true },
		{ "args=\"php mail.php\"", "args=\"\"", true },
		{ "args=\"php mail.php\"", "args=\"php<mail.php\"", true },
		{ "args=\"php mail.php\"", "args=\"php\\x00mail.php\"", false },
		{ "args=\"php mail.php\"", "args=\"php\\x3cmail.php\"", false },
		{ "cwd=\"/srv/www/forum\"", "cwd=\"/srv/a b\"", true },
		{ "cwd=\"/srv/www/forum\"", "cwd=\"/srv/a\\x20b\"", false },
		{ "ancestors=\"apache2<systemd\"", "ancestors=\"a\\x3cb<c d\"", true },
		{ "ancestors=\"apache2<systemd\"", "ancestors=\"a\\x20b\"", false },
		{ "ancestors=\"apache2<systemd\"", "ancestors=\"a\\x00b\"", false },
	};
	struct smtpward_event event = example();
	struct line_parsed *got = malloc(sizeof(*got));
	char text[LINE_TEXT_SIZE], changed[2 * LINE_TEXT_SIZE];
	struct line line;
	struct reason reason;

	assert_non_null(got);
	assert_int_equal(line_from_event(&event, sizeof(event), 0, &line), 0);
	assert_true(line_to_text(&line, text, sizeof(text)) > 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *at = strstr(text, cases[i].from);

		assert_non_null(at);
		snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text, cases[i].to,
			 at + strlen(cases[i].from));
		if (!line_parse(changed, strlen(changed), got, &reason) != cases[i].right)
			fail_msg("%s: %s", cases[i].to,
				 cases[i].right ? reason.text : "it is taken");
	}
	free(got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostile_strings), cmocka_unit_test(test_random_strings),
		cmocka_unit_test(test_random_records),	cmocka_unit_test(test_shortened),
		cmocka_unit_test(test_words_first),	cmocka_unit_test(test_longest),
		cmocka_unit_test(test_refused),		cmocka_unit_test(test_each_byte),
		cmocka_unit_test(test_values),		cmocka_unit_test(test_random_packets),
		cmocka_unit_test(test_option),		cmocka_unit_test(test_no_packets),
	};

	return cmocka_run_group_tests_name("line_hostile", tests, NULL, NULL);
}
