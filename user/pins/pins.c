// SPDX-License-Identifier: GPL-2.0-only
/* The pin directory; see pins.h. */
#include "pins/pins_parts.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/macro.h"
#include "host/absolute.h"
#include "host/trusted.h"

#define GENERATION_PREFIX "generation-"

/* The error of a call that failed; positive errno is known to us, but to no analyzer. */
static int pins_errno(void)
{
	const int error = errno;

	return error > 0 ? -error : -EIO;
}

int pins_open_dir(int at_fd, const char *name, DIR **ret_dir)
{
	_cleanup_close_ int fd =
		openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir;

	if (fd < 0)
		return pins_errno();
	dir = fdopendir(fd);
	if (!dir)
		return pins_errno();
	TAKE_FD(fd);
	*ret_dir = dir;
	return 0;
}

int pins_next_entry(DIR *dir, const char **ret_name)
{
	struct dirent *entry;

	do {
		errno = 0;
		entry = readdir(dir);
		if (!entry)
			return -errno;
	} while (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."));
	*ret_name = entry->d_name;
	return 1;
}

static int pins_make_dir(const char *path, struct reason *reason)
{
	if (!mkdir(path, 0700) || errno == EEXIST)
		return 0;
	return reason_errno(reason, -errno, "cannot make %s", path);
}

static bool pins_same_directory(int fd, const char *path)
{
	struct stat ours, there;

	return !fstat(fd, &ours) && !lstat(path, &there) && trusted_same(&ours, &there);
}

static int pins_name_path(const char *path, struct pins *ret_pins, struct reason *reason)
{
	char *absolute;
	int r = absolute_path(path, &absolute);

	if (r == -ENOENT)
		return reason_set(reason, -ENOENT,
				  "%s cannot be: the directory above it does not exist; mount a "
				  "bpffs there: mount -t bpf bpf /sys/fs/bpf",
				  path);
	if (r == -EACCES)
		return reason_set(reason, r, "cannot open %s: this needs root", path);
	if (r)
		return reason_errno(reason, r, "cannot open %s", path);
	*ret_pins = (struct pins)PINS_CLOSED;
	ret_pins->path = absolute;
	return 0;
}

int pins_lock(const char *path, enum lock_kind kind, struct pins *ret_pins, struct reason *reason)
{
	_cleanup_(pins_close) struct pins pins = PINS_CLOSED;
	int r = pins_name_path(path, &pins, reason);

	if (r)
		return r;
	/* Root takes the lock; others notice a change by reading twice. */
	r = geteuid() ? 0 : lock_take(pins.path, kind, &pins.lock_fd, reason);
	pins.alone = !geteuid() && kind == LOCK_ALONE;
	if (r)
		return r;
	*ret_pins = pins;
	pins = (struct pins)PINS_CLOSED;
	return 0;
}

int pins_enter(struct pins *pins, bool create, struct reason *reason)
{
	bool made = create && access(pins->path, F_OK);
	int r = made ? pins_make_dir(pins->path, reason) : 0;

	assert(pins->fd < 0);
	if (r)
		return r;
	return pins_open_checked(pins->path, made, pins->alone, &pins->fd, reason);
}

static int pins_lock_and_enter(const char *path, enum lock_kind kind, bool create,
			       struct pins *ret_pins, struct reason *reason)
{
	_cleanup_(pins_close) struct pins pins = PINS_CLOSED;
	int r = pins_lock(path, kind, &pins, reason);

	if (r)
		return r;
	r = pins_enter(&pins, create, reason);
	if (r)
		return r;
	*ret_pins = pins;
	pins = (struct pins)PINS_CLOSED;
	return 0;
}

int pins_open(const char *path, struct pins *ret_pins, struct reason *reason)
{
	_cleanup_(pins_close) struct pins pins = PINS_CLOSED;
	int r = pins_name_path(path, &pins, reason);

	if (r)
		return r;
	r = pins_enter(&pins, false, reason);
	if (r)
		return r;
	*ret_pins = pins;
	pins = (struct pins)PINS_CLOSED;
	return 0;
}

int pins_open_shared(const char *path, bool try, struct pins *ret_pins, struct reason *reason)
{
	return pins_lock_and_enter(path, try ? LOCK_TRY : LOCK_SHARED, false, ret_pins, reason);
}

int pins_open_locked(const char *path, bool create, struct pins *ret_pins, struct reason *reason)
{
	return pins_lock_and_enter(path, LOCK_ALONE, create, ret_pins, reason);
}

void pins_close(struct pins *pins)
{
	free(pins->path);
	cleanup_close(&pins->fd);
	cleanup_close(&pins->lock_fd);
	*pins = (struct pins)PINS_CLOSED;
}

/* Removes the maker's group from the directory: only pins_share() gives it one. */
static int pins_make_reader(const struct pins *pins)
{
	if (mkdirat(pins->fd, PINS_READER_NAME, 0700))
		return errno == EEXIST ? 0 : pins_errno();
	if (fchownat(pins->fd, PINS_READER_NAME, 0, 0, AT_SYMLINK_NOFOLLOW))
		return pins_errno();
	return 0;
}

static int pins_open_reader(const struct pins *pins, int *ret_fd)
{
	const int fd =
		openat(pins->fd, PINS_READER_NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return pins_errno();
	*ret_fd = fd;
	return 0;
}

int pins_lock_reader(const struct pins *pins, int *ret_fd, pid_t *reterr_pid)
{
	_cleanup_close_ int fd = -1;
	int r = pins_open_reader(pins, &fd);

	if (r == -ENOENT) {
		r = pins_make_reader(pins);
		if (r)
			return r;
		r = pins_open_reader(pins, &fd);
	}
	if (r)
		return r;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		r = -errno;
		*reterr_pid = lock_find_holder(fd);
		return r == -EWOULDBLOCK ? -EBUSY : r;
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

pid_t pins_find_reader(const struct pins *pins)
{
	_cleanup_close_ int fd = -1;

	return pins_open_reader(pins, &fd) ? 0 : lock_find_holder(fd);
}

bool pins_present(const struct pins *pins)
{
	struct stat st;

	/*
	 * A service's own bind mount of the directory outlives the directory, but has no name
	 * then.
	 */
	return pins_same_directory(pins->fd, pins->path) && !fstat(pins->fd, &st) && st.st_nlink;
}

int pins_name(const struct pins *pins, uint64_t generation, const char *name,
	      char ret_path[static PINS_PATH_SIZE])
{
	int len;

	if (generation)
		len = snprintf(ret_path, PINS_PATH_SIZE, "%s/" GENERATION_PREFIX "%" PRIu64 "/%s",
			       pins->path, generation, name);
	else
		len = snprintf(ret_path, PINS_PATH_SIZE, "%s/%s", pins->path, name);
	return len < PINS_PATH_SIZE ? 0 : -ENAMETOOLONG;
}

int pins_has(const struct pins *pins, uint64_t generation, const char *name, bool *ret_has)
{
	char path[PINS_PATH_SIZE];
	int r = pins_name(pins, generation, name, path);
	struct stat st;

	if (r)
		return r;
	*ret_has = !lstat(path, &st);
	return *ret_has || errno == ENOENT ? 0 : -errno;
}

struct pins_generation_name {
	char text[sizeof(GENERATION_PREFIX) + 20];
};

static struct pins_generation_name pins_generation_name(uint64_t generation)
{
	struct pins_generation_name name;

	snprintf(name.text, sizeof(name.text), GENERATION_PREFIX "%" PRIu64, generation);
	return name;
}

int pins_make_generation(const struct pins *pins, uint64_t generation)
{
	struct pins_generation_name name = pins_generation_name(generation);

	assert(generation);
	return mkdirat(pins->fd, name.text, 0700) ? -errno : 0;
}

uint64_t pins_parse_generation(const char *name)
{
	struct pins_generation_name again;
	uint64_t number;

	if (strncmp(name, GENERATION_PREFIX, strlen(GENERATION_PREFIX)))
		return 0;
	number = strtoull(name + strlen(GENERATION_PREFIX), NULL, 10);
	again = pins_generation_name(number);
	return strcmp(again.text, name) ? 0 : number;
}

int pins_list_generations(const struct pins *pins, uint64_t **ret_numbers, size_t *ret_n)
{
	_cleanup_free_ uint64_t *numbers = NULL;
	_cleanup_closedir_ DIR *dir = NULL;
	const char *name;
	size_t n = 0;
	int r = pins_open_dir(pins->fd, ".", &dir);

	if (r)
		return r;
	while ((r = pins_next_entry(dir, &name)) > 0) {
		uint64_t number = pins_parse_generation(name);
		uint64_t *added;

		if (!number)
			continue;
		added = array_add(&numbers, &n, sizeof(*numbers));
		if (!added)
			return -ENOMEM;
		*added = number;
	}
	if (r)
		return r;
	*ret_numbers = TAKE_PTR(numbers);
	*ret_n = n;
	return 0;
}

int pins_each(const struct pins *pins, uint64_t generation,
	      int (*pin)(void *userdata, const char *name), void *userdata)
{
	struct pins_generation_name name = pins_generation_name(generation);
	_cleanup_closedir_ DIR *dir = NULL;
	const char *entry;
	int r = pins_open_dir(pins->fd, generation ? name.text : ".", &dir);

	if (r)
		return r;
	while ((r = pins_next_entry(dir, &entry)) > 0) {
		r = pin(userdata, entry);
		if (r)
			return r;
	}
	return r;
}

static int pins_remove_directory(int at_fd, const char *name)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const char *entry;
	int r = pins_open_dir(at_fd, name, &dir);

	if (r)
		return r == -ENOENT ? 0 : r;
	while ((r = pins_next_entry(dir, &entry)) > 0)
		if (unlinkat(dirfd(dir), entry, 0) && errno != ENOENT)
			return -errno;
	if (r)
		return r;
	return unlinkat(at_fd, name, AT_REMOVEDIR) ? -errno : 0;
}

int pins_remove_generation(const struct pins *pins, uint64_t generation)
{
	struct pins_generation_name name = pins_generation_name(generation);

	assert(generation);
	return pins_remove_directory(pins->fd, name.text);
}

/* Makes a link to the directory of a generation, or changes it, in one step. */
static int pins_point(const struct pins *pins, const char *name, uint64_t generation)
{
	struct pins_generation_name target = pins_generation_name(generation);
	int r;

	assert(generation);
	r = pins_remove(pins, NEW_NAME);
	if (r)
		return r;
	if (symlinkat(target.text, pins->fd, NEW_NAME))
		return -errno;
	return renameat(pins->fd, NEW_NAME, pins->fd, name) ? -errno : 0;
}

static int pins_points(const struct pins *pins, const char *name, uint64_t generation,
		       bool *ret_points)
{
	struct pins_generation_name target = pins_generation_name(generation), there = { "" };
	ssize_t len = readlinkat(pins->fd, name, there.text, sizeof(there.text) - 1);

	if (len < 0 && errno != ENOENT && errno != EINVAL)
		return -errno;
	*ret_points = len >= 0 && !strcmp(there.text, target.text);
	return 0;
}

int pins_point_to(const struct pins *pins, uint64_t generation)
{
	return pins_point(pins, POLICY_NAME, generation);
}

int pins_points_to(const struct pins *pins, uint64_t generation, bool *ret_points)
{
	return pins_points(pins, POLICY_NAME, generation, ret_points);
}

int pins_set_on_trial(const struct pins *pins, uint64_t generation)
{
	return pins_point(pins, TRIAL_NAME, generation);
}

int pins_clear_trial(const struct pins *pins)
{
	return pins_remove(pins, TRIAL_NAME);
}

int pins_is_on_trial(const struct pins *pins, uint64_t generation, bool *ret_is)
{
	return pins_points(pins, TRIAL_NAME, generation, ret_is);
}

int pins_link_policy(const struct pins *pins, const char *name)
{
	char target[PINS_PATH_SIZE];
	int len = snprintf(target, sizeof(target), POLICY_NAME "/%s", name);

	if (len >= PINS_PATH_SIZE)
		return -ENAMETOOLONG;
	return symlinkat(target, pins->fd, name) && errno != EEXIST ? -errno : 0;
}

int pins_remove(const struct pins *pins, const char *name)
{
	return unlinkat(pins->fd, name, 0) && errno != ENOENT ? -errno : 0;
}

static int pins_remove_entry(const struct pins *pins, const char *name)
{
	int r;

	if (pins_parse_generation(name) || !strcmp(name, PINS_READER_NAME))
		return pins_remove_directory(pins->fd, name);
	if (!strcmp(name, GATE_NAME))
		return 0;
	/* A directory that somebody made here goes too, if it has nothing but pins. */
	r = pins_remove(pins, name);
	return r == -EISDIR ? pins_remove_directory(pins->fd, name) : r;
}

static int pins_remove_entries(const struct pins *pins)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const char *name;
	int r = pins_open_dir(pins->fd, ".", &dir);

	if (r)
		return r;
	while ((r = pins_next_entry(dir, &name)) > 0) {
		r = pins_remove_entry(pins, name);
		if (r)
			return r;
	}
	return r;
}

int pins_remove_all(struct pins *pins)
{
	int r;

	/* A reader that starts meanwhile may make its lock again, as it does not take ours. */
	for (int tries = 0; tries < 10; tries++) {
		r = pins_remove_entries(pins);
		if (!r)
			r = pins_remove(pins, GATE_NAME);
		if (r)
			return r;
		if (!rmdir(pins->path)) {
			cleanup_close(&pins->fd);
			pins->fd = -1;
			return 0;
		}
		if (errno != ENOTEMPTY)
			return -errno;
	}
	return -ENOTEMPTY;
}

int pins_remove_empty(const struct pins *pins)
{
	if (pins->fd < 0 || !rmdir(pins->path) || errno == ENOTEMPTY || errno == ENOENT)
		return 0;
	return -errno;
}
