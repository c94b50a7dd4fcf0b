// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cgroups that come and go at full speed: a service that restarts is allowed from
 * its first instruction and every time, what is not allowed never is, and nothing is
 * left in the map. Alone, by several at once, and while policies are loaded.
 */
#include "fixture.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif

#define WORKERS 4

enum entry {
	ENTRY_MOVE,  /* the worker itself goes in and out again */
	ENTRY_FORK,  /* a child goes in and ends there */
	ENTRY_CLONE, /* a child is made there */
};

struct restarts {
	enum entry entry;
	int loops;
	bool wide;  /* by all workers at once */
	bool allowed;
};

struct worker {
	const struct restarts *restarts;
	int dir_fd; /* where its cgroups come and go */
};

static int connect_outside(void)
{
	struct attempt connect = { WAY_CONNECT, NET_OUTSIDE4, 25 };

	return attempt(&connect);
}

/* The result of the connect, or 255 where the way to it failed. */
static int connect_moved(const struct worker *worker, int fd)
{
	int result;

	if (cgroup_enter_fd(fd))
		return 255;
	result = connect_outside();
	return cgroup_enter_fd(worker->dir_fd) ? 255 : result;
}

static int connect_forked(const struct worker *worker, int fd)
{
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)fd,
	};
	bool clone = worker->restarts->entry == ENTRY_CLONE;
	pid_t pid = clone ? (pid_t)syscall(SYS_clone3, &args, sizeof(args)) : fork();
	int status;

	if (!pid)
		_exit(!clone && cgroup_enter_fd(fd) ? 255 : connect_outside());
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 255;
	return WEXITSTATUS(status);
}

static int restart_once(const struct worker *worker, const char *name)
{
	_cleanup_close_ int fd = -1;
	int result;

	if (mkdirat(worker->dir_fd, name, 0755))
		return 255;
	fd = openat(worker->dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return 255;
	result = worker->restarts->entry == ENTRY_MOVE ? connect_moved(worker, fd)
						       : connect_forked(worker, fd);
	return cgroup_rmdir(worker->dir_fd, name, clock_ms() + FIXTURE_PATIENCE) ? 255 : result;
}

/* How often it went wrong. */
static int restart_loop(void *userdata)
{
	const struct worker *worker = userdata;
	const struct restarts *restarts = worker->restarts;
	int expected = restarts->allowed ? 0 : EPERM, wrong = 0;

	for (int i = 0; i < restarts->loops; i++) {
		int result = restart_once(worker, restarts->allowed ? "mail.service"
								    : "web.service");

		if (result != expected && !wrong++)
			fprintf(stderr, "# restart %d: %s\n", i, strerror(result));
	}
	return wrong;
}

static void run_restarts(const struct restarts *restarts)
{
	int n = restarts->wide ? WORKERS : 1, wrong = 0;
	struct child_handle handles[WORKERS];
	struct restarts each = *restarts;
	struct worker workers[WORKERS];
	char path[32];

	each.loops /= n;
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "w%d.slice", i);
		workers[i] = (struct worker){ &each, cgroup_open(path, true) };
		assert_true(workers[i].dir_fd >= 0);
		handles[i] = child_start(CHILD_IN(path), restart_loop, &workers[i]);
	}
	for (int i = 0; i < n; i++) {
		wrong += child_wait(&handles[i]);
		close(workers[i].dir_fd);
	}
	if (wrong)
		fail_msg("%d of %d went wrong", wrong, restarts->loops);
}

static const struct {
	const char *name;
	struct restarts restarts; /* loops: one in so many of fixture_loops() */
} rows[] = {
	{ "restarts, moving in, allowed", { ENTRY_MOVE, 1, false, true } },
	{ "restarts, moving in, denied", { ENTRY_MOVE, 1, false, false } },
	{ "restarts, moving in, allowed, 4 at once", { ENTRY_MOVE, 1, true, true } },
	{ "restarts, moving in, denied, 4 at once", { ENTRY_MOVE, 1, true, false } },
	{ "restarts, fork and move, allowed, 4 at once", { ENTRY_FORK, 2, true, true } },
	{ "restarts, fork and move, denied, 4 at once", { ENTRY_FORK, 2, true, false } },
	{ "restarts, CLONE_INTO_CGROUP, allowed", { ENTRY_CLONE, 4, false, true } },
	{ "restarts, CLONE_INTO_CGROUP, denied", { ENTRY_CLONE, 4, false, false } },
	{ "restarts, CLONE_INTO_CGROUP, allowed, 4 at once", { ENTRY_CLONE, 2, true, true } },
	{ "restarts, CLONE_INTO_CGROUP, denied, 4 at once", { ENTRY_CLONE, 2, true, false } },
};

