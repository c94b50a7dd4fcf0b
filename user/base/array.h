/* SPDX-License-Identifier: GPL-2.0-only */
/* Arrays that grow. */
#ifndef SMTPWARD_ARRAY_H
#define SMTPWARD_ARRAY_H

#include <stdint.h>
#include <stdlib.h>

/*
 * Room for one more at the end of an array that only ever grows by one: doubled
 * whenever its length is a power of two, so the array needs no capacity beside it.
 * Returns the array, moved or not, or NULL with the old one intact.
 */
static inline void *array_grow(void *items, size_t n_items, size_t item_size)
{
	if (n_items & (n_items - 1))
		return items;
	if (n_items > SIZE_MAX / 2)
		return NULL;
	return reallocarray(items, n_items ? 2 * n_items : 1, item_size);
}

#endif /* SMTPWARD_ARRAY_H */
