/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The classifiers of a device, by rtnetlink: what a kernel before Linux 6.6 asks about each packet
 * that leaves by the device. They are in a qdisc, clsact, of this network namespace.
 */
#ifndef SMTPWARD_EGRESS_H
#define SMTPWARD_EGRESS_H

#include <stddef.h>
#include <stdint.h>

enum egress_qdisc {
	EGRESS_NONE,
	EGRESS_CLSACT,
	EGRESS_INGRESS, /* the older kind, which takes clsact's place and sees no leaving packet */
};

struct egress_filter {
	uint32_t chain;
	uint32_t priority;
	uint32_t handle;
	uint32_t program_id; /* 0: it is no BPF program */
};

enum egress_side {
	EGRESS_ARRIVING,
	EGRESS_LEAVING,
};

int egress_find_qdisc(uint32_t ifindex, enum egress_qdisc *ret_qdisc);

/*
 * Lists the filters of a device in the order in which the kernel asks them; none if there is no
 * device or no qdisc. 0 or -errno. The caller frees *ret_filters.
 */
int egress_list(uint32_t ifindex, enum egress_side side, struct egress_filter **ret_filters,
		size_t *ret_n);

#endif /* SMTPWARD_EGRESS_H */
