/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The addresses that our network namespace takes for its own: the routes of type local in the
 * kernel's table "local", which the kernel asks before any other table. The kernel delivers here
 * what these routes match, and nothing else: every address of every device, secondary ones too, an
 * IPv6 address from the end of its duplicate address detection on, and prefixes that somebody made
 * local by a route. A list of addresses would lack these prefixes, and have addresses that are
 * tentative, or of a VRF.
 */
#ifndef SMTPWARD_LOCAL_TABLE_H
#define SMTPWARD_LOCAL_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include <smtpward/abi.h>

struct local_table {
	/* Addresses and prefixes, each once, the longest first; loopback as two prefixes only. */
	struct smtpward_prefix *items;
	size_t n_items;
	bool torn; /* the table changed during the read: items were in it, and more may be */
};

/* Reads the table by a socket of local_table_open(). 0 or -errno. */
int local_table_open(int *ret_fd);
int local_table_read(int fd, struct local_table *ret_table);
void local_table_clear(struct local_table *table);

int local_table_compare(const void *a, const void *b);
void local_table_sort(struct local_table *table);

/*
 * Opens a socket that becomes readable when the table may have changed. local_table_changed()
 * empties the socket and says whether the table may have changed; also true if the kernel dropped
 * messages. 0 or -errno.
 */
int local_table_listen(int *ret_fd);
int local_table_changed(int fd, bool *ret_changed);

#endif /* SMTPWARD_LOCAL_TABLE_H */
