/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Puts a policy in force, and lifts it. load_policy() is the first load, a reload and an upgrade;
 * load.c has the steps, and what a crash between them leaves.
 */
#ifndef SMTPWARD_LOAD_H
#define SMTPWARD_LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <smtpward/abi.h>

#include "base/reason.h"
#include "load/tenants.h"
#include "pins/found.h"
#include "policy/policy.h"
#include "ruleset/ruleset.h"

struct load_request {
	const struct policy *policy;
	const struct ruleset *ruleset;
	const char *config; /* where the policy came from */
	const char *why;    /* the policy is the kept one, as the file was wrong: how; or NULL */
	int64_t written;    /* latest time of writing, UTC seconds; a set clock shows no less */
	const char *cgroup; /* directory to attach to; NULL: the v2 root */
	const char *pins;   /* directory on bpffs */
	/* The group that may read beside root, 0: none; NULL: the group that may read now. */
	const gid_t *reader;
	/* The policy is lifted as the process ends: -EEXIST if a policy is loaded already. */
	bool run_trial;
	/*
	 * The length of the trial, loading included; 0: no trial. -ETIME if loading leaves less
	 * than a second of it.
	 */
	uint64_t try_seconds;
};

/* One load of one pin directory; tells a trial from a later load. */
struct load_id {
	uint32_t gate_id; /* of map_gate */
	uint64_t generation;
};

struct load_report {
	bool replaced;	       /* another policy was in force */
	uint32_t replaced_abi; /* the ABI of the smtpward that had loaded that policy */
	bool below_root;       /* attached to a part of the hierarchy only */
	uint64_t left;	       /* generations with records in maps of their own: leftover.h */
	bool clock_unset;      /* rules with an end match nothing, as the clock is not set */
	uint64_t root_id;      /* the id of the v2 root as seen here; 1 is the machine's root */
	struct load_id id;
	uint64_t fallback;		  /* of a trial: the generation to go back to; 0: none */
	uint64_t trial_ends_ns;		  /* of boottime_now() */
	uint8_t hash[SMTPWARD_HASH_SIZE]; /* of the policy */
	struct tenants_merged merged;
	struct reason absent;  /* the uplinks that are not there; empty if all are */
	struct reason bridges; /* those that are bridges, with ports that are none; or empty */
	size_t surplus; /* devices that `uplink auto` finds, if more than can have gates; or 0 */
	struct reason unkept;  /* why there is no second set of pins; empty if there is one */
	struct reason view;    /* why the reader may have no way to the pins; or empty */
	struct reason spoiled; /* why the load did not take over the maps that last; or empty */
};

/*
 * Loads a policy. Returns 0, or -errno with a reason. Whatever happens, either the old policy
 * decides on all hooks or the new one does. The reason may be about a step after the switch; it
 * says so. -EBUSY if another policy is on trial and this load is for good. If this load is a
 * trial, too, it replaces the other trial and goes back to the same fallback. A policy that its
 * process lifts at its end cannot be the fallback of a trial.
 */
int load_policy(const struct load_request *request, struct load_report *ret_report,
		struct reason *reason);

/*
 * Restores the pins, links and programs of a policy in force that somebody removed. 0 if the
 * policy's hooks are in force now; -ENOENT if neither pins nor programs are left of the policy, or
 * it was on a trial that is over and had no fallback. Other troubles are not looked for.
 */
int load_heal(const char *path, struct reason *reason);

/*
 * Updates map_clock after the machine's clock was set, or its distance from TAI changed. -ENOENT
 * if nothing is loaded.
 */
int load_set_clock(const char *path, struct reason *reason);

/*
 * Clears up behind a trial that is over: only the generation that it went back to stays.
 * *ret_over: there was such a trial. A trial that was kept in time, or still runs, stays.
 */
int load_settle(const char *path, bool *ret_over, struct reason *reason);

/* The result of load_keep(). */
enum load_kept {
	LOAD_KEPT,
	LOAD_KEPT_ALREADY,
	LOAD_KEPT_NOTHING,	 /* nothing is on trial; here and below nothing is kept */
	LOAD_KEPT_OTHER,	 /* another policy is on trial */
	LOAD_KEPT_OTHER_ALREADY, /* another policy was on trial, and is kept */
	LOAD_KEPT_OTHER_LATE,	 /* another policy was on trial, and went back */
	LOAD_KEPT_TOO_LATE,	 /* the deadline is over, and the policy went back */
};

struct load_keep {
	enum load_kept kept;
	uint64_t generation;		  /* of the policy that is on trial, or was */
	uint8_t hash[SMTPWARD_HASH_SIZE]; /* of the policy that is on trial, or was */
	bool hashed;			  /* the policy has a hash */
	uint64_t fallback;		  /* the generation that a trial goes back to; 0: none */
	char config[256];		  /* the file that the policy came from */
	struct reason unhooked;		  /* why a hook could not be put back; empty if all could */
	struct reason unkept; /* why there is no second set of pins; empty if there is one */
};

/*
 * Keeps the policy that is on trial, if wanted is NULL or the beginning of the policy's hash, in
 * hex. 0 with the answer in *ret_keep, or -errno with a reason.
 */
int load_keep(const char *path, const char *wanted, struct load_keep *ret_keep,
	      struct reason *reason);

struct load_lifted {
	bool lifted;	     /* nothing is refused any more, whatever fails afterwards */
	unsigned int links;  /* how many links were detached */
	struct found others; /* the links of other pin directories, which are still attached */
	char odd[256];	     /* pins that were not what their names say, or empty */
};

/*
 * Lifts enforcement and removes everything, also if only the programs are left, without a pin.
 * With only, the function lifts that load alone: -ESTALE if another load has come after it.
 * -ENOENT if nothing is loaded; *ret_lifted has the others then, too. The caller frees them with
 * found_clear(). After any other error only ret_lifted->lifted is set.
 */
int load_unload(const char *path, const struct load_id *only, struct load_lifted *ret_lifted,
		struct reason *reason);

#endif /* SMTPWARD_LOAD_H */
