// SPDX-License-Identifier: GPL-2.0-only
/* Counts of the attempts that had no line, by caller; see callers.h. */
#include "log/callers.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "pins/object.h"

/* An entry of a user, or of a guest, that nobody used for so long makes room. */
#define IDLE_NS 3600000000000ULL

/* So long after a cgroup went no program is at its counts that had looked for them before. */
#define GONE_NS 1000000000ULL

/* Error of Linux before 5.14 for a command that a hash map lacks; errno(3) has no name for it. */
#define ENOTSUPP 524

/* Size of the values of map_reported before `forgotten` was added. */
#define CALLERS_REPORTED_SIZE offsetof(struct smtpward_reported, forgotten)

const struct smtpward_caller_key callers_rest;

static int callers_open_map(struct callers *callers, const struct pins *pins, uint64_t generation,
			    const char *name, enum object_use use, size_t value_size, int *ret_fd)
{
	struct object_shape shape;
	int r = object_open_map(pins, generation, name, use, 0, ret_fd);

	if (r)
		return r;
	r = object_read_shape(*ret_fd, &shape);
	if (r)
		return r;
	if (shape.key_size > sizeof(struct smtpward_caller_key) || shape.value_size < value_size ||
	    (shape.value_size > value_size && !callers->foreign))
		return -EBADMSG;
	if (shape.value_size > callers->largest_value)
		callers->largest_value = shape.value_size;
	return 0;
}

static int callers_read_size(struct callers *callers)
{
	struct bpf_map_info info = { 0 };
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(callers->reported_fd, &info, &size))
		return -errno;
	callers->entries_max = info.max_entries;
	return 0;
}

/* Values of another ABI may be longer than ours; what they begin with is known. */
int callers_open(const struct pins *pins, uint64_t generation, uint32_t abi,
		 struct callers *callers, struct reason *reason)
{
	const bool foreign = abi != SMTPWARD_ABI, named = abi == SMTPWARD_ABI_CALLER;
	const struct {
		const char *name;
		enum object_use use;
		size_t value_size;
		int *fd;
	} maps[] = {
		{ "map_callers", OBJECT_WRITES,
		  named ? sizeof(struct smtpward_caller) : sizeof(struct smtpward_caller_counts),
		  &callers->callers_fd },
		{ "map_callers_rest", OBJECT_READS, sizeof(struct smtpward_caller_counts),
		  &callers->rest_fd },
		{ "map_tenants", OBJECT_WRITES,
		  foreign ? sizeof(struct smtpward_caller_counts) : sizeof(struct smtpward_tenant),
		  &callers->tenants_fd },
		{ "map_reported", OBJECT_WRITES,
		  foreign ? CALLERS_REPORTED_SIZE : sizeof(struct smtpward_reported),
		  &callers->reported_fd },
	};
	int r;

	callers->path = pins->path;
	callers->foreign = foreign;
	callers->named = named;
	callers->largest_value = sizeof(struct smtpward_tenant);
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		r = callers_open_map(callers, pins, generation, maps[i].name, maps[i].use,
				     maps[i].value_size, maps[i].fd);
		/* An ABI from before there were tenants has no map_tenants. */
		if (r == -ENOENT && foreign && maps[i].fd == &callers->tenants_fd)
			continue;
		if (r)
			return reason_errno(reason, r, "cannot open %s/%s", pins->path,
					    maps[i].name);
	}
	r = callers_read_size(callers);
	if (r)
		return reason_errno(reason, r, "cannot examine %s/map_reported", pins->path);
	callers->counts = calloc(1, callers->largest_value);
	callers->reported = calloc(1, callers->largest_value);
	callers->other = calloc(1, callers->largest_value);
	if (!callers->counts || !callers->reported || !callers->other)
		return reason_errno(reason, -ENOMEM, "cannot open %s", pins->path);
	return 0;
}

void callers_close(struct callers *callers)
{
	free(callers->counts);
	free(callers->reported);
	free(callers->other);
	cleanup_close(&callers->reported_fd);
	cleanup_close(&callers->tenants_fd);
	cleanup_close(&callers->rest_fd);
	cleanup_close(&callers->callers_fd);
}

static bool callers_is_rest(const struct smtpward_caller_key *key)
{
	return !key->cgroup_id && !key->euid && !key->shared;
}

static int callers_look_up_tenant(const struct callers *callers, uint64_t id, void *to)
{
	return callers->tenants_fd < 0 ? -ENOENT
				       : bpf_map_lookup_elem(callers->tenants_fd, &id, to);
}

