/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The clock that the programs stamp and measure with, CLOCK_BOOTTIME, which nobody can set. They
 * know of no time namespace, and what this says is theirs, whatever time namespace we are in.
 */
#ifndef SMTPWARD_BOOTTIME_H
#define SMTPWARD_BOOTTIME_H

#include <stdint.h>

/* What it is now, in nanoseconds. */
uint64_t boottime_now(void);

/*
 * What makes UTC of it, by the machine's clock as it is set now: to be added, modulo 2^64. So a
 * time that was taken before the machine's clock was set is right nevertheless.
 */
uint64_t boottime_to_utc(void);

#endif /* SMTPWARD_BOOTTIME_H */
