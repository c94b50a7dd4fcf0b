// SPDX-License-Identifier: GPL-2.0-only
/* Messages of commands; see msg.h. */
#include "cli/msg.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <bpf/libbpf.h>

#include "pins/lock.h"

static enum msg_level msg_level = MSG_INFO;

void msg_set_level(enum msg_level level)
{
	msg_level = level;
}

enum msg_level msg_get_level(void)
{
	return msg_level;
}

static void msg_print(enum msg_level level, const char *prefix, const char *format, va_list args)
{
	int saved = errno;

	if (level <= msg_level) {
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
