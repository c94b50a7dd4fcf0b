// SPDX-License-Identifier: GPL-2.0-only
/*
 * A local user without rights: nothing that is pinned is read or changed, no lock is
 * taken, the logger goes on, no line appears in its file, and cgroups of their own
 * making take nothing from others.
 */
#include "fixture.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <bpf/bpf.h>

#define USER 1234

struct as_user {
	child_fn fn;
	void *arg;
};

static int become_user(void *arg)
{
	const struct as_user *as = arg;

	if (setgroups(0, NULL) || setresgid(USER, USER, USER) || setresuid(USER, USER, USER))
		return -1;
	return as->fn(as->arg);
}

/* 0, or the line of the first thing that the user could do. */
static void assert_user_cannot(child_fn fn, void *arg)
{
	struct as_user as = { fn, arg };
	int line = child_run(CHILD(.cgroup = NULL), become_user, &as);

	if (line)
		fail_msg("a user can do what they cannot, or in another way: line %d", line);
}

#define DENIED(call, error)                                                \
	do {                                                               \
		errno = 0;                                                 \
		if ((call) != -1 || errno != (error)) {                    \
			fprintf(stderr, "# errno %d: %s\n", errno, #call); \
			return __LINE__;                                   \
		}                                                          \
	} while (0)

/* libbpf gives -errno: EPERM where the kernel lets only root ask, EACCES by the path. */
#define DENIED_BPF(call)                                              \
	do {                                                          \
		const int result = (call);                            \
		if (result != -EPERM && result != -EACCES) {          \
			fprintf(stderr, "# %d: %s\n", result, #call); \
			return __LINE__;                              \
		}                                                     \
	} while (0)

static const char *below_pins(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", fixture.pins, name);
	return path;
}

static int reach_for_pins(void *arg)
{
	const char *const names[] = { "map_gate", "map_events", "policy/map_users",
				      "policy/link_connect4", "link_connect4" };
	struct stat st;
	char path[256];

	snprintf(path, sizeof(path), "%s-mine", fixture.pins);
	DENIED(open(fixture.pins, O_RDONLY | O_DIRECTORY), EACCES);
	DENIED(rmdir(fixture.pins), EPERM);
	DENIED(rename(fixture.pins, path), EPERM);
	DENIED(chmod(fixture.pins, 0777), EPERM);
	DENIED(chown(fixture.pins, USER, USER), EPERM);
	DENIED(mkdir(below_pins("generation-99"), 0700), EACCES);
	DENIED(symlink("/", below_pins("policy_new")), EACCES);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		DENIED(stat(below_pins(names[i]), &st), EACCES);
		DENIED(unlink(below_pins(names[i])), EACCES);
		DENIED_BPF(bpf_obj_get(below_pins(names[i])));
	}
	return 0;
}

/* By id, and from the cgroup, where the path is no obstacle. */
static int reach_for_bpf(void *arg)
{
	const struct bpf_ids *ids = arg;
	int fd = open(fixture.base, O_RDONLY | O_DIRECTORY);

	if (fd < 0)
		return __LINE__;
	DENIED_BPF(bpf_prog_get_fd_by_id(ids->ids[0][0]));
	DENIED_BPF(bpf_map_get_fd_by_id(ids->ids[1][0]));
	DENIED_BPF(bpf_link_get_fd_by_id(ids->ids[2][0]));
	/* A link's program is not for this call to detach, whoever makes it. */
	return bpf_prog_detach(fd, BPF_CGROUP_INET4_CONNECT) ? 0 : __LINE__;
}

static int reach_for_locks(void *arg)
{
	int fd = open(fixture.pins, O_PATH | O_DIRECTORY);

	/* The name can be held, and nothing be done with it. */
	if (fd < 0)
		return __LINE__;
	DENIED(flock(fd, LOCK_EX | LOCK_NB), EBADF);
	DENIED(openat(fd, ".", O_RDONLY | O_DIRECTORY), EACCES);
	DENIED(openat(fd, "reader", O_RDONLY | O_DIRECTORY), EACCES);
	DENIED(openat(fd, "reader", O_PATH | O_DIRECTORY), EACCES);
	return 0;
}

static int reach_for_logger(void *arg)
{
	const pid_t pid = *(pid_t *)arg;
	const int signals[] = { SIGTERM, SIGKILL, SIGSTOP, SIGHUP, SIGINT, 0 };
	const struct rlimit none = { 0 };
	cpu_set_t cpus = { 0 };
	char byte, path[64];
	struct iovec here = { &byte, 1 }, there = { (void *)0x1000, 1 };
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	CPU_SET(0, &cpus);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		DENIED(kill(pid, signals[i]), EPERM);
	if (pidfd < 0)
		return __LINE__;
	for (int fd = 0; fd < 16; fd++)
		DENIED(syscall(SYS_pidfd_getfd, pidfd, fd, 0), EPERM);
	DENIED(ptrace(PTRACE_SEIZE, pid, NULL, NULL), EPERM);
	DENIED(process_vm_readv(pid, &here, 1, &there, 1, 0), EPERM);
	DENIED(setpriority(PRIO_PROCESS, (id_t)pid, 19), EPERM);
	DENIED(sched_setaffinity(pid, sizeof(cpus), &cpus), EPERM);
	DENIED(prlimit(pid, RLIMIT_NOFILE, &none, NULL), EPERM);
	for (int fd = 0; fd < 16; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
		DENIED(open(path, O_RDONLY), EACCES);
	}
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	DENIED(open(path, O_RDONLY), EACCES);
	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
	DENIED(open(path, O_WRONLY), EACCES);
	return 0;
}

static void test_pins_and_locks(void **state)
{
	static struct bpf_ids ids;
	_cleanup_(log_close) struct log log;

	policy_load("mode enforce\n");
	cgroup_make("x");
	log_start(&log, LOG_FILE);
	bpf_ids_of_pins(fixture.pins, &ids);
	assert_true(ids.n[0] && ids.n[1] && ids.n[2]);
	assert_user_cannot(reach_for_pins, NULL);
	assert_user_cannot(reach_for_bpf, &ids);
	assert_user_cannot(reach_for_locks, NULL);
	assert_user_cannot(reach_for_logger, &log.pid);
	assert_int_equal(attempt_in("x", NET_OUTSIDE4, 25), EPERM);
	log_line(&log, " verdict=deny ", 0);
	log_end(&log, SIGTERM);
}

/* Anyone may make names in a bpffs that is mounted with the kernel's own mode, 1777. */
enum squat { SQUAT_DIRECTORY, SQUAT_SYMLINK, SQUAT_OPEN_DIRECTORY };

static int squat(void *arg)
{
	const enum squat how = *(enum squat *)arg;
	char other[128];
	int fd;

	umask(0);
	snprintf(other, sizeof(other), "%s-mine", fixture.pins);
	if (how == SQUAT_SYMLINK)
		return mkdir(other, 0777) || symlink(other, fixture.pins) ? __LINE__ : 0;
	if (mkdir(fixture.pins, how == SQUAT_DIRECTORY ? 0700 : 0777))
		return __LINE__;
	fd = open(fixture.pins, O_RDONLY | O_DIRECTORY);
	return fd < 0 || flock(fd, LOCK_EX) || pause() != -1;
}

/* A load says whose it is and does not wait for their lock; root takes it away. */
static void test_squatted_pins(void **state)
{
	const enum squat ways[] = { SQUAT_DIRECTORY, SQUAT_SYMLINK, SQUAT_OPEN_DIRECTORY };
	char other[128];

	snprintf(other, sizeof(other), "%s-mine", fixture.pins);
	cgroup_make("x");
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		enum squat way = ways[i];
		struct as_user as = { squat, &way };
		struct child_handle handle = child_start(CHILD(.cgroup = NULL), become_user, &as);
		int64_t deadline = clock_ms() + FIXTURE_PATIENCE;
		struct stat st;

		while (lstat(fixture.pins, &st))
			assert_true(pause_until(deadline));
		assert_int_equal(policy_load_file(policy_write("mode enforce\n")), 1);
		assert_non_null(strstr(run.err, fixture.pins));
		assert_int_equal(attempt_in("x", NET_OUTSIDE4, 25), 0);
		assert_int_equal(smtpward("unload", "--pins", fixture.pins, NULL), 1);
		child_kill_all();
		close(handle.fd);
		assert_true(!unlink(fixture.pins) || !rmdir(fixture.pins));
		assert_true(!rmdir(other) || errno == ENOENT);
	}
	policy_load("mode enforce\n");
	assert_int_equal(attempt_in("x", NET_OUTSIDE4, 25), EPERM);
}

