// SPDX-License-Identifier: GPL-2.0-only
/* Gives the reader a way to the pins; see reader_view.h. */
#include "pins/reader_view.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host/first_mounts.h"
#include "host/trusted.h"
#include "pins/lock.h"

#define READER_VIEW_FLAGS (MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)

/* A step to do in a mount namespace, and the directory that it is about. */
struct reader_view {
	int (*step)(const struct reader_view *view);
	struct stat pins; /* the directory to show */
};

static bool view_is_there(void)
{
	struct statfs fs;

	return !statfs(READER_VIEW_PATH, &fs) && fs.f_type == BPF_FS_MAGIC;
}

static bool view_shows(const char *path, const struct reader_view *view)
{
	struct stat st;

	return !stat(path, &st) && trusted_same(&st, &view->pins);
}

static int view_unmount(void)
{
	return umount2(READER_VIEW_PATH, MNT_DETACH | UMOUNT_NOFOLLOW) ? -errno : 0;
}

static int view_remove_here(const struct reader_view *view)
{
	return view_shows(READER_VIEW_PATH, view) ? view_unmount() : 0;
}

/* Makes a directory of root's that nobody else can change; it may exist. */
static int view_make_directory(const char *path)
{
	struct stat st;

	if (mkdir(path, 0755) && errno != EEXIST)
		return -errno;
	if (lstat(path, &st))
		return -errno;
	if (!S_ISDIR(st.st_mode) || st.st_uid || st.st_mode & (S_IWGRP | S_IWOTH))
		return -EPERM;
	/* The mode of mkdir(2) goes by the umask. */
	return chmod(path, 0755) ? -errno : 0;
}

static int view_make_here(const struct reader_view *view)
{
	int r;

	if (!view_shows(PINS_DEFAULT_PATH, view) || view_shows(READER_VIEW_PATH, view))
		return 0;
	/* The mount is of a directory that an unload has removed since. */
	r = view_is_there() ? view_unmount() : 0;
	if (r)
		return r;
	r = view_make_directory(RUN_DIR);
	if (!r)
		r = view_make_directory(READER_VIEW_PATH);
	if (r)
		return r;
	if (mount(PINS_DEFAULT_PATH, READER_VIEW_PATH, NULL, MS_BIND, NULL))
		return -errno;
	if (mount(NULL, READER_VIEW_PATH, NULL, READER_VIEW_FLAGS, NULL)) {
		r = -errno;
		view_unmount();
		return r;
	}
	return 0;
}

static int view_step(void *userdata)
{
	const struct reader_view *view = userdata;

	return view->step(view);
}

static int view_do_in_first(struct reader_view *view)
{
	bool differ;
	int r = first_mounts_differ(&differ);

	if (r || !differ)
		return r;
	return first_mounts_run(view_step, view);
}

static int view_do(struct reader_view *view)
{
	int r = view->step(view);

	return r ? r : view_do_in_first(view);
}

static int view_do_for(const struct pins *pins, int (*step)(const struct reader_view *view))
{
	struct reader_view view = { .step = step };

	if (strcmp(pins->path, PINS_DEFAULT_PATH))
		return 0;
	return fstat(pins->fd, &view.pins) ? -errno : view_do(&view);
}

int reader_view_make(const struct pins *pins, struct reason *reason)
{
	int r = view_do_for(pins, view_make_here);

	if (r)
		return reason_errno(reason, r, "cannot show %s to its reader at %s", pins->path,
				    READER_VIEW_PATH);
	return 0;
}

int reader_view_remove(const struct pins *pins, struct reason *reason)
{
	int r = view_do_for(pins, view_remove_here);

	if (r)
		return reason_errno(reason, r, "cannot take away %s", READER_VIEW_PATH);
	return 0;
}

const char *reader_view_choose(const char *given)
{
	struct stat st;

	if (given)
		return given;
	if (geteuid() && stat(PINS_DEFAULT_PATH, &st) && errno == EACCES && view_is_there())
		return READER_VIEW_PATH;
	return PINS_DEFAULT_PATH;
}
