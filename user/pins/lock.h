/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Root's own lock of a pin directory: a load, unload or repair has the lock alone, readers share
 * it. The lock lies in RUN_DIR, where nobody but root can open it, and not in bpffs: the reader
 * could lock for ever what the reader may open, and a directory of bpffs can be removed or
 * covered.
 */
#ifndef SMTPWARD_LOCK_H
#define SMTPWARD_LOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/reason.h"

struct pins;

/* Root's directory for files that lie outside of bpffs and end with the machine's run. */
#define RUN_DIR "/run/smtpward"

enum lock_kind {
	LOCK_SHARED,
	LOCK_ALONE,
	LOCK_TRY, /* shared, or -EAGAIN at once */
};

/*
 * Waits for the lock of the pin directory at an absolute path, for LOCK_SECONDS at most: then
 * -ETIMEDOUT, and the reason names the holder. Closing *ret_fd releases the lock.
 */
#define LOCK_SECONDS 60
int lock_take(const char *pins, enum lock_kind kind, int *ret_fd, struct reason *reason);

/*
 * Takes, alone, the lock of the copy of the policy that is kept outside of the kernel. A caller
 * that needs both locks takes this one first, so that it never waits for another instance's while
 * it has the other.
 */
int lock_take_kept(const char *pins, int *ret_fd, struct reason *reason);

/*
 * Takes the lock that 0.1.0 takes, on the directory itself, if this generation is 0.1.0's: a log
 * of 0.1.0 would put its programs back in the middle of a load. The wait is short, as the reader's
 * group can hold that lock; closing pins releases it. 0 or -errno.
 */
int lock_older(const struct pins *pins, uint64_t generation);

/*
 * Sets a function that lock_take() calls once, after somebody else has held a lock for two
 * seconds; holder is 0 if not known. For the program's main function; NULL at the start.
 */
void lock_set_waiting(void (*waiting)(const char *pins, pid_t holder));

/* The process that holds a flock(2) lock on fd's file; 0 if none does, or it is not known. */
pid_t lock_find_holder(int fd);

/* Opens RUN_DIR/name, a directory that only root can open; makes it if it is missing. */
int lock_open_dir(const char *name, int *ret_fd, struct reason *reason);

#endif /* SMTPWARD_LOCK_H */