/* The file sink. */

static int reach_for_file(void *arg)
{
	const char *path = arg;
	struct stat st;

	DENIED(open(path, O_RDONLY), EACCES);
	DENIED(open(path, O_WRONLY | O_APPEND), EACCES);
	DENIED(truncate(path, 0), EACCES);
	DENIED(unlink(path), EACCES);
	DENIED(chmod(path, 0666), EPERM);
	return stat(path, &st) || st.st_size ? __LINE__ : 0;
}

static void file_path(char *dst, size_t size, const char *name)
{
	snprintf(dst, size, "%s/%s", fixture.dir, name);
}

/* With no umask to help. */
static int open_umask(void *arg)
{
	umask(0);
	return 0;
}

static void test_file(void **state)
{
	char path[128];
	const char *argv[] = { "smtpward", "log", "--pins", fixture.pins, "--to", path, NULL };
	_cleanup_(log_close) struct log log;
	struct stat st;

	policy_load("mode enforce\n");
	file_path(path, sizeof(path), "made");
	log_start_run(&log, argv, open_umask);
	for (int64_t deadline = clock_ms() + FIXTURE_PATIENCE; stat(path, &st);)
		assert_true(pause_until(deadline));
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(st.st_uid, 0);
	assert_user_cannot(reach_for_file, path);
	log_end(&log, SIGTERM);
	unlink(path);
}

