/* SPDX-License-Identifier: GPL-2.0-only */
/* map_clock: the distance from UTC of the clock that the programs read, for rules with `until`. */
#ifndef SMTPWARD_CLOCK_H
#define SMTPWARD_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Fills the map of a new generation. written: when the policy was written, in seconds of UTC;
 * *ret_unset: the machine's clock is before that, so it is not set. 0 or -errno.
 */
int clock_begin(int map_fd, bool reads_tai, int64_t written, bool *ret_unset);

#endif /* SMTPWARD_CLOCK_H */
