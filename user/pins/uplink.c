// SPDX-License-Identifier: GPL-2.0-only
/* Uplinks by name; see uplink.h. */
#include "pins/uplink.h"

#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "host/uplinks.h"

#define UPLINK_PIN "link_uplink_"

const struct uplink_info uplink_infos[UPLINK_KINDS] = {
	[UPLINK_ETH] = { "smtpward_up_eth", "prog_up_eth", "map_before_eth" },
	[UPLINK_BARE] = { "smtpward_up_bare", "prog_up_bare", "map_before_bare" },
};

void uplink_pin_name(uint32_t ifindex, char ret_name[static UPLINK_PIN_SIZE])
{
	snprintf(ret_name, UPLINK_PIN_SIZE, UPLINK_PIN "%u", ifindex);
}

uint32_t uplink_of_pin(const char *name)
{
	const size_t len = strlen(UPLINK_PIN);
	char again[UPLINK_PIN_SIZE];
	uint32_t ifindex;

	if (strncmp(name, UPLINK_PIN, len) != 0)
		return 0;
	ifindex = (uint32_t)strtoul(name + len, NULL, 10);
	uplink_pin_name(ifindex, again);
	return strcmp(name, again) ? 0 : ifindex;
}

int uplink_find(const char *name, uint32_t *ret_ifindex, enum uplink_kind *ret_kind)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { 0 };
	uint32_t ifindex;

	if (fd < 0)
		return -errno;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(fd, SIOCGIFINDEX, &request))
		return -errno;
	ifindex = (uint32_t)request.ifr_ifindex;
	if (ioctl(fd, SIOCGIFHWADDR, &request))
		return -errno;
	*ret_ifindex = ifindex;
	*ret_kind = request.ifr_hwaddr.sa_family == ARPHRD_ETHER ||
				    request.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK
			    ? UPLINK_ETH
			    : UPLINK_BARE;
	return 0;
}

static int uplink_add_name(void *userdata, const char *name)
{
	struct uplink_names *names = userdata;

	for (size_t i = 0; i < names->n; i++)
		if (!strncmp(names->text[i], name, SMTPWARD_DEVICE_SIZE))
			return 0;
	names->all++;
	if (names->n < UPLINK_NAMES_MAX)
		snprintf(names->text[names->n++], SMTPWARD_DEVICE_SIZE, "%s", name);
	return 0;
}

int uplink_list(const struct smtpward_layer *layer, struct uplink_names *ret_names)
{
	struct uplink_names names = { 0 };
	int r = 0;

	if (layer->n_uplinks > SMTPWARD_UPLINKS_MAX)
		return -EBADMSG;
	for (uint32_t i = 0; i < layer->n_uplinks; i++)
		uplink_add_name(&names, layer->uplinks[i]);
	if (layer->flags & SMTPWARD_LAYER_AUTO)
		r = uplinks_each(uplink_add_name, &names);
	if (!r)
		*ret_names = names;
	return r;
}

size_t uplink_count_gates(const struct uplink_names *names)
{
	return names->n < SMTPWARD_UPLINKS_MAX ? names->n : SMTPWARD_UPLINKS_MAX;
}

bool uplink_is_listed(const struct uplink_names *names, uint32_t ifindex)
{
	for (size_t i = 0; i < names->n; i++) {
		enum uplink_kind kind;
		uint32_t found;

		if (!uplink_find(names->text[i], &found, &kind) && found == ifindex)
			return true;
	}
	return false;
}
