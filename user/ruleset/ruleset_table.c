// SPDX-License-Identifier: GPL-2.0-only
/* Sets of rules and tables; see ruleset_table.h. */
#include "ruleset/ruleset_table.h"

#include <stdlib.h>
#include <string.h>

void ruleset_rules_add(struct smtpward_rules *rules, size_t rule)
{
	rules->words[rule / 64] |= 1ULL << rule % 64;
}

uint32_t ruleset_words(size_t bits)
{
	return (bits + 63) / 64;
}

void ruleset_table_unite(void *items, size_t *n, size_t size,
			 int (*compare)(const void *a, const void *b),
			 void (*unite)(void *into, const void *more))
{
	char *last = items, *item = items;
	size_t kept = 0;

	if (!*n)
		return;
	qsort(items, *n, size, compare);
	for (size_t i = 0; i < *n; i++, item += size) {
		if (kept && !compare(last, item)) {
			unite(last, item);
			continue;
		}
		last = (char *)items + kept++ * size;
		memmove(last, item, size);
	}
	*n = kept;
}
