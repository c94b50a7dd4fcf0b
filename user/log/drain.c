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

static uint64_t drain_clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Opening. */

static int drain_open_map(struct drain *drain, const struct pins *pins, uint64_t generation,
			  const char *name, enum object_use use, size_t value_size, int *ret_fd)
{
	struct object_shape shape;
	int r = object_open_map(pins, generation, name, use, 0, ret_fd);

	if (r)
		return r;
	r = object_read_shape(*ret_fd, &shape);
	if (r || !value_size)
		return r;
	if (shape.key_size > sizeof(struct smtpward_caller_key) || shape.value_size < value_size ||
	    (shape.value_size > value_size && !drain->foreign))
		return -EBADMSG;
	if (shape.value_size > drain->largest_value)
		drain->largest_value = shape.value_size;
	return 0;
}

/* Values of another ABI may be longer than ours; what they begin with is known. */
static int drain_open_maps(struct drain *drain, const struct pins *pins, uint64_t generation,
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
		int r = drain_open_map(drain, pins, generation, maps[i].name, maps[i].use,
				       maps[i].value_size, maps[i].fd);

		if (r)
			return reason_errno(reason, r, "cannot open %s/%s", pins->path,
					    maps[i].name);
	}
	drain->caller = calloc(1, drain->largest_value);
	drain->reported = calloc(1, drain->largest_value);
	if (!drain->caller || !drain->reported)
		return reason_errno(reason, -ENOMEM, "cannot open %s", pins->path);
	return 0;
}

static int drain_map_note(struct drain *drain, const struct pins *pins, uint64_t generation)
{
	_cleanup_close_ int fd = -1;
	void *note;
	int r;

	if (drain->foreign) {
		drain->note = &drain->own_note;
		return 0;
	}
	r = object_open_map(pins, generation, "map_note", OBJECT_WRITES, sizeof(*drain->note), &fd);
	if (r)
		return r;
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
	int r;

	if (!drain)
		return reason_errno(reason, -ENOMEM, "cannot open %s", pins->path);
	drain->path = pins->path;
	drain->events_fd = drain->callers_fd = drain->rest_fd = -1;
	drain->reported_fd = drain->counters_fd = -1;
	r = object_read_abi(pins, generation, &abi);
	if (r)
		return reason_errno(reason, r, "cannot read %s/map_policy", pins->path);
	drain->foreign = abi != SMTPWARD_ABI;
	r = drain_open_maps(drain, pins, generation, reason);
	if (r)
		return r;
	r = ring_open(drain->events_fd, &drain->ring);
	if (r)
		return reason_errno(reason, r, "cannot read %s/map_events", pins->path);
	r = drain_map_note(drain, pins, generation);
	if (r)
		return reason_errno(reason, r, "cannot map %s/map_note", pins->path);
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

static void drain_note_kind(struct drain *drain, uint32_t kind)
{
	__atomic_store_n(&drain->note->kind, kind, __ATOMIC_RELEASE);
}

/* What the note says is done once its line is out. */
static int drain_settle(struct drain *drain, uint64_t next)
{
	const struct smtpward_note *note = drain->note;
	int r;

	if (note->kind == SMTPWARD_NOTE_RECORD)
		ring_advance(drain->ring, next);
	if (note->kind == SMTPWARD_NOTE_SUMMARY) {
		*drain->reported = note->reported;
		r = bpf_map_update_elem(drain->reported_fd, &note->key, drain->reported, BPF_ANY);
		if (r)
			return r;
	}
	drain_note_kind(drain, SMTPWARD_NOTE_NOTHING);
	return 0;
}

/* Where the last reader was killed at a line, its note and receipt tell what to make of it. */
static int drain_settle_last(struct drain *drain)
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
		if (!found || note->position != ring_position(drain->ring))
			out = 0;
	}
	if (out)
		return drain_settle(drain, record.next);
	drain_note_kind(drain, SMTPWARD_NOTE_NOTHING);
	return 0;
}

int drain_begin(struct drain *drain, struct sink *sink, const struct drain_notices *notices,
		struct reason *reason)
{
	int r;

	drain->sink = sink;
	drain->notices = notices;
	r = drain_settle_last(drain);
	if (r)
		return reason_errno(reason, r, "cannot go on where the last reader ended");
	return 0;
}

