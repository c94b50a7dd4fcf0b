// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keeps the local addresses; see keeper.h. The map is the keeper's only memory: each pass makes
 * the map equal to the table that it has just read, whatever was in the map before.
 */
#include "local/keeper.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/macro.h"
#include "host/boottime.h"
#include "host/local_table.h"
#include "host/netns.h"
#include "log/confine.h"
#include "pins/object.h"
#include "pins/pins.h"

/*
 * How often leases are renewed, and how often an idle keeper looks at the gate. A few renewals may
 * fail before a lease ends.
 */
#define RENEW_MS 2000
#define IDLE_MS 500

/* The pause before a table that changed during the read is read again. */
#define AGAIN_MS 50

struct keeper {
	struct smtpward_host host;
	uint64_t generation;
	uint32_t netns; /* of our own network namespace */
	int gate_fd;	/* the gate, to read */
	int map_fd;
	int table_fd;
	int listen_fd;
	size_t left_out; /* prefixes without room at the last pass */
};

void keeper_free(struct keeper *keeper)
{
	if (!keeper)
		return;
	cleanup_close(&keeper->gate_fd);
	cleanup_close(&keeper->map_fd);
	cleanup_close(&keeper->table_fd);
	cleanup_close(&keeper->listen_fd);
	free(keeper);
}

void keeper_freep(struct keeper **keeper)
{
	keeper_free(*keeper);
}

enum keeper_task keeper_task(const struct keeper *keeper)
{
	if (!keeper->host.asks_local)
		return KEEPER_IDLES;
	return keeper->host.netns == keeper->netns ? KEEPER_KEEPS : KEEPER_ELSEWHERE;
}

static int keeper_open_pins(const struct pins *pins, struct keeper *keeper, uint32_t *ret_abi)
{
	enum object_gate gate;
	int r = object_read_generation(pins, &keeper->generation, &gate);

	if (r)
		return r;
	/* A load is half-way through, or enforcement is lifted. */
	if (gate != OBJECT_GATE_NAMES)
		return -ENOENT;
	r = object_read_abi(pins, keeper->generation, ret_abi);
	if (r)
		return r;
	if (*ret_abi != SMTPWARD_ABI)
		return -EPROTO;
	r = object_open_map(pins, 0, "map_gate", OBJECT_READS, sizeof(struct smtpward_gate),
			    &keeper->gate_fd);
	if (r)
		return r;
	r = object_read(pins, keeper->generation, "map_host", &keeper->host, sizeof(keeper->host));
	/* A version loaded the policy that knows no local addresses. */
	if (r == -ENOENT)
		return 0;
	if (r || !keeper->host.asks_local)
		return r;
	return object_open_map(pins, keeper->generation, "map_local", OBJECT_WRITES,
			       sizeof(uint64_t), &keeper->map_fd);
}

static int keeper_open_sockets(struct keeper *keeper)
{
	int r = netns_read_own(&keeper->netns);

	if (!r)
		r = local_table_listen(&keeper->listen_fd);
	return r ? r : local_table_open(&keeper->table_fd);
}

int keeper_open(const char *path, struct keeper **ret_keeper, struct reason *reason)
{
	_cleanup_(keeper_freep) struct keeper *keeper = calloc(1, sizeof(*keeper));
	_cleanup_(pins_close) struct pins pins = PINS_CLOSED;
	uint32_t abi = 0;
	int r;

	if (!keeper)
		return reason_errno(reason, -ENOMEM, "cannot open %s", path);
	keeper->gate_fd = keeper->map_fd = keeper->table_fd = keeper->listen_fd = -1;
	r = pins_open(path, &pins, reason);
	if (r)
		return r;
	r = keeper_open_pins(&pins, keeper, &abi);
	if (r == -ENODATA)
		r = -ENOENT;
	if (r == -EPROTO)
		return reason_set(reason, r, OBJECT_FOREIGN_TEXT, pins.path, abi, SMTPWARD_ABI);
	if (r)
		return reason_errno(reason, r, "cannot open the policy in %s", path);
	r = keeper_open_sockets(keeper);
	if (r)
		return reason_errno(reason, r, "cannot ask the kernel for the local addresses");
	*ret_keeper = TAKE_PTR(keeper);
	return 0;
}

int keeper_drop_rights(uid_t user, gid_t group)
{
	/* The capabilities stay until confine(), as Linux 5.10 asks for one at each bpf(2). */
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) || setgroups(0, NULL) ||
	    setresgid(group, group, group) || setresuid(user, user, user))
		return -errno;
	return confine();
}

static bool keeper_has(const struct local_table *table, const struct smtpward_prefix *prefix)
{
	return table->n_items && bsearch(prefix, table->items, table->n_items,
					 sizeof(*table->items), local_table_compare);
}

