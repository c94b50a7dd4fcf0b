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

#include "base/reason.h"
#include "policy/policy.h"
#include "ruleset/ruleset.h"

struct load_request {
	const struct policy *policy;
	const struct ruleset *ruleset;
	const char *config; /* where the policy came from */
	const char *why;    /* it is the kept one: what was wrong with the file; or NULL */
	const char *cgroup; /* directory to attach to; NULL: the v2 root */
	const char *pins;   /* directory on bpffs */
	/* The group that may read beside root, 0: none; NULL: the one that may now. */
	const gid_t *reader;
};

struct load_report {
	bool replaced;	       /* another policy was in force */
	uint32_t replaced_abi; /* of the smtpward that had loaded it */
	bool below_root;       /* attached to a part of the hierarchy only */
	uint64_t left;	       /* generations that recorded into maps of their own: leftover.h */
	struct reason view;    /* why its reader may have no way to the pins; or empty */
	struct reason spoiled; /* why it did not go on with the maps that last; or empty */
};

/*
 * Returns 0, or -errno with a reason. Whatever happens, either what was in force
 * before decides on all hooks or the new policy does. reason may be about a step
 * after the switch; it says so.
 */
int load_policy(const struct load_request *request, struct load_report *ret_report,
		struct reason *reason);

/*
 * Puts back the hooks of the policy in force, from what is pinned. 0 where they are in
 * force now; what else is amiss it does not look at.
 */
int load_heal(const char *path, struct reason *reason);

/* Lifts enforcement and removes everything. -ENOENT where nothing is loaded. */
int load_unload(const char *path, struct reason *reason);

#endif /* SMTPWARD_LOAD_H */
