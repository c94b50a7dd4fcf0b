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
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

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
static const char *const files[] = { "cron.service", "getty@.service", "x.slice/file.service" };

static bool known(int (*ask)(const char *dir, const char *name, bool *ret), const char *name)
{
	bool answer = false;

	assert_int_equal(ask(home, name, &answer), 0);
	return answer;
}

static void test_files(void **state)
{
	(void)state;
	assert_true(known(unit_is_in_files, "cron.service"));
	assert_true(known(unit_is_in_files, "cro*.service"));
	assert_true(known(unit_is_in_files, "*"));
	assert_true(known(unit_is_in_files, "getty@tty1.service"));
	assert_true(known(unit_is_in_files, "getty@-.service"));
	assert_true(known(unit_is_in_files, "getty@*.service"));
	assert_false(known(unit_is_in_files, "cron"));
	assert_false(known(unit_is_in_files, "ron.service"));
	assert_false(known(unit_is_in_files, "getty@tty1.socket"));
	assert_false(known(unit_is_in_files, "tty@1.service"));
	assert_false(known(unit_is_in_files, "getty1.service"));
	assert_false(known(unit_is_in_files, "cron.servicecron.service"));
}

/* Below nothing but slices, and no file. */
static void test_cgroups(void **state)
{
	(void)state;
	assert_true(known(unit_is_in_cgroups, "a.service"));
	assert_true(known(unit_is_in_cgroups, "b.service"));
	assert_true(known(unit_is_in_cgroups, "docker"));
	assert_true(known(unit_is_in_cgroups, "d*er"));
	assert_false(known(unit_is_in_cgroups, "inner.service"));
	assert_false(known(unit_is_in_cgroups, "file.service"));
	assert_false(known(unit_is_in_cgroups, "cron.service"));
	assert_false(known(unit_is_in_cgroups, "x*"));
	assert_false(known(unit_is_in_cgroups, "dockers"));
}

static void test_no_directory(void **state)
{
	bool answer = true;

	(void)state;
	assert_int_equal(unit_is_in_files("/not/there", "a.service", &answer), 0);
	assert_false(answer);
	assert_int_equal(unit_is_known("not-there-5a1d.service", &answer), 0);
	assert_false(answer);
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
		if (mknod(files[i], S_IFREG | 0644, 0))
			return -1;
	return 0;
}

static int leave(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (unlink(files[i]))
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
		cmocka_unit_test(test_cgroups),
		cmocka_unit_test(test_no_directory),
	};

	return cmocka_run_group_tests_name("unit", tests, enter, leave);
}