enum plant { PLANT_NOTHING, PLANT_FILE, PLANT_SYMLINK, PLANT_DANGLING, PLANT_FIFO, PLANT_LAST };

static int plant(void *arg)
{
	const enum plant what = *(enum plant *)arg;
	char path[128], target[128];
	int fd;

	file_path(path, sizeof(path), "theirs/lines");
	file_path(target, sizeof(target), what == PLANT_SYMLINK ? "victim" : "theirs/made");
	switch (what) {
	case PLANT_FILE:
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
		return fd < 0 || close(fd) ? __LINE__ : 0;
	case PLANT_SYMLINK:
	case PLANT_DANGLING:
		return symlink(target, path) ? __LINE__ : 0;
	case PLANT_FIFO:
		return mkfifo(path, 0666) ? __LINE__ : 0;
	default:
		return 0;
	}
}

/*
 * In a directory of theirs nothing is taken, whatever is there; in one that all may
 * write to and that is sticky, only what root makes.
 */
static void test_planted_file(void **state)
{
	char dir[128], path[128], made[128], victim[128];
	struct stat st;

	policy_load("mode enforce\n");
	file_path(dir, sizeof(dir), "theirs");
	file_path(path, sizeof(path), "theirs/lines");
	file_path(made, sizeof(made), "theirs/made");
	file_path(victim, sizeof(victim), "victim");
	close(open(victim, O_WRONLY | O_CREAT | O_EXCL, 0600));
	for (int sticky = 0; sticky <= 1; sticky++) {
		for (int i = PLANT_NOTHING + sticky; i < PLANT_LAST; i++) {
			enum plant what = (enum plant)i;
			struct as_user as = { plant, &what };

			assert_int_equal(mkdir(dir, 0700), 0);
			assert_int_equal(chown(dir, sticky ? 0 : USER, 0), 0);
			assert_int_equal(chmod(dir, sticky ? 01777 : 0755), 0);
			assert_int_equal(child_run(CHILD(.cgroup = NULL), become_user, &as), 0);
			assert_int_equal(
				smtpward("log", "--pins", fixture.pins, "--to", path, NULL), 1);
			assert_non_null(strstr(run.err, path));
			assert_int_equal(stat(victim, &st), 0);
			assert_int_equal(st.st_size, 0);
			assert_int_equal(access(made, F_OK), -1);
			assert_int_equal(unlink(path), what == PLANT_NOTHING ? -1 : 0);
			assert_int_equal(rmdir(dir), 0);
		}
	}
	unlink(victim);
}

/* Cgroups: a subtree that is theirs, as systemd delegates one to a user's manager. */

#define SUBTREE "user.slice/user-1234.slice/user@1234.service"

static int make_many(void *arg)
{
	const unsigned int n = *(unsigned int *)arg;
	const char *const names[] = { "postfix@-.service", "system.slice",  "user.slice", "app-%u",
				      "app-%u.slice",	   "app-%u.service" };
	int parent = cgroup_open(SUBTREE, false);

	for (unsigned int i = 0; i < n; i++) {
		char name[64];

		snprintf(name, sizeof(name), names[i < ARRAY_SIZE(names) ? i : 3 + i % 3], i);
		if (mkdirat(parent, name, 0755))
			return __LINE__;
	}
	return 0;
}

static unsigned int tracker_room(const char *pin)
{
	_cleanup_close_ int fd = bpf_pin_open(pin);
	struct bpf_map_info info = { 0 };
	__u32 size = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
	return info.max_entries;
}

