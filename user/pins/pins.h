/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The directory in bpffs whose pins keep all objects alive.
 *
 *   map_gate            says which generation decides
 *   link_HOOK           for each of the hooks
 *   generation-N/       one policy: its maps, programs and cgroup tracker, and the maps
 *                       that last from policy to policy
 *   policy              -> the generation that decides, for people
 *   trial               -> the generation that is on trial; gone once it is kept
 *   map_events, ...     -> the maps that last, in policy
 *   reader/             locked by the reader of map_events; its group may read
 *
 * map_gate is the first pin made and the last pin removed: a directory that has other
 * entries and no map_gate is somebody else's.
 */
#ifndef SMTPWARD_PINS_H
#define SMTPWARD_PINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/reason.h"
#include "pins/lock.h"

#define PINS_DEFAULT_PATH "/sys/fs/bpf/smtpward"

#define PINS_PATH_SIZE 4096

/* The directory that the reader locks. */
#define PINS_READER_NAME "reader"

struct pins {
	char *path;  /* absolute */
	int fd;	     /* the directory; -1 if it is not open */
	int lock_fd; /* of lock.h; -1 if not held */
	bool alone;  /* the lock is held exclusively */
};

#define PINS_CLOSED                                                   \
	{                                                             \
		.path = NULL, .fd = -1, .lock_fd = -1, .alone = false \
	}

/*
 * Opens the directory to read it. -ENOENT if there is none: then nothing is loaded. -EMEDIUMTYPE
 * if it is not on bpffs; -EBUSY if somebody else made it.
 */
int pins_open(const char *path, struct pins *ret_pins, struct reason *reason);

/*
 * The same, while nobody changes the directory: waits for the lock that a load or unload holds,
 * or, with try, returns -EAGAIN if one does. The lock is root's: for others this is pins_open().
 */
int pins_open_shared(const char *path, bool try, struct pins *ret_pins, struct reason *reason);

/*
 * The same, to change the directory: waits for the lock that serialises load and unload, as
 * lock_take() says. With create, makes the directory if it does not exist. pins_close() releases
 * the lock.
 */
int pins_open_locked(const char *path, bool create, struct pins *ret_pins, struct reason *reason);

/* pins_open_locked() in two steps, for callers that need the lock even if the directory is gone. */
int pins_lock(const char *path, enum lock_kind kind, struct pins *ret_pins, struct reason *reason);
int pins_enter(struct pins *pins, bool create, struct reason *reason);

void pins_close(struct pins *pins);

/*
 * Takes the lock of the one reader. -EBUSY if another process holds it, with its id in
 * *reterr_pid, 0 if not known. Closing *ret_fd releases the lock.
 */
int pins_lock_reader(const struct pins *pins, int *ret_fd, pid_t *reterr_pid);

/* The process that holds the reader's lock; 0 if none does, or it is not known. */
pid_t pins_find_reader(const struct pins *pins);

/* Reads the group that may read beside root; 0 if there is none. */
int pins_find_group(const struct pins *pins, gid_t *ret_group);

/*
 * Grants the group what a reader of this generation needs, and no more; the group 0 revokes what
 * another group was granted. See pins_share.c.
 */
int pins_share(const struct pins *pins, uint64_t generation, gid_t group);

/* Whether the group has exactly the rights of pins_share(). Missing maps do not count. */
int pins_is_shared(const struct pins *pins, uint64_t generation, gid_t group, bool *ret_is);

/* Whether the open directory is still the one at its path. */
bool pins_present(const struct pins *pins);

/* "PATH/name", or "PATH/generation-N/name" if generation is not 0. 0 or -ENAMETOOLONG. */
int pins_name(const struct pins *pins, uint64_t generation, const char *name,
	      char ret_path[static PINS_PATH_SIZE]);

/* Whether there is a pin of this name. */
int pins_has(const struct pins *pins, uint64_t generation, const char *name, bool *ret_has);

/* Whether a load makes entries with this name in the directory. */
bool pins_makes(const char *name);

int pins_make_generation(const struct pins *pins, uint64_t generation);

/* Lists the generations that have a directory, in no order. The caller frees *ret_numbers. */
int pins_list_generations(const struct pins *pins, uint64_t **ret_numbers, size_t *ret_n);

/* Calls pin for every pin of a generation, or, for 0, of the directory itself. */
int pins_each(const struct pins *pins, uint64_t generation,
	      int (*pin)(void *userdata, const char *name), void *userdata);

/* Unpins all of a generation, whose directory may be missing. */
int pins_remove_generation(const struct pins *pins, uint64_t generation);

/* Points "policy" to a generation, in one step. */
int pins_point_to(const struct pins *pins, uint64_t generation);

/* Whether "policy" points to this generation. */
int pins_points_to(const struct pins *pins, uint64_t generation, bool *ret_points);

/* The same of "trial", which only root can write and every reader sees. */
int pins_set_on_trial(const struct pins *pins, uint64_t generation);
int pins_clear_trial(const struct pins *pins);
int pins_is_on_trial(const struct pins *pins, uint64_t generation, bool *ret_is);

/*
 * Makes name a link to the pin of that name in the directory that "policy" points to; it may
 * exist.
 */
int pins_link_policy(const struct pins *pins, const char *name);

/* Removes one name, which may be missing. */
int pins_remove(const struct pins *pins, const char *name);

/* Removes all pins but the gate, then the gate, then the directory; keeps the lock. */
int pins_remove_all(struct pins *pins);

/* Removes the directory if there is nothing in it, as pins_open_locked() makes it. 0 or -errno. */
int pins_remove_empty(const struct pins *pins);

#endif /* SMTPWARD_PINS_H */
