/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where lines go. A sink takes one line at a time and says what became of it;
 * it never drops one, never waits and never logs. SIGPIPE and SIGXFSZ are the
 * caller's to ignore.
 */
#ifndef SMTPWARD_SINK_H
#define SMTPWARD_SINK_H

#include <stdbool.h>

#include "line/line.h"

struct sink;

/* What sink_open() takes, for people: the names of its table, and a file for any other. */
#define SINK_SPECS "syslog|journal|stderr|json|FILE"
#define SINK_SYSLOG "syslog"
#define SINK_JOURNAL "journal"
#define SINK_STDERR "stderr"

/* A name of SINK_SPECS, or the path of a file. Returns as the function of that sink. */
int sink_open(const char *spec, struct sink **ret_sink);

/*
 * Whether a line to both would be twice in one place: one name, or the machine's log where that is
 * the journal, and the journal, or two paths of one file that is there.
 */
bool sink_same_place(const char *a, const char *b);

/* SINK_SYSLOG, or SINK_STDERR where there is no syslog. */
const char *sink_default(void);

/*
 * What each kind of sink is made of.
 *
 * write: 0 when the line is out of our hands; -EAGAIN when the sink cannot take it
 *   now and the same line is to be tried again; another -errno when it is broken
 *   now (socket gone, disk full): also to be tried again, after a pause. A line is
 *   written whole or not at all. What is tried again has to be the same line,
 *   unchanged: part of it may be out already, and then write goes on from there.
 *   receipt is memory that may outlive the process, and tells whoever finds it there
 *   whether the line is out: what says so has to change in the same system call that
 *   brings it out. A sink that has no such call leaves it alone.
 * is_out: what a receipt says that such a sink left: 1 out, 0 not or not such a receipt,
 *   -errno. What there is of a line that is not out is taken back. NULL if the sink
 *   leaves none, or one that says it by itself: then the table of sink_open() has that.
 * poll_fd: a descriptor that polls writable when a write that said -EAGAIN may be
 *   tried again, or -1 if only time helps. NULL: never anything but time.
 * reopen: for a log that was rotated away, or a daemon that was replaced. 0 or
 *   -errno; what was open stays open then. NULL: there is nothing to do.
 * where: the name that the file has now which lines go to; 0 or -errno. NULL: it is no file.
 * tend: for each second, to try again what did not work but a write. NULL: there is nothing.
 */
struct sink_ops {
	const char *name;
	int (*write)(struct sink *sink, const struct line *line, struct smtpward_receipt *receipt);
	int (*is_out)(struct sink *sink, const struct smtpward_receipt *receipt);
	int (*poll_fd)(struct sink *sink);
	int (*reopen)(struct sink *sink);
	int (*where)(struct sink *sink, char *dst, size_t size);
	void (*tend)(struct sink *sink);
	void (*free)(struct sink *sink);
};

struct sink {
	const struct sink_ops *ops;
};

/* The datagram socket of the machine's syslog daemon, and what journald has. */
#define SINK_SYSLOG_PATH "/dev/log"
#define SINK_JOURNALD_LOG_PATH "/run/systemd/journal/dev-log"
#define SINK_JOURNALD_PATH "/run/systemd/journal/socket"

/*
 * Syslog by its datagram socket, RFC 3164, facility authpriv, with sink_priority(), tag
 * "smtpward[pid]". The time in the header is the call's, local. Opening succeeds where path
 * does not exist yet: write says so then. -ENAMETOOLONG if path does not fit a socket
 * address.
 */
int sink_syslog_open(const char *path, struct sink **ret);

/* journald by its own socket: the line as MESSAGE, and a field SMTPWARD_NAME for each of its. */
int sink_journal_open(const char *path, struct sink **ret);

/* The machine's log: as the journal where log and journald_log are one, else as syslog. */
struct sink_machine_paths {
	const char *log;
	const char *journald_log;
	const char *journald_socket;
};

bool sink_machine_is_journalds(const struct sink_machine_paths *paths);

/* paths are not copied. */
int sink_machine_open(const struct sink_machine_paths *paths, struct sink **ret);

/*
 * A file, appended to, made with mode 0600 and locked. -EINVAL if it is not a regular
 * file, -ELOOP if it is a symbolic link, -EPERM if others than root and our own user
 * may write to it or replace it, -EBUSY if another process has its lock.
 */
int sink_file_open(const char *path, struct sink **ret);

/* What to say of -EBUSY, also where it comes of sink_reopen(). */
#define SINK_BUSY_TEXT "another smtpward writes to it"

/*
 * A descriptor that is not closed: the text form to stderr, JSON to stdout. It is shared with
 * others, and whether it blocks is theirs to say; write never does. See sink_stream_own().
 */
int sink_stream_open(int fd, bool json, struct sink **ret);

/*
 * Another descriptor of the same terminal or pipe, of our own, with which nothing blocks; or
 * -errno, -EINVAL if it is neither of the two, -EBADF if nothing can be written to fd.
 */
int sink_stream_own(int fd);

/*
 * As write(2), for what sink_stream_own() gave or else for fd itself, at most PIPE_BUF bytes:
 * the number, or -EAGAIN if it would have blocked, or another -errno.
 */
int sink_stream_put(int fd, const char *text, size_t len);

struct sink_outlet {
	const char *name; /* stays the caller's */
	struct sink *sink;
};

/*
 * Several sinks: the first one is the account, whose word counts. Each of the others gets a line
 * once the first one has it, as far as it can take it at once, and counts what it does not. It
 * owns them from then on; on failure they stay the caller's.
 */
int sink_tee_open(const struct sink_outlet *outlets, size_t n, struct sink **ret);

struct sink_outlet_state {
	int reopen;	 /* why it could not be opened again, which is tried each second; 0 */
	int trouble;	 /* why it takes no line, where it is not the account; 0 */
	uint64_t missed; /* lines */
	bool holds;	 /* one more, which it may still get */
	char where[256]; /* with reopen: the file that lines go to meanwhile, or empty */
};

/* Of the i-th sink of a tee. */
void sink_tee_look(const struct sink *sink, size_t i, struct sink_outlet_state *ret);

/* receipt may be NULL, where nobody is going to ask for it. */
int sink_write(struct sink *sink, const struct line *line, struct smtpward_receipt *receipt);

/*
 * Whether a line of a process that is gone is out: 1, or 0 if it is not or cannot be
 * told, as of a stream, or of a file that is not this sink's. -errno.
 */
int sink_is_out(struct sink *sink, const struct smtpward_receipt *receipt);
int sink_poll_fd(struct sink *sink);
int sink_reopen(struct sink *sink);
int sink_where(struct sink *sink, char *dst, size_t size);
void sink_tend(struct sink *sink);
void sink_free(struct sink *sink);
void sink_freep(struct sink **sink);

/*
 * For the sinks themselves: facility and priority as in syslog(3). Alert for alerts, warning for
 * deny, notice for audit and summaries, info for allow.
 */
int sink_priority(const struct line *line);

/*
 * For the sinks themselves: a line as file and stderr have it,
 * "2026-01-02T03:04:05.123456Z smtpward[812]: v=2 ...\n", NUL-terminated. Returns
 * its length or -errno.
 */
#define SINK_LINE_SIZE (LINE_TEXT_SIZE + 64)

int sink_line(const struct line *line, char dst[SINK_LINE_SIZE]);

#endif /* SMTPWARD_SINK_H */
