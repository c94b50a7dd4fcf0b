/* SPDX-License-Identifier: GPL-2.0-only */
/* What the two parts of the compiler, ruleset.c and ruleset_cgroups.c, share. */
#ifndef SMTPWARD_RULESET_TABLE_H
#define SMTPWARD_RULESET_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "ruleset/ruleset.h"

void ruleset_rules_add(struct smtpward_rules *rules, size_t rule);
void ruleset_rules_unite(struct smtpward_rules *rules, const struct smtpward_rules *more);

/* How many 64-bit words so many bits take. */
uint32_t ruleset_words(size_t bits);

/* Grows *array by one zeroed item and returns it; NULL where memory is out. */
void *ruleset_table_add(void *array, size_t *n, size_t size);

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
