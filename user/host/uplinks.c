// SPDX-License-Identifier: GPL-2.0-only
/* Finds uplinks; see uplinks.h. */
#include "host/uplinks.h"

#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

/* Whether the device has an entry of this name in sysfs. */
static bool uplinks_has(const char *device, const char *entry)
{
	char path[64 + IFNAMSIZ];

	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", device, entry);
	return !access(path, F_OK);
}

/* Calls line for each line of a file of /proc/net, which a kernel without IPv6 may lack. */
static int uplinks_each_line(const char *path, bool (*line)(const char *text, const char *device),
			     const char *device, bool *ret_any)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	_cleanup_free_ char *text = NULL;
	size_t size = 0;

	if (!file)
		return errno == ENOENT ? 0 : -errno;
	while (!*ret_any && getline(&text, &size, file) > 0)
		*ret_any = line(text, device);
	return ferror(file) ? -EIO : 0;
}

/* fib_route_seq_show() in net/ipv4/fib_trie.c: device, destination, ..., mask. */
static bool uplinks_is_default4(const char *text, const char *device)
{
	char name[IFNAMSIZ], destination[9], mask[9];

	return sscanf(text, "%15s %8s %*s %*s %*s %*s %*s %8s", name, destination, mask) == 3 &&
	       !strcmp(destination, "00000000") && !strcmp(mask, "00000000") &&
	       !strcmp(name, device);
}

/*
 * rt6_print_route() in net/ipv6/route.c: destination, its bits, source, its bits, gateway, metric,
 * two counts, flags, device. The route that refuses what no other one takes is of lo.
 */
static bool uplinks_is_default6(const char *text, const char *device)
{
	char bits[3], name[IFNAMSIZ];

	return sscanf(text, "%*s %2s %*s %*s %*s %*s %*s %*s %*s %15s", bits, name) == 2 &&
	       !strcmp(bits, "00") && !strcmp(name, device) && strcmp(name, "lo") != 0;
}

static int uplinks_is_one(const char *device, bool *ret_is)
{
	int r;

	*ret_is = uplinks_has(device, "device");
	r = uplinks_each_line("/proc/net/route", uplinks_is_default4, device, ret_is);
	return r ? r
		 : uplinks_each_line("/proc/net/ipv6_route", uplinks_is_default6, device, ret_is);
}

static void uplinks_free_names(struct if_nameindex **names)
{
	if (*names)
		if_freenameindex(*names);
}

int uplinks_each(int (*uplink)(void *userdata, const char *name), void *userdata)
{
	_cleanup_(uplinks_free_names) struct if_nameindex *names = if_nameindex();

	if (!names)
		return -errno;
	for (const struct if_nameindex *at = names; at->if_name; at++) {
		bool is = false;
		int r = uplinks_is_one(at->if_name, &is);

		if (!r && is)
			r = uplink(userdata, at->if_name);
		if (r)
			return r;
	}
	return 0;
}

bool uplinks_is_bridge(const char *device)
{
	return uplinks_has(device, "bridge");
}

static bool uplinks_is_port(const char *device, const char *bridge)
{
	char path[64 + 2 * IFNAMSIZ];

	snprintf(path, sizeof(path), "/sys/class/net/%s/brif/%s", bridge, device);
	return !access(path, F_OK);
}

int uplinks_each_port(const char *bridge, int (*port)(void *userdata, const char *name),
		      void *userdata)
{
	_cleanup_(uplinks_free_names) struct if_nameindex *names = if_nameindex();
	bool hardware = false;

	if (!names)
		return -errno;
	for (const struct if_nameindex *at = names; at->if_name; at++)
		if (uplinks_is_port(at->if_name, bridge) && uplinks_has(at->if_name, "device"))
			hardware = true;
	for (const struct if_nameindex *at = names; at->if_name; at++) {
		int r = 0;

		if (uplinks_is_port(at->if_name, bridge) &&
		    (!hardware || uplinks_has(at->if_name, "device")))
			r = port(userdata, at->if_name);
		if (r)
			return r;
	}
	return 0;
}
