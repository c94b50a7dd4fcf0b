/* SPDX-License-Identifier: GPL-2.0-only */
/* The count of attempts as the kernel has it, read whole; see smtpward/rows.h. */
#ifndef SMTPWARD_PINS_ROWS_H
#define SMTPWARD_PINS_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <smtpward/rows.h>

struct state;
struct state_view;

/* The entries of one map, in no order: keys and values stand apart, as the kernel hands them out.
 */
struct rows_table {
	void *keys, *values;
	size_t n;
};

struct rows {
	bool known;		   /* false: a version before there were rows loaded the policy */
	struct rows_table rows;	   /* struct smtpward_row_key, struct smtpward_row */
	struct rows_table tenants; /* uint64_t, struct smtpward_row_tenant */
	struct rows_table names;   /* uint64_t, struct smtpward_row_names */
	struct rows_table lasts;   /* struct smtpward_caller_key, struct smtpward_row_last */
	struct smtpward_rows_used used;
};

/* For state_read.c. 0 or -errno; rows_clear() frees them. */
int rows_read(const struct state_view *view, struct state *state, struct rows *ret_rows);

/*
 * Reads an entry of map_row_lasts that no program was writing. 0; -ENOENT if there is none, -EAGAIN
 * if there is always a program at it, or another -errno.
 */
int rows_read_last(int fd, const struct smtpward_caller_key *key,
		   struct smtpward_row_last *ret_last);

/*
 * Every entry of a hash map that is there all the time. The caller frees both arrays. 0 or -errno.
 */
int rows_read_table(int fd, size_t key_size, size_t value_size, struct rows_table *ret_table);
void rows_table_clear(struct rows_table *table);

void rows_clear(struct rows *rows);

/* Whether a shared part is so full that a load deletes the rows of tenants that are gone. */
bool rows_are_crowded(const struct smtpward_rows_used *used);

#endif /* SMTPWARD_PINS_ROWS_H */
