// SPDX-License-Identifier: GPL-2.0-only
/* Out of the kernel, each attempt once; see drain.h. */
#include "log/drain_steps.h"

#include <poll.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "host/boottime.h"
#include "pins/object.h"
#include "pins/sound.h"

/* Records between two looks at anything else. */
#define BATCH 256

/* How long a program that is writing a record is given before the next look. */
#define BUSY_MS 10

uint64_t drain_clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int drain_fail(const struct drain *drain, int r, const char *doing, struct reason *reason)
{
	const struct {
		const char *name;
		int fd;
	} maps[] = {
		{ "map_events", drain->events_fd },
		{ "map_callers", drain->callers.callers_fd },
		{ "map_tenants", drain->callers.tenants_fd },
		{ "map_reported", drain->callers.reported_fd },
		{ note_name(), drain->note.fd },
	};

	for (size_t i = 0; r == -EPERM && i < ARRAY_SIZE(maps); i++)
		if (maps[i].fd >= 0 && sound_is_frozen(maps[i].fd) > 0)
			return reason_set(reason, r, SOUND_FROZEN_TEXT SOUND_CURE_TEXT, drain->path,
					  maps[i].name);
	if (r == -EBADMSG)
		return reason_set(reason, r, SOUND_POSITION_TEXT SOUND_CURE_TEXT, drain->path,
				  "map_events");
	return reason_errno(reason, r, "%s %s", doing, drain->path);
}

/* Opening. */

static int drain_open_maps(struct drain *drain, const struct pins *pins, uint64_t generation,
			   uint32_t abi, struct reason *reason)
{
	int r = object_open_map(pins, generation, "map_events", OBJECT_WRITES, 0,
				&drain->events_fd);

	if (r)
		return reason_errno(reason, r, "cannot open %s/map_events", pins->path);
	r = object_open_map(pins, generation, "map_counters", OBJECT_READS, 0, &drain->counters_fd);
	if (r)
		return reason_errno(reason, r, "cannot open %s/map_counters", pins->path);
	return callers_open(pins, generation, abi, &drain->callers, reason);
}

static int drain_open_ring(struct drain *drain, struct reason *reason)
{
	const size_t size = drain->old ? SOUND_RECORD_SIZE_1 : SOUND_RECORD_SIZE;
	int r = ring_open(drain->events_fd, drain->strange ? 0 : size, drain->last, &drain->ring);

	if (r == -EBADMSG && drain->last) {
		drain->deaf = true;
		return 0;
	}
	return r ? drain_fail(drain, r, "cannot read map_events in", reason) : 0;
}

static int drain_open_note(struct drain *drain, const struct pins *pins, uint64_t generation,
			   struct reason *reason)
{
	int r;

	if (drain->foreign) {
		note_open_own(&drain->note);
		return 0;
	}
	r = note_open(pins, generation, &drain->note);
	if (r == -EPERM && drain->last) {
		note_open_own(&drain->note);
		return 0;
	}
	return r ? drain_fail(drain, r, "cannot map the note in", reason) : 0;
}

/* Finds a frozen map before the first line needs to write to that map. */
static int drain_check_callers(const struct drain *drain, struct reason *reason)
{
	int frozen = sound_is_frozen(drain->callers.callers_fd);

	if (!frozen)
		frozen = sound_is_frozen(drain->callers.reported_fd);
	if (!frozen && drain->callers.tenants_fd >= 0)
		frozen = sound_is_frozen(drain->callers.tenants_fd);
	if (frozen < 0)
		return reason_errno(reason, frozen, "cannot examine %s/map_reported", drain->path);
	return frozen && !drain->last ? drain_fail(drain, -EPERM, "", reason) : 0;
}

int drain_open(const struct pins *pins, uint64_t generation, enum drain_what what,
	       struct drain **ret_drain, struct reason *reason)
{
	_cleanup_(drain_freep) struct drain *drain = calloc(1, sizeof(*drain));
	uint32_t abi;
	int r;

	if (!drain)
		return reason_errno(reason, -ENOMEM, "cannot open %s", pins->path);
	drain->path = pins->path;
	drain->last = what == DRAIN_LAST;
	drain->events_fd = drain->counters_fd = -1;
	drain->callers = (struct callers)CALLERS_CLOSED;
	note_open_own(&drain->note);
	r = object_read_abi(pins, generation, &abi);
	if (r)
		return reason_errno(reason, r, "cannot read %s/map_policy", pins->path);
	drain->foreign = abi != SMTPWARD_ABI;
	drain->old = abi == SMTPWARD_ABI_EVENT_1;
	drain->strange = !drain->old && (abi < SMTPWARD_ABI_EVENT || abi > SMTPWARD_ABI);
	r = drain_open_maps(drain, pins, generation, abi, reason);
	if (r)
		return r;
	r = drain_check_callers(drain, reason);
	if (r)
		return r;
	r = drain_open_ring(drain, reason);
	if (r)
		return r;
	r = drain_open_note(drain, pins, generation, reason);
	if (r)
		return r;
	*ret_drain = TAKE_PTR(drain);
	return 0;
}

