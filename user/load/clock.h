/* SPDX-License-Identifier: GPL-2.0-only */
/* map_clock: what makes UTC of the clock that the programs read, for rules with `until`. */
#ifndef SMTPWARD_CLOCK_H
#define SMTPWARD_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Fills the map of a new generation. written: when the policy was, in seconds of UTC; a
 * clock that is before that is not set. 0 or -errno.
 */
int clock_begin(int map_fd, bool reads_tai, int64_t written, bool *ret_unset);

#endif /* SMTPWARD_CLOCK_H */
