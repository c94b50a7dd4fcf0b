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

struct ring_record {
	const void *data; /* until the next call */
	size_t size;
	uint64_t next; /* the position behind it */
};

/* Where the oldest record lies: a count of bytes that only grows. */
uint64_t ring_position(const struct ring *ring);

/*
 * The record at a position, which is ring_position() or some record's next: 1, or 0
 * where there is none yet. -EBADMSG where the buffer cannot be what it says.
 */
int ring_peek(struct ring *ring, uint64_t position, struct ring_record *ret_record);

/* Takes out all records before a position. */
void ring_advance(struct ring *ring, uint64_t position);

void ring_free(struct ring *ring);
void ring_freep(struct ring **ring);

#endif /* SMTPWARD_RING_H */
