// SPDX-License-Identifier: GPL-2.0-only
/* Sets up and tidies up the tests, and the parent that tidies up if the tests cannot. */
#include "fixture.h"

#include <fcntl.h>
#include <mntent.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "build.h"

struct fixture fixture = { .base_fd = -1, .attached_fd = -1 };

int64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool pause_until(int64_t deadline)
{
	const struct timespec nap = { .tv_nsec = 1000000 };

	if (clock_ms() >= deadline)
		return false;
	nanosleep(&nap, NULL);
	return true;
}

int fixture_number(const char *name, int otherwise)
{
	const char *text = getenv(name);

	return text && atoi(text) > 0 ? atoi(text) : otherwise;
}

int fixture_loops(void)
{
	return fixture_number("SMTPWARD_TEST_LOOPS", 10000);
}

int fixture_rounds(int most)
{
	const int rounds = fixture_number("SMTPWARD_TEST_ROUNDS", most);

	return rounds < most ? rounds : most;
}

int fixture_slow(void)
{
	return fixture_number("SMTPWARD_TEST_SLOW", 1);
}

/* The parent: it removes everything that it makes. */

static void make_names(void)
{
	fixture.built = realpath(getenv("SMTPWARD") ?: "out/smtpward", NULL);
	/* Not in TMPDIR: some logins have one that nobody else can enter. */
	strcpy(fixture.dir, "/tmp/swtest.XXXXXX");
	snprintf(fixture.name, sizeof(fixture.name), "swtest-%d.slice", (int)getpid());
	if (!mkdtemp(fixture.dir) || chmod(fixture.dir, 0755)) {
		fprintf(stderr, "cannot make a directory in /tmp: %s\n", strerror(errno));
		exit(1);
	}
}

/* Removes the tests' cgroup from every hierarchy, v1 too: a test may have made one there. */
static void remove_cgroups(void)
{
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	struct mntent *mount;

	if (!mounts)
		return;
	while ((mount = getmntent(mounts))) {
		_cleanup_close_ int fd = -1;
		int err;

		if (strncmp(mount->mnt_type, "cgroup", strlen("cgroup")))
			continue;
		fd = open(mount->mnt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		err = fd < 0 ? -errno : cgroup_empty_tree(fd, fixture.name);
		if (err && err != -ENOENT)
			fprintf(stderr, "cannot remove %s/%s: %s\n", mount->mnt_dir, fixture.name,
				strerror(-err));
	}
	endmntent(mounts);
}

/* Kills the process group: the child, and every process that the child started. */
static void kill_group(pid_t group)
{
	int64_t deadline = clock_ms() + FIXTURE_PATIENCE;
	pid_t pid;

	do {
		kill(-group, SIGKILL);
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			;
	} while (!pid && pause_until(deadline));
}

/* The exit status of the tests, or 1 if they were ended. */
static int supervise(pid_t pid, const sigset_t *signals)
{
	int64_t deadline = clock_ms() + 1000LL * fixture_number("SMTPWARD_TEST_DEADLINE", 500);
	const struct timespec second = { .tv_sec = 1 };

	for (;;) {
		int status, got = sigtimedwait(signals, NULL, &second);

		if (got > 0 && got != SIGCHLD) {
			fprintf(stderr, "# ended by signal %d\n", got);
			return 1;
		}
		if (clock_ms() >= deadline) {
			fprintf(stderr, "# the deadline of all tests is over\n");
			return 1;
		}
		if (waitpid(pid, &status, WNOHANG) != pid)
			continue;
		if (WIFEXITED(status))
			return WEXITSTATUS(status);
		fprintf(stderr, "# the tests died of signal %d\n", WTERMSIG(status));
		return 1;
	}
}

/* Walking a cgroup that is 1,000 levels deep takes as many descriptors. */
static void raise_limits(void)
{
	const struct rlimit files = { 16384, 16384 };

	if (setrlimit(RLIMIT_NOFILE, &files))
		fprintf(stderr, "# cannot raise RLIMIT_NOFILE: %s\n", strerror(errno));
}

static int child_main(int (*tests)(void), const sigset_t *mask)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	sigprocmask(SIG_SETMASK, mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	return tests() ? 1 : 0;
}

int fixture_main(int (*tests)(void))
{
	sigset_t signals, mask;
	pid_t pid;
	int status;

	sigemptyset(&signals);
	for (size_t i = 0; i < 4; i++)
		sigaddset(&signals, (const int[]){ SIGTERM, SIGINT, SIGHUP, SIGCHLD }[i]);
	sigprocmask(SIG_BLOCK, &signals, &mask);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	raise_limits();
	make_names();
	pid = fork();
	if (!pid)
		exit(child_main(tests, &mask));
	if (pid < 0)
		return 1;
	setpgid(pid, pid);
	status = supervise(pid, &signals);
	kill_group(pid);
	remove_cgroups();
	if (rmdir(fixture.dir))
		fprintf(stderr, "cannot remove %s: %s\n", fixture.dir, strerror(errno));
	return status;
}

/* The side of the tests. */

/*
 * The instance name of our pins: slashes are dashes; the path needs escapes only for dots and
 * dashes.
 */
const char *fixture_instance(void)
{
	static char name[4 * sizeof(fixture.pins)];
	size_t used = 0;

	for (const char *at = fixture.pins + 1; *at; at++)
		used += (size_t)snprintf(name + used, sizeof(name) - used,
					 *at == '/'		    ? "-"
					 : *at == '.' || *at == '-' ? "\\x%02x"
								    : "%c",
					 *at);
	return name;
}

static void make_mounts(void)
{
	char bpffs[80];

	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("tmpfs", fixture.dir, "tmpfs", 0, "mode=755"), 0);
	/* The copies of kept policies lie below it, and end with the tests. */
	assert_true(!mkdir(SMTPWARD_LOCALSTATEDIR, 0755) || errno == EEXIST);
	assert_true(!mkdir(SMTPWARD_LOCALSTATEDIR "/lib", 0755) || errno == EEXIST);
	assert_int_equal(mount("tmpfs", SMTPWARD_LOCALSTATEDIR "/lib", "tmpfs", 0, "mode=755"), 0);
	/* The lock and the second pins lie below it. */
	assert_true(!mkdir("/run", 0755) || errno == EEXIST);
	assert_true(!mkdir("/run/smtpward", 0755) || errno == EEXIST);
	assert_int_equal(mount("tmpfs", "/run/smtpward", "tmpfs", 0, "mode=755"), 0);
	snprintf(bpffs, sizeof(bpffs), "%s/bpf", fixture.dir);
	assert_int_equal(mkdir(bpffs, 0755), 0);
	assert_int_equal(mount("bpf", bpffs, "bpf", 0, NULL), 0);
	snprintf(fixture.pins, sizeof(fixture.pins), "%s/sw", bpffs);
}

