// SPDX-License-Identifier: GPL-2.0-only
/*
 * Children in a cgroup and under ids of their own. An error in a child is a message on stderr and
 * no result, which fails the test.
 */
#include "fixture.h"

#include <grp.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif

#define CHILDREN_MAX 64

static pid_t children[CHILDREN_MAX];

void child_register(pid_t pid)
{
	for (size_t i = 0; i < CHILDREN_MAX; i++) {
		if (children[i])
			continue;
		children[i] = pid;
		return;
	}
	fail_msg("too many children");
}

void child_forget(pid_t pid)
{
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		if (children[i] == pid)
			children[i] = 0;
}

void child_kill_all(void)
{
	for (size_t i = 0; i < CHILDREN_MAX; i++) {
		if (!children[i])
			continue;
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
		children[i] = 0;
	}
}

int child_reap(pid_t pid, int64_t deadline, int *ret_status)
{
	for (;;) {
		pid_t got = waitpid(pid, ret_status, WNOHANG);

		if (got == pid) {
			child_forget(pid);
			return 0;
		}
		if (got < 0)
			return -errno;
		if (!pause_until(deadline))
			return -ETIMEDOUT;
	}
}

static int become(const struct child *child)
{
	if (child->groups && setgroups(child->n_groups, child->groups))
		return -errno;
	if (child->egid && setegid(child->egid))
		return -errno;
	if (child->uid && setresuid(child->uid, child->uid, child->uid))
		return -errno;
	if (child->euid && seteuid(child->euid))
		return -errno;
	return 0;
}

static void live(const struct child *child, int cgroup_fd, int result_fd, child_fn fn, void *arg)
{
	int err = 0, result;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (cgroup_fd >= 0 && !child->clone_into)
		err = cgroup_enter_fd(cgroup_fd);
	if (!err)
		err = become(child);
	if (err) {
		fprintf(stderr, "a child cannot begin: %s\n", strerror(-err));
		_exit(1);
	}
	alarm(FIXTURE_PATIENCE / 1000);
	result = fn(arg);
	_exit(write(result_fd, &result, sizeof(result)) != sizeof(result));
}

static pid_t fork_into(int cgroup_fd)
{
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)cgroup_fd,
	};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

struct child_handle child_start(const struct child *child, child_fn fn, void *arg)
{
	_cleanup_close_ int opened = child->cgroup ? cgroup_open(child->cgroup, false) : -1;
	int cgroup_fd = child->cgroup ? opened : child->cgroup_fd > 0 ? child->cgroup_fd : -1;
	struct child_handle handle;
	int result[2];

	if (child->cgroup && opened < 0)
		fail_msg("cannot open cgroup %s: %s", child->cgroup, strerror(-opened));
	assert_int_equal(pipe(result), 0);
	fflush(NULL);
	handle.pid = child->clone_into ? fork_into(cgroup_fd) : fork();
	if (!handle.pid) {
		close(result[0]);
		live(child, cgroup_fd, result[1], fn, arg);
	}
	close(result[1]);
	handle.fd = result[0];
	if (handle.pid < 0) {
		close(handle.fd);
		fail_msg("cannot fork: %s", strerror(errno));
	}
	child_register(handle.pid);
	return handle;
}

int child_wait(struct child_handle *handle)
{
	struct pollfd wait = { .fd = handle->fd, .events = POLLIN };
	_cleanup_close_ int fd = handle->fd;
	int result, status;

	if (poll(&wait, 1, FIXTURE_PATIENCE) != 1 ||
	    read(fd, &result, sizeof(result)) != sizeof(result))
		fail_msg("the child %d gave no answer", (int)handle->pid);
	assert_int_equal(child_reap(handle->pid, clock_ms() + FIXTURE_PATIENCE, &status), 0);
	return result;
}

int child_run(const struct child *child, child_fn fn, void *arg)
{
	struct child_handle handle = child_start(child, fn, arg);

	return child_wait(&handle);
}

uint64_t process_status(pid_t pid, const char *name, int base)
{
	_cleanup_fclose_ FILE *file = NULL;
	char path[64], line[256];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
			return strtoull(line + strlen(name) + 1, NULL, base);
	fail_msg("no %s in %s", name, path);
	return 0;
}
