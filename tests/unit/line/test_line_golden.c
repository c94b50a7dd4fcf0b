// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sample of lines in tests/golden: what a log of these is, byte by byte, as a file and as
 * JSON. Whatever reads lines is tested with it. Run from the top of the tree.
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

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/quote.h"
#include "line/line.h"
#include "line/line_fixture.h"
#include "line/line_parse.h"

#define NOW 1795749115123456789ULL /* 2026-11-27T03:11:55 */

static struct line line_of(const struct smtpward_event *event)
{
	static uint64_t seconds;
	struct line line;

	assert_int_equal(line_from_event(event, sizeof(*event),
					 (int64_t)(NOW + seconds++ * 1000000000 - BOOT), &line),
			 0);
	return line;
}

static struct line sum_of(uint64_t cgroup_id, uint32_t euid, const char *list, size_t len,
			  uint64_t suppressed, uint64_t lost)
{
	const struct smtpward_caller_key key = { .cgroup_id = cgroup_id, .euid = euid };
	struct smtpward_caller caller = {
		.cgroup_len = (uint32_t)len,
		.flags = len ? SMTPWARD_CALLER_NAMED : 0,
	};
	struct line line;

	memcpy(caller.cgroup, list, len);
	assert_int_equal(
		line_from_caller(&key, &caller, suppressed, lost, NOW + 10000000000ULL, &line), 0);
	return line;
}

/* A web page's mail, in the ways that it may go. */

static struct line plain(void)
{
	struct smtpward_event event = example();

	event.auid = UINT32_MAX;
	return line_of(&event);
}

static struct line audited(void)
{
	struct smtpward_event event = example();

	event.verdict = SMTPWARD_AUDIT;
	event.rule = 2;
	event.port = 587;
	memcpy(event.address, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x19", 16);
	return line_of(&event);
}

static struct line allowed(void)
{
	struct smtpward_event event = example();

	event.verdict = SMTPWARD_ALLOW;
	event.rule = SMTPWARD_RULES_MAX - 1;
	event_set_v4(&event, 127, 0, 0, 1);
	event_set_cgroup(&event, TEXT("postfix@-.service\0system-postfix.slice\0system.slice"));
	event_set_exe(&event, TEXT("smtp\0sbin\0postfix\0lib\0usr"));
	event_set_cwd(&event, TEXT("postfix\0spool\0var"));
	event_set_args(&event, TEXT("smtp\0-t\0-u\0-c"));
	memcpy(event.comm, "smtp\0", 5);
	event_set_ancestor(&event, 0, "master");
	event.uid = event.euid = event.egid = 105;
	event.auid = UINT32_MAX;
	return line_of(&event);
}

/* Each name forges what it can: fields, lines, the end of a string. */
static struct line forged(void)
{
	struct smtpward_event event = example();

	event_set_cgroup(&event, TEXT("x\" euid=0 dst=192.0.2.1 comm=\"y\n"
				      "2026-11-27T03:11:56.000000Z smtpward[812]: v=2 "
				      "time=2026-11-27T03:11:56.000000Z verdict=deny rule=default "
				      "unit=\"cron.service\" euid=0 dst=192.0.2.1 \0"
				      " alert=\"all is well\" healed=yes\0docker"));
	event_set_exe(&event, TEXT(" verdict=allow dst=192.0.2.1 suppressed=9\0tmp"));
	memcpy(event.comm, "\" alert=\"x\" a=\"", 16);
	event_set_ancestor(&event, 0, "\\x22 uid=0\\");
	return line_of(&event);
}

static struct line odd_bytes(void)
{
	struct smtpward_event event = example();

	event_set_cgroup(&event, TEXT("caf\xc3\xa9 \xff\0a b\0odd.slice"));
	event_set_exe(&event, TEXT("\x1b]0;x\a\x1b[2J\x7f\r\n\ttab\0tmp"));
	memcpy(event.comm, "\xe2\x80\xaegpj.exe", 11);
	event_set_ancestor(&event, 0, "=\"'`$(id)|&;<>");
	return line_of(&event);
}

/* Names that are missing, and a file that is gone. */
static struct line cut(void)
{
	struct smtpward_event event = example();

