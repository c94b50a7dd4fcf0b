// SPDX-License-Identifier: GPL-2.0-only
/* Tells what is in force; see state.h. */
#include "pins/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <smtpward/until.h>

#include "base/cleanup.h"
#include "host/boottime.h"
#include "pins/figures.h"
#include "pins/hook.h"
#include "pins/rows.h"
#include "pins/state_read.h"

#define NS_PER_SECOND 1000000000ULL

static int state_read_until_whole(const char *path, bool try, struct object_hooks *hooks,
				  struct state *ret_state, const struct state_more *more,
				  struct reason *reason)
{
	const struct timespec pause = { .tv_nsec = 100000000 };
	struct state state;
	int r;

	for (int tries = 0;; tries++) {
		r = state_read_once(path, try, hooks, &state, more, reason);
		if (!geteuid() || r == -EACCES || tries == 5 || (!r && state_is_whole(&state)))
			break;
		if (!r)
			state_clear(&state);
		if (!r && more->figures)
			figures_clear(more->figures);
		if (!r && more->rows)
			rows_clear(more->rows);
		nanosleep(&pause, NULL);
	}
	if (!r)
		*ret_state = state;
	return r;
}

int state_read(const char *path, bool try, struct state *ret_state, struct reason *reason)
{
	_cleanup_(object_hooks_close) struct object_hooks hooks = OBJECT_HOOKS_CLOSED;

	return state_read_until_whole(path, try, &hooks, ret_state, &(struct state_more){ NULL },
				      reason);
}

int state_read_figures(const char *path, struct state *ret_state, struct figures *ret_figures,
		       struct reason *reason)
{
	_cleanup_(object_hooks_close) struct object_hooks hooks = OBJECT_HOOKS_CLOSED;

	return state_read_until_whole(path, false, &hooks, ret_state,
				      &(struct state_more){ .figures = ret_figures }, reason);
}

int state_read_rows(const char *path, struct state *ret_state, struct figures *ret_figures,
		    struct rows *ret_rows, struct reason *reason)
{
	_cleanup_(object_hooks_close) struct object_hooks hooks = OBJECT_HOOKS_CLOSED;

	return state_read_until_whole(
		path, false, &hooks, ret_state,
		&(struct state_more){ .figures = ret_figures, .rows = ret_rows }, reason);
}

int state_watch(const char *path, struct object_hooks *hooks, struct state *ret_state,
		struct reason *reason)
{
	return state_read_until_whole(path, true, hooks, ret_state, &(struct state_more){ NULL },
				      reason);
}

bool state_lacks_hook(const struct state *state, int hook)
{
	return state->hooks[hook] != STATE_IN_FORCE && state->hooks[hook] != STATE_UNUSED;
}

bool state_is_whole(const struct state *state)
{
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++)
		if (state_lacks_hook(state, hook))
			return false;
	return !state->gate_open && (state->tracker || !state->asks_cgroup) &&
	       !state_is_lifted(state);
}

bool state_is_lifted(const struct state *state)
{
	return state->trial.phase == TRIAL_OVER && !state->trial.fallback;
}

int64_t state_now(const struct state *state)
{
	struct timespec tai;
	uint64_t now = boottime_now();

	if (state->clock.source == SMTPWARD_CLOCK_TAI) {
		if (clock_gettime(CLOCK_TAI, &tai))
			return -errno;
		now = (uint64_t)tai.tv_sec * NS_PER_SECOND + (uint64_t)tai.tv_nsec;
	}
	now += state->clock.offset_ns;
	if (!smtpward_has_come(now, state->clock.floor_ns))
		return -ENODATA;
	return (int64_t)(now / NS_PER_SECOND);
}

uint64_t state_loaded_at(const struct state *state)
{
	if (!state->origin.loaded_ns)
		return state->policy.loaded_at;
	return (state->origin.loaded_ns + boottime_to_utc()) / NS_PER_SECOND;
}

static bool state_lacks_all_hooks(const struct state *state)
{
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++)
		if (state->hooks[hook] == STATE_IN_FORCE)
			return false;
	return true;
}

