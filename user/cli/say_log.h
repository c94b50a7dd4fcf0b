/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by log and run: violations streamed to sinks, with messages. */
#ifndef SMTPWARD_SAY_LOG_H
#define SMTPWARD_SAY_LOG_H

#include <stdbool.h>

#include "cli/command.h"
#include "load/load.h"
#include "log/logger.h"

struct say_sinks;

/*
 * Blocks the signals that end the logger; called before steps that must not be interrupted. No
 * message waits from then on.
 */
enum command_result say_log_block_signals(void);

/*
 * Writes the records that a smtpward of another ABI has left, and says how many lines. A failure
 * is a message only: the policy is in force all the same, and the next load tries again.
 */
void say_log_drain_left(const char *pins, struct say_sinks *sinks);

/* Says where the violations go, for a person who sees none of them here. */
void say_log_tell_syslog(void);

struct say_log_options {
	const char *pins; /* NULL: the default */
	enum logger_hangup hangup;
	/* A signal lifts this load before the last lines are written; NULL: no load. */
	const struct load_id *lift_at_end;
	/*
	 * COMMAND_FAILED if a load, or a new version, helps; COMMAND_NO if nothing is loaded from
	 * the start.
	 */
	bool until_alert;
};

/*
 * Streams until a signal or an unload ends it, and tells a service manager so. *ret_unloaded:
 * nothing is in force any more.
 */
enum command_result say_log_run(const struct say_log_options *options, struct say_sinks *sinks,
				bool *ret_unloaded);

#endif /* SMTPWARD_SAY_LOG_H */
