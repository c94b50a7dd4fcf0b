/* SPDX-License-Identifier: GPL-2.0-only */
/* Figures of a policy in force that take longer to read than what a state is told by. */
#ifndef SMTPWARD_FIGURES_H
#define SMTPWARD_FIGURES_H

#include <stdint.h>

struct state;
struct state_view;

struct figures {
	/*
	 * Of map_events, in bytes: its size, what nobody has read, and what was read of it ever.
	 * All 0 if the bpffs is read-only, and nothing of this is known.
	 */
	uint64_t buffer_size, buffer_used, buffer_read;
	uint64_t last_record_ns; /* CLOCK_BOOTTIME; 0: there was none */
	uint64_t tenants, tenants_max;
	uint64_t *attempts; /* see map_attempts; NULL if an older version loaded it */
};

/* For state_read.c. 0 or -errno; figures_clear() frees them. */
int figures_read(const struct state_view *view, struct state *state, struct figures *ret_figures);

/* Of a port, by its index, and a rule, by its own or SMTPWARD_RULE_NONE. */
uint64_t figures_attempts(const struct figures *figures, uint32_t port, uint32_t rule);

void figures_clear(struct figures *figures);

#endif /* SMTPWARD_FIGURES_H */
