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

/* How often an entry is read that a program is writing: it takes less than a microsecond. */
#define ROWS_TRIES 8

/*
 * All entries in one call: the kernel goes from bucket to bucket, so what comes and goes meanwhile
 * makes it neither begin anew nor miss what stays. -ENOENT is the end of the map.
 */
int rows_read_table(int fd, size_t key_size, size_t value_size, struct rows_table *ret_table)
{
	_cleanup_(rows_table_clear) struct rows_table table = { 0 };
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info), n;
	int r = 0;

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return -errno;
	if (info.key_size != key_size || info.value_size != value_size || !info.max_entries)
		return -EBADMSG;
	n = info.max_entries;
	table.keys = reallocarray(NULL, n, key_size);
	table.values = reallocarray(NULL, n, value_size);
	if (!table.keys || !table.values)
		return -ENOMEM;
	/* The place where the next call would go on: the number of a bucket. */
	if (bpf_map_lookup_batch(fd, NULL, &size, table.keys, table.values, &n, NULL))
		r = -errno;
	if (r && r != -ENOENT && r != -ENOSPC)
		return r;
	ret_table->keys = TAKE_PTR(table.keys);
	ret_table->values = TAKE_PTR(table.values);
	ret_table->n = n;
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

static bool rows_last_is_whole(const struct smtpward_row_last *last)
{
	return last->begun == last->ended && last->exe_len <= sizeof(last->text) &&
	       last->cwd_len <= sizeof(last->text) - last->exe_len;
}

/* Entries that a program was writing are read again; one that cannot be read has no exe. */
static int rows_read_lasts(const struct state_view *view, struct state *state,
			   struct rows_table *ret_lasts)
{
	struct smtpward_row_last *lasts;
	_cleanup_close_ int fd = -1;
	int r = state_open_map(view, state, "map_row_lasts", sizeof(*lasts), &fd);

	if (!r)
		r = rows_read_table(fd, sizeof(struct smtpward_caller_key), sizeof(*lasts),
				    ret_lasts);
	if (r)
		return r;
	lasts = ret_lasts->values;
	for (size_t i = 0; i < ret_lasts->n; i++) {
		const struct smtpward_caller_key *keys = ret_lasts->keys;

		for (int try = 0; try < ROWS_TRIES && !rows_last_is_whole(&lasts[i]); try++)
			if (bpf_map_lookup_elem(fd, &keys[i], &lasts[i]))
				break;
		if (!rows_last_is_whole(&lasts[i]))
			lasts[i].exe_len = lasts[i].cwd_len = lasts[i].flags = 0;
	}
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

void rows_clear(struct rows *rows)
{
	rows_table_clear(&rows->rows);
	rows_table_clear(&rows->tenants);
	rows_table_clear(&rows->names);
	rows_table_clear(&rows->lasts);
}
