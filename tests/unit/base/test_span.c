// SPDX-License-Identifier: GPL-2.0-only
/* Spans of time: what is one and what is not, and how one is said. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/macro.h"
#include "base/span.h"

static void test_good(void **state __attribute__((unused)))
{
	static const struct {
		const char *text;
		uint64_t seconds;
	} spans[] = {
		{ "0s", 0 },	     { "1s", 1 },	{ "30s", 30 },	    { "90s", 90 },
		{ "5m", 300 },	     { "5min", 300 },	{ "2h", 7200 },	    { "1h30m", 5400 },
		{ "1h30min", 5400 }, { "1h30s", 3630 }, { "1h2m3s", 3723 }, { "8784h", 31622400 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(spans); i++) {
		uint64_t seconds = UINT64_MAX;

		assert_int_equal(span_parse(spans[i].text, &seconds), 0);
		assert_int_equal(seconds, spans[i].seconds);
	}
}

static void test_bad(void **state __attribute__((unused)))
{
	static const char *const texts[] = { "",     "5",    "s",    "m5",   "5x",   "5mi",
					     "5 m",  " 5m",  "5m ",  "-5m",  "+5m",  "0x5m",
					     "5.5m", "5M",   "1m1h", "1m1m", "1s1s", "1m1min",
					     "1h30", "5m\n", "007m", "00s",  "1h05m" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		uint64_t seconds = 42;

		assert_int_equal(span_parse(texts[i], &seconds), -EINVAL);
		assert_int_equal(seconds, 42);
	}
}

/* No number is so large that it is a small one. */
static void test_too_long(void **state __attribute__((unused)))
{
	static const char *const texts[] = {
		"8785h",
		"8784h1s",
		"31622401s",
		"99999999999999999999s",
		"18446744073709551616s",
		"18446744073709551617m",
		"5124095576030431h",
		"307445734561825861m",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		uint64_t seconds = 42;

		assert_int_equal(span_parse(texts[i], &seconds), -ERANGE);
		assert_int_equal(seconds, 42);
	}
}

static void test_text(void **state __attribute__((unused)))
{
	static const struct {
		uint64_t seconds;
		const char *text;
	} spans[] = {
		{ 0, "0s" },
		{ 1, "1s" },
		{ 59, "59s" },
		{ 60, "1m" },
		{ 61, "1m 1s" },
		{ 3600, "1h" },
		{ 3601, "1h 1s" },
		{ 5400, "1h 30m" },
		{ 3723, "1h 2m 3s" },
		{ 86400, "24h" },
		{ UINT64_MAX, "5124095576030431h 15s" },
	};
	char text[SPAN_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(spans); i++) {
		memset(text, 'x', sizeof(text));
		span_text(spans[i].seconds, text);
		assert_string_equal(text, spans[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests_name("span", tests, NULL, NULL);
}
