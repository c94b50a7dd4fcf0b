// SPDX-License-Identifier: GPL-2.0-only
/* Root's lock; see lock.h. */
#include "pins/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "pins/instance.h"
#include "pins/pins.h"

#define LOCK_DIR "lock"

#define PAUSE_MS 50
#define TELL_MS 2000

/* More than 0.1.0 ever takes under its own lock. */
#define OLDER_MS 2000

static void (*lock_waiting)(const char *pins, pid_t holder);

void lock_set_waiting(void (*waiting)(const char *pins, pid_t holder))
{
	lock_waiting = waiting;
}

pid_t lock_find_holder(int fd)
{
	_cleanup_fclose_ FILE *locks = fopen("/proc/locks", "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	struct stat st;

	if (!locks || fstat(fd, &st))
		return 0;
	while (getline(&line, &size, locks) > 0) {
		unsigned int dev_major, dev_minor;
		unsigned long inode;
		int pid;

		/* The numbers are the kernel's own. NOLINTNEXTLINE(cert-err34-c) */
		if (sscanf(line, "%*d: FLOCK %*s %*s %d %x:%x:%lu", &pid, &dev_major, &dev_minor,
			   &inode) == 4 &&
		    makedev(dev_major, dev_minor) == st.st_dev && inode == st.st_ino)
			return pid;
	}
	return 0;
}

/*
 * Opens a directory of root's that nobody else may write to; makes it with mode, whatever the
 * umask.
 */
static int lock_open_own(int at_fd, const char *name, mode_t mode, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (mkdirat(at_fd, name, mode) && errno != EEXIST)
		return -errno;
	fd = openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (st.st_uid || st.st_mode & (S_IWGRP | S_IWOTH))
		return -EPERM;
	if ((st.st_mode & ALLPERMS) != mode && fchmod(fd, mode))
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int lock_open_dir(const char *name, int *ret_fd, struct reason *reason)
{
	_cleanup_close_ int run_fd = -1;
	int r = lock_open_own(AT_FDCWD, RUN_DIR, 0755, &run_fd);

	if (r == -EPERM)
		return reason_set(reason, r,
				  RUN_DIR " belongs to another user, or others may write to it; "
					  "make it root's: chown root " RUN_DIR
					  "; chmod 755 " RUN_DIR);
	if (r)
		return reason_errno(reason, r, "cannot make or open " RUN_DIR);
	r = lock_open_own(run_fd, name, 0700, ret_fd);
	if (r == -EPERM)
		return reason_set(reason, r,
				  RUN_DIR "/%s belongs to another user, or others may write to "
					  "it; unmount what is mounted there, or make it root's: "
					  "chown root " RUN_DIR "/%s; chmod 700 " RUN_DIR "/%s",
				  name, name, name);
	if (r)
		return reason_errno(reason, r, "cannot make or open " RUN_DIR "/%s", name);
	return 0;
}

/* The name of an instance has no dot, so no other lock has this name. */
#define LOCK_KEPT_SUFFIX ".kept"

static int lock_open_file(const char *pins, const char *suffix, int *ret_fd, struct reason *reason)
{
	char instance[PINS_PATH_SIZE], name[PINS_PATH_SIZE + sizeof(LOCK_KEPT_SUFFIX)];
	_cleanup_close_ int dir_fd = -1;
	int r = pins_instance_name(pins, instance);

	if (r)
		return reason_errno(reason, r, "cannot name the lock of %s", pins);
	snprintf(name, sizeof(name), "%s%s", instance, suffix);
	r = lock_open_dir(LOCK_DIR, &dir_fd, reason);
	if (r)
		return r;
	/*
	 * Opened to read: a process that may not write to RUN_DIR, as a service under
	 * ProtectSystem=, can lock the file.
	 */
	*ret_fd = openat(dir_fd, name, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*ret_fd < 0)
		return reason_errno(reason, -errno, "cannot open the lock of %s", pins);
	return 0;
}

static int lock_time_out(const char *pins, int fd, struct reason *reason)
{
	pid_t holder = lock_find_holder(fd);

	if (holder)
		return reason_set(reason, -ETIMEDOUT,
				  "process %d has been loading or unloading %s for %d seconds: end "
				  "it, or try again",
				  (int)holder, pins, LOCK_SECONDS);
	return reason_set(reason, -ETIMEDOUT,
			  "somebody has been loading or unloading %s for %d seconds: try again",
			  pins, LOCK_SECONDS);
}

/*
 * Whether SIGINT or SIGTERM is pending. A caller that blocks these signals is asked before each
 * step, never in the middle of one.
 */
static bool lock_is_interrupted(void)
{
	sigset_t pending;

	return !sigpending(&pending) &&
	       (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1);
}

static int lock_wait(const char *pins, int fd, int operation, struct reason *reason)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };

	for (unsigned int waited = 0; flock(fd, operation | LOCK_NB); waited += PAUSE_MS) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return reason_errno(reason, -errno, "cannot lock %s", pins);
		if (lock_is_interrupted())
			return reason_set(reason, -EINTR,
					  "ended by a signal while somebody else was loading or "
					  "unloading %s: nothing has changed",
					  pins);
		if (waited >= LOCK_SECONDS * 1000)
			return lock_time_out(pins, fd, reason);
		if (waited == TELL_MS && lock_waiting)
			lock_waiting(pins, lock_find_holder(fd));
		nanosleep(&pause, NULL);
	}
	return 0;
}

int lock_take(const char *pins, enum lock_kind kind, int *ret_fd, struct reason *reason)
{
	_cleanup_close_ int fd = -1;
	int r = lock_open_file(pins, "", &fd, reason);

	/*
	 * Nothing was ever loaded here, and a process that sees RUN_DIR read-only can change
	 * nothing.
	 */
	if (r == -EROFS && kind != LOCK_ALONE) {
		*ret_fd = -1;
		return 0;
	}
	if (r)
		return r;
	if (kind != LOCK_TRY)
		r = lock_wait(pins, fd, kind == LOCK_ALONE ? LOCK_EX : LOCK_SH, reason);
	else if (flock(fd, LOCK_SH | LOCK_NB))
		r = errno == EWOULDBLOCK ? -EAGAIN
					 : reason_errno(reason, -errno, "cannot lock %s", pins);
	if (r)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int lock_take_kept(const char *pins, int *ret_fd, struct reason *reason)
{
	_cleanup_close_ int fd = -1;
	int r = lock_open_file(pins, LOCK_KEPT_SUFFIX, &fd, reason);

	if (!r)
		r = lock_wait(pins, fd, LOCK_EX, reason);
	if (r)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int lock_older(const struct pins *pins, uint64_t generation)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };
	bool newer = false;
	int r = pins_has(pins, generation, "map_origin", &newer);

	if (r || newer)
		return r;
	for (unsigned int waited = 0; flock(pins->fd, LOCK_EX | LOCK_NB); waited += PAUSE_MS) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (waited >= OLDER_MS)
			return 0;
		nanosleep(&pause, NULL);
	}
	return 0;
}
