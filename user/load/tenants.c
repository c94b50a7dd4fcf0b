// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tenants among the cgroups that were there before the load; see tenants.h.
 *
 * Who made them is not known. So below a slice of root's each cgroup is a tenant, but for
 * further such slices, and what lies below a tenant is of it, whoever made it: what one tenant
 * had made before is never split off, and several may count as one. It is certain only of what
 * a user owns, or lies below user-N.slice or below what systemd has delegated; the rest is told
 * to whoever loads.
 *
 * The tracker decides nothing until the root has its entry. So there are two rounds: the second
 * is for cgroups that were made during the first, and what such a one is below has its entry by
 * then. A mkdir(2) that came before the root's entry is over once walk_barrier() returns.
 */
#include "load/tenants.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <bpf/bpf.h>

#include <smtpward/tenant.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/macro.h"
#include "host/boottime.h"
#include "host/cgroupfs.h"
#include "load/walk.h"

/* Names up to the root, the last one first, each with its NUL: see struct smtpward_event. */
struct tenants_names {
	char list[SMTPWARD_TENANT_LEVELS * SMTPWARD_NAME_SIZE];
	size_t len;
};

/* The root, and slices that are no tenants. */
struct tenants_slice {
	uint64_t id;
	unsigned int level; /* below the root */
	struct tenants_names names;
};

struct tenants {
	int root_fd;
	int map_fd;
	struct tenants_slice *slices; /* to be looked into; those before `next` are done */
	size_t n_slices;
	size_t next;
	struct tenants_merged merged;
};

static void tenants_clear(struct tenants *tenants)
{
	free(tenants->slices);
}

static void tenants_add_name(const struct tenants_names *above, const char *name,
			     struct tenants_names *ret)
{
	const size_t size = strlen(name) + 1;

	memcpy(ret->list, name, size);
	memcpy(ret->list + size, above->list, above->len);
	ret->len = size + above->len;
}

/* Returns the place where the name that ends before `end` begins. */
static size_t tenants_name_before(const struct tenants_names *names, size_t end)
{
	size_t at = end - 1;

	while (at > 0 && names->list[at - 1])
		at--;
	return at;
}

/* Returns the bytes of the two names next to the root. */
static size_t tenants_top_size(const struct tenants_names *names)
{
	size_t at = names->len;

	for (int i = 0; i < 2 && at > 0; i++)
		at = tenants_name_before(names, at);
	return names->len - at;
}

/* As the tracker has them: names in the middle make room, never the two next to the root. */
static void tenants_set_names(const struct tenants_names *names, struct smtpward_caller *caller)
{
	const size_t top = tenants_top_size(names);
	size_t low = 0;

	caller->flags = SMTPWARD_CALLER_NAMED;
	caller->cgroup_len = names->len;
	if (names->len <= sizeof(caller->cgroup)) {
		memcpy(caller->cgroup, names->list, names->len);
		return;
	}
	while (low + strlen(names->list + low) + 1 + top <= sizeof(caller->cgroup))
		low += strlen(names->list + low) + 1;
	memcpy(caller->cgroup, names->list, low);
	memcpy(caller->cgroup + low, names->list + names->len - top, top);
	caller->cgroup_len = low + top;
	caller->flags |= SMTPWARD_CGROUP_CUT | SMTPWARD_CGROUP_TOP;
}

/* *ret_new: it had no entry. */
static int tenants_insert(const struct tenants *tenants, uint64_t id,
			  const struct tenants_names *names, uint32_t flags, bool *ret_new)
{
	struct smtpward_tenant tenant = {
		.shared.counts.born_ns = boottime_now(),
		.flags = flags,
	};
	int r;

	tenants_set_names(names, &tenant.shared);
	r = bpf_map_update_elem(tenants->map_fd, &id, &tenant, BPF_NOEXIST);
	*ret_new = !r;
	return r == -EEXIST ? 0 : r;
}

/* A cgroup that went while its entry was made may have been removed before: see walk.c. */
static int tenants_confirm(const struct tenants *tenants, int dir_fd, const char *name, uint64_t id)
{
	uint64_t now;
	int r = cgroupfs_id(dir_fd, name, &now);

	if (!r && now == id)
		return 0;
	if (r && !walk_is_gone(r))
		return r;
	r = bpf_map_delete_elem(tenants->map_fd, &id);
	return r == -ENOENT ? 0 : r;
}

/* Whether systemd has given the cgroup into somebody's hands. */
static bool tenants_is_delegated(int fd)
{
	static const char *const marks[] = { "trusted.delegate", "user.delegate" };
	char value;

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		if (fgetxattr(fd, marks[i], &value, 1) == 1 && value == '1')
			return true;
	return false;
}

