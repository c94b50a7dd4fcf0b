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
#include <smtpward/packets.h>

#include "pins/hook.h"
#include "pins/object.h"
#include "pins/pins.h"
#include "pins/trial.h"
#include "pins/uplink.h"

enum state_hook {
	STATE_IN_FORCE,
	STATE_NO_LINK,	     /* its pin is gone */
	STATE_DETACHED,	     /* by somebody, or with its cgroup */
	STATE_OTHER_PROGRAM, /* the link has a program that is not the policy's */
	STATE_UNUSED,	     /* the policy does not ask for the hook */
};

/* An uplink that the policy names, or found. */
enum state_uplink {
	STATE_UPLINK_HELD,
	STATE_UPLINK_BEHIND,  /* the gate is there, and another program sees packets before it */
	STATE_UPLINK_OPEN,    /* the device is there, and has no gate of this policy */
	STATE_UPLINK_MISSING, /* there is no such device */
	STATE_UPLINK_UNKNOWN, /* who is not root cannot see a gate */
};

/* Troubles of a policy, which may be in force all the same. */
enum state_trouble {
	STATE_KEPT,    /* the policy that was kept is in force, for the file could not be */
	STATE_STUCK,   /* the bpffs is read-only: no load can change what is in force */
	STATE_PINS,    /* something attached is not pinned in the pin directory */
	STATE_READER,  /* the pins have not the rights that the load gave its reader */
	STATE_UNKEPT,  /* it is not pinned a second time: see keep.h */
	STATE_COVERED, /* an earlier load of this directory decides, too */
	STATE_MISSING, /* the tracker has no room for all cgroups */
	STATE_LIMITS,  /* it is gone, and no rule goes by it */
	STATE_BACK,    /* a trial is over, and what was in force before it is again */
	STATE_SCOPE,   /* attached to a root that is not the machine's, and nobody named it */
	STATE_LOCAL,   /* a rule asks for the local addresses, and nobody keeps them */
	STATE_FULL,    /* there are more local addresses than the kernel's map has room for */
	STATE_CLOCK,   /* a rule has an end, and the clock is not set */
	STATE_ROWS,    /* tenants that are gone take room from the count of those that are there */
	STATE_UPLINKS, /* an uplink is open */
	STATE_ABSENT,  /* an uplink is missing */
	STATE_SURPLUS, /* more devices are uplinks than can have gates, and one of these is open */
	STATE_BEHIND,  /* another program sees an uplink's packets before the gate does */
	STATE_CROWDED, /* there are more tenants than the count tells apart */
	STATE_TROUBLES,
};

/* Troubles that the next load, or a heal, puts right. */
#define STATE_HEALS                                                                         \
	(1U << STATE_PINS | 1U << STATE_READER | 1U << STATE_UNKEPT | 1U << STATE_COVERED | \
	 1U << STATE_MISSING | 1U << STATE_LIMITS | 1U << STATE_BACK | 1U << STATE_ROWS |   \
	 1U << STATE_UPLINKS)

struct state {
	bool enforcing;	   /* whole, and mode enforce */
	uint32_t troubles; /* 1U << STATE_KEPT and so on */
	bool gate_open;	   /* enforcement is lifted, half-way through a load or unload */
	struct smtpward_policy_info policy; /* that decides */
	struct smtpward_origin origin;	    /* all zero where an older version loaded it */
	uint64_t attached;  /* the generation on the hooks: another where a trial went back */
	struct trial trial; /* of what is attached */
	/*
	 * The other one of a trial: what follows, while it runs; what was on trial, where it went
	 * back. All zero but the generation where it cannot be read.
	 */
	struct smtpward_policy_info other;
	struct smtpward_layer layer; /* all zero for a policy without the second layer */
	struct smtpward_packet_counters packets; /* the same */
	struct uplink_names uplink_names;
	enum state_uplink uplinks[UPLINK_NAMES_MAX]; /* as uplink_names lists them */
	enum state_hook hooks[SMTPWARD_HOOKS];
	struct object_link links[SMTPWARD_HOOKS];
	bool asks_cgroup;			    /* a rule goes by cgroups */
	bool tracker;				    /* runs */
	uint64_t missing[SMTPWARD_TRACKER_ENTRIES]; /* cgroups that it has no room for */
	bool asks_local;			    /* the policy asks for the local addresses */
	uint64_t local;				    /* prefixes that are local now */
	struct smtpward_counters counters;
	pid_t reader;		     /* who has the lock of the reader; 0: nobody, or not known */
	struct smtpward_clock clock; /* all zero where an older version loaded it */
	struct smtpward_rule_info *rules; /* policy.rules of them */
};

/*
 * Reads what is in force while no load or unload is under way: waits for a load or unload to end,
 * or, with try, returns -EAGAIN. -ENOENT if nothing is loaded, -ENODATA if what is there is no
 * whole policy, and the errors of pins_open(). state_clear() frees the state.
 *
 * For root, what the kernel runs counts: programs without their pins are in force. Others have the
 * pins alone to go by, and no lock: if the pins say that the policy is not in force, the pins are
 * read again for half a second, as a load may be under way.
 */
int state_read(const char *path, bool try, struct state *ret_state, struct reason *reason);

struct figures;

/* The same, with figures of it, of the same instant as to load and unload. */
int state_read_figures(const char *path, struct state *ret_state, struct figures *ret_figures,
		       struct reason *reason);

struct rows;

/* The same, with figures and with the count of attempts. */
int state_read_rows(const char *path, struct state *ret_state, struct figures *ret_figures,
		    struct rows *ret_rows, struct reason *reason);

/*
 * The same with try, for who looks again and again: by hooks, which is the caller's from look to
 * look, who is not root sees the hooks also once the pin that tells of them is gone.
 */
int state_watch(const char *path, struct object_hooks *hooks, struct state *ret_state,
		struct reason *reason);

/* Whether a hook that the policy asks for is not in force. */
bool state_lacks_hook(const struct state *state, int hook);

/* Whether the hooks, and the tracker where a rule goes by it, are as the load left them. */
bool state_is_whole(const struct state *state);

/*
 * Returns the time for rules that end, by the clock that the programs read: in seconds since 1970,
 * UTC; -ENODATA if the clock is not set, and -errno if the clock cannot be read.
 */
int64_t state_now(const struct state *state);

/* When it was loaded: seconds, UTC, by the clock as it is set now, which may be set since. */
uint64_t state_loaded_at(const struct state *state);

/* A word for each trouble. */
extern const char *const state_trouble_names[STATE_TROUBLES];

/* Room for the longest. */
#define STATE_TROUBLE_SIZE 768

/* One trouble of those that the state has, in words. */
void state_describe_trouble(const struct state *state, enum state_trouble trouble, char *dst,
			    size_t size);

/* Whether a trial is over that had nothing to go back to. */
bool state_is_lifted(const struct state *state);

/* One line: enforcing, or why not and what to do. */
const char *state_headline(const struct state *state);

void state_clear(struct state *state);

#endif /* SMTPWARD_STATE_H */
