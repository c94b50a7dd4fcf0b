// SPDX-License-Identifier: GPL-2.0-only
/*
 * Quoting: what comes out for every byte, that it goes back to the same bytes, and
 * that nothing is written past the buffer.
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
#include "base/quote.h"

static void assert_quoted(const char *src, size_t len, const char *want)
{
	char got[256];

	assert_int_equal(quote_text(src, len, got, sizeof(got)), strlen(want));
	assert_string_equal(got, want);
}

static void test_exact(void **state __attribute__((unused)))
{
	assert_quoted("", 0, "");
	assert_quoted("apache2", 7, "apache2");
	assert_quoted("a b=c 'd' /x", 12, "a b=c 'd' /x");
	assert_quoted("\" uid=0 x=\"", 11, "\\x22 uid=0 x=\\x22");
	assert_quoted("\\x22", 4, "\\x5cx22");
	assert_quoted("a\nb\r\tc", 6, "a\\x0ab\\x0d\\x09c");
	assert_quoted("\033[2J", 4, "\\x1b[2J");
	assert_quoted("\x7f\x80\xff~ ", 5, "\\x7f\\x80\\xff~ ");
	assert_quoted("\xc3\xa9", 2, "\\xc3\\xa9");
	assert_quoted("a\0b", 3, "a\\x00b");
}

static void test_every_byte(void **state __attribute__((unused)))
{
	for (int byte = 0; byte < 256; byte++) {
		const bool plain = byte >= 0x20 && byte <= 0x7e && byte != '"' && byte != '\\';
		char want[8], src = byte;

		snprintf(want, sizeof(want), plain ? "%c" : "\\x%02x", byte);
		assert_quoted(&src, 1, want);
	}
}

/* Every size under the one it needs is refused, and nothing behind the size is written. */
static void test_sizes(void **state __attribute__((unused)))
{
	static const char src[] = "a\"b\n";
	static const char want[] = "a\\x22b\\x0a";

	for (size_t size = 0; size <= sizeof(want); size++) {
		_cleanup_free_ char *dst = malloc(size + 1);

		assert_non_null(dst);
		dst[size] = '#';
		if (size < sizeof(want)) {
			assert_int_equal(quote_text(src, 4, dst, size), -ENOSPC);
		} else {
			assert_int_equal(quote_text(src, 4, dst, size), sizeof(want) - 1);
			assert_string_equal(dst, want);
		}
		assert_int_equal(dst[size], '#');
	}
}

static size_t unquote(const char *text, char *dst)
{
	size_t used = 0;

	while (*text) {
		unsigned int byte;

		assert_in_range(*text, 0x20, 0x7e);
		assert_int_not_equal(*text, '"');
		if (*text != '\\') {
			dst[used++] = *text++;
			continue;
		}
		assert_int_equal(sscanf(text, "\\x%2x", &byte), 1);
		dst[used++] = byte;
		text += 4;
	}
	return used;
}

static void test_random(void **state __attribute__((unused)))
{
	srandom(25);
	for (int round = 0; round < 20000; round++) {
		char src[64], back[64], dst[QUOTE_SIZE(sizeof(src))];
		const size_t len = random() % (sizeof(src) + 1);
		ssize_t quoted;

		for (size_t i = 0; i < len; i++)
			src[i] = random();
		quoted = quote_text(src, len, dst, sizeof(dst));
		assert_in_range(quoted, len, 4 * len);
		assert_int_equal(strlen(dst), quoted);
		assert_int_equal(quote_length(src, len), quoted);
		assert_int_equal(unquote(dst, back), len);
		assert_memory_equal(back, src, len);
		memset(back, 0, sizeof(back));
		assert_int_equal(quote_undo(dst, quoted, back), len);
		assert_memory_equal(back, src, len);
	}
}

/* What quoting never gives is not taken back: each text has one way to be written. */
static void test_not_quoted(void **state __attribute__((unused)))
{
	static const char *const texts[] = {
		"\"",	  "a\"b",	 "\\",	  "\\x",   "\\x0",	"\\x0g",
		"\\x0A", "\\x61",	 "\\x20",  "\\n",	 "\\\\",	"\\X0a",
		"\n",	  "a\x7f", "\xc3\xa9", "\\x0a\\", "\\x7e", "\\x5c\\x",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		char bytes[16];

		if (quote_undo(texts[i], strlen(texts[i]), bytes) != -EBADMSG)
			fail_msg("it takes %s", texts[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_not_quoted),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("quote", tests, NULL, NULL);
}
