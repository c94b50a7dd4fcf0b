/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The gates on uplinks, as the kernel has them.
 *
 * From Linux 6.6 on a gate is a link of tcx, egress, with a pin. The link stays with its device
 * through a new name or another network namespace, and is detached when the device goes:
 * tcx_link_info_from_dev() in kernel/bpf/tcx.c.
 *
 * Before, a gate is a filter of the device's clsact, with the first priority. A filter needs no
 * pin to stay, and goes with its qdisc: if somebody deletes that, and if the device moves to
 * another network namespace. The filter's handle says whether we made the qdisc.
 */
#ifndef SMTPWARD_UPLINK_GATE_H
#define SMTPWARD_UPLINK_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "pins/uplink.h"

struct pins;

struct uplink_gate {
	uint32_t ifindex;
	uint32_t program_id; /* 0: the device has no gate of this pin directory */
	uint32_t handle;     /* of the filter; 0: the gate is a link */
	bool pinned;	     /* in the pin directory; a filter needs no pin */
	bool behind;	     /* another program or filter sees packets before the gate does */
	int link_fd;	     /* -1: the gate is a filter, or there is none */
};

#define UPLINK_GATE_NONE       \
	{                      \
		.link_fd = -1, \
	}

void uplink_gate_close(struct uplink_gate *gate);

/* 1 if gates are links here, 0 if they are filters; -ENODEV if there is no such device. */
int uplink_gates_are_links(uint32_t ifindex);

/* The gate that a device has, also if the gate's pin is gone. 0 or -errno. */
int uplink_gate_read(const struct pins *pins, uint32_t ifindex, struct uplink_gate *ret_gate);

/* Whether the link of a gate is on no device any more. -EBADMSG if fd is no link of a gate. */
int uplink_gate_link_is_gone(int fd, bool *ret_gone);

/*
 * Makes a gate; a link has no pin yet. -EOPNOTSUPP if the kernel has neither tcx nor clsact and
 * cls_bpf, -EEXIST if the older qdisc is in clsact's place, or the program is on the device
 * already, -EBUSY if somebody's filter of another kind has the first priority; nothing is made
 * then.
 */
int uplink_gate_make(uint32_t ifindex, int program_fd, struct uplink_gate *ret_gate);

/* Gives the gate another program, in one step. 0 or -errno. */
int uplink_gate_update(const struct uplink_gate *gate, int program_fd);

/*
 * Takes the gate away, with the qdisc if we made that and nobody uses it; a link's pin stays. 0 or
 * -errno; a gate that is gone is fine.
 */
int uplink_gate_remove(const struct uplink_gate *gate);

/*
 * Calls gate for each gate of this pin directory that is a filter, on the devices of this network
 * namespace, until gate returns something else than 0.
 */
int uplink_gate_each_filter(const struct pins *pins,
			    int (*gate)(void *userdata, const struct uplink_gate *found),
			    void *userdata);

#endif /* SMTPWARD_UPLINK_GATE_H */
