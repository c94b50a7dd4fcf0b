/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The gate on FAR_UPLINK, and whether it holds, seen without smtpward. From Linux 6.6 on a gate is
 * a link of tcx, before it is a filter of clsact.
 */
#ifndef SMTPWARD_TEST_KERNEL_FIXTURE_GATE_H
#define SMTPWARD_TEST_KERNEL_FIXTURE_GATE_H

#include "fixture_far.h"

bool gate_is_link(void); /* by the kernel's version */

/*
 * Sends the first packet of a connection from FAR_OUR4 to port 25 of FAR_THEIR4 by a packet socket,
 * which connect(2) never sees, out of FAR_UPLINK. 0 or an errno.
 */
int gate_send(void *nothing); /* a child_fn */
void gate_assert_held(const char *cgroup, bool held);

const char *gate_pin(void); /* the name of the link's pin */
bool gate_is_there(void);
void gate_make_filter(void); /* of the loaded policy, as a load before Linux 6.6 makes it */
void gate_take_away(void);   /* as somebody would, with the means of the kernel */

/* Whether the device has the qdisc clsact; makes it; removes it with all filters. */
bool gate_has_qdisc(void);
void gate_make_qdisc(void);
void gate_remove_qdisc(void);

/* The older qdisc, ingress, in clsact's place. */
void gate_make_older_qdisc(void);
void gate_remove_older_qdisc(void);

/* Somebody's program ahead of the gate that lets each packet out; and takes it away. */
void gate_let_past(void);
void gate_let_past_no_more(void);

#endif /* SMTPWARD_TEST_KERNEL_FIXTURE_GATE_H */
