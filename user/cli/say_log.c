// SPDX-License-Identifier: GPL-2.0-only
/* Streams violations, with messages; see say_log.h. */
#include "cli/say_log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/plural.h"
#include "base/span.h"
#include "cli/msg.h"
#include "cli/say_load.h"
#include "cli/say_sinks.h"
#include "host/boottime.h"
#include "load/load.h"
#include "log/leftover.h"
#include "log/notify.h"
#include "pins/instance.h"
#include "pins/object.h"
#include "pins/pins.h"
#include "pins/reader_view.h"
#include "pins/state.h"

enum command_result say_log_block_signals(void)
{
	sigset_t signals;

	/* With the signals blocked, nothing could end a process that waits in a message. */
	msg_never_wait();
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	if (!sigprocmask(SIG_BLOCK, &signals, NULL))
		return COMMAND_DONE;
	msg_error("cannot block signals: %s", strerror(errno));
	return COMMAND_FAILED;
}

void say_log_tell_syslog(void)
{
	char self[PATH_MAX];
	const ssize_t len = readlink("/proc/self/exe", self, sizeof(self));

	/*
	 * journald knows the sender's user and file from the kernel; the sender could choose any
	 * tag.
	 */
	msg_info("violations go to syslog, facility authpriv: journalctl -f _UID=%u _EXE=%.*s",
		 geteuid(), len > 0 ? (int)len : 0, self);
}

/* The service manager is not told more often. */
#define BEAT_SECONDS 5

/* A trial that a look saw running. */
struct say_log_trial {
	uint64_t generation; /* 0: none */
	struct trial is;
	char config[256];
	bool told; /* the line about the near end is out */
};

#define TRIAL_NEAR_SECONDS 60

struct context {
	const struct say_log_options *options;
	struct say_sinks *sinks;
	const char *pins;
	char state[LOGGER_ALERT_SIZE];	      /* the last look's result, for the service manager */
	int trouble;			      /* of the sink */
	char status[LOGGER_ALERT_SIZE + 512]; /* the last status of the service manager */
	unsigned int beats;
	enum command_result lifted;
	struct say_log_trial trial;
	struct logger_alert news[4]; /* messages about a trial, in order */
	size_t n_news;
	struct object_hooks hooks; /* of the last look */
	bool saw;		   /* some look could tell the state */
	unsigned int blind;	   /* looks since then that could not tell */
};

static void say_log_trouble(void *userdata, int err)
{
	struct context *context = userdata;
	const char *sink_name = say_sinks_name(context->sinks);

	context->trouble = err;
	if (err)
		msg_warning("cannot write to %s: %s; trying again, what comes meanwhile waits in "
			    "the kernel",
			    sink_name, err == -EBUSY ? SINK_BUSY_TEXT : strerror(-err));
	else
		msg_info("%s takes lines again", sink_name);
}

static void say_log_lift(void *userdata)
{
	struct context *context = userdata;

	context->lifted = say_load_lift(context->pins, context->options->lift_at_end, NULL);
}

/* The first trouble that deserves an alert, as its text; false if there is none. */
static bool say_log_find_trouble(const struct state *state, struct logger_alert *alert)
{
	char text[STATE_TROUBLE_SIZE];

	for (int i = 0; i < STATE_TROUBLES; i++) {
		/* Not the cgroup: the load said already where the policy is attached. */
		if (!(state->troubles & 1U << i) || i == STATE_SCOPE)
			continue;
		state_describe_trouble(state, i, text, sizeof(text));
		snprintf(alert->text, sizeof(alert->text), "degraded: %s", text);
		alert->ends = STATE_HEALS & 1U << i;
		return true;
	}
	return false;
}

