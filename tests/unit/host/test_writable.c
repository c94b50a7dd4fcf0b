// SPDX-License-Identifier: GPL-2.0-only
/* Who can change a file: real files, of real owners. Needs root, which can give files away. */
#include <fcntl.h>
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

#include "base/macro.h"
#include "host/writable.h"

/* Numbers that no account has. */
#define USER 61184
#define OTHER 61185

static char *top;

static int setup(void **state)
{
	char path[] = "/run/smtpward-test-XXXXXX";

	top = mkdtemp(path) ? strdup(path) : NULL;
	return !top || chmod(top, 0755);
}

static const char *in_top(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", top, name);
	return path;
}

static int teardown(void **state)
{
	static const char *const names[] = { "dir/link", "dir/file", "dir", "way" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (unlink(in_top(names[i])))
			rmdir(in_top(names[i]));
	rmdir(top);
	free(top);
	return 0;
}

static void test_rights(void **state)
{
	static const struct {
		uint32_t dir_owner;
		mode_t dir_mode;
		uint32_t owner;
		mode_t mode;
		enum writable user, root;
	} rows[] = {
		{ 0, 0755, 0, 0755, WRITABLE_ROOT, WRITABLE_ROOT },
		{ 0, 0775, 0, 0775, WRITABLE_ROOT, WRITABLE_ROOT }, /* of group 0 */
		{ 0, 0755, USER, 0444, WRITABLE_USER, WRITABLE_OTHERS },
		{ 0, 0755, OTHER, 0644, WRITABLE_OTHERS, WRITABLE_OTHERS },
		{ 0, 0755, 0, 0646, WRITABLE_USER, WRITABLE_OTHERS },
		{ USER, 0755, 0, 0644, WRITABLE_USER, WRITABLE_OTHERS },
		{ OTHER, 0755, 0, 0644, WRITABLE_OTHERS, WRITABLE_OTHERS },
		{ 0, 0757, 0, 0644, WRITABLE_USER, WRITABLE_OTHERS },
		{ 0, 01777, 0, 0644, WRITABLE_ROOT, WRITABLE_ROOT },
		{ 0, 01777, USER, 0644, WRITABLE_USER, WRITABLE_OTHERS },
		{ USER, 01777, 0, 0644, WRITABLE_USER, WRITABLE_OTHERS },
	};
	const int fd = mkdir(in_top("dir"), 0755) ? -1 : open(in_top("dir/file"), O_CREAT, 0600);

	assert_true(fd >= 0);
	close(fd);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		enum writable user, root;

		assert_int_equal(chown(in_top("dir"), rows[i].dir_owner, 0), 0);
		assert_int_equal(chmod(in_top("dir"), rows[i].dir_mode), 0);
		assert_int_equal(chown(in_top("dir/file"), rows[i].owner, 0), 0);
		assert_int_equal(chmod(in_top("dir/file"), rows[i].mode), 0);
		user = writable_by(in_top("dir/file"), USER);
		root = writable_by(in_top("dir/file"), 0);
		if (user != rows[i].user || root != rows[i].root)
			fail_msg("%zu: %d %d", i, user, root);
	}
}

/* The directory itself, as one that a script runs in; and what a link leads to. */
static void test_ways(void **state)
{
	assert_int_equal(chown(in_top("dir"), 0, 0), 0);
	assert_int_equal(chmod(in_top("dir"), 01777), 0);
	assert_int_equal(chown(in_top("dir/file"), 0, 0), 0);
	assert_int_equal(chmod(in_top("dir/file"), 0644), 0);
	assert_int_equal(writable_by(in_top("dir"), USER), WRITABLE_USER);
	assert_int_equal(writable_by("/", USER), WRITABLE_ROOT);
	assert_int_equal(symlink("/", in_top("dir/link")), 0);
	assert_int_equal(lchown(in_top("dir/link"), USER, USER), 0);
	assert_int_equal(symlink("dir", in_top("way")), 0);
	assert_int_equal(writable_by(in_top("way"), USER), WRITABLE_USER);
	assert_int_equal(writable_by(in_top("way/file"), USER), WRITABLE_ROOT);
	assert_int_equal(writable_by(in_top("none"), USER), WRITABLE_UNKNOWN);
	assert_int_equal(writable_by("dir", USER), WRITABLE_UNKNOWN);
	assert_int_equal(writable_by("", USER), WRITABLE_UNKNOWN);
}

/* By the machine's own accounts. */
static void test_groups(void **state)
{
	assert_int_equal(chmod(in_top("dir"), 0755), 0);
	assert_int_equal(chown(in_top("dir/file"), 0, 1), 0); /* daemon */
	assert_int_equal(chmod(in_top("dir/file"), 0664), 0);
	assert_int_equal(writable_by(in_top("dir/file"), 1), WRITABLE_USER);
	assert_int_equal(writable_by(in_top("dir/file"), USER), WRITABLE_OTHERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rights),
		cmocka_unit_test(test_ways),
		cmocka_unit_test(test_groups),
	};

	return cmocka_run_group_tests_name("writable", tests, setup, teardown);
}
