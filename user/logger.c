// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reader of map_events; see logger.h.
 *
 * One loop over a ring buffer, signals and a clock. While the sink cannot take a
 * line nothing is read: what comes meanwhile waits in the ring buffer, and what
 * finds no room there is counted by the kernel.
 *
 * Attempts without a line are summed up in map_callers. Their lines come after the
 * count has changed, at most once in SUMMARY_SECONDS, and once at the end.
 */
#include "logger.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>

#include <bpf/bpf.h>

#include "cleanup.h"
#include "pinned.h"
#include "pins.h"
#include "ring.h"
#include "violation.h"

#define SUMMARY_SECONDS 10

/* An alert comes within 5 seconds of its cause. */
#define WATCH_SECONDS 2

/*
 * An entry of map_callers that nobody used for so long is removed, once all its
 * counts have had their line. A program that found it just before the removal
 * makes no difference: the first attempt after so long a time is within the limit,
 * and map_events, which we have just emptied, has room for its record.
 */
#define IDLE_NS 3600000000000ULL
#define SWEEP_SECONDS 600

/* Records between two looks at the signals. */
#define BATCH 256

/* More than the largest ring buffer holds, and how long the last lines of all may take. */
#define DRAIN_BATCHES 32
#define DRAIN_NS 10000000000ULL

/* What the line that is on its way stands for, and what is done once it is out. */
enum pending {
	PENDING_NONE,
	PENDING_RECORD,	 /* the record leaves the ring buffer */
	PENDING_SUMMARY, /* the counts are noted as reported */
	PENDING_ALERT,	 /* nothing */
};

struct logger {
	struct pins pins;
	int reader_lock;
	int events_fd;
	int callers_fd;
	int rest_fd;
	int reported_fd;
	struct ring *ring;
	struct sink *sink; /* the caller's */
	const struct logger_notices *notices;
	const struct logger_watch *watch;
	char alert[512]; /* the last one; empty where all is well */
	int trouble;	 /* what the sink said last, 0 where it takes lines */
	int64_t realtime_offset;
	uint64_t summed_up;	    /* suppressed + lost when the last summary was complete */
	unsigned int seconds;	    /* since the last summary */
	unsigned int watch_seconds; /* since the last look at enforcement */
	unsigned int sweep_seconds; /* since all callers were looked at */
	enum logger_hangup hangup;
	enum pending pending;
	struct violation violation;
	struct smtpward_caller_key key; /* of a pending summary */
	struct smtpward_reported reported;
	struct smtpward_caller caller;
};

static int open_maps(struct logger *logger, struct reason *reason)
{
	const struct {
		const char *name;
		size_t value_size;
		int *fd;
	} maps[] = {
		{ "map_events", 0, &logger->events_fd },
		{ "map_callers", sizeof(struct smtpward_caller), &logger->callers_fd },
		{ "map_callers_rest", sizeof(struct smtpward_caller), &logger->rest_fd },
		{ "map_reported", sizeof(struct smtpward_reported), &logger->reported_fd },
	};

	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		int err = pinned_open_map(&logger->pins, 0, maps[i].name, maps[i].value_size,
					  maps[i].fd);

		if (err == -EBADMSG)
			return reason_set(
				reason, err,
				"%s/%s was made by a version of smtpward with another ABI",
				logger->pins.path, maps[i].name);
		if (err)
			return reason_errno(reason, err, "cannot open %s/%s", logger->pins.path,
					    maps[i].name);
	}
	return 0;
}

static int lock_reader(struct logger *logger, struct reason *reason)
{
	pid_t holder = 0;
	int err = pins_lock_reader(&logger->pins, &logger->reader_lock, &holder);

	if (err == -EBUSY && holder)
		return reason_set(reason, err, "%s is being read already: by process %d",
				  logger->pins.path, (int)holder);
	if (err == -EBUSY)
		return reason_set(reason, err, "%s is being read already, by another process",
				  logger->pins.path);
	return err ? reason_errno(reason, err, "cannot lock %s for reading", logger->pins.path) : 0;
}

