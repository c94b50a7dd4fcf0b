/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The directory in bpffs that keeps everything alive.
 *
 *   map_gate            says which generation decides
 *   link_HOOK           for each of the hooks
 *   generation-N/       one policy: its maps, programs and cgroup tracker, and the maps
 *                       that last from policy to policy
 *   policy              -> the generation that decides, for people
 *   trial               -> the generation that is on trial; gone once it is kept
 *   map_events, ...     -> the maps that last, in policy
 *   reader/             locked by whoever reads map_events; its group may read
 *
 * map_gate is the first thing made and the last thing removed: a directory that
 * has other things and no map_gate is somebody else's.
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
	int lock_fd; /* of lock.h; -1 if it is not held */
	bool alone;  /* it is held, and by nobody else */
};

#define PINS_CLOSED                                                   \
	{                                                             \
		.path = NULL, .fd = -1, .lock_fd = -1, .alone = false \
	}

/*
 * Opens the directory to read from it. -ENOENT if there is none, which is the
 * same as nothing being loaded; -EMEDIUMTYPE if it is not on bpffs; -EBUSY if
 * somebody else made it.
 */
int pins_open(const char *path, struct pins *ret_pins, struct reason *reason);

/*
 * The same, while nobody changes it: waits for the lock that a load or unload holds,
 * or, with try, returns -EAGAIN if one does. The lock is root's: for others this is
 * pins_open().
 */
int pins_open_shared(const char *path, bool try, struct pins *ret_pins, struct reason *reason);

/*
 * The same to change it: waits for the lock that serialises load and unload, as
 * lock_take() says. With create, the directory is made where it does not exist. Closing
 * releases the lock.
 */
int pins_open_locked(const char *path, bool create, struct pins *ret_pins, struct reason *reason);

/* Both in two steps, for who has to do with the directory's pins also where it is gone. */
int pins_lock(const char *path, enum lock_kind kind, struct pins *ret_pins, struct reason *reason);
int pins_enter(struct pins *pins, bool create, struct reason *reason);

void pins_close(struct pins *pins);

/*
 * Takes the lock of the one reader, or names its holder: -EBUSY and the process id
 * in *reterr_pid, 0 if it cannot be told. Closing *ret_fd releases it.
 */
int pins_lock_reader(const struct pins *pins, int *ret_fd, pid_t *reterr_pid);

/* The process that holds it; 0 if none does, or it cannot be told. */
pid_t pins_find_reader(const struct pins *pins);

/* The group that reads beside root; 0 if none does. */
int pins_find_group(const struct pins *pins, gid_t *ret_group);

/*
 * Grants the group what a reader of this generation needs, and no more; the group 0 revokes what
 * another group was granted. See pins_share.c.
 */
int pins_share(const struct pins *pins, uint64_t generation, gid_t group);

/* Whether the group has exactly what pins_share() grants. Maps that are not there do not count. */
int pins_is_shared(const struct pins *pins, uint64_t generation, gid_t group, bool *ret_is);

/* Whether the directory is still the one at its path. */
bool pins_present(const struct pins *pins);

/* "PATH/name", or "PATH/generation-N/name" where generation is not 0. 0 or -ENAMETOOLONG. */
int pins_name(const struct pins *pins, uint64_t generation, const char *name,
	      char ret_path[static PINS_PATH_SIZE]);

/* Whether there is a pin of this name. */
int pins_has(const struct pins *pins, uint64_t generation, const char *name, bool *ret_has);

/* Whether a load makes things of this name in the directory. */
bool pins_makes(const char *name);

int pins_make_generation(const struct pins *pins, uint64_t generation);

/* Generations that have a directory, in no order. The caller frees *ret_numbers. */
int pins_list_generations(const struct pins *pins, uint64_t **ret_numbers, size_t *ret_n);

/* Calls back for every pin of a generation, or, for 0, of the directory itself. */
int pins_each(const struct pins *pins, uint64_t generation,
	      int (*pin)(void *userdata, const char *name), void *userdata);

/* Unpins all of a generation. Its directory may be missing. */
int pins_remove_generation(const struct pins *pins, uint64_t generation);

/* Points "policy" to a generation, in one step. */
int pins_point_to(const struct pins *pins, uint64_t generation);

/* Whether it points there. */
int pins_points_to(const struct pins *pins, uint64_t generation, bool *ret_points);

/* The same of "trial", which root alone can write and every reader sees. */
int pins_set_on_trial(const struct pins *pins, uint64_t generation);
int pins_clear_trial(const struct pins *pins);
int pins_is_on_trial(const struct pins *pins, uint64_t generation, bool *ret_is);

/* Makes "name" a link to the pin of that name in what "policy" points to; there already is fine. */
int pins_link_policy(const struct pins *pins, const char *name);

/* Removes one name; missing is fine. */
int pins_remove(const struct pins *pins, const char *name);

/* Removes what is left but the pinned gate, then the gate, then the directory; keeps the lock. */
int pins_remove_all(struct pins *pins);

#endif /* SMTPWARD_PINS_H */