static void __attribute__((format(printf, 3, 4)))
say_log_tell(struct context *context, bool settled, const char *format, ...)
{
	struct logger_alert *news;
	va_list args;

	/* If the sink has taken no line for long, the latest news stays. */
	if (context->n_news < ARRAY_SIZE(context->news))
		context->n_news++;
	news = &context->news[context->n_news - 1];
	*news = (struct logger_alert){ .healed = settled };
	va_start(args, format);
	vsnprintf(news->text, sizeof(news->text), format, args);
	va_end(args);
}

/* Tells what decides after a trial that went back. */
static void say_log_tell_back(struct context *context)
{
	const struct say_log_trial *trial = &context->trial;

	if (trial->is.fallback)
		say_log_tell(context, true,
			     "the trial of %s is over, and was not confirmed: it went back to "
			     "generation %" PRIu64,
			     trial->config, trial->is.fallback);
	else
		say_log_tell(context, false,
			     "the trial of %s is over, and was not confirmed: it went back to "
			     "nothing, and nothing is refused",
			     trial->config);
}

/* Why a trial is not there any more; state: NULL if nothing is loaded. */
static const char *say_log_guess_end(const struct say_log_trial *trial, const struct state *state)
{
	if (!state)
		return "it was unloaded";
	if (state->trial.phase == TRIAL_RUNS && state->trial.fallback == trial->is.fallback &&
	    boottime_now() < trial->is.ends_ns)
		return "another policy is on trial in its place";
	return "another policy was loaded, and this log cannot tell whether the one on trial had "
	       "been confirmed before";
}

/* Tells how a trial ended. state: NULL if nothing is loaded any more. */
static void say_log_end_trial(struct context *context, const struct state *state)
{
	struct say_log_trial *trial = &context->trial;
	const bool same = state && state->attached == trial->generation;
	/* A trial goes back to a confirmed policy, never to another trial. */
	const bool kept = state &&
			  (same ? state->trial.kept : state->trial.fallback == trial->generation);

	if (kept)
		say_log_tell(context, true, "the trial of %s is over: it was confirmed",
			     trial->config);
	else if (same || (state && state->attached == trial->is.fallback) ||
		 (!state && boottime_now() >= trial->is.ends_ns))
		say_log_tell_back(context);
	else
		say_log_tell(context, true, "the trial of %s is over: %s", trial->config,
			     say_log_guess_end(trial, state));
	*trial = (struct say_log_trial){ .generation = 0 };
}

static void say_log_begin_trial(struct context *context, const struct state *state)
{
	const uint64_t left = trial_seconds_left(&state->trial);
	char time[SPAN_SIZE], follows[64] = "to nothing";

	context->trial = (struct say_log_trial){
		.generation = state->attached,
		.is = state->trial,
		.told = left <= TRIAL_NEAR_SECONDS,
	};
	snprintf(context->trial.config, sizeof(context->trial.config), "%.*s",
		 (int)sizeof(state->policy.config) - 1, state->policy.config);
	if (state->trial.fallback)
		snprintf(follows, sizeof(follows), "to generation %" PRIu64, state->trial.fallback);
	span_text(left, time);
	say_log_tell(context, false,
		     "%s is on trial for another %s: without a 'smtpward confirm%s' it goes back "
		     "%s",
		     context->trial.config, time, pins_option(state->origin.pins).text, follows);
}

/* Tells of a trial: its beginning, a minute before its end, and its end, with the result. */
static void say_log_follow_trial(struct context *context, const struct state *state)
{
	struct say_log_trial *trial = &context->trial;
	const bool runs = state && state->trial.phase == TRIAL_RUNS;

	if (trial->generation && (!runs || state->attached != trial->generation))
		say_log_end_trial(context, state);
	if (runs && !trial->generation)
		say_log_begin_trial(context, state);
	if (!runs || trial->told || trial_seconds_left(&state->trial) > TRIAL_NEAR_SECONDS)
		return;
	trial->told = true;
	say_log_tell(context, false,
		     "the trial of %s ends within a minute: 'smtpward confirm%s' keeps it",
		     trial->config, pins_option(state->origin.pins).text);
}

