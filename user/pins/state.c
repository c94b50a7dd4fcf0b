// SPDX-License-Identifier: GPL-2.0-only
/* What is in force; see state.h. */
#include "pins/state.h"

#include <string.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "host/cgroupfs.h"
#include "pins/hook.h"

static int state_cgroup_exists(uint64_t id, bool *ret_exists)
{
	_cleanup_close_ int root_fd = -1;
	int r = cgroupfs_open_root(&root_fd);

	if (r)
		return r;
	return cgroupfs_exists(root_fd, id, ret_exists);
}

/* For who may not have a descriptor of a link, as that is all that it takes to detach it. */
static int state_read_hook_from_outside(const struct pins *pins, struct state *state, int hook)
{
	bool runs[SMTPWARD_HOOKS];
	int r = object_read_hooks(pins, state->policy.generation, runs);

	if (r == -ENODATA || r == -ENOENT)
		return -EACCES;
	if (r)
		return r;
	state->hooks[hook] = runs[hook] ? STATE_IN_FORCE : STATE_DETACHED;
	return 0;
}

static int state_read_hook(const struct pins *pins, struct state *state, int hook)
{
	_cleanup_close_ int link_fd = -1, program_fd = -1;
	uint32_t program_id = 0;
	bool exists = false;
	int r = object_open(pins, 0, hook_infos[hook].link_pin, &link_fd);

	state->hooks[hook] = STATE_NO_LINK;
	if (r == -ENOENT)
		return 0;
	if (r == -EACCES)
		return state_read_hook_from_outside(pins, state, hook);
	if (r)
		return r;
	r = object_read_link(link_fd, &state->links[hook]);
	if (r)
		return r;
	state->hooks[hook] = STATE_DETACHED;
	if (!state->links[hook].cgroup_id)
		return 0;
	r = state_cgroup_exists(state->links[hook].cgroup_id, &exists);
	if (r || !exists)
		return r;
	state->hooks[hook] = STATE_OTHER_PROGRAM;
	r = object_open(pins, state->policy.generation, hook_infos[hook].program_pin, &program_fd);
	if (r == -ENOENT)
		return 0;
	if (r)
		return r;
	r = object_program_id(program_fd, &program_id);
	if (r)
		return r;
	if (program_id == state->links[hook].program_id)
		state->hooks[hook] = STATE_IN_FORCE;
	return 0;
}

static int state_read_missing(const struct pins *pins, struct state *state)
{
	struct smtpward_tracker tracker;
	_cleanup_close_ int fd = -1;
	int r = object_open_map(pins, state->policy.generation, "map_tracker", OBJECT_READS,
				sizeof(tracker), &fd);

	if (r)
		return r;
	for (uint32_t i = 0; i < SMTPWARD_TRACKER_ENTRIES; i++) {
		r = bpf_map_lookup_elem(fd, &i, &tracker);
		if (r)
			return r;
		state->missing[i] = tracker.missing;
	}
	return 0;
}

static int state_read_tracker(const struct pins *pins, struct state *state)
{
	static const char *const names[] = { "link_cgroup_mkdir", "link_cgroup_rmdir" };
	struct smtpward_cgroup root;
	_cleanup_close_ int cgroups = -1;
	int r = state_read_missing(pins, state);

	if (r)
		return r;
	state->tracker = true;
	r = object_open_map(pins, state->policy.generation, "map_cgroups", OBJECT_READS,
			    sizeof(root), &cgroups);
	if (r)
		return r;
	/* The root has an entry where the policy asks for cgroups, and only there. */
	r = bpf_map_lookup_elem(cgroups, &state->policy.root, &root);
	if (r)
		return r == -ENOENT ? 0 : r;
	state->tracks = true;
	/* Nobody can detach them: they are attached where their pins are there. */
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		bool there;

		r = pins_has(pins, state->policy.generation, names[i], &there);
		if (r)
			return r;
		if (!there)
			state->tracker = false;
	}
	return 0;
}

static int state_read_rules(const struct pins *pins, struct state *state)
{
	_cleanup_close_ int fd = -1;
	int r = object_open_map(pins, state->policy.generation, "map_rules", OBJECT_READS,
				sizeof(*state->rules), &fd);

	if (r)
		return r;
	state->rules = calloc(state->policy.rules ?: 1, sizeof(*state->rules));
	if (!state->rules)
		return -ENOMEM;
	for (uint32_t i = 0; i < state->policy.rules; i++) {
		r = bpf_map_lookup_elem(fd, &i, &state->rules[i]);
		if (r)
			return r;
	}
	return 0;
}

