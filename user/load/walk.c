// SPDX-License-Identifier: GPL-2.0-only
/*
 * The walk over the cgroups that exist; see walk.h.
 *
 * How the walk over existing cgroups and the tracker share the work: the walk
 * gives a cgroup its entry first and lists its children afterwards. A child that
 * was made before the entry is in the list; one that was made after it finds its
 * parent's entry and is the tracker's. What is left is a child whose mkdir(2) had
 * already looked for the entry and was not yet visible when the list was read. The
 * tracker runs under cgroup_mutex, and so does the rest of that mkdir(2); asking
 * the kernel for a cgroup's programs takes that mutex too (cgroup_bpf_prog_query()
 * in kernel/bpf/cgroup.c), so once it has answered, no such mkdir(2) is under way.
 *
 * A cgroup may go while its entry is being made, and its rmdir(2) may already have
 * deleted nothing. So each entry is followed by a look whether its cgroup is still
 * there: the directory goes before the tracker hears of it (cgroup_destroy_locked()
 * in kernel/cgroup/cgroup.c), so if it is there, the tracker's turn is yet to come.
 */
#include "load/walk.h"

#include <fcntl.h>
#include <string.h>

#include <bpf/bpf.h>

#include <smtpward/match.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/macro.h"
#include "host/cgroupfs.h"

/*
 * The cgroups of one level of the hierarchy, by id alone: no path, so that no depth
 * of nesting is too deep and no descriptor is kept.
 */
struct level_item {
	uint64_t id;
	struct smtpward_cgroup state;
};

struct level {
	struct level_item *items;
	size_t n_items;
};

static void level_clear(struct level *level)
{
	free(level->items);
}

static int level_add(struct level *level, uint64_t id, const struct smtpward_cgroup *state)
{
	struct level_item *item = array_add(&level->items, &level->n_items, sizeof(*item));

	if (!item)
		return -ENOMEM;
	*item = (struct level_item){ id, *state };
	return 0;
}

struct walk {
	const struct ruleset *ruleset;
	int root_fd;
	int cgroups_fd;	  /* map_cgroups */
	int inherited_fd; /* map_inherited */
	int tracker_fd;	  /* map_tracker */
};

/* A cgroup that a map has no room for is missing, as it is for the tracker. */
static int walk_missing(const struct walk *walk, uint32_t from)
{
	struct smtpward_tracker tracker;
	int err = bpf_map_lookup_elem(walk->tracker_fd, &from, &tracker);

	if (err)
		return err;
	tracker.missing++;
	return bpf_map_update_elem(walk->tracker_fd, &from, &tracker, BPF_ANY);
}

static int walk_insert(const struct walk *walk, uint64_t id, const struct smtpward_cgroup *state,
		       bool inherits)
{
	int err;

	if (inherits)
		err = bpf_map_update_elem(walk->inherited_fd, &id, &state->rules, BPF_ANY);
	else
		err = bpf_map_update_elem(walk->cgroups_fd, &id, state, BPF_ANY);
	if (err != -E2BIG && err != -ENOMEM)
		return err;
	return walk_missing(walk, inherits ? SMTPWARD_TRACKER_INHERITED : SMTPWARD_TRACKER_CGROUPS);
}

static int walk_barrier(const struct walk *walk)
{
	__u32 n = 0;

	return bpf_prog_query(walk->root_fd, BPF_CGROUP_INET4_CONNECT, 0, NULL, NULL, &n);
}

/* What a cgroup's own removal makes of a look at it. */
static bool is_gone(int err)
{
	return err == -ENOENT || err == -ENODEV || err == -ESTALE;
}

/* Takes the entry back where the cgroup went before or while it was made. */
static int walk_confirm(const struct walk *walk, int parent_fd, const char *name, uint64_t id,
			bool inherits)
{
	uint64_t now;
	int err = cgroupfs_id(parent_fd, name, &now);

	if (!err && now == id)
		return 0;
	if (err && !is_gone(err))
		return err;
	err = bpf_map_delete_elem(inherits ? walk->inherited_fd : walk->cgroups_fd, &id);
	return err == -ENOENT ? 0 : err;
}

static int walk_child(const struct walk *walk, const struct level_item *parent, int parent_fd,
		      const char *name, struct level *below)
{
	struct smtpward_cgroup state;
	bool inherits;
	uint64_t id;
	int err;

	if (!ruleset_enter(walk->ruleset, &parent->state, name, &state))
		return 0;
	inherits = smtpward_match_inherits(&parent->state, &state);
	err = cgroupfs_id(parent_fd, name, &id);
	if (err)
		return is_gone(err) ? 0 : err;
	err = walk_insert(walk, id, &state, inherits);
	if (!err)
		err = walk_confirm(walk, parent_fd, name, id, inherits);
	return err ? err : level_add(below, id, &state);
}

static int walk_list(const struct walk *walk, const struct level_item *item, struct level *below)
{
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_close_ int fd = -1;
	int err = cgroupfs_open_id(walk->root_fd, item->id, &fd);

	if (err)
		return is_gone(err) ? 0 : err;
	dir = fdopendir(fd);
	if (!dir)
		return -errno;
	TAKE_FD(fd);
	while (!err) {
		struct dirent *entry;

		errno = 0;
		entry = readdir(dir);
		if (!entry)
			return -errno;
		if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") &&
		    strcmp(entry->d_name, ".."))
			err = walk_child(walk, item, dirfd(dir), entry->d_name, below);
	}
	return err;
}

static int walk_level(const struct walk *walk, const struct level *level, struct level *below)
{
	int err = walk_barrier(walk);

	for (size_t i = 0; i < level->n_items && !err; i++)
		err = walk_list(walk, &level->items[i], below);
	return err;
}

static int walk_all(const struct walk *walk)
{
	_cleanup_(level_clear) struct level level = { 0 };
	uint64_t root;
	int err = cgroupfs_id(walk->root_fd, "", &root);

	if (!err)
		err = walk_insert(walk, root, &walk->ruleset->root, false);
	if (!err)
		err = level_add(&level, root, &walk->ruleset->root);
	while (!err && level.n_items) {
		_cleanup_(level_clear) struct level above = level;

		level = (struct level){ 0 };
		err = walk_level(walk, &above, &level);
	}
	return err;
}

int walk_cgroups(const struct loader *loader, const struct ruleset *ruleset, int root_fd,
		 struct reason *reason)
{
	const struct walk walk = {
		.ruleset = ruleset,
		.root_fd = root_fd,
		.cgroups_fd = loader_map(loader, "map_cgroups"),
		.inherited_fd = loader_map(loader, "map_inherited"),
		.tracker_fd = loader_map(loader, "map_tracker"),
	};
	int err = walk_all(&walk);

	return err ? reason_errno(reason, err, "cannot walk the cgroups that exist") : 0;
}
