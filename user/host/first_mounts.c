// SPDX-License-Identifier: GPL-2.0-only
/* Process 1's mounts; see first_mounts.h. */
#include "host/first_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "host/trusted.h"

#define FIRST_NAMESPACE "/proc/1/ns/mnt"

struct first_mounts {
	int (*step)(void *userdata);
	void *userdata;
	int namespace_fd;
	int result;
};

int first_mounts_differ(bool *ret_differ)
{
	struct stat ours, first;

	*ret_differ = false;
	/*
	 * A process that may not look at process 1, as in some containers, stays in its own
	 * mounts.
	 */
	if (stat("/proc/self/ns/mnt", &ours) || stat(FIRST_NAMESPACE, &first))
		return errno == EACCES || errno == EPERM || errno == ENOENT ? 0 : -errno;
	*ret_differ = !trusted_same(&ours, &first);
	return 0;
}

/* Runs in a thread, which can have a root and a working directory of its own. */
static void *first_mounts_do(void *userdata)
{
	struct first_mounts *first = userdata;

	if (unshare(CLONE_FS) || setns(first->namespace_fd, CLONE_NEWNS))
		first->result = -errno;
	else
		first->result = first->step(first->userdata);
	return NULL;
}

int first_mounts_run(int (*step)(void *userdata), void *userdata)
{
	_cleanup_close_ int fd = open(FIRST_NAMESPACE, O_RDONLY | O_CLOEXEC);
	struct first_mounts first = { step, userdata, fd, 0 };
	pthread_t thread;
	int r;

	if (fd < 0)
		return -errno;
	r = pthread_create(&thread, NULL, first_mounts_do, &first);
	if (r)
		return -r;
	r = pthread_join(thread, NULL);
	return r ? -r : first.result;
}
