/* SPDX-License-Identifier: GPL-2.0-only */
/* The places that the lines of a log go to, and the messages about them. */
#ifndef SMTPWARD_SAY_SINKS_H
#define SMTPWARD_SAY_SINKS_H

#include <stdint.h>

#include "cli/command.h"
#include "sink/sink.h"

struct say_sinks {
	struct sink *sink;   /* all sinks as one: the first is the account */
	const char **names;  /* as given */
	struct say_sink *of; /* the last messages about each */
	size_t n;
};

#define SAY_SINKS_CLOSED     \
	{                    \
		.sink = NULL \
	}

/* The caller keeps the names. COMMAND_BAD_INPUT if a place is named twice. */
enum command_result say_sinks_open(const char *const *names, size_t n, struct say_sinks *ret);
void say_sinks_close(struct say_sinks *sinks);

/* The account's name in messages. */
const char *say_sinks_name(const struct say_sinks *sinks);

/* Called each second: tells of changes. */
void say_sinks_follow(struct say_sinks *sinks);

/* Called at the end: tries once more, and tells of lines missed since the last message. */
void say_sinks_end(struct say_sinks *sinks);

/* "; 2 not to FILE", or nothing. */
void say_sinks_describe(const struct say_sinks *sinks, char *dst, size_t size);

#endif /* SMTPWARD_SAY_SINKS_H */