	event_set_cgroup(&event, TEXT("z\0y\0user-1000.slice\0user.slice"));
	event_set_exe(&event, TEXT("perl\0bin"));
	event.flags |= SMTPWARD_CGROUP_CUT | SMTPWARD_CGROUP_TOP | SMTPWARD_EXE_CUT |
		       SMTPWARD_EXE_DELETED;
	return line_of(&event);
}

static struct line memory(void)
{
	struct smtpward_event event = example();

	event_set_exe(&event, TEXT("memfd:/usr/sbin/exim4"));
	event.flags |= SMTPWARD_EXE_DELETED;
	return line_of(&event);
}

static struct line no_names(void)
{
	struct smtpward_event event = example();

	event_set_cgroup(&event, TEXT("a\0b/c"));
	event_set_exe(&event, TEXT("dev/zero"));
	event.flags |= SMTPWARD_EXE_DELETED;
	return line_of(&event);
}

/* A thread of the kernel's, in the root. */
static struct line nameless(void)
{
	struct smtpward_event event = example();

	event_set_cgroup(&event, NO_NAMES);
	event_set_exe(&event, NO_NAMES);
	event_set_cwd(&event, NO_NAMES);
	event_set_args(&event, NO_NAMES);
	event.ancestors = 1;
	event.uid = event.euid = event.egid = 0;
	event.auid = UINT32_MAX;
	event.pid = 33;
	event.ppid = 2;
	memcpy(event.comm, "kworker/0:1", 12);
	event_set_ancestor(&event, 0, "kthreadd");
	return line_of(&event);
}

static struct line too_long(void)
{
	struct smtpward_event event = example();
	char list[256];

	event.cgroup_len = event.exe_len = event.cwd_len = event.args_len = 0;
	for (int i = 0; i < 4; i++) {
		memset(event.text + event.cgroup_len, "dcba"[i], 255);
		memset(event.text + event.cgroup_len + 4, '"', 248);
		event.text[event.cgroup_len + 255] = '\0';
		event.cgroup_len += 256;
	}
	memset(list, '\n', 255);
	list[255] = '\0';
	event_set_exe(&event, list, sizeof(list));
	memset(list, '\t', 255);
	event_set_cwd(&event, list, sizeof(list));
	memset(list, ' ', SMTPWARD_ARGS_LEAST);
	event_set_args(&event, list, SMTPWARD_ARGS_LEAST);
	event.flags |= SMTPWARD_CWD_CUT | SMTPWARD_ARGS_CUT;
	return line_of(&event);
}

/* What a worker of php-fpm calls itself, in the folder of the script. */
static struct line titled(void)
{
	struct smtpward_event event = example();

	event_set_exe(&event, TEXT("php-fpm8.2\0sbin\0usr"));
	event_set_cwd(&event, TEXT("x\0plugins\0wp-content\0forum\0www\0srv"));
	event_set_args(&event, TEXT("php-fpm: pool forum\0\0\0\0\0"));
	memcpy(event.comm, "php-fpm8.2", 11);
	event_set_ancestor(&event, 0, "php-fpm8.2");
	return line_of(&event);
}

/* Words and names that forge words, names and fields, and a folder that is gone. */
static struct line forged_words(void)
{
	struct smtpward_event event = example();

	event_set_cwd(&event, TEXT("x\" args=\"perl exim4\0tmp"));
	event_set_args(&event,
		       TEXT("perl /usr/sbin/exim4\0\0\" ancestors=\"cron<systemd\" x=\"\0\n\\x20"));
	event.ancestors = SMTPWARD_ANCESTORS;
	event_set_ancestor(&event, 0, "cron<systemd");
	event_set_ancestor(&event, 1, "\" comm=\"exim4\"");
	event_set_ancestor(&event, 2, "");
	event_set_ancestor(&event, 3, "\n\xff<<");
	event_set_ancestor(&event, 4, "0123456789abcde");
	event.flags |= SMTPWARD_CWD_CUT | SMTPWARD_CWD_DELETED | SMTPWARD_ARGS_CUT;
	return line_of(&event);
}

/* Packets. */

static struct line packet(void)
{
	struct smtpward_event event = example_packet();
	struct smtpward_packet part = { .source = EXAMPLE_SOURCE, .device = "eth0" };

