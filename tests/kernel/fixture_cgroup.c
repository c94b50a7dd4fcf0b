// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cgroups of the tests. Every path is walked name by name: no length of a path and no
 * depth of nesting is too much.
 */
#include "fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <mntent.h>
#include <signal.h>
#include <sys/stat.h>

bool cgroup_find_mount(const char *type, const char *option, char *dst, size_t size)
{
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	struct mntent *mount;
	bool found = false;

	if (!mounts)
		return false;
	while (!found && (mount = getmntent(mounts))) {
		found = !strcmp(mount->mnt_type, type) && (!option || hasmntopt(mount, option));
		if (found)
			snprintf(dst, size, "%s", mount->mnt_dir);
	}
	endmntent(mounts);
	return found;
}

int cgroup_open(const char *path, bool make)
{
	_cleanup_close_ int fd = fcntl(fixture.base_fd, F_DUPFD_CLOEXEC, 3);

	while (fd >= 0 && *path) {
		char name[NAME_MAX + 1];
		size_t len = strcspn(path, "/");
		int below;

		if (len >= sizeof(name))
			return -ENAMETOOLONG;
		memcpy(name, path, len);
		name[len] = '\0';
		path += len + (path[len] == '/');
		if (make && mkdirat(fd, name, 0755) && errno != EEXIST)
			return -errno;
		below = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (below < 0)
			return -errno;
		close(fd);
		fd = below;
	}
	return fd < 0 ? -errno : TAKE_FD(fd);
}

void cgroup_make(const char *path)
{
	_cleanup_close_ int fd = cgroup_open(path, true);

	if (fd < 0)
		fail_msg("cannot make cgroup %s: %s", path, strerror(-fd));
}

uint64_t cgroup_id(const char *path)
{
	_cleanup_close_ int fd = cgroup_open(path, false);
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

int cgroup_enter_fd(int dir_fd)
{
	_cleanup_close_ int fd = openat(dir_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "0", 1) != 1)
		return -errno;
	return 0;
}

int cgroup_rmdir(int parent_fd, const char *name, int64_t deadline)
{
	while (unlinkat(parent_fd, name, AT_REMOVEDIR))
		if (errno != EBUSY || !pause_until(deadline))
			return -errno;
	return 0;
}

static void kill_members(int fd)
{
	_cleanup_close_ int members = openat(fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	_cleanup_fclose_ FILE *file = members < 0 ? NULL : fdopen(members, "r");
	int pid;

	if (!file)
		return;
	TAKE_FD(members);
	while (fscanf(file, "%d", &pid) == 1)
		if (pid > 1 && pid != getpid())
			kill(pid, SIGKILL);
}

static int empty(int fd)
{
	_cleanup_close_ int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;
	int err = 0;

	if (!dir)
		return -errno;
	TAKE_FD(copy);
	while (!err && (entry = readdir(dir)))
		if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") &&
		    strcmp(entry->d_name, ".."))
			err = cgroup_empty_tree(fd, entry->d_name);
	closedir(dir);
	return err;
}

int cgroup_empty_tree(int parent_fd, const char *name)
{
	_cleanup_close_ int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	kill_members(fd);
	err = empty(fd);
	return err ? err : cgroup_rmdir(parent_fd, name, clock_ms() + FIXTURE_PATIENCE);
}

void cgroup_remove(const char *path)
{
	_cleanup_close_ int fd = -1;
	const char *slash = strrchr(path, '/');
	char above[4096] = "";
	int err;

	if (!*path) {
		err = empty(fixture.base_fd);
	} else {
		if (slash)
			snprintf(above, sizeof(above), "%.*s", (int)(slash - path), path);
		fd = cgroup_open(above, false);
		assert_true(fd >= 0);
		err = cgroup_empty_tree(fd, slash ? slash + 1 : path);
	}
	if (err)
		fail_msg("cannot remove cgroup '%s': %s", path, strerror(-err));
}

/* cgroupfs's file handle is the id, so the kernel itself tells whether the cgroup is there. */
bool cgroup_exists_id(uint64_t id)
{
	union {
		struct file_handle handle;
		char space[sizeof(struct file_handle) + sizeof(id)];
	} handle = { .handle = { .handle_bytes = sizeof(id), .handle_type = 0xfe } };
	_cleanup_close_ int fd = -1;

	memcpy(handle.handle.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(fixture.base_fd, &handle.handle, O_RDONLY | O_CLOEXEC);
	return fd >= 0;
}