/* The line is on its way from here on, with what is to be done after it. */
static void drain_begin_line(struct drain *drain, uint32_t kind, uint64_t next)
{
	drain->note->receipt.kind = SMTPWARD_RECEIPT_NONE;
	drain->note->position = ring_position(drain->ring);
	drain_note_kind(drain, kind);
	drain->pending_next = next;
	drain->pending = true;
}

/*
 * Tries to get the pending line out: 0 when it is, or there is none; 1 where the sink
 * cannot take it now; -errno. The line stays what it is until then, for a part of it
 * may be out already.
 */
static int drain_write_pending(struct drain *drain)
{
	int r;

	if (!drain->pending)
		return 0;
	r = sink_write(drain->sink, &drain->line, &drain->note->receipt);
	if (r != drain->trouble && r != -EAGAIN) {
		drain->notices->trouble(drain->notices->userdata, r);
		drain->trouble = r;
	}
	if (r)
		return 1;
	drain->pending = false;
	if (drain->line.kind == LINE_ATTEMPT)
		drain->report.lines++;
	drain->report.summed_up += drain->line.suppressed + drain->line.lost;
	return drain_settle(drain, drain->pending_next);
}

int drain_alert(struct drain *drain, const char *alert, bool healed)
{
	int r = drain_write_pending(drain);

	if (r)
		return r;
	line_from_alert(alert, healed, drain_clock_ns(CLOCK_REALTIME), &drain->line);
	drain_begin_line(drain, SMTPWARD_NOTE_NOTHING, 0);
	r = drain_write_pending(drain);
	return r < 0 ? r : 0;
}

/* Records. */

static int drain_write_record(struct drain *drain, const struct ring_record *record, int64_t offset)
{
	/* What is no record of ours has no line of its own, but it was an attempt. */
	if (line_from_event(record->data, record->size, offset, &drain->line))
		line_from_anyone(0, 1, drain_clock_ns(CLOCK_REALTIME), &drain->line);
	drain_begin_line(drain, SMTPWARD_NOTE_RECORD, record->next);
	return drain_write_pending(drain);
}

static int drain_write_batch(struct drain *drain, bool *ret_more)
{
	int64_t offset = (int64_t)(drain_clock_ns(CLOCK_REALTIME) - drain_clock_ns(CLOCK_BOOTTIME));
	int r = drain_write_pending(drain);

	if (r)
		return r;
	for (int i = 0; i < BATCH; i++) {
		struct ring_record record;
		int found = ring_peek(drain->ring, ring_position(drain->ring), &record);

		if (found <= 0)
			return found;
		r = drain_write_record(drain, &record, offset);
		if (r)
			return r;
	}
	*ret_more = true;
	return 0;
}

/* Records of another ABI: as many attempts were lost. */
static int drain_lose_records(struct drain *drain)
{
	struct ring_record record = { 0 };
	uint64_t lost = 0;
	int r = drain_write_pending(drain);

	if (r)
		return r;
	/* Behind what the pending line took out. */
	record.next = ring_position(drain->ring);
	for (;;) {
		int found = ring_peek(drain->ring, record.next, &record);

		if (found < 0)
			return found;
		if (!found)
			break;
		lost++;
	}
	if (!lost)
		return 0;
	line_from_anyone(0, lost, drain_clock_ns(CLOCK_REALTIME), &drain->line);
	drain_begin_line(drain, SMTPWARD_NOTE_RECORD, record.next);
	return drain_write_pending(drain);
}

int drain_records(struct drain *drain, bool *ret_more, struct reason *reason)
{
	int r;

	*ret_more = false;
	r = drain->foreign ? drain_lose_records(drain) : drain_write_batch(drain, ret_more);
	if (r < 0)
		return reason_errno(reason, r, "cannot take records out of %s/map_events",
				    drain->path);
	return r;
}

/* Summaries. */

static void drain_line_from_counts(const struct drain *drain, const struct smtpward_caller_key *key,
				   uint64_t suppressed, uint64_t lost, struct line *ret)
{
	const uint64_t now = drain_clock_ns(CLOCK_REALTIME);
	struct smtpward_caller nameless = { 0 };

	/* Names that make no sense cost the line its names, not its counts. */
	if (key->cgroup_id && !line_from_caller(key, drain->foreign ? &nameless : drain->caller,
						suppressed, lost, now, ret))
		return;
	line_from_anyone(suppressed, lost, now, ret);
}

/* What of the caller's counts has had its line. */
static int drain_read_reported(const struct drain *drain, const struct smtpward_caller_key *key)
{
	int r = bpf_map_lookup_elem(drain->reported_fd, key, drain->reported);

	if (r && r != -ENOENT)
		return r;
	if (r || drain->reported->born_ns != drain->caller->counts.born_ns)
		*drain->reported = (struct smtpward_reported){ 0 };
	return 0;
}

