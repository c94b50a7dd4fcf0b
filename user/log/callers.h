/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tables of one generation that say what had no line: map_callers with what the limit
 * held back, by caller, and map_reported with what of that has had its line.
 *
 * The reader's group can write to both. What stands there makes lines and no more: no
 * number of it is an address, a length or an end of a loop.
 */
#ifndef SMTPWARD_CALLERS_H
#define SMTPWARD_CALLERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <smtpward/abi.h>

#include "base/reason.h"
#include "pins/pins.h"

struct callers {
	const char *path; /* for messages */
	int callers_fd;
	int rest_fd;
	int reported_fd;
	bool foreign;	      /* of another ABI: only the counts are known */
	uint32_t entries_max; /* of map_reported, which has the most */
	size_t largest_value;
	/* The one that is looked at, and what of it has had its line; longer where foreign. */
	struct smtpward_caller *caller;
	struct smtpward_reported *reported;
	struct smtpward_caller *other; /* a value of somebody else, to look at */
};

#define CALLERS_CLOSED                                             \
	{                                                          \
		.callers_fd = -1, .rest_fd = -1, .reported_fd = -1 \
	}

int callers_open(const struct pins *pins, uint64_t generation, bool foreign,
		 struct callers *callers, struct reason *reason);
void callers_close(struct callers *callers);

/* The key of those that map_callers had no room for. */
extern const struct smtpward_caller_key callers_rest;

/* Puts an entry, and what of it has had its line, where `caller` and `reported` point to. */
int callers_read(struct callers *callers, const struct smtpward_caller_key *key);

/* All entries but callers_rest, until `each` returns something else than 0. */
int callers_each(struct callers *callers,
		 int (*each)(void *userdata, const struct smtpward_caller_key *key),
		 void *userdata);

/* So much of the counts has had its line. */
int callers_report(struct callers *callers, const struct smtpward_caller_key *key,
		   const struct smtpward_reported *reported);

/* The same by the word of a reader that was killed; nothing where another one went on since. */
int callers_report_late(struct callers *callers, const struct smtpward_caller_key *key,
			const struct smtpward_reported *reported);

/*
 * Forgets the entry that was read and reported, where nobody has used it for long: 0. 1
 * where it was used after all, and is gone: `caller` has what is to be summed up.
 */
int callers_forget_idle(struct callers *callers, const struct smtpward_caller_key *key);

#endif /* SMTPWARD_CALLERS_H */
