// SPDX-License-Identifier: GPL-2.0-only
/* Messages of commands; see msg.h. */
#include "cli/msg.h"

#include <errno.h>
#include <stdarg.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "pins/lock.h"
#include "sink/sink.h"

static enum msg_level msg_level = MSG_INFO;

/* A descriptor that takes messages without waiting; or -1: messages go to stderr, and wait. */
static int msg_fd = -1;

void msg_set_level(enum msg_level level)
{
	msg_level = level;
}

enum msg_level msg_get_level(void)
{
	return msg_level;
}

void msg_never_wait(void)
{
	if (msg_fd < 0)
		msg_fd = sink_stream_own(STDERR_FILENO);
	/* stderr is neither a terminal nor a pipe, or cannot be opened anew. */
	if (msg_fd < 0)
		msg_fd = STDERR_FILENO;
}

static void msg_put(const char *prefix, const char *format, va_list args)
{
	char text[PIPE_BUF];
	int len = snprintf(text, sizeof(text), "smtpward: %s", prefix);

	len += vsnprintf(text + len, sizeof(text) - len, format, args);
	if ((size_t)len > sizeof(text) - 2)
		len = sizeof(text) - 2;
	text[len++] = '\n';
	/* A message that is not taken is lost: there is nobody else to tell. */
	sink_stream_put(msg_fd, text, len);
}

static void msg_print(enum msg_level level, const char *prefix, const char *format, va_list args)
{
	int saved = errno;

	if (level <= msg_level && msg_fd >= 0) {
		msg_put(prefix, format, args);
	} else if (level <= msg_level) {
		flockfile(stderr);
		fprintf(stderr, "smtpward: %s", prefix);
		vfprintf(stderr, format, args);
		fputc('\n', stderr);
		funlockfile(stderr);
	}
	errno = saved;
}

#define MSG(name, level, prefix)                        \
	void name(const char *format, ...)              \
	{                                               \
		va_list args;                           \
                                                        \
		va_start(args, format);                 \
		msg_print(level, prefix, format, args); \
		va_end(args);                           \
	}

MSG(msg_error, MSG_ERROR, "")
MSG(msg_warning, MSG_WARNING, "warning: ")
MSG(msg_info, MSG_INFO, "")

static int msg_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	if (msg_level < MSG_DEBUG || level == LIBBPF_DEBUG)
		return 0;
	return vfprintf(stderr, format, args);
}

static void msg_waits(const char *pins, pid_t holder)
{
	if (holder)
		msg_info("waiting for process %d, which loads or unloads %s", (int)holder, pins);
	else
		msg_info("waiting for who loads or unloads %s", pins);
}

void msg_tell_waits(void)
{
	lock_set_waiting(msg_waits);
}

void msg_capture_libbpf(void)
{
	libbpf_set_print(msg_libbpf);
}
