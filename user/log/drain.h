/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Takes the records of one generation out of the kernel, and writes a line for each attempt, or a
 * sum of the attempts without a line: each once, whatever kills the process.
 *
 * Before a line is tried, a note names it; the sink leaves a receipt in the note in the same step
 * that brings the line out. The next process that drains goes by both: see note.h.
 */
#ifndef SMTPWARD_DRAIN_H
#define SMTPWARD_DRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <smtpward/abi.h>

#include "base/reason.h"
#include "pins/pins.h"
#include "sink/sink.h"

/*
 * trouble is called once when the sink cannot take lines because of err, and with err 0 once it
 * can again.
 */
struct drain_notices {
	void (*trouble)(void *userdata, int err);
	void *userdata;
};

struct drain;
struct line;

enum drain_what {
	DRAIN_RECORDING, /* the generation's programs go on recording, and another reader follows */
	/*
	 * Nothing records there any more, and the generation goes once it is drained. So maps that
	 * can be read and not written will do, and entries that make no sense are left out.
	 */
	DRAIN_LAST,
};

/*
 * Opens the maps that a generation records into. The caller keeps pins, and holds the reader's
 * lock. A generation of another ABI can be drained as well. An older ABI's records have their
 * lines if they have our layout; else the records are not understood, and are summed up as lost.
 */
int drain_open(const struct pins *pins, uint64_t generation, enum drain_what what,
	       struct drain **ret_drain, struct reason *reason);

/* With DRAIN_LAST: whether records were left out because they could not be read. */
bool drain_left_out(const struct drain *drain);

/*
 * Goes on where the last process ended. The caller keeps sink and notices. Must come before any
 * line is written.
 */
int drain_begin(struct drain *drain, struct sink *sink, const struct drain_notices *notices,
		struct reason *reason);

/* Polls readable while there are records, even if the oldest record is busy. */
int drain_events_fd(const struct drain *drain);

/* Whether a program was still writing the oldest record at the last look. */
bool drain_is_busy(const struct drain *drain);

/*
 * Writes lines for some of the records: 0, 1 if the sink takes no line now, or -errno. *ret_more:
 * there may be more records at once.
 */
int drain_records(struct drain *drain, bool *ret_more, struct reason *reason);

/*
 * Writes sums for attempts without a line that were not summed up yet; does nothing if the
 * counters did not change. With sweep, the function looks at all callers, and deletes entries that
 * were idle for long; entries of removed tenants are always deleted. Returns as drain_records().
 */
int drain_summaries(struct drain *drain, bool sweep, struct reason *reason);

/* Writes an alert: 0 if its line is out or on its way, 1 if another line is: then call again. */
int drain_alert(struct drain *drain, const char *alert, bool healed);

/* All attempts that had a record, or that there are sums of. 0 or -errno. */
int drain_count_attempts(const struct drain *drain, uint64_t *ret_attempts);

/*
 * Tries to write the line that is on its way: 0 if it is written, or there is none; 1 if the sink
 * cannot take it now; -errno. Until then the same line must be tried: the sink may have a part of
 * it.
 */
int drain_write_pending(struct drain *drain);

/* So many callers have counts at most. */
size_t drain_callers_max(const struct drain *drain);

/* Calls each for every caller that has counts, a user or a tenant, until an answer is not 0. */
int drain_each_caller(struct drain *drain,
		      int (*each)(void *userdata, const struct smtpward_caller_key *key,
				  const struct smtpward_caller_counts *counts),
		      void *userdata);

/* The unit and the cgroup of a caller's tenant; empty if they are not known. */
void drain_name_caller(struct drain *drain, const struct smtpward_caller_key *key,
		       struct line *ret_names);

/* Whether the sink took no line at the last try. */
bool drain_in_trouble(const struct drain *drain);

/*
 * Drains all records and sums; -ETIMEDOUT if the sink takes no line for patience_ns, or not all
 * lines in six times that, or if a program does not finish a record: the reason says what is left.
 */
int drain_all(struct drain *drain, uint64_t patience_ns, struct reason *reason);

/* Lines of attempts, and attempts in sums, since drain_begin(). */
struct drain_report {
	uint64_t lines;
	uint64_t summed_up;
};

struct drain_report drain_report(const struct drain *drain);

void drain_free(struct drain *drain);
void drain_freep(struct drain **drain);

#endif /* SMTPWARD_DRAIN_H */
