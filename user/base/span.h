/* SPDX-License-Identifier: GPL-2.0-only */
/* A span of time, as people write it: "30s", "5m", "1h30m". */
#ifndef SMTPWARD_SPAN_H
#define SMTPWARD_SPAN_H

#include <stdint.h>

/*
 * Parses numbers that have a unit each, the larger unit first: h, m or min, s. 0; -EINVAL if text
 * is no span; -ERANGE if the span is over a year.
 */
int span_parse(const char *text, uint64_t *ret_seconds);

/* "4m 30s"; "0s" for no seconds. */
#define SPAN_SIZE 48

void span_text(uint64_t seconds, char dst[SPAN_SIZE]);

#endif /* SMTPWARD_SPAN_H */
