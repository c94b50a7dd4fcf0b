/* SPDX-License-Identifier: GPL-2.0-only */
/* For state_read.c and state_troubles.c: the sources that a state is read from, and their maps. */
#ifndef SMTPWARD_STATE_VIEW_H
#define SMTPWARD_STATE_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "pins/found.h"
#include "pins/pins.h"
#include "pins/state.h"

/* The sources: the pins, and for root the links that the kernel has. */
struct state_view {
	struct pins pins; /* closed if there are none */
	struct found found;
	bool found_all; /* all links were looked up: a link that is not here is not attached */
	const struct found_link *link; /* a link of the policy; NULL: none is known */
	uint32_t pinned_gate;	       /* the id of the pinned map_gate; 0: there is none */
	uint64_t root_id;	       /* of the v2 root as this process sees it */
	int root_fd;
	uint32_t fallback_program;  /* of the generation that a trial went back to; 0: not known */
	struct object_hooks *hooks; /* the caller's */
};

/*
 * Opens the sources. Without a pin directory, or with one that is not ours, the attached links
 * decide.
 */
int state_view_open(const char *path, bool try, struct state_view *view, struct reason *reason);
void state_view_close(struct state_view *view);

void state_note(struct state *state, enum state_trouble trouble);

/* A program of the state's generation that is attached: it has all of the generation's maps. */
const struct found_link *state_find_program(const struct state_view *view,
					    const struct state *state);

/* Whether the pin with this name is of the map fd. */
bool state_is_pinned(const struct state_view *view, const struct state *state, const char *name,
		     int fd);

/* Opens a map of the state's generation: by its programs, or by the pin if these are not known. */
int state_open_map(const struct state_view *view, struct state *state, const char *name,
		   size_t value_size, int *ret_fd);

int state_read_map(const struct state_view *view, struct state *state, const char *name,
		   void *value, size_t value_size);

/* state_troubles.c: notes the troubles that the rest of the sources shows. */
int state_read_troubles(const struct state_view *view, struct state *state);

#endif /* SMTPWARD_STATE_VIEW_H */
