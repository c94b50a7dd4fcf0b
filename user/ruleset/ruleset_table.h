/* SPDX-License-Identifier: GPL-2.0-only */
/* What the two parts of the compiler, ruleset.c and ruleset_cgroups.c, share. */
#ifndef SMTPWARD_RULESET_TABLE_H
#define SMTPWARD_RULESET_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include <smtpward/verdict.h>

#include "ruleset/ruleset.h"

void ruleset_rules_add(struct smtpward_rules *rules, size_t rule);

/* How many 64-bit words so many bits take. */
uint32_t ruleset_words(size_t bits);

/*
 * Tables are collected with an entry for each time a key is named. This sorts them
 * and unites those that compare equal into one.
 */
void ruleset_table_unite(void *items, size_t *n, size_t size,
			 int (*compare)(const void *a, const void *b),
			 void (*unite)(void *into, const void *more));

/* The tables of units and cgroup paths: returns and *reterr_rule as ruleset_compile(). */
int ruleset_compile_cgroups(const struct policy *policy, struct ruleset *ruleset,
			    size_t *reterr_rule);

#endif /* SMTPWARD_RULESET_TABLE_H */
