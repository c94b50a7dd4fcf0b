/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keeps the local addresses: map_local gets the prefixes of local_table.h, each with a lease that
 * is renewed in time. A lease counts from before the table was read: whatever stops the keeper,
 * and for however long, an address that left the host is local for no longer than a lease.
 *
 * One keeper lives as long as one generation. The keeper is root while it waits for a policy and
 * opens what it needs, and then becomes a user without any right. From then on it has the map, the
 * gate, which shows whether another policy decides, and two sockets, and cannot open any pin.
 */
#ifndef SMTPWARD_KEEPER_H
#define SMTPWARD_KEEPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/reason.h"

struct keeper;

/*
 * Opens the pins, as root: -ENOENT if no policy is loaded, or a load is under way; -errno with a
 * reason.
 */
int keeper_open(const char *path, struct keeper **ret_keeper, struct reason *reason);

/* The keeper's task under this policy. */
enum keeper_task {
	KEEPER_IDLES, /* no rule asks for the local addresses */
	KEEPER_KEEPS,
	KEEPER_ELSEWHERE, /* we are in another network namespace than the host */
};

enum keeper_task keeper_task(const struct keeper *keeper);

/* Becomes this user and group, and gives up every right, for good. 0 or -errno. */
int keeper_drop_rights(uid_t user, gid_t group);

struct keeper_notices {
	/* left_out: how many prefixes have no room in the map; 0: all have room again. */
	void (*full)(void *userdata, size_t left_out);
	void *userdata;
};

/*
 * Keeps the addresses, or waits, until another generation decides or enforcement is lifted: 0, or
 * -errno.
 */
int keeper_run(struct keeper *keeper, const struct keeper_notices *notices, struct reason *reason);

void keeper_free(struct keeper *keeper);
void keeper_freep(struct keeper **keeper);

#endif /* SMTPWARD_KEEPER_H */
