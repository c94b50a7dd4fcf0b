// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pin directory made again from what the kernel runs: pins that were removed, covered
 * by another mount, or replaced. Changes nothing of what decides.
 */
#include "load/load_steps.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "load/loader.h"
#include "pins/found.h"
#include "pins/hook.h"
#include "pins/layer.h"
#include "pins/object.h"
#include "pins/trial.h"
#include "pins/uplink.h"

/* Links beside the hooks: the program, the pin, and a map that only this program has. */
static const struct {
	const char *program;
	const char *pin;
	const char *map;
} restore_links[] = {
	{ "smtpward_mkdir", "link_cgroup_mkdir", "map_cgroups" },
	{ "smtpward_rmdir", "link_cgroup_rmdir", "map_cgroups" },
	{ "smtpward_hooks", "iter_hooks", "map_hooks" },
};

struct restore {
	const struct pins *pins;
	uint64_t generation;
	struct reason *reason;
};

/* Something else of that name makes room: it is not what the kernel runs. */
static int restore_replace(const struct pins *pins, uint64_t generation, const char *name, int fd)
{
	_cleanup_close_ int there = -1;
	char path[PINS_PATH_SIZE];
	bool same = false;
	int r = object_open(pins, generation, name, &there);

	if (!r)
		r = object_compare(fd, there, &same);
	if (same)
		return 0;
	if (r && r != -ENOENT)
		return r;
	r = pins_name(pins, generation, name, path);
	if (r)
		return r;
	if (unlink(path) && errno != ENOENT)
		return -errno;
	return bpf_obj_pin(fd, path) ? -errno : 0;
}

static int restore_pin(const struct pins *pins, uint64_t generation, const char *name, int fd,
		       struct reason *reason)
{
	int r = restore_replace(pins, generation, name, fd);

	if (r)
		return reason_errno(reason, r, "cannot pin %s in %s again", name, pins->path);
	return 0;
}

static int restore_map(void *userdata, const char *name, int fd)
{
	const struct restore *restore = userdata;
	const bool is_gate = !strcmp(name, "map_gate");

	return restore_pin(restore->pins, is_gate ? 0 : restore->generation, name, fd,
			   restore->reason);
}

static int restore_maps(const struct restore *restore, uint32_t program_id)
{
	int r;

	*restore->reason->text = '\0';
	r = found_each_map(program_id, restore_map, (void *)restore);
	if (!r || *restore->reason->text)
		return r;
	return reason_errno(restore->reason, r, "cannot open the maps of program %u", program_id);
}

static int restore_program(const struct restore *restore, const struct found_link *link)
{
	_cleanup_close_ int fd = bpf_prog_get_fd_by_id(link->program_id);

	if (fd < 0)
		return reason_errno(restore->reason, -errno, "cannot open program %u",
				    link->program_id);
	return restore_pin(restore->pins, restore->generation, hook_infos[link->hook].program_pin,
			   fd, restore->reason);
}

static int restore_hook(const struct restore *restore, const struct found_link *link)
{
	_cleanup_close_ int fd = bpf_link_get_fd_by_id(link->id);

	if (fd < 0)
		return reason_errno(restore->reason, -errno, "cannot open link %u", link->id);
	return restore_pin(restore->pins, 0, hook_infos[link->hook].link_pin, fd, restore->reason);
}

static int restore_find_link(const struct found_link *link, size_t which, int *ret_fd)
{
	_cleanup_close_ int map_fd = -1;
	struct object_shape shape = { 0 };
	int r = found_open_map(link->program_id, restore_links[which].map, &map_fd);

	if (r)
		return r;
	r = object_read_shape(map_fd, &shape);
	if (r)
		return r;
	return found_open_link(restore_links[which].program, shape.id, ret_fd);
}

