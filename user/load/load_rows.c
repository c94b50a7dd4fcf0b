// SPDX-License-Identifier: GPL-2.0-only
/*
 * The count of attempts between loads. If a tenant is gone, its rows stay for some days, because
 * people ask late. If a shared part is crowded, the next load deletes these rows at once.
 *
 * A tenant's entry goes last: whoever is killed before leaves the rest to the next load.
 */
#include "load/load_steps.h"

#include <assert.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include <smtpward/rows.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "host/boottime.h"
#include "host/cgroupfs.h"
#include "pins/rows.h"

/* So long it stays where nobody needs its room. */
#define ROWS_GONE_NS (7ULL * 24 * 3600 * 1000000000)

enum rows_map {
	ROWS_ROWS,
	ROWS_LASTS,
	ROWS_NAMES,
	ROWS_TENANTS,
	ROWS_USED,
	ROWS_MAPS,
};

/* The key of each begins with the tenant's id. */
static const struct {
	const char *name;
	size_t key_size, value_size;
} rows_maps[] = {
	[ROWS_ROWS] = { "map_rows", sizeof(struct smtpward_row_key), sizeof(struct smtpward_row) },
	[ROWS_LASTS] = { "map_row_lasts", sizeof(struct smtpward_caller_key),
			 sizeof(struct smtpward_row_last) },
	[ROWS_NAMES] = { "map_row_names", sizeof(uint64_t), sizeof(struct smtpward_row_names) },
	[ROWS_TENANTS] = { "map_row_tenants", sizeof(uint64_t),
			   sizeof(struct smtpward_row_tenant) },
	[ROWS_USED] = { "map_rows_used", sizeof(uint32_t), sizeof(struct smtpward_rows_used) },
};

struct rows_work {
	int fds[ROWS_MAPS];
	int root_fd; /* the v2 root */
	uint64_t now;
	bool crowded;
	uint64_t *removed; /* ids of the tenants whose rows go, sorted */
	size_t n_removed;
	struct smtpward_rows_used before; /* as the kernel had it before tenants were read */
	struct smtpward_rows_used used;	  /* by the tenants that stay, counted anew */
};

static void rows_work_end(struct rows_work *work)
{
	for (int map = 0; map < ROWS_MAPS; map++)
		cleanup_close(&work->fds[map]);
	cleanup_close(&work->root_fd);
	free(work->removed);
}

static int rows_open(struct rows_work *work, const struct pins *pins, uint64_t generation,
		     struct reason *reason)
{
	for (int map = 0; map < ROWS_MAPS; map++) {
		int r = object_open_map(pins, generation, rows_maps[map].name, OBJECT_WRITES,
					rows_maps[map].value_size, &work->fds[map]);

		if (r == -ENOENT)
			return r;
		if (r)
			return reason_errno(reason, r, "cannot open %s/%s", pins->path,
					    rows_maps[map].name);
	}
	return 0;
}

static int rows_read_used(struct rows_work *work)
{
	struct smtpward_rows_used used;
	const uint32_t zero = 0;
	int r = bpf_map_lookup_elem(work->fds[ROWS_USED], &zero, &used);

	if (r)
		return r;
	work->before = used;
	work->crowded = rows_are_crowded(&used);
	return 0;
}

/* A guest is there as long as its device; all those that share an entry are always there. */
static int rows_find_guest(uint64_t id, bool *ret_exists)
{
	const unsigned int ifindex = (unsigned int)(id & ~SMTPWARD_GUEST_BIT);
	char name[IF_NAMESIZE];

	*ret_exists = id == SMTPWARD_GUEST_OTHERS || if_indextoname(ifindex, name);
	return *ret_exists || errno == ENXIO ? 0 : -errno;
}

static int rows_find_tenant(const struct rows_work *work, uint64_t id, bool *ret_exists)
{
	return id & SMTPWARD_GUEST_BIT ? rows_find_guest(id, ret_exists)
				       : cgroupfs_exists(work->root_fd, id, ret_exists);
}

/* Whether the tenant is gone; one that no program saw go is marked from now on. */
static int rows_find_gone(const struct rows_work *work, uint64_t id,
			  struct smtpward_row_tenant *tenant)
{
	bool exists = false;
	int r = tenant->gone_ns ? 0 : rows_find_tenant(work, id, &exists);

	if (r || exists || tenant->gone_ns)
		return r;
	tenant->gone_ns = work->now;
	r = bpf_map_update_elem(work->fds[ROWS_TENANTS], &id, tenant, BPF_EXIST);
	return r == -ENOENT ? 0 : r;
}