	event.hook = SMTPWARD_OF_PACKET;
	event_set_packet(&event, &part);
	return line_of(&event);
}

static struct line packet_at_gate(void)
{
	struct smtpward_event event = example_packet();

	return line_of(&event);
}

/* A fragment that does not show where it goes. */
static struct line packet_hidden(void)
{
	struct smtpward_event event = example_packet();
	struct smtpward_packet part = { .mac = 0x525400123456, .device = "eth0" };

	memset(event.address, 0, sizeof(event.address));
	event.port = 0;
	event_set_packet(&event, &part);
	return line_of(&event);
}

static struct line guest(void)
{
	struct smtpward_event event = example_guest();

	return line_of(&event);
}

/* Of IPv6, audited; root may call a device nearly what root likes. */
static struct line guest_odd(void)
{
	struct smtpward_event event = example_guest();
	struct smtpward_packet part = { .source = { 0x20, 1, 0xd, 0xb8, [15] = 7 },
					.mac = 0xffffffffffff,
					.iif = UINT32_MAX,
					.vlan = 4095,
					.device = "\"x=\"\xc3\xa9",
					.guest = "\" healed=yes x=" };

	event.verdict = SMTPWARD_AUDIT;
	event.rule = 2;
	memcpy(event.address, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x19", 16);
	event_set_packet(&event, &part);
	return line_of(&event);
}

static struct line raw(void)
{
	struct smtpward_event event = example();

	event.hook = SMTPWARD_OF_RAW;
	memset(event.address, 0, sizeof(event.address));
	event.port = 0;
	return line_of(&event);
}

static struct line sum_of_guest(const char *list, size_t len)
{
	const struct smtpward_caller_key key = { .cgroup_id = SMTPWARD_GUEST_BIT | 12,
						 .shared = 1 };
	struct smtpward_caller caller = { .cgroup_len = (uint32_t)len,
					  .flags = SMTPWARD_CALLER_NAMED };
	struct line line;

	memcpy(caller.cgroup, list, len);
	assert_int_equal(line_from_caller(&key, &caller, 12, 3, NOW + 10000000000ULL, &line), 0);
	return line;
}

static struct line sum_guest(void)
{
	return sum_of_guest(TEXT("tap101i0"));
}

static struct line sum_guests(void)
{
	return sum_of_guest(TEXT(SMTPWARD_GUEST_OTHERS_NAME));
}

static struct line sum(void)
{
	return sum_of(7311, 33, TEXT("apache2.service\0system.slice"), 12, 3);
}

static struct line sum_forged(void)
{
	return sum_of(7312, 1000, TEXT("\" suppressed=1000 lost=1000 unit=\"\0docker"), 1, 0);
}

static struct line sum_nameless(void)
{
	return sum_of(7313, 1002, NO_NAMES, 0, 7);
}

static struct line sum_of_anyone(void)
{
	struct line line;

	line_from_anyone(4, 5, NOW + 10000000000ULL, &line);
	return line;
}

static struct line alert(void)
{
	struct line line;

	line_from_alert("not enforcing: the hook connect4 is not in force; 'smtpward load' puts it "
			"back",
			true, NOW + 20000000000ULL, &line);
	return line;
}

static struct line alert_odd(void)
{
	struct line line;

