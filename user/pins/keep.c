// SPDX-License-Identifier: GPL-2.0-only
/* The second set of pins; see keep.h. */
#include "pins/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "host/first_mounts.h"
#include "host/trusted.h"
#include "pins/hook.h"
#include "pins/instance.h"
#include "pins/lock.h"
#include "pins/object.h"
#include "pins/trial.h"
#include "pins/uplink.h"

#define KEEP_NAME "keep"
#define KEEP_DIR RUN_DIR "/" KEEP_NAME

/* The attached objects of a generation, which would end with their last pin. */
static const char *const keep_names[] = { "link_cgroup_mkdir", "link_cgroup_rmdir", "iter_hooks" };

static int keep_is_bpffs(int fd, bool *ret_is)
{
	struct statfs fs;

	if (fstatfs(fd, &fs))
		return -errno;
	*ret_is = fs.f_type == BPF_FS_MAGIC;
	return 0;
}

/* Mounts under a lock: of two bpffs one would cover the other. */
static int keep_mount_once(struct reason *reason)
{
	_cleanup_close_ int dir_fd = -1, again_fd = -1;
	bool mounted = false;
	int r = lock_open_dir(KEEP_NAME, &dir_fd, reason);

	if (r)
		return r;
	while (flock(dir_fd, LOCK_EX))
		if (errno != EINTR)
			return reason_errno(reason, -errno, "cannot lock " KEEP_DIR);
	r = lock_open_dir(KEEP_NAME, &again_fd, reason);
	if (r)
		return r;
	r = keep_is_bpffs(again_fd, &mounted);
	if (r)
		return reason_errno(reason, r, "cannot examine " KEEP_DIR);
	if (mounted)
		return 0;
	if (mount("bpf", KEEP_DIR, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"))
		return reason_errno(reason, -errno, "cannot mount a bpffs at " KEEP_DIR);
	return 0;
}

static int keep_open_mounted(int *ret_fd)
{
	_cleanup_close_ int fd = open(KEEP_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	bool mounted = false;
	int r;

	/* A file of that name, or a link, is no second set either. */
	if (fd < 0)
		return errno == ENOTDIR || errno == ELOOP ? -ENOENT : -errno;
	r = keep_is_bpffs(fd, &mounted);
	if (r)
		return r;
	if (!mounted)
		return -ENOENT;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int keep_open_dir(const char *path, const char *name, bool create, struct pins *ret_keep)
{
	_cleanup_close_ int at_fd = -1, fd = -1;
	int r = keep_open_mounted(&at_fd);

	if (r)
		return r;
	if (create && mkdirat(at_fd, name, 0700) && errno != EEXIST)
		return -errno;
	fd = openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	*ret_keep = (struct pins)PINS_CLOSED;
	ret_keep->path = strdup(path);
	if (!ret_keep->path)
		return -ENOMEM;
	ret_keep->fd = TAKE_FD(fd);
	return 0;
}

static int keep_open(const struct pins *pins, bool create, struct pins *ret_keep,
		     struct reason *reason)
{
	char name[PINS_PATH_SIZE], path[PINS_PATH_SIZE];
	int r = pins_instance_name(pins->path, name), len;

	if (r)
		return reason_errno(reason, r, "cannot name the second pins of %s", pins->path);
	len = snprintf(path, sizeof(path), KEEP_DIR "/%s", name);
	if (len >= PINS_PATH_SIZE)
		return reason_errno(reason, -ENAMETOOLONG, "cannot name the second pins of %s",
				    pins->path);
	r = create ? keep_mount_once(reason) : 0;
	if (r)
		return r;
	r = keep_open_dir(path, name, create, ret_keep);
	if (r)
		return reason_errno(reason, r, "cannot open %s", path);
	return 0;
}

/*
 * *ret_same: the second pin of this name is of the same link as the first pin, or there is no
 * first pin. If not, *ret_fd, unless ret_fd is NULL, is a descriptor of the first pin's link.
 */
static int keep_compare(const struct pins *pins, const struct pins *keep, uint64_t generation,
			const char *name, bool *ret_same, int *ret_fd)
{
	_cleanup_close_ int fd = -1, kept_fd = -1;
	int r = object_open(pins, generation, name, &fd);

	*ret_same = r == -ENOENT;
	if (r)
		return r == -ENOENT ? 0 : r;
	r = object_open(keep, generation, name, &kept_fd);
	if (!r)
		r = object_compare(fd, kept_fd, ret_same);
	if (r && r != -ENOENT)
		return r;
	if (ret_fd && !*ret_same)
		*ret_fd = TAKE_FD(fd);
	return 0;
}

static int keep_pin(const struct pins *pins, const struct pins *keep, uint64_t generation,
		    const char *name)
{
	_cleanup_close_ int fd = -1;
	char path[PINS_PATH_SIZE];
	bool same;
	int r = keep_compare(pins, keep, generation, name, &same, &fd);

	if (r || same)
		return r;
	r = pins_name(keep, generation, name, path);
	if (r)
		return r;
	if (unlink(path) && errno != ENOENT)
		return -errno;
	return bpf_obj_pin(fd, path) ? -errno : 0;
}

static int keep_remove_others(const struct pins *keep, uint64_t generation, uint64_t fallback)
{
	_cleanup_free_ uint64_t *numbers = NULL;
	size_t n;
	int r = pins_list_generations(keep, &numbers, &n);

	if (r)
		return r;
	for (size_t i = 0; i < n; i++) {
		if (numbers[i] == generation || numbers[i] == fallback)
			continue;
		r = pins_remove_generation(keep, numbers[i]);
		if (r)
			return r;
	}
	return 0;
}

/*
 * The generation that a policy on trial goes back to; 0 if the policy is not on trial, or has
 * none.
 */
static int keep_find_fallback(const struct pins *pins, uint64_t generation, uint64_t *ret_fallback)
{
	struct trial trial;
	int r = trial_read(pins, generation, &trial);

	if (r)
		return r;
	*ret_fallback = trial.phase == TRIAL_NONE ? 0 : trial.fallback;
	return 0;
}

struct keep_uplinks {
	const struct pins *pins, *keep;
	int (*each)(const struct pins *pins, const struct pins *keep, uint64_t generation,
		    const char *name);
};

static int keep_uplink(void *userdata, const char *name)
{
	const struct keep_uplinks *uplinks = userdata;

	return uplink_of_pin(name) ? uplinks->each(uplinks->pins, uplinks->keep, 0, name) : 0;
}

/* Calls each for every pin of the second set, until each returns something else than 0. */
static int keep_each(const struct pins *pins, const struct pins *keep, uint64_t generation,
		     uint64_t fallback,
		     int (*each)(const struct pins *pins, const struct pins *keep,
				 uint64_t generation, const char *name))
{
	struct keep_uplinks uplinks = { pins, keep, each };
	int r = pins_each(pins, 0, keep_uplink, &uplinks);

	if (r)
		return r;
	/* A gate's program that no device has at present is on no link. */
	for (int kind = 0; kind < UPLINK_KINDS; kind++) {
		r = each(pins, keep, generation, uplink_infos[kind].program_pin);
		if (!r && fallback)
			r = each(pins, keep, fallback, uplink_infos[kind].program_pin);
		if (!r && fallback)
			r = each(pins, keep, generation, uplink_infos[kind].before_map);
		if (r)
			return r;
	}
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++) {
		r = each(pins, keep, 0, hook_infos[hook].link_pin);
		/* A program array without a pin is empty, whoever uses the array. */
		if (!r && fallback)
			r = each(pins, keep, generation, hook_infos[hook].before_map);
		if (r)
			return r;
	}
	for (size_t i = 0; i < ARRAY_SIZE(keep_names); i++) {
		r = each(pins, keep, generation, keep_names[i]);
		if (!r && fallback)
			r = each(pins, keep, fallback, keep_names[i]);
		if (r)
			return r;
	}
	return 0;
}

static int keep_make_generation(const struct pins *keep, uint64_t generation)
{
	int r = generation ? pins_make_generation(keep, generation) : 0;

	return r == -EEXIST ? 0 : r;
}

static int keep_update_all(const struct pins *pins, const struct pins *keep, uint64_t generation)
{
	uint64_t fallback = 0;
	int r = keep_find_fallback(pins, generation, &fallback);

	if (r)
		return r;
	r = keep_make_generation(keep, generation);
	if (!r)
		r = keep_make_generation(keep, fallback);
	if (r)
		return r;
	r = keep_each(pins, keep, generation, fallback, keep_pin);
	if (r)
		return r;
	return keep_remove_others(keep, generation, fallback);
}

/* A request to the second set; a step that fails may set the reason. */
struct keep_request {
	const struct pins *pins;
	int (*step)(const struct keep_request *request);
	uint64_t generation;
	bool *ret_whole;
	int (*extra)(const struct pins *pins, const struct pins *keep);
	struct found *found;
	struct reason *reason;
	struct stat directory; /* the pin directory */
	bool elsewhere;
};

/* If process 1 sees other pins at this path, or none, its second set is not ours. */
static int keep_do_in_first(void *userdata)
{
	struct keep_request *request = userdata;
	struct stat st;

	if (stat(request->pins->path, &st) || !trusted_same(&st, &request->directory)) {
		request->elsewhere = true;
		return 0;
	}
	return request->step(request);
}

static int keep_do(struct keep_request *request)
{
	bool differ;
	int r = first_mounts_differ(&differ);

	if (r)
		return reason_errno(request->reason, r, "cannot tell the mounts of process 1");
	if (!differ || request->pins->fd < 0 || fstat(request->pins->fd, &request->directory))
		return request->step(request);
	r = first_mounts_run(keep_do_in_first, request);
	return request->elsewhere ? request->step(request) : r;
}

static int keep_update_step(const struct keep_request *request)
{
	_cleanup_(pins_close) struct pins keep = PINS_CLOSED;
	int r = keep_open(request->pins, true, &keep, request->reason);

	if (r)
		return r;
	r = request->extra ? request->extra(request->pins, &keep) : 0;
	if (!r)
		r = keep_update_all(request->pins, &keep, request->generation);
	if (r)
		return reason_errno(request->reason, r, "cannot pin in %s", keep.path);
	return 0;
}

int keep_update(const struct pins *pins, uint64_t generation,
		int (*prepare)(const struct pins *pins, const struct pins *keep),
		struct reason *reason)
{
	struct keep_request request = {
		.pins = pins,
		.step = keep_update_step,
		.generation = generation,
		.extra = prepare,
		.reason = reason,
	};

	return keep_do(&request);
}

#define KEEP_DIFFERS 1

static int keep_check(const struct pins *pins, const struct pins *keep, uint64_t generation,
		      const char *name)
{
	bool same = true;
	int r = keep_compare(pins, keep, generation, name, &same, NULL);

	if (r)
		return r;
	return same ? 0 : KEEP_DIFFERS;
}

static int keep_compare_step(const struct keep_request *request)
{
	_cleanup_(pins_close) struct pins keep = PINS_CLOSED;
	uint64_t fallback = 0;
	int r = keep_open(request->pins, false, &keep, request->reason);

	*request->ret_whole = false;
	if (r)
		return r == -ENOENT ? 0 : r;
	r = keep_find_fallback(request->pins, request->generation, &fallback);
	if (!r)
		r = keep_each(request->pins, &keep, request->generation, fallback, keep_check);
	*request->ret_whole = !r;
	return r == KEEP_DIFFERS ? 0 : r;
}

int keep_is_whole(const struct pins *pins, uint64_t generation, bool *ret_whole)
{
	struct reason reason;
	struct keep_request request = {
		.pins = pins,
		.step = keep_compare_step,
		.generation = generation,
		.ret_whole = ret_whole,
		.reason = &reason,
	};

	return keep_do(&request);
}

static int keep_claim_step(const struct keep_request *request)
{
	_cleanup_(pins_close) struct pins keep = PINS_CLOSED;
	int r = keep_open(request->pins, false, &keep, request->reason);

	if (r)
		return r == -ENOENT ? 0 : r;
	return found_claim(request->found, &keep, request->pins->path);
}

int keep_claim(const struct pins *pins, struct found *found)
{
	struct reason reason;
	struct keep_request request = {
		.pins = pins,
		.step = keep_claim_step,
		.found = found,
		.reason = &reason,
	};
	bool silent = false;
	int r;

	for (size_t i = 0; i < found->n; i++)
		silent |= !found->links[i].pins;
	if (!silent)
		return 0;
	r = pins->fd < 0 ? 0 : found_claim(found, pins, pins->path);
	return r ? r : keep_do(&request);
}

static int keep_remove_step(const struct keep_request *request)
{
	_cleanup_(pins_close) struct pins keep = PINS_CLOSED;
	int r = keep_open(request->pins, false, &keep, request->reason);

	if (r == -ENOENT)
		return 0;
	if (r)
		return r;
	r = pins_remove_all(&keep);
	if (r)
		return reason_errno(request->reason, r, "cannot remove %s", keep.path);
	return 0;
}

int keep_remove(const struct pins *pins, struct reason *reason)
{
	struct keep_request request = {
		.pins = pins,
		.step = keep_remove_step,
		.reason = reason,
	};

	return keep_do(&request);
}