/* Counts what root owns below a tenant. */
static int tenants_count_child(void *userdata, int dir_fd, const char *name)
{
	uint64_t *n = userdata;
	struct stat st;

	if (!fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) && !st.st_uid)
		++*n;
	return 0;
}

static void tenants_tell_path(const struct tenants_names *names, char *dst, size_t size)
{
	size_t used = 0;

	for (size_t end = names->len; end > 0 && used < size;) {
		end = tenants_name_before(names, end);
		used += (size_t)snprintf(dst + used, size - used, "/%s", names->list + end);
	}
}

static int tenants_count_merged(struct tenants *tenants, uint64_t id,
				const struct tenants_names *names)
{
	_cleanup_close_ int fd = -1;
	uint64_t n = 0;
	int r = cgroupfs_open_id(tenants->root_fd, id, &fd);

	if (r)
		return walk_is_gone(r) ? 0 : r;
	if (tenants_is_delegated(fd))
		return 0;
	r = walk_children(tenants->root_fd, id, tenants_count_child, &n);
	if (r || !n)
		return r;
	if (!tenants->merged.tenants)
		tenants_tell_path(names, tenants->merged.first, sizeof(tenants->merged.first));
	tenants->merged.tenants++;
	tenants->merged.cgroups += n;
	return 0;
}

static int tenants_look_into(struct tenants *tenants, uint64_t id, unsigned int level,
			     const struct tenants_names *names)
{
	struct tenants_slice *slice =
		array_add(&tenants->slices, &tenants->n_slices, sizeof(*slice));

	if (!slice)
		return -ENOMEM;
	*slice = (struct tenants_slice){ .id = id, .level = level, .names = *names };
	return 0;
}

/* A cgroup below one that is no tenant, nor is any above it. */
static int tenants_child(void *userdata, int dir_fd, const char *name)
{
	struct tenants *tenants = userdata;
	const struct tenants_slice *above = &tenants->slices[tenants->next];
	const unsigned int level = above->level + 1;
	const bool is_slice = smtpward_is_slice(name, strlen(name));
	const bool is_users = is_slice && smtpward_is_user_slice(name);
	struct tenants_names names;
	struct stat st;
	uint64_t id;
	bool is_new;
	int r = cgroupfs_id(dir_fd, name, &id);

	if (!r && fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW))
		r = -errno;
	if (r)
		return walk_is_gone(r) ? 0 : r;
	if (level > SMTPWARD_TENANT_LEVELS)
		return 0;
	tenants_add_name(&above->names, name, &names);
	if (!smtpward_tenant_begins(is_slice, is_users, st.st_uid))
		return tenants_look_into(tenants, id, level, &names);
	r = tenants_insert(tenants, id, &names, is_users ? SMTPWARD_TENANT_USER_SLICE : 0, &is_new);
	if (r || !is_new)
		return r;
	r = tenants_confirm(tenants, dir_fd, name, id);
	if (r || is_users || st.st_uid)
		return r;
	return tenants_count_merged(tenants, id, &names);
}

static int tenants_round(struct tenants *tenants, uint64_t root)
{
	const struct tenants_names none = { .len = 0 };
	int r;

	tenants_clear(tenants);
	tenants->slices = NULL;
	tenants->n_slices = tenants->next = 0;
	r = tenants_look_into(tenants, root, 0, &none);
	for (; !r && tenants->next < tenants->n_slices; tenants->next++)
		r = walk_children(tenants->root_fd, tenants->slices[tenants->next].id,
				  tenants_child, tenants);
	return r;
}

static int tenants_walk_all(struct tenants *tenants)
{
	const struct tenants_names none = { .len = 0 };
	uint64_t root;
	bool is_new;
	int r = cgroupfs_id(tenants->root_fd, "", &root);

	if (r)
		return r;
	r = tenants_round(tenants, root);
	if (r)
		return r;
	r = tenants_insert(tenants, root, &none, 0, &is_new);
	if (r)
		return r;
	r = walk_barrier(tenants->root_fd);
	if (r)
		return r;
	return tenants_round(tenants, root);
}

int tenants_walk(const struct loader *loader, int root_fd, struct tenants_merged *ret_merged,
		 struct reason *reason)
{
	_cleanup_(tenants_clear) struct tenants tenants = {
		.root_fd = root_fd,
		.map_fd = loader_map(loader, "map_tenants"),
	};
	int r = tenants_walk_all(&tenants);

	if (r)
		return reason_errno(reason, r, "cannot tell which cgroups share a limit on lines");
	*ret_merged = tenants.merged;
	return 0;
}
