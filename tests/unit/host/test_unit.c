// SPDX-License-Identifier: GPL-2.0-only
/* Which units a machine knows, by a directory of unit files and one of cgroups. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "host/unit.h"

static char home[] = "/tmp/smtpward-units-XXXXXX";

static const char *const folders[] = {
	"a.service",
	"x.slice",
	"x.slice/b.service",
	"x.slice/y.slice",
	"x.slice/y.slice/docker",
	"x.slice/b.service/inner.service",
	"x.slice/z.service.d",
};
static const char *const files[] = { "cron.service", "getty@.service", "x.slice/file.service",
				     "x.slice/linked.service", "empty.service" };

static const char *const links[][2] = {
	{ "null.service", "/dev/null" },
	{ "lost.service", "nosuch.service" },
	{ "other.service", "cron.service" },
	{ "another.service", "other.service" },
	{ "autovt@.service", "getty@.service" },
	{ "one@x.service", "getty@.service" },
	{ "linked.service", "x.slice/linked.service" },
	{ "renamed.service", "x.slice/file.service" },
};

static bool known(const char *name)
{
	bool answer = false;

	assert_int_equal(unit_is_in_cgroups(home, name, &answer), 0);
	return answer;
}

static void found(const char *name, enum unit_kind kind, const char *real)
{
	const char *const dirs[] = { "/not/there", home };
	enum unit_kind is = UNIT_UNKNOWN;
	_cleanup_free_ char *of = NULL;

	assert_int_equal(unit_find_in_files(dirs, ARRAY_SIZE(dirs), name, &is, &of), 0);
	if (is != kind)
		fail_msg("%s: %d", name, is);
	if (real)
		assert_string_equal(of, real);
	else
		assert_null(of);
}

static void test_files(void **state)
{
	static const char *const there[] = {
		"cron.service",	      "cro*.service",	 "*",
		"getty@tty1.service", "getty@-.service", "getty@*.service",
		"linked.service",     "renamed.service"
	};
	static const char *const missing[] = {
		"cron",		 "ron.service",	   "getty@tty1.socket",
		"tty@1.service", "getty1.service", "cron.servicecron.service",
		"lost.service",	 "a.service",	   "lost*.service",
		"null*",	 "empty*.service", "a*.service.d"
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(there); i++)
		found(there[i], UNIT_KNOWN, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(missing); i++)
		found(missing[i], UNIT_UNKNOWN, NULL);
}

/* Names that are files' and that no process's cgroup has. */
static void test_kinds(void **state)
{
	(void)state;
	found("getty@.service", UNIT_TEMPLATE, NULL);
	found("autovt@.service", UNIT_TEMPLATE, NULL);
	found("null.service", UNIT_MASKED, NULL);
	found("empty.service", UNIT_MASKED, NULL);
	found("other.service", UNIT_ALIAS, "cron.service");
	found("another.service", UNIT_ALIAS, "cron.service");
	found("autovt@tty1.service", UNIT_ALIAS, "getty@tty1.service");
	found("one@x.service", UNIT_ALIAS, "getty@x.service");
}

/* Below nothing but slices, and no file. */
static void test_cgroups(void **state)
{
	(void)state;
	assert_true(known("a.service"));
	assert_true(known("b.service"));
	assert_true(known("docker"));
	assert_true(known("d*er"));
	assert_false(known("inner.service"));
	assert_false(known("file.service"));
	assert_false(known("cron.service"));
	assert_false(known("x*"));
	assert_false(known("dockers"));
}

/* On this machine. */
static void test_not_there(void **state)
{
	enum unit_kind kind = UNIT_KNOWN;
	char *real = NULL;

	(void)state;
	assert_int_equal(unit_find("not-there-5a1d.service", &kind, &real), 0);
	assert_int_equal(kind, UNIT_UNKNOWN);
	assert_null(real);
}

static int enter(void **state)
{
	(void)state;
	if (!mkdtemp(home) || chdir(home))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (mkdir(folders[i], 0755))
			return -1;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (mknod(files[i], S_IFREG | 0644, 0) ||
		    (strcmp(files[i], "empty.service") && truncate(files[i], 1)))
			return -1;
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (symlink(links[i][1], links[i][0]))
			return -1;
	return 0;
}

static int leave(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (unlink(files[i]))
			return -1;
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (unlink(links[i][0]))
			return -1;
	/* What is below another one stands behind it. */
	for (size_t i = ARRAY_SIZE(folders); i-- > 0;)
		if (rmdir(folders[i]))
			return -1;
	return chdir("/") || rmdir(home);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_cgroups),
		cmocka_unit_test(test_not_there),
	};

	return cmocka_run_group_tests_name("unit", tests, enter, leave);
}
