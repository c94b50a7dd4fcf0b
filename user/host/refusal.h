/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why the kernel refused BPF to root: missing rights, the limit on locked memory, lockdown, or a
 * security module. The functions look for the cause after a refusal, so that the message names it.
 */
#ifndef SMTPWARD_REFUSAL_H
#define SMTPWARD_REFUSAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/reason.h"

/*
 * Whether one of these causes explains the refusal err, a negative errno. If so, the reason says
 * which one and what to do; if not, the reason is unchanged. Features that the kernel lacks are
 * for feature.h.
 */
bool refusal_explains(int err, struct reason *reason);

/*
 * Whether this process may not load every kind of program that smtpward has; the reason says why.
 */
bool refusal_of_rights(struct reason *reason);

/* The same for two texts: CapEff in /proc/self/status, and /proc/self/uid_map. */
bool refusal_in_rights(uint64_t effective, const char *uid_map, struct reason *reason);

/* Whether the word in brackets in a text like /sys/kernel/security/lockdown is this one. */
bool refusal_is_lockdown(const char *text, const char *word);

#endif /* SMTPWARD_REFUSAL_H */