/* An entry, into `to`. */
static int callers_look_up(const struct callers *callers, const struct smtpward_caller_key *key,
			   void *to)
{
	const uint32_t zero = 0;

	if (callers_is_rest(key))
		return bpf_map_lookup_elem(callers->rest_fd, &zero, to);
	if (key->shared)
		return callers_look_up_tenant(callers, key->cgroup_id, to);
	return bpf_map_lookup_elem(callers->callers_fd, key, to);
}

/* Reads into `to` which counts of the entry that was born then have had their line. */
static int callers_look_up_reported(const struct callers *callers,
				    const struct smtpward_caller_key *key, uint64_t born_ns,
				    struct smtpward_reported *to)
{
	int r = bpf_map_lookup_elem(callers->reported_fd, key, to);

	if (r && r != -ENOENT)
		return r;
	if (r || to->born_ns != born_ns)
		*to = (struct smtpward_reported){ .born_ns = born_ns };
	return 0;
}

int callers_read_counts(struct callers *callers, const struct smtpward_caller_key *key)
{
	return callers_look_up(callers, key, callers->counts);
}

int callers_read(struct callers *callers, const struct smtpward_caller_key *key)
{
	int r = callers_read_counts(callers, key);

	if (r)
		return r;
	return callers_look_up_reported(callers, key, callers->counts->born_ns, callers->reported);
}

const struct smtpward_caller *callers_find_names(struct callers *callers,
						 const struct smtpward_caller_key *key)
{
	const struct smtpward_tenant *tenant = callers->other;

	if (callers->named)
		return (const void *)callers->counts;
	if (callers->foreign || callers_look_up_tenant(callers, key->cgroup_id, callers->other))
		return NULL;
	return &tenant->shared;
}

/*
 * No more rounds than there can be entries: where somebody else takes away the one that we
 * are at, the kernel begins anew, and that could go on for ever. What is left out then comes
 * with the next round. The first bytes of a key are what is looked for.
 */
static int callers_each_in(struct callers *callers, int fd, bool shared,
			   int (*each)(void *userdata, const struct smtpward_caller_key *key),
			   void *userdata)
{
	struct smtpward_caller_key key = { 0 }, next = { 0 };
	int end = bpf_map_get_next_key(fd, NULL, &next);

	for (uint32_t n = 0; !end && n < callers->entries_max; n++) {
		int r;

		key = next;
		/* Before the key may go: what comes behind it can then not be told. */
		end = bpf_map_get_next_key(fd, &key, &next);
		key.shared = shared;
		r = each(userdata, &key);
		if (r)
			return r;
	}
	return end && end != -ENOENT ? end : 0;
}

int callers_each(struct callers *callers,
		 int (*each)(void *userdata, const struct smtpward_caller_key *key), void *userdata)
{
	int r = callers_each_in(callers, callers->callers_fd, false, each, userdata);

	if (r || callers->tenants_fd < 0)
		return r;
	return callers_each_in(callers, callers->tenants_fd, true, each, userdata);
}

/* Entries of map_reported that are about none of map_callers. */
static int callers_drop_orphans(struct callers *callers)
{
	struct smtpward_caller_key key, next;
	int end = bpf_map_get_next_key(callers->reported_fd, NULL, &next);

	for (uint32_t n = 0; !end && n < callers->entries_max; n++) {
		int r;

		key = next;
		end = bpf_map_get_next_key(callers->reported_fd, &key, &next);
		r = callers_look_up(callers, &key, callers->other);
		if (r == -ENOENT)
			r = bpf_map_delete_elem(callers->reported_fd, &key);
		if (r && r != -ENOENT)
			return r;
	}
	return end && end != -ENOENT ? end : 0;
}

int callers_report(struct callers *callers, const struct smtpward_caller_key *key,
		   const struct smtpward_reported *reported)
{
	int r;

	*callers->reported = *reported;
	r = bpf_map_update_elem(callers->reported_fd, key, callers->reported, BPF_ANY);
	if (r != -E2BIG)
		return r;
	/* map_reported has room for all of map_callers and of map_tenants. */
	r = callers_drop_orphans(callers);
	if (r)
		return r;
	return bpf_map_update_elem(callers->reported_fd, key, callers->reported, BPF_ANY);
}

int callers_report_late(struct callers *callers, const struct smtpward_caller_key *key,
			const struct smtpward_reported *reported)
{
	struct smtpward_reported now = *reported;
	int r = callers_read(callers, key);

	if (r)
		return r == -ENOENT ? 0 : r;
	if (callers->counts->born_ns != now.born_ns ||
	    callers->reported->suppressed > now.suppressed || callers->reported->lost > now.lost)
		return 0;
	now.forgotten = callers->reported->forgotten;
	return callers_report(callers, key, &now);
}

