/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the two parts of the compiler, ruleset.c and ruleset_cgroups.c. */
#ifndef SMTPWARD_RULESET_TABLE_H
#define SMTPWARD_RULESET_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include <smtpward/verdict.h>

#include "ruleset/ruleset.h"

void ruleset_rules_add(struct smtpward_rules *rules, size_t rule);

/* How many 64-bit words hold so many bits. */
uint32_t ruleset_words(size_t bits);

/*
 * Sorts a table and unites the entries that compare equal into one. While a table is collected, it
 * gets an entry each time that the policy names a key.
 */
void ruleset_table_unite(void *items, size_t *n, size_t size,
			 int (*compare)(const void *a, const void *b),
			 void (*unite)(void *into, const void *more));

/*
 * Makes the tables of units and cgroup paths. Returns, and sets *reterr_rule, as
 * ruleset_compile().
 */
int ruleset_compile_cgroups(const struct policy *policy, struct ruleset *ruleset,
			    size_t *reterr_rule);

#endif /* SMTPWARD_RULESET_TABLE_H */
