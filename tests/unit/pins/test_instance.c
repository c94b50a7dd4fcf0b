// SPDX-License-Identifier: GPL-2.0-only
/* The name of a pin directory: as systemd-escape --path has it, and no other's. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/macro.h"
#include "pins/instance.h"

static void assert_name(const char *path, const char *expected)
{
	char name[PINS_PATH_SIZE] = "";

	assert_int_equal(pins_instance_name(path, name), 0);
	assert_string_equal(name, expected);
}

static void test_names(void **state)
{
	/* What systemd-escape --path of systemd 252 prints, but for the dots. */
	assert_name("/sys/fs/bpf/smtpward", "sys-fs-bpf-smtpward");
	assert_name("/", "-");
	assert_name("//sys///fs/bpf/", "sys-fs-bpf");
	assert_name("/a-b/c", "a\\x2db-c");
	assert_name("/a/b-c", "a-b\\x2dc");
	assert_name("/.hidden/.x", "\\x2ehidden-\\x2ex");
	assert_name("/...", "\\x2e\\x2e\\x2e");
	assert_name("/a b\\c", "a\\x20b\\x5cc");
	assert_name("/\xc3\xa4", "\\xc3\\xa4");
	assert_name("/a:b_c.d", "a:b_c\\x2ed");
	assert_name("/\n\x7f\xff", "\\x0a\\x7f\\xff");
}

static void test_no_names(void **state)
{
	static const char *const bad[] = { "", "a", "a/b", "/a/../b", "/..", "/./a", "/a/." };
	char name[PINS_PATH_SIZE] = "untouched";

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(pins_instance_name(bad[i], name), -EINVAL);
	assert_string_equal(name, "untouched");
}

static void test_length(void **state)
{
	char path[PINS_PATH_SIZE + 2], name[PINS_PATH_SIZE];

	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[PINS_PATH_SIZE] = '\0';
	assert_int_equal(pins_instance_name(path, name), 0);
	assert_int_equal(strlen(name), PINS_PATH_SIZE - 1);
	path[PINS_PATH_SIZE] = 'a';
	path[PINS_PATH_SIZE + 1] = '\0';
	assert_int_equal(pins_instance_name(path, name), -ENAMETOOLONG);
	memset(path + 1, '-', PINS_PATH_SIZE / 4);
	path[PINS_PATH_SIZE / 4 + 1] = '\0';
	assert_int_equal(pins_instance_name(path, name), -ENAMETOOLONG);
	path[PINS_PATH_SIZE / 4] = '\0';
	assert_int_equal(pins_instance_name(path, name), 0);
}

static void test_option(void **state)
{
	assert_string_equal(pins_option(NULL).text, "");
	assert_string_equal(pins_option("").text, "");
	assert_string_equal(pins_option(PINS_DEFAULT_PATH).text, "");
	assert_string_equal(pins_option("/sys/fs/bpf/other").text, " --pins /sys/fs/bpf/other");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_no_names),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_option),
	};

	return cmocka_run_group_tests_name("instance", tests, NULL, NULL);
}
