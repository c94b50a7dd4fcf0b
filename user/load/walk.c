// SPDX-License-Identifier: GPL-2.0-only
/*
 * The walk over the existing cgroups; see walk.h.
 *
 * How the walk and the tracker share the work: the walk first gives a cgroup its entry and then
 * lists its children. A child that was made before the entry is in the list; the tracker takes a
 * child that was made after it, as it finds the parent's entry. One case is left: a child whose
 * mkdir(2) had already looked for the entry, and that was not yet visible when the list was read.
 * The tracker runs under cgroup_mutex, and so does the rest of that mkdir(2). A query for a
 * cgroup's programs takes that mutex too (cgroup_bpf_prog_query() in kernel/bpf/cgroup.c), so once
 * the kernel has answered it, no such mkdir(2) is under way.
 *
 * A cgroup may go while the walk makes its entry, and its rmdir(2) may already have deleted
 * nothing. So after each entry the walk looks whether the cgroup is still there: the directory
 * goes before the tracker hears of it (cgroup_destroy_locked() in kernel/cgroup/cgroup.c), so for
 * a cgroup that is there the tracker's turn is yet to come.
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
 * The cgroups of one level of the hierarchy, by id alone: without paths no nesting is too deep,
 * and no descriptor stays open.
 */
struct walk_item {
	uint64_t id;
	struct smtpward_cgroup state;
};

struct walk_level {
	struct walk_item *items;
	size_t n_items;
};

static void walk_level_clear(struct walk_level *level)
{
	free(level->items);
}

static int walk_level_add(struct walk_level *level, uint64_t id,
			  const struct smtpward_cgroup *state)
{
	struct walk_item *item = array_add(&level->items, &level->n_items, sizeof(*item));

	if (!item)
		return -ENOMEM;
	*item = (struct walk_item){ id, *state };
	return 0;
}

struct walk {
	const struct ruleset *ruleset;
	int root_fd;
	int cgroups_fd;	  /* map_cgroups */
	int inherited_fd; /* map_inherited */
	int tracker_fd;	  /* map_tracker */
};

/* Counts a cgroup that a map has no room for as missing, as the tracker does. */
static int walk_missing(const struct walk *walk, uint32_t from)
{
	struct smtpward_tracker tracker;
	int r = bpf_map_lookup_elem(walk->tracker_fd, &from, &tracker);

	if (r)
		return r;
	tracker.missing++;
	return bpf_map_update_elem(walk->tracker_fd, &from, &tracker, BPF_ANY);
}

static int walk_insert(const struct walk *walk, uint64_t id, const struct smtpward_cgroup *state,
		       bool inherits)
{
	int r;

	if (inherits)
		r = bpf_map_update_elem(walk->inherited_fd, &id, &state->rules, BPF_ANY);
	else
		r = bpf_map_update_elem(walk->cgroups_fd, &id, state, BPF_ANY);
	if (r != -E2BIG && r != -ENOMEM)
		return r;
	return walk_missing(walk, inherits ? SMTPWARD_TRACKER_INHERITED : SMTPWARD_TRACKER_CGROUPS);
}

int walk_barrier(int root_fd)
{
	__u32 n = 0;

	return bpf_prog_query(root_fd, BPF_CGROUP_INET4_CONNECT, 0, NULL, NULL, &n);
}

bool walk_is_gone(int err)
{
	return err == -ENOENT || err == -ENODEV || err == -ESTALE;
}

/* Takes the entry back if the cgroup went before or while the entry was made. */
static int walk_confirm(const struct walk *walk, int parent_fd, const char *name, uint64_t id,
			bool inherits)
{
	uint64_t now;
	int r = cgroupfs_id(parent_fd, name, &now);

	if (!r && now == id)
		return 0;
	if (r && !walk_is_gone(r))
		return r;
	r = bpf_map_delete_elem(inherits ? walk->inherited_fd : walk->cgroups_fd, &id);
	return r == -ENOENT ? 0 : r;
}

/* The userdata of walk_child(). */
struct walk_family {
	const struct walk *walk;
	const struct walk_item *parent;
	struct walk_level *below;
};

static int walk_child(void *userdata, int parent_fd, const char *name)
{
	const struct walk_family *family = userdata;
	const struct walk *walk = family->walk;
	struct smtpward_cgroup state;
	bool inherits;
	uint64_t id;
	int r;

	if (!ruleset_enter(walk->ruleset, &family->parent->state, name, &state))
		return 0;
	inherits = smtpward_match_inherits(&family->parent->state, &state);
	r = cgroupfs_id(parent_fd, name, &id);
	if (r)
		return walk_is_gone(r) ? 0 : r;
	r = walk_insert(walk, id, &state, inherits);
	if (r)
		return r;
	r = walk_confirm(walk, parent_fd, name, id, inherits);
	if (r)
		return r;
	return walk_level_add(family->below, id, &state);
}

int walk_children(int root_fd, uint64_t id,
		  int (*child)(void *userdata, int dir_fd, const char *name), void *userdata)
{
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_close_ int fd = -1;
	int r = cgroupfs_open_id(root_fd, id, &fd);

	if (r)
		return walk_is_gone(r) ? 0 : r;
	dir = fdopendir(fd);
	if (!dir)
		return -errno;
	TAKE_FD(fd);
	for (;;) {
		struct dirent *entry;

		errno = 0;
		entry = readdir(dir);
		if (!entry)
			return -errno;
		if (entry->d_type != DT_DIR || !strcmp(entry->d_name, ".") ||
		    !strcmp(entry->d_name, ".."))
			continue;
		r = child(userdata, dirfd(dir), entry->d_name);
		if (r)
			return r;
	}
}

static int walk_below(const struct walk *walk, const struct walk_level *level,
		      struct walk_level *below)
{
	int r = walk_barrier(walk->root_fd);

	for (size_t i = 0; !r && i < level->n_items; i++) {
		struct walk_family family = { walk, &level->items[i], below };

		r = walk_children(walk->root_fd, level->items[i].id, walk_child, &family);
	}
	return r;
}

static int walk_all(const struct walk *walk)
{
	_cleanup_(walk_level_clear) struct walk_level level = { 0 };
	uint64_t root;
	int r = cgroupfs_id(walk->root_fd, "", &root);

	if (r)
		return r;
	r = walk_insert(walk, root, &walk->ruleset->root, false);
	if (r)
		return r;
	r = walk_level_add(&level, root, &walk->ruleset->root);
	if (r)
		return r;
	while (level.n_items) {
		_cleanup_(walk_level_clear) struct walk_level above = level;

		level = (struct walk_level){ 0 };
		r = walk_below(walk, &above, &level);
		if (r)
			return r;
	}
	return 0;
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
	int r = walk_all(&walk);

	if (r)
		return reason_errno(reason, r, "cannot walk the cgroups that exist");
	return 0;
}
