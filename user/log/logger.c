// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reader of map_events; see logger.h.
 *
 * One loop over a ring buffer, signals and a clock. While the sink cannot take a line, the loop
 * reads nothing: new records wait in the ring buffer, and the kernel counts records that find no
 * room there.
 *
 * map_callers sums up attempts without a line. The line of a sum comes after its count has
 * changed, at most once in SUMMARY_SECONDS, and once at the end.
 */
#include "log/logger.h"

#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "log/drain.h"
#include "log/passed.h"
#include "pins/object.h"
#include "pins/pins.h"

#define SUMMARY_SECONDS 10

/* Makes an alert come within 5 seconds of its cause. */
#define WATCH_SECONDS 2

/* How long the line of an alert that ends the logger may take. */
#define ALERT_SECONDS 5

/* The pause before the next look at a record that a program is still writing. */
#define BUSY_MS 10
/* Alerts that wait while the sink takes none; the last of them is the latest. */
#define LOGGER_DUE 4

/* How long the logger goes on with a trouble of its first look. */
#define PATIENCE_SECONDS 60

/* How often the logger looks at all callers, also at those that nothing was held back from. */
#define SWEEP_SECONDS 600

/* More batches than the largest ring buffer holds, and the time for the last lines. */
#define DRAIN_BATCHES 32
#define DRAIN_NS 10000000000ULL

struct logger {
	struct pins pins;
	int reader_lock;
	int gate_fd;	    /* of map_gate: an unload opens the gate before it removes a pin */
	uint32_t events_id; /* of the map_events that is read */
	struct drain *drain;
	const struct logger_watch *watch;
	enum logger_hangup hangup;
	struct sink *sink;		     /* the caller's */
	char alert[LOGGER_ALERT_SIZE];	     /* the text of the last alert; empty if all is well */
	struct logger_alert due[LOGGER_DUE]; /* alerts that have no line yet, in order */
	size_t n_due;
	struct logger_alert news; /* news without a line yet, or an empty text */
	struct passed passed;
	unsigned int seconds;	    /* since the last summary */
	unsigned int watch_seconds; /* since the last look at enforcement */
	unsigned int sweep_seconds; /* since all callers were looked at */
};

static int logger_lock_reader(struct logger *logger, struct reason *reason)
{
	pid_t holder = 0;
	int r = pins_lock_reader(&logger->pins, &logger->reader_lock, &holder);

	if (r == -EBUSY && holder)
		return reason_set(reason, r, "%s is being read already: by process %d",
				  logger->pins.path, (int)holder);
	if (r == -EBUSY)
		return reason_set(reason, r, "%s is being read already, by another process",
				  logger->pins.path);
	if (r)
		return reason_errno(reason, r, "cannot lock %s for reading", logger->pins.path);
	return 0;
}

/* Reads the id of the map_events that the deciding programs record into. */
static int logger_read_events_id(const struct logger *logger, uint32_t *ret_id)
{
	_cleanup_close_ int fd = -1;
	struct object_shape shape;
	enum object_gate gate;
	uint64_t generation;
	int r = object_read_generation(&logger->pins, &generation, &gate);

	if (r)
		return r;
	r = object_open(&logger->pins, generation, "map_events", &fd);
	if (r)
		return r;
	r = object_read_shape(fd, &shape);
	if (r)
		return r;
	*ret_id = shape.id;
	return 0;
}

static int logger_read_policy(struct logger *logger, uint64_t *ret_generation, uint32_t *ret_abi)
{
	enum object_gate gate;
	int r = object_read_generation(&logger->pins, ret_generation, &gate);

	if (r)
		return r;
	r = object_read_abi(&logger->pins, *ret_generation, ret_abi);
	if (r)
		return r;
	return logger_read_events_id(logger, &logger->events_id);
}

static int logger_open_drain(struct logger *logger, struct reason *reason)
{
	uint64_t generation;
	uint32_t abi;
	int r = logger_read_policy(logger, &generation, &abi);

	if (r == -EPERM)
		return reason_set(reason, r,
				  "cannot open what is pinned in %s: this kernel wants CAP_BPF for "
				  "that",
				  logger->pins.path);
	if (r)
		return reason_errno(reason, r, "cannot tell the policy in %s", logger->pins.path);
	if (abi != SMTPWARD_ABI)
		return reason_set(reason, -EPROTO, OBJECT_FOREIGN_TEXT, logger->pins.path, abi,
				  SMTPWARD_ABI);
	return drain_open(&logger->pins, generation, DRAIN_RECORDING, &logger->drain, reason);
}

