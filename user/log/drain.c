// SPDX-License-Identifier: GPL-2.0-only
/* Out of the kernel, each attempt once; see drain.h. */
#include "log/drain.h"

#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "line/line.h"
#include "log/ring.h"
#include "pins/object.h"

/*
 * An entry of map_callers that nobody used for so long is removed, once all its
 * counts have had their line. A program that found it just before the removal
 * makes no difference: the first attempt after so long a time is within the limit,
 * and map_events, which we have just emptied, has room for its record.
 */
#define IDLE_NS 3600000000000ULL

/* Records between two looks at anything else. */
#define BATCH 256

struct drain {
	const char *path; /* for messages */
	int events_fd;
	int callers_fd;
	int rest_fd;
	int reported_fd;
	int counters_fd;
	bool foreign; /* of another ABI: only the counts are known */
	struct ring *ring;
	struct smtpward_note *note; /* in the kernel's memory; our own where it is foreign */
	size_t note_size;	    /* of the mapping, 0 where there is none */
	struct smtpward_note own_note;
	struct sink *sink;
	const struct drain_notices *notices;
	int trouble;	       /* what the sink said last, 0 where it takes lines */
	bool pending;	       /* line is to be written, and is what note says */
	uint64_t pending_next; /* a record's: the position behind it */
	struct line line;
	uint64_t summed_up; /* suppressed + lost when the last summary was complete */
	struct drain_report report;
	/* The one that is looked at, and what of it has had its line; longer where foreign. */
	struct smtpward_caller *caller;
	struct smtpward_reported *reported;
	size_t largest_value;
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Opening. */

static int open_map(struct drain *drain, const struct pins *pins, uint64_t generation,
		    const char *name, enum object_use use, size_t value_size, int *ret_fd)
{
	struct object_shape shape;
	int err = object_open_map(pins, generation, name, use, 0, ret_fd);

	if (!err)
		err = object_read_shape(*ret_fd, &shape);
	if (err || !value_size)
		return err;
	if (shape.key_size > sizeof(struct smtpward_caller_key) || shape.value_size < value_size ||
	    (shape.value_size > value_size && !drain->foreign))
		return -EBADMSG;
	if (shape.value_size > drain->largest_value)
		drain->largest_value = shape.value_size;
	return 0;
}

/* Values of another ABI may be longer than ours; what they begin with is known. */
static int open_maps(struct drain *drain, const struct pins *pins, uint64_t generation,
		     struct reason *reason)
{
	const size_t caller_size = drain->foreign ? sizeof(struct smtpward_caller_counts)
						  : sizeof(struct smtpward_caller);
	const struct {
		const char *name;
		enum object_use use;
		size_t value_size; /* 0 where it is not read as a value of a key */
		int *fd;
	} maps[] = {
		{ "map_events", OBJECT_WRITES, 0, &drain->events_fd },
		{ "map_callers", OBJECT_WRITES, caller_size, &drain->callers_fd },
		{ "map_callers_rest", OBJECT_READS, caller_size, &drain->rest_fd },
		{ "map_reported", OBJECT_WRITES, sizeof(struct smtpward_reported),
		  &drain->reported_fd },
		{ "map_counters", OBJECT_READS, 0, &drain->counters_fd },
	};

	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		int err = open_map(drain, pins, generation, maps[i].name, maps[i].use,
				   maps[i].value_size, maps[i].fd);

		if (err)
			return reason_errno(reason, err, "cannot open %s/%s", pins->path,
					    maps[i].name);
	}
	drain->caller = calloc(1, drain->largest_value);
	drain->reported = calloc(1, drain->largest_value);
	if (!drain->caller || !drain->reported)
		return reason_errno(reason, -ENOMEM, "cannot open %s", pins->path);
	return 0;
}

