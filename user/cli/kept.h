/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The last good policy: a copy of what was put in force for good, one for each pin
 * directory, for a boot that cannot read the policy itself. It has numbers beside the
 * names, so that reading it takes no directory service.
 *
 * Whoever loads, or lifts, holds the lock from before that until the copy says so. What fails with
 * a copy is a warning: what is in force does not go by it.
 */
#ifndef SMTPWARD_KEPT_H
#define SMTPWARD_KEPT_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/reason.h"
#include "build.h"
#include "cli/given_policy.h"

#define KEPT_DIRECTORY SMTPWARD_LOCALSTATEDIR "/lib/smtpward"

struct kept {
	int fd;	     /* the directory; -1 if it cannot be had */
	int lock_fd; /* what this instance is locked with; likewise */
	int r;	     /* why one of them cannot, and the sentence */
	struct reason why;
	char *pins;		     /* the pin directory, absolute */
	char path[PATH_MAX];	     /* of the copy */
	char name[NAME_MAX + 1];     /* in the directory: of the copy, */
	char new_name[NAME_MAX + 1]; /* one that is being written, */
	char lifted[NAME_MAX + 1];   /* one that is not to be used, */
	char trial[NAME_MAX + 1];    /* one of a policy that is on trial, and not to be used yet */
};

#define KEPT_CLOSED                                   \
	{                                             \
		.fd = -1, .lock_fd = -1, .pins = NULL \
	}

/*
 * Waits for the lock, which no other instance has. With make, the directory is made where it
 * does not exist; without, once there is something to keep. That it cannot be had is said once it
 * matters.
 */
void kept_open(const char *pins, bool make, struct kept *ret_kept);
void kept_close(struct kept *kept);

/* The policy has been put in force for good: from here on it is the one to fall back to. */
void kept_keep(struct kept *kept, const struct given_policy *given);

/*
 * It has been put on trial: its copy is put by, and is none to fall back to until confirmed. A
 * confirm does not wait for the lock first: what it says is by the clock, and a copy is not.
 */
void kept_put_by(struct kept *kept, const struct given_policy *given);
void kept_confirm(const struct kept *kept, uint64_t generation);

/* The copy that was read is in force once more: it goes on as it is. */
void kept_keep_on(const struct kept *kept);

/* Enforcement has been lifted: the copy is not used any more, until the next load. */
void kept_lift(const struct kept *kept);

/*
 * Reads the copy, and says of each number that is another's by now that it matches
 * nothing. -ENOENT if there is none, or it was lifted. given.name is kept.path.
 */
int kept_read(const struct kept *kept, struct given_policy *ret_given, struct reason *reason);

/* Whether the copy is of the generation that map_gate names. */
bool kept_is_in_force(const struct kept *kept);

/* When it was lifted last: two that differ have an unload between them. */
struct kept_lift {
	struct timespec when;
	ino_t inode;
};

struct kept_lift kept_last_lift(const struct kept *kept);

#endif /* SMTPWARD_KEPT_H */