/* More cgroups than the tracker has room for in this map, made by the user. */
static void fill_as_user(const char *pin)
{
	unsigned int n = tracker_room(pin) + 100;
	struct as_user as = { make_many, &n };

	assert_int_equal(child_run(CHILD(.cgroup = NULL), become_user, &as), 0);
}

static void delegate(void)
{
	int fd;

	cgroup_make(SUBTREE);
	fd = cgroup_open(SUBTREE, false);
	assert_int_equal(fchown(fd, USER, USER), 0);
	close(fd);
}

static void test_delegated_cgroup(void **state)
{
	delegate();
	policy_load("allow unit postfix@-.service\nallow cgroup /%s/mail-*\n"
		    "deny unit app-*.service\nallow user 33\n",
		    fixture.name);
	fill_as_user("policy/map_cgroups");
	assert_int_equal(status_counter("cgroups_full"), 0);
	cgroup_make("postfix@-.service");
	cgroup_make("mail-1");
	cgroup_make("app-1.service");
	assert_int_equal(attempt_in("postfix@-.service", NET_OUTSIDE4, 25), 0);
	assert_int_equal(attempt_in("mail-1", NET_OUTSIDE4, 25), 0);
	assert_int_equal(attempt_in("app-1.service", NET_OUTSIDE4, 25), EPERM);
	assert_int_equal(attempt_in(SUBTREE "/postfix@-.service", NET_OUTSIDE4, 25), EPERM);
	assert_int_equal(attempt_in(SUBTREE "/app-7.slice", NET_OUTSIDE4, 26), 0);
	assert_int_equal(status_counter("cgroup_unsure"), 0);
	cgroup_remove("");
}

static json_int_t unlisted(void)
{
	json_auto_t *status = status_json();

	return json_integer_value(json_object_get(status, "cgroups_unlisted"));
}

/* More levels than a connect looks at for the rules that it inherits. */
#define DEEP8 "d/d/d/d/d/d/d/d"
#define TOO_DEEP DEEP8 "/" DEEP8 "/" DEEP8 "/" DEEP8

/* Every cgroup that the user makes is covered, and costs nobody else a place. */
static void test_covered_cgroup(void **state)
{
	static const char rules[] = "deny unit app-*.service\nallow unit postfix@-.service\n"
				    "audit cgroup /%s/user.slice\nallow cgroup /%s/mail-*\n";

	delegate();
	policy_load(rules, fixture.name, fixture.name);
	fill_as_user("policy/map_inherited");
	assert_true(unlisted() >= 100);
	cgroup_make("postfix@-.service");
	cgroup_make("postfix@-.service/part");
	cgroup_make("mail-1");
	cgroup_make("app-1.service");
	cgroup_make("other");
	cgroup_make(SUBTREE "/app-7.slice/app-1.service");
	cgroup_make(SUBTREE "/app-7.slice/" TOO_DEEP);
	/* What is not known is refused: what covers one that is too deep, without an entry. */
	assert_int_equal(attempt_in(SUBTREE "/app-7.slice/" TOO_DEEP, NET_OUTSIDE4, 25), EPERM);
	/* The second load has room for all of them, and gives the same answers. */
	for (int load = 0; load < 2; load++) {
		assert_int_equal(attempt_in("postfix@-.service", NET_OUTSIDE4, 25), 0);
		assert_int_equal(attempt_in("postfix@-.service/part", NET_OUTSIDE4, 25), 0);
		assert_int_equal(attempt_in("mail-1", NET_OUTSIDE6, 25), 0);
		assert_int_equal(attempt_in("app-1.service", NET_OUTSIDE4, 25), EPERM);
		assert_int_equal(attempt_in("other", NET_OUTSIDE6, 25), EPERM);
		assert_int_equal(attempt_in(SUBTREE "/app-7.slice", NET_OUTSIDE4, 25), 0);
		assert_int_equal(attempt_in(SUBTREE "/app-7.slice/app-1.service", NET_OUTSIDE4, 25),
				 0);
		assert_int_equal(status_counter("cgroups_full"), 0);
		assert_int_equal(status_counter("cgroup_unsure"), 0);
		policy_load(rules, fixture.name, fixture.name);
	}
	assert_int_equal(unlisted(), 0);
	cgroup_remove("");
	assert_int_equal(bpf_stale_cgroups(), 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, fixture_tidy)

static int tests(void)
{
	const struct CMUnitTest all[] = {
		TEST(test_pins_and_locks), TEST(test_squatted_pins),	TEST(test_file),
		TEST(test_planted_file),   TEST(test_delegated_cgroup), TEST(test_covered_cgroup),
	};

	return cmocka_run_group_tests_name("user", all, fixture_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
