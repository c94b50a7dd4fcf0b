// SPDX-License-Identifier: GPL-2.0-only
/* The cgroup v2 file system; see cgroupfs.h. */
#include "host/cgroupfs.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "base/macro.h"

/* mountinfo writes blank, tab, newline and backslash as three octal digits: see proc(5). */
static void cgroupfs_unescape(char *text)
{
	char *to = text;

	for (; *text; text++, to++) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' &&
		    text[2] <= '7' && text[3] >= '0' && text[3] <= '7') {
			*to = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
			text += 3;
		} else {
			*to = *text;
		}
	}
	*to = '\0';
}

/*
 * Splits ID PARENT MAJOR:MINOR ROOT MOUNTPOINT OPTIONS [TAGS...] - TYPE SOURCE SUPER. Writes NULs
 * into line; returns false if the line is of no cgroup2 mount.
 */
static bool cgroupfs_split_line(char *line, char **ret_root, char **ret_mount_point)
{
	char *type = strstr(line, " - ");
	char *field = line, *root = NULL, *mount_point = NULL;

	if (!type || strncmp(type, " - cgroup2 ", strlen(" - cgroup2 ")))
		return false;
	*type = '\0'; /* the fields that are wanted stand before it */
	for (int i = 0; i < 5 && field; i++) {
		char *word = strsep(&field, " ");

		if (i == 3)
			root = word;
		if (i == 4)
			mount_point = word;
	}
	if (!root || !mount_point || !field)
		return false;
	*ret_root = root;
	*ret_mount_point = mount_point;
	return true;
}

int cgroupfs_parse_mountinfo(FILE *mountinfo, char **ret_path)
{
	_cleanup_free_ char *line = NULL, *found = NULL;
	size_t size = 0;
	ssize_t len;

	errno = 0;
	while ((len = getline(&line, &size, mountinfo)) > 0) {
		char *root, *mount_point;
		bool whole;

		if (!cgroupfs_split_line(line, &root, &mount_point))
			continue;
		whole = !strcmp(root, "/");
		if (found && !whole)
			continue;
		free(found);
		found = strdup(mount_point);
		if (!found)
			return -ENOMEM;
		if (whole)
			break;
	}
	if (len < 0 && !feof(mountinfo))
		return errno ? -errno : -EIO;
	if (!found)
		return -ENOENT;
	cgroupfs_unescape(found);
	*ret_path = TAKE_PTR(found);
	return 0;
}

int cgroupfs_find_root(char **ret_path)
{
	_cleanup_fclose_ FILE *mountinfo = fopen("/proc/self/mountinfo", "re");

	if (!mountinfo)
		return -errno;
	return cgroupfs_parse_mountinfo(mountinfo, ret_path);
}

/* Calls is_it for each line of a file until is_it returns true; *ret_any: whether it did. */
static int cgroupfs_any_line(FILE *in, bool (*is_it)(char *line, void *userdata), void *userdata,
			     bool *ret_any)
{
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	bool any = false;

	errno = 0;
	while (!any && getline(&line, &size, in) > 0)
		any = is_it(line, userdata);
	if (!any && !feof(in))
		return errno ? -errno : -EIO;
	*ret_any = any;
	return 0;
}

static bool cgroupfs_line_is_v1(char *line, void *userdata __attribute__((unused)))
{
	return strstr(line, " - cgroup ") != NULL;
}

int cgroupfs_parse_v1(FILE *mountinfo, bool *ret_there)
{
	return cgroupfs_any_line(mountinfo, cgroupfs_line_is_v1, NULL, ret_there);
}

int cgroupfs_has_v1(bool *ret_there)
{
	_cleanup_fclose_ FILE *mountinfo = fopen("/proc/self/mountinfo", "re");

	return mountinfo ? cgroupfs_parse_v1(mountinfo, ret_there) : -errno;
}

/*
 * The place of a process, from its lines ID:CONTROLLERS:PATH; v2's line has ID 0 and no
 * controllers.
 */