static int map_note(struct drain *drain, const struct pins *pins, uint64_t generation)
{
	_cleanup_close_ int fd = -1;
	void *note;
	int err;

	if (drain->foreign) {
		drain->note = &drain->own_note;
		return 0;
	}
	err = object_open_map(pins, generation, "map_note", OBJECT_WRITES, sizeof(*drain->note),
			      &fd);
	if (err)
		return err;
	note = mmap(NULL, sizeof(*drain->note), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (note == MAP_FAILED)
		return -errno;
	drain->note = note;
	drain->note_size = sizeof(*drain->note);
	return 0;
}

int drain_open(const struct pins *pins, uint64_t generation, struct drain **ret_drain,
	       struct reason *reason)
{
	_cleanup_(drain_freep) struct drain *drain = calloc(1, sizeof(*drain));
	uint32_t abi;
	int err;

	if (!drain)
		return reason_errno(reason, -ENOMEM, "cannot open %s", pins->path);
	drain->path = pins->path;
	drain->events_fd = drain->callers_fd = drain->rest_fd = -1;
	drain->reported_fd = drain->counters_fd = -1;
	err = object_read_abi(pins, generation, &abi);
	if (err)
		return reason_errno(reason, err, "cannot read %s/map_policy", pins->path);
	drain->foreign = abi != SMTPWARD_ABI;
	err = open_maps(drain, pins, generation, reason);
	if (err)
		return err;
	err = ring_open(drain->events_fd, &drain->ring);
	if (err)
		return reason_errno(reason, err, "cannot read %s/map_events", pins->path);
	err = map_note(drain, pins, generation);
	if (err)
		return reason_errno(reason, err, "cannot map %s/map_note", pins->path);
	*ret_drain = TAKE_PTR(drain);
	return 0;
}

void drain_free(struct drain *drain)
{
	if (!drain)
		return;
	if (drain->note_size)
		munmap(drain->note, drain->note_size);
	free(drain->reported);
	free(drain->caller);
	ring_free(drain->ring);
	cleanup_close(&drain->counters_fd);
	cleanup_close(&drain->reported_fd);
	cleanup_close(&drain->rest_fd);
	cleanup_close(&drain->callers_fd);
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

bool drain_in_trouble(const struct drain *drain)
{
	return drain->trouble;
}

struct drain_report drain_report(const struct drain *drain)
{
	return drain->report;
}

/* One line. */

static void note_kind(struct drain *drain, uint32_t kind)
{
	__atomic_store_n(&drain->note->kind, kind, __ATOMIC_RELEASE);
}

/* What the note says is done once its line is out. */
static int settle(struct drain *drain, uint64_t next)
{
	const struct smtpward_note *note = drain->note;
	int err = 0;

	if (note->kind == SMTPWARD_NOTE_RECORD)
		ring_advance(drain->ring, next);
	if (note->kind == SMTPWARD_NOTE_SUMMARY) {
		*drain->reported = note->reported;
		err = bpf_map_update_elem(drain->reported_fd, &note->key, drain->reported, BPF_ANY);
	}
	if (!err)
		note_kind(drain, SMTPWARD_NOTE_NOTHING);
	return err;
}

/* Where the last reader was killed at a line, its note and receipt tell what to make of it. */
static int settle_last(struct drain *drain)
{
	const struct smtpward_note *note = drain->note;
	struct ring_record record = { 0 };
	int out, found;

	if (note->kind == SMTPWARD_NOTE_NOTHING)
		return 0;
	out = sink_is_out(drain->sink, &note->receipt);
	if (out < 0)
		return out;
	if (note->kind == SMTPWARD_NOTE_RECORD) {
		found = ring_peek(drain->ring, ring_position(drain->ring), &record);
		if (found < 0)
			return found;
		/* It may have got as far as taking the record out. */
		out &= found && note->position == ring_position(drain->ring);
	}
	if (out)
		return settle(drain, record.next);
	note_kind(drain, SMTPWARD_NOTE_NOTHING);
	return 0;
}

int drain_begin(struct drain *drain, struct sink *sink, const struct drain_notices *notices,
		struct reason *reason)
{
	int err;

	drain->sink = sink;
	drain->notices = notices;
	err = settle_last(drain);
	return err ? reason_errno(reason, err, "cannot go on where the last reader ended") : 0;
}

/* The line is on its way from here on, with what is to be done after it. */
static void begin_line(struct drain *drain, uint32_t kind, uint64_t next)
{
	drain->note->receipt.kind = SMTPWARD_RECEIPT_NONE;
	drain->note->position = ring_position(drain->ring);
	note_kind(drain, kind);
	drain->pending_next = next;
	drain->pending = true;
}

/*
 * Tries to get the pending line out: 0 when it is, or there is none; 1 where the sink
 * cannot take it now; -errno. The line stays what it is until then, for a part of it
 * may be out already.
 */
static int write_pending(struct drain *drain)
{
	int err;

	if (!drain->pending)
		return 0;
	err = sink_write(drain->sink, &drain->line, &drain->note->receipt);
	if (err != drain->trouble && err != -EAGAIN) {
		drain->notices->trouble(drain->notices->userdata, err);
		drain->trouble = err;
	}
	if (err)
		return 1;
	drain->pending = false;
	drain->report.lines += drain->line.kind == LINE_ATTEMPT;
	drain->report.summed_up += drain->line.suppressed + drain->line.lost;
	return settle(drain, drain->pending_next);
}

int drain_alert(struct drain *drain, const char *alert, bool healed)
{
	int err = write_pending(drain);

	if (err)
		return err;
	line_from_alert(alert, healed, clock_ns(CLOCK_REALTIME), &drain->line);
	begin_line(drain, SMTPWARD_NOTE_NOTHING, 0);
	err = write_pending(drain);
	return err < 0 ? err : 0;
}

/* Records. */

static int write_record(struct drain *drain, const struct ring_record *record, int64_t offset)
{
	/* What is no record of ours has no line of its own, but it was an attempt. */
	if (line_from_event(record->data, record->size, offset, &drain->line))
		line_from_anyone(0, 1, clock_ns(CLOCK_REALTIME), &drain->line);
	begin_line(drain, SMTPWARD_NOTE_RECORD, record->next);
	return write_pending(drain);
}

static int write_batch(struct drain *drain, bool *ret_more)
{
	int64_t offset = (int64_t)(clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_BOOTTIME));
	int err = write_pending(drain);

	for (int i = 0; i < BATCH && !err; i++) {
		struct ring_record record;
		int found = ring_peek(drain->ring, ring_position(drain->ring), &record);

		if (found <= 0)
			return found;
		err = write_record(drain, &record, offset);
	}
	*ret_more = !err;
	return err;
}

/* Records of another ABI: as many attempts were lost. */
static int lose_records(struct drain *drain)
{
	struct ring_record record = { 0 };
	uint64_t lost = 0;
	int err = write_pending(drain);

	/* Behind what the pending line took out. */
	record.next = ring_position(drain->ring);
	while (!err) {
		int found = ring_peek(drain->ring, record.next, &record);

		if (found < 0)
			return found;
		if (!found)
			break;
		lost++;
	}
	if (err || !lost)
		return err;
	line_from_anyone(0, lost, clock_ns(CLOCK_REALTIME), &drain->line);
	begin_line(drain, SMTPWARD_NOTE_RECORD, record.next);
	return write_pending(drain);
}

int drain_records(struct drain *drain, bool *ret_more, struct reason *reason)
{
	int err;

	*ret_more = false;
	err = drain->foreign ? lose_records(drain) : write_batch(drain, ret_more);
	return err < 0 ? reason_errno(reason, err, "cannot take records out of %s/map_events",
				      drain->path)
		       : err;
}

/* Summaries. */

static void drain_line_from_counts(const struct drain *drain, const struct smtpward_caller_key *key,
				   uint64_t suppressed, uint64_t lost, struct line *ret)
{
	const uint64_t now = clock_ns(CLOCK_REALTIME);
	struct smtpward_caller nameless = { 0 };

	/* Names that make no sense cost the line its names, not its counts. */
	if (key->cgroup_id && !line_from_caller(key, drain->foreign ? &nameless : drain->caller,
						suppressed, lost, now, ret))
		return;
	line_from_anyone(suppressed, lost, now, ret);
}

/* What of the caller's counts has had its line. */
static int read_reported(const struct drain *drain, const struct smtpward_caller_key *key)
{
	int err = bpf_map_lookup_elem(drain->reported_fd, key, drain->reported);

	if (err && err != -ENOENT)
		return err;
	if (err || drain->reported->born_ns != drain->caller->counts.born_ns)
		*drain->reported = (struct smtpward_reported){ 0 };
	return 0;
}

/* The line of drain->caller: 0 where it is out or none is due, 1 or -errno. */
static int sum_up_caller(struct drain *drain, const struct smtpward_caller_key *key)
{
	const struct smtpward_caller_counts *counts = &drain->caller->counts;
	uint64_t suppressed, lost;
	int err = read_reported(drain, key);

	if (err)
		return err;
	suppressed = counts->suppressed - drain->reported->suppressed;
	lost = counts->lost - drain->reported->lost;
	if (!suppressed && !lost)
		return 0;
	drain_line_from_counts(drain, key, suppressed, lost, &drain->line);
	drain->note->key = *key;
	drain->note->reported = (struct smtpward_reported){
		.born_ns = counts->born_ns,
		.suppressed = counts->suppressed,
		.lost = counts->lost,
	};
	begin_line(drain, SMTPWARD_NOTE_SUMMARY, 0);
	return write_pending(drain);
}

/* Where a caller was idle for long, its entry makes room. */
static int forget_idle(struct drain *drain, const struct smtpward_caller_key *key)
{
	const struct smtpward_caller_counts *counts = &drain->caller->counts;
	uint64_t used = counts->next_ns > counts->born_ns ? counts->next_ns : counts->born_ns;
	int err;

	if (clock_ns(CLOCK_MONOTONIC) < used + IDLE_NS)
		return 0;
	err = bpf_map_delete_elem(drain->callers_fd, key);
	if (!err)
		err = bpf_map_delete_elem(drain->reported_fd, key);
	return err == -ENOENT ? 0 : err;
}

static int sum_up_key(struct drain *drain, const struct smtpward_caller_key *key)
{
	int err = bpf_map_lookup_elem(drain->callers_fd, key, drain->caller);

	if (err)
		return err == -ENOENT ? 0 : err;
	err = sum_up_caller(drain, key);
	return err ? err : forget_idle(drain, key);
}

static int sum_up_all(struct drain *drain)
{
	const struct smtpward_caller_key rest = { 0 };
	struct smtpward_caller_key key, next;
	const uint32_t zero = 0;
	int err = bpf_map_lookup_elem(drain->rest_fd, &zero, drain->caller);
	int end;

	if (!err)
		err = sum_up_caller(drain, &rest);
	end = bpf_map_get_next_key(drain->callers_fd, NULL, &next);
	while (!err && !end) {
		key = next;
		/* Before the key may go: what comes behind it can then not be told. */
		end = bpf_map_get_next_key(drain->callers_fd, &key, &next);
		err = sum_up_key(drain, &key);
	}
	return !err && end && end != -ENOENT ? end : err;
}

/* How much there is to sum up in all; always something new where only its sum is known. */
static int read_total(const struct drain *drain, uint64_t *ret_total)
{
	struct smtpward_counters counters;
	int err;

	if (drain->foreign) {
		*ret_total = drain->summed_up + 1;
		return 0;
	}
	err = object_sum_counters(drain->counters_fd, &counters);
	if (!err)
		*ret_total = counters.suppressed + counters.lost;
	return err;
}

int drain_summaries(struct drain *drain, bool sweep, struct reason *reason)
{
	uint64_t total;
	int err = read_total(drain, &total);

	if (!err && total == drain->summed_up && !sweep)
		return 0;
	if (!err)
		err = write_pending(drain);
	if (!err)
		err = sum_up_all(drain);
	if (!err)
		drain->summed_up = total;
	return err < 0 ? reason_errno(reason, err, "cannot sum up %s/map_callers", drain->path)
		       : err;
}

/* All of it. */

int drain_all(struct drain *drain, uint64_t timeout_ns, struct reason *reason)
{
	const uint64_t deadline = clock_ns(CLOCK_MONOTONIC) + timeout_ns;

	for (;;) {
		struct pollfd sink = { .fd = sink_poll_fd(drain->sink), .events = POLLOUT };
		bool more;
		int err = drain_records(drain, &more, reason);

		if (!err && !more)
			err = drain_summaries(drain, true, reason);
		if (err < 0 || (!err && !more))
			return err;
		if (clock_ns(CLOCK_MONOTONIC) > deadline)
			return reason_set(reason, -ETIMEDOUT,
					  "the last records have no line: nobody takes it");
		if (err)
			poll(&sink, 1, 100);
	}
}