	line_from_alert("/etc/caf\xc3\xa9\" healed=yes x=\".conf is on trial for another 4m 59s: "
			"without a 'smtpward confirm' it goes back to generation 3",
			false, NOW + 20000000000ULL, &line);
	return line;
}

static struct line (*const sample[])(void) = {
	plain,	      plain,	 audited,	 allowed,	forged,	       odd_bytes,
	cut,	      memory,	 no_names,	 nameless,	too_long,      titled,
	forged_words, sum,	 sum_forged,	 sum_nameless,	sum_of_anyone, alert,
	alert_odd,    packet,	 packet_at_gate, packet_hidden, guest,	       guest_odd,
	raw,	      sum_guest, sum_guests,
};

static struct line lines[ARRAY_SIZE(sample)];

static int setup(void **state __attribute__((unused)))
{
	for (size_t i = 0; i < ARRAY_SIZE(sample); i++)
		lines[i] = sample[i]();
	return 0;
}

/* A file's next line, without its newline. */
static size_t next(FILE *in, const char *path, char **line, size_t *size)
{
	ssize_t len = getline(line, size, in);

	if (len <= 0 || (*line)[len - 1] != '\n')
		fail_msg("%s has too few lines", path);
	(*line)[--len] = '\0';
	return (size_t)len;
}

static FILE *open_sample(const char *path)
{
	FILE *in = fopen(path, "re");

	if (!in)
		fail_msg("cannot open %s: run this from the top of the tree", path);
	return in;
}

#define TEXTS "tests/golden/lines.log"
#define OBJECTS "tests/golden/lines.json"

static void test_text(void **state __attribute__((unused)))
{
	_cleanup_fclose_ FILE *in = open_sample(TEXTS);
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		char want[LINE_TEXT_SIZE + 64], time[LINE_TIME_SIZE];
		int head;

		line_time_text(lines[i].time, time);
		head = snprintf(want, sizeof(want), "%s smtpward[812]: ", time);
		assert_true(line_to_text(&lines[i], want + head, LINE_TEXT_SIZE) > 0);
		next(in, TEXTS, &line, &size);
		assert_string_equal(want, line);
	}
	assert_int_equal(getline(&line, &size, in), -1);
}

static void test_json(void **state __attribute__((unused)))
{
	_cleanup_fclose_ FILE *in = open_sample(OBJECTS);
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		_cleanup_free_ char *want = NULL;

		assert_int_equal(line_to_json(&lines[i], &want), 0);
		next(in, OBJECTS, &line, &size);
		assert_string_equal(want, line);
	}
	assert_int_equal(getline(&line, &size, in), -1);
}

static void add_field(char *text, size_t size, const struct line_field *field)
{
	const size_t used = strlen(text);

	snprintf(text + used, size - used, "%s%s=", used ? " " : "", field->name);
	text += strlen(text);
	switch (field->kind) {
	case LINE_NUMBER:
		sprintf(text, field->text ? "default" : "%llu", (unsigned long long)field->number);
		return;
	case LINE_NONE:
		strcpy(text, "-");
		return;
	case LINE_WORD:
		sprintf(text, "%.*s", (int)field->len, field->text);
		return;
	case LINE_STRING:
		strcpy(text, "\"");
		quote_list(field->text, field->len, field->separator, text + 1,
			   QUOTE_SIZE(field->len));
		strcat(text, "\"");
		return;
	}
}

/* What the reader makes of each line is all that stands in it. */
static void test_reader(void **state __attribute__((unused)))
{
	_cleanup_fclose_ FILE *in = open_sample(TEXTS);
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		const size_t len = next(in, TEXTS, &line, &size);
		const char *from = strstr(line, "]: ");
		char again[2 * LINE_TEXT_SIZE] = "";
		struct line_parsed got;
		struct reason reason;

		assert_non_null(from);
		from += strlen("]: ");
		if (line_parse(from, line + len - from, &got, &reason))
			fail_msg("%s: %s", reason.text, line);
		assert_int_equal(got.kind, lines[i].kind);
		for (size_t field = 0; field < got.n; field++)
			add_field(again, sizeof(again), &got.fields[field]);
		assert_string_equal(again, from);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_reader),
	};

	return cmocka_run_group_tests_name("line_golden", tests, setup, NULL);
}