static bool say_log_news(void *userdata, bool unloaded, struct logger_alert *ret_news)
{
	struct context *context = userdata;

	if (unloaded && context->trial.generation)
		say_log_end_trial(context, NULL);
	if (!context->n_news)
		return false;
	*ret_news = context->news[0];
	context->n_news--;
	memmove(context->news, context->news + 1, context->n_news * sizeof(context->news[0]));
	return true;
}

/* Whether a policy may be in force or not: a process that is not root cannot tell. */
static bool say_log_is_blind(int r)
{
	return r == -EACCES || r == -ENOLINK;
}

static int say_log_read_state(struct context *context, struct state *ret_state,
			      struct reason *reason)
{
	int r = state_watch(context->pins, &context->hooks, ret_state, reason);
	struct logger_alert trouble;

	if (say_log_is_blind(r))
		snprintf(context->state, sizeof(context->state),
			 "cannot tell whether it is enforcing");
	else if (r && r != -EAGAIN && r != -ENOENT)
		snprintf(context->state, sizeof(context->state), "not enforcing");
	if (r)
		return r;
	context->saw = true;
	if (!state_is_whole(ret_state) || !say_log_find_trouble(ret_state, &trouble))
		snprintf(context->state, sizeof(context->state), "%s", state_headline(ret_state));
	else
		snprintf(context->state, sizeof(context->state), "%s", trouble.text);
	return 0;
}

static bool say_log_is_whole(struct context *context)
{
	_cleanup_(state_clear) struct state state = { 0 };
	struct reason reason;

	return !state_read(context->pins, false, &state, &reason) && state_is_whole(&state) &&
	       !(state.troubles & STATE_HEALS);
}

/*
 * No alert for a log that never could tell: it said so at its start. Nor for one single look: a
 * load gives the reader its rights only after the switch.
 */
static bool say_log_look_blindly(struct context *context, int r, const struct reason *reason,
				 struct logger_alert *ret_alert)
{
	if (r == -EACCES && (!context->saw || ++context->blind == 1))
		return false;
	*ret_alert = (struct logger_alert){ .ends = true };
	snprintf(ret_alert->text, sizeof(ret_alert->text), "cannot tell: %s", reason->text);
	return true;
}

/* Checks enforcement, and repairs it if we are root; otherwise only reports. */
static bool say_log_look(void *userdata, struct logger_alert *ret_alert)
{
	_cleanup_(state_clear) struct state state = { 0 };
	struct context *context = userdata;
	struct reason reason;
	int r = say_log_read_state(context, &state, &reason);

	/* A load or unload is under way. */
	if (r == -EAGAIN)
		return false;
	if (say_log_is_blind(r))
		return say_log_look_blindly(context, r, &reason, ret_alert);
	context->blind = 0;
	if (!r)
		say_log_follow_trial(context, &state);
	/* Root clears up behind a trial; another user's log ends. */
	if (!r && geteuid() && state_is_lifted(&state)) {
		ret_alert->lifted = true;
		return false;
	}
	*ret_alert = (struct logger_alert){ .ends = true };
	if (r)
		snprintf(ret_alert->text, sizeof(ret_alert->text), "%s", reason.text);
	else if (!state_is_whole(&state))
		snprintf(ret_alert->text, sizeof(ret_alert->text), "%s", state_headline(&state));
	else if (!say_log_find_trouble(&state, ret_alert))
		return false;
	if (!geteuid() && !state.gate_open && ret_alert->ends && !load_heal(context->pins, &reason))
		ret_alert->healed = say_log_is_whole(context);
	return true;
}

/*
 * Messages to a service manager, if there is one; the log goes on if the manager does not listen.
 */

static void say_log_tell_ready(const char *text)
{
	int r = notify_send(text);

	if (r)
		msg_warning("cannot tell the service manager that the log has begun: %s",
			    strerror(-r));
}

