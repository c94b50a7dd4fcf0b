// SPDX-License-Identifier: GPL-2.0-only
/*
 * From record to line: exact lines in both forms, and records that cannot be.
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
#include "line/line.h"
#include "line/line_fixture.h"

#define TIME_OF_EXAMPLE "v=2 time=1970-01-01T00:00:01.000000Z "
#define WHO_OF_EXAMPLE "unit=\"apache2.service\" euid=33 "
#define NUMBERS_OF_EXAMPLE "uid=33 gid=33 auid=1000 pid=4242 ppid=4200 netns=4026531840 cgid=7311 "
#define WHERE_OF_EXAMPLE \
	"cwd=\"/srv/www/forum\" args=\"php mail.php\" ancestors=\"apache2<systemd\" "
#define STRINGS_OF_EXAMPLE                                          \
	"exe=\"/usr/bin/php8.2\" " WHERE_OF_EXAMPLE "comm=\"php\" " \
	"cgroup=\"/system.slice/apache2.service\""

static void assert_line(const struct smtpward_event *event, const char *want)
{
	char text[LINE_TEXT_SIZE];
	struct line line;

	assert_int_equal(line_from_event(event, sizeof(*event), 0, &line), 0);
	assert_int_equal(line_to_text(&line, text, sizeof(text)), strlen(want));
	assert_string_equal(text, want);
}

static void test_attempt(void **state __attribute__((unused)))
{
	struct smtpward_event event = example();

	assert_line(&event, TIME_OF_EXAMPLE
		    "verdict=deny rule=default " WHO_OF_EXAMPLE
		    "dst=203.0.113.9 dport=25 " NUMBERS_OF_EXAMPLE STRINGS_OF_EXAMPLE);
	event.verdict = SMTPWARD_AUDIT;
	event.rule = 0;
	event.port = 65535;
	event.address[10] = 0;
	assert_line(&event, TIME_OF_EXAMPLE
		    "verdict=audit rule=1 " WHO_OF_EXAMPLE
		    "dst=::ff:cb00:7109 dport=65535 " NUMBERS_OF_EXAMPLE STRINGS_OF_EXAMPLE);
	event.verdict = SMTPWARD_ALLOW;
	event.rule = SMTPWARD_RULES_MAX - 1;
	event.port = 25;
	memcpy(event.address, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x19", 16);
	assert_line(&event, TIME_OF_EXAMPLE
		    "verdict=allow rule=256 " WHO_OF_EXAMPLE
		    "dst=2001:db8::19 dport=25 " NUMBERS_OF_EXAMPLE STRINGS_OF_EXAMPLE);
}

static void test_attempt_extremes(void **state __attribute__((unused)))
{
	struct smtpward_event event = { .rule = 9 };

	assert_line(&event, "v=2 time=1970-01-01T00:00:00.000000Z verdict=deny rule=10 unit=\"\" "
			    "euid=0 dst=:: dport=0 uid=0 gid=0 auid=0 pid=0 ppid=0 netns=0 cgid=0 "
			    "exe=\"\" cwd=\"\" args=\"\" ancestors=\"\" comm=\"\" cgroup=\"/\"");
	memset(&event, 0xff, sizeof(event));
	event.verdict = SMTPWARD_ALLOW;
	event.rule = SMTPWARD_RULE_NONE;
	event.flags = 0;
	event.hook = SMTPWARD_OF_CONNECT;
	event.ancestors = 1;
	event.cgroup_len = 0;
	event.exe_len = 0;
	event.cwd_len = 0;
	event.args_len = 0;
	assert_line(&event,
		    "v=2 time=2554-07-21T23:34:33.709551Z verdict=allow rule=default unit=\"\" "
		    "euid=4294967295 dst=ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff dport=65535 "
		    "uid=4294967295 gid=4294967295 auid=- pid=4294967295 ppid=4294967295 "
		    "netns=4294967295 cgid=18446744073709551615 exe=\"\" "
		    "cwd=\"\" args=\"\" ancestors=\"\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff"
		    "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\" "
		    "comm=\"\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff"
		    "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\" cgroup=\"/\"");
}

static void test_destination(void **state __attribute__((unused)))
{
	static const struct {
		const char *address;
		const char *want;
	} cases[] = {
		{ "\0\0\0\0\0\0\0\0\0\0\xff\xff\0\0\0\0", " dst=0.0.0.0 " },
		{ "\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff", " dst=255.255.255.255 " },
		{ "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", " dst=::1 " },
		{ "\x01\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\x01", " dst=100::ffff:7f00:1 " },
		{ "\0\x64\xff\x9b\0\0\0\0\0\0\0\0\xc0\0\x02\x21", " dst=64:ff9b::c000:221 " },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct smtpward_event event = example();
		char text[LINE_TEXT_SIZE];
		struct line line;

		memcpy(event.address, cases[i].address, 16);
		assert_int_equal(line_from_event(&event, sizeof(event), 0, &line), 0);
		assert_true(line_to_text(&line, text, sizeof(text)) > 0);
		assert_non_null(strstr(text, cases[i].want));
	}
}

static void test_cgroup_paths(void **state __attribute__((unused)))
{
	const uint32_t cut = SMTPWARD_CGROUP_CUT, top = SMTPWARD_CGROUP_CUT | SMTPWARD_CGROUP_TOP;
	const struct {
		const char *list;
		size_t len;
		uint32_t flags;
		const char *cgroup;
		const char *unit;
	} cases[] = {
		{ NO_NAMES, 0, "/", "" },
		{ TEXT("a"), 0, "/a", "a" },
		{ TEXT("b\0a"), 0, "/a/b", "a" },
		{ TEXT("system.slice"), 0, "/system.slice", "" },
		{ TEXT(".slice\0-.slice"), 0, "/-.slice/.slice", "" },
		{ TEXT("slice"), 0, "/slice", "slice" },
		{ TEXT("a.slice2"), 0, "/a.slice2", "a.slice2" },
		{ TEXT("x\0postfix@-.service\0system-postfix.slice\0system.slice"), 0,
		  "/system.slice/system-postfix.slice/postfix@-.service/x", "postfix@-.service" },
		{ TEXT("postfix@-.service\0app.slice\0user@1000.service\0user.slice"), 0,
		  "/user.slice/user@1000.service/app.slice/postfix@-.service",
		  "user@1000.service" },
		/* missing between the two next to the root and the rest */
		{ TEXT("d\0c\0b\0a"), top, "/a/b/.../c/d", "a" },
		{ TEXT("d\0c\0b.service\0a.slice"), top, "/a.slice/b.service/.../c/d",
		  "b.service" },
		{ TEXT("d\0c.service\0b.slice\0a.slice"), top, "/a.slice/b.slice/.../c.service/d",
		  "" },
		{ TEXT("b\0a"), top, "/a/b/...", "a" },
		{ TEXT("d\0c.service\0b.slice\0a.slice"), top | 3U << SMTPWARD_CGROUP_TOP_SHIFT,
		  "/a.slice/b.slice/c.service/.../d", "c.service" },
		/* missing next to the root */
		{ TEXT("d\0c"), cut, "/.../c/d", "" },
		{ TEXT("d\0c.slice"), cut, "/.../c.slice/d", "" },
		{ NO_NAMES, cut, "/...", "" },
		/* a cgroup that is called so */
		{ TEXT("b\0...\0a.slice"), 0, "/a.slice/.../b", "..." },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct smtpward_event event = example();
		struct smtpward_caller caller = {};
		struct line line;

		event_set_cgroup(&event, cases[i].list, cases[i].len);
		event.flags = SMTPWARD_CWD_KNOWN | cases[i].flags;
		assert_int_equal(line_from_event(&event, sizeof(event), 0, &line), 0);
		assert_string_equal(line.cgroup.text, cases[i].cgroup);
		assert_int_equal(line.cgroup.len, strlen(cases[i].cgroup));
		assert_string_equal(line.unit.text, cases[i].unit);
		assert_int_equal(line.unit.len, strlen(cases[i].unit));
		assert_string_equal(line.exe.text, "/usr/bin/php8.2");

		memcpy(caller.cgroup, cases[i].list, cases[i].len);
		caller.cgroup_len = cases[i].len;
		caller.flags = cases[i].flags | SMTPWARD_CALLER_NAMED;
		memset(&line, 'X', sizeof(line));
		assert_int_equal(line_from_caller(&(struct smtpward_caller_key){}, &caller, 1, 0, 0,
						  &line),
				 0);
		assert_string_equal(line.cgroup.text, cases[i].cgroup);
		assert_string_equal(line.unit.text, cases[i].unit);
	}
}