int logger_open(const char *pins, struct logger **ret_logger, struct reason *reason)
{
	_cleanup_(logger_freep) struct logger *logger = calloc(1, sizeof(*logger));
	int err;

	if (!logger)
		return reason_errno(reason, -ENOMEM, "cannot open %s", pins);
	logger->pins = (struct pins)PINS_CLOSED;
	logger->reader_lock = logger->events_fd = logger->callers_fd = -1;
	logger->rest_fd = logger->reported_fd = -1;
	err = pins_open(pins, &logger->pins, reason);
	if (!err)
		err = lock_reader(logger, reason);
	if (!err)
		err = open_maps(logger, reason);
	if (err)
		return err;
	err = ring_open(logger->events_fd, &logger->ring);
	if (err)
		return reason_errno(reason, err, "cannot read %s/map_events", pins);
	*ret_logger = TAKE_PTR(logger);
	return 0;
}

void logger_free(struct logger *logger)
{
	if (!logger)
		return;
	ring_free(logger->ring);
	cleanup_close(&logger->reported_fd);
	cleanup_close(&logger->rest_fd);
	cleanup_close(&logger->callers_fd);
	cleanup_close(&logger->events_fd);
	cleanup_close(&logger->reader_lock);
	pins_close(&logger->pins);
	free(logger);
}

void logger_freep(struct logger **logger)
{
	logger_free(*logger);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/*
 * Tries to get the pending line out: 0 when it is, or there is none; 1 where the sink
 * cannot take it now; -errno. The line stays what it is until then, for a part of it
 * may be out already.
 */
static int write_pending(struct logger *logger)
{
	enum pending pending = logger->pending;
	int err;

	if (pending == PENDING_NONE)
		return 0;
	err = sink_write(logger->sink, &logger->violation);
	if (err != logger->trouble && err != -EAGAIN) {
		logger->notices->trouble(logger->notices->userdata, err);
		logger->trouble = err;
	}
	if (err)
		return 1;
	logger->pending = PENDING_NONE;
	if (pending == PENDING_SUMMARY)
		return bpf_map_update_elem(logger->reported_fd, &logger->key, &logger->reported,
					   BPF_ANY);
	if (pending == PENDING_RECORD)
		ring_advance(logger->ring);
	return 0;
}

static void prepare_record(struct logger *logger, const void *record, size_t size)
{
	int err = violation_from_event(record, size, logger->realtime_offset, &logger->violation);

	/* What is no record of ours has no line of its own, but it was an attempt. */
	if (err)
		violation_from_anyone(0, 1, clock_ns(CLOCK_REALTIME), &logger->violation);
	logger->pending = PENDING_RECORD;
}

/*
 * Up to a batch of records: 0, 1 where the sink is stuck, or -errno. *ret_more:
 * there may be more at once.
 */
static int write_records(struct logger *logger, bool *ret_more, struct reason *reason)
{
	int err = write_pending(logger);

	*ret_more = false;
	logger->realtime_offset = (int64_t)(clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_BOOTTIME));
	for (int i = 0; i < BATCH && !err; i++) {
		const void *record;
		size_t size;
		int found = ring_peek(logger->ring, &record, &size);

		if (found < 0)
			return reason_errno(reason, found, "cannot read %s/map_events",
					    logger->pins.path);
		if (!found)
			return 0;
		prepare_record(logger, record, size);
		err = write_pending(logger);
	}
	*ret_more = !err;
	return err < 0 ? reason_errno(reason, err, "cannot write %s/map_reported",
				      logger->pins.path)
		       : err;
}

/* The line of one caller: 0 where it is out or none is due, 1 or -errno. */
static int sum_up_caller(struct logger *logger, const struct smtpward_caller_key *key,
			 const struct smtpward_caller *caller)
{
	const uint64_t now = clock_ns(CLOCK_REALTIME);
	struct smtpward_reported reported = { 0 };
	uint64_t suppressed, lost;
	int err = bpf_map_lookup_elem(logger->reported_fd, key, &reported);

	if (err && err != -ENOENT)
		return err;
	if (reported.born_ns != caller->born_ns)
		reported = (struct smtpward_reported){ 0 };
	suppressed = caller->suppressed - reported.suppressed;
	lost = caller->lost - reported.lost;
	if (!suppressed && !lost)
		return 0;
	/* Names that make no sense cost the line its names, not its counts. */
	if (!key->cgroup_id ||
	    violation_from_caller(key, caller, suppressed, lost, now, &logger->violation))
		violation_from_anyone(suppressed, lost, now, &logger->violation);
	logger->key = *key;
	logger->reported.born_ns = caller->born_ns;
	logger->reported.suppressed = caller->suppressed;
	logger->reported.lost = caller->lost;
	logger->pending = PENDING_SUMMARY;
	return write_pending(logger);
}

