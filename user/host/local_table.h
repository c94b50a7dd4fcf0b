/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What our network namespace takes for its own: the routes of type local in the kernel's
 * table "local", which it asks before any other. They are what is delivered here, and nothing
 * else is: every address of every device, secondary ones too, an IPv6 address from the end of
 * its duplicate address detection on, and prefixes that somebody made local by a route. A list
 * of addresses would lack the last, and have addresses that are still tentative, or of a VRF.
 */
#ifndef SMTPWARD_LOCAL_TABLE_H
#define SMTPWARD_LOCAL_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include <smtpward/abi.h>

struct local_table {
	/* Each once, the longest first: addresses, prefixes; no other loopback than these two. */
	struct smtpward_prefix *items;
	size_t n_items;
	bool torn; /* it changed meanwhile: what is here was there, and there may be more */
};

/* The table as it is, by a socket of local_table_open(). 0 or -errno. */
int local_table_open(int *ret_fd);
int local_table_read(int fd, struct local_table *ret_table);
void local_table_clear(struct local_table *table);

int local_table_compare(const void *a, const void *b);
void local_table_sort(struct local_table *table);

/*
 * A socket that is readable when the table may have changed; local_table_changed() empties it
 * and says whether it may: also where the kernel had more to tell than it took. 0 or -errno.
 */
int local_table_listen(int *ret_fd);
int local_table_changed(int fd, bool *ret_changed);

#endif /* SMTPWARD_LOCAL_TABLE_H */
