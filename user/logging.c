// SPDX-License-Identifier: GPL-2.0-only
/* Streaming violations, with messages; see logging.h. */
#include "logging.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "enforcement.h"
#include "install.h"
#include "leftover.h"
#include "msg.h"
#include "pins.h"
#include "state.h"

enum command_result logging_block_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	if (!sigprocmask(SIG_BLOCK, &signals, NULL))
		return COMMAND_DONE;
	msg_error("cannot block signals: %s", strerror(errno));
	return COMMAND_FAILED;
}

static void say_trouble(void *userdata, int err)
{
	const char *sink_name = userdata;

	if (err)
		msg_warning("cannot write to %s: %s; trying again, what comes meanwhile waits in "
			    "the kernel",
			    sink_name, strerror(-err));
	else
		msg_info("%s takes lines again", sink_name);
}

struct context {
	const char *pins;
	enum command_result lifted;
};

static void lift(void *userdata)
{
	struct context *context = userdata;

	context->lifted = enforcement_lift(context->pins);
}

/*
 * What is amiss, and what can be put back from here is: that takes the rights of a
 * load, so a log without them only says so.
 */
static bool look(void *userdata, char *alert, size_t size, bool *ret_healed)
{
	_cleanup_(state_clear) struct state state = { 0 };
	const char *pins = ((const struct context *)userdata)->pins;
	struct reason reason;
	int err = state_read(pins, true, &state, &reason);

	/* Under change, or taken away as a whole: neither is for an alert. */
	if (err == -EAGAIN || err == -ENOENT || (!err && state_is_whole(&state)))
		return false;
	snprintf(alert, size, "%s", err ? reason.text : state_headline(&state));
	if (err || state.gate_open || install_heal(pins, &reason))
		return true;
	state_clear(&state);
	state = (struct state){ 0 };
	*ret_healed = !state_read(pins, false, &state, &reason) && state_is_whole(&state);
	return true;
}

void logging_drain_left(const char *pins, struct sink *sink, const char *sink_name)
{
	const struct drain_notices notices = { say_trouble, (void *)sink_name };
	struct drain_report report = { 0 };
	struct reason reason;
	int err = leftover_drain(pins ?: PINS_DEFAULT_PATH, sink, &notices, &report, &reason);

	msg_info("from before: %" PRIu64 " lines written to %s, %" PRIu64 " attempts summed up",
		 report.lines, sink_name, report.summed_up);
	if (err)
		msg_warning("not all from before is written: %s; the next load goes on with it",
			    reason.text);
}

enum command_result logging_run(const char *pins, struct sink *sink, const char *sink_name,
				enum logger_hangup hangup, bool lift_at_end, bool *ret_unloaded)
{
	const struct drain_notices notices = { say_trouble, (void *)sink_name };
	struct context context = { pins ?: PINS_DEFAULT_PATH, COMMAND_DONE };
	const struct logger_watch watch = { lift_at_end ? lift : NULL, look, &context };
	_cleanup_(logger_freep) struct logger *logger = NULL;
	enum logger_end end;
	struct reason reason;

	if (logger_open(context.pins, &logger, &reason) ||
	    logger_run(logger, sink, hangup, &notices, &watch, &end, &reason)) {
		msg_error("cannot log: %s", reason.text);
		return COMMAND_FAILED;
	}
	if (end == LOGGER_UNLOADED)
		msg_info("the policy was unloaded: there is nothing more to log");
	if (end == LOGGER_REPLACED)
		msg_info("another version of smtpward has taken over: the log ends, start it "
			 "again");
	*ret_unloaded = end == LOGGER_UNLOADED || lift_at_end;
	return context.lifted;
}
