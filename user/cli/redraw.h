/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A screen that is drawn again and again, in the terminal's second buffer: what stood there before
 * comes back at the end, however that comes.
 */
#ifndef SMTPWARD_REDRAW_H
#define SMTPWARD_REDRAW_H

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

#include "base/reason.h"

struct redraw {
	int signals_fd; /* -1: it is not open */
	bool keys;	/* stdin is a terminal of ours, and keys come at once */
	struct termios before;
};

#define REDRAW_CLOSED            \
	{                        \
		.signals_fd = -1 \
	}

/* -ENOTTY if stdout is no terminal. Blocks the signals that end or stop a program. */
int redraw_begin(struct redraw *redraw, struct reason *reason);

/* How many lines the screen has. */
size_t redraw_lines(void);

/*
 * Draws a text of printable ASCII: as many lines as the screen has, each cut at its right edge,
 * where '>' says so.
 */
void redraw_show(const char *text);

/*
 * Waits until it is time to draw again: 1. 0: somebody wants it to end, by q, ^C
 * or another signal. A ^Z stops the program as it would any, and the terminal is as it was
 * meanwhile.
 */
int redraw_wait(struct redraw *redraw, unsigned int seconds);

/* The terminal as it was. */
void redraw_end(struct redraw *redraw);

#endif /* SMTPWARD_REDRAW_H */
