/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Gates that stay if all that was pinned is gone: those that are filters, before Linux 6.6. No hook
 * gives a packet its pass then, and a gate refuses what has none.
 */
#ifndef SMTPWARD_UPLINK_LEFT_H
#define SMTPWARD_UPLINK_LEFT_H

struct reason;
struct uplink_names;

/*
 * Lists the devices with such a gate of the pin directory at path; none for a process that is not
 * root, which cannot tell. 0 or -errno.
 */
int uplink_left(const char *path, struct uplink_names *ret_names, struct reason *reason);

#endif /* SMTPWARD_UPLINK_LEFT_H */