const char *state_headline(const struct state *state)
{
	if (state->enforcing)
		return state->troubles ? "enforcing, and degraded" : "enforcing";
	if (state_is_lifted(state))
		return "not enforcing: the trial is over, and nothing was in force before it";
	if (state->gate_open)
		return "not enforcing: the policy is loaded half-way; 'smtpward load' completes it";
	if (state_lacks_all_hooks(state))
		return "not enforcing: no hook is in force, and nothing is refused; 'smtpward "
		       "load' puts them back";
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++)
		if (state_lacks_hook(state, hook))
			return hook_infos[hook].lacking;
	if (!state->tracker && state->asks_cgroup)
		return "not enforcing: the cgroup tracker is gone; 'smtpward load' puts it back";
	return "not enforcing: mode audit, nothing is refused";
}

static const char *const state_trouble_words[STATE_TROUBLES] = {
	[STATE_KEPT] = "the policy that was kept is in force",
	[STATE_STUCK] = "the bpffs of the pins is mounted read-only, and no load can change what "
			"is in force; 'mount -o remount,rw' on it helps",
	[STATE_READER] = "the rights on the pins are not those that the load gave its reader; "
			 "'smtpward load' gives them again",
	[STATE_PINS] = "not all that is attached is pinned; 'smtpward load' puts the pins back",
	[STATE_UNKEPT] = "there is no second set of pins: who removes the pin directory lifts the "
			 "policy; 'smtpward load' makes it",
	[STATE_COVERED] = "an earlier load, whose pins are covered or gone, decides too; 'smtpward "
			  "load' takes it away",
	[STATE_MISSING] = "the tracker could not keep all cgroups; 'smtpward load' makes room",
	[STATE_LIMITS] =
		"the cgroup tracker is gone: a new cgroup shares the limit on lines of the "
		"tenant above it; 'smtpward load' puts it back",
	[STATE_BACK] =
		"the trial is over without a 'smtpward confirm', and what was in force before "
		"it is again; 'smtpward load' clears up behind it",
	[STATE_SCOPE] =
		"attached to the root of a cgroup namespace, and not to the machine's: what "
		"runs outside of it is not refused",
	[STATE_LOCAL] = "nobody keeps the local addresses, and 'to local' matches loopback alone; "
			"'systemctl start smtpward-local' or 'smtpward local' does",
	[STATE_FULL] = "the map of the local addresses is full: 'to local' does not match what has "
		       "no room in it",
	[STATE_CLOCK] = "the clock is not set, and rules with 'until' match nothing; once it is, "
			"'smtpward clock' tells the programs",
	[STATE_ROWS] = "tenants that are gone take room in the count that 'smtpward report' shows; "
		       "'smtpward load' takes them away",
	[STATE_UPLINKS] = "not every uplink has its gate, and packets leave by the others unseen; "
			  "'smtpward load' puts a gate on each that is there",
	[STATE_ABSENT] = "an uplink that the policy asks for is not there; it gets its gate as it "
			 "comes",
	[STATE_SURPLUS] = "more devices are uplinks now than can have gates, and packets leave by "
			  "the others unseen; name the uplinks in the policy",
	[STATE_BEHIND] = "another program or filter sees the packets of an uplink before the gate "
			 "does, and may let them out; 'bpftool net' and 'tc filter' name it",
	[STATE_CROWDED] = "there are more tenants than the count that 'smtpward report' shows has "
			  "room for: attempts of the others are one row",
};

const char *const state_trouble_names[STATE_TROUBLES] = {
	[STATE_KEPT] = "kept",	     [STATE_STUCK] = "stuck",	[STATE_PINS] = "pins",
	[STATE_READER] = "reader",   [STATE_UNKEPT] = "unkept", [STATE_COVERED] = "covered",
	[STATE_MISSING] = "missing", [STATE_LIMITS] = "limits", [STATE_BACK] = "back",
	[STATE_SCOPE] = "scope",     [STATE_LOCAL] = "local",	[STATE_FULL] = "full",
	[STATE_CLOCK] = "clock",     [STATE_ROWS] = "rows",	[STATE_CROWDED] = "crowded",
	[STATE_UPLINKS] = "uplinks", [STATE_ABSENT] = "absent", [STATE_BEHIND] = "behind",
	[STATE_SURPLUS] = "surplus",
};

void state_describe_trouble(const struct state *state, enum state_trouble trouble, char *dst,
			    size_t size)
{
	if (trouble == STATE_KEPT && *state->origin.why)
		snprintf(dst, size, "%s: %.*s", state_trouble_words[trouble],
			 (int)sizeof(state->origin.why), state->origin.why);
	else
		snprintf(dst, size, "%s", state_trouble_words[trouble]);
}

void state_clear(struct state *state)
{
	free(state->rules);
}
