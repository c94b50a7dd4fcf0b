// SPDX-License-Identifier: GPL-2.0-only
/*
 * Restores the parts of a policy in force that somebody removed: the link of a hook, its program,
 * or pins, even all of them. The file needs nothing but what is pinned or attached; the next load
 * restores what it cannot.
 */
#include "load/load_steps.h"

#include <inttypes.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "host/cgroupfs.h"
#include "pins/found.h"
#include "pins/keep.h"
#include "pins/layer.h"
#include "pins/object.h"
#include "pins/pins.h"
#include "pins/reader_view.h"
#include "pins/trial.h"

static int heal_open_cgroup_id(uint64_t id, int *ret_fd)
{
	_cleanup_close_ int root_fd = -1;
	int r = cgroupfs_open_root(&root_fd);

	if (r)
		return r;
	return cgroupfs_open_id(root_fd, id, ret_fd);
}

/* Opens the cgroup that the policy was attached to, by the cgroup's id. -ESTALE if it is gone. */
static int heal_open_cgroup(const struct smtpward_policy_info *policy, int *ret_fd,
			    struct reason *reason)
{
	int r = heal_open_cgroup_id(policy->attached_to, ret_fd);

	if (r)
		return reason_errno(reason, r,
				    "cannot open the cgroup that it was attached to (id %" PRIu64
				    ")",
				    (uint64_t)policy->attached_to);
	return 0;
}

static int heal_hook(const struct pins *pins, const struct smtpward_policy_info *policy, int hook,
		     struct reason *reason)
{
	_cleanup_close_ int link_fd = -1, program_fd = -1, cgroup_fd = -1;
	struct object_link link = { 0 };
	uint32_t program_id = 0;
	int r = object_open(pins, policy->generation, hook_infos[hook].program_pin, &program_fd);

	if (!r)
		r = object_program_id(program_fd, &program_id);
	if (r)
		return reason_errno(reason, r, "cannot open the program of the hook %s",
				    hook_infos[hook].name);
	r = object_open(pins, 0, hook_infos[hook].link_pin, &link_fd);
	if (!r)
		r = object_read_link(link_fd, &link);
	if (r && r != -ENOENT)
		return reason_errno(reason, r, "cannot open the link of the hook %s",
				    hook_infos[hook].name);
	if (link.cgroup_id && link.program_id == program_id)
		return 0;
	if (link.cgroup_id) {
		if (bpf_link_update(link_fd, program_fd, NULL))
			return reason_errno(reason, -errno,
					    "cannot replace the program of the hook %s",
					    hook_infos[hook].name);
		return 0;
	}
	r = heal_open_cgroup(policy, &cgroup_fd, reason);
	if (r)
		return r;
	return load_link(pins, hook, program_fd, cgroup_fd, NULL, reason);
}

/* Writes the fallback again: a load on trial may have been killed before it wrote that. */
static int heal_trial(const struct pins *pins, uint64_t generation, struct reason *reason)
{
	struct trial trial;
	int r = trial_read(pins, generation, &trial);

	if (r || trial.phase != TRIAL_RUNS)
		return r;
	if (trial.fallback)
		r = load_trial_arm(pins, generation, trial.fallback);
	if (!r)
		r = pins_set_on_trial(pins, generation);
	if (r)
		return reason_errno(reason, r, "cannot put right what %s goes back to", pins->path);
	return 0;
}

/* The parts whose hooks a generation is to be on: while its trial runs, those of its fallback too.
 */
static int heal_read_layer(const struct pins *pins, uint64_t generation,
			   struct smtpward_layer *ret_layer, uint32_t *ret_parts)
{
	struct trial trial = { .phase = TRIAL_NONE };
	int r = layer_read(pins, generation, ret_layer);

	if (!r)
		r = trial_read(pins, generation, &trial);
	if (!r)
		*ret_parts = trial.phase == TRIAL_RUNS ? ret_layer->programs : ret_layer->parts;
	return r;
}