static void load_policy(void)
{
	policy_load("allow unit mail*.service\nallow cgroup /%s/*/x/y\nlimit 1/h burst 1\n",
		    fixture.name);
}

/* Counts of the kernel's own agree, so that no connect was missed by the hook. */
static void test_restarts(void **state)
{
	const struct restarts *row = *state;
	struct restarts restarts = *row;
	uint64_t before, after;

	restarts.loops = fixture_loops() / row->loops / WORKERS * WORKERS;
	load_policy();
	before = status_counter(row->allowed ? "allowed" : "denied");
	run_restarts(&restarts);
	after = status_counter(row->allowed ? "allowed" : "denied");
	assert_int_equal(after - before, restarts.loops);
	assert_int_equal(bpf_stale_cgroups(), 0);
	assert_int_equal(status_counter("cgroups_full"), 0);
	assert_int_equal(status_counter("broken"), 0);
}

/* Churn: cgroups that live a little, across loads, and are asked now and then. */

#define LIVING 6

struct churn {
	unsigned int stop;
	unsigned int epoch; /* odd: a policy is in force */
	unsigned int wrong, asked;
};

struct churner {
	struct churn *churn;
	int dir_fd;
	unsigned int number;
};

static void name_living(char *name, size_t size, unsigned int i)
{
	snprintf(name, size, "%s-%u.service", i % 2 ? "mail" : "web", i % LIVING);
}

/* A verdict counts where one policy was in force from before the connect to after it. */
static void ask(const struct churner *churner, unsigned int i)
{
	struct churn *churn = churner->churn;
	unsigned int epoch = __atomic_load_n(&churn->epoch, __ATOMIC_ACQUIRE);
	_cleanup_close_ int fd = -1;
	char name[32];
	int result;

	name_living(name, sizeof(name), i);
	fd = openat(churner->dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cgroup_enter_fd(fd))
		return;
	result = connect_outside();
	cgroup_enter_fd(churner->dir_fd);
	if (!(epoch % 2) || __atomic_load_n(&churn->epoch, __ATOMIC_ACQUIRE) != epoch)
		return;
	__atomic_add_fetch(&churn->asked, 1, __ATOMIC_RELAXED);
	if (result != (i % 2 ? 0 : EPERM)) {
		fprintf(stderr, "# %s: %s\n", name, strerror(result));
		__atomic_add_fetch(&churn->wrong, 1, __ATOMIC_RELAXED);
	}
}

static int churn_loop(void *userdata)
{
	const struct churner *churner = userdata;
	char name[32];
	int err = 0;

	for (unsigned int i = 0; !__atomic_load_n(&churner->churn->stop, __ATOMIC_ACQUIRE); i++) {
		name_living(name, sizeof(name), i);
		if (i >= LIVING)
			err |= cgroup_rmdir(churner->dir_fd, name, clock_ms() + FIXTURE_PATIENCE);
		err |= mkdirat(churner->dir_fd, name, 0755);
		if (i >= LIVING && i % 3 == churner->number % 3)
			ask(churner, i + 3);
	}
	return err ? 1 : 0;
}

static void set_epoch(struct churn *churn)
{
	__atomic_add_fetch(&churn->epoch, 1, __ATOMIC_RELEASE);
}

/* Cgroups without a process and without end: what a walk at load runs into. */
static int mkdir_loop(void *userdata)
{
	const struct churner *churner = userdata;
	int err = 0;

	while (!__atomic_load_n(&churner->churn->stop, __ATOMIC_ACQUIRE)) {
		err |= mkdirat(churner->dir_fd, "mail-x.service", 0755);
		err |= mkdirat(churner->dir_fd, "x", 0755);
		err |= mkdirat(churner->dir_fd, "x/y", 0755);
		err |= unlinkat(churner->dir_fd, "x/y", AT_REMOVEDIR);
		err |= unlinkat(churner->dir_fd, "x", AT_REMOVEDIR);
		err |= unlinkat(churner->dir_fd, "mail-x.service", AT_REMOVEDIR);
	}
	return err ? 1 : 0;
}

static child_fn mixed_loop(unsigned int number)
{
	return number ? churn_loop : mkdir_loop;
}

static child_fn fast_loop(unsigned int number)
{
	return mkdir_loop;
}

static void churn_around(child_fn (*loop)(unsigned int number),
			 void (*action)(struct churn *churn), struct churn *churn)
{
	struct child_handle handles[WORKERS];
	struct churner churners[WORKERS];
	char path[32];

	for (unsigned int i = 0; i < WORKERS; i++) {
		snprintf(path, sizeof(path), "w%u.slice", i);
		churners[i] = (struct churner){ churn, cgroup_open(path, true), i };
		assert_true(churners[i].dir_fd >= 0);
		handles[i] = child_start(CHILD_IN(path), loop(i), &churners[i]);
	}
	action(churn);
	__atomic_store_n(&churn->stop, 1, __ATOMIC_RELEASE);
	for (unsigned int i = 0; i < WORKERS; i++) {
		assert_int_equal(child_wait(&handles[i]), 0);
		close(churners[i].dir_fd);
	}
}