static void rows_add_used(struct rows_work *work, const struct smtpward_row_tenant *tenant)
{
	work->used.tenants++;
	work->used.gone += tenant->gone_ns != 0;
	if (tenant->rows > SMTPWARD_ROWS_KEPT)
		work->used.rows += tenant->rows - SMTPWARD_ROWS_KEPT;
	if (tenant->lasts > 1)
		work->used.lasts += tenant->lasts - 1;
}

static int rows_compare_ids(const void *a, const void *b)
{
	const uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

	return one < other ? -1 : one > other;
}

static int rows_judge(struct rows_work *work, const struct rows_table *tenants)
{
	struct smtpward_row_tenant *values = tenants->values;
	const uint64_t *ids = tenants->keys;

	work->removed = calloc(tenants->n ?: 1, sizeof(*work->removed));
	if (!work->removed)
		return -ENOMEM;
	for (size_t i = 0; i < tenants->n; i++) {
		int r = rows_find_gone(work, ids[i], &values[i]);

		if (r)
			return r;
		if (values[i].gone_ns &&
		    (work->crowded || values[i].gone_ns + ROWS_GONE_NS < work->now))
			work->removed[work->n_removed++] = ids[i];
		else
			rows_add_used(work, &values[i]);
	}
	qsort(work->removed, work->n_removed, sizeof(*work->removed), rows_compare_ids);
	return 0;
}

static int rows_remove_from(const struct rows_work *work, enum rows_map map)
{
	_cleanup_(rows_table_clear) struct rows_table table = { 0 };
	const size_t key_size = rows_maps[map].key_size;
	int r = rows_read_table(work->fds[map], key_size, rows_maps[map].value_size, &table);

	for (size_t i = 0; !r && i < table.n; i++) {
		const char *key = (const char *)table.keys + i * key_size;

		if (!bsearch(key, work->removed, work->n_removed, sizeof(*work->removed),
			     rows_compare_ids))
			continue;
		r = bpf_map_delete_elem(work->fds[map], key);
		if (r == -ENOENT)
			r = 0;
	}
	return r;
}

/*
 * Adds the difference between the new count and the old one. What the programs add meanwhile is
 * kept, but for rows of a tenant that was not read yet: these count twice until the next load.
 */
static int rows_write_used(const struct rows_work *work)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct smtpward_rows_used *used =
		mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, work->fds[ROWS_USED], 0);

	if (used == MAP_FAILED)
		return -errno;
	__atomic_fetch_add(&used->rows, work->used.rows - work->before.rows, __ATOMIC_RELAXED);
	__atomic_fetch_add(&used->lasts, work->used.lasts - work->before.lasts, __ATOMIC_RELAXED);
	__atomic_fetch_add(&used->tenants, work->used.tenants - work->before.tenants,
			   __ATOMIC_RELAXED);
	__atomic_fetch_add(&used->gone, work->used.gone - work->before.gone, __ATOMIC_RELAXED);
	munmap(used, page);
	return 0;
}

static int rows_remove(const struct rows_work *work)
{
	for (int map = 0; work->n_removed && map <= ROWS_TENANTS; map++) {
		int r = rows_remove_from(work, map);

		if (r)
			return r;
	}
	return 0;
}

static int rows_settle(struct rows_work *work)
{
	_cleanup_(rows_table_clear) struct rows_table tenants = { 0 };
	int r = cgroupfs_open_root(&work->root_fd);

	if (r)
		return r;
	r = rows_read_used(work);
	if (r)
		return r;
	r = rows_read_table(work->fds[ROWS_TENANTS], rows_maps[ROWS_TENANTS].key_size,
			    rows_maps[ROWS_TENANTS].value_size, &tenants);
	if (r)
		return r;
	r = rows_judge(work, &tenants);
	if (r)
		return r;
	r = rows_remove(work);
	return r ? r : rows_write_used(work);
}

int load_settle_rows(const struct pins *pins, uint64_t generation, struct reason *reason)
{
	_cleanup_(rows_work_end) struct rows_work work = {
		.root_fd = -1,
		.now = boottime_now(),
	};
	int r;

	assert(generation);
	for (int map = 0; map < ROWS_MAPS; map++)
		work.fds[map] = -1;
	r = rows_open(&work, pins, generation, reason);
	/* A version that counts no rows made the generation. */
	if (r)
		return r == -ENOENT ? 0 : r;
	r = rows_settle(&work);
	return r ? reason_errno(reason, r, "cannot clear up the count in %s", pins->path) : 0;
}
