/* SPDX-License-Identifier: GPL-2.0-only */
/* For state.c: one reading, which for who is not root may fall into the middle of a load. */
#ifndef SMTPWARD_STATE_READ_H
#define SMTPWARD_STATE_READ_H

#include "pins/state.h"

struct figures;
struct rows;

/* More to read of the same instant; NULL: nobody asks for it. */
struct state_more {
	struct figures *figures;
	struct rows *rows;
};

/* As state_read() and state_watch(), which say more. */
int state_read_once(const char *path, bool try, struct object_hooks *hooks, struct state *ret_state,
		    const struct state_more *more, struct reason *reason);

#endif /* SMTPWARD_STATE_READ_H */
