/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Doubts about rules with units that this machine does not have, which only the machine can tell.
 */
#ifndef SMTPWARD_UNIT_DOUBTS_H
#define SMTPWARD_UNIT_DOUBTS_H

struct policy;
struct policy_errors;

/* Adds doubts, as policy_find_doubts(). 0 or -errno. */
int unit_find_doubts(const struct policy *policy, struct policy_errors *doubts);

#endif /* SMTPWARD_UNIT_DOUBTS_H */
