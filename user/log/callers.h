/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tables of one generation that say what had no line: map_callers with what the limit
 * held back, by tenant and user, map_tenants with the names of the tenants and what their other
 * users were kept from, and map_reported with what of all that has had its line.
 *
 * The reader's group can write to all. What stands there makes lines and no more: no
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
	int tenants_fd; /* -1: of an older ABI, which has none */
	int reported_fd;
	bool foreign;	      /* of another ABI: only the counts are known ... */
	bool named;	      /* ... and names behind those of users */
	uint32_t entries_max; /* of map_reported, which has the most */
	size_t largest_value;
	/* The one that is looked at, and what of it has had its line; with more behind. */
	struct smtpward_caller_counts *counts;
	struct smtpward_reported *reported;
	void *other;	 /* a value of somebody else, to look at */
	bool finds_gone; /* looks for entries of tenants that are gone */
	bool gone_left;	 /* such a one was found that is still to go */
};

#define CALLERS_CLOSED                                                               \
	{                                                                            \
		.callers_fd = -1, .rest_fd = -1, .tenants_fd = -1, .reported_fd = -1 \
	}

int callers_open(const struct pins *pins, uint64_t generation, uint32_t abi,
		 struct callers *callers, struct reason *reason);
void callers_close(struct callers *callers);

/* The key of those that no tenant was found for. */
extern const struct smtpward_caller_key callers_rest;

/* Puts an entry, and what of it has had its line, where `counts` and `reported` point to. */
int callers_read(struct callers *callers, const struct smtpward_caller_key *key);

/* Whose counts these are, valid until the next call; NULL if that is not known. */
const struct smtpward_caller *callers_find_names(struct callers *callers,
						 const struct smtpward_caller_key *key);

/*
 * All entries but callers_rest, users before the tenant that they are of, until `each` returns
 * something else than 0.
 */
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
 * Forgets the entry that was read and reported, where nobody has used it for long or its tenant
 * is gone: 0. 1 if it was used after all, and is gone: `counts` has what is to be summed up.
 */
int callers_forget(struct callers *callers, const struct smtpward_caller_key *key);

#endif /* SMTPWARD_CALLERS_H */
