/* SPDX-License-Identifier: GPL-2.0-only */
/* What log and run have in common: violations streamed to sinks, with messages. */
#ifndef SMTPWARD_SAY_LOG_H
#define SMTPWARD_SAY_LOG_H

#include <stdbool.h>

#include "cli/command.h"
#include "load/load.h"
#include "log/logger.h"

struct say_sinks;

/*
 * Blocks the signals that end the logger; before anything that must not be torn. No message
 * waits from then on.
 */
enum command_result say_log_block_signals(void);

/*
 * Writes what a smtpward of another ABI has left behind, and says what it wrote. Where
 * that fails, it says so: the policy is in force all the same, and the next load tries
 * again.
 */
void say_log_drain_left(const char *pins, struct say_sinks *sinks);

/* Where to look, for who sees nothing of it here. */
void say_log_tell_syslog(void);

struct say_log_options {
	const char *pins; /* NULL: the default */
	enum logger_hangup hangup;
	/* A signal lifts this load before the last lines are written; NULL: nothing is. */
	const struct load_id *lift_at_end;
	/*
	 * COMMAND_FAILED where a load, or a new version, is what helps, and COMMAND_NO where
	 * nothing is loaded to begin with.
	 */
	bool until_alert;
};

/*
 * Streams until a signal or an unload ends it, and tells a service manager so.
 * *ret_unloaded tells that nothing is in force any more.
 */
enum command_result say_log_run(const struct say_log_options *options, struct say_sinks *sinks,
				bool *ret_unloaded);

#endif /* SMTPWARD_SAY_LOG_H */
