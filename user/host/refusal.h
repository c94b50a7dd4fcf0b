/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why the kernel refused BPF to root: rights that are missing, the limit on locked memory,
 * lockdown, or a security module. Asked after a refusal, so that each goes by its own name.
 */
#ifndef SMTPWARD_REFUSAL_H
#define SMTPWARD_REFUSAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/reason.h"

/*
 * Whether one of them explains the refusal err, a negative errno: then the reason says which
 * and what to do, and else it is as it was. What the kernel cannot do is for feature.h.
 */
bool refusal_explains(int err, struct reason *reason);

/* Whether this process may not load every kind of program that we have, and why not. */
bool refusal_of_rights(struct reason *reason);

/* The same of two texts: CapEff in /proc/self/status, and /proc/self/uid_map. */
bool refusal_in_rights(uint64_t effective, const char *uid_map, struct reason *reason);

/* Of a text like /sys/kernel/security/lockdown: whether its word in brackets is this one. */
bool refusal_is_lockdown(const char *text, const char *word);

#endif /* SMTPWARD_REFUSAL_H */
