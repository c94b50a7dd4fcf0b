// SPDX-License-Identifier: GPL-2.0-only
/* Troubles of a policy that may be in force nevertheless; see state.h. */
#include "pins/state_view.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "host/cgroupfs.h"
#include "pins/keep.h"

struct state_pinned {
	const struct state_view *view;
	const struct state *state;
};

/* -ENOENT if the map is not pinned: that ends the search. */
static int state_check_map(void *userdata, const char *name, int fd)
{
	const struct state_pinned *pinned = userdata;
	const struct state gate = { .policy.generation = 0 };
	const bool is_gate = !strcmp(name, "map_gate");

	return state_is_pinned(pinned->view, is_gate ? &gate : pinned->state, name, fd) ? 0
											: -ENOENT;
}

/* Whether every map of the programs is pinned under its name. For root. */
static int state_pins_maps(const struct state_view *view, const struct state *state, bool *ret_all)
{
	const struct found_link *link = state_find_program(view, state);
	struct state_pinned pinned = { view, state };
	int r = pins_points_to(&view->pins, state->attached, ret_all);

	if (r || !*ret_all || !link)
		return r;
	r = found_each_map(link->program_id, state_check_map, &pinned);
	*ret_all = !r;
	return r == -ENOENT ? 0 : r;
}

static bool state_pins_links(const struct state_view *view, const struct state *state)
{
	bool iterator = true;

	if (state->origin.reader &&
	    (pins_has(&view->pins, state->attached, "iter_hooks", &iterator) || !iterator))
		return false;
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++) {
		bool link = false, program = false;
		int r;

		if (!hook_is_of(hook, state->layer.parts))
			continue;
		r = pins_has(&view->pins, 0, hook_infos[hook].link_pin, &link);

		if (!r)
			r = pins_has(&view->pins, state->attached, hook_infos[hook].program_pin,
				     &program);
		if (r || !link || !program)
			return false;
	}
	for (int kind = 0; state->layer.parts & SMTPWARD_PART_GATE && kind < UPLINK_KINDS; kind++) {
		bool program = false;

		if (pins_has(&view->pins, state->attached, uplink_infos[kind].program_pin,
			     &program) ||
		    !program)
			return false;
	}
	return true;
}

/* Checks whether the rights are as the load gave them; a load without a reader gave none. */
static int state_read_shared(const struct state_view *view, struct state *state)
{
	bool shared = true;
	int r = 0;

	if (view->pins.fd >= 0 && state->origin.reader)
		r = pins_is_shared(&view->pins, state->attached, state->origin.reader, &shared);
	if (!r && !shared)
		state_note(state, STATE_READER);
	return r;
}

int state_read_troubles(const struct state_view *view, struct state *state)
{
	bool kept = true, pinned = view->pins.fd >= 0 && state_pins_links(view, state);
	int r = pinned ? state_pins_maps(view, state, &pinned) : 0;

	if (!r)
		r = state_read_shared(view, state);
	if (r)
		return r;
	if (state->origin.flags & SMTPWARD_ORIGIN_KEPT)
		state_note(state, STATE_KEPT);
	if (state->policy.attached_to != CGROUPFS_ROOT_ID &&
	    state->policy.attached_to == state->policy.root &&
	    !(state->origin.flags & SMTPWARD_ORIGIN_CGROUP))
		state_note(state, STATE_SCOPE);
	if (state->missing[SMTPWARD_TRACKER_CGROUPS])
		state_note(state, STATE_MISSING);
	if (state_now(state) == -ENODATA)
		state_note(state, STATE_CLOCK);
	if (!pinned)
		state_note(state, STATE_PINS);
	for (size_t i = 0; view->link && i < view->found.n; i++) {
		const struct found_link *link = &view->found.links[i];

		if (link->gate_id != view->link->gate_id && link->gate != SMTPWARD_GATE_OPEN &&
		    link->cgroup_id == state->policy.attached_to &&
		    found_is_of(link, view->pins.path, view->root_id))
			state_note(state, STATE_COVERED);
	}
	/*
	 * The second set is root's. It is checked only if the first set is whole and can be
	 * opened.
	 */
	if (!geteuid() && !(state->troubles & (1U << STATE_PINS | 1U << STATE_STUCK)) &&
	    (keep_is_whole(&view->pins, state->attached, &kept) || !kept))
		state_note(state, STATE_UNKEPT);
	return 0;
}
