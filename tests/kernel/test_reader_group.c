// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who reads, and who else writes: the group that a load gives rights to and no other one,
 * and a log's file that is one log's alone.
 */
#include "fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>

static void file_path(char *dst, size_t size, const char *name)
{
	snprintf(dst, size, "%s/%s", fixture.dir, name);
}

/* The file of a log. */

static int load_other(const char *pins)
{
	return smtpward("load", "-c", policy_write("mode audit\n"), "--cgroup", fixture.attached,
			"--pins", pins, NULL);
}

/* Two instances do not know of each other; a line of one is not taken for the other's. */
static void test_one_file_two_logs(void **state)
{
	char pins[128], path[128], rotated[128];
	const char *first[] = { "smtpward", "log", "--pins", fixture.pins, "--to", path, NULL };
	const char *second[] = { "smtpward", "log", "--pins", pins, "--to", path, NULL };
	_cleanup_(log_close) struct log log = { 0 }, other = { 0 };

	snprintf(pins, sizeof(pins), "%s-other", fixture.pins);
	file_path(path, sizeof(path), "lines");
	file_path(rotated, sizeof(rotated), "lines.1");
	policy_load("mode audit\n");
	assert_int_equal(load_other(pins), 0);
	log_start_run(&log, first, NULL);
	for (int64_t deadline = clock_ms() + FIXTURE_PATIENCE; access(path, F_OK);)
		assert_true(pause_until(deadline));
	assert_int_equal(smtpward_child(second, NULL, NULL), 1);
	assert_non_null(strstr(run.err, "another smtpward writes to it"));
	/* Also where only a rotation makes it the same one. */
	assert_int_equal(rename(path, rotated), 0);
	log_start_run(&other, second, NULL);
	for (int64_t deadline = clock_ms() + FIXTURE_PATIENCE; access(path, F_OK);)
		assert_true(pause_until(deadline));
	assert_int_equal(kill(log.pid, SIGHUP), 0);
	log_line(&log, "another smtpward writes to it", 0);
	log_end(&other, SIGTERM);
	log_end(&log, SIGTERM);
	assert_int_equal(smtpward("unload", "--pins", pins, NULL), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unlink(rotated), 0);
}

/* Who may read the file can lock it as a reader can, and holds up nobody. */
static int lock_for_reading(void *arg)
{
	const struct flock all = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	const char *path = arg;
	int fd = reader_become(NULL) ? -1 : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || flock(fd, LOCK_EX) || fcntl(fd, F_OFD_SETLK, &all))
		return -errno;
	return pause();
}

static void test_file_locked_for_reading(void **state)
{
	_cleanup_(log_close) struct log log = { 0 };
	char path[128];
	const char *argv[] = { "smtpward", "log", "--pins", fixture.pins, "--to", path, NULL };
	struct child_handle holder;
	struct stat st;
	int fd;

	file_path(path, sizeof(path), "read");
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0644), 0);
	holder = child_start(CHILD(0), lock_for_reading, path);
	for (int64_t deadline = clock_ms() + FIXTURE_PATIENCE; !flock(fd, LOCK_SH | LOCK_NB);) {
		assert_int_equal(flock(fd, LOCK_UN), 0);
		assert_true(pause_until(deadline));
	}
	policy_load("mode enforce\n");
	cgroup_make("denied");
	assert_int_equal(attempt_in("denied", NET_OUTSIDE4, 25), EPERM);
	log_start_run(&log, argv, NULL);
	for (int64_t deadline = clock_ms() + FIXTURE_PATIENCE; !fstat(fd, &st) && !st.st_size;)
		assert_true(pause_until(deadline));
	log_end(&log, SIGTERM);
	child_kill_all();
	close(holder.fd);
	close(fd);
	assert_int_equal(unlink(path), 0);
}

/* Who may read. */

#define STRAY_GROUP 4321

static int join_stray_group(void *arg)
{
	return setresgid(STRAY_GROUP, STRAY_GROUP, STRAY_GROUP) ? -errno : 0;
}

static struct stat pin_stat(const char *name)
{
	char path[160];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", fixture.pins, name);
	assert_int_equal(stat(path, &st), 0);
	return st;
}

/* A log makes the directory that it locks; the group that it has then gets nothing. */
static void test_group_of_a_log(void **state)
{
	const char *argv[] = { "smtpward", "log", "--pins", fixture.pins, "--to", "stderr", NULL };
	_cleanup_(log_close) struct log log = { 0 };
	char path[160];

	policy_load("mode enforce\n");
	cgroup_make("x");
	log_start_run(&log, argv, join_stray_group);
	assert_int_equal(attempt_in("x", NET_OUTSIDE4, 25), EPERM);
	log_line(&log, " verdict=deny ", 0);
	log_end(&log, SIGTERM);
	assert_int_equal(pin_stat("reader").st_gid, 0);
	policy_load("mode enforce\n");
	assert_int_equal(pin_stat("").st_gid, 0);
	assert_int_equal(pin_stat("policy/map_events").st_gid, 0);
	/* As a log of an older version has left it. */
	snprintf(path, sizeof(path), "%s/reader", fixture.pins);
	assert_int_equal(chown(path, 0, STRAY_GROUP), 0);
	policy_load("mode enforce\n");
	assert_int_equal(pin_stat("").st_gid, 0);
	assert_int_equal(pin_stat("policy/map_events").st_gid, 0);
	/* As somebody makes it by hand. */
	assert_int_equal(chmod(path, 0750), 0);
	policy_load("mode enforce\n");
	assert_int_equal(pin_stat("").st_gid, 0);
	assert_int_equal(pin_stat("reader").st_gid, 0);
	assert_int_equal(pin_stat("policy/map_events").st_gid, 0);
}

static int other_groups(void *arg)
{
	const char *path = arg;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount(path, "/etc/group", NULL, MS_BIND, NULL))
		return -errno;
	return 0;
}

/* Rights are the group's: load says who else has them. */
static void test_group_of_others(void **state)
{
	_cleanup_fclose_ FILE *file = NULL;
	char path[128];
	const char *argv[] = { "smtpward", "load",	     "-c",     policy_write("mode audit\n"),
			       "--cgroup", fixture.attached, "--pins", fixture.pins,
			       "--reader", READER,	     NULL };

	file_path(path, sizeof(path), "group");
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fprintf(file, "root:x:0:\nnogroup:x:%d:ada,%s,bob\n", READER_ID, READER) > 0);
	assert_int_equal(fflush(file), 0);
	assert_int_equal(smtpward_child(argv, other_groups, path), 0);
	assert_non_null(strstr(run.err, "'" READER "', nogroup, has other members, who may read as "
					"well: ada, bob\n"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(smtpward_child(argv, NULL, NULL), 0);
	assert_null(strstr(run.err, "other members"));
}

#define TEST(name) cmocka_unit_test_teardown(name, fixture_tidy)

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_file_two_logs),
		TEST(test_file_locked_for_reading),
		TEST(test_group_of_a_log),
		TEST(test_group_of_others),
	};

	return cmocka_run_group_tests_name("reader's group", tests, fixture_setup,
					   fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
