/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Our programs as the kernel runs them on the hooks of cgroups, found by the ids of their
 * links and not by pins: pins can be removed, covered by another mount, or replaced, and
 * the programs refuse all the same. For root: ids are for CAP_SYS_ADMIN.
 *
 * A program is ours if it has the name of one of ours and a map_gate. Which load it is of
 * stands in map_origin; programs of versions before that map say nothing of it.
 */
#ifndef SMTPWARD_FOUND_H
#define SMTPWARD_FOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pins/hook.h"
#include "pins/pins.h"

/* A link of ours that is attached. */
struct found_link {
	enum smtpward_hook hook;
	uint32_t id;
	uint32_t program_id;
	uint64_t cgroup_id;
	uint64_t root_id;    /* of the v2 root as whoever loaded it saw it; 0: not known */
	uint32_t gate_id;    /* of map_gate: one for all links of a pin directory */
	uint64_t gate;	     /* what that says */
	uint64_t generation; /* of the program; 0: an older version's, which cannot be told */
	uint32_t reader;     /* the group that may read beside root; 0: none */
	char *pins;	     /* the pin directory that it was loaded with; NULL: not known */
};

struct found {
	struct found_link *links;
	size_t n;
};

/* All that are attached. 0, or -EPERM without the rights, or -errno. found_clear() frees it. */
int found_read(struct found *ret_found);
void found_clear(struct found *found);

/*
 * Whether the link is of this pin directory. A container may have a directory of that name
 * too, and a v2 root of its own: root_id is the id of the root as it is seen here.
 */
bool found_is_of(const struct found_link *link, const char *pins, uint64_t root_id);

/*
 * Links that do not say whose they are, and are pinned here: they are of the pin directory with
 * this path. 0 or -errno.
 */
int found_claim(struct found *found, const struct pins *pinned, const char *path);

/* The map of this name that a program uses. -ENOENT if it uses none. */
int found_open_map(uint32_t program_id, const char *name, int *ret_fd);

/* Calls back for each map of ours that a program uses, by its pin's name. */
int found_each_map(uint32_t program_id, int (*map)(void *userdata, const char *name, int fd),
		   void *userdata);

/*
 * Whether that is a link whose program uses the map with this id: of something else it is not,
 * nor of a link that was detached. 0 or -errno.
 */
int found_uses_map(int link_fd, uint32_t map_id, bool *ret_uses);

/*
 * The link of a program that is on no cgroup, "smtpward_mkdir", and uses the map with this
 * id, or iterates over it. -ENOENT if there is none.
 */
int found_open_link(const char *program, uint32_t map_id, int *ret_fd);

#endif /* SMTPWARD_FOUND_H */
