/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The clock that the programs stamp and measure with: CLOCK_BOOTTIME, which nobody can set. The
 * programs know of no time namespace, so these functions return the time of the initial one.
 */
#ifndef SMTPWARD_BOOTTIME_H
#define SMTPWARD_BOOTTIME_H

#include <stdint.h>

/* The clock's time, in nanoseconds. */
uint64_t boottime_now(void);

/*
 * The number that turns a time of boottime_now() into UTC, by the machine's clock as set now: to
 * be added, modulo 2^64. So a time that was taken before the clock was set comes out right.
 */
uint64_t boottime_to_utc(void);

#endif /* SMTPWARD_BOOTTIME_H */
