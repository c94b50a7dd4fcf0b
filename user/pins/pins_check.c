// SPDX-License-Identifier: GPL-2.0-only
/* Checks whether a directory is a pin directory, and nobody else's; see pins_parts.h. */
#include "pins/pins_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"

static bool pins_is_on_bpffs(int at_fd, const char *name)
{
	_cleanup_close_ int fd = openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	return fd >= 0 && !fstatfs(fd, &fs) && fs.f_type == BPF_FS_MAGIC;
}

/* Removes a directory that was just made on another file system by mistake. */
static int pins_refuse_file_system(const char *path, int fd, bool made, struct reason *reason)
{
	if (made && rmdir(path))
		return reason_errno(reason, -errno, "%s is not on a bpffs, and removing it failed",
				    path);
	if (!made && pins_is_on_bpffs(fd, ".."))
		return reason_set(reason, -EMEDIUMTYPE,
				  "%s is covered by what is mounted there: umount %s", path, path);
	return reason_set(reason, -EMEDIUMTYPE,
			  "%s is not on a bpffs: mount one: mount -t bpf bpf /sys/fs/bpf", path);
}

bool pins_makes(const char *name)
{
	static const char *const prefixes[] = { "map_", "link_", "prog_", "iter_" };
	static const char *const names[] = { POLICY_NAME, TRIAL_NAME, NEW_NAME, PINS_READER_NAME };

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return pins_parse_generation(name);
}

/*
 * Checks the names in a directory without a map_gate, which somebody may have removed: the
 * directory is ours if it has a generation's directory, or nothing but names of ours.
 */
static int pins_check_names(int fd, const char *path, struct reason *reason)
{
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_free_ char *strange = NULL;
	const char *name;
	int r = pins_open_dir(fd, ".", &dir);

	if (r)
		return reason_errno(reason, r, "cannot list %s", path);
	while ((r = pins_next_entry(dir, &name)) > 0) {
		if (pins_parse_generation(name))
			return 0;
		if (strange || pins_makes(name))
			continue;
		strange = strdup(name);
		if (!strange)
			return reason_errno(reason, -ENOMEM, "cannot list %s", path);
	}
	if (r)
		return reason_errno(reason, r, "cannot list %s", path);
	if (!strange)
		return 0;
	return reason_set(reason, -EBUSY,
			  "%s was not made by smtpward: it has %s and no " GATE_NAME
			  "; remove it, or name another directory with --pins",
			  path, strange);
}

/*
 * Takes the directory from its owner, for a load or unload. A pin that others put there meanwhile
 * is handled as one that was replaced.
 */
static int pins_take_from_others(int fd, const char *path, mode_t mode, struct reason *reason)
{
	if (fchown(fd, 0, (gid_t)-1) || fchmod(fd, mode & ALLPERMS & ~(S_IWGRP | S_IWOTH)))
		return reason_errno(reason, -errno, "cannot make %s root's", path);
	return 0;
}

/* Accepts an empty directory, and one that is ours by its map_gate or by the names in it. */
static int pins_check_owner(int fd, const char *path, bool alone, struct reason *reason)
{
	struct stat st, gate;
	bool others, has_gate;

	if (fstat(fd, &st))
		return reason_errno(reason, -errno, "cannot examine %s", path);
	others = (st.st_uid && st.st_uid != geteuid()) || st.st_mode & (S_IWGRP | S_IWOTH);
	has_gate = !fstatat(fd, GATE_NAME, &gate, AT_SYMLINK_NOFOLLOW);
	if (!has_gate && errno != ENOENT)
		return reason_errno(reason, -errno, "cannot examine %s/%s", path, GATE_NAME);
	if (others && has_gate && alone)
		return pins_take_from_others(fd, path, st.st_mode, reason);
	if (others)
		return reason_set(reason, -EBUSY,
				  "%s belongs to another user, or others may write to it: make it "
				  "root's (chown root %s; chmod go-w %s), or name another "
				  "directory with --pins",
				  path, path, path);
	return has_gate ? 0 : pins_check_names(fd, path, reason);
}

int pins_open_checked(const char *path, bool made, bool alone, int *ret_fd, struct reason *reason)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct statfs fs;
	int r;

	if (fd < 0 && errno == ENOTDIR)
		return reason_set(reason, -EBUSY,
				  "%s was not made by smtpward: it is no directory; remove it, or "
				  "name another with --pins",
				  path);
	if (fd < 0 && errno == EACCES)
		return reason_set(reason, -EACCES, "cannot open %s: this needs root", path);
	if (fd < 0)
		return reason_errno(reason, -errno, "cannot open %s", path);
	if (fstatfs(fd, &fs))
		return reason_errno(reason, -errno, "cannot examine %s", path);
	if (fs.f_type != BPF_FS_MAGIC)
		return pins_refuse_file_system(path, fd, made, reason);
	r = pins_check_owner(fd, path, alone, reason);
	if (r)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}