struct cgroupfs_first {
	bool below_v1; /* in a cgroup of systemd's own v1 hierarchy */
	bool below_v2;
};

static bool cgroupfs_line_is_below(char *line, void *userdata)
{
	struct cgroupfs_first *first = userdata;
	const char *systemd = strstr(line, ":name=systemd:");

	if (systemd && strcmp(systemd, ":name=systemd:/\n") != 0)
		first->below_v1 = true;
	if (!strncmp(line, "0::", 3) && strcmp(line, "0::/\n") != 0)
		first->below_v2 = true;
	return false;
}

int cgroupfs_parse_v1_services(FILE *cgroup, bool *ret_alone)
{
	struct cgroupfs_first first = { 0 };
	bool any;
	int r = cgroupfs_any_line(cgroup, cgroupfs_line_is_below, &first, &any);

	if (r)
		return r;
	*ret_alone = first.below_v1 && !first.below_v2;
	return 0;
}

int cgroupfs_has_v1_services(bool *ret_alone)
{
	_cleanup_fclose_ FILE *cgroup = fopen("/proc/1/cgroup", "re");

	return cgroup ? cgroupfs_parse_v1_services(cgroup, ret_alone) : -errno;
}

int cgroupfs_open(const char *path, int *ret_fd)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0 || fstatfs(fd, &fs))
		return -errno;
	if (fs.f_type != CGROUP2_SUPER_MAGIC)
		return -EMEDIUMTYPE;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int cgroupfs_open_root(int *ret_fd)
{
	_cleanup_free_ char *root = NULL;
	int r = cgroupfs_find_root(&root);

	if (r)
		return r;
	return cgroupfs_open(root, ret_fd);
}

/* The type of a kernfs file handle, which is the node's 64-bit id: fs/kernfs/mount.c. */
#define FILEID_KERNFS 0xfe

union cgroupfs_handle {
	struct file_handle handle;
	char space[sizeof(struct file_handle) + sizeof(uint64_t)];
};

int cgroupfs_id(int dir_fd, const char *name, uint64_t *ret_id)
{
	union cgroupfs_handle id = { .handle.handle_bytes = sizeof(uint64_t) };
	int mount_id;

	if (name_to_handle_at(dir_fd, name, &id.handle, &mount_id, *name ? 0 : AT_EMPTY_PATH))
		return -errno;
	if (id.handle.handle_bytes != sizeof(uint64_t) || id.handle.handle_type != FILEID_KERNFS)
		return -EMEDIUMTYPE;
	memcpy(ret_id, id.handle.f_handle, sizeof(uint64_t));
	return 0;
}

int cgroupfs_open_id(int root_fd, uint64_t id, int *ret_fd)
{
	union cgroupfs_handle handle = {
		.handle = { .handle_bytes = sizeof(uint64_t), .handle_type = FILEID_KERNFS },
	};
	int fd;

	memcpy(handle.handle.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(root_fd, &handle.handle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int cgroupfs_exists(int root_fd, uint64_t id, bool *ret_exists)
{
	_cleanup_close_ int fd = -1;
	int r = cgroupfs_open_id(root_fd, id, &fd);

	if (r && r != -ESTALE)
		return r;
	*ret_exists = !r;
	return 0;
}

int cgroupfs_count(int dir_fd, uint64_t *ret_count)
{
	_cleanup_close_ int fd = openat(dir_fd, "cgroup.stat", O_RDONLY | O_CLOEXEC);
	_cleanup_fclose_ FILE *stat = NULL;
	unsigned long long count;

	if (fd < 0)
		return -errno;
	stat = fdopen(fd, "r");
	if (!stat)
		return -errno;
	TAKE_FD(fd);
	/* The number is the kernel's own. NOLINTNEXTLINE(cert-err34-c) */
	if (fscanf(stat, "nr_descendants %llu", &count) != 1)
		return -EBADMSG;
	*ret_count = count;
	return 0;
}
