// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reader that is not root finds the pins where systemd mounts /sys/fs/bpf for root alone:
 * in a mount namespace with such a bpffs, and with a /run of its own.
 */
#include "fixture.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#define PINS "/sys/fs/bpf/smtpward"
#define VIEW "/run/smtpward/pins"

static int enter_and_become_reader(void *arg)
{
	_cleanup_close_ int fd = cgroup_open("log.service", false);
	int err = fd < 0 ? fd : cgroup_enter_fd(fd);

	return err ? err : reader_become(arg);
}

static void load(const char *reader, child_fn before)
{
	const char *argv[] = { "smtpward", "load",
			       "-c",	   policy_write("mode enforce\n"),
			       "--cgroup", fixture.attached,
			       "--reader", reader,
			       NULL };

	if (!reader)
		argv[6] = NULL;
	if (smtpward_child(argv, before, NULL))
		fail_msg("load: status %d: %s", run.status, run.err);
}

static void unload(void)
{
	if (smtpward("unload", NULL))
		fail_msg("unload: status %d: %s", run.status, run.err);
}

static int status_as_reader(void)
{
	const char *argv[] = { "smtpward", "status", NULL };

	return smtpward_child(argv, enter_and_become_reader, NULL);
}

static bool shown(void)
{
	struct statfs fs;

	return !statfs(VIEW, &fs) && fs.f_type == BPF_FS_MAGIC;
}

static void assert_shows_the_pins(void)
{
	struct stat view, pins;

	assert_int_equal(stat(VIEW, &view), 0);
	assert_int_equal(stat(PINS, &pins), 0);
	assert_int_equal(view.st_dev, pins.st_dev);
	assert_int_equal(view.st_ino, pins.st_ino);
}

/* One, and not one on another. */
static unsigned int count_views(void)
{
	_cleanup_fclose_ FILE *mounts = fopen("/proc/self/mounts", "re");
	char line[4096];
	unsigned int n = 0;

	assert_non_null(mounts);
	while (fgets(line, sizeof(line), mounts))
		n += strstr(line, " " VIEW " ") != NULL;
	return n;
}

static void test_status_and_log(void **state)
{
	const char *argv[] = { "smtpward", "log", "--to", "stderr", NULL };
	_cleanup_(log_close) struct log log = { 0 };

	cgroup_make("log.service");
	cgroup_make("x");
	load(READER, NULL);
	assert_int_equal(run.err[0] != '\0' && strstr(run.err, "warning: cannot"), 0);
	assert_shows_the_pins();
	if (status_as_reader())
		fail_msg("status %d: %s%s", run.status, run.out, run.err);
	log_start_run(&log, argv, enter_and_become_reader);
	assert_int_equal(attempt_in("x", NET_OUTSIDE4, 25), EPERM);
	log_line(&log, " verdict=deny ", 0);
	/* It stays what it is; the log goes on. */
	load(NULL, NULL);
	assert_int_equal(count_views(), 1);
	assert_int_equal(attempt_in("x", NET_OUTSIDE6, 25), EPERM);
	log_line(&log, " verdict=deny ", 1);
	unload();
	assert_int_equal(log_wait_exit(&log), 0);
	assert_false(shown());
	/* Another directory, another view. */
	load(READER, NULL);
	assert_shows_the_pins();
	assert_int_equal(count_views(), 1);
	assert_int_equal(status_as_reader(), 0);
	unload();
}