int logger_open(const char *pins, struct logger **ret_logger, struct reason *reason)
{
	_cleanup_(logger_freep) struct logger *logger = calloc(1, sizeof(*logger));
	int r;

	if (!logger)
		return reason_errno(reason, -ENOMEM, "cannot open %s", pins);
	logger->pins = (struct pins)PINS_CLOSED;
	logger->reader_lock = -1;
	logger->gate_fd = -1;
	r = pins_open(pins, &logger->pins, reason);
	if (r)
		return r;
	r = logger_lock_reader(logger, reason);
	if (r)
		return r;
	r = object_open_map(&logger->pins, 0, "map_gate", OBJECT_READS,
			    sizeof(struct smtpward_gate), &logger->gate_fd);
	if (r)
		return reason_errno(reason, r,
				    "cannot open %s/map_gate; 'smtpward load' puts it back",
				    logger->pins.path);
	r = logger_open_drain(logger, reason);
	if (r)
		return r;
	*ret_logger = TAKE_PTR(logger);
	return 0;
}

void logger_free(struct logger *logger)
{
	if (!logger)
		return;
	passed_clear(&logger->passed);
	drain_free(logger->drain);
	cleanup_close(&logger->reader_lock);
	cleanup_close(&logger->gate_fd);
	pins_close(&logger->pins);
	free(logger);
}

void logger_freep(struct logger **logger)
{
	logger_free(*logger);
}

/* The loop. */

struct logger_loop {
	int signal_fd;
	int timer_fd;
	bool stop;
	bool unloaded;
	bool lost;
	bool replaced;
	bool alerted;
	unsigned int alerted_seconds;
	unsigned int lost_seconds;
	bool lifted;  /* at the last look: the gate was open */
	bool looked;  /* the first look is over */
	bool patient; /* the alert is that of the first look */
};

static void logger_loop_close(struct logger_loop *loop)
{
	cleanup_close(&loop->signal_fd);
	cleanup_close(&loop->timer_fd);
}

static int logger_loop_open(struct logger_loop *loop)
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