/* Reads the map's keys before any of them is deleted: get_next_key starts over at a deleted key. */
static int keeper_read_held(const struct keeper *keeper, struct local_table *held)
{
	struct smtpward_prefix key, *added;
	bool first = true;

	while (!bpf_map_get_next_key(keeper->map_fd, first ? NULL : &key, &key)) {
		first = false;
		added = array_add(&held->items, &held->n_items, sizeof(*added));
		if (!added)
			return -ENOMEM;
		*added = key;
	}
	if (errno != ENOENT)
		return -errno;
	local_table_sort(held);
	return 0;
}

static int keeper_remove_gone(const struct keeper *keeper, const struct local_table *held,
			      const struct local_table *table, size_t *ret_room)
{
	size_t used = held->n_items;

	for (size_t i = 0; i < held->n_items; i++) {
		if (table->torn || keeper_has(table, &held->items[i]))
			continue;
		if (bpf_map_delete_elem(keeper->map_fd, &held->items[i]) && errno != ENOENT)
			return -errno;
		used--;
	}
	*ret_room = used < SMTPWARD_LOCAL_ROOM ? SMTPWARD_LOCAL_ROOM - used : 0;
	return 0;
}

/* Renews the keys of the map, and adds new ones as far as room goes. */
static int keeper_renew(const struct keeper *keeper, const struct local_table *held,
			const struct local_table *table, uint64_t end, size_t room,
			size_t *ret_left_out)
{
	size_t left_out = 0;

	for (size_t i = 0; i < table->n_items; i++) {
		const bool is_new = !keeper_has(held, &table->items[i]);

		if ((!is_new || room) &&
		    !bpf_map_update_elem(keeper->map_fd, &table->items[i], &end, BPF_ANY)) {
			room -= is_new;
			continue;
		}
		/* Another keeper may have used the room. */
		if ((!is_new || room) && errno != ENOSPC)
			return -errno;
		left_out++;
	}
	*ret_left_out = left_out;
	return 0;
}

/*
 * Deletes the prefixes that are gone, then renews the others. If the table changed during the
 * read, no prefix is known to be gone: the next pass, which is soon, deletes it, or else its lease
 * ends.
 */
static int keeper_pass(struct keeper *keeper, const struct keeper_notices *notices, bool *ret_torn,
		       struct reason *reason)
{
	const uint64_t end = boottime_now() + SMTPWARD_LOCAL_LEASE_NS;
	_cleanup_(local_table_clear) struct local_table table = { 0 }, held = { 0 };
	size_t left_out = 0, room = 0;
	int r = local_table_read(keeper->table_fd, &table);

	if (r)
		return reason_errno(reason, r, "cannot read the local addresses");
	*ret_torn = table.torn;
	r = keeper_read_held(keeper, &held);
	if (!r)
		r = keeper_remove_gone(keeper, &held, &table, &room);
	if (!r)
		r = keeper_renew(keeper, &held, &table, end, room, &left_out);
	if (r)
		return reason_errno(reason, r, "cannot write map_local");
	if (left_out != keeper->left_out)
		notices->full(notices->userdata, left_out);
	keeper->left_out = left_out;
	return 0;
}

/* Whether another generation decides, or none. */
static int keeper_is_over(const struct keeper *keeper, bool *ret_over)
{
	struct smtpward_gate gate;
	const uint32_t zero = 0;
	int r = bpf_map_lookup_elem(keeper->gate_fd, &zero, &gate);

	if (r)
		return r;
	*ret_over = gate.generation != keeper->generation;
	return 0;
}

/* Sleeps for timeout_ms at most; *ret_changed: whether the table may have changed. */
static int keeper_wait(const struct keeper *keeper, int timeout_ms, bool *ret_changed)
{
	struct pollfd news = { .fd = keeper->listen_fd, .events = POLLIN };
	int n = poll(&news, 1, timeout_ms);

	*ret_changed = false;
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n ? local_table_changed(keeper->listen_fd, ret_changed) : 0;
}

/* Messages about other routes do not put off the next renewal. */
static int keeper_wait_until(const struct keeper *keeper, uint64_t due)
{
	bool changed = false;

	while (!changed) {
		const uint64_t now = boottime_now();
		int r;

		if (now >= due)
			break;
		r = keeper_wait(keeper, (int)((due - now) / 1000000) + 1, &changed);
		if (r)
			return r;
	}
	return 0;
}

int keeper_run(struct keeper *keeper, const struct keeper_notices *notices, struct reason *reason)
{
	const bool keeps = keeper_task(keeper) == KEEPER_KEEPS;

	for (;;) {
		uint64_t due = boottime_now();
		bool over = false, torn = false;
		int r = keeper_is_over(keeper, &over);

		if (r)
			return reason_errno(reason, r, "cannot read map_gate");
		if (over)
			return 0;
		r = keeps ? keeper_pass(keeper, notices, &torn, reason) : 0;
		if (r)
			return r;
		due += (torn ? AGAIN_MS : keeps ? RENEW_MS : IDLE_MS) * 1000000ULL;
		r = keeper_wait_until(keeper, due);
		if (r)
			return reason_errno(reason, r,
					    "cannot wait for news of the local addresses");
	}
}
