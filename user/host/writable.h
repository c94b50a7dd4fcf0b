/* SPDX-License-Identifier: GPL-2.0-only */
/* Tells who can change a file, by the rights of the file and of every directory above the file. */
#ifndef SMTPWARD_WRITABLE_H
#define SMTPWARD_WRITABLE_H

#include <stdint.h>

enum writable {
	WRITABLE_UNKNOWN, /* there is no such path, or this process cannot look at it */
	WRITABLE_ROOT,	  /* by root alone */
	WRITABLE_OTHERS,  /* by somebody else, and not by the user in question */
	WRITABLE_USER,
};

/*
 * Whether a user with this id and the groups of the machine's account can write to what a path
 * leads to, links followed, or put something else in its place. Root is never WRITABLE_USER. An ACL
 * that lets others than the owner write counts as one for the user. In a sticky directory, only the
 * owner of an entry can replace it: see inode(7).
 */
enum writable writable_by(const char *path, uint32_t uid);

#endif /* SMTPWARD_WRITABLE_H */
