// SPDX-License-Identifier: GPL-2.0-only
/* Names that hold in any working directory: which part is resolved, and which is not. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/absolute.h"

/* A directory of our own, where we are; in it the folder "real", and a link to that. */
static char home[] = "/tmp/smtpward-absolute-XXXXXX";

static void assert_path(const char *path, const char *expected)
{
	char *absolute = NULL, in_home[PATH_MAX];

	assert_int_equal(absolute_path(path, &absolute), 0);
	if (*expected != '/') {
		snprintf(in_home, sizeof(in_home), "%s/%s", home, expected);
		expected = in_home;
	}
	assert_string_equal(absolute, expected);
	free(absolute);
}

static void assert_none(const char *path, int result)
{
	char *absolute = NULL;

	assert_int_equal(absolute_path(path, &absolute), result);
	assert_null(absolute);
}

static void test_resolved(void **state)
{
	assert_path("pins", "pins");
	assert_path("./pins", "pins");
	assert_path("real/../pins", "pins");
	assert_path("link/pins", "real/pins");
	assert_path("link/pins///", "real/pins");
	assert_path("/dev/null", "/dev/null");
	assert_path("/nothing", "/nothing");
	assert_path("//nothing", "/nothing");
}

/* The last part need not be there, and if it is a link its own name is what is meant. */
static void test_last_part(void **state)
{
	assert_path("link", "link");
	assert_path("link/", "link");
}

static void test_none(void **state)
{
	char longest[PATH_MAX + 2];

	assert_none("missing/pins", -ENOENT);
	assert_none("", -EINVAL);
	assert_none("/", -EINVAL);
	assert_none(".", -EINVAL);
	assert_none("real/..", -EINVAL);
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	assert_none(longest, -ENAMETOOLONG);
}

static int setup(void **state)
{
	return !mkdtemp(home) || chdir(home) || mkdir("real", 0700) || symlink("real", "link");
}

static int teardown(void **state)
{
	return unlink("link") || rmdir("real") || chdir("/") || rmdir(home);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resolved),
		cmocka_unit_test(test_last_part),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests_name("absolute", tests, setup, teardown);
}
