/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The gates on uplinks: links of tcx, egress, with a pin link_uplink_IFINDEX each in the pin
 * directory. A name of a device cannot be a pin's: bpffs takes no dots.
 *
 * A link of tcx stays with its device through a new name or another network namespace, and is
 * detached when the device goes: tcx_link_info_from_dev() in kernel/bpf/tcx.c.
 */
#ifndef SMTPWARD_UPLINK_H
#define SMTPWARD_UPLINK_H

#include <stdbool.h>
#include <stdint.h>

#include <smtpward/packets.h>

struct pins;

/* The programs of gates: for devices with Ethernet frames, and for those without. */
enum uplink_kind {
	UPLINK_ETH,
	UPLINK_BARE,
	UPLINK_KINDS,
};

struct uplink_info {
	const char *program;	 /* in the BPF object */
	const char *program_pin; /* in a generation's directory */
	const char *before_map;
};

extern const struct uplink_info uplink_infos[UPLINK_KINDS];

/* BPF_TCX_EGRESS of linux/bpf.h from Linux 6.6 on. */
#define UPLINK_ATTACH_TYPE 47

#define UPLINK_PIN_SIZE 32
void uplink_pin_name(uint32_t ifindex, char ret_name[static UPLINK_PIN_SIZE]);

/* The device that a pin with this name is for; 0 for another name. */
uint32_t uplink_of_pin(const char *name);

/* Finds a device of this process's network namespace. -ENODEV if there is none. 0 or -errno. */
int uplink_find(const char *name, uint32_t *ret_ifindex, enum uplink_kind *ret_kind);

struct uplink_link {
	uint32_t ifindex; /* 0: it is detached */
	uint32_t program_id;
};

/* -EBADMSG if fd is no link of tcx, egress. */
int uplink_read_link(int fd, struct uplink_link *ret_link);

/* Whether the layer lists the device with this number; one that is not there is not listed. */
bool uplink_is_listed(const struct smtpward_layer *layer, uint32_t ifindex);

#endif /* SMTPWARD_UPLINK_H */