static void logger_loop_take_signals(struct logger *logger, struct logger_loop *loop)
{
	struct signalfd_siginfo info;

	while (read(loop->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		/* A failed reopen is tried again each second. */
		if (info.ssi_signo == SIGHUP && logger->hangup == LOGGER_HANGUP_REOPENS)
			sink_reopen(logger->sink);
		else
			loop->stop = true;
	}
}

static void __attribute__((format(printf, 3, 4)))
logger_tell(struct logger *logger, bool healed, const char *format, ...)
{
	struct logger_alert *due;
	va_list args;

	if (logger->n_due < LOGGER_DUE)
		logger->n_due++;
	due = &logger->due[logger->n_due - 1];
	due->healed = healed;
	va_start(args, format);
	vsnprintf(due->text, sizeof(due->text), format, args);
	va_end(args);
}

/*
 * Looks at enforcement, which repairs what can be repaired. An alert has one line, until its text
 * changes or all is well again; a repair has a line, too. A line waits while the sink takes none.
 */
static void logger_loop_look(struct logger *logger, struct logger_loop *loop)
{
	/* An open gate is no alert. */
	const bool lifted = object_gate_is_open(logger->gate_fd);
	struct logger_alert alert = { .text = "" };
	bool changed, seen = logger->watch->look(logger->watch->userdata, &alert);

	loop->unloaded = alert.lifted;

	/*
	 * An open gate means that an unload is under way, unless the gate was open at the last
	 * look.
	 */
	if (!seen || (lifted && !loop->lifted))
		alert = (struct logger_alert){ .text = "" };
	loop->lifted = lifted;
	changed = alert.text[0] && (alert.healed || strcmp(alert.text, logger->alert));
	if (changed)
		logger_tell(logger, alert.healed, "%s", alert.text);
	if (alert.healed)
		alert.text[0] = '\0';
	loop->alerted = alert.text[0] && alert.ends && logger->watch->until_alert;
	loop->patient = loop->alerted && (!loop->looked || (loop->patient && !changed));
	loop->looked = true;
	if (!loop->alerted)
		loop->alerted_seconds = 0;
	memcpy(logger->alert, alert.text, sizeof(alert.text));
}

/* Writes the news. Returns as drain_alert(). */
static int logger_write_news(struct logger *logger, bool unloaded)
{
	const struct logger_watch *watch = logger->watch;

	while (logger->news.text[0] || watch->news(watch->userdata, unloaded, &logger->news)) {
		int r = drain_alert(logger->drain, logger->news.text, logger->news.healed);

		if (r)
			return r;
		logger->news.text[0] = '\0';
	}
	return 0;
}

/* Writes news and the alerts that are due. Returns as drain_alert(). */
static int logger_write_alert(struct logger *logger)
{
	int r = logger_write_news(logger, false);

	while (!r && logger->n_due) {
		r = drain_alert(logger->drain, logger->due[0].text, logger->due[0].healed);
		if (r)
			return r;
		logger->n_due--;
		memmove(logger->due, logger->due + 1, logger->n_due * sizeof(logger->due[0]));
	}
	return r ? r : passed_write(&logger->passed, &logger->pins, logger->drain);
}

/* Drains everything, as no reader follows. */
static int logger_loop_finish(struct logger *logger, const struct logger_loop *loop,
			      struct reason *reason)
{
	int r = drain_all(logger->drain, DRAIN_NS, reason);

	if (r)
		return r;
	r = logger_write_news(logger, loop->unloaded);
	return r < 0 ? reason_errno(reason, r, "cannot write an alert") : 0;
}

/* Looks at the pins: whether there is still something to read, and to watch. */
static void logger_loop_look_at_pins(struct logger *logger, struct logger_loop *loop)
{
	const bool present = pins_present(&logger->pins);
	uint32_t events_id;

	loop->unloaded = loop->unloaded || (!present && object_gate_is_open(logger->gate_fd));
	loop->lost = !present && !loop->unloaded;
	/* Half-way through a change the read fails: the next second tells then. */
	loop->replaced = present && !logger_read_events_id(logger, &events_id) &&
			 events_id != logger->events_id;
}

/* Goes on with a pin directory that was made again in place of the one that is gone. */
static int logger_enter_again(struct logger *logger)
{
	_cleanup_(pins_close) struct pins pins = PINS_CLOSED;
	_cleanup_close_ int lock = -1;
	struct reason reason;
	pid_t holder;
	int r = pins_open(logger->pins.path, &pins, &reason);

	if (!r)
		r = pins_lock_reader(&pins, &lock, &holder);
	if (r)
		return r;
	cleanup_close(&logger->reader_lock);
	cleanup_close(&logger->pins.fd);
	logger->reader_lock = TAKE_FD(lock);
	logger->pins.fd = TAKE_FD(pins.fd);
	return 0;
}

/* Somebody removed the pins. The programs go on if they are pinned elsewhere, too. */
static void logger_loop_face_loss(struct logger *logger, struct logger_loop *loop)
{
	bool healed;

	logger_loop_look(logger, loop);
	healed = !logger->alert[0] && !logger_enter_again(logger);
	logger_tell(logger, healed, "the pin directory %s is gone, and no unload removed it",
		    logger->pins.path);
	loop->lost = !healed;
}

static void logger_tell_beat(const struct logger *logger)
{
	const struct drain_report report = drain_report(logger->drain);

	logger->watch->beat(logger->watch->userdata, &report);
}

static int logger_loop_take_second(struct logger *logger, struct logger_loop *loop,
				   struct reason *reason)
{
	bool sweep = logger->sweep_seconds >= SWEEP_SECONDS;
	uint64_t seconds;
	int r;

	if (read(loop->timer_fd, &seconds, sizeof(seconds)) != sizeof(seconds))
		return 0;
	sink_tend(logger->sink);
	logger_tell_beat(logger);
	logger_loop_look_at_pins(logger, loop);
	if (loop->lost && !loop->lost_seconds)
		logger_loop_face_loss(logger, loop);
	if (loop->alerted || loop->lost)
		loop->alerted_seconds += seconds;
	loop->lost_seconds = loop->lost ? loop->lost_seconds + 1 : 0;
	logger->watch_seconds += seconds;
	if (logger->watch_seconds >= WATCH_SECONDS && !loop->unloaded && !loop->lost &&
	    !loop->replaced) {
		logger->watch_seconds = 0;
		logger_loop_look(logger, loop);
		r = passed_look(&logger->passed, &logger->pins, logger->drain);
		if (r)
			return reason_errno(reason, r, "cannot count attempts by map_callers in %s",
					    logger->pins.path);
	}
	r = logger_write_alert(logger);
	if (r < 0)
		return reason_errno(reason, r, "cannot write an alert");
	if (r)
		return 0;
	logger->seconds += seconds;
	logger->sweep_seconds += seconds;
	if (logger->seconds < SUMMARY_SECONDS || drain_in_trouble(logger->drain))
		return 0;
	r = drain_summaries(logger->drain, sweep, reason);
	if (r)
		return r < 0 ? r : 0;
	logger->seconds = 0;
	if (sweep)
		logger->sweep_seconds = 0;
	return 0;
}

/*
 * Sleeps until there is something to do. A stuck sink is tried again each second. While the oldest
 * record is busy, the buffer polls readable without a record to read.
 */
static int logger_loop_wait(struct logger *logger, struct logger_loop *loop, bool stuck)
{
	struct pollfd fds[] = {
		{ .fd = loop->signal_fd, .events = POLLIN },
		{ .fd = loop->timer_fd, .events = POLLIN },
		{ .fd = drain_events_fd(logger->drain), .events = POLLIN },
	};
	int timeout = -1;

	if (stuck) {
		fds[2].fd = sink_poll_fd(logger->sink);
		fds[2].events = POLLOUT;
	} else if (drain_is_busy(logger->drain)) {
		fds[2].fd = -1;
		timeout = BUSY_MS;
	}
	while (poll(fds, ARRAY_SIZE(fds), timeout) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/*
 * Drains after a signal. Records that are not written now wait for the next reader. If the policy
 * is lifted at the end, there is no next reader, so the function waits for the sink.
 */
static int logger_loop_drain(struct logger *logger, struct reason *reason)
{
	bool more = true;
	int r;

	if (logger->watch->stopping) {
		logger->watch->stopping(logger->watch->userdata);
		return drain_all(logger->drain, DRAIN_NS, reason);
	}
	for (int i = 0; i < DRAIN_BATCHES && more; i++) {
		r = drain_records(logger->drain, &more, reason);
		if (r)
			return r < 0 ? r : 0;
	}
	r = drain_summaries(logger->drain, false, reason);
	return r < 0 ? r : 0;
}

/*
 * Whether an alert ends the logger. A sink that takes no line does not prevent that: the restart
 * can heal.
 */
static bool logger_loop_is_alerted(const struct logger *logger, const struct logger_loop *loop)
{
	if (loop->patient && !loop->lost)
		return loop->alerted_seconds >= PATIENCE_SECONDS;
	return (loop->alerted || loop->lost_seconds) &&
	       (!logger->n_due || loop->alerted_seconds >= ALERT_SECONDS);
}

static int logger_loop_run(struct logger *logger, struct logger_loop *loop, struct reason *reason)
{
	for (;;) {
		bool more;
		int r = drain_records(logger->drain, &more, reason);
		bool stuck = r > 0;

		if (r < 0)
			return r;
		if (loop->stop || logger_loop_is_alerted(logger, loop))
			return logger_loop_drain(logger, reason);
		if (loop->unloaded || loop->replaced)
			return logger_loop_finish(logger, loop, reason);
		r = logger_loop_wait(logger, loop, stuck);
		if (r)
			return reason_errno(reason, r, "cannot wait for events");
		logger_loop_take_signals(logger, loop);
		r = logger_loop_take_second(logger, loop, reason);
		if (r)
			return r;
	}
}

int logger_run(struct logger *logger, struct sink *sink, enum logger_hangup hangup,
	       const struct drain_notices *notices, const struct logger_watch *watching,
	       enum logger_end *ret_end, struct reason *reason)
{
	_cleanup_(logger_loop_close) struct logger_loop loop = {
		.signal_fd = -1,
		.timer_fd = -1,
	};
	int r = logger_loop_open(&loop);

	if (r)
		return reason_errno(reason, r, "cannot set up the event loop");
	logger->sink = sink;
	logger->watch = watching;
	logger->hangup = hangup;
	r = drain_begin(logger->drain, sink, notices, reason);
	if (r)
		return r;
	watching->begun(watching->userdata);
	r = logger_loop_run(logger, &loop, reason);
	*ret_end = loop.unloaded   ? LOGGER_UNLOADED
		   : loop.lost	   ? LOGGER_LOST
		   : loop.replaced ? LOGGER_REPLACED
		   : loop.alerted  ? LOGGER_ALERTED
				   : LOGGER_STOPPED;
	return r;
}
