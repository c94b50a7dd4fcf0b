/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads a BPF ring buffer one record at a time, and takes a record out only when the reader is
 * done with it; libbpf's ring buffer manager does not offer that. A record whose line could not be
 * written stays in the kernel, where the next reader finds it. Only one reader may run: two
 * corrupt the stream.
 */
#ifndef SMTPWARD_RING_H
#define SMTPWARD_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring;

/*
 * Opens a ring buffer. The caller keeps fd, which polls readable while there are records.
 * record_size is the size of each record with header and padding if that is known, or 0. last:
 * nobody reads the buffer after us, so a buffer that we may not write to will do.
 *
 * -EBADMSG if the reader's position, which its group can write, makes no sense.
 */
int ring_open(int fd, size_t record_size, bool last, struct ring **ret_ring);

struct ring_record {
	const void *data; /* until the next call */
	size_t size;
	uint64_t next; /* the position behind the record */
};

/* The position of the oldest record: a count of bytes that only grows. */
uint64_t ring_position(const struct ring *ring);

enum ring_found {
	RING_NONE,
	RING_RECORD,
	RING_BUSY, /* there is a record, which a program is still writing */
};

/*
 * Finds the record at a position, which is ring_position() or a record's next: returns an enum
 * ring_found, or -EBADMSG if the positions make no sense, or somebody else has moved ours.
 */
int ring_peek(struct ring *ring, uint64_t position, struct ring_record *ret_record);

/* Takes out all records before a position. */
void ring_advance(struct ring *ring, uint64_t position);

void ring_free(struct ring *ring);
void ring_freep(struct ring **ring);

#endif /* SMTPWARD_RING_H */
