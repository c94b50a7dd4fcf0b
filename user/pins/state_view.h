/* SPDX-License-Identifier: GPL-2.0-only */
/* For state_read.c and state_troubles.c: where a state is read from, and maps of it. */
#ifndef SMTPWARD_STATE_VIEW_H
#define SMTPWARD_STATE_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "pins/found.h"
#include "pins/pins.h"
#include "pins/state.h"

/* What is read from: the pins, and for root what the kernel runs. */
struct state_view {
	struct pins pins; /* closed where there are none */
	struct found found;
	bool found_all; /* of who has the right to ids: what is not there is not attached */
	const struct found_link *link; /* one of the policy's in question; NULL: none is known */
	uint32_t pinned_gate;	       /* the id of the pinned map_gate; 0: there is none */
	uint64_t root_id;	       /* of the v2 root as it is seen here */
	int root_fd;
	uint32_t fallback_program;  /* of what a trial went back to; 0: it is not known */
	struct object_hooks *hooks; /* the caller's */
};

/* Without a pin directory, or with one that is not ours, what is attached decides. */
int state_view_open(const char *path, bool try, struct state_view *view, struct reason *reason);
void state_view_close(struct state_view *view);

void state_note(struct state *state, enum state_trouble trouble);

/* A program of the generation in question that is attached: it has all of its maps. */
const struct found_link *state_find_program(const struct state_view *view,
					    const struct state *state);

/* Whether the pin of this name is of this map. */
bool state_is_pinned(const struct state_view *view, const struct state *state, const char *name,
		     int fd);

/* A map of the generation in question: that of the programs; if these are not known, the pin. */
int state_open_map(const struct state_view *view, struct state *state, const char *name,
		   size_t value_size, int *ret_fd);

int state_read_map(const struct state_view *view, struct state *state, const char *name,
		   void *value, size_t value_size);

/* state_troubles.c: what is read of the rest tells. */
int state_read_troubles(const struct state_view *view, struct state *state);

#endif /* SMTPWARD_STATE_VIEW_H */
