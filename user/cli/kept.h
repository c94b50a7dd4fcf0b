/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The last good policy: a copy of the policy that was loaded for good, one for each pin directory,
 * for a boot that cannot read the policy's file. The copy has numbers beside the names, so that
 * reading it takes no directory service.
 *
 * A load, or an unload, holds the lock from before its first change until the copy matches. A
 * failure with a copy is a warning: enforcement does not depend on it.
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
	int fd;	     /* the directory; -1 if it cannot be opened */
	int lock_fd; /* the lock of this pin directory; -1 if it cannot be had */
	int r;	     /* why fd or lock_fd is -1; 0 or -errno */
	struct reason why;
	char *pins;		     /* the pin directory, absolute */
	char path[PATH_MAX];	     /* of the copy */
	char name[NAME_MAX + 1];     /* file names in the directory: the copy, */
	char new_name[NAME_MAX + 1]; /* a copy that is being written, */
	char lifted[NAME_MAX + 1];   /* a copy that must not be used any more, */
	char trial[NAME_MAX + 1];    /* a copy of a policy on trial, which must not be used yet */
};

#define KEPT_CLOSED                                   \
	{                                             \
		.fd = -1, .lock_fd = -1, .pins = NULL \
	}

/*
 * Waits for the lock, which no other instance has. With make, makes the directory if it does not
 * exist; without, kept_keep() makes it. If the directory or the lock cannot be had, the function
 * that needs it says so.
 */
void kept_open(const char *pins, bool make, struct kept *ret_kept);
void kept_close(struct kept *kept);

/* Makes given, which has been loaded for good, the policy to fall back to. */
void kept_keep(struct kept *kept, const struct given_policy *given);

/*
 * Puts by a copy of given, which is on trial: the copy is used only once it is confirmed. A
 * confirm runs against the trial's clock, so it does not wait for the lock before it confirms.
 */
void kept_put_by(struct kept *kept, const struct given_policy *given);
void kept_confirm(const struct kept *kept, uint64_t generation);

/* Renews the copy, which was read and is in force again. */
void kept_keep_on(const struct kept *kept);

/* Marks the copy as lifted: it is not used any more, until the next load. */
void kept_lift(const struct kept *kept);

/*
 * Reads the copy. If a name's number belongs to another name by now, warns that the number matches
 * nothing. -ENOENT if there is no copy, or it was lifted. given.name is kept.path.
 */
int kept_read(const struct kept *kept, struct given_policy *ret_given, struct reason *reason);

/* Whether the copy is of the generation that map_gate names. */
bool kept_is_in_force(const struct kept *kept);

/* The time of the last lift: two that differ have an unload between them. */
struct kept_lift {
	struct timespec when;
	ino_t inode;
};

struct kept_lift kept_last_lift(const struct kept *kept);

#endif /* SMTPWARD_KEPT_H */
