/* SPDX-License-Identifier: GPL-2.0-only */
/* Doubts about rules with guests whose devices this machine does not have now. */
#ifndef SMTPWARD_GUEST_DOUBTS_H
#define SMTPWARD_GUEST_DOUBTS_H

struct policy;
struct policy_errors;

/* Adds doubts, as policy_find_doubts(): at most one a rule. 0 or -errno. */
int guest_find_doubts(const struct policy *policy, struct policy_errors *doubts);

#endif /* SMTPWARD_GUEST_DOUBTS_H */
