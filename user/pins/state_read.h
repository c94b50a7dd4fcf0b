/* SPDX-License-Identifier: GPL-2.0-only */
/* For state.c: one reading, which for who is not root may fall into the middle of a load. */
#ifndef SMTPWARD_STATE_READ_H
#define SMTPWARD_STATE_READ_H

#include "pins/state.h"

/* As state_read() and state_watch(), which say more. figures: NULL if nobody asks for them. */
int state_read_once(const char *path, bool try, struct object_hooks *hooks, struct state *ret_state,
		    struct figures *ret_figures, struct reason *reason);

#endif /* SMTPWARD_STATE_READ_H */
