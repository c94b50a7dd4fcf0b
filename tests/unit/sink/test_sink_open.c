// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which sink a name stands for, and what a sink has that leaves out what it may.
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
#include <unistd.h>

#include <cmocka.h>

#include "sink/sink_fixture.h"

static void assert_opens(const char *spec, const char *name)
{
	_cleanup_sink_ struct sink *sink = NULL;

	assert_int_equal(sink_open(spec, &sink), 0);
	assert_string_equal(sink->ops->name, name);
}

static void test_names(void **state __attribute__((unused)))
{
	assert_opens("syslog", "machine");
	assert_opens("journal", "journal");
	assert_opens("stderr", "stream");
	assert_opens("json", "stream");
	assert_opens("log", "file");
	assert_opens("./syslog", "file");
	assert_opens("Syslog", "file");
	assert_opens("stderr2", "file");
	assert_int_equal(access("log", F_OK), 0);
	assert_int_equal(access("stderr", F_OK), -1);
}

/* What people are told is what there is: a name in it is no file's. */
static void test_specs(void **state __attribute__((unused)))
{
	char specs[] = SINK_SPECS;
	char *rest = specs;

	for (char *spec = strsep(&rest, "|"); spec; spec = strsep(&rest, "|")) {
		_cleanup_sink_ struct sink *sink = NULL;

		assert_int_equal(sink_open(spec, &sink), 0);
		assert_int_equal(!strcmp(sink->ops->name, "file"), !strcmp(spec, "FILE"));
	}
}

static void test_refused(void **state)
{
	struct sink *sink = (struct sink *)state;

	assert_int_equal(sink_open("no/such", &sink), -ENOENT);
	assert_int_equal(sink_open("", &sink), -ENOENT);
	assert_ptr_equal(sink, state);
}

static void test_default(void **state __attribute__((unused)))
{
	assert_string_equal(sink_default(), access(SINK_SYSLOG_PATH, F_OK) ? "stderr" : "syslog");
}

static void test_optional(void **state __attribute__((unused)))
{
	const struct sink_ops none = { .name = "none" };
	const struct smtpward_receipt receipt = { .kind = SMTPWARD_RECEIPT_FILE };
	struct sink sink = { .ops = &none };

	assert_int_equal(sink_poll_fd(&sink), -1);
	assert_int_equal(sink_reopen(&sink), 0);
	assert_int_equal(sink_is_out(&sink, &receipt), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_names),   TEST(test_specs),	 TEST(test_refused),
		TEST(test_default), TEST(test_optional),
	};

	return cmocka_run_group_tests_name("sink_open", tests, NULL, NULL);
}
