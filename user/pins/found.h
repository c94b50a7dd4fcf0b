/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds our programs on the hooks of cgroups by the ids of their links, not by pins: pins can be
 * removed, covered by another mount, or replaced, and the programs refuse all the same. For root:
 * the kernel gives ids to CAP_SYS_ADMIN only.
 *
 * A program is ours if it has the name of one of our programs and a map_gate. map_origin says
 * which load the program is of; programs of older versions have no map_origin.
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
	uint64_t root_id;    /* of the v2 root as the load saw it; 0: not known */
	uint32_t gate_id;    /* of map_gate: all links of a pin directory have the same */
	uint64_t gate;	     /* the gate's value */
	uint64_t generation; /* of the program; 0: an older version's, not known */
	uint32_t reader;     /* the group that may read beside root; 0: none */
	char *pins;	     /* the pin directory of the load; NULL: not known */
};

struct found {
	struct found_link *links;
	size_t n;
};

/*
 * Calls link for each link that the kernel has, until link returns something else than 0; link may
 * take *fd. -EPERM if the process lacks the rights.
 */
struct bpf_link_info;
typedef int (*found_link_fn)(void *userdata, const struct bpf_link_info *info, int *fd);
int found_each_link(found_link_fn link, void *userdata);

/*
 * Finds all links that are attached. 0, -EPERM if the process lacks the rights, or -errno. The
 * caller frees *ret_found with found_clear().
 */
int found_read(struct found *ret_found);
void found_clear(struct found *found);

/*
 * Describes the program of a gate on an uplink as a link: without a hook, an id and a cgroup. 1 if
 * the program is ours; the caller frees ret_link->pins. 0 or -errno.
 */
int found_read_gate(uint32_t program_id, struct found_link *ret_link);

/*
 * Whether the link belongs to this pin directory. A container may have a directory of the same
 * name, and another v2 root: root_id is the id of the root that this process sees.
 */
bool found_is_of(const struct found_link *link, const char *pins, uint64_t root_id);

/*
 * Assigns to the pin directory with this path the links that are pinned there and do not name
 * their directory. 0 or -errno.
 */
int found_claim(struct found *found, const struct pins *pinned, const char *path);

/* Opens the map with this name that a program uses. -ENOENT if the program uses none. */
int found_open_map(uint32_t program_id, const char *name, int *ret_fd);

/* Calls map for each map of ours that a program uses, with the name of the map's pin. */
int found_each_map(uint32_t program_id, int (*map)(void *userdata, const char *name, int fd),
		   void *userdata);

/*
 * Whether link_fd is a link whose program uses the map with this id; false for any other object,
 * and for a link that was detached. 0 or -errno.
 */
int found_uses_map(int link_fd, uint32_t map_id, bool *ret_uses);

/*
 * Opens the link of a program that is on no cgroup, such as "smtpward_mkdir", and uses the map
 * with this id, or iterates over it. -ENOENT if there is none.
 */
int found_open_link(const char *program, uint32_t map_id, int *ret_fd);

/*
 * Opens the program of the gates on uplinks that has this name, is of this generation, and has the
 * map_gate with this id. -ENOENT if there is none.
 */
int found_open_gate(const char *program, uint32_t gate_id, uint64_t generation, int *ret_fd);

#endif /* SMTPWARD_FOUND_H */