static void test_exe_paths(void **state __attribute__((unused)))
{
	const uint32_t cut = SMTPWARD_EXE_CUT, deleted = SMTPWARD_EXE_DELETED;
	const struct {
		const char *list;
		size_t len;
		uint32_t flags;
		const char *exe;
	} cases[] = {
		{ NO_NAMES, 0, "" },
		{ TEXT("init"), 0, "/init" },
		{ TEXT("x\0bin\0usr"), 0, "/usr/bin/x" },
		{ TEXT("x\0bin\0usr"), cut, "/.../usr/bin/x" },
		{ TEXT("x\0tmp"), deleted, "/tmp/x (deleted)" },
		{ TEXT("x\0tmp"), cut | deleted, "/.../tmp/x (deleted)" },
		{ NO_NAMES, cut, "/..." },
		{ NO_NAMES, deleted, " (deleted)" },
		/* in no directory, and with slashes that the caller chose */
		{ TEXT("memfd:"), deleted, "/memfd: (deleted)" },
		{ TEXT("memfd:x"), deleted, "/memfd:x (deleted)" },
		{ TEXT("memfd:/usr/sbin/exim4"), deleted, "/memfd:/usr/sbin/exim4 (deleted)" },
		{ TEXT("dev/zero"), deleted, "/dev/zero (deleted)" },
		{ TEXT("a/b"), cut, "/.../a/b" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct smtpward_event event = example();
		struct line line;

		event_set_exe(&event, cases[i].list, cases[i].len);
		event.flags = SMTPWARD_CWD_KNOWN | cases[i].flags;
		assert_int_equal(line_from_event(&event, sizeof(event), 0, &line), 0);
		assert_string_equal(line.exe.text, cases[i].exe);
		assert_int_equal(line.exe.len, strlen(cases[i].exe));
		assert_string_equal(line.cgroup.text, "/system.slice/apache2.service");
	}
}

static void assert_bad(const struct smtpward_event *event, size_t size)
{
	struct line line, untouched;

	memset(&line, 0x5a, sizeof(line));
	memset(&untouched, 0x5a, sizeof(untouched));
	assert_int_equal(line_from_event(event, size, 0, &line), -EBADMSG);
	assert_memory_equal(&line, &untouched, sizeof(line));
}

#define ASSERT_BAD(change)                               \
	do {                                             \
		struct smtpward_event event = example(); \
                                                         \
		change;                                  \
		assert_bad(&event, sizeof(event));       \
	} while (0)

static void test_bad_events(void **state __attribute__((unused)))
{
	struct smtpward_event twice[2] = { example(), example() };

	assert_bad(twice, 0);
	assert_bad(twice, sizeof(twice[0]) - 1);
	assert_bad(twice, sizeof(twice[0]) + 1);
	assert_bad(twice, sizeof(twice));
	ASSERT_BAD(event.verdict = SMTPWARD_ALLOW + 1);
	ASSERT_BAD(event.verdict = 255);
	ASSERT_BAD(event.rule = SMTPWARD_RULE_NONE + 1);
	ASSERT_BAD(event.rule = 65535);
	ASSERT_BAD(event.flags = 1U << 4);
	ASSERT_BAD(event.flags = 1U << 9);
	ASSERT_BAD(event.flags = 1U << 31);
	ASSERT_BAD(event.ancestors = SMTPWARD_ANCESTORS + 1);
}

/* What is none of names costs a record its names and nothing else. */
static void test_odd_names(void **state __attribute__((unused)))
{
	const uint32_t top = SMTPWARD_CGROUP_TOP, cut = SMTPWARD_CGROUP_CUT;
	const struct {
		const char *list;
		size_t len;
		uint32_t flags;
		const char *cgroup;
		const char *exe; /* NULL: for a file they are names */
	} cases[] = {
		{ "a", 1, 0, "?a", "?a" },
		{ "", 1, 0, "?", "?" },
		{ "\0\0\0", 4, 0, "?", "?" },
		{ TEXT("a\0"), 0, "?a", "?a" },
		{ TEXT("a\0\0b"), 0, "?a\\x00\\x00b", "?a\\x00\\x00b" },
		{ TEXT("\0b"), 0, "?\\x00b", "?\\x00b" },
		{ TEXT("a\0b/c"), 0, "?a\\x00b/c", "?a\\x00b/c" },
		{ TEXT("memfd:a/b\0tmp"), 0, "?memfd:a/b\\x00tmp", "?memfd:a/b\\x00tmp" },
		{ "memfd:a/b", 9, 0, "?memfd:a/b", "?memfd:a/b" },
		{ TEXT("/"), 0, "?/", NULL },
		{ TEXT("memfd:a/b"), 0, "?memfd:a/b", NULL },
		{ TEXT("b\0a"), top, "?b\\x00a", NULL },
		{ TEXT("b\0a"), top | cut | 3U << SMTPWARD_CGROUP_TOP_SHIFT, "?b\\x00a", NULL },
		{ TEXT("b\0a"), cut | 1U << SMTPWARD_CGROUP_TOP_SHIFT, "?b\\x00a", NULL },
		{ TEXT("a"), top | cut, "?a", NULL },
		{ NO_NAMES, top | cut, "?", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct smtpward_event event = example();
		char want[1024];

		event_set_cgroup(&event, cases[i].list, cases[i].len);
		event.flags = SMTPWARD_CWD_KNOWN | cases[i].flags;
		snprintf(want, sizeof(want),
			 TIME_OF_EXAMPLE "verdict=deny rule=default unit=\"\" euid=33 "
					 "dst=203.0.113.9 dport=25 " NUMBERS_OF_EXAMPLE
					 "exe=\"/usr/bin/php8.2\" " WHERE_OF_EXAMPLE "comm=\"php\" "
					 "cgroup=\"%s\"",
			 cases[i].cgroup);
		assert_line(&event, want);
		if (!cases[i].exe)
			continue;
		event = example();
		event_set_exe(&event, cases[i].list, cases[i].len);
		snprintf(want, sizeof(want),
			 TIME_OF_EXAMPLE "verdict=deny rule=default " WHO_OF_EXAMPLE
					 "dst=203.0.113.9 dport=25 " NUMBERS_OF_EXAMPLE
					 "exe=\"%s\" " WHERE_OF_EXAMPLE "comm=\"php\" "
					 "cgroup=\"/system.slice/apache2.service\"",
			 cases[i].exe);
		assert_line(&event, want);
	}
}

/* No length of a part reads behind the text, nor one of a cgroup's behind what it may be. */
static void test_odd_lengths(void **state __attribute__((unused)))
{
	const uint32_t lengths[] = { SMTPWARD_CGROUP_SIZE + 1, SMTPWARD_TEXT_SIZE + 1, UINT32_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct smtpward_event event = example();
		const size_t begin = event.cgroup_len;
		struct line line;

		event.exe_len = event.cwd_len = event.args_len = UINT32_MAX;
		event.flags = SMTPWARD_EXE_DELETED;
		assert_int_equal(line_from_event(&event, sizeof(event), 0, &line), 0);
		assert_int_equal(line.exe.len,
				 1 + SMTPWARD_TEXT_SIZE - begin + strlen(" (deleted)"));
		assert_memory_equal(line.exe.text, "?php8.2\0bin\0usr\0forum", 22);
		assert_int_equal(line.cwd.len, 0);
		assert_int_equal(line.args.len, 0);
		event.cgroup_len = lengths[i];
		assert_int_equal(line_from_event(&event, sizeof(event), 0, &line), 0);
		assert_int_equal(line.cgroup.len, 1 + SMTPWARD_CGROUP_SIZE);
		assert_int_equal(line.unit.len, 0);
	}
}

static void test_cwd_paths(void **state __attribute__((unused)))
{
	const uint32_t known = SMTPWARD_CWD_KNOWN, cut = SMTPWARD_CWD_CUT | known;
	const uint32_t deleted = SMTPWARD_CWD_DELETED | known;
	const struct {
		const char *list;
		size_t len;
		uint32_t flags;
		const char *cwd;
	} cases[] = {
		{ NO_NAMES, 0, "" },
		{ NO_NAMES, known, "/" },
		{ TEXT("x"), known, "/x" },
		{ TEXT("x\0www\0srv"), known, "/srv/www/x" },
		{ TEXT("x\0www\0srv"), cut, "/.../srv/www/x" },
		{ TEXT("x\0tmp"), deleted, "/tmp/x (deleted)" },
		{ TEXT("x\0tmp"), cut | deleted, "/.../tmp/x (deleted)" },
		{ NO_NAMES, cut, "/..." },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct smtpward_event event = example();
		struct line line;

		event_set_cwd(&event, cases[i].list, cases[i].len);
		event.flags = cases[i].flags;
		assert_int_equal(line_from_event(&event, sizeof(event), 0, &line), 0);
		assert_string_equal(line.cwd.text, cases[i].cwd);
		assert_int_equal(line.cwd.len, strlen(cases[i].cwd));
		assert_string_equal(line.exe.text, "/usr/bin/php8.2");
		assert_memory_equal(line.args.text, "php\0mail.php", 13);
	}
}

/* One word is never shown as two, but for what a program calls itself. */
static void test_args(void **state __attribute__((unused)))
{
	const struct {
		const char *words;
		size_t len;
		uint32_t flags;
		const char *args;
	} cases[] = {
		{ NO_NAMES, 0, "" },
		{ NO_NAMES, SMTPWARD_ARGS_CUT, "..." },
		{ TEXT(""), 0, "" },
		{ TEXT("\0\0"), 0, "" },
		{ TEXT("perl"), 0, "perl" },
		{ TEXT("perl\0x.pl"), 0, "perl x.pl" },
		{ TEXT("perl x.pl"), 0, "perl\\x20x.pl" },
		{ TEXT("perl\0\0x.pl\0"), 0, "perl  x.pl" },
		{ TEXT("a b\0c\"d\\\n\xe2"), 0, "a\\x20b c\\x22d\\x5c\\x0a\\xe2" },
		{ TEXT("\\x20\0<"), 0, "\\x5cx20 <" },
		{ "perl\0x.p", 8, SMTPWARD_ARGS_CUT, "perl x.p..." },
		{ TEXT("perl\0x.pl"), SMTPWARD_ARGS_CUT, "perl x.pl ..." },
		{ TEXT("php-fpm: pool forum"), 0, "php-fpm: pool forum" },
		{ TEXT("php-fpm: pool forum\0\0\0\0"), 0, "php-fpm: pool forum" },
		{ TEXT("sshd: a  b   "), 0, "sshd: a  b" },
		{ TEXT("sshd: a\0b c"), 0, "sshd:\\x20a b\\x20c" },
		{ TEXT("a b: c"), 0, "a\\x20b:\\x20c" },
		{ TEXT(" a: b"), 0, "\\x20a:\\x20b" },
		{ TEXT(": b"), 0, ": b" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct smtpward_event event = example();
		char want[1024];

		event_set_args(&event, cases[i].words, cases[i].len);
		event.flags = SMTPWARD_CWD_KNOWN | cases[i].flags;
		snprintf(want, sizeof(want),
			 TIME_OF_EXAMPLE "verdict=deny rule=default " WHO_OF_EXAMPLE
					 "dst=203.0.113.9 dport=25 " NUMBERS_OF_EXAMPLE
					 "exe=\"/usr/bin/php8.2\" cwd=\"/srv/www/forum\" "
					 "args=\"%s\" ancestors=\"apache2<systemd\" "
					 "comm=\"php\" cgroup=\"/system.slice/apache2.service\"",
			 cases[i].args);
		assert_line(&event, want);
	}
}

static void test_ancestors(void **state __attribute__((unused)))
{
	static const struct {
		const char *comms[SMTPWARD_ANCESTORS];
		uint8_t n;
		const char *ancestors;
	} cases[] = {
		{ { "" }, 0, "" },
		{ { "" }, 1, "" },
		{ { "", "" }, 2, "<" },
		{ { "a", "b", "c", "d", "e" }, 5, "a<b<c<d<e" },
		{ { "a<b", "c" }, 2, "a\\x3cb<c" },
		{ { "<", "\"" }, 2, "\\x3c<\\x22" },
		{ { "a b", "0123456789abcdef" }, 2, "a b<0123456789abcdef" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct smtpward_event event = example();
		char want[128], text[LINE_TEXT_SIZE];
		struct line line;

		for (size_t k = 0; k < SMTPWARD_ANCESTORS; k++)
			event_set_ancestor(&event, k, cases[i].comms[k] ?: "X");
		event.ancestors = cases[i].n;
		assert_int_equal(line_from_event(&event, sizeof(event), 0, &line), 0);
		assert_true(line_to_text(&line, text, sizeof(text)) > 0);
		snprintf(want, sizeof(want), " ancestors=\"%s\" comm=", cases[i].ancestors);
		if (!strstr(text, want))
			fail_msg("no%s in %s", want, text);
	}
}

/* A record of release 0.1.0, which has a parent alone. */
static void test_first_abi(void **state __attribute__((unused)))
{
	struct smtpward_event_1 event = {
		.time_ns = BOOT,
		.cgroup_id = 7311,
		.address = { [10] = 0xff, [11] = 0xff, [12] = 203, [14] = 113, [15] = 9 },
		.port = 25,
		.rule = SMTPWARD_RULE_NONE,
		.flags = SMTPWARD_EXE_DELETED,
		.uid = 1,
		.euid = 2,
		.egid = 3,
		.auid = 4,
		.pid = 5,
		.ppid = 6,
		.netns = 7,
		.cgroup_len = sizeof("apache2.service\0system.slice"),
		.exe_len = sizeof("php8.2\0bin\0usr"),
		.comm = "php",
		.parent = "a<b",
		.cgroup = "apache2.service\0system.slice",
		.exe = "php8.2\0bin\0usr",
	};
	char text[LINE_TEXT_SIZE];
	struct line line;

	assert_int_equal(line_from_event_1(&event, sizeof(event), 0, &line), 0);
	assert_true(line_to_text(&line, text, sizeof(text)) > 0);
	assert_string_equal(text, TIME_OF_EXAMPLE
			    "verdict=deny rule=default unit=\"apache2.service\" euid=2 "
			    "dst=203.0.113.9 dport=25 uid=1 gid=3 auid=4 pid=5 ppid=6 netns=7 "
			    "cgid=7311 exe=\"/usr/bin/php8.2 (deleted)\" cwd=\"\" args=\"\" "
			    "ancestors=\"a\\x3cb\" comm=\"php\" "
			    "cgroup=\"/system.slice/apache2.service\"");
	assert_int_equal(line_from_event_1(&event, sizeof(event) - 1, 0, &line), -EBADMSG);
	event.exe_len = UINT32_MAX;
	assert_int_equal(line_from_event_1(&event, sizeof(event), 0, &line), 0);
	assert_int_equal(line.exe.len, 1 + strlen("php8.2.bin.usr (deleted)"));
	event.flags = SMTPWARD_CWD_KNOWN;
	assert_int_equal(line_from_event_1(&event, sizeof(event), 0, &line), -EBADMSG);
}

static void test_bad_callers(void **state __attribute__((unused)))
{
	const uint32_t flags[] = { SMTPWARD_EXE_CUT, SMTPWARD_EXE_DELETED, 1U << 5, 1U << 31 };

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		const struct smtpward_caller caller = { .flags = flags[i] };
		struct line line, untouched;

		memset(&line, 0x5a, sizeof(line));
		memset(&untouched, 0x5a, sizeof(untouched));
		assert_int_equal(line_from_caller(&(struct smtpward_caller_key){}, &caller, 1, 1, 1,
						  &line),
				 -EBADMSG);
		assert_memory_equal(&line, &untouched, sizeof(line));
	}
}

static void test_summaries(void **state __attribute__((unused)))
{
	const struct smtpward_caller_key key = { .cgroup_id = 7311, .euid = 33 };
	const struct smtpward_caller_key shared = { .cgroup_id = 7311, .shared = 1 };
	struct smtpward_caller caller = {
		.cgroup = "apache2.service\0system.slice",
		.cgroup_len = sizeof("apache2.service\0system.slice"),
		.flags = SMTPWARD_CALLER_NAMED,
	};
	char text[LINE_TEXT_SIZE];
	struct line line;

	assert_int_equal(line_from_caller(&key, &caller, 12, 0, 5, &line), 0);
	assert_int_equal(line.time, 5);
	assert_true(line_to_text(&line, text, sizeof(text)) > 0);
	assert_string_equal(text, "v=2 time=1970-01-01T00:00:00.000000Z suppressed=12 lost=0 "
				  "unit=\"apache2.service\" euid=33 cgid=7311 "
				  "cgroup=\"/system.slice/apache2.service\"");

	/* Of users who share: nobody's number. */
	assert_int_equal(line_from_caller(&shared, &caller, 12, 0, 5, &line), 0);
	assert_true(line_to_text(&line, text, sizeof(text)) > 0);
	assert_string_equal(text, "v=2 time=1970-01-01T00:00:00.000000Z suppressed=12 lost=0 "
				  "unit=\"apache2.service\" "
				  "cgroup=\"/system.slice/apache2.service\"");

	/* The tenant is not known: not the root cgroup's path, but none. */
	caller = (struct smtpward_caller){ 0 };
	assert_int_equal(line_from_caller(&key, &caller, 0, 7, 5, &line), 0);
	assert_true(line_to_text(&line, text, sizeof(text)) > 0);
	assert_string_equal(text, "v=2 time=1970-01-01T00:00:00.000000Z suppressed=0 lost=7 "
				  "unit=\"\" euid=33 cgid=7311 cgroup=\"\"");

	/* Names that are none do not cost it its caller. */
	caller.flags = SMTPWARD_CALLER_NAMED;
	caller.cgroup_len = 4;
	memcpy(caller.cgroup, "a/b", 4);
	assert_int_equal(line_from_caller(&key, &caller, 0, 7, 5, &line), 0);
	assert_true(line_to_text(&line, text, sizeof(text)) > 0);
	assert_string_equal(text, "v=2 time=1970-01-01T00:00:00.000000Z suppressed=0 lost=7 "
				  "unit=\"\" euid=33 cgid=7311 cgroup=\"?a/b\"");

	line_from_anyone(UINT64_MAX, 3, 6, &line);
	assert_int_equal(line.time, 6);
	assert_true(line_to_text(&line, text, sizeof(text)) > 0);
	assert_string_equal(text, "v=2 time=1970-01-01T00:00:00.000000Z "
				  "suppressed=18446744073709551615 lost=3 unit=\"\" cgroup=\"\"");
}

static void test_time(void **state __attribute__((unused)))
{
	static const struct {
		uint64_t time;
		const char *want;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000000Z" },
		{ 999, "1970-01-01T00:00:00.000000Z" },
		{ 1767323045123456789, "2026-01-02T03:04:05.123456Z" },
		{ 1709251199999999999, "2024-02-29T23:59:59.999999Z" },
		{ 1000, "1970-01-01T00:00:00.000001Z" },
		{ UINT64_MAX, "2554-07-21T23:34:33.709551Z" },
	};
	struct smtpward_event event = example();
	struct line line;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[LINE_TIME_SIZE];

		line_time_text(cases[i].time, text);
		assert_string_equal(text, cases[i].want);
	}
	assert_int_equal(line_from_event(&event, sizeof(event), 500, &line), 0);
	assert_int_equal(line.time, BOOT + 500);
	assert_int_equal(line_from_event(&event, sizeof(event), -500, &line), 0);
	assert_int_equal(line.time, BOOT - 500);
}

/* Every size under the line's is refused without half a line, and none is overrun. */
static void test_line_sizes(void **state __attribute__((unused)))
{
	struct smtpward_event event = example();
	char text[LINE_TEXT_SIZE];
	struct line line;
	int len;

	event.comm[1] = '\n';
	assert_int_equal(line_from_event(&event, sizeof(event), 0, &line), 0);
	len = line_to_text(&line, text, sizeof(text));
	assert_true(len > 0);
	for (int size = 0; size <= len + 1; size++) {
		_cleanup_free_ char *dst = malloc(size + 1);

		assert_non_null(dst);
		memset(dst, '#', size + 1);
		if (size <= len) {
			assert_int_equal(line_to_text(&line, dst, size), -ENOSPC);
			assert_int_equal(dst[0], size ? '\0' : '#');
		} else {
			assert_int_equal(line_to_text(&line, dst, size), len);
			assert_string_equal(dst, text);
		}
		assert_int_equal(dst[size], '#');
	}
}

static void test_forged_comm_exact(void **state __attribute__((unused)))
{
	struct smtpward_event event = example();

	memcpy(event.comm, "\" uid=0 x=\"", 12);
	event_set_ancestor(&event, 1, "a\nb\\c\x1b\x80\xff");
	assert_line(&event, TIME_OF_EXAMPLE "verdict=deny rule=default " WHO_OF_EXAMPLE
					    "dst=203.0.113.9 dport=25 " NUMBERS_OF_EXAMPLE
					    "exe=\"/usr/bin/php8.2\" "
					    "cwd=\"/srv/www/forum\" args=\"php mail.php\" "
					    "ancestors=\"apache2<a\\x0ab\\x5cc\\x1b\\x80\\xff\" "
					    "comm=\"\\x22 uid=0 x=\\x22\" "
					    "cgroup=\"/system.slice/apache2.service\"");
}

static void assert_json(const struct line *line, const char *want)
{
	_cleanup_free_ char *text = NULL;

	assert_int_equal(line_to_json(line, &text), 0);
	assert_string_equal(text, want);
}

static void test_json(void **state __attribute__((unused)))
{
	struct smtpward_event event = example();
	struct line line;

	memcpy(event.comm, "\" x\n\xff", 6);
	assert_int_equal(line_from_event(&event, sizeof(event), 1767323045123456789 - BOOT, &line),
			 0);
	assert_json(&line,
		    "{\"kind\":\"attempt\",\"v\":2,\"time\":\"2026-01-02T03:04:05.123456Z\","
		    "\"verdict\":\"deny\",\"rule\":0,\"unit\":\"apache2.service\",\"euid\":33,"
		    "\"dst\":\"203.0.113.9\",\"dport\":25,\"uid\":33,\"gid\":33,\"auid\":1000,"
		    "\"pid\":4242,\"ppid\":4200,\"netns\":4026531840,\"cgid\":7311,"
		    "\"exe\":\"/usr/bin/php8.2\",\"cwd\":\"/srv/www/forum\","
		    "\"args\":\"php mail.php\",\"ancestors\":\"apache2<systemd\","
		    "\"comm\":\"\\\\x22 x\\\\x0a\\\\xff\","
		    "\"cgroup\":\"/system.slice/apache2.service\"}");
	event.rule = 0;
	event.auid = UINT32_MAX;
	memcpy(event.comm, "php", 4);
	assert_int_equal(line_from_event(&event, sizeof(event), -BOOT, &line), 0);
	assert_json(&line,
		    "{\"kind\":\"attempt\",\"v\":2,\"time\":\"1970-01-01T00:00:00.000000Z\","
		    "\"verdict\":\"deny\",\"rule\":1,\"unit\":\"apache2.service\",\"euid\":33,"
		    "\"dst\":\"203.0.113.9\",\"dport\":25,\"uid\":33,\"gid\":33,"
		    "\"auid\":null,\"pid\":4242,\"ppid\":4200,\"netns\":4026531840,"
		    "\"cgid\":7311,\"exe\":\"/usr/bin/php8.2\",\"cwd\":\"/srv/www/forum\","
		    "\"args\":\"php mail.php\",\"ancestors\":\"apache2<systemd\","
		    "\"comm\":\"php\",\"cgroup\":\"/system.slice/apache2.service\"}");
	line_from_anyone(12, UINT64_MAX, 1000, &line);
	assert_json(&line, "{\"kind\":\"summary\",\"v\":2,\"time\":\"1970-01-01T00:00:00.000001Z\","
			   "\"suppressed\":12,\"lost\":1.8446744073709552e19,"
			   "\"unit\":\"\",\"cgroup\":\"\"}");
	line_from_alert("x", true, 1000, &line);
	assert_json(&line, "{\"kind\":\"alert\",\"v\":2,\"time\":\"1970-01-01T00:00:00.000001Z\","
			   "\"alert\":\"x\",\"healed\":\"yes\"}");
}

static int allocations_left;

static void *scarce_malloc(size_t size)
{
	return allocations_left-- > 0 ? malloc(size) : NULL;
}

/* Out of memory at each allocation in turn: said, and nothing leaks. */
static void test_json_no_memory(void **state __attribute__((unused)))
{
	struct smtpward_event event = example();
	struct line line;
	int r = -ENOMEM, failures;

	assert_int_equal(line_from_event(&event, sizeof(event), 0, &line), 0);
	json_set_alloc_funcs(scarce_malloc, free);
	for (failures = 0; r < 0; failures++) {
		char *text = (char *)"untouched";

		allocations_left = failures;
		r = line_to_json(&line, &text);
		if (r < 0) {
			assert_int_equal(r, -ENOMEM);
			assert_string_equal(text, "untouched");
		} else {
			free(text);
		}
	}
	json_set_alloc_funcs(malloc, free);
	assert_in_range(failures, 20, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attempt),
		cmocka_unit_test(test_attempt_extremes),
		cmocka_unit_test(test_destination),
		cmocka_unit_test(test_cgroup_paths),
		cmocka_unit_test(test_exe_paths),
		cmocka_unit_test(test_bad_events),
		cmocka_unit_test(test_odd_names),
		cmocka_unit_test(test_odd_lengths),
		cmocka_unit_test(test_cwd_paths),
		cmocka_unit_test(test_args),
		cmocka_unit_test(test_ancestors),
		cmocka_unit_test(test_first_abi),
		cmocka_unit_test(test_bad_callers),
		cmocka_unit_test(test_summaries),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_line_sizes),
		cmocka_unit_test(test_forged_comm_exact),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_no_memory),
	};

	return cmocka_run_group_tests_name("line", tests, NULL, NULL);
}
