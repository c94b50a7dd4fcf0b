/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Is it enforcing? What the kernel has now, compared with what a load left there.
 */
#ifndef SMTPWARD_STATE_H
#define SMTPWARD_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <smtpward/abi.h>

#include "pins/hook.h"
#include "pins/object.h"
#include "pins/pins.h"

enum state_hook {
	STATE_IN_FORCE,
	STATE_NO_LINK,	     /* its pin is gone */
	STATE_DETACHED,	     /* by somebody, or with its cgroup */
	STATE_OTHER_PROGRAM, /* the link has a program that is not the policy's */
};

/* Why what is in force is not as it should be, though it is whole. state.c has the table. */
enum state_flaw {
	STATE_FLAW_KEPT, /* the policy is the one that was kept: map_origin */
	STATE_FLAWS,
};

struct state_degraded {
	enum state_flaw flaw;
	char text[640]; /* for people */
};

struct state {
	bool enforcing; /* whole, and mode enforce */
	bool gate_open; /* enforcement is lifted, half-way through a load or unload */
	struct smtpward_policy_info policy;
	struct smtpward_origin origin; /* all zero where an older version loaded it */
	enum state_hook hooks[SMTPWARD_HOOKS];
	struct object_link links[SMTPWARD_HOOKS];
	bool tracks;				    /* the policy needs the cgroup tracker */
	bool tracker;				    /* runs, or is not needed */
	uint64_t missing[SMTPWARD_TRACKER_ENTRIES]; /* cgroups that it has no room for */
	struct smtpward_counters counters;
	pid_t reader; /* who reads map_events; 0: nobody, or it cannot be told */
	struct smtpward_rule_info *rules; /* policy.rules of them */
	struct state_degraded degraded[STATE_FLAWS];
	size_t n_degraded; /* 0 where all is as it should be */
};

/*
 * What is in force when no load or unload is under way: waits for one that is, or,
 * with try, returns -EAGAIN. -ENOENT where nothing is loaded, -ENODATA where what is
 * there is no whole policy, and as pins_open() does. state_clear() frees it.
 */
int state_read(const char *path, bool try, struct state *ret_state, struct reason *reason);

/* Whether the hooks and the tracker are as the load left them. */
bool state_is_whole(const struct state *state);

/* One line: enforcing, or why not and what to do. */
const char *state_headline(const struct state *state);

void state_clear(struct state *state);

#endif /* SMTPWARD_STATE_H */
