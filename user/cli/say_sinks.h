/* SPDX-License-Identifier: GPL-2.0-only */
/* Where the lines of a log go, one place or several, and what a person is told of them. */
#ifndef SMTPWARD_SAY_SINKS_H
#define SMTPWARD_SAY_SINKS_H

#include <stdint.h>

#include "cli/command.h"
#include "sink/sink.h"

struct say_sinks {
	struct sink *sink;   /* all of them as one: the first is the account */
	const char **names;  /* as they were asked for */
	struct say_sink *of; /* what was said of each */
	size_t n;
};

#define SAY_SINKS_CLOSED     \
	{                    \
		.sink = NULL \
	}

/* Names stay the caller's. COMMAND_BAD_INPUT where one of them stands twice. */
enum command_result say_sinks_open(const char *const *names, size_t n, struct say_sinks *ret);
void say_sinks_close(struct say_sinks *sinks);

/* What messages call the account. */
const char *say_sinks_name(const struct say_sinks *sinks);

/* For each second: says what has changed. */
void say_sinks_follow(struct say_sinks *sinks);

/* For the end: tries once more, and says what was missed since it was said last. */
void say_sinks_end(struct say_sinks *sinks);

/* "; 2 lines not to FILE", or nothing. */
void say_sinks_describe(const struct say_sinks *sinks, char *dst, size_t size);

#endif /* SMTPWARD_SAY_SINKS_H */
