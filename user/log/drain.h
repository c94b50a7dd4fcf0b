/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Takes out of the kernel what one generation's programs recorded, and writes a line
 * for each attempt or a sum of those that got none: each once, whatever kills us.
 *
 * Before a line is tried, a note says which one; the sink leaves a receipt there in the
 * same step that brings the line out. The next to drain goes by both: see note.h.
 */
#ifndef SMTPWARD_DRAIN_H
#define SMTPWARD_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/reason.h"
#include "pins/pins.h"
#include "sink/sink.h"

/* Called when the sink cannot take lines because of err, once until it can again (err 0). */
struct drain_notices {
	void (*trouble)(void *userdata, int err);
	void *userdata;
};

struct drain;

enum drain_what {
	DRAIN_RECORDING, /* the programs of the generation go on, and so does the next reader */
	/*
	 * Nothing is recorded there any more, and it goes when we are through. So what can be
	 * read and not be written to will do, and what makes no sense is left out.
	 */
	DRAIN_LAST,
};

/*
 * Opens what a generation records into. pins stay the caller's, who holds the lock of
 * the reader. A generation of another ABI can be drained as well: an older one's records have
 * their lines, if they are like ours; else what they say is not known, and they are summed up as
 * lost.
 */
int drain_open(const struct pins *pins, uint64_t generation, enum drain_what what,
	       struct drain **ret_drain, struct reason *reason);

/* DRAIN_LAST: whether the records, or the rest of them, could not be read. */
bool drain_left_out(const struct drain *drain);

/*
 * Goes on where the last one ended, with sink and notices, which stay the caller's. To be
 * called before anything is written.
 */
int drain_begin(struct drain *drain, struct sink *sink, const struct drain_notices *notices,
		struct reason *reason);

/* Polls readable while there are records: also while the oldest of them is busy. */
int drain_events_fd(const struct drain *drain);

/* Whether a program was writing the oldest record still when it was last looked at. */
bool drain_is_busy(const struct drain *drain);

/*
 * Lines for some of the records: 0, 1 if the sink takes no line now, or -errno.
 * *ret_more: there may be more at once.
 */
int drain_records(struct drain *drain, bool *ret_more, struct reason *reason);

/*
 * Lines for what got none and was not summed up yet; silent where the counts did not
 * move. With sweep, all callers are looked at, and those forgotten that were idle for
 * long; those of tenants that are gone are in any case. Returns as drain_records().
 */
int drain_summaries(struct drain *drain, bool sweep, struct reason *reason);

/* A line that says so: 0 if it is out or the next to go out, 1 if another one is. */
int drain_alert(struct drain *drain, const char *alert, bool healed);

/* Whether the sink took no line when last asked. */
bool drain_in_trouble(const struct drain *drain);

/*
 * Everything, records and sums; -ETIMEDOUT if the sink takes no line for patience_ns, or not all
 * in six times that, or if a program does not come to the end of a record: the reason says what is
 * left.
 */
int drain_all(struct drain *drain, uint64_t patience_ns, struct reason *reason);

/* Lines written for attempts, and attempts that were summed up, since drain_begin(). */
struct drain_report {
	uint64_t lines;
	uint64_t summed_up;
};

struct drain_report drain_report(const struct drain *drain);

void drain_free(struct drain *drain);
void drain_freep(struct drain **drain);

#endif /* SMTPWARD_DRAIN_H */
