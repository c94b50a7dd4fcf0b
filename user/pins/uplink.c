// SPDX-License-Identifier: GPL-2.0-only
/* The gates on uplinks; see uplink.h. */
#include "pins/uplink.h"

#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/bpf.h>

#include "base/cleanup.h"
#include "pins/object.h"

#define UPLINK_PIN "link_uplink_"

/* BPF_LINK_TYPE_TCX of linux/bpf.h from Linux 6.6 on. */
#define UPLINK_LINK_TYPE 11

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

int uplink_read_link(int fd, struct uplink_link *ret_link)
{
	struct bpf_link_info info;
	int r = object_read_any_link(fd, &info);

	if (r)
		return r;
	/* The kernel's struct for tcx, which older headers lack, is as that for network namespaces:
	 * a number, here the device's, and the type. */
	if (info.type != UPLINK_LINK_TYPE || info.netns.attach_type != UPLINK_ATTACH_TYPE)
		return -EBADMSG;
	*ret_link = (struct uplink_link){
		.ifindex = info.netns.netns_ino,
		.program_id = info.prog_id,
	};
	return 0;
}

bool uplink_is_listed(const struct smtpward_layer *layer, uint32_t ifindex)
{
	for (uint32_t i = 0; i < layer->n_uplinks && i < SMTPWARD_UPLINKS_MAX; i++) {
		enum uplink_kind kind;
		uint32_t found;

		if (!uplink_find(layer->uplinks[i], &found, &kind) && found == ifindex)
			return true;
	}
	return false;
}
