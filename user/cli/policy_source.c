// SPDX-License-Identifier: GPL-2.0-only
/* The parser's view of the real world: files, glob(3), and the databases of users and groups. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "host/trusted.h"
#include "policy/policy.h"
#include "policy/policy_parse.h"

/* The size of an entry in the user or group database: a group may have very many members. */
#define ENTRY_SIZE_MIN 1024
#define ENTRY_SIZE_MAX (16U << 20)

/*
 * Opens a file of a policy. A policy decides for root, so root takes no file that others can write
 * to or replace.
 */
static int source_open(const char *path, int *ret_fd, struct reason *reterr)
{
	/* Not blocking, as a fifo shows to be one only after it is open. */
	const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	int fd;

	if (!geteuid())
		return trusted_open(path, flags, ret_fd, reterr);
	fd = open(path, flags);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

static int source_check_file(int fd, struct reason *reterr)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return reason_set(reterr, -EISDIR,
				  "it is a directory: 'include DIR/*.conf' reads the files in it");
	if (!S_ISREG(st.st_mode))
		return reason_set(reterr, -EINVAL, "it is not a regular file");
	if (st.st_mode & S_IWOTH)
		return reason_set(reterr, -EPERM,
				  "others can write to it, and it decides for root: take that "
				  "right away (chmod go-w)");
	return 0;
}

