// SPDX-License-Identifier: GPL-2.0-only
/*
 * Puts a policy in force.
 *
 * A load, under the lock of the pin directory:
 *   0. pin again the links that are attached and have lost their pins
 *   1. load the programs of a new generation, with the maps that last of the deciding
 *      generation, if these maps are of our ABI and nobody has spoiled them
 *   2. pin the generation in a directory of its own; fill its maps; start its tracker
 *   3. give each hook's link the new program, which still hands every connect over to
 *      the program that it replaced (first load: make the links, while the gate is open;
 *      for a hook that the deciding generation does not have: make the link, and let
 *      every connect pass there); the same with the gate on each uplink that is there. What
 *      the deciding generation does not have of the second layer passes until the switch, for
 *      its programs find no such generation in map_layers
 *   4. write the new generation into the gate: from here on it decides, on all hooks
 *   5. detach the hooks that another version had and this version does not have, and what
 *      the policy does not ask for of the second layer: it lets everything pass by now; remove
 *      every other generation, but for a generation that recorded into maps of its own,
 *      which stays until these maps are drained (see leftover.h); pin the links a second
 *      time (see keep.h)
 * Up to step 4 the old policy is in force whole, from then on the new one. A crash in
 * between leaves objects and pins behind, which the next load removes in step 5. A hook
 * that this version does not have refuses by the old policy until it is detached.
 *
 * A load on trial stops short of step 5: the generation to go back to stays, whole, in a
 * directory of its own, and the new programs know it; see load_trial.c.
 */
#include "load/load.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "load/load_steps.h"
#include "pins/reader_view.h"

static int load_make_and_swap(struct load *load, struct reason *reason)
{
	int r = load_make(load, reason);

	if (r)
		return r;
	return load_swap(load, reason);
}

/* *reterr_over: a trial is over, and must be settled before the load. */
static int load_once(const struct load_request *request, struct load_report *ret_report,
		     bool *reterr_over, struct reason *reason)
{
	_cleanup_(load_close) struct load load = {
		.request = request,
		.pins = PINS_CLOSED,
		.root_fd = -1,
		.attach_fd = -1,
	};
	struct reason view = { "" };
	uint32_t gate_id = 0;
	int r;

	assert(request && request->policy && request->ruleset && request->pins);
	hook_fds_clear(load.link_fds);
	hook_fds_clear(load.before_fds);
	r = load_open(&load, reason);
	*reterr_over = load.trial_over;
	if (r) {
		/* A directory that was made for this load would look like a policy that is lost. */
		const int left = pins_remove_empty(&load.pins);
		const struct reason first = *reason;

		if (left)
			reason_errno(reason, left, "%s; and removing %s failed", first.text,
				     load.pins.path);
		return r;
	}
	r = load_make_and_swap(&load, reason);
	if (r) {
		int rolled_back = load_roll_back(&load);
		struct reason first = *reason;

		if (rolled_back)
			reason_errno(reason, r, "%s; and taking back what was done failed",
				     first.text);
		return r;
	}
	r = load_finish(&load, reason);
	if (!r)
		r = load_gate_id(&load, &gate_id);
	if (r)
		return r;
	if (load.reader)
		reader_view_make(&load.pins, &view);
	else
		reader_view_remove(&load.pins, &view);
	*ret_report = (struct load_report){
		.replaced = load.gate && load.gate != SMTPWARD_GATE_OPEN,
		.replaced_abi = load.abi,
		.below_root = load.attach_id != load.root_id,
		.left = load.left,
		.clock_unset = load.clock_unset,
		.root_id = load.root_id,
		.id = { gate_id, load.generation },
		.fallback = load.fallback,
		.trial_ends_ns = load.trial_ends_ns,
		.merged = load.merged,
		.absent = load.absent,
		.bridges = load.bridges,
		.surplus = load.surplus,
		.unkept = load.unkept,
		.view = view,
		.spoiled = load.spoiled,
	};
	memcpy(ret_report->hash, load.origin.hash, sizeof(ret_report->hash));
	return 0;
}

int load_policy(const struct load_request *request, struct load_report *ret_report,
		struct reason *reason)
{
	bool over = false;
	int r = load_once(request, ret_report, &over, reason);

	if (!over)
		return r;
	r = load_settle(request->pins, &over, reason);
	if (r && r != -ENOENT)
		return r;
	return load_once(request, ret_report, &over, reason);
}
