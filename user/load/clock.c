// SPDX-License-Identifier: GPL-2.0-only
/*
 * The clock of the programs; see clock.h.
 *
 * From Linux 6.1 on, the programs read CLOCK_TAI, which is set together with the machine's clock,
 * and map_clock has TAI's distance from UTC. That distance changes with a leap second, and when an
 * NTP daemon first tells the kernel of it. Before 6.1, the programs read CLOCK_BOOTTIME, which
 * nobody can set, and map_clock has that clock's distance from UTC. The kernel slews all its
 * clocks together, so only a step changes either distance.
 *
 * Only root can write the distances. After a step, rules end by the old clock until the new
 * distance is written; without the distance of TAI, up to 37 s too early.
 */
#include "load/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include <smtpward/until.h>

#include "base/cleanup.h"
#include "host/boottime.h"
#include "load/load.h"
#include "pins/object.h"
#include "pins/pins.h"

#define NS_PER_SECOND 1000000000ULL

/*
 * 2026-11-27: no rule with an end is older. For policies whose files bear no time, as in images
 * whose files are all from 1970.
 */
#define CLOCK_FLOOR 1795737600

static int clock_read(clockid_t id, uint64_t *ret_ns)
{
	struct timespec now;

	if (clock_gettime(id, &now))
		return -errno;
	*ret_ns = (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
	return 0;
}

static int clock_offset_of_tai(uint64_t *ret_offset_ns)
{
	struct timex timex = { .modes = 0 }; /* only asks */

	if (adjtimex(&timex) < 0)
		return -errno;
	*ret_offset_ns = -((uint64_t)timex.tai * NS_PER_SECOND);
	return 0;
}

static int clock_write(int map_fd, struct smtpward_clock *clock)
{
	const uint32_t zero = 0;
	uint64_t offset = 0;
	int r = 0;

	if (clock->source == SMTPWARD_CLOCK_TAI)
		r = clock_offset_of_tai(&offset);
	else
		offset = boottime_to_utc();
	if (r)
		return r;
	clock->offset_ns = offset;
	return bpf_map_update_elem(map_fd, &zero, clock, BPF_ANY);
}

int clock_begin(int map_fd, bool reads_tai, int64_t written, bool *ret_unset)
{
	const int64_t floor = written > CLOCK_FLOOR ? written : CLOCK_FLOOR;
	struct smtpward_clock clock = {
		.floor_ns = (uint64_t)floor * NS_PER_SECOND,
		.source = reads_tai ? SMTPWARD_CLOCK_TAI : SMTPWARD_CLOCK_BOOTTIME,
	};

	uint64_t now = 0;
	int r = clock_write(map_fd, &clock);

	if (!r)
		r = clock_read(CLOCK_REALTIME, &now);
	if (r)
		return r;
	*ret_unset = !smtpward_has_come(now, clock.floor_ns);
	return 0;
}

/*
 * Updates the distance in a generation's map_clock. An older version's generation lacks the map;
 * without rules that end, the map is empty.
 */
static int clock_set_of(const struct pins *pins, uint64_t generation)
{
	_cleanup_close_ int fd = -1;
	struct smtpward_clock clock;
	const uint32_t zero = 0;
	int r = object_open_map(pins, generation, "map_clock", OBJECT_WRITES, sizeof(clock), &fd);

	if (r)
		return r == -ENOENT ? 0 : r;
	r = bpf_map_lookup_elem(fd, &zero, &clock);
	if (r || !clock.floor_ns)
		return r;
	return clock_write(fd, &clock);
}

/* Updates every generation: the one that a trial goes back to may decide before anybody can. */
static int clock_set_again(const struct pins *pins)
{
	_cleanup_free_ uint64_t *generations = NULL;
	size_t n = 0;
	int r = pins_list_generations(pins, &generations, &n);

	for (size_t i = 0; !r && i < n; i++)
		r = clock_set_of(pins, generations[i]);
	return r;
}

int load_set_clock(const char *path, struct reason *reason)
{
	_cleanup_(pins_close) struct pins pins = PINS_CLOSED;
	int r;

	if (geteuid())
		return reason_set(reason, -EPERM, "this needs root");
	r = pins_open_locked(path, false, &pins, reason);
	if (r)
		return r;
	r = clock_set_again(&pins);
	if (r)
		return reason_errno(reason, r, "cannot tell the programs in %s the time", path);
	return 0;
}