static void say_log_begun(void *userdata)
{
	struct context *context = userdata;
	_cleanup_(state_clear) struct state state = { 0 };
	struct reason reason;
	int r = say_log_read_state(context, &state, &reason);

	if (say_log_is_blind(r))
		msg_warning("nobody is told where enforcement ends: %s", reason.text);
	say_log_tell_ready("READY=1");
}

static void say_log_beat(void *userdata, const struct drain_report *report)
{
	struct context *context = userdata;
	char status[sizeof(context->status)], sinks[256];

	say_sinks_follow(context->sinks);
	if (context->beats++ % BEAT_SECONDS)
		return;
	notify_alive();
	say_sinks_describe(context->sinks, sinks, sizeof(sinks));
	snprintf(status, sizeof(status), "STATUS=%s; %" PRIu64 " %s to %s%s%s%s", context->state,
		 report->lines, plural(report->lines, "line", "lines"),
		 say_sinks_name(context->sinks), context->trouble ? ", which takes no more: " : "",
		 context->trouble ? strerror(-context->trouble) : "", sinks);
	if (strcmp(status, context->status) && !notify_send(status))
		memcpy(context->status, status, sizeof(status));
}

static enum command_result say_log_end(const struct context *context, enum logger_end end)
{
	switch (end) {
	case LOGGER_UNLOADED:
		msg_info("the policy was unloaded, or a trial went back to nothing: there is "
			 "nothing more to log");
		break;
	case LOGGER_LOST:
		msg_error("the log ends: the pin directory %s is gone, and no unload removed it; "
			  "'smtpward load' makes it again",
			  context->pins);
		return COMMAND_FAILED;
	case LOGGER_REPLACED:
		msg_error("another version of smtpward has taken over, or a load has begun a new "
			  "buffer: the log ends, start it again");
		return COMMAND_FAILED;
	case LOGGER_ALERTED:
		msg_error("the log ends, since it cannot put this right: %s", context->state);
		return COMMAND_FAILED;
	case LOGGER_STOPPED:
		break;
	}
	return context->lifted;
}

void say_log_drain_left(const char *pins, struct say_sinks *sinks)
{
	struct context context = { .sinks = sinks, .hooks = OBJECT_HOOKS_CLOSED };
	const struct drain_notices notices = { say_log_trouble, &context };
	struct drain_report report = { 0 };
	struct reason reason;
	int r = leftover_drain(pins ?: PINS_DEFAULT_PATH, sinks->sink, &notices, &report, &reason);

	msg_info("from before: %" PRIu64 " %s written to %s, %" PRIu64 " %s summed up",
		 report.lines, plural(report.lines, "line", "lines"), say_sinks_name(sinks),
		 report.summed_up, plural(report.summed_up, "attempt", "attempts"));
	if (r)
		msg_warning("not all from before is written: %s; the next load goes on with it",
			    reason.text);
}

/* Waits a second, or until a signal: true if the signal ends the log. */
static bool say_log_wait_for_end(void)
{
	const struct timespec second = { .tv_sec = 1 };
	sigset_t signals;
	int signal;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	signal = sigtimedwait(&signals, NULL, &second);
	return signal == SIGTERM || signal == SIGINT;
}

/*
 * Nothing is loaded, so a restart would be in vain. A service's own view of the pins is then
 * missing, or is the empty directory of its mount point.
 */
static bool say_log_has_nothing(int r)
{
	return r == -ENOENT || r == -EMEDIUMTYPE;
}

/* Opens the gate of the policy that another log reads: it tells later what became of the policy. */
static void say_log_renew_gate(const char *path, int *fd)
{
	_cleanup_(pins_close) struct pins pins = PINS_CLOSED;
	struct reason reason;
	uint32_t id;
	int now;

	if (pins_open(path, &pins, &reason) || object_open_gate(&pins, OBJECT_READS, &now, &id))
		return;
	cleanup_close(fd);
	*fd = now;
}