void drain_free(struct drain *drain)
{
	if (!drain)
		return;
	note_close(&drain->note);
	ring_free(drain->ring);
	callers_close(&drain->callers);
	cleanup_close(&drain->counters_fd);
	cleanup_close(&drain->events_fd);
	free(drain);
}

void drain_freep(struct drain **drain)
{
	drain_free(*drain);
}

int drain_events_fd(const struct drain *drain)
{
	return drain->events_fd;
}

bool drain_is_busy(const struct drain *drain)
{
	return drain->busy;
}

bool drain_left_out(const struct drain *drain)
{
	return drain->deaf;
}

bool drain_in_trouble(const struct drain *drain)
{
	return drain->trouble;
}

struct drain_report drain_report(const struct drain *drain)
{
	return drain->report;
}

/* Position of the oldest record, and the record at a position, as ring_peek() has it. */

static uint64_t drain_position(const struct drain *drain)
{
	return drain->ring ? ring_position(drain->ring) : 0;
}

static int drain_peek(struct drain *drain, uint64_t position, struct ring_record *ret_record)
{
	int found = drain->deaf ? RING_NONE : ring_peek(drain->ring, position, ret_record);

	drain->busy = found == RING_BUSY;
	/* No program is left that could be at it. */
	if (drain->last && (found < 0 || found == RING_BUSY)) {
		drain->deaf = true;
		drain->busy = false;
		return RING_NONE;
	}
	return found;
}

/* One line. */

/* Ends a step once its line is out. */
static int drain_settle(struct drain *drain, const struct drain_step *step)
{
	int r = 0;

	if (step->kind == SMTPWARD_NOTE_RECORD)
		ring_advance(drain->ring, step->next);
	if (step->kind == SMTPWARD_NOTE_SUMMARY)
		r = callers_report(&drain->callers, &step->key, &step->reported);
	/* Nobody comes after us who would go by it. */
	if (r && !(r == -EPERM && drain->last))
		return r;
	note_set_kind(&drain->note, SMTPWARD_NOTE_NOTHING);
	return 0;
}

/* The record is out, by the word of the last reader: 1 if it is the oldest one still. */
static int drain_find_last(struct drain *drain, uint64_t position, struct drain_step *step)
{
	struct ring_record record = { 0 };
	int found;

	/* The last reader may have taken the record out, and others may have gone on. */
	if (position != drain_position(drain))
		return 0;
	found = drain_peek(drain, position, &record);
	step->next = record.next;
	return found == RING_RECORD ? 1 : found < 0 ? found : 0;
}

/* Settles the line that the last reader was killed at, by the reader's note and receipt. */
static int drain_settle_last(struct drain *drain)
{
	const struct smtpward_note note = *drain->note.at;
	struct drain_step step = { .kind = note.kind };
	int r;

	if (note.kind == SMTPWARD_NOTE_NOTHING)
		return 0;
	r = sink_is_out(drain->sink, &note.receipt);
	if (r < 0)
		return r;
	if (r && note.kind == SMTPWARD_NOTE_SUMMARY) {
		step.kind = SMTPWARD_NOTE_NOTHING;
		r = callers_report_late(&drain->callers, &note.key, &note.reported);
		if (r && !(r == -EPERM && drain->last))
			return r;
	}
	if (r && note.kind == SMTPWARD_NOTE_RECORD) {
		r = drain_find_last(drain, note.position, &step);
		if (r < 0)
			return r;
	}
	if (!r)
		step.kind = SMTPWARD_NOTE_NOTHING;
	return drain_settle(drain, &step);
}

int drain_begin(struct drain *drain, struct sink *sink, const struct drain_notices *notices,
		struct reason *reason)
{
	int r;

	drain->sink = sink;
	drain->notices = notices;
	r = drain_settle_last(drain);
	if (r)
		return drain_fail(drain, r, "cannot go on where the last reader ended in", reason);
	return 0;
}

void drain_begin_line(struct drain *drain, const struct drain_step *step)
{
	struct smtpward_note *note = drain->note.at;

	note->receipt.kind = SMTPWARD_RECEIPT_NONE;
	note->position = drain_position(drain);
	note->key = step->key;
	note->reported = step->reported;
	note_set_kind(&drain->note, step->kind);
	drain->step = *step;
	drain->pending = true;
}

int drain_write_pending(struct drain *drain)
{
	int r;

	if (!drain->pending)
		return 0;
	r = sink_write(drain->sink, &drain->line, &drain->note.at->receipt);
	if (r != drain->trouble && r != -EAGAIN) {
		drain->notices->trouble(drain->notices->userdata, r);
		drain->trouble = r;
	}
	if (r)
		return 1;
	drain->pending = false;
	drain->written++;
	if (line_is_attempt(&drain->line))
		drain->report.lines++;
	drain->report.summed_up += drain->line.suppressed + drain->line.lost;
	return drain_settle(drain, &drain->step);
}