/* The line of drain->caller: 0 where it is out or none is due, 1 or -errno. */
static int drain_sum_up_caller(struct drain *drain, const struct smtpward_caller_key *key)
{
	const struct smtpward_caller_counts *counts = &drain->caller->counts;
	uint64_t suppressed, lost;
	int r = drain_read_reported(drain, key);

	if (r)
		return r;
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
	drain_begin_line(drain, SMTPWARD_NOTE_SUMMARY, 0);
	return drain_write_pending(drain);
}

/* Where a caller was idle for long, its entry makes room. */
static int drain_forget_idle(struct drain *drain, const struct smtpward_caller_key *key)
{
	const struct smtpward_caller_counts *counts = &drain->caller->counts;
	uint64_t used = counts->next_ns > counts->born_ns ? counts->next_ns : counts->born_ns;
	int r;

	if (drain_clock_ns(CLOCK_MONOTONIC) < used + IDLE_NS)
		return 0;
	r = bpf_map_delete_elem(drain->callers_fd, key);
	if (!r)
		r = bpf_map_delete_elem(drain->reported_fd, key);
	return r == -ENOENT ? 0 : r;
}

static int drain_sum_up_key(struct drain *drain, const struct smtpward_caller_key *key)
{
	int r = bpf_map_lookup_elem(drain->callers_fd, key, drain->caller);

	if (r)
		return r == -ENOENT ? 0 : r;
	r = drain_sum_up_caller(drain, key);
	if (r)
		return r;
	return drain_forget_idle(drain, key);
}

static int drain_sum_up_all(struct drain *drain)
{
	const struct smtpward_caller_key rest = { 0 };
	struct smtpward_caller_key key, next;
	const uint32_t zero = 0;
	int r = bpf_map_lookup_elem(drain->rest_fd, &zero, drain->caller);
	int end;

	if (r)
		return r;
	r = drain_sum_up_caller(drain, &rest);
	if (r)
		return r;
	end = bpf_map_get_next_key(drain->callers_fd, NULL, &next);
	while (!end) {
		key = next;
		/* Before the key may go: what comes behind it can then not be told. */
		end = bpf_map_get_next_key(drain->callers_fd, &key, &next);
		r = drain_sum_up_key(drain, &key);
		if (r)
			return r;
	}
	return end == -ENOENT ? 0 : end;
}

/* How much there is to sum up in all; always something new where only its sum is known. */
static int drain_read_total(const struct drain *drain, uint64_t *ret_total)
{
	struct smtpward_counters counters;
	int r;

	if (drain->foreign) {
		*ret_total = drain->summed_up + 1;
		return 0;
	}
	r = object_sum_counters(drain->counters_fd, &counters);
	if (r)
		return r;
	*ret_total = counters.suppressed + counters.lost;
	return 0;
}

static int drain_sum_up_due(struct drain *drain, bool sweep)
{
	uint64_t total;
	int r = drain_read_total(drain, &total);

	if (r)
		return r;
	if (total == drain->summed_up && !sweep)
		return 0;
	r = drain_write_pending(drain);
	if (r)
		return r;
	r = drain_sum_up_all(drain);
	if (r)
		return r;
	drain->summed_up = total;
	return 0;
}

int drain_summaries(struct drain *drain, bool sweep, struct reason *reason)
{
	int r = drain_sum_up_due(drain, sweep);

	if (r < 0)
		return reason_errno(reason, r, "cannot sum up %s/map_callers", drain->path);
	return r;
}

/* All of it. */

int drain_all(struct drain *drain, uint64_t timeout_ns, struct reason *reason)
{
	const uint64_t deadline = drain_clock_ns(CLOCK_MONOTONIC) + timeout_ns;

	for (;;) {
		struct pollfd sink = { .fd = sink_poll_fd(drain->sink), .events = POLLOUT };
		bool more;
		int r = drain_records(drain, &more, reason);

		if (!r && !more)
			r = drain_summaries(drain, true, reason);
		if (r < 0 || (!r && !more))
			return r;
		if (drain_clock_ns(CLOCK_MONOTONIC) > deadline)
			return reason_set(reason, -ETIMEDOUT,
					  "the last records have no line: nobody takes it");
		if (r)
			poll(&sink, 1, 100);
	}
}
