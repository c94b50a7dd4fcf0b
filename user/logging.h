/* SPDX-License-Identifier: GPL-2.0-only */
/* What log and run have in common: violations streamed to a sink, with messages. */
#ifndef SMTPWARD_LOGGING_H
#define SMTPWARD_LOGGING_H

#include <stdbool.h>

#include "command.h"
#include "logger.h"
#include "sink.h"

/* Blocks the signals that end the logger; before anything that must not be torn. */
enum command_result logging_block_signals(void);

/*
 * Writes what a smtpward of another ABI has left behind, and says what it wrote. Where
 * that fails, it says so: the policy is in force all the same, and the next load tries
 * again.
 */
void logging_drain_left(const char *pins, struct sink *sink, const char *sink_name);

/*
 * Streams until a signal or an unload ends it. sink_name is what messages call the
 * sink. With lift_at_end, a signal lifts enforcement before the last lines are
 * written. *ret_unloaded tells that nothing is in force any more.
 */
enum command_result logging_run(const char *pins, struct sink *sink, const char *sink_name,
				enum logger_hangup hangup, bool lift_at_end, bool *ret_unloaded);

#endif /* SMTPWARD_LOGGING_H */