static const struct drain_step drain_nothing = { .kind = SMTPWARD_NOTE_NOTHING };

int drain_alert(struct drain *drain, const char *alert, bool healed)
{
	int r = drain_write_pending(drain);

	if (r)
		return r;
	line_from_alert(alert, healed, drain_clock_ns(CLOCK_REALTIME), &drain->line);
	drain_begin_line(drain, &drain_nothing);
	r = drain_write_pending(drain);
	return r < 0 ? r : 0;
}

/* Records. */

static int drain_write_record(struct drain *drain, const struct ring_record *record, int64_t offset)
{
	const struct drain_step step = { .kind = SMTPWARD_NOTE_RECORD, .next = record->next };

	int r;

	if (drain->old)
		r = line_from_event_1(record->data, record->size, offset, &drain->line);
	else
		r = line_from_event(record->data, record->size, offset, &drain->line);
	/* A record that is not ours has no line of its own, but was an attempt. */
	if (r)
		line_from_anyone(0, 1, drain_clock_ns(CLOCK_REALTIME), &drain->line);
	drain_begin_line(drain, &step);
	return drain_write_pending(drain);
}

static int drain_write_batch(struct drain *drain, bool *ret_more)
{
	int64_t offset = (int64_t)boottime_to_utc();
	int r = drain_write_pending(drain);

	if (r)
		return r;
	for (int i = 0; i < BATCH; i++) {
		struct ring_record record;
		int found = drain_peek(drain, drain_position(drain), &record);

		if (found != RING_RECORD)
			return found < 0 ? found : 0;
		r = drain_write_record(drain, &record, offset);
		if (r)
			return r;
	}
	*ret_more = true;
	return 0;
}

/* Records that are not known: as many attempts were lost. */
static int drain_lose_records(struct drain *drain)
{
	struct drain_step step = { .kind = SMTPWARD_NOTE_RECORD };
	struct ring_record record = { 0 };
	uint64_t lost = 0;
	int found;
	int r = drain_write_pending(drain);

	if (r)
		return r;
	/* Behind what the pending line took out. */
	record.next = drain_position(drain);
	while ((found = drain_peek(drain, record.next, &record)) == RING_RECORD)
		lost++;
	if (found < 0)
		return found;
	if (!lost)
		return 0;
	step.next = record.next;
	line_from_anyone(0, lost, drain_clock_ns(CLOCK_REALTIME), &drain->line);
	drain_begin_line(drain, &step);
	return drain_write_pending(drain);
}

int drain_records(struct drain *drain, bool *ret_more, struct reason *reason)
{
	int r;

	*ret_more = false;
	r = drain->strange ? drain_lose_records(drain) : drain_write_batch(drain, ret_more);
	return r < 0 ? drain_fail(drain, r, "cannot take records out of map_events in", reason) : r;
}

/* All of it. */

/* Until the sink may take a line, or a program has come to the end of its record. */
static void drain_wait(const struct drain *drain)
{
	struct pollfd sink = { .fd = sink_poll_fd(drain->sink), .events = POLLOUT };

	if (drain->busy)
		poll(NULL, 0, BUSY_MS);
	else
		poll(&sink, 1, 100);
}

/* A sink that takes a line now and then holds up the end, a load's too, so many times at most. */
#define DRAIN_PATIENCES 6

/* Tells what is left without a line, and why: records, sums or an alert. */
static int drain_give_up(struct drain *drain, struct reason *reason)
{
	const char *const why = drain->busy ? "a program does not come to the end of a record"
					    : "the sink does not take them in time";
	struct ring_record record;
	const int records = drain_peek(drain, drain_position(drain), &record);
	const int sums = drain_owes_sums(drain);
	const char *what = sums ? "sums have" : "alert has";

	if (records < 0)
		return drain_fail(drain, records, "cannot take records out of map_events in",
				  reason);
	if (sums < 0)
		return drain_fail(drain, sums, "cannot sum up map_callers in", reason);
	if (records != RING_NONE)
		what = sums ? "records and sums have" : "records have";
	return reason_set(reason, -ETIMEDOUT, "the last %s no line: %s", what, why);
}

int drain_all(struct drain *drain, uint64_t patience_ns, struct reason *reason)
{
	const uint64_t begun = drain_clock_ns(CLOCK_MONOTONIC);
	uint64_t now, since = begun, written = drain->written;

	for (;;) {
		bool more, wait;
		int r = drain_records(drain, &more, reason);

		wait = r || drain->busy;
		if (!wait && !more) {
			r = drain_summaries(drain, true, reason);
			wait = r;
		}
		if (r < 0 || (!wait && !more))
			return r;
		now = drain_clock_ns(CLOCK_MONOTONIC);
		if (drain->written != written)
			since = now;
		written = drain->written;
		if (now - since > patience_ns || now - begun > DRAIN_PATIENCES * patience_ns)
			return drain_give_up(drain, reason);
		if (wait)
			drain_wait(drain);
	}
}
