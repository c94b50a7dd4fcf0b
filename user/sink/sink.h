/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sinks: the places that lines go to. A sink takes one line at a time and says whether the line is
 * out; it never drops a line, never waits and never logs. The caller ignores SIGPIPE and SIGXFSZ.
 */
#ifndef SMTPWARD_SINK_H
#define SMTPWARD_SINK_H

#include <stdbool.h>

#include "line/line.h"

struct sink;

/* The arguments of sink_open(), for people: the names in its table; any other is a file. */
#define SINK_SPECS "syslog|journal|stderr|json|FILE"
#define SINK_SYSLOG "syslog"
#define SINK_JOURNAL "journal"
#define SINK_STDERR "stderr"

/*
 * Opens a sink by a name of SINK_SPECS, or a file by its path. Returns as that sink's function
 * does.
 */
int sink_open(const char *spec, struct sink **ret_sink);

/*
 * Whether a line to both sinks would be twice in one place: if both have one name, if one is the
 * journal and the other the machine's log that the journal keeps, or if both are paths of one
 * existing file.
 */
bool sink_same_place(const char *a, const char *b);

/* SINK_SYSLOG, or SINK_STDERR if there is no syslog. */
const char *sink_default(void);

/*
 * The operations of one kind of sink.
 *
 * write: 0 if the line is out of our hands; -EAGAIN if the sink cannot take the line
 *	now; another -errno if the sink is broken now (socket gone, disk full). After an
 *	error the caller tries the same line again, unchanged, after a pause if the error
 *	was not -EAGAIN: part of the line may be out already, and write goes on from
 *	there. The sink writes a line whole or not at all. receipt is memory that may
 *	outlive the process, and tells a later process whether the line is out: the
 *	system call that brings the line out must also change what says so. A sink
 *	without such a call leaves the receipt alone.
 * is_out: of a receipt that such a sink left: 1 if the line is out, 0 if it is not, or
 *	if the receipt is another sink's; -errno. Takes back the part of a line that is
 *	not out. NULL if the sink leaves no receipts, or if a receipt alone tells: then
 *	the table of sink_open() has the function.
 * poll_fd: a descriptor that polls writable when a write that returned -EAGAIN may be
 *	tried again, or -1 if only time helps. NULL: only time ever helps.
 * reopen: for a log that was rotated away, or a daemon that was replaced. 0 or
 *	-errno; the old file or socket stays open then. NULL: there is nothing to reopen.
 * where: the name that the file of the lines has now; 0 or -errno. NULL: it is no file.
 * tend: called each second, to try failed work again, but for a write. NULL: there is none.
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

/* The datagram socket of the machine's syslog daemon, and journald's own sockets. */
#define SINK_SYSLOG_PATH "/dev/log"
#define SINK_JOURNALD_LOG_PATH "/run/systemd/journal/dev-log"
#define SINK_JOURNALD_PATH "/run/systemd/journal/socket"

/*
 * Syslog by its datagram socket, RFC 3164, facility authpriv, with sink_priority(), tag
 * "smtpward[pid]". The header has the local time of the call. Opening succeeds if path does not
 * exist yet: write fails then. -ENAMETOOLONG if path does not fit a socket address.
 */
int sink_syslog_open(const char *path, struct sink **ret);

/* journald by its own socket: the line as MESSAGE, and each field of the line as SMTPWARD_NAME. */
int sink_journal_open(const char *path, struct sink **ret);

/* The machine's log: the journal if log and journald_log are one socket, else syslog. */
struct sink_machine_paths {
	const char *log;
	const char *journald_log;
	const char *journald_socket;
};

bool sink_machine_is_journalds(const struct sink_machine_paths *paths);

/* The caller keeps the strings of paths until the sink is freed. */
int sink_machine_open(const struct sink_machine_paths *paths, struct sink **ret);

/*
 * A file for appending, made with mode 0600 and locked. -EINVAL if the file is not regular, -ELOOP
 * if path is a symbolic link, -EPERM if others than root and our own user may write to the file or
 * replace it, -EBUSY if another process has the file's lock.
 */
int sink_file_open(const char *path, struct sink **ret);

/* The message for -EBUSY of sink_file_open() and sink_reopen(). */
#define SINK_BUSY_TEXT "another smtpward writes to it"

/*
 * A descriptor that the sink does not close: the text form to stderr, JSON to stdout. Other
 * processes share the descriptor, and may make it block or not; write never blocks. See
 * sink_stream_own().
 */
int sink_stream_open(int fd, bool json, struct sink **ret);

/*
 * Opens fd's terminal or pipe again: returns a descriptor of our own, which never blocks, or
 * -errno: -EINVAL if fd is neither of the two, -EBADF if fd cannot be written to.
 */
int sink_stream_own(int fd);

/*
 * As write(2), of at most PIPE_BUF bytes, to a descriptor of sink_stream_own(), or to fd itself if
 * that fails. Returns the number of bytes, -EAGAIN if the write would have blocked, or another
 * -errno.
 */
int sink_stream_put(int fd, const char *text, size_t len);

struct sink_outlet {
	const char *name; /* the caller keeps it */
	struct sink *sink;
};

/*
 * Several sinks. The first one is the account: its result counts. Each of the others gets a line
 * once the account has the line, if the sink can take it at once, and counts the lines that it
 * could not take. The tee owns the sinks from then on; on failure they stay the caller's.
 */
int sink_tee_open(const struct sink_outlet *outlets, size_t n, struct sink **ret);

struct sink_outlet_state {
	int reopen;	 /* the error of a reopen, which is tried again each second; 0 */
	int trouble;	 /* the error of the last write, but of the account's; 0 */
	uint64_t missed; /* lines */
	bool holds;	 /* a line beyond these, which the sink may still get */
	char where[256]; /* if reopen is set: the file that lines go to meanwhile, or empty */
};

/* The state of the i-th sink of a tee. */
void sink_tee_look(const struct sink *sink, size_t i, struct sink_outlet_state *ret);

/* receipt may be NULL if nobody is going to ask about the line. */
int sink_write(struct sink *sink, const struct line *line, struct smtpward_receipt *receipt);

/*
 * Whether a line of a process that is gone is out: 1; 0 if the line is not out or the sink cannot
 * tell, as for a stream, or for a file that is not this sink's; or -errno.
 */
int sink_is_out(struct sink *sink, const struct smtpward_receipt *receipt);
int sink_poll_fd(struct sink *sink);
int sink_reopen(struct sink *sink);
int sink_where(struct sink *sink, char *dst, size_t size);
void sink_tend(struct sink *sink);
void sink_free(struct sink *sink);
void sink_freep(struct sink **sink);

/*
 * For the sinks: facility and priority as in syslog(3). Alert for alerts, warning for deny, notice
 * for audit and summaries, info for allow.
 */
int sink_priority(const struct line *line);

/*
 * For the sinks: a line as files and stderr have it, "2026-01-02T03:04:05.123456Z smtpward[812]:
 * v=2 ...\n", NUL-terminated. Returns the length of the line, or -errno.
 */
#define SINK_LINE_SIZE (LINE_TEXT_SIZE + 64)

int sink_line(const struct line *line, char dst[SINK_LINE_SIZE]);

#endif /* SMTPWARD_SINK_H */
