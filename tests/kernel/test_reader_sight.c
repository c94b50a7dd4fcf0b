// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can be seen of a policy from outside, once somebody was at its pins: the reader's text of
 * the hooks is gone, the pins have other modes, the bpffs is read-only. Who can see says what is
 * so, and who cannot says that.
 */
#include "fixture_service.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <bpf/bpf.h>

#define DEGRADED 4
#define UNPINNED "not all that is attached is pinned"
#define NO_HOOK                                                                             \
	"not enforcing: no hook is in force, and nothing is refused; 'smtpward load' puts " \
	"them back"
#define RIGHTS "the rights on the pins are not those that the load gave its reader"
#define STUCK "the bpffs of the pins is mounted read-only"

static const char *path_of(const char *name)
{
	static char path[192];

	snprintf(path, sizeof(path), "%s/%s", fixture.pins, name);
	return path;
}

static void load(const char *option)
{
	if (smtpward("load", "-c", policy_write("mode enforce\n"), "--cgroup", fixture.attached,
		     "--pins", fixture.pins, "--reader", READER, option, NULL))
		fail_msg("load: status %d: %s", run.status, run.err);
}

static void load_for_reader(void)
{
	cgroup_make("log.service");
	cgroup_make("x");
	load(NULL);
}

static int status_of_reader(void)
{
	const char *argv[] = { "smtpward", "status", "--pins", fixture.pins, NULL };

	return smtpward_child(argv, reader_enter_and_become, NULL);
}

/* As root. */
static void assert_status(int status, const char *says)
{
	smtpward("status", "--pins", fixture.pins, NULL);
	if (run.status != status || !strstr(run.out, says))
		fail_msg("status %d, not %d and '%s': %s%s", run.status, status, says, run.out,
			 run.err);
}

static void open_links(int ret_fds[static 2])
{
	ret_fds[0] = bpf_pin_open("link_connect4");
	ret_fds[1] = bpf_pin_open("link_connect6");
}

static void detach(const int fds[static 2])
{
	for (int i = 0; i < 2; i++) {
		assert_int_equal(bpf_link_detach(fds[i]), 0);
		close(fds[i]);
	}
}

static void detach_both(void)
{
	int fds[2];

	open_links(fds);
	detach(fds);
}

static void remove_iterator(bool everywhere)
{
	char kept[512];

	assert_int_equal(unlink(path_of("generation-1/iter_hooks")), 0);
	snprintf(kept, sizeof(kept), "/run/smtpward/keep/%s/generation-1/iter_hooks",
		 fixture_instance());
	if (everywhere)
		assert_int_equal(unlink(kept), 0);
}

/* A log that has begun to look sees the hooks without the pin that tells of them. */
static void test_iterator_is_removed(void **state)
{
	_cleanup_(service_close) struct service service = { 0 };

	load_for_reader();
	service_start(&service, NULL);
	service_wait(service.manager, "READY=1");
	remove_iterator(true);
	service_wait(service.syslog, UNPINNED);
	detach_both();
	service_wait(service.syslog, NO_HOOK);
	log_end(&service.log, SIGTERM);
	assert_status(3, NO_HOOK);
	load(NULL);
	assert_int_equal(status_of_reader(), 0);
}

/* What the service's manager does puts it right, whether the link is there still or not. */
static void test_iterator_is_put_back(void **state)
{
	for (int everywhere = 0; everywhere < 2; everywhere++) {
		load_for_reader();
		remove_iterator(everywhere);
		assert_int_equal(status_of_reader(), 1);
		assert_non_null(strstr(run.err, "generation-1/iter_hooks is gone"));
		load("--boot");
		assert_status(0, "enforcing\n");
		assert_int_equal(status_of_reader(), 0);
		policy_unload();
	}
}

/* Who begins behind that sees no hook, and says so. */
static void test_iterator_was_removed(void **state)
{
	_cleanup_(service_close) struct service service = { 0 };

	load_for_reader();
	remove_iterator(false);
	service_start(&service, NULL);
	service_wait(service.syslog, "alert=\"cannot tell: ");
	log_end(&service.log, SIGTERM);
}

/* A log that reads on, and can see no more until it is helped. */
static void test_directory_is_closed(void **state)
{
	_cleanup_(service_close) struct service service = { 0 };

	load_for_reader();
	service_start(&service, NULL);
	service_wait(service.manager, "READY=1");
	assert_int_equal(chmod(fixture.pins, 0700), 0);
	service_wait(service.syslog, "alert=\"cannot tell: ");
	assert_status(DEGRADED, RIGHTS);
	load("--boot");
	assert_non_null(strstr(run.err, "whole again"));
	assert_status(0, "enforcing\n");
	assert_int_equal(status_of_reader(), 0);
	detach_both();
	service_wait(service.syslog, NO_HOOK);
	log_end(&service.log, SIGTERM);
}

