// SPDX-License-Identifier: GPL-2.0-only
/* Reads the state that the kernel has: the pins, and for root what is attached; see state.h. */
#include "pins/state_read.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include <smtpward/rows.h>
#include <smtpward/verdict.h>

#include "base/cleanup.h"
#include "host/boottime.h"
#include "host/cgroupfs.h"
#include "pins/figures.h"
#include "pins/rows.h"
#include "pins/state_view.h"
#include "pins/uplink_gate.h"

/* For a reader that is not root: with a descriptor of a link it could detach the hook. */
static int state_read_hook_from_outside(const struct state_view *view, struct state *state,
					int hook)
{
	bool runs[SMTPWARD_HOOKS];
	int r = object_read_hooks(&view->pins, state->attached, view->hooks, runs);

	/* The load that gave the pins to a reader has made it. */
	if (r == -ENOENT && state->origin.reader)
		return -ENOLINK;
	if (r == -ENODATA || r == -ENOENT)
		return -EACCES;
	if (r)
		return r;
	state->hooks[hook] = runs[hook] ? STATE_IN_FORCE : STATE_DETACHED;
	return 0;
}

static int state_read_pinned_hook(const struct state_view *view, struct state *state, int hook)
{
	_cleanup_close_ int link_fd = -1, program_fd = -1;
	uint32_t program_id = 0;
	bool exists = false;
	int r = object_open(&view->pins, 0, hook_infos[hook].link_pin, &link_fd);

	state->hooks[hook] = STATE_NO_LINK;
	if (r == -ENOENT)
		return 0;
	/* The kernel finds a bpffs read-only before it looks whether there is a right. */
	if (r == -EACCES || (r == -EROFS && geteuid()))
		return state_read_hook_from_outside(view, state, hook);
	if (!r)
		r = object_read_link(link_fd, &state->links[hook]);
	/* The pin is something else: the link itself has none. */
	if (r == -EBADMSG)
		return 0;
	if (r && r != -EROFS)
		return r;
	state->hooks[hook] = STATE_DETACHED;
	if (r)
		return r;
	if (!state->links[hook].cgroup_id)
		return 0;
	r = cgroupfs_exists(view->root_fd, state->links[hook].cgroup_id, &exists);
	if (r || !exists)
		return r;
	state->hooks[hook] = STATE_OTHER_PROGRAM;
	r = object_open_to_read(&view->pins, state->attached, hook_infos[hook].program_pin,
				&program_fd);
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

/* The link of this policy on the hook, as the kernel runs it. */
static const struct found_link *state_find_link(const struct state_view *view,
						const struct state *state, int hook)
{
	for (size_t i = 0; view->link && i < view->found.n; i++) {
		const struct found_link *link = &view->found.links[i];

		if (link->gate_id == view->link->gate_id && (int)link->hook == hook &&
		    link->cgroup_id == state->policy.attached_to &&
		    (!link->generation || link->generation == state->attached))
			return link;
	}
	return NULL;
}

static int state_read_hook(const struct state_view *view, struct state *state, int hook)
{
	const struct found_link *link = state_find_link(view, state, hook);
	bool exists = false, hidden;
	int r = 0;

	state->hooks[hook] = STATE_UNUSED;
	if (!hook_is_of(hook, state->layer.parts))
		return 0;
	state->hooks[hook] = STATE_NO_LINK;
	if (view->pins.fd >= 0)
		r = state_read_pinned_hook(view, state, hook);
	/* The kernel opens a link's pin for writing alone; what is attached tells as well. */
	hidden = r == -EROFS && view->found_all;
	if (hidden) {
		state_note(state, STATE_STUCK);
		r = 0;
	}
	if (r || state->hooks[hook] == STATE_IN_FORCE || !link)
		return r;
	r = cgroupfs_exists(view->root_fd, link->cgroup_id, &exists);
	if (r || !exists)
		return r;
	state->hooks[hook] = STATE_IN_FORCE;
	state->links[hook] = (struct object_link){
		.id = link->id,
		.program_id = link->program_id,
		.cgroup_id = link->cgroup_id,
	};
	if (!hidden)
		state_note(state, STATE_PINS);
	return 0;
}

static int state_read_missing(const struct state_view *view, struct state *state)
{
	struct smtpward_tracker tracker;
	_cleanup_close_ int fd = -1;
	int r = state_open_map(view, state, "map_tracker", sizeof(tracker), &fd);

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

/* Nobody can detach a tracker's link: it is attached as long as there is one. */
static int state_read_tracker_link(const struct state_view *view, struct state *state, int cgroups,
				   const char *pin, const char *program)
{
	_cleanup_close_ int fd = -1;
	struct object_shape shape;
	bool there = false;
	int r = view->pins.fd < 0 ? 0
				  : pins_has(&view->pins, state->policy.generation, pin, &there);

	if (r || there)
		return r;
	r = view->link ? object_read_shape(cgroups, &shape) : -ENOENT;
	if (!r)
		r = found_open_link(program, shape.id, &fd);
	if (r == -ENOENT) {
		state->tracker = false;
		return 0;
	}
	if (!r)
		state_note(state, STATE_PINS);
	return r;
}

static int state_read_tracker(const struct state_view *view, struct state *state)
{
	struct smtpward_cgroup root;
	_cleanup_close_ int cgroups = -1;
	int r = state_read_missing(view, state);

	if (r)
		return r;
	state->tracker = true;
	r = state_open_map(view, state, "map_cgroups", sizeof(root), &cgroups);
	if (r)
		return r;
	/* The root has an entry where the policy asks for cgroups, and only there. */
	r = bpf_map_lookup_elem(cgroups, &state->policy.root, &root);
	if (r && r != -ENOENT)
		return r;
	state->asks_cgroup = !r;
	r = state_read_tracker_link(view, state, cgroups, "link_cgroup_mkdir", "smtpward_mkdir");
	if (r)
		return r;
	r = state_read_tracker_link(view, state, cgroups, "link_cgroup_rmdir", "smtpward_rmdir");
	if (!r && !state->tracker && !state->asks_cgroup)
		state_note(state, STATE_LIMITS);
	return r;
}

static int state_count_leases(int fd, uint64_t *ret_n)
{
	struct smtpward_prefix key;
	const uint64_t now = boottime_now();
	bool first = true;
	uint64_t n = 0;

	while (!bpf_map_get_next_key(fd, first ? NULL : &key, &key)) {
		uint64_t end = 0;

		first = false;
		/* The entry may go at any time. */
		if (bpf_map_lookup_elem(fd, &key, &end) && errno != ENOENT)
			return -errno;
		n += smtpward_lease_holds(end, now);
	}
	*ret_n = n;
	return errno == ENOENT ? 0 : -errno;
}

static int state_read_local(const struct state_view *view, struct state *state)
{
	struct smtpward_host host;
	_cleanup_close_ int fd = -1;
	int r = state_read_map(view, state, "map_host", &host, sizeof(host));

	/* A version before that map loaded it. */
	if (r || !host.asks_local)
		return r == -ENOENT ? 0 : r;
	r = state_open_map(view, state, "map_local", sizeof(uint64_t), &fd);
	if (!r)
		r = state_count_leases(fd, &state->local);
	if (r)
		return r;
	state->asks_local = true;
	if (!state->local)
		state_note(state, STATE_LOCAL);
	if (state->local >= SMTPWARD_LOCAL_ROOM)
		state_note(state, STATE_FULL);
	return 0;
}

static int state_read_rules(const struct state_view *view, struct state *state)
{
	_cleanup_close_ int fd = -1;
	int r = state_open_map(view, state, "map_rules", sizeof(*state->rules), &fd);

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

static int state_read_used(const struct state_view *view, struct state *state)
{
	struct smtpward_rows_used used;
	int r = state_read_map(view, state, "map_rows_used", &used, sizeof(used));

	/* A version before that map loaded it. */
	if (r)
		return r == -ENOENT ? 0 : r;
	/* Not for each tenant that goes: those that are there may fill what is shared by
	 * themselves. */
	if ((int64_t)used.gone > 0 && (int64_t)used.gone * 4 >= (int64_t)used.tenants &&
	    rows_are_crowded(&used))
		state_note(state, STATE_ROWS);
	if ((int64_t)used.tenants >= SMTPWARD_ROW_TENANTS)
		state_note(state, STATE_CROWDED);
	return 0;
}

static int state_read_counters(const struct state_view *view, struct state *state)
{
	_cleanup_close_ int fd = -1;
	int r = state_open_map(view, state, "map_counters", sizeof(state->counters), &fd);

	if (r)
		return r;
	return object_sum_counters(fd, &state->counters);
}

/* By the pinned gate, if it is that of the programs; else by theirs. */
static int state_read_generation(const struct state_view *view, struct state *state)
{
	const struct found_link *link = view->link;
	enum object_gate gate = OBJECT_GATE_STRAY;
	uint64_t generation = 0;
	int r = -ENOENT;

	if (view->pins.fd >= 0 && (!link || link->gate_id == view->pinned_gate))
		r = object_read_generation(&view->pins, &generation, &gate);
	if (!r && gate != OBJECT_GATE_STRAY) {
		state->policy.generation = generation;
		state->gate_open = gate == OBJECT_GATE_OPEN;
		return 0;
	}
	if (!link || (link->gate == SMTPWARD_GATE_OPEN && !link->generation))
		return r ? r : -ENODATA;
	/* Programs that the gate does not name decide for themselves: see bpf/gate.h. */
	state->policy.generation = link->generation ?: link->gate;
	state->gate_open = link->gate == SMTPWARD_GATE_OPEN;
	state_note(state, STATE_PINS);
	return 0;
}

static int state_read_abi(const struct state_view *view, struct state *state)
{
	_cleanup_close_ int fd = -1;
	int r = state_open_map(view, state, "map_policy", 0, &fd);

	if (r)
		return r;
	r = object_read_abi_of(fd, &state->policy.abi);
	if (r)
		return r;
	return state->policy.abi == SMTPWARD_ABI ? 0 : -EPROTO;
}

/* Reads what the load of a generation says of itself. */
static int state_read_description(const struct state_view *view, struct state *state)
{
	int r = state_read_abi(view, state);

	if (r)
		return r;
	r = state_read_map(view, state, "map_policy", &state->policy, sizeof(state->policy));
	if (r)
		return r;
	r = state_read_map(view, state, "map_origin", &state->origin, sizeof(state->origin));
	/* A version before that map loaded it. */
	return r == -ENOENT ? 0 : r;
}

/* A program of what the trial goes back to: it is in the maps of those that are attached. */
static void state_find_fallback(struct state_view *view)
{
	_cleanup_close_ int fd = -1;
	const uint32_t zero = 0;

	if (!view->link ||
	    found_open_map(view->link->program_id, hook_infos[view->link->hook].before_map, &fd) ||
	    bpf_map_lookup_elem(fd, &zero, &view->fallback_program))
		view->fallback_program = 0;
}

/* Reads the generation that a trial went back to, which decides instead of the one of the gate. */
static int state_read_fallback(struct state_view *view, struct state *state)
{
	state->other = state->policy;
	state->policy.generation = state->trial.fallback;
	memset(&state->origin, 0, sizeof(state->origin));
	state_find_fallback(view);
	state_note(state, STATE_BACK);
	return state_read_description(view, state);
}

static int state_read_trial(struct state_view *view, struct state *state)
{
	struct smtpward_trial trial = { 0 };
	int r = 0;

	if (!(state->origin.flags & SMTPWARD_ORIGIN_TRIAL))
		return 0;
	r = state_read_map(view, state, "map_trial", &trial, sizeof(trial));
	if (r == -EACCES || r == -EPERM)
		r = trial_read_mark(&view->pins, state->attached, &trial.word);
	if (r)
		return r;
	trial_judge(&state->origin, trial.word, &state->trial);
	if (state->trial.phase == TRIAL_NONE || !state->trial.fallback)
		return 0;
	if (state->trial.phase == TRIAL_OVER)
		return state_read_fallback(view, state);
	if (view->pins.fd < 0 || object_read(&view->pins, state->trial.fallback, "map_policy",
					     &state->other, sizeof(state->other)))
		state->other.generation = state->trial.fallback;
	return 0;
}

static int state_read_policy(struct state_view *view, struct state *state)
{
	int r = state_read_generation(view, state);

	if (r)
		return r;
	state->attached = state->policy.generation;
	r = state_read_description(view, state);
	if (r)
		return r;
	r = state_read_trial(view, state);
	if (r)
		return r;
	r = state_read_map(view, state, "map_clock", &state->clock, sizeof(state->clock));
	if (r && r != -ENOENT)
		return r;
	return state_read_rules(view, state);
}

/* Whether a gate has the program that is pinned for it. */
static int state_compare_gate(const struct state_view *view, const struct state *state,
			      const struct uplink_gate *gate, enum uplink_kind kind, bool *ret_same)
{
	_cleanup_close_ int program_fd = -1;
	uint32_t program_id = 0;
	int r = view->pins.fd < 0
			? -ENOENT
			: object_open_to_read(&view->pins, state->attached,
					      uplink_infos[kind].program_pin, &program_fd);

	if (!r)
		r = object_program_id(program_fd, &program_id);
	*ret_same = !r && gate->program_id == program_id;
	/* There is no such pin, or something else of that name. */
	return r == -ENOENT || r == -EBADMSG || r == -EROFS ? 0 : r;
}

/* Judges by what the kernel has, as pins can be gone. */
static int state_judge_gate(const struct state_view *view, struct state *state,
			    const struct uplink_gate *gate, enum uplink_kind kind,
			    enum state_uplink *ret_uplink)
{
	struct found_link link = { .gate_id = 0 };
	bool ours = false;
	int r = state_compare_gate(view, state, gate, kind, &ours);

	if (!r && !ours && view->link) {
		r = found_read_gate(gate->program_id, &link);
		ours = r == 1 && link.gate_id == view->link->gate_id &&
		       link.generation == state->attached;
		free(link.pins);
	}
	if (r < 0)
		return r;
	if (ours)
		*ret_uplink = gate->behind ? STATE_UPLINK_BEHIND : STATE_UPLINK_HELD;
	if (ours && !gate->pinned)
		state_note(state, STATE_PINS);
	return 0;
}

static int state_read_uplink(const struct state_view *view, struct state *state, const char *device,
			     enum state_uplink *ret_uplink)
{
	_cleanup_(uplink_gate_close) struct uplink_gate gate = UPLINK_GATE_NONE;
	enum uplink_kind kind;
	uint32_t ifindex;
	int r;

	/* A log that is not root may be in a network namespace of its own, too. */
	*ret_uplink = STATE_UPLINK_UNKNOWN;
	if (geteuid())
		return 0;
	*ret_uplink = STATE_UPLINK_MISSING;
	r = uplink_find(device, &ifindex, &kind);
	if (!r)
		r = uplink_gate_read(&view->pins, ifindex, &gate);
	if (r)
		return r == -ENODEV ? 0 : r;
	*ret_uplink = STATE_UPLINK_OPEN;
	return gate.program_id ? state_judge_gate(view, state, &gate, kind, ret_uplink) : 0;
}

static void state_note_uplink(struct state *state, enum state_uplink uplink, bool has_room)
{
	if (uplink == STATE_UPLINK_OPEN)
		state_note(state, has_room ? STATE_UPLINKS : STATE_SURPLUS);
	if (uplink == STATE_UPLINK_MISSING)
		state_note(state, STATE_ABSENT);
	if (uplink == STATE_UPLINK_BEHIND)
		state_note(state, STATE_BEHIND);
}

static int state_read_uplinks(const struct state_view *view, struct state *state)
{
	struct smtpward_layer layer = state->layer;
	int r;

	if (geteuid())
		layer.flags &= ~SMTPWARD_LAYER_AUTO;
	r = uplink_list(&layer, &state->uplink_names);
	if (!r && layer.parts & SMTPWARD_PART_GATE && !state->uplink_names.n)
		state_note(state, STATE_ABSENT);
	if (!r && state->uplink_names.all > state->uplink_names.n)
		state_note(state, STATE_SURPLUS);
	for (size_t i = 0; !r && i < state->uplink_names.n; i++) {
		r = state_read_uplink(view, state, state->uplink_names.text[i], &state->uplinks[i]);
		if (!r)
			state_note_uplink(state, state->uplinks[i],
					  i < uplink_count_gates(&state->uplink_names));
	}
	return r;
}

static int state_read_layer(const struct state_view *view, struct state *state)
{
	_cleanup_close_ int fd = -1;
	int r = state_read_map(view, state, "map_layer", &state->layer, sizeof(state->layer));

	if (r)
		return r == -ENOENT ? 0 : r;
	r = state_open_map(view, state, "map_pkt_counts", sizeof(state->packets), &fd);
	if (r)
		return r;
	r = object_sum(fd, 0, (__u64 *)&state->packets, sizeof(state->packets) / sizeof(__u64));
	return r ? r : state_read_uplinks(view, state);
}

static int state_read_all(struct state_view *view, struct state *state)
{
	int r = state_read_policy(view, state);

	if (r)
		return r;
	r = state_read_layer(view, state);
	if (r)
		return r;
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++) {
		r = state_read_hook(view, state, hook);
		if (r)
			return r;
	}
	r = state_read_tracker(view, state);
	if (r)
		return r;
	r = state_read_local(view, state);
	if (r)
		return r;
	r = state_read_used(view, state);
	if (r)
		return r;
	r = state_read_counters(view, state);
	if (r)
		return r;
	if (view->pins.fd >= 0)
		state->reader = pins_find_reader(&view->pins);
	return state_read_troubles(view, state);
}

static int state_read_more(const struct state_view *view, struct state *state,
			   const struct state_more *more)
{
	int r = more->rows ? rows_read(view, state, more->rows) : 0;

	if (r || !more->figures)
		return r;
	r = figures_read(view, state, more->figures);
	if (r && more->rows)
		rows_clear(more->rows);
	return r;
}

int state_read_once(const char *path, bool try, struct object_hooks *hooks, struct state *ret_state,
		    const struct state_more *more, struct reason *reason)
{
	_cleanup_(state_view_close) struct state_view view = {
		.pins = PINS_CLOSED,
		.root_fd = -1,
		.hooks = hooks,
	};
	_cleanup_(state_clear) struct state state = { 0 };
	int r = state_view_open(path, try, &view, reason);

	if (r)
		return r;
	r = state_read_all(&view, &state);
	if (!r)
		r = state_read_more(&view, &state, more);
	if (r == -ENODATA || r == -ENOENT)
		return reason_set(reason, -ENODATA,
				  "%s has no whole policy: 'smtpward load' puts one there", path);
	if (r == -EPROTO)
		return reason_set(reason, r, OBJECT_FOREIGN_TEXT, path, state.policy.abi,
				  SMTPWARD_ABI);
	if (r == -ENOLINK)
		return reason_set(reason, r,
				  "%s/generation-%" PRIu64 "/iter_hooks is gone, and who is not "
				  "root sees no hook without it: 'smtpward load' puts it back",
				  path, state.attached);
	if (r == -EACCES)
		return reason_set(
			reason, r,
			"cannot see the hooks of %s: not root; load with --reader, and run in the "
			"cgroup that the hooks are attached to, or below it",
			path);
	if (r)
		return reason_errno(reason, r, "cannot read what is pinned in %s", path);
	state.enforcing = state_is_whole(&state) && state.policy.mode == SMTPWARD_DENY;
	*ret_state = state;
	state.rules = NULL;
	return 0;
}
