/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads a BPF ring buffer one record at a time, and takes a record out only when
 * its reader is done with it: what libbpf's ring buffer manager does not offer. A
 * record whose line could not be written stays in the kernel, where the next
 * reader finds it. One reader at a time; two corrupt the stream.
 */
#ifndef SMTPWARD_RING_H
#define SMTPWARD_RING_H

#include <stddef.h>
#include <stdint.h>

struct ring;

/* fd stays the caller's, and polls readable while there are records. */
int ring_open(int fd, struct ring **ret_ring);

/*
 * The oldest record: 1 and where it lies until ring_advance(), or 0 where there is
 * none. -EBADMSG where the buffer cannot be what it says.
 */
int ring_peek(struct ring *ring, const void **ret_record, size_t *ret_size);

/* Takes out the record that ring_peek() found. */
void ring_advance(struct ring *ring);

void ring_free(struct ring *ring);
void ring_freep(struct ring **ring);

#endif /* SMTPWARD_RING_H */
