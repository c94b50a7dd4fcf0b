// SPDX-License-Identifier: GPL-2.0-only
/* Which files can be bent by nobody but root and our own user: what the way to them says. */
#include <errno.h>
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
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "host/trusted.h"

#define OTHER 4242

/* In a directory of our own, which is where we are. */
static char home[] = "/tmp/smtpward-trusted-XXXXXX";

static void file(const char *path, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(close(fd), 0);
}

static void folder(const char *path, mode_t mode)
{
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chmod(path, mode), 0);
}

/* Opens it; the reason, if any, names who is to blame. */
static void assert_open(const char *path, int result, const char *blamed)
{
	struct reason why = { "" };
	int fd = -1, r = trusted_open(path, O_RDONLY, &fd, &why);

	if (r != result)
		fail_msg("%s: %d and not %d: %s", path, r, result, why.text);
	assert_true((r == 0) == (fd >= 0));
	if (fd >= 0)
		close(fd);
	if (!blamed)
		assert_string_equal(why.text, "");
	else if (!strstr(why.text, blamed) || !strstr(why.text, "decides for root"))
		fail_msg("%s: no '%s' in '%s'", path, blamed, why.text);
}

static void test_ways(void **state)
{
	char absolute[PATH_MAX];

	(void)state;
	folder("a", 0755);
	folder("a/b", 0755);
	file("a/b/x", 0644);
	assert_int_equal(symlink("b/x", "a/link"), 0);
	assert_int_equal(symlink("../../a/./link", "a/b/link"), 0);
	assert_int_equal(symlink("loop", "loop"), 0);
	snprintf(absolute, sizeof(absolute), "%s/a", home);
	assert_int_equal(symlink(absolute, "absolute"), 0);
	snprintf(absolute, sizeof(absolute), "%s/a/b/x", home);
	assert_open(absolute, 0, NULL);
	assert_open("a/b/x", 0, NULL);
	assert_open(".//a/../a/b//x", 0, NULL);
	assert_open("a/link", 0, NULL);
	assert_open("a/b/link", 0, NULL);
	assert_open("absolute/b/link", 0, NULL);
	assert_open("absolute/", 0, NULL);
	assert_open("/", 0, NULL);
	assert_open("/dev/null", 0, NULL);
	assert_open("loop", -ELOOP, NULL);
	assert_open("a/c", -ENOENT, NULL);
	assert_open("a/c/x", -ENOENT, NULL);
	assert_open("a/b/x/y", -ENOTDIR, NULL);
	assert_open("", 0, NULL); /* the directory where we are */
}

static void test_others_write(void **state)
{
	(void)state;
	folder("open", 0777);
	file("open/x", 0644);
	folder("sticky", 01777);
	file("sticky/x", 0644);
	file("anyone", 0646);
	assert_int_equal(symlink("open/x", "into"), 0);
	assert_open("open/x", -EPERM, "/open");
	assert_open("into", -EPERM, "/open");
	assert_open("open/../sticky/x", -EPERM, "/open");
	assert_open("sticky/x", 0, NULL);
	assert_open("anyone", -EPERM, "it,");
}

static void test_others_own(void **state)
{
	(void)state;
	if (geteuid())
		skip();
	folder("theirs", 0755);
	file("theirs/x", 0644);
	assert_int_equal(chown("theirs", OTHER, 0), 0);
	assert_open("theirs/x", -EPERM, "/theirs belongs to the user 4242");
	file("y", 0644);
	assert_int_equal(chown("y", OTHER, 0), 0);
	assert_open("y", -EPERM, "it belongs to the user 4242");
	file("group", 0664);
	assert_open("group", 0, NULL);
	assert_int_equal(chown("group", 0, OTHER), 0);
	assert_open("group", -EPERM, "write to it");
	/* In a sticky directory a link is its owner's. */
	folder("shared", 01777);
	file("shared/x", 0644);
	assert_int_equal(symlink("x", "shared/link"), 0);
	assert_open("shared/link", 0, NULL);
	assert_int_equal(lchown("shared/link", OTHER, OTHER), 0);
	assert_open("shared/link", -EPERM, "/shared/link belongs");
}

/* As `setfacl -m u:4242:rw`, or with r alone, writes it: see linux/posix_acl_xattr.h. */
static void give(const char *path, uint16_t rights)
{
	const struct {
		uint32_t version;
		struct {
			uint16_t tag, rights;
			uint32_t id;
		} entries[5];
	} acl = {
		2,
		{
			{ 0x01, 6, UINT32_MAX },
			{ 0x02, rights, OTHER },
			{ 0x04, 4, UINT32_MAX },
			{ 0x10, rights, UINT32_MAX },
			{ 0x20, 4, UINT32_MAX },
		},
	};

	if (!setxattr(path, "system.posix_acl_access", &acl, sizeof(acl), 0))
		return;
	assert_int_equal(errno, ENOTSUP);
	skip();
}

/* The same as opened for the log: by the directory, and by what was opened. */
static void assert_log(const char *path, int directory, bool is_kept)
{
	_cleanup_close_ int dir_fd = -1, fd = open(path, O_RDONLY | O_CLOEXEC);
	const char *name;
	struct stat st;

	assert_int_equal(trusted_open_parent(path, &dir_fd, &name), directory);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(trusted_file(fd, &st), is_kept);
}

static void test_acls(void **state)
{
	(void)state;
	if (geteuid())
		skip();
	folder("acls", 0775);
	file("acls/x", 0664);
	assert_log("acls/x", 0, true);
	give("acls/x", 4);
	assert_open("acls/x", 0, NULL);
	assert_log("acls/x", 0, true);
	give("acls/x", 6);
	assert_open("acls/x", -EPERM,
		    "write to it, and it decides for root: take it away (setfacl -b)");
	assert_log("acls/x", 0, false);
	file("acls/y", 0644);
	give("acls", 6);
	assert_open("acls/y", -EPERM, "/acls, and");
	assert_log("acls/y", -EPERM, true);
	assert_int_equal(removexattr("acls", "system.posix_acl_access"), 0);
	assert_open("acls/y", 0, NULL);
}

static int enter(void **state)
{
	(void)state;
	return !mkdtemp(home) || chdir(home);
}

static int leave(void **state)
{
	static const char *const made[] = {
		"a/b/x",       "a/b/link", "a/link", "a/b",    "a",	   "loop",
		"absolute",    "open/x",   "open",   "into",   "sticky/x", "sticky",
		"anyone",      "theirs/x", "theirs", "y",      "group",	   "shared/x",
		"shared/link", "shared",   "acls/x", "acls/y", "acls",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(made); i++)
		if (remove(made[i]) && errno != ENOENT)
			return -1;
	return chdir("/") || rmdir(home);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ways),
		cmocka_unit_test(test_others_write),
		cmocka_unit_test(test_others_own),
		cmocka_unit_test(test_acls),
	};

	return cmocka_run_group_tests_name("trusted", tests, enter, leave);
}