static int restore_other_link(const struct restore *restore, const struct found_link *link,
			      size_t which)
{
	const char *pin = restore_links[which].pin;
	_cleanup_close_ int fd = -1;
	bool has = false;
	int r = pins_has(restore->pins, restore->generation, pin, &has);

	if (r)
		return reason_errno(restore->reason, r, "cannot look for %s", pin);
	if (has)
		return 0;
	r = restore_find_link(link, which, &fd);
	/* A policy without a reader has none, and one of an older version that asks for no cgroup.
	 */
	if (r == -ENOENT)
		return 0;
	if (r)
		return reason_errno(restore->reason, r, "cannot find the link of %s",
				    restore_links[which].program);
	return restore_pin(restore->pins, restore->generation, pin, fd, restore->reason);
}

/* The program of a gate, and the maps that only this program has. */
static int restore_gate(const struct restore *restore, const struct found_link *link,
			enum uplink_kind kind)
{
	const char *pin = uplink_infos[kind].program_pin;
	_cleanup_close_ int fd = -1;
	uint32_t id = 0;
	bool has = false;
	int r = pins_has(restore->pins, restore->generation, pin, &has);

	if (r)
		return reason_errno(restore->reason, r, "cannot look for %s", pin);
	if (has)
		return 0;
	r = found_open_gate(uplink_infos[kind].program, link->gate_id, restore->generation, &fd);
	/* A heal says that the program is gone. */
	if (r == -ENOENT)
		return 0;
	if (!r)
		r = object_program_id(fd, &id);
	if (r)
		return reason_errno(restore->reason, r, "cannot find the program %s",
				    uplink_infos[kind].program);
	r = restore_maps(restore, id);
	return r ? r : restore_pin(restore->pins, restore->generation, pin, fd, restore->reason);
}

static int restore_gates(const struct restore *restore, const struct found_link *link)
{
	struct smtpward_layer layer;
	int r = layer_read(restore->pins, restore->generation, &layer);

	if (r)
		return reason_errno(restore->reason, r, "cannot tell the uplinks of %s",
				    restore->pins->path);
	for (int kind = 0; layer.programs & SMTPWARD_PART_GATE && kind < UPLINK_KINDS; kind++) {
		r = restore_gate(restore, link, (enum uplink_kind)kind);
		if (r)
			return r;
	}
	return 0;
}

/* All of a generation but its programs of the hooks: each of these has all of its maps. */
static int restore_generation(const struct restore *restore, const struct found_link *link)
{
	int r = restore_maps(restore, link->program_id);

	if (r)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(restore_links); i++) {
		r = restore_other_link(restore, link, i);
		if (r)
			return r;
	}
	return restore_gates(restore, link);
}

static int restore_link(const struct restore *restore, const struct found_link *link)
{
	int r = pins_make_generation(restore->pins, restore->generation);

	if (r && r != -EEXIST)
		return reason_errno(restore->reason, r, "cannot make a directory in %s",
				    restore->pins->path);
	r = restore_program(restore, link);
	if (r)
		return r;
	return restore_hook(restore, link);
}

/* The generation of a program that is in a map, and not on a hook; 0: it is none of ours. */
static uint64_t restore_generation_of(uint32_t program_id)
{
	struct smtpward_policy_info policy = { 0 };
	_cleanup_close_ int fd = -1;
	struct object_shape shape;
	const uint32_t zero = 0;

	if (found_open_map(program_id, "map_policy", &fd) || object_read_shape(fd, &shape) ||
	    shape.value_size != sizeof(policy) || bpf_map_lookup_elem(fd, &zero, &policy))
		return 0;
	return policy.generation;
}

/*
 * Restores the generation that a trial goes back to: no link has the programs of that generation,
 * but a map of the programs on trial has.
 */
