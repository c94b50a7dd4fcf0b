/* SPDX-License-Identifier: GPL-2.0-only */
/* A policy's name that nobody chose: what of it is the same everywhere, hashed. */
#ifndef SMTPWARD_POLICY_HASH_H
#define SMTPWARD_POLICY_HASH_H

#include <stdint.h>

#include <smtpward/abi.h>

struct policy;
struct policy_rule;

/* SHA-256 of what policy_print() prints: 'smtpward check | sha256sum' is the same. 0 or -ENOMEM. */
int policy_hash(const struct policy *policy, uint8_t ret_hash[static SMTPWARD_HASH_SIZE]);

/* A rule's name in the rows of smtpward/rows.h: the same in each policy that has the rule. */
int policy_hash_rule(const struct policy_rule *rule, uint64_t *ret_hash);

/* 64 digits and a NUL. */
#define POLICY_HASH_TEXT_SIZE (2 * SMTPWARD_HASH_SIZE + 1)

void policy_hash_text(const uint8_t hash[static SMTPWARD_HASH_SIZE],
		      char dst[static POLICY_HASH_TEXT_SIZE]);

#endif /* SMTPWARD_POLICY_HASH_H */
