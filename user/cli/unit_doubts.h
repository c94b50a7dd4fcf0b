/* SPDX-License-Identifier: GPL-2.0-only */
/* Rules with units that this machine does not have: what only the machine itself knows. */
#ifndef SMTPWARD_UNIT_DOUBTS_H
#define SMTPWARD_UNIT_DOUBTS_H

struct policy;
struct policy_errors;

/* As policy_find_doubts(). 0 or -errno. */
int unit_find_doubts(const struct policy *policy, struct policy_errors *doubts);

#endif /* SMTPWARD_UNIT_DOUBTS_H */