/* Reads one byte more than the maximum, so that the parser sees a file that is too large. */
static int source_read_all(int fd, char **ret_text, size_t *ret_size)
{
	_cleanup_free_ char *text = malloc(POLICY_FILE_MAX + 1);
	size_t size = 0;

	if (!text)
		return -ENOMEM;
	while (size <= POLICY_FILE_MAX) {
		ssize_t n = read(fd, text + size, POLICY_FILE_MAX + 1 - size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		size += (size_t)n;
	}
	*ret_text = TAKE_PTR(text);
	*ret_size = size;
	return 0;
}

/* Returns r, and hands on the reason if there is one beyond errno. */
static int source_fail(int r, const struct reason *why, char **reterr_why)
{
	char *copy = *why->text ? strdup(why->text) : NULL;

	if (*why->text && !copy)
		return -ENOMEM;
	*reterr_why = copy;
	return r;
}

static int source_read(void *userdata, const char *path, char **ret_text, size_t *ret_size,
		       char **reterr_why)
{
	_cleanup_close_ int fd = -1;
	struct reason why = { "" };
	int r = source_open(path, &fd, &why);
	struct stat st;

	(void)userdata;
	/*
	 * trusted_open() does not find a pipe, as /dev/stdin may be: its link has no name to
	 * follow.
	 */
	if (r == -ENOENT && !stat(path, &st) && !S_ISREG(st.st_mode))
		r = reason_set(&why, -EINVAL, "it is not a regular file");
	if (!r)
		r = source_check_file(fd, &why);
	if (r)
		return source_fail(r, &why, reterr_why);
	return source_read_all(fd, ret_text, ret_size);
}

/* Writes text with a backslash before each byte of special, without a NUL. */
static char *source_copy_escaped(char *out, const char *text, size_t size, const char *special)
{
	for (size_t i = 0; i < size; i++) {
		if (strchr(special, text[i]))
			*out++ = '\\';
		*out++ = text[i];
	}
	return out;
}

/*
 * The path of a pattern, relative to includer's directory. escape: for glob(3), which must not
 * take the directory for a pattern.
 */
static int source_join_path(const char *includer, const char *pattern, bool escape, char **ret_path)
{
	const char *slash = *pattern == '/' ? NULL : strrchr(includer, '/');
	size_t dir_size = slash ? (size_t)(slash - includer) + 1 : 0, size = strlen(pattern);
	char *path, *out;

	path = malloc(2 * (dir_size + size) + 1);
	if (!path)
		return -ENOMEM;
	out = source_copy_escaped(path, includer, dir_size, escape ? "*?[\\" : "");
	out = source_copy_escaped(out, pattern, size, escape ? "\\" : "");
	*out = '\0';
	*ret_path = path;
	return 0;
}

/* A missing folder has no rules; a folder that cannot be read may have some. */
static int source_glob_failed(const char *path, int error)
{
	(void)path;
	errno = error;
	return error != ENOENT && error != ENOTDIR;
}

static int source_compare_paths(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int source_copy_paths(const glob_t *found, char ***ret_paths, size_t *ret_n)
{
	char **paths = calloc(found->gl_pathc, sizeof(*paths));

	if (!paths)
		return -ENOMEM;
	for (size_t i = 0; i < found->gl_pathc; i++) {
		paths[i] = strdup(found->gl_pathv[i]);
		if (paths[i])
			continue;
		while (i)
			free(paths[--i]);
		free(paths);
		return -ENOMEM;
	}
	/* Sorted by bytes, as glob(3) sorts by the locale. */
	qsort(paths, found->gl_pathc, sizeof(*paths), source_compare_paths);
	*ret_paths = paths;
	*ret_n = found->gl_pathc;
	return 0;
}

static int source_expand_glob(const char *path, char ***ret_paths, size_t *ret_n)
{
	_cleanup_(globfree) glob_t found = { 0 };

	switch (glob(path, GLOB_NOSORT, source_glob_failed, &found)) {
	case 0:
		return source_copy_paths(&found, ret_paths, ret_n);
	case GLOB_NOMATCH:
		*ret_paths = NULL;
		*ret_n = 0;
		return 0;
	case GLOB_NOSPACE:
		return -ENOMEM;
	default:
		return errno ? -errno : -EIO; /* the error that source_glob_failed() left */
	}
}

/*
 * Refuses a pattern in a directory that others can write to: they would decide which files match.
 * If the pattern has folders below that directory, each file in them is checked when it is opened.
 */
static int source_check_folder(const char *includer, const char *pattern, struct reason *reterr)
{
	_cleanup_free_ char *folder = NULL;
	_cleanup_close_ int fd = -1;
	char *end;
	int r = source_join_path(includer, pattern, false, &folder);

	if (r)
		return r;
	folder[strlen(folder) - strlen(pattern) + strcspn(pattern, "*?[")] = '\0';
	end = strrchr(folder, '/');
	if (end)
		end[1] = '\0';
	if (geteuid())
		return 0;
	r = trusted_open(end ? folder : ".", O_PATH, &fd, reterr);
	return r == -EPERM || r == -ENOMEM ? r : 0; /* glob(3) reports all other errors */
}

static int source_expand(void *userdata, const char *includer, const char *pattern,
			 char ***ret_paths, size_t *ret_n, char **reterr_why)
{
	struct reason why = { "" };
	bool is_glob = strpbrk(pattern, "*?[");
	_cleanup_free_ char *path = NULL;
	char **paths;
	int r = source_join_path(includer, pattern, is_glob, &path);

	(void)userdata;
	if (r < 0)
		return r;
	if (is_glob) {
		r = source_check_folder(includer, pattern, &why);
		return r ? source_fail(r, &why, reterr_why)
			 : source_expand_glob(path, ret_paths, ret_n);
	}
	paths = malloc(sizeof(*paths));
	if (!paths)
		return -ENOMEM;
	*paths = TAKE_PTR(path);
	*ret_paths = paths;
	*ret_n = 1;
	return 0;
}

static int source_same(void *userdata, const char *a, const char *b)
{
	struct stat x, y;

	(void)userdata;
	if (stat(a, &x) < 0 || stat(b, &y) < 0)
		return 0;
	return trusted_same(&x, &y);
}

/* getpwnam(3): these errors, too, may mean that the name is unknown. */
static int source_lookup_error(int error)
{
	return error == ESRCH || error == ENOENT ? -ENOENT : -error;
}

static int source_user(void *userdata, const char *name, uint32_t *ret_uid)
{
	(void)userdata;
	for (size_t size = ENTRY_SIZE_MIN; size <= ENTRY_SIZE_MAX; size *= 2) {
		_cleanup_free_ char *buffer = malloc(size);
		struct passwd entry, *found = NULL;
		int error;

		if (!buffer)
			return -ENOMEM;
		do {
			error = getpwnam_r(name, &entry, buffer, size, &found);
		} while (error == EINTR);
		if (error == ERANGE)
			continue;
		if (!found)
			return error ? source_lookup_error(error) : -ENOENT;
		*ret_uid = found->pw_uid;
		return 0;
	}
	return -ERANGE;
}

static int source_group(void *userdata, const char *name, uint32_t *ret_gid)
{
	(void)userdata;
	for (size_t size = ENTRY_SIZE_MIN; size <= ENTRY_SIZE_MAX; size *= 2) {
		_cleanup_free_ char *buffer = malloc(size);
		struct group entry, *found = NULL;
		int error;

		if (!buffer)
			return -ENOMEM;
		do {
			error = getgrnam_r(name, &entry, buffer, size, &found);
		} while (error == EINTR);
		if (error == ERANGE)
			continue;
		if (!found)
			return error ? source_lookup_error(error) : -ENOENT;
		*ret_gid = found->gr_gid;
		return 0;
	}
	return -ERANGE;
}

const struct policy_source policy_source_system = {
	.read = source_read,
	.expand = source_expand,
	.same = source_same,
	.user = source_user,
	.group = source_group,
};