/* Where a caller was idle for long, its entry makes room. */
static int forget_idle(struct logger *logger, const struct smtpward_caller_key *key,
		       const struct smtpward_caller *caller)
{
	uint64_t used = caller->next_ns > caller->born_ns ? caller->next_ns : caller->born_ns;
	int err;

	/* One that is being made just now has not even a time of birth. */
	if (!caller->born_ns || clock_ns(CLOCK_MONOTONIC) < used + IDLE_NS)
		return 0;
	err = bpf_map_delete_elem(logger->callers_fd, key);
	if (!err)
		err = bpf_map_delete_elem(logger->reported_fd, key);
	return err == -ENOENT ? 0 : err;
}

static int sum_up_key(struct logger *logger, const struct smtpward_caller_key *key)
{
	int err = bpf_map_lookup_elem(logger->callers_fd, key, &logger->caller);

	if (err)
		return err == -ENOENT ? 0 : err;
	err = sum_up_caller(logger, key, &logger->caller);
	return err ? err : forget_idle(logger, key, &logger->caller);
}

static int sum_up_all(struct logger *logger)
{
	const struct smtpward_caller_key rest = { 0 };
	struct smtpward_caller_key key, next;
	const uint32_t zero = 0;
	int err = bpf_map_lookup_elem(logger->rest_fd, &zero, &logger->caller);
	int end;

	if (!err)
		err = sum_up_caller(logger, &rest, &logger->caller);
	end = bpf_map_get_next_key(logger->callers_fd, NULL, &next);
	while (!err && !end) {
		key = next;
		/* Before the key may go: what comes behind it can then not be told. */
		end = bpf_map_get_next_key(logger->callers_fd, &key, &next);
		err = sum_up_key(logger, &key);
	}
	return !err && end && end != -ENOENT ? end : err;
}

/* 0, 1 where the sink is stuck, or -errno. */
static int sum_up(struct logger *logger, struct reason *reason)
{
	struct smtpward_counters counters;
	int err = pinned_read_counters(&logger->pins, &counters);
	uint64_t total;

	/* After an unload there is nothing to ask; what we hold open still counts. */
	total = err ? logger->summed_up + 1 : counters.suppressed + counters.lost;
	if (err && err != -ENOENT)
		return reason_errno(reason, err, "cannot read %s/map_counters", logger->pins.path);
	if (total == logger->summed_up && logger->sweep_seconds < SWEEP_SECONDS)
		return 0;
	err = write_pending(logger);
	if (!err)
		err = sum_up_all(logger);
	if (err < 0)
		return reason_errno(reason, err, "cannot sum up %s/map_callers", logger->pins.path);
	if (err)
		return err;
	logger->summed_up = total;
	logger->sweep_seconds = 0;
	return 0;
}

/* The loop. */

struct loop {
	int signal_fd;
	int timer_fd;
	bool stop;
	bool unloaded;
};

static void loop_close(struct loop *loop)
{
	cleanup_close(&loop->signal_fd);
	cleanup_close(&loop->timer_fd);
}

static int loop_open(struct loop *loop)
{
	const struct itimerspec second = { { 1, 0 }, { 1, 0 } };
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	loop->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (loop->signal_fd < 0)
		return -errno;
	loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (loop->timer_fd < 0 || timerfd_settime(loop->timer_fd, 0, &second, NULL))
		return -errno;
	return 0;
}

