/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A policy as bit sets: the content of every policy map and constant of the BPF
 * programs, before a kernel is involved. Pure data; see include/smtpward/match.h
 * and verdict.h for what the sets mean.
 */
#ifndef SMTPWARD_RULESET_H
#define SMTPWARD_RULESET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <smtpward/abi.h>
#include <smtpward/until.h>

#include "policy/policy.h"

struct ruleset_id {
	uint32_t id;
	struct smtpward_rules rules;
};

struct ruleset_ids {
	struct ruleset_id *items;
	size_t n_items;
};

struct ruleset_address {
	struct smtpward_prefix prefix;
	struct smtpward_rules rules;
};

struct ruleset_mac {
	uint64_t mac; /* the number that its bytes make, the first one highest */
	struct smtpward_rules rules;
};

struct ruleset_name {
	struct smtpward_name name;
	struct smtpward_segments segments;
};

struct ruleset_affix {
	struct smtpward_affix affix; /* of a suffix: reversed */
	struct smtpward_segments segments;
};

struct ruleset {
	uint16_t ports[SMTPWARD_PORTS_MAX]; /* host byte order */
	uint32_t n_ports;
	struct smtpward_rules port_rules[SMTPWARD_PORTS_MAX];  /* on connects alone, */
	struct smtpward_rules guest_rules[SMTPWARD_PORTS_MAX]; /* and on guests alone */

	/*
	 * By condition: the rules that do not ask for it, which a lookup without a result
	 * stands for, and whether there are others. _cgroup: for neither of unit and cgroup,
	 * for either.
	 */
	struct smtpward_rules any[SMTPWARD_CONDITIONS_N], any_cgroup;
	bool asks[SMTPWARD_CONDITIONS_N], asks_cgroup, asks_star;

	uint32_t n_rules;
	uint32_t rule_words;
	uint8_t verdicts[SMTPWARD_RULES_MAX];
	uint64_t hashes[SMTPWARD_RULES_MAX]; /* see smtpward/rows.h */
	struct smtpward_rules denying;

	struct ruleset_ids ids[SMTPWARD_CONDITIONS_N]; /* of the conditions that are on one */
	struct ruleset_address *addresses;
	size_t n_addresses;

	/*
	 * Guests: names of devices are prefixes, of 16 bytes with the NULs behind the name, or
	 * of so many as stand before the star.
	 */
	struct ruleset_address *guests, *sources;
	size_t n_guests, n_sources;
	struct ruleset_mac *macs;
	size_t n_macs;
	struct ruleset_ids vlans;

	uint32_t
		first_to; /* the first rule on connects with addresses, or SMTPWARD_RULE_NONE + 1 */
	struct smtpward_rules local; /* name "local" among their addresses */
	bool asks_local;

	/*
	 * Rules that end: the instants, sorted, and the rules that are alive while the clock is
	 * not set, before the first of them, and from each of them on: see until.h.
	 */
	bool asks_until;
	uint32_t n_ends;
	__u64 ends[SMTPWARD_RULES_MAX];
	struct smtpward_rules alive[SMTPWARD_ALIVE_SETS];

	/* The automaton of units and cgroup paths. */
	struct smtpward_cgroup root; /* its state at the v2 root */
	struct smtpward_segments unit_segments;
	struct smtpward_segments last_segments;
	uint32_t n_segments;
	uint32_t segment_words;
	struct smtpward_path paths[SMTPWARD_SEGMENTS_MAX]; /* by last segment, or unit */
	struct ruleset_name *names;			   /* sorted */
	size_t n_names;
	struct ruleset_affix *prefixes;
	size_t n_prefixes;
	struct ruleset_affix *suffixes;
	size_t n_suffixes;
	struct smtpward_segments lengths[SMTPWARD_NAME_SIZE]; /* by length; of 0: nothing */

	bool audit_mode;
	int reject;    /* errno */
	uint32_t args; /* SMTPWARD_ARGS_* */
	uint32_t log;
	uint64_t limit_interval_ns;
	uint64_t limit_window_ns;
	uint64_t tenant_interval_ns; /* the same for all users of a tenant */
	uint64_t tenant_window_ns;
};

/*
 * Returns 0 and a ruleset that the caller frees; -E2BIG if the units and the
 * segments of cgroup paths are more than SMTPWARD_SEGMENTS_MAX, with the index of the
 * rule that went over in *reterr_rule; -ENOMEM. Outputs are untouched otherwise.
 */
int ruleset_compile(const struct policy *policy, struct ruleset **ret_ruleset, size_t *reterr_rule);
void ruleset_free(struct ruleset *ruleset);
void ruleset_freep(struct ruleset **ruleset);

/*
 * The state of the cgroup `name` below one in the state `parent`: what the tracker
 * does in the kernel. Returns whether any rule that asks for a cgroup may cover the
 * child or what is below it: false if it needs no entry in a map.
 * name has at most SMTPWARD_NAME_MAX bytes.
 */
bool ruleset_enter(const struct ruleset *ruleset, const struct smtpward_cgroup *parent,
		   const char *name, struct smtpward_cgroup *ret_child);

#endif /* SMTPWARD_RULESET_H */
