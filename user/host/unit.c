// SPDX-License-Identifier: GPL-2.0-only
/* The units of this machine; see unit.h. */
#include "host/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <smtpward/match.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "host/cgroupfs.h"

/* systemd.unit(5); what generators and transient units write too. */
static const char *const unit_dirs[] = {
	"/etc/systemd/system",		 "/run/systemd/system",
	"/run/systemd/transient",	 "/run/systemd/generator",
	"/run/systemd/generator.early",	 "/run/systemd/generator.late",
	"/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
	"/lib/systemd/system",
};

/* As the programs compare it. */
static bool unit_matches(const char *pattern, const char *name)
{
	const char *star = strchr(pattern, '*');
	const size_t before = star ? (size_t)(star - pattern) : 0;
	const size_t after = star ? strlen(star + 1) : 0, len = strlen(name);

	if (!star)
		return !strcmp(pattern, name);
	return len >= before + after && !smtpward_is_slice(name, len) &&
	       !memcmp(pattern, name, before) && !memcmp(star + 1, name + len - after, after);
}

/* getty@tty1.service and getty@*.service are of getty@.service; NULL for others. */
static int unit_template(const char *name, char **ret_template)
{
	const char *at = strchr(name, '@'), *dot = at ? strrchr(at, '.') : NULL;
	char *template = NULL;

	if (dot && asprintf(&template, "%.*s%s", (int)(at + 1 - name), name, dot) < 0)
		return -ENOMEM;
	*ret_template = template;
	return 0;
}

/* Calls back for each entry until one is what was looked for. A directory may be missing. */
static int unit_any_entry(int dir_fd, bool (*is_it)(int dir_fd, const char *entry, void *userdata),
			  void *userdata, bool *ret_any)
{
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_close_ int fd = dir_fd;
	const struct dirent *entry;
	bool any = false;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	dir = fdopendir(fd);
	if (!dir)
		return -errno;
	TAKE_FD(fd);
	errno = 0;
	while (!any && (entry = readdir(dir)))
		any = entry->d_name[0] != '.' && is_it(dirfd(dir), entry->d_name, userdata);
	if (!any && errno)
		return -errno;
	*ret_any |= any;
	return 0;
}

struct unit_sought {
	const char *name, *template;
};

static bool unit_is_file(int dir_fd __attribute__((unused)), const char *entry, void *userdata)
{
	const struct unit_sought *sought = userdata;

	return unit_matches(sought->name, entry) ||
	       (sought->template && unit_matches(sought->template, entry));
}

int unit_is_in_files(const char *dir, const char *name, bool *ret_known)
{
	_cleanup_free_ char *template = NULL;
	int r = unit_template(name, &template);
	struct unit_sought sought = { .name = name, .template = template };

	if (r)
		return r;
	*ret_known = false;
	return unit_any_entry(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), unit_is_file, &sought,
			      ret_known);
}

/* A unit has nothing but slices above it. */
static bool unit_is_cgroup(int dir_fd, const char *entry, void *userdata)
{
	const char *pattern = userdata;
	bool found = false;

	if (!smtpward_is_slice(entry, strlen(entry))) {
		struct stat st;

		return unit_matches(pattern, entry) && !fstatat(dir_fd, entry, &st, 0) &&
		       S_ISDIR(st.st_mode);
	}
	/* One that went away meanwhile has no unit. */
	(void)unit_any_entry(openat(dir_fd, entry, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
			     unit_is_cgroup, userdata, &found);
	return found;
}

int unit_is_in_cgroups(const char *dir, const char *name, bool *ret_known)
{
	*ret_known = false;
	return unit_any_entry(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), unit_is_cgroup,
			      (void *)name, ret_known);
}

int unit_is_known(const char *name, bool *ret_known)
{
	_cleanup_free_ char *root = NULL;
	bool known = false;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(unit_dirs) && !known; i++) {
		r = unit_is_in_files(unit_dirs[i], name, &known);
		if (r)
			return r;
	}
	r = known ? -ENOENT : cgroupfs_find_root(&root);
	if (!r)
		r = unit_is_in_cgroups(root, name, &known);
	if (r && r != -ENOENT)
		return r;
	*ret_known = known;
	return 0;
}
