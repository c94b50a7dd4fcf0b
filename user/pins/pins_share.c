// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gives a reader that is not root its pins: the reader's group may open the pins below and no
 * others, and may write to the maps that readers write. The gate, the links and the programs are
 * not below: a process that has a descriptor of a link may detach the link.
 *
 * The file system tells the group: the group of the directory that the reader locks, so that the
 * next load goes on with that group. The directory gets the group before anything is given and
 * loses the group after everything is taken: a process killed in between leaves the rest to the
 * next load.
 */
#include "pins/pins.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macro.h"

#define READS S_IRGRP
#define WRITES (S_IRGRP | S_IWGRP)
#define ENTERS (S_IRGRP | S_IXGRP)

static const struct {
	const char *name;
	mode_t rights;
} shared[] = {
	/* The reader's position is in a page of the buffer. */
	{ "map_events", WRITES },
	/* Entries that are long out of use, or whose cgroup is gone, are removed. */
	{ "map_callers", WRITES },
	{ "map_tenants", WRITES },
	{ "map_reported", WRITES },
	{ "map_note", WRITES },
	{ "map_callers_rest", READS },
	{ "map_counters", READS },
	{ "map_attempts", READS },
	{ "map_rows", READS },
	{ "map_row_tenants", READS },
	{ "map_row_names", READS },
	{ "map_row_lasts", READS },
	{ "map_rows_used", READS },
	{ "map_policy", READS },
	{ "map_origin", READS },
	{ "map_rules", READS },
	{ "map_tracker", READS },
	{ "map_clock", READS },
	{ "map_host", READS },
	{ "map_layer", READS },
	{ "map_pkt_counts", READS },
	{ "map_local", READS },
	{ "map_cgroups", READS },
	{ "iter_hooks", READS },
};

typedef int (*share_step)(const char *path, gid_t group, mode_t mode);

static int share_give(const char *path, gid_t group, mode_t mode)
{
	return chown(path, 0, group) || chmod(path, mode) ? -errno : 0;
}

#define SHARE_DIFFERS 1

static int share_check(const char *path, gid_t group, mode_t mode)
{
	struct stat st;

	if (lstat(path, &st))
		return -errno;
	return !st.st_uid && st.st_gid == group && (st.st_mode & ALLPERMS) == mode ? 0
										   : SHARE_DIFFERS;
}

static int share_do(const struct pins *pins, uint64_t generation, const char *name, gid_t group,
		    mode_t owner, mode_t rights, share_step step)
{
	char path[PINS_PATH_SIZE];
	int r = pins_name(pins, generation, name, path);

	return r ? r : step(path, group, owner | (group ? rights : 0));
}

/* Until a step returns something else than 0. */
static int share_do_all(const struct pins *pins, uint64_t generation, gid_t group, share_step step)
{
	int r = share_do(pins, 0, "map_gate", group, S_IRUSR | S_IWUSR, READS, step);

	if (r)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(shared); i++) {
		r = share_do(pins, generation, shared[i].name, group, S_IRUSR | S_IWUSR,
			     shared[i].rights, step);
		/*
		 * Without a group there is no iter_hooks; what a trial goes back to was made
		 * without this group, or by an older version.
		 */
		if (r == -ENOENT)
			continue;
		if (r)
			return r;
	}
	r = share_do(pins, generation, "", group, S_IRWXU, ENTERS, step);
	if (r)
		return r;
	return share_do(pins, 0, "", group, S_IRWXU, ENTERS, step);
}

static int share_do_lock(const struct pins *pins, gid_t group, share_step step)
{
	return share_do(pins, 0, PINS_READER_NAME, group, S_IRWXU, ENTERS, step);
}

static int share_with(const struct pins *pins, uint64_t generation, gid_t group)
{
	int r;

	if (mkdirat(pins->fd, PINS_READER_NAME, S_IRWXU) && errno != EEXIST)
		return -errno;
	r = share_do_lock(pins, group, share_give);
	if (r)
		return r;
	return share_do_all(pins, generation, group, share_give);
}

static int share_with_none(const struct pins *pins, uint64_t generation)
{
	int r = share_do_all(pins, generation, 0, share_give);

	if (r)
		return r;
	return share_do_lock(pins, 0, share_give);
}

int pins_share(const struct pins *pins, uint64_t generation, gid_t group)
{
	gid_t before = 0;
	int r;

	assert(generation);
	r = pins_find_group(pins, &before);
	if (r)
		return r;
	if (group)
		return share_with(pins, generation, group);
	return before ? share_with_none(pins, generation) : 0;
}

int pins_is_shared(const struct pins *pins, uint64_t generation, gid_t group, bool *ret_is)
{
	int r;

	assert(generation && group);
	r = share_do_lock(pins, group, share_check);
	/* Without the directory that it locks, and cannot make, it reads nothing. */
	if (r == -ENOENT)
		r = SHARE_DIFFERS;
	if (!r)
		r = share_do_all(pins, generation, group, share_check);
	if (r < 0 && r != -ENOENT)
		return r;
	*ret_is = r != SHARE_DIFFERS;
	return 0;
}

/* A log may have made the directory, for its lock: then no group can enter it. */
int pins_find_group(const struct pins *pins, gid_t *ret_group)
{
	struct stat st = { 0 };

	if (fstatat(pins->fd, PINS_READER_NAME, &st, AT_SYMLINK_NOFOLLOW) && errno != ENOENT)
		return -errno;
	*ret_group = S_ISDIR(st.st_mode) && !st.st_uid && st.st_mode & S_IXGRP ? st.st_gid : 0;
	return 0;
}
