/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Root's own lock of a pin directory: who loads, unloads or mends has it alone, who looks
 * shares it. It lies in RUN_DIR, where nobody but root can open it, and not in bpffs: what
 * the reader may open, the reader could lock for ever, and a directory of bpffs can be
 * removed or covered.
 */
#ifndef SMTPWARD_LOCK_H
#define SMTPWARD_LOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/reason.h"

struct pins;

/* Root's directory for what lies outside of bpffs and ends with the machine's run. */
#define RUN_DIR "/run/smtpward"

enum lock_kind {
	LOCK_SHARED,
	LOCK_ALONE,
	LOCK_TRY, /* shared, or -EAGAIN at once */
};

/*
 * Waits for the lock of the pin directory at an absolute path, for LOCK_SECONDS at most:
 * then -ETIMEDOUT and who holds it. Closing *ret_fd releases it.
 */
#define LOCK_SECONDS 60
int lock_take(const char *pins, enum lock_kind kind, int *ret_fd, struct reason *reason);

/*
 * The same, alone, of the lock of what is kept of its policy outside of the kernel: who needs both
 * takes this one first, so that no other instance's is waited for with it.
 */
int lock_take_kept(const char *pins, int *ret_fd, struct reason *reason);

/*
 * The lock that 0.1.0 takes, of the directory itself, if this generation is 0.1.0's: a log of
 * 0.1.0 would put its programs back in the middle of a load. It is waited for shortly, as the
 * reader's group can hold it; closing pins releases it. 0 or -errno.
 */
int lock_older(const struct pins *pins, uint64_t generation);

/*
 * Whom to tell, once, that somebody else has held a lock for two seconds; 0 for holder where it
 * cannot be told. For the program's main function; NULL as it starts.
 */
void lock_set_waiting(void (*waiting)(const char *pins, pid_t holder));

/* The process that holds a flock(2) lock on fd's file; 0 if none does, or it cannot be told. */
pid_t lock_find_holder(int fd);

/* RUN_DIR/name, a directory that only root can open, made where it is not there. */
int lock_open_dir(const char *name, int *ret_fd, struct reason *reason);

#endif /* SMTPWARD_LOCK_H */