static int state_read_counters(const struct pins *pins, struct state *state)
{
	_cleanup_close_ int fd = -1;
	int r = object_open_map(pins, state->policy.generation, "map_counters", OBJECT_READS,
				sizeof(state->counters), &fd);

	if (r)
		return r;
	return object_sum_counters(fd, &state->counters);
}

static int state_read_all(const struct pins *pins, struct state *state)
{
	enum object_gate gate;
	uint64_t generation;
	int r = object_read_generation(pins, &generation, &gate);

	if (r)
		return r;
	if (gate == OBJECT_GATE_STRAY)
		return -ENODATA;
	state->gate_open = gate == OBJECT_GATE_OPEN;
	r = object_read_abi(pins, generation, &state->policy.abi);
	if (r)
		return r;
	if (state->policy.abi != SMTPWARD_ABI)
		return -EPROTO;
	r = object_read(pins, generation, "map_policy", &state->policy, sizeof(state->policy));
	if (r)
		return r;
	r = object_read(pins, generation, "map_origin", &state->origin, sizeof(state->origin));
	if (r && r != -ENOENT)
		return r;
	r = state_read_rules(pins, state);
	if (r)
		return r;
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++) {
		r = state_read_hook(pins, state, hook);
		if (r)
			return r;
	}
	r = state_read_tracker(pins, state);
	if (r)
		return r;
	r = state_read_counters(pins, state);
	if (r)
		return r;
	state->reader = pins_find_reader(pins);
	return 0;
}

static bool state_has_kept(const struct state *state, char *text, size_t size)
{
	if (!(state->origin.flags & SMTPWARD_ORIGIN_KEPT))
		return false;
	snprintf(text, size, "the policy that was kept is in force: %s", state->origin.why);
	return true;
}

/* Each says whether it is so, and then in words. */
static bool (*const state_flaws[STATE_FLAWS])(const struct state *state, char *text,
					      size_t size) = {
	[STATE_FLAW_KEPT] = state_has_kept,
};

static void state_find_flaws(struct state *state)
{
	for (int flaw = 0; flaw < STATE_FLAWS; flaw++) {
		struct state_degraded *found = &state->degraded[state->n_degraded];

		if (!state_flaws[flaw](state, found->text, sizeof(found->text)))
			continue;
		found->flaw = (enum state_flaw)flaw;
		state->n_degraded++;
	}
}

int state_read(const char *path, bool try, struct state *ret_state, struct reason *reason)
{
	_cleanup_(pins_close) struct pins pins = PINS_CLOSED;
	_cleanup_(state_clear) struct state state = { 0 };
	int r = pins_open_shared(path, try, &pins, reason);

	if (r)
		return r;
	r = state_read_all(&pins, &state);
	if (r == -ENODATA || r == -ENOENT)
		return reason_set(reason, -ENODATA,
				  "%s has no whole policy: 'smtpward load' puts one there", path);
	if (r == -EPROTO)
		return reason_set(reason, r, OBJECT_FOREIGN_TEXT, path, state.policy.abi,
				  SMTPWARD_ABI);
	if (r == -EACCES)
		return reason_set(
			reason, r,
			"who is not root sees the hooks of %s where 'smtpward load "
			"--reader' says so, and where they are on his own cgroup or above",
			path);
	if (r)
		return reason_errno(reason, r, "cannot read what is pinned in %s", path);
	state_find_flaws(&state);
	state.enforcing = state_is_whole(&state) && state.policy.mode == SMTPWARD_DENY;
	*ret_state = state;
	state.rules = NULL;
	return 0;
}

bool state_is_whole(const struct state *state)
{
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++)
		if (state->hooks[hook] != STATE_IN_FORCE)
			return false;
	return !state->gate_open && state->tracker;
}

const char *state_headline(const struct state *state)
{
	if (state->enforcing)
		return "enforcing";
	if (state->gate_open)
		return "not enforcing: the policy is loaded half-way; 'smtpward load' completes it";
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++)
		if (state->hooks[hook] != STATE_IN_FORCE)
			return hook_infos[hook].lacking;
	if (!state->tracker)
		return "not enforcing: the cgroup tracker is gone; 'smtpward load' puts it back";
	return "not enforcing: mode audit, nothing is refused";
}

void state_clear(struct state *state)
{
	free(state->rules);
}
