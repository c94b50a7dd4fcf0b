/* SPDX-License-Identifier: GPL-2.0-only */
/* The names that a report has from this machine, as they are now: of users, and of containers. */
#ifndef SMTPWARD_REPORT_NAMES_H
#define SMTPWARD_REPORT_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "ask/report.h"

struct report_names {
	char **notes; /* why a container has no name; each once */
	size_t n_notes;
	uint64_t looked_up; /* UTC, in seconds: when a container was looked up; 0: none was */
};

/* The source points to names, which report_names_clear() frees. */
struct report_source report_names_source(struct report_names *names);
void report_names_clear(struct report_names *names);

#endif /* SMTPWARD_REPORT_NAMES_H */
