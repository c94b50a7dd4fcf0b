// SPDX-License-Identifier: GPL-2.0-only
/* Looks up units of this machine; see unit.h. */
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

/* The unit search path, as systemd.unit(5) has it, in its order. */
static const char *const unit_dirs[] = {
	"/etc/systemd/system.control", "/run/systemd/system.control",
	"/run/systemd/transient",      "/run/systemd/generator.early",
	"/etc/systemd/system",	       "/etc/systemd/system.attached",
	"/run/systemd/system",	       "/run/systemd/system.attached",
	"/run/systemd/generator",      "/usr/local/lib/systemd/system",
	"/usr/lib/systemd/system",     "/lib/systemd/system",
	"/run/systemd/generator.late",
};

/* Compares as the programs do. */
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

/*
 * The template of getty@tty1.service and of getty@*.service is getty@.service; NULL for a name
 * without an instance.
 */
static int unit_template(const char *name, char **ret_template)
{
	const char *at = strchr(name, '@'), *dot = at ? strrchr(at, '.') : NULL;
	char *template = NULL;

	if (dot && asprintf(&template, "%.*s%s", (int)(at + 1 - name), name, dot) < 0)
		return -ENOMEM;
	*ret_template = template;
	return 0;
}

/*
 * Calls is_it for each entry of a directory until is_it returns true. The directory may be
 * missing.
 */
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
	while (!any && (errno = 0, entry = readdir(dir)))
		any = entry->d_name[0] != '.' && is_it(dirfd(dir), entry->d_name, userdata);
	if (!any && errno)
		return -errno;
	*ret_any |= any;
	return 0;
}

/* A link that leads nowhere is no unit file, and neither is a directory. */
static bool unit_is_file(int dir_fd, const char *entry, void *userdata)
{
	struct stat st;

	return unit_matches(userdata, entry) && !fstatat(dir_fd, entry, &st, 0) &&
	       S_ISREG(st.st_mode) && st.st_size;
}

static int unit_find_starred(const char *const *dirs, size_t n_dirs, const char *name,
			     enum unit_kind *ret_kind)
{
	bool any = false;

	for (size_t i = 0; i < n_dirs && !any; i++) {
		int r = unit_any_entry(open(dirs[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC),
				       unit_is_file, (void *)name, &any);

		if (r)
			return r;
	}
	*ret_kind = any ? UNIT_KNOWN : UNIT_UNKNOWN;
	return 0;
}

/* KNOWN if the path leads to a unit file; *ret_end is the file's name if that differs from name. */
static int unit_find_end(const char *path, const char *name, enum unit_kind *ret_kind,
			 char **ret_end)
{
	_cleanup_free_ char *end = realpath(path, NULL);
	const char *slash = end ? strrchr(end, '/') : NULL;
	struct stat st;

	*ret_kind = UNIT_UNKNOWN;
	*ret_end = NULL;
	if (!end || stat(end, &st))
		return errno == ENOMEM ? -ENOMEM : 0;
	/* A link to /dev/null, or an empty file, masks a unit. */
	if (S_ISCHR(st.st_mode) || (S_ISREG(st.st_mode) && !st.st_size)) {
		*ret_kind = UNIT_MASKED;
		return 0;
	}
	if (!S_ISREG(st.st_mode))
		return 0;
	*ret_kind = UNIT_KNOWN;
	if (!slash || !strcmp(slash + 1, name))
		return 0;
	*ret_end = strdup(slash + 1);
	return *ret_end ? 0 : -ENOMEM;
}

static int unit_find_file(const char *const *dirs, size_t n_dirs, const char *name,
			  enum unit_kind *ret_kind, char **ret_end)
{
	enum unit_kind kind = UNIT_UNKNOWN;
	char *end = NULL;

	for (size_t i = 0; i < n_dirs && kind == UNIT_UNKNOWN; i++) {
		_cleanup_free_ char *path = NULL;
		int r;

		if (asprintf(&path, "%s/%s", dirs[i], name) < 0) {
			path = NULL; /* undefined after a failure */
			return -ENOMEM;
		}
		r = unit_find_end(path, name, &kind, &end);
		if (r)
			return r;
	}
	*ret_kind = kind;
	*ret_end = end;
	return 0;
}

/*
 * A file of another name makes name an alias only if that other name is itself a unit. autovt@tty1
 * is getty@tty1.
 */
static int unit_find_alias(const char *const *dirs, size_t n_dirs, const char *name,
			   const char *end, enum unit_kind *kind, char **ret_real)
{
	_cleanup_free_ char *own = NULL;
	const char *at = strchr(name, '@'), *end_at = strchr(end, '@');
	enum unit_kind end_kind;
	int r = unit_find_file(dirs, n_dirs, end, &end_kind, &own);

	if (r || end_kind != UNIT_KNOWN || own)
		return r;
	if (asprintf(ret_real, "%.*s%s", (int)(end_at ? end_at - end : (ptrdiff_t)strlen(end)), end,
		     at && end_at ? at : end_at ?: "") < 0) {
		*ret_real = NULL; /* undefined after a failure */
		return -ENOMEM;
	}
	*kind = UNIT_ALIAS;
	return 0;
}

int unit_find_in_files(const char *const *dirs, size_t n_dirs, const char *name,
		       enum unit_kind *ret_kind, char **ret_real)
{
	_cleanup_free_ char *template = NULL, *end = NULL;
	bool is_template;
	int r = unit_template(name, &template);

	*ret_real = NULL;
	if (r)
		return r;
	if (strchr(name, '*')) {
		r = unit_find_starred(dirs, n_dirs, name, ret_kind);
		return r || *ret_kind == UNIT_KNOWN || !template
			       ? r
			       : unit_find_file(dirs, n_dirs, template, ret_kind, &end);
	}
	is_template = template && !strcmp(template, name);
	r = unit_find_file(dirs, n_dirs, name, ret_kind, &end);
	if (!r && *ret_kind == UNIT_UNKNOWN && template && !is_template)
		r = unit_find_file(dirs, n_dirs, template, ret_kind, &end);
	if (!r && *ret_kind == UNIT_KNOWN && is_template)
		*ret_kind = UNIT_TEMPLATE;
	if (r || *ret_kind != UNIT_KNOWN || !end)
		return r;
	return unit_find_alias(dirs, n_dirs, name, end, ret_kind, ret_real);
}

/* Whether the entry, or a slice's entries, match. A unit has nothing but slices above it. */
static bool unit_is_cgroup(int dir_fd, const char *entry, void *userdata)
{
	const char *pattern = userdata;
	bool found = false;

	if (!smtpward_is_slice(entry, strlen(entry))) {
		struct stat st;

		return unit_matches(pattern, entry) && !fstatat(dir_fd, entry, &st, 0) &&
		       S_ISDIR(st.st_mode);
	}
	/* A slice that went away meanwhile has no unit. */
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

int unit_find(const char *name, enum unit_kind *ret_kind, char **ret_real)
{
	_cleanup_free_ char *root = NULL, *real = NULL;
	bool runs = false;
	enum unit_kind kind;
	int r = unit_find_in_files(unit_dirs, ARRAY_SIZE(unit_dirs), name, &kind, &real);

	if (r)
		return r;
	r = kind == UNIT_KNOWN ? -ENOENT : cgroupfs_find_root(&root);
	if (!r)
		r = unit_is_in_cgroups(root, name, &runs);
	if (r && r != -ENOENT)
		return r;
	*ret_kind = runs ? UNIT_KNOWN : kind;
	*ret_real = runs ? NULL : TAKE_PTR(real);
	return 0;
}
