// SPDX-License-Identifier: GPL-2.0-only
/* The count of attempts, read; see rows.h. Changes nothing. */
#include "pins/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "pins/state_view.h"

/* How often what changes is read: a program writes an entry in less than a microsecond. */
#define ROWS_TRIES 8

/* Gives a table room for more entries. */
static int rows_table_grow(struct rows_table *table, size_t room, size_t key_size,
			   size_t value_size)
{
	void *keys = reallocarray(table->keys, room, key_size);
	void *values;

	if (!keys)
		return -ENOMEM;
	table->keys = keys;
	values = reallocarray(table->values, room, value_size);
	if (!values)
		return -ENOMEM;
	table->values = values;
	return 0;
}

/*
 * Bucket by bucket: what comes and goes meanwhile makes the kernel neither begin anew nor miss what
 * stays. The kernel ends early if a bucket's entries find no room (-ENOSPC if it is the first, see
 * __htab_map_lookup_and_delete_batch()): more entries came meanwhile than the map can have at one
 * time. -ENOENT is the end of the map.
 */
static int rows_read_buckets(int fd, size_t max_entries, size_t key_size, size_t value_size,
			     struct rows_table *table)
{
	size_t room = 0;
	uint32_t bucket, n;
	int r = 0;

	for (int try = 0; try < ROWS_TRIES && r != -ENOENT; try++) {
		room += max_entries;
		r = rows_table_grow(table, room, key_size, value_size);
		if (r)
			return r;
		n = room - table->n;
		r = bpf_map_lookup_batch(fd, try ? &bucket : NULL, &bucket,
					 (char *)table->keys + table->n * key_size,
					 (char *)table->values + table->n * value_size, &n, NULL);
		if (r && r != -ENOENT && r != -ENOSPC)
			return r;
		table->n += n;
	}
	return r == -ENOENT ? 0 : -EAGAIN;
}

int rows_read_table(int fd, size_t key_size, size_t value_size, struct rows_table *ret_table)
{
	_cleanup_(rows_table_clear) struct rows_table table = { 0 };
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);
	int r;

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return -errno;
	if (info.key_size != key_size || info.value_size != value_size || !info.max_entries)
		return -EBADMSG;
	r = rows_read_buckets(fd, info.max_entries, key_size, value_size, &table);
	if (r)
		return r;
	*ret_table = table;
	table = (struct rows_table){ 0 };
	return 0;
}

void rows_table_clear(struct rows_table *table)
{
	free(table->keys);
	free(table->values);
	*table = (struct rows_table){ 0 };
}

static int rows_read_map(const struct state_view *view, struct state *state, const char *name,
			 size_t key_size, size_t value_size, struct rows_table *ret_table)
{
	_cleanup_close_ int fd = -1;
	int r = state_open_map(view, state, name, value_size, &fd);

	return r ? r : rows_read_table(fd, key_size, value_size, ret_table);
}

/* Whether `last` was read whole, by a later reading. */
static bool rows_last_is_whole(const struct smtpward_row_last *last,
			       const struct smtpward_row_last *later)
{
	return !last->writers && !later->writers && last->writes == later->writes;
}

/* Reads an entry until it was read whole that was read a first time. */
static int rows_read_again(int fd, const struct smtpward_caller_key *key,
			   struct smtpward_row_last *last)
{
	struct smtpward_row_last later;

	for (int try = 0; try < ROWS_TRIES; try++) {
		int r = bpf_map_lookup_elem(fd, key, &later);

		if (r)
			return r;
		if (rows_last_is_whole(last, &later))
			return 0;
		*last = later;
	}
	return -EAGAIN;
}

int rows_read_last(int fd, const struct smtpward_caller_key *key,
		   struct smtpward_row_last *ret_last)
{
	struct smtpward_row_last last;
	int r = bpf_map_lookup_elem(fd, key, &last);

	if (!r)
		r = rows_read_again(fd, key, &last);
	if (r)
		return r;
	*ret_last = last;
	return 0;
}

/* An entry that cannot be read whole, or is gone meanwhile, has no exe. */
static int rows_read_lasts(const struct state_view *view, struct state *state,
			   struct rows_table *ret_lasts)
{
	const struct smtpward_caller_key *keys;
	struct smtpward_row_last *lasts;
	_cleanup_close_ int fd = -1;
	int r = state_open_map(view, state, "map_row_lasts", sizeof(*lasts), &fd);

	if (!r)
		r = rows_read_table(fd, sizeof(*keys), sizeof(*lasts), ret_lasts);
	if (r)
		return r;
	keys = ret_lasts->keys;
	lasts = ret_lasts->values;
	for (size_t i = 0; i < ret_lasts->n; i++)
		if (rows_read_again(fd, &keys[i], &lasts[i]))
			lasts[i].exe_len = lasts[i].cwd_len = lasts[i].args_len = lasts[i].flags =
				0;
	return 0;
}

static int rows_read_all(const struct state_view *view, struct state *state, struct rows *rows)
{
	int r = state_read_map(view, state, "map_rows_used", &rows->used, sizeof(rows->used));

	if (r)
		return r;
	r = rows_read_map(view, state, "map_rows", sizeof(struct smtpward_row_key),
			  sizeof(struct smtpward_row), &rows->rows);
	if (r)
		return r;
	r = rows_read_map(view, state, "map_row_tenants", sizeof(uint64_t),
			  sizeof(struct smtpward_row_tenant), &rows->tenants);
	if (r)
		return r;
	r = rows_read_map(view, state, "map_row_names", sizeof(uint64_t),
			  sizeof(struct smtpward_row_names), &rows->names);
	return r ? r : rows_read_lasts(view, state, &rows->lasts);
}

int rows_read(const struct state_view *view, struct state *state, struct rows *ret_rows)
{
	_cleanup_(rows_clear) struct rows rows = { .known = true };
	int r = rows_read_all(view, state, &rows);

	/* A version before these maps loaded it. */
	if (r == -ENOENT) {
		*ret_rows = (struct rows){ .known = false };
		return 0;
	}
	if (r)
		return r;
	*ret_rows = rows;
	rows = (struct rows){ .known = false };
	return 0;
}

/* Signed: an error of a row or two may take a number below 0. */
static bool rows_is_crowded(uint64_t used, int64_t bound)
{
	return (int64_t)used >= SMTPWARD_ROWS_CROWDED(bound);
}

bool rows_are_crowded(const struct smtpward_rows_used *used)
{
	return rows_is_crowded(used->rows, SMTPWARD_ROWS_SHARED) ||
	       rows_is_crowded(used->lasts, SMTPWARD_LASTS_SHARED) ||
	       rows_is_crowded(used->tenants, SMTPWARD_ROW_TENANTS);
}

void rows_clear(struct rows *rows)
{
	rows_table_clear(&rows->rows);
	rows_table_clear(&rows->tenants);
	rows_table_clear(&rows->names);
	rows_table_clear(&rows->lasts);
}