/*
 * Waits while another process reads, such as one that a person started. A service that failed for
 * that would be restarted again and again, so this log waits, and goes on when the other reader
 * ends. Returns as logger_open(); or 0 without a logger, and *ret_end: a signal ended the wait, or
 * the policy is gone.
 */
static int say_log_wait(struct context *context, struct logger **ret_logger,
			enum logger_end *ret_end, struct reason *reason)
{
	char text[sizeof(reason->text) + 64];
	_cleanup_close_ int gate_fd = -1;
	bool lifting = false;
	int r;

	say_log_renew_gate(context->pins, &gate_fd);
	msg_warning("%s: this log begins when that one ends", reason->text);
	snprintf(text, sizeof(text), "READY=1\nSTATUS=%s; waits for its end", reason->text);
	say_log_tell_ready(text);
	do {
		if (context->beats++ % BEAT_SECONDS == 0)
			notify_alive();
		if (say_log_wait_for_end())
			return 0;
		r = logger_open(context->pins, ret_logger, reason);
		say_log_renew_gate(context->pins, &gate_fd);
		/*
		 * An unload is half-way: the next look finds the unload complete, or an error to
		 * report.
		 */
		lifting = !lifting && object_gate_is_open(gate_fd);
	} while (r == -EBUSY || (r && lifting && !say_log_has_nothing(r)));
	context->beats = 0;
	if (!say_log_has_nothing(r) || gate_fd < 0)
		return r;
	*ret_end = object_gate_is_open(gate_fd) ? LOGGER_UNLOADED : LOGGER_LOST;
	return 0;
}

static int say_log_stream(struct context *context, enum logger_end *ret_end, struct reason *reason)
{
	const struct say_log_options *options = context->options;
	const struct drain_notices notices = { say_log_trouble, context };
	const struct logger_watch watch = {
		.begun = say_log_begun,
		.stopping = options->lift_at_end ? say_log_lift : NULL,
		.look = say_log_look,
		.news = say_log_news,
		.beat = say_log_beat,
		.userdata = context,
		.until_alert = options->until_alert,
	};
	_cleanup_(logger_freep) struct logger *logger = NULL;
	int r = logger_open(context->pins, &logger, reason);

	*ret_end = LOGGER_STOPPED;
	if (r == -EBUSY && options->until_alert)
		r = say_log_wait(context, &logger, ret_end, reason);
	if (r)
		return r;
	if (logger)
		r = logger_run(logger, context->sinks->sink, options->hangup, &notices, &watch,
			       ret_end, reason);
	say_sinks_end(context->sinks);
	notify_send(!r && *ret_end == LOGGER_UNLOADED ? "STOPPING=1\nSTATUS=unloaded"
						      : "STOPPING=1\nSTATUS=stopped");
	return r;
}

enum command_result say_log_run(const struct say_log_options *options, struct say_sinks *sinks,
				bool *ret_unloaded)
{
	struct context context = {
		.options = options,
		.sinks = sinks,
		.pins = reader_view_choose(options->pins),
		.state = "under change",
		.lifted = COMMAND_DONE,
		.hooks = OBJECT_HOOKS_CLOSED,
	};
	enum logger_end end = LOGGER_STOPPED;
	struct reason reason;
	int r;

	r = say_log_stream(&context, &end, &reason);
	object_hooks_close(&context.hooks);
	if (r) {
		msg_error("cannot log: %s", reason.text);
		/*
		 * A service that failed would be restarted, and the restart would load a policy
		 * that was lifted.
		 */
		return options->until_alert && (say_log_has_nothing(r) || end == LOGGER_UNLOADED)
			       ? COMMAND_NO
			       : COMMAND_FAILED;
	}
	*ret_unloaded = end == LOGGER_UNLOADED || options->lift_at_end;
	return say_log_end(&context, end);
}
