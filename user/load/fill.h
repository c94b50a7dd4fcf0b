/* SPDX-License-Identifier: GPL-2.0-only */
/* Fills the maps of a new generation with the policy's tables. */
#ifndef SMTPWARD_FILL_H
#define SMTPWARD_FILL_H

#include <smtpward/packets.h>

#include "base/reason.h"
#include "load/loader.h"
#include "policy/policy.h"
#include "ruleset/ruleset.h"

int fill_policy(const struct loader *loader, const struct ruleset *ruleset, struct reason *reason);

/* Fills map_host, which tells the keeper of the local addresses what to keep. */
int fill_host(const struct loader *loader, const struct smtpward_host *host, struct reason *reason);

/*
 * Fills the maps of the second layer: the rules on guests, what the policy asks for, and for the
 * programs of all generations, that this one has some. Nothing for a generation without the layer.
 */
int fill_layer(const struct loader *loader, const struct ruleset *ruleset, uint64_t generation,
	       const struct smtpward_layer *layer, struct reason *reason);

/* Fills the maps that status shows. info and origin are complete; the rules' texts are policy's. */
int fill_description(const struct loader *loader, const struct policy *policy,
		     const struct ruleset *ruleset, const struct smtpward_policy_info *info,
		     const struct smtpward_origin *origin, struct reason *reason);

#endif /* SMTPWARD_FILL_H */
