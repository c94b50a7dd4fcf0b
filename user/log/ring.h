/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads a BPF ring buffer one record at a time, and takes a record out only when
 * its reader is done with it: what libbpf's ring buffer manager does not offer. A
 * record whose line could not be written stays in the kernel, where the next
 * reader finds it. One reader at a time; two corrupt the stream.
 */
#ifndef SMTPWARD_RING_H
#define SMTPWARD_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring;

/*
 * fd stays the caller's, and polls readable while there are records. record_size is what
 * each record takes in it, header and padding too, where that is known, or 0. With last,
 * nobody reads it after us: one that we may not write to will do.
 *
 * -EBADMSG if the reader's position, which its group can write, makes no sense.
 */
int ring_open(int fd, size_t record_size, bool last, struct ring **ret_ring);

struct ring_record {
	const void *data; /* until the next call */
	size_t size;
	uint64_t next; /* the position behind it */
};

/* Where the oldest record lies: a count of bytes that only grows. */
uint64_t ring_position(const struct ring *ring);

enum ring_found {
	RING_NONE,
	RING_RECORD,
	RING_BUSY, /* there is one, and a program is writing it still */
};

/*
 * The record at a position, which is ring_position() or some record's next: an enum
 * ring_found, or -EBADMSG if the buffer cannot be what it says, or somebody else has
 * moved our position in it.
 */
int ring_peek(struct ring *ring, uint64_t position, struct ring_record *ret_record);

/* Takes out all records before a position. */
void ring_advance(struct ring *ring, uint64_t position);

void ring_free(struct ring *ring);
void ring_freep(struct ring **ring);

#endif /* SMTPWARD_RING_H */
