/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tables of one generation that count attempts without a line: map_callers has the attempts
 * that the limit held back, by tenant and user; map_tenants has the names of the tenants and the
 * counts of their other users; map_reported has the part of these counts that has had its line.
 *
 * The reader's group can write to all three. Their content makes lines and no more: no number in
 * them is used as an address, a length or the end of a loop.
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
	int tenants_fd; /* -1: an older ABI, which has no such map */
	int reported_fd;
	bool foreign;	      /* of another ABI: only the counts are known, */
	bool named;	      /* and the names, if they stand behind the users' counts */
	uint32_t entries_max; /* of map_reported, the largest of the maps */
	size_t largest_value;
	/* The entry being summed up and its counterpart in map_reported; larger for another ABI. */
	struct smtpward_caller_counts *counts;
	struct smtpward_reported *reported;
	void *other;	 /* a value of another ABI, to look at */
	bool finds_gone; /* looks for entries of removed tenants */
	bool gone_left;	 /* an entry of a removed tenant was found that is still to be deleted */
};

#define CALLERS_CLOSED                                                               \
	{                                                                            \
		.callers_fd = -1, .rest_fd = -1, .tenants_fd = -1, .reported_fd = -1 \
	}

int callers_open(const struct pins *pins, uint64_t generation, uint32_t abi,
		 struct callers *callers, struct reason *reason);
void callers_close(struct callers *callers);

/* The key of the attempts that no tenant was found for. */
extern const struct smtpward_caller_key callers_rest;

/* Reads an entry into `counts`, and its counterpart in map_reported into `reported`. */
int callers_read(struct callers *callers, const struct smtpward_caller_key *key);

/* The same without its counterpart. */
int callers_read_counts(struct callers *callers, const struct smtpward_caller_key *key);

/* The names that belong to the counts of key, valid until the next call; NULL if not known. */
const struct smtpward_caller *callers_find_names(struct callers *callers,
						 const struct smtpward_caller_key *key);

/*
 * Calls each for every entry but callers_rest, users before their tenant, until each returns
 * something else than 0.
 */
int callers_each(struct callers *callers,
		 int (*each)(void *userdata, const struct smtpward_caller_key *key),
		 void *userdata);

/* Records that so much of the entry's counts has had its line. */
int callers_report(struct callers *callers, const struct smtpward_caller_key *key,
		   const struct smtpward_reported *reported);

/*
 * The same by the note of a reader that was killed; changes nothing if another reader went on
 * since.
 */
int callers_report_late(struct callers *callers, const struct smtpward_caller_key *key,
			const struct smtpward_reported *reported);

/*
 * Deletes the entry that was read and reported if nobody has used it for long or its tenant is
 * gone. 0; 1 if somebody used the entry meanwhile and it is deleted: `counts` has the rest to sum
 * up.
 */
int callers_forget(struct callers *callers, const struct smtpward_caller_key *key);

#endif /* SMTPWARD_CALLERS_H */