static int restore_fallback(const struct restore *restore, const struct found_link *link)
{
	_cleanup_close_ int fd = -1;
	struct found_link before = *link;
	const uint32_t zero = 0;
	struct restore fallback = *restore;
	struct trial trial;
	int r = trial_read(restore->pins, restore->generation, &trial);

	if (r)
		return reason_errno(restore->reason, r, "cannot tell whether %s is on trial",
				    restore->pins->path);
	if (trial.phase == TRIAL_NONE || !trial.fallback)
		return 0;
	fallback.generation = trial.fallback;
	r = found_open_map(link->program_id, hook_infos[link->hook].before_map, &fd);
	if (!r)
		r = bpf_map_lookup_elem(fd, &zero, &before.program_id);
	/* A load that was killed has not come so far, or all pins of the map were removed. */
	if (r == -ENOENT || (!r && restore_generation_of(before.program_id) != trial.fallback))
		return 0;
	if (r)
		return reason_errno(restore->reason, r, "cannot find what %s goes back to",
				    restore->pins->path);
	r = pins_make_generation(restore->pins, trial.fallback);
	if (r && r != -EEXIST)
		return reason_errno(restore->reason, r, "cannot make a directory in %s",
				    restore->pins->path);
	r = restore_program(&fallback, &before);
	return r ? r : restore_generation(&fallback, &before);
}

static uint32_t restore_find_gate(const struct pins *pins, const struct found *found,
				  uint64_t root_id, bool open)
{
	for (size_t i = 0; i < found->n; i++) {
		const struct found_link *link = &found->links[i];

		/*
		 * The gate alone tells the generation of an older version, and not while the gate
		 * is open.
		 */
		if ((link->gate == SMTPWARD_GATE_OPEN) == open && (!open || link->generation) &&
		    found_is_of(link, pins->path, root_id))
			return link->gate_id;
	}
	return 0;
}

/*
 * Returns the id of the map_gate to restore: the one in the directory if an attached link has it,
 * but 0 if that one is open; else the first one of a link that belongs to the directory. 0: there
 * is none.
 */
static uint32_t restore_choose_gate(const struct pins *pins, const struct found *found,
				    uint64_t root_id)
{
	_cleanup_close_ int fd = -1;
	uint32_t pinned = 0;

	if (object_open_gate(pins, OBJECT_READS, &fd, &pinned))
		pinned = 0;
	for (size_t i = 0; i < found->n; i++)
		if (pinned && found->links[i].gate_id == pinned)
			return found->links[i].gate == SMTPWARD_GATE_OPEN ? 0 : pinned;
	return restore_find_gate(pins, found, root_id, false)
		       ?: restore_find_gate(pins, found, root_id, true);
}

static int restore_names(const struct pins *pins, const struct found_link *link,
			 struct reason *reason)
{
	bool has = false;
	int r = pins_has(pins, link->gate, "map_policy", &has);

	if (!r && has)
		r = load_name_generation(pins, link->gate);
	/* A load by an older version does not name the reader: the directory's group stays. */
	if (!r && has && (link->reader || link->pins))
		r = pins_share(pins, link->gate, link->reader);
	if (r)
		return reason_errno(reason, r, "cannot name the policy in %s", pins->path);
	return 0;
}

static int restore_all(const struct pins *pins, const struct found *found, uint64_t root_id,
		       struct reason *reason)
{
	const struct found_link *last = NULL;
	const uint32_t gate_id = restore_choose_gate(pins, found, root_id);
	int r;

	for (size_t i = 0; gate_id && i < found->n; i++) {
		const struct found_link *link = &found->links[i];
		const struct restore restore = { pins, link->generation ?: link->gate, reason };

		if (link->gate_id != gate_id)
			continue;
		r = restore_link(&restore, link);
		/* Two hooks that run one generation have the same maps. */
		if (!r && (!last || last->generation != link->generation || !link->generation))
			r = restore_generation(&restore, link);
		if (r)
			return r;
		r = restore_fallback(&restore, link);
		if (r)
			return r;
		last = link;
	}
	return last && last->gate != SMTPWARD_GATE_OPEN ? restore_names(pins, last, reason) : 0;
}

/* Links whose last pins were just removed may be found, and be gone a moment later. */
#define RESTORE_TRIES 5

int load_restore(const struct pins *pins, struct found *found, uint64_t root_id,
		 struct reason *reason)
{
	int r = restore_all(pins, found, root_id, reason);

	for (int tries = 1; r == -ENOENT && tries < RESTORE_TRIES; tries++) {
		found_clear(found);
		r = load_find(pins, found, &root_id, reason);
		if (!r)
			r = restore_all(pins, found, root_id, reason);
	}
	return r;
}
