/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From the kernel's record to a line: what one line says, as a list of fields that
 * the text and the JSON renderer share. Pure: no file descriptor, no clock, no
 * logging.
 */
#ifndef SMTPWARD_LINE_H
#define SMTPWARD_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <smtpward/abi.h>
#include <smtpward/rows.h>

/* Room for any path or list that a record can hold, with what says that it was cut. */
#define LINE_PATH_SIZE (SMTPWARD_TEXT_SIZE + 16)

/* A string of any bytes, with its length and a NUL behind it; only an odd one has a NUL in it. */
struct line_path {
	char text[LINE_PATH_SIZE];
	size_t len;
};

enum line_kind {
	LINE_ATTEMPT,	/* one attempt, at connect(2) */
	LINE_PACKET,	/* the same, by a packet of a socket */
	LINE_GUEST,	/* the same, by a guest's packet */
	LINE_RAW,	/* the same, at setsockopt(2) */
	LINE_SUMMARY,	/* attempts of one user of a tenant without a line of their own */
	LINE_GUEST_SUM, /* the same of a guest */
	LINE_ANYONE,	/* the same of users that are not known */
	LINE_ALERT,	/* enforcement itself is not what it should be */
	LINE_KINDS
};

/*
 * Content of one line. time is CLOCK_REALTIME in nanoseconds: of the call for an attempt, of the
 * writing for a summary. Paths are the record's lists, joined.
 */
struct line {
	enum line_kind kind;
	uint64_t time;
	struct smtpward_event record;  /* attempt: all of it; summary: euid and cgroup_id */
	struct smtpward_packet packet; /* packet, guest: all of it; a guest's sum: the guest */
	uint64_t suppressed, lost;     /* summary, anyone */
	struct line_path alert;	       /* alert: what is wrong */
	bool healed;		       /* alert: it was, and has been put right */
	struct line_path cgroup;
	struct line_path unit; /* the first name in cgroup that is no slice; may be empty */
	struct line_path exe;  /* attempt; empty for a kernel thread */
	struct line_path cwd;  /* attempt; empty if it is not known */
	/* attempt; lists with a NUL between two words */
	struct line_path args;
	struct line_path ancestors;
};

/* Whether the line is of one attempt. */
bool line_is_attempt(const struct line *line);

/*
 * An event as it lies in the ring buffer. realtime_offset is CLOCK_REALTIME minus
 * CLOCK_BOOTTIME in nanoseconds. Returns 0, or -EBADMSG if its size, verdict, rule, hook or flags
 * cannot be a record's of this ABI; *ret is untouched then.
 *
 * Paths are joined from the root, "/" being the v2 root. Where names are missing
 * "/..." stands for them: "/a/b/.../y/z", or "/.../y/z" where the top was cut as
 * well. A deleted executable or working directory ends in " (deleted)". A list that is none of
 * names is "?" and its bytes; nothing else begins so. args end in "..." if words or a part of one
 * are missing. If args are one word, and its first blank follows a colon, it is what a program
 * calls itself, as setproctitle(3) writes it, and its blanks are taken for ends of words. If the
 * line would be longer than LINE_TEXT_SIZE, args and then paths are shortened: see line_shorten().
 */
int line_from_event(const void *record, size_t size, int64_t realtime_offset, struct line *ret);

/* The same for a record of SMTPWARD_ABI_EVENT_1, which has no cwd, no args, and one ancestor. */
int line_from_event_1(const void *record, size_t size, int64_t realtime_offset, struct line *ret);

/*
 * The same of a user's last attempt: exe, cwd and args, and of the rest of a record nothing.
 */
int line_from_last(const struct smtpward_row_last *last, struct line *ret);

/*
 * Makes a summary of the attempts without a line, by callers of (tenant, euid) or by the tenant's
 * users without a count of their own, or of a guest. -EBADMSG if the flags cannot be a caller's.
 * The cgroup's path is the tenant's, and empty if the names of the tenant are not known; a guest
 * has a name in place of it.
 */
int line_from_caller(const struct smtpward_caller_key *key, const struct smtpward_caller *caller,
		     uint64_t suppressed, uint64_t lost, uint64_t time, struct line *ret);

/* A summary that no caller can be named for. */
void line_from_anyone(uint64_t suppressed, uint64_t lost, uint64_t time, struct line *ret);

/* Makes a line of an alert, whose words are ours; longer words than a path may have are cut. */
void line_from_alert(const char *alert, bool healed, uint64_t time, struct line *ret);

/*
 * The longest line of text, its NUL included: syslog daemons cut what is over 8 KiB, header and
 * all. The table of fields is held to it.
 */
#define LINE_TEXT_SIZE (8000 + 1)

/*
 * The line of text from "v=2" on, without a newline, NUL-terminated. Returns its
 * length, or -ENOSPC if size is under what it needs (never with
 * LINE_TEXT_SIZE).
 */
int line_to_text(const struct line *line, char *dst, size_t size);

/*
 * One JSON object on one line, without a newline: "kind", then the fields of the
 * text line by the same names in the same order. Strings hold what stands between
 * the quotes there, \xNN included, so all of it is ASCII. Each name has values of one type:
 * "rule" is 0 if the text has "default"; any is null where it has "-". The caller frees
 * it. 0 or -ENOMEM.
 */
int line_to_json(const struct line *line, char **ret_json);

/* RFC 3339, UTC, microseconds: "2026-01-02T03:04:05.123456Z" and its NUL. */
#define LINE_TIME_SIZE 28

void line_time_text(uint64_t time, char dst[LINE_TIME_SIZE]);

#endif /* SMTPWARD_LINE_H */
