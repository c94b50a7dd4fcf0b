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

#include "pinned.h"
#include "pins.h"

enum state_hook {
	STATE_IN_FORCE,
	STATE_NO_LINK,	     /* its pin is gone */
	STATE_DETACHED,	     /* by somebody, or with its cgroup */
	STATE_OTHER_PROGRAM, /* the link has a program that is not the policy's */
};

struct state {
	bool enforcing; /* both hooks and the tracker in force, mode enforce */
	bool gate_open; /* enforcement is lifted, half-way through a load or unload */
	struct smtpward_policy_info policy;
	enum state_hook hooks[PINNED_HOOKS];
	struct pinned_link links[PINNED_HOOKS];
	bool tracker; /* runs, or is not needed */
	uint64_t missing; /* cgroups that the tracker has no room for */
	struct smtpward_counters counters;
	pid_t reader; /* who reads map_events; 0: nobody, or it cannot be told */
	struct smtpward_rule_info *rules; /* policy.rules of them */
};

/* -ENOENT where nothing is loaded, and as pins_open() does. state_clear() frees it. */
int state_read(const char *pins, struct state *ret_state, struct reason *reason);
void state_clear(struct state *state);

#endif /* SMTPWARD_STATE_H */
