/* SPDX-License-Identifier: GPL-2.0-only */
/* The counters of map_counters as a table, each with its name. Pure. */
#ifndef SMTPWARD_COUNTER_H
#define SMTPWARD_COUNTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <smtpward/abi.h>

#define COUNTERS ((int)(sizeof(struct smtpward_counters) / sizeof(__u64)))

struct counter_info {
	const char *name;
	size_t offset;	  /* in struct smtpward_counters */
	bool trouble;	  /* people see the counter only if it is not 0 */
	const char *help; /* a sentence */
};

extern const struct counter_info counter_infos[COUNTERS];

uint64_t counter_value(const struct smtpward_counters *counters, int counter);

#endif /* SMTPWARD_COUNTER_H */
