// SPDX-License-Identifier: GPL-2.0-only
/* Sizes by the machine's memory, and by its number of cgroups; see sizes.h. */
#include "load/sizes.h"

#include <errno.h>
#include <sys/sysinfo.h>

#include "host/cgroupfs.h"

static uint32_t sizes_between(uint64_t low, uint64_t value, uint64_t high)
{
	return value < low ? low : value > high ? high : value;
}

/* Room for twice the cgroups that there are now. */
static uint32_t sizes_at_least_twice(uint32_t size, uint64_t cgroups)
{
	return size < cgroups * 2 ? sizes_between(0, cgroups * 2, 1 << 24) : size;
}

int sizes_choose(int root_fd, struct loader_options *options)
{
	struct sysinfo machine;
	uint64_t mebibytes, cgroups;
	int r = cgroupfs_count(root_fd, &cgroups);

	if (r)
		return r;
	if (sysinfo(&machine))
		return -errno;
	mebibytes = (uint64_t)machine.totalram * machine.mem_unit >> 20;
	options->events_size = mebibytes >= 2048 ? 8 << 20 : 2 << 20;
	options->callers_max = sizes_between(4096, mebibytes * 4, 65536);
	options->tenants_max = sizes_at_least_twice(sizes_between(4096, mebibytes, 65536), cgroups);
	/* Guests that come and go leave their entries to the reader for a while. */
	options->tenants_max += 2 * SMTPWARD_GUESTS;
	options->cgroups_max =
		sizes_at_least_twice(sizes_between(16384, mebibytes, 1 << 20), cgroups);
	return 0;
}
