/* SPDX-License-Identifier: GPL-2.0-only */
/* Figures of a policy in force, beyond the state: these take longer to read. */
#ifndef SMTPWARD_FIGURES_H
#define SMTPWARD_FIGURES_H

#include <stdint.h>

struct state;
struct state_view;

struct figures {
	/*
	 * In bytes: the size of map_events, its unread records, and all records ever read from it.
	 * All 0 if the bpffs is read-only, and the figures are not known.
	 */
	uint64_t buffer_size, buffer_used, buffer_read;
	uint64_t last_record_ns; /* CLOCK_BOOTTIME; 0: there was no record */
	uint64_t tenants, tenants_max;
	uint64_t *attempts; /* see map_attempts; NULL if an older version loaded it */
};

/* For state_read.c. 0 or -errno; the caller frees the figures with figures_clear(). */
int figures_read(const struct state_view *view, struct state *state, struct figures *ret_figures);

/* The attempts of a port, by its index, and a rule, by its index or SMTPWARD_RULE_NONE. */
uint64_t figures_attempts(const struct figures *figures, uint32_t port, uint32_t rule);

void figures_clear(struct figures *figures);

#endif /* SMTPWARD_FIGURES_H */
