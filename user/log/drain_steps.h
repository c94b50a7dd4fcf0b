/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by drain.c and drain_sum.c: one line at a time, and the step that ends once it is out. */
#ifndef SMTPWARD_DRAIN_STEPS_H
#define SMTPWARD_DRAIN_STEPS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "line/line.h"
#include "log/callers.h"
#include "log/drain.h"
#include "log/note.h"
#include "log/ring.h"

/* A line, and what is to be done once it is out. */
struct drain_step {
	uint32_t kind; /* SMTPWARD_NOTE_* */
	uint64_t next; /* a record's: the position behind it */
	struct smtpward_caller_key key;
	struct smtpward_reported reported;
};

struct drain {
	const char *path; /* for messages */
	int events_fd;
	int counters_fd;
	bool foreign; /* of another ABI: only the counts are known ... */
	bool strange; /* ... and the records are not known either */
	bool old;     /* the records are of SMTPWARD_ABI_EVENT_1 */
	bool last;    /* see DRAIN_LAST */
	bool deaf;    /* the records cannot be read */
	bool busy;
	struct ring *ring; /* NULL if it is deaf from the start */
	struct callers callers;
	struct note note;
	struct sink *sink;
	const struct drain_notices *notices;
	int trouble;  /* what the sink said last, 0 if it takes lines */
	bool pending; /* line is to be written, and then step to be done */
	struct drain_step step;
	struct line line;
	uint64_t written;   /* lines of any kind */
	uint64_t summed_up; /* suppressed + lost when the last summary was complete */
	uint64_t gone;	    /* tenants that were gone then, and so are their entries */
	struct drain_report report;
};

uint64_t drain_clock_ns(clockid_t clock);

/*
 * r with a reason: what somebody of the reader's group did to these maps is named where it is
 * the cause, with what helps against it.
 */
int drain_fail(const struct drain *drain, int r, const char *doing, struct reason *reason);

/* The line is on its way from here on, with what is to be done after it. */
void drain_begin_line(struct drain *drain, const struct drain_step *step);

/* Whether there are attempts that have no line and are in no sum that is out: 1, 0 or -errno. */
int drain_owes_sums(struct drain *drain);

#endif /* SMTPWARD_DRAIN_STEPS_H */
