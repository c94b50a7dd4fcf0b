// SPDX-License-Identifier: GPL-2.0-only
/* A screen drawn again and again; see redraw.h. */
#include "cli/redraw.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"

/* xterm's, which every terminal since knows: the second buffer, no cursor, no line wrapped. */
#define REDRAW_ENTER "\033[?1049h\033[?25l\033[?7l"
#define REDRAW_LEAVE "\033[?7h\033[?25h\033[?1049l"
#define REDRAW_CLEAR "\033[H\033[2J"

#define REDRAW_LINES 24
#define REDRAW_COLUMNS 80

static void redraw_fill_signals(sigset_t *set)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH };

	sigemptyset(set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(set, signals[i]);
}

/* A program in the background may not change the terminal: it would be stopped. */
static bool redraw_owns_keys(struct redraw *redraw)
{
	return isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp() &&
	       !tcgetattr(STDIN_FILENO, &redraw->before);
}

static void redraw_enter(struct redraw *redraw)
{
	struct termios keys;

	redraw->keys = redraw_owns_keys(redraw);
	if (redraw->keys) {
		keys = redraw->before;
		keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		keys.c_cc[VMIN] = 0;
		keys.c_cc[VTIME] = 0;
		tcsetattr(STDIN_FILENO, TCSANOW, &keys);
	}
	fputs(REDRAW_ENTER, stdout);
}

static void redraw_leave(struct redraw *redraw)
{
	fputs(REDRAW_LEAVE, stdout);
	fflush(stdout);
	if (redraw->keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &redraw->before);
	redraw->keys = false;
}

int redraw_begin(struct redraw *redraw, struct reason *reason)
{
	sigset_t set;

	if (!isatty(STDOUT_FILENO))
		return reason_set(reason, -ENOTTY,
				  "stdout is no terminal: leave out --watch, or let it have one");
	redraw_fill_signals(&set);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return reason_errno(reason, -errno, "cannot block signals");
	redraw->signals_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (redraw->signals_fd < 0)
		return reason_errno(reason, -errno, "cannot wait for signals");
	redraw_enter(redraw);
	return 0;
}

static struct winsize redraw_size(void)
{
	struct winsize size = { 0 };

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_row || !size.ws_col)
		size = (struct winsize){ .ws_row = REDRAW_LINES, .ws_col = REDRAW_COLUMNS };
	return size;
}

size_t redraw_lines(void)
{
	return redraw_size().ws_row;
}

void redraw_show(const char *text)
{
	const struct winsize size = redraw_size();

	fputs(REDRAW_CLEAR, stdout);
	for (unsigned int line = 0; line < size.ws_row && *text; line++) {
		const size_t len = strcspn(text, "\n");
		const bool whole = len <= size.ws_col;

		/* The end of the last line would move the first one out. */
		printf("%s%.*s%s", line ? "\n" : "", (int)(whole ? len : size.ws_col - 1U), text,
		       whole ? "" : ">");
		text += len + (text[len] == '\n');
	}
}

static void redraw_stop(struct redraw *redraw)
{
	redraw_leave(redraw);
	raise(SIGSTOP);
	redraw_enter(redraw);
}

enum redraw_event {
	REDRAW_NOTHING,
	REDRAW_AGAIN,
	REDRAW_END,
};

static enum redraw_event redraw_read_signal(struct redraw *redraw)
{
	struct signalfd_siginfo info;

	if (read(redraw->signals_fd, &info, sizeof(info)) != sizeof(info))
		return REDRAW_NOTHING;
	if (info.ssi_signo == SIGWINCH)
		return REDRAW_AGAIN;
	if (info.ssi_signo != SIGTSTP)
		return REDRAW_END;
	redraw_stop(redraw);
	return REDRAW_AGAIN;
}

/* The end of the input is nobody's wish: it is asked no more. */
static enum redraw_event redraw_read_key(struct redraw *redraw)
{
	char key;

	if (read(STDIN_FILENO, &key, 1) == 1)
		return key == 'q' || key == 'Q' ? REDRAW_END : REDRAW_NOTHING;
	tcsetattr(STDIN_FILENO, TCSANOW, &redraw->before);
	redraw->keys = false;
	return REDRAW_NOTHING;
}

static int64_t redraw_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A terminal that is gone takes nothing: then nobody looks. */
int redraw_wait(struct redraw *redraw, unsigned int seconds)
{
	const int64_t end = redraw_clock_ms() + seconds * 1000LL;
	enum redraw_event event = REDRAW_NOTHING;

	if (fflush(stdout))
		return 0;
	while (event == REDRAW_NOTHING) {
		struct pollfd fds[] = {
			{ .fd = redraw->signals_fd, .events = POLLIN },
			{ .fd = redraw->keys ? STDIN_FILENO : -1, .events = POLLIN },
		};
		const int64_t left = end - redraw_clock_ms();

		if (left <= 0)
			return 1;
		if (poll(fds, ARRAY_SIZE(fds), (int)left) < 0 && errno != EINTR)
			return 0;
		if (fds[0].revents)
			event = redraw_read_signal(redraw);
		if (event == REDRAW_NOTHING && fds[1].revents)
			event = redraw_read_key(redraw);
	}
	return event == REDRAW_AGAIN;
}

void redraw_end(struct redraw *redraw)
{
	if (redraw->signals_fd < 0)
		return;
	redraw_leave(redraw);
	cleanup_close(&redraw->signals_fd);
	redraw->signals_fd = -1;
}