static void loop_take_signals(struct logger *logger, struct loop *loop)
{
	struct signalfd_siginfo info;

	while (read(loop->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		int err = 0;

		if (info.ssi_signo == SIGHUP && logger->hangup == LOGGER_HANGUP_REOPENS)
			err = sink_reopen(logger->sink);
		else
			loop->stop = true;
		if (err)
			logger->notices->trouble(logger->notices->userdata, err);
	}
}

/* An alert is said once, until it is another one or all is well again. */
static int watch(struct logger *logger)
{
	char alert[sizeof(logger->alert)];
	bool healed = false;
	int err = write_pending(logger);

	if (err)
		return err;
	if (!logger->watch->look(logger->watch->userdata, alert, sizeof(alert), &healed))
		alert[0] = '\0';
	if (!strcmp(alert, logger->alert))
		return 0;
	memcpy(logger->alert, alert, sizeof(alert));
	if (healed)
		logger->alert[0] = '\0';
	if (!alert[0])
		return 0;
	violation_from_alert(alert, healed, clock_ns(CLOCK_REALTIME), &logger->violation);
	logger->pending = PENDING_ALERT;
	return write_pending(logger);
}

static int loop_take_second(struct logger *logger, struct loop *loop, struct reason *reason)
{
	uint64_t seconds;
	int err;

	if (read(loop->timer_fd, &seconds, sizeof(seconds)) != sizeof(seconds))
		return 0;
	loop->unloaded = !pins_present(&logger->pins);
	logger->watch_seconds += seconds;
	if (logger->watch_seconds >= WATCH_SECONDS && !loop->unloaded) {
		logger->watch_seconds = 0;
		err = watch(logger);
		if (err)
			return err < 0 ? err : 0;
	}
	logger->seconds += seconds;
	logger->sweep_seconds += seconds;
	if (logger->seconds < SUMMARY_SECONDS || logger->trouble)
		return 0;
	err = sum_up(logger, reason);
	if (!err)
		logger->seconds = 0;
	return err < 0 ? err : 0;
}

/* Sleeps until there is something to do. A stuck sink is tried again each second. */
static int loop_wait(struct logger *logger, struct loop *loop, bool stuck)
{
	struct pollfd fds[] = {
		{ .fd = loop->signal_fd, .events = POLLIN },
		{ .fd = loop->timer_fd, .events = POLLIN },
		{ .fd = logger->events_fd, .events = POLLIN },
	};

	if (stuck) {
		fds[2].fd = sink_poll_fd(logger->sink);
		fds[2].events = POLLOUT;
	}
	while (poll(fds, ARRAY_SIZE(fds), -1) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/*
 * The end, by a signal. What is not written now waits for the next reader; where the
 * policy is lifted with us there is none, so then the sink is waited for.
 */
static int loop_drain(struct logger *logger, struct reason *reason)
{
	const uint64_t deadline = clock_ns(CLOCK_MONOTONIC) + DRAIN_NS;
	const bool last = logger->watch->stopping;
	bool more = true;
	int err = 0;

	if (last)
		logger->watch->stopping(logger->watch->userdata);
	for (int i = 0; i < DRAIN_BATCHES || last; i++) {
		struct pollfd sink = { .fd = sink_poll_fd(logger->sink), .events = POLLOUT };

		err = write_records(logger, &more, reason);
		if (err < 0 || (!err && !more) || (err && !last))
			return err < 0 ? err : 0;
		if (clock_ns(CLOCK_MONOTONIC) > deadline)
			return reason_set(reason, -ETIMEDOUT,
					  "the last records have no line: nobody takes it");
		if (err)
			poll(&sink, 1, 100);
	}
	return 0;
}

static int loop_run(struct logger *logger, struct loop *loop, struct reason *reason)
{
	for (;;) {
		bool more;
		int err = write_records(logger, &more, reason);
		bool stuck = err > 0;

		if (err < 0)
			return err;
		if (loop->stop)
			return loop_drain(logger, reason);
		if (loop->unloaded && !more)
			return 0;
		err = loop_wait(logger, loop, stuck);
		if (err)
			return reason_errno(reason, err, "cannot wait for events");
		loop_take_signals(logger, loop);
		err = loop_take_second(logger, loop, reason);
		if (err)
			return err;
	}
}

int logger_run(struct logger *logger, struct sink *sink, enum logger_hangup hangup,
	       const struct logger_notices *notices, const struct logger_watch *watching,
	       enum logger_end *ret_end, struct reason *reason)
{
	_cleanup_(loop_close) struct loop loop = { .signal_fd = -1, .timer_fd = -1 };
	int err = loop_open(&loop);

	if (err)
		return reason_errno(reason, err, "cannot set up the event loop");
	logger->sink = sink;
	logger->notices = notices;
	logger->watch = watching;
	logger->hangup = hangup;
	err = loop_run(logger, &loop, reason);
	if (!err)
		err = sum_up(logger, reason);
	if (err < 0)
		return err;
	*ret_end = loop.unloaded ? LOGGER_UNLOADED : LOGGER_STOPPED;
	return 0;
}