/* A copy that other users can run, wherever the checkout is. */
static void copy_smtpward(void)
{
	static char copy[96];
	_cleanup_close_ int from = open(fixture.built, O_RDONLY | O_CLOEXEC), to = -1;
	char buffer[65536];
	ssize_t size;

	snprintf(copy, sizeof(copy), "%s/smtpward", fixture.dir);
	to = open(copy, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	assert_true(from >= 0 && to >= 0);
	while ((size = read(from, buffer, sizeof(buffer))) > 0)
		assert_int_equal(write(to, buffer, (size_t)size), size);
	assert_int_equal(size, 0);
	fixture.binary = copy;
}

static void make_cgroup(void)
{
	struct stat st;

	assert_true(cgroup_find_mount("cgroup2", NULL, fixture.root, sizeof(fixture.root)));
	assert_int_equal(stat(fixture.root, &st), 0);
	fixture.root_id = st.st_ino;
	snprintf(fixture.base, sizeof(fixture.base), "%s/%s", fixture.root, fixture.name);
	assert_int_equal(mkdir(fixture.base, 0755), 0);
	fixture.base_fd = open(fixture.base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fixture.base_fd >= 0);
}

bool fixture_owns_machine(void)
{
	return getenv("SMTPWARD_TEST_ON_ROOT");
}

static void choose_attached(void)
{
	struct stat st;

	fixture.attached = fixture_owns_machine() ? fixture.root : fixture.base;
	fixture.attached_fd = open(fixture.attached, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fixture.attached_fd >= 0);
	assert_int_equal(fstat(fixture.attached_fd, &st), 0);
	fixture.attached_id = st.st_ino;
}

int fixture_setup(void **state)
{
	assert_int_equal(geteuid(), 0);
	if (!fixture.built)
		fail_msg("there is no smtpward to test: name it with SMTPWARD=");
	umask(022);
	make_mounts();
	copy_smtpward();
	make_cgroup();
	choose_attached();
	net_setup();
	return 0;
}

int fixture_teardown(void **state)
{
	net_teardown();
	child_kill_all();
	cleanup_close(&fixture.base_fd);
	cleanup_close(&fixture.attached_fd);
	return 0;
}

/* After each test, failed or not: removes children, policy and cgroup. */
int fixture_tidy(void **state)
{
	child_kill_all();
	if (!access(fixture.pins, F_OK))
		policy_unload();
	cgroup_remove("");
	return 0;
}
