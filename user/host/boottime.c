// SPDX-License-Identifier: GPL-2.0-only
/* The clock of the programs; see boottime.h. Reading these clocks cannot fail. */
#include "host/boottime.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "base/cleanup.h"

#define SECOND_NS 1000000000ULL

/* How often two clocks are read to be compared, and how close together suffices. */
#define BOOTTIME_TRIES 16
#define BOOTTIME_CLOSE_NS 20000U

/* The offset that our time namespace adds to CLOCK_BOOTTIME, in ns. */
static int64_t boottime_read_offset(void)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/self/timens_offsets", "re");
	_cleanup_free_ char *line = NULL;
	int64_t seconds, nanoseconds;
	size_t size = 0;

	/*
	 * A kernel without time namespaces has no such file. The numbers in the file are the
	 * kernel's own.
	 */
	while (file && getline(&line, &size, file) > 0)
		/* NOLINTNEXTLINE(cert-err34-c) */
		if (sscanf(line, "boottime %" SCNd64 " %" SCNd64, &seconds, &nanoseconds) == 2)
			return seconds * (int64_t)SECOND_NS + nanoseconds;
	return 0;
}

/* Read once: a process stays in its time namespace. */
static uint64_t boottime_offset(void)
{
	static int64_t offset;
	static bool known;

	if (!known)
		offset = boottime_read_offset();
	known = true;
	return (uint64_t)offset;
}

static uint64_t boottime_read(clockid_t clock)
{
	struct timespec now = { 0 };

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

uint64_t boottime_now(void)
{
	return boottime_read(CLOCK_BOOTTIME) - boottime_offset();
}

/* The closest of several comparisons, as the process may be interrupted in one. */
uint64_t boottime_to_utc(void)
{
	uint64_t least = UINT64_MAX, best = 0;

	for (int tries = 0; tries < BOOTTIME_TRIES && least > BOOTTIME_CLOSE_NS; tries++) {
		const uint64_t before = boottime_now();
		const uint64_t utc = boottime_read(CLOCK_REALTIME);
		const uint64_t apart = boottime_now() - before;

		if (apart >= least)
			continue;
		least = apart;
		best = utc - (before + apart / 2);
	}
	return best;
}