int load_heal_links(const struct pins *pins, uint64_t generation, struct reason *reason)
{
	struct smtpward_policy_info policy;
	struct smtpward_layer layer;
	uint32_t parts = 0;
	int r = object_read(pins, generation, "map_policy", &policy, sizeof(policy));

	if (!r)
		r = heal_read_layer(pins, generation, &layer, &parts);
	if (r)
		return reason_errno(reason, r, "cannot tell the policy in %s", pins->path);
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++) {
		if (!hook_is_of(hook, parts))
			continue;
		r = heal_hook(pins, &policy, hook, reason);
		if (r)
			return r;
	}
	return load_heal_uplinks(pins, generation, &layer, reason);
}

int load_heal_hooks(const struct pins *pins, struct reason *reason)
{
	struct smtpward_gate gate;
	int r = object_read(pins, 0, "map_gate", &gate, sizeof(gate));

	if (r)
		return reason_errno(reason, r, "cannot tell the policy in %s", pins->path);
	r = load_heal_links(pins, gate.generation, reason);
	if (r)
		return r;
	r = heal_trial(pins, gate.generation, reason);
	if (r)
		return r;
	r = keep_update(pins, gate.generation, load_forget_uplinks, reason);
	if (!r)
		r = load_settle_rows(pins, gate.generation, reason);
	return r ? r : load_check_uplinks(pins, gate.generation, reason);
}

/* Shows the reader the directory that is there now: a new one is not the one shown before. */
static int heal_reader_view(const struct pins *pins, struct reason *reason)
{
	gid_t group = 0;
	int r = pins_find_group(pins, &group);

	if (r)
		return reason_errno(reason, r, "cannot tell who may read %s", pins->path);
	return group ? reader_view_make(pins, reason) : 0;
}

/* Whether a link that is attached belongs to this directory, and refuses. */
static bool heal_finds_any(const struct found *found, const char *path, uint64_t root_id)
{
	for (size_t i = 0; i < found->n; i++)
		if (found->links[i].gate != SMTPWARD_GATE_OPEN &&
		    found_is_of(&found->links[i], path, root_id))
			return true;
	return false;
}

int load_open_restored(const char *path, struct pins *ret_pins, struct reason *reason)
{
	_cleanup_(pins_close) struct pins pins = PINS_CLOSED;
	_cleanup_(found_clear) struct found found = { 0 };
	uint64_t root_id = 0;
	int r = pins_lock(path, LOCK_ALONE, &pins, reason);

	if (r)
		return r;
	r = load_find(&pins, &found, &root_id, reason);
	if (r)
		return r;
	r = pins_enter(&pins, heal_finds_any(&found, pins.path, root_id), reason);
	if (r)
		return r;
	r = load_restore(&pins, &found, root_id, reason);
	if (r)
		return r;
	*ret_pins = pins;
	pins = (struct pins)PINS_CLOSED;
	return 0;
}

static int heal_locked(const struct pins *pins, struct load_id *ret_lift, struct reason *reason)
{
	bool over;
	int r = load_trial_settle(pins, &over, ret_lift, reason);

	if (r || ret_lift->generation)
		return r;
	r = over ? 0 : load_heal_hooks(pins, reason);
	if (r)
		return r;
	return heal_reader_view(pins, reason);
}

int load_heal(const char *path, struct reason *reason)
{
	_cleanup_(pins_close) struct pins pins = PINS_CLOSED;
	struct load_id lift;
	int r = load_open_restored(path, &pins, reason);

	if (r)
		return r;
	r = heal_locked(&pins, &lift, reason);
	if (r || !lift.generation)
		return r;
	pins_close(&pins);
	r = load_trial_lift(path, &lift, reason);
	return r ? r
		 : reason_set(reason, -ENOENT, "the trial is over: nothing was in force before");
}