/* Too few rights for the reader, and too many. */
static void test_modes(void **state)
{
	static const struct {
		const char *name;
		mode_t mode;
		gid_t group;
	} rows[] = {
		{ "reader", 0700, READER_ID },
		{ "generation-1", 0700, READER_ID },
		{ "map_gate", 0600, READER_ID },
		{ "map_gate", 0660, READER_ID },
		{ "policy/map_events", 0660, 0 },
		{ "policy/map_reported", 0640, READER_ID },
		{ "policy/iter_hooks", 0600, READER_ID },
		{ "policy/map_clock", 0666, READER_ID },
	};

	load_for_reader();
	assert_status(0, "enforcing\n");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *path = path_of(rows[i].name);

		assert_int_equal(chown(path, 0, rows[i].group), 0);
		assert_int_equal(chmod(path, rows[i].mode), 0);
		assert_status(DEGRADED, RIGHTS);
		load("--boot");
		assert_status(0, "enforcing\n");
		assert_int_equal(status_of_reader(), 0);
	}
	assert_int_equal(rmdir(path_of("reader")), 0);
	assert_status(DEGRADED, RIGHTS);
	load("--boot");
	assert_status(0, "enforcing\n");
}

static void remount(unsigned long flags)
{
	char path[sizeof(fixture.pins)];
	char *slash;

	snprintf(path, sizeof(path), "%s", fixture.pins);
	slash = strrchr(path, '/');
	assert_non_null(slash);
	*slash = '\0';
	assert_int_equal(mount(NULL, path, NULL, MS_REMOUNT | flags, NULL), 0);
}

/* To tell the state takes no right to write. */
static void test_read_only(void **state)
{
	_cleanup_(log_close) struct log log = { 0 };
	int fds[2];

	load_for_reader();
	open_links(fds);
	log_start(&log, LOG_STDERR);
	/* It has what it writes to: on a read-only bpffs no log begins. */
	assert_int_equal(attempt_in("x", NET_OUTSIDE4, 25), EPERM);
	log_line(&log, " verdict=deny ", 0);
	remount(MS_RDONLY);
	assert_status(DEGRADED, STUCK);
	assert_null(strstr(run.out, UNPINNED));
	if (status_of_reader())
		fail_msg("the reader's status %d: %s%s", run.status, run.out, run.err);
	log_line(&log, "alert=\"degraded: " STUCK, 0);
	load("--boot");
	assert_non_null(strstr(run.err, "is in force: no file is read"));
	detach(fds);
	assert_status(3, NO_HOOK);
	assert_non_null(strstr(run.out, "connect6  not attached: somebody detached it"));
	assert_int_equal(status_of_reader(), 3);
	assert_non_null(strstr(run.out, NO_HOOK));
	assert_non_null(strstr(log_line(&log, NO_HOOK, 0), "healed=no"));
	assert_int_equal(attempt_in("x", NET_OUTSIDE4, 25), 0);
	remount(0);
	assert_non_null(strstr(log_line(&log, "healed=yes", 0), NO_HOOK));
	assert_int_equal(attempt_in("x", NET_OUTSIDE4, 25), EPERM);
	assert_status(0, "enforcing\n");
	log_end(&log, SIGTERM);
}

/* Who has the lock need not read. */
static int hold_lock(void *arg)
{
	int fd = reader_become(NULL) ? -1 : open(arg, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || flock(fd, LOCK_EX))
		return -errno;
	return pause();
}

static void test_lock_is_held(void **state)
{
	struct child_handle holder;
	char says[64];
	int fd;

	load_for_reader();
	fd = open(path_of("reader"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	holder = child_start(CHILD(0), hold_lock, (void *)path_of("reader"));
	for (int64_t deadline = clock_ms() + FIXTURE_PATIENCE; !flock(fd, LOCK_SH | LOCK_NB);) {
		assert_int_equal(flock(fd, LOCK_UN), 0);
		assert_true(pause_until(deadline));
	}
	snprintf(says, sizeof(says), "log       locked by process %d\n", (int)holder.pid);
	assert_status(0, says);
	child_kill_all();
	close(holder.fd);
	close(fd);
	assert_status(0, "nobody writes it");
}

static int tidy(void **state)
{
	child_kill_all();
	remount(0);
	return fixture_tidy(state);
}

#define TEST(name) cmocka_unit_test_teardown(name, tidy)

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_iterator_is_removed),
		TEST(test_iterator_is_put_back),
		TEST(test_iterator_was_removed),
		TEST(test_directory_is_closed),
		TEST(test_modes),
		TEST(test_read_only),
		TEST(test_lock_is_held),
	};

	return cmocka_run_group_tests_name("reader's sight", tests, fixture_setup,
					   fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