static void wait_for_asked(struct churn *churn, unsigned int more)
{
	unsigned int enough = __atomic_load_n(&churn->asked, __ATOMIC_ACQUIRE) + more;
	int64_t deadline = clock_ms() + FIXTURE_PATIENCE;

	while (__atomic_load_n(&churn->asked, __ATOMIC_ACQUIRE) < enough)
		if (!pause_until(deadline))
			fail_msg("nobody asks");
}

static void load_again_and_again(struct churn *churn)
{
	load_policy();
	set_epoch(churn);
	for (int i = 0; i < fixture_rounds(6); i++) {
		load_policy();
		wait_for_asked(churn, 20);
		assert_int_equal(bpf_stale_cgroups(), 0);
	}
}

static void load_from_nothing(struct churn *churn)
{
	for (int i = 0; i < fixture_rounds(6); i++) {
		load_policy();
		set_epoch(churn);
		wait_for_asked(churn, 20);
		assert_int_equal(bpf_stale_cgroups(), 0);
		set_epoch(churn);
		policy_unload();
	}
	load_policy();
}

/* A walk that makes an entry for a cgroup which is gone by then must take it back. */
static void load_without_asking(struct churn *churn)
{
	for (int i = 0; i < fixture_rounds(20); i++) {
		load_policy();
		assert_int_equal(bpf_stale_cgroups(), 0);
	}
}

static struct churn *make_churn(void)
{
	struct churn *churn = mmap(NULL, sizeof(*churn), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(churn != MAP_FAILED);
	return churn;
}

static void assert_churn(child_fn (*loop)(unsigned int number),
			 void (*action)(struct churn *churn))
{
	struct churn *churn = make_churn();

	churn_around(loop, action, churn);
	if (churn->wrong)
		fail_msg("%u of %u verdicts were wrong", churn->wrong, churn->asked);
	assert_int_equal(bpf_stale_cgroups(), 0);
	cgroup_remove("");
	assert_int_equal(bpf_stale_cgroups(), 0);
	munmap(churn, sizeof(*churn));
}

static void test_load_over_load_in_churn(void **state)
{
	assert_churn(mixed_loop, load_again_and_again);
}

static void test_first_load_in_churn(void **state)
{
	assert_churn(mixed_loop, load_from_nothing);
}

static void test_load_over_load_in_fast_churn(void **state)
{
	assert_churn(fast_loop, load_without_asking);
}

/* A process that is in its cgroup before the load is judged as one that comes later. */
static int connect_when_told(void *userdata)
{
	struct churn *churn = userdata;
	int64_t deadline = clock_ms() + FIXTURE_PATIENCE;

	while (!__atomic_load_n(&churn->stop, __ATOMIC_ACQUIRE))
		if (!pause_until(deadline))
			return ETIME;
	return connect_outside();
}

static void test_was_there_before(void **state)
{
	struct churn *churn = make_churn();
	struct child_handle mail, web;

	cgroup_make("mail.service");
	cgroup_make("web.service");
	mail = child_start(CHILD_IN("mail.service"), connect_when_told, churn);
	web = child_start(CHILD_IN("web.service"), connect_when_told, churn);
	load_policy();
	__atomic_store_n(&churn->stop, 1, __ATOMIC_RELEASE);
	assert_int_equal(child_wait(&mail), 0);
	assert_int_equal(child_wait(&web), EPERM);
	munmap(churn, sizeof(*churn));
}

static int tests(void)
{
	const struct CMUnitTest others[] = {
		cmocka_unit_test_teardown(test_was_there_before, fixture_tidy),
		cmocka_unit_test_teardown(test_load_over_load_in_churn, fixture_tidy),
		cmocka_unit_test_teardown(test_first_load_in_churn, fixture_tidy),
		cmocka_unit_test_teardown(test_load_over_load_in_fast_churn, fixture_tidy),
	};
	struct CMUnitTest tests[ARRAY_SIZE(rows) + ARRAY_SIZE(others)] = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		tests[i] = (struct CMUnitTest){
			.name = rows[i].name,
			.test_func = test_restarts,
			.teardown_func = fixture_tidy,
			.initial_state = (void *)&rows[i].restarts,
		};
	memcpy(tests + ARRAY_SIZE(rows), others, sizeof(others));
	return cmocka_run_group_tests_name("cgroups", tests, fixture_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
