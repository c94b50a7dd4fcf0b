/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Putting a policy in force and lifting it. load_policy() is the first load, a
 * reload and an upgrade; the steps and what a crash between them leaves are in
 * load.c.
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
	const char *why;    /* it is the kept one: what was wrong with the file; or NULL */
	int64_t written;    /* when, at the latest: no clock that is set is before; UTC, seconds */
	const char *cgroup; /* directory to attach to; NULL: the v2 root */
	const char *pins;   /* directory on bpffs */
	/* The group that may read beside root, 0: none; NULL: the one that may now. */
	const gid_t *reader;
	/* Of a process that lifts it at its end: -EEXIST if a policy is loaded already. */
	bool run_trial;
	/*
	 * On trial for so long, loading included; 0: for good. -ETIME if less than a second of
	 * it is left for the trial.
	 */
	uint64_t try_seconds;
};

/* One load of one pin directory: what tells a trial's own from what came after it. */
struct load_id {
	uint32_t gate_id; /* of map_gate */
	uint64_t generation;
};

struct load_report {
	bool replaced;	       /* another policy was in force */
	uint32_t replaced_abi; /* of the smtpward that had loaded it */
	bool below_root;       /* attached to a part of the hierarchy only */
	uint64_t left;	       /* generations that recorded into maps of their own: leftover.h */
	bool clock_unset;      /* rules with an end match nothing, as the clock is not set */
	uint64_t root_id;      /* of the v2 root as it is seen here: 1 is the machine's */
	struct load_id id;
	uint64_t fallback;	/* of a trial: the generation that follows; 0: nothing does */
	uint64_t trial_ends_ns; /* of boottime_now() */
	uint8_t hash[SMTPWARD_HASH_SIZE]; /* of the policy */
	struct tenants_merged merged;
	struct reason unkept;  /* why there is no second set of pins; empty where there is one */
	struct reason view;    /* why its reader may have no way to the pins; or empty */
	struct reason spoiled; /* why it did not go on with the maps that last; or empty */
};

/*
 * Returns 0, or -errno with a reason. Whatever happens, either what was in force
 * before decides on all hooks or the new policy does. reason may be about a step
 * after the switch; it says so. -EBUSY while another policy is on trial, unless this one is to be,
 * too: it is on trial instead, and what the other would have gone back to is what it does. Nothing
 * is on trial over what a process lifts at its end.
 */
int load_policy(const struct load_request *request, struct load_report *ret_report,
		struct reason *reason);

/*
 * Puts back what somebody took away of a policy that is in force: pins, links, programs. 0
 * where its hooks are in force now; -ENOENT if nothing is left of it, neither pins nor
 * programs, or it was on trial, which is over, and went back to nothing. What else is amiss it does
 * not look at.
 */
int load_heal(const char *path, struct reason *reason);

/*
 * Puts right what the programs know of the clock: after it was set, or its distance from TAI
 * was. -ENOENT if nothing is loaded.
 */
int load_set_clock(const char *path, struct reason *reason);

/*
 * Clears up behind a trial that is over: what its programs have gone back to is all there is
 * then. *ret_over: there was one. What was kept in time, or runs, stays.
 */
int load_settle(const char *path, bool *ret_over, struct reason *reason);

/* What became of a policy that is to be kept. */
enum load_kept {
	LOAD_KEPT,
	LOAD_KEPT_ALREADY,
	LOAD_KEPT_NOTHING,	 /* nothing is on trial: nor is anything kept by the next ones */
	LOAD_KEPT_OTHER,	 /* another policy is, */
	LOAD_KEPT_OTHER_ALREADY, /* or was, and is kept, */
	LOAD_KEPT_OTHER_LATE,	 /* or was, and went back */
	LOAD_KEPT_TOO_LATE,	 /* the deadline is over, and it went back */
};

struct load_keep {
	enum load_kept kept;
	uint64_t generation;		  /* of what is on trial, or was */
	uint8_t hash[SMTPWARD_HASH_SIZE]; /* of the policy that is on trial, or was */
	bool hashed;			  /* it has one */
	uint64_t fallback;		  /* what it went back to, or would have; 0: nothing */
	char config[256];		  /* where it came from */
	struct reason unhooked; /* why a hook could not be put back; empty where all could */
	struct reason unkept;	/* why there is no second set of pins; empty where there is one */
};

/*
 * Keeps the policy that is on trial, if wanted is NULL or what its hash begins with, in hex. 0
 * with the answer, or -errno with a reason.
 */
int load_keep(const char *path, const char *wanted, struct load_keep *ret_keep,
	      struct reason *reason);

struct load_lifted {
	bool lifted;	     /* it refuses nothing any more, whatever fails after that */
	unsigned int links;  /* that were attached, and are not any more */
	struct found others; /* what is attached still: other pin directories' */
	char odd[256];	     /* pins that were not what their names say, or empty */
};

/*
 * Lifts enforcement and removes everything, also where only the programs are left, without
 * a pin. With only, it lifts that load and no other: -ESTALE if another one has come
 * after it. -ENOENT if nothing is loaded; *ret_lifted has the others then, too.
 * found_clear() frees them. Of another error *ret_lifted has "lifted" alone.
 */
int load_unload(const char *path, const struct load_id *only, struct load_lifted *ret_lifted,
		struct reason *reason);

#endif /* SMTPWARD_LOAD_H */
