/* SPDX-License-Identifier: GPL-2.0-only */
/* Arrays that grow at their end. */
#ifndef SMTPWARD_ARRAY_H
#define SMTPWARD_ARRAY_H

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/*
 * Adds a zeroed item at the end of an array: `array` is the address of the pointer to the first
 * item, which must be NULL if *n_items is 0. Returns the item, or NULL if memory is out; the array
 * is unchanged then.
 *
 * The array has room for its length rounded up to a power of two, so no capacity is stored beside
 * it. A caller that takes items off the end leaves the array more room than that.
 */
static inline void *array_add(void *array, size_t *n_items, size_t item_size)
{
	const size_t n = *n_items;
	char *items;

	/* Copied, as the caller's pointer has another type than items. */
	memcpy(&items, array, sizeof(items));
	assert(item_size && !items == !n);
	if (!(n & (n - 1))) {
		items = n > SIZE_MAX / 2 ? NULL : reallocarray(items, n ? 2 * n : 1, item_size);
		if (!items)
			return NULL;
		memcpy(array, &items, sizeof(items));
	}
	*n_items = n + 1;
	return memset(items + n * item_size, 0, item_size);
}

#endif /* SMTPWARD_ARRAY_H */