static uint64_t callers_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool callers_is_since(uint64_t then, uint64_t ns)
{
	const uint64_t now = callers_clock_ns();

	return now > then && now - then >= ns;
}

/* A tenant's entry stays as long as its cgroup is there; whether a device is, only the kernel
 * knows. */
static bool callers_is_idle(const struct smtpward_caller_key *key,
			    const struct smtpward_caller_counts *counts)
{
	if (key->shared && !(key->cgroup_id & SMTPWARD_GUEST_BIT))
		return false;
	return callers_is_since(
		counts->next_ns > counts->born_ns ? counts->next_ns : counts->born_ns, IDLE_NS);
}

/* Whether the tenant of an entry is gone, and so long that nobody counts there any more. */
static int callers_find_gone(struct callers *callers, const struct smtpward_caller_key *key,
			     bool *ret_gone)
{
	const struct smtpward_tenant *tenant = callers->other;
	int r = callers_look_up_tenant(callers, key->cgroup_id, callers->other);

	*ret_gone = r == -ENOENT;
	if (r)
		return r == -ENOENT ? 0 : r;
	if (!tenant->gone_ns)
		return 0;
	*ret_gone = callers_is_since(tenant->gone_ns, GONE_NS);
	if (!*ret_gone)
		callers->gone_left = true;
	return 0;
}

/*
 * The entry, as it was when it went. Linux before 5.14 cannot tell that: there it is what it
 * was when it was last looked at.
 */
static int callers_take(struct callers *callers, const struct smtpward_caller_key *key)
{
	const int fd = key->shared ? callers->tenants_fd : callers->callers_fd;
	int r = bpf_map_lookup_and_delete_elem(fd, key, callers->counts);

	return r == -ENOTSUPP ? bpf_map_delete_elem(fd, key) : r;
}

/* One user fewer has an entry: see smtpward_tenant.users, which only grows. */
static int callers_count_forgotten(struct callers *callers, const struct smtpward_caller_key *user)
{
	const struct smtpward_caller_key key = { .cgroup_id = user->cgroup_id, .shared = 1 };
	const struct smtpward_caller_counts *tenant = callers->other;
	struct smtpward_reported reported;
	int r = callers_look_up(callers, &key, callers->other);

	if (!r)
		r = callers_look_up_reported(callers, &key, tenant->born_ns, &reported);
	if (r)
		return r == -ENOENT ? 0 : r;
	reported.forgotten++;
	return callers_report(callers, &key, &reported);
}

/*
 * The entry may have been read long ago: its line may have had to wait. So the entry is read again,
 * and stays if anybody used it; every program that uses an entry counts `attempts` first.
 *
 * Attempts that are counted after this second read have a line too if the kernel tells what it took
 * away. An attempt can still be missed if its program found the entry before the deletion and
 * counts after it, on 5.10 also if its program counts between the two calls. The first attempt
 * after so long a time is within the limit, and map_events, which we have just emptied, has room
 * for its record: to miss one takes more attempts at once than the burst of the policy's limit in
 * these microseconds, once an hour and caller, and the first way misses no more attempts than there
 * are CPUs. A kill in these microseconds loses the attempts that were counted in them. Nobody
 * counts any more for a tenant that is gone.
 */
int callers_forget(struct callers *callers, const struct smtpward_caller_key *key)
{
	const struct smtpward_caller_counts before = *callers->counts;
	const struct smtpward_reported reported = *callers->reported;
	const struct smtpward_caller_counts *counts = callers->counts;
	const bool idle = callers_is_idle(key, &before);
	bool gone = false;
	int r;

	if (callers_is_rest(key))
		return 0;
	r = callers->finds_gone ? callers_find_gone(callers, key, &gone) : 0;
	if (r || (!idle && !gone))
		return r;
	r = callers_look_up(callers, key, callers->counts);
	if (r)
		return r == -ENOENT ? 0 : r;
	if (counts->attempts != before.attempts || counts->born_ns != before.born_ns)
		return 0;
	r = callers_take(callers, key);
	if (r)
		return r == -ENOENT ? 0 : r;
	/* A kill before this leaves an orphan: callers_report() makes room of those. */
	r = bpf_map_delete_elem(callers->reported_fd, key);
	if (r && r != -ENOENT)
		return r;
	r = gone || key->shared ? 0 : callers_count_forgotten(callers, key);
	if (r)
		return r;
	*callers->reported = reported;
	return counts->suppressed != reported.suppressed || counts->lost != reported.lost;
}