/* What may not be done there is what may not be done at all. */
static int reach(void *arg)
{
	int fd;

	if (reader_become(NULL))
		return __LINE__;
	fd = open(VIEW, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return __LINE__;
	if (!unlinkat(fd, "map_gate", 0) || !mkdirat(fd, "generation-9", 0700) ||
	    !fchmodat(fd, "link_connect4", 0666, 0))
		return __LINE__;
	return access(PINS, F_OK) ? 0 : __LINE__;
}

static void test_rights(void **state)
{
	const char *argv[] = { "smtpward", "unload", NULL };

	cgroup_make("log.service");
	load(READER, NULL);
	assert_int_equal(child_run(CHILD(0), reach, NULL), 0);
	assert_int_equal(smtpward_child(argv, enter_and_become_reader, NULL), 1);
	/* No reader, no view. */
	load("root", NULL);
	assert_false(shown());
	assert_int_equal(status_as_reader(), 1);
	assert_non_null(strstr(run.err, "this needs root"));
	load(READER, NULL);
	assert_true(shown());
	unload();
	/* Pins elsewhere have none. */
	assert_int_equal(smtpward("load", "-c", policy_write("mode enforce\n"), "--cgroup",
				  fixture.attached, "--pins", fixture.pins, "--reader", READER,
				  NULL),
			 0);
	assert_false(shown());
}

/* A load goes on without, where something else is in the way. */
static void test_no_room(void **state)
{
	cgroup_make("log.service");
	cgroup_make("x");
	load(READER, NULL);
	unload();
	assert_int_equal(rmdir(VIEW), 0);
	assert_int_equal(symlink("/tmp", VIEW), 0);
	load(READER, NULL);
	assert_non_null(strstr(run.err, "warning: cannot show " PINS " to its reader at " VIEW));
	assert_false(shown());
	assert_int_equal(attempt_in("x", NET_OUTSIDE4, 25), EPERM);
	assert_int_equal(unlink(VIEW), 0);
	load(NULL, NULL);
	assert_shows_the_pins();
	unload();
	/* Somebody else's directory is none to show it in. */
	assert_int_equal(chown(VIEW, READER_ID, READER_ID), 0);
	load(READER, NULL);
	assert_non_null(strstr(run.err, "warning: cannot show"));
	assert_false(shown());
	unload();
	assert_int_equal(rmdir(VIEW), 0);
}

/* The service's umask is 077. A reader that cannot enter asks for rights, and not for a load. */
static void test_private_umask(void **state)
{
	struct stat st;

	assert_int_equal(chmod("/run/smtpward", 0700), 0);
	assert_int_not_equal(smtpward("load", "-c", policy_write("alow\n"), "--cgroup",
				      fixture.attached, NULL),
			     0);
	assert_int_equal(smtpward("status", NULL), 3);
	assert_int_equal(stat("/run/smtpward", &st), 0);
	assert_int_equal(st.st_mode & ALLPERMS, 0755);
}

/* Until the other end of a fork(2) is over; its exit status. */
static int wait_for(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 99;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

/* In a mount namespace of its own, as a service manager does it: what is made stays there. */
static int become_load_of_a_service(void)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
		return -errno;
	return 0;
}

/*
 * Ahead of smtpward: this process waits for one that is process 1 of a new pid namespace,
 * and that one for the load, which goes on from here.
 */
static int below_a_manager(void *arg)
{
	pid_t first;

	if (unshare(CLONE_NEWPID | CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL))
		return -errno;
	first = fork();
	if (!first) {
		pid_t load;
		int status;

		if (mount("proc", "/proc", "proc", 0, NULL))
			_exit(97);
		load = fork();
		if (!load)
			return become_load_of_a_service();
		status = wait_for(load);
		_exit(status ?: shown() ? 0 : 96);
	}
	_exit(wait_for(first));
}

/* The load of the service has a namespace of its own, and the view is for all. */
static void test_load_of_a_service(void **state)
{
	cgroup_make("log.service");
	load(READER, below_a_manager);
	unload();
}

static bool made_run; /* a guest of ours has none */

static int setup(void **state)
{
	fixture_setup(state);
	made_run = !mkdir("/run", 0755);
	assert_int_equal(mount("bpf", "/sys/fs/bpf", "bpf", 0, "mode=700"), 0);
	assert_int_equal(mount("tmpfs", "/run", "tmpfs", 0, "mode=755"), 0);
	return 0;
}

static int teardown(void **state)
{
	if (umount2("/run", MNT_DETACH) || (made_run && rmdir("/run")))
		return -1;
	return fixture_teardown(state);
}

static int tidy(void **state)
{
	child_kill_all();
	mount(NULL, "/run", NULL, MS_REMOUNT, NULL);
	if (!access(PINS, F_OK))
		unload();
	return fixture_tidy(state);
}

#define TEST(name) cmocka_unit_test_teardown(name, tidy)

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_status_and_log),
		TEST(test_rights),
		TEST(test_no_room),
		TEST(test_private_umask),
		TEST(test_load_of_a_service),
	};

	return cmocka_run_group_tests_name("reader's view", tests, setup, teardown);
}

int main(void)
{
	return fixture_main(tests);
}
