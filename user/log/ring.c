// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ring buffer reader; see ring.h. The layout is the kernel's user-space ABI
 * (kernel/bpf/ringbuf.c): a page with the consumer's position, one with the producer's, then the
 * data, mapped twice in a row so that no record is split. A record has a header of 8 bytes and is
 * padded to 8.
 *
 * The reader sees the data through a window that moves along, so that a large buffer does not make
 * a large process.
 */
#include "log/ring.h"

#include <assert.h>
#include <stdbool.h>
#include <sys/mman.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "base/macro.h"

#define WINDOW_SIZE (256UL << 10)

struct ring {
	int fd;
	size_t page_size;
	size_t size; /* of the data, a power of two */
	/*
	 * position is our own; *consumer is the position that the kernel goes by. Others can write
	 * to *consumer: the reader reads it only to see whether somebody did.
	 */
	uint64_t position;
	unsigned long *consumer;
	bool takes; /* ring_advance() moves *consumer, so records are taken out */
	const unsigned long *producer;
	const uint8_t *window;
	size_t window_start; /* position modulo size, a multiple of the page size */
};

static void *ring_map_page(const struct ring *ring, size_t page, int protection)
{
	void *map = mmap(NULL, ring->page_size, protection, MAP_SHARED, ring->fd,
			 (off_t)(page * ring->page_size));

	return map == MAP_FAILED ? NULL : map;
}

static size_t ring_window_size(const struct ring *ring)
{
	return ring->size < WINDOW_SIZE ? ring->size : WINDOW_SIZE;
}

static void ring_unmap_window(struct ring *ring)
{
	if (ring->window)
		munmap((void *)ring->window, ring_window_size(ring));
	ring->window = NULL;
}

/* Moves the window so that its first page has the data at offset, a position modulo size. */
static int ring_move_window(struct ring *ring, size_t offset)
{
	size_t start = offset & ~(ring->page_size - 1);
	void *map;

	ring_unmap_window(ring);
	map = mmap(NULL, ring_window_size(ring), PROT_READ, MAP_SHARED, ring->fd,
		   (off_t)(2 * ring->page_size + start));
	if (map == MAP_FAILED)
		return -errno;
	ring->window = map;
	ring->window_start = start;
	return 0;
}

/* The address of len bytes at a position; moves the window if it does not show them. */
static int ring_look_at(struct ring *ring, uint64_t position, size_t len, const uint8_t **ret)
{
	size_t offset = position & (ring->size - 1);

	if (!ring->window || offset < ring->window_start ||
	    offset + len > ring->window_start + ring_window_size(ring)) {
		int r;

		if (len > ring_window_size(ring) - ring->page_size)
			return -EBADMSG;
		r = ring_move_window(ring, offset);
		if (r)
			return r;
	}
	*ret = ring->window + (offset - ring->window_start);
	return 0;
}

static int ring_map_positions(struct ring *ring, bool last)
{
	ring->takes = true;
	ring->consumer = ring_map_page(ring, 0, PROT_READ | PROT_WRITE);
	if (!ring->consumer && errno == EPERM && last) {
		ring->takes = false;
		ring->consumer = ring_map_page(ring, 0, PROT_READ);
	}
	if (!ring->consumer)
		return -errno;
	ring->producer = ring_map_page(ring, 1, PROT_READ);
	return ring->producer ? 0 : -errno;
}

static uint64_t ring_end(const struct ring *ring)
{
	return __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE);
}

static int ring_begin(struct ring *ring, size_t record_size)
{
	ring->position = __atomic_load_n(ring->consumer, __ATOMIC_ACQUIRE);
	if (ring_end(ring) - ring->position > ring->size || ring->position % 8 ||
	    (record_size && ring->position % record_size))
		return -EBADMSG;
	return 0;
}

int ring_open(int fd, size_t record_size, bool last, struct ring **ret_ring)
{
	_cleanup_(ring_freep) struct ring *ring = calloc(1, sizeof(*ring));
	struct bpf_map_info info = { 0 };
	__u32 size = sizeof(info);
	int r;

	if (!ring)
		return -ENOMEM;
	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return -errno;
	if (info.type != BPF_MAP_TYPE_RINGBUF)
		return -EINVAL;
	ring->fd = fd;
	ring->page_size = (size_t)sysconf(_SC_PAGESIZE);
	ring->size = info.max_entries;
	r = ring_map_positions(ring, last);
	if (r)
		return r;
	r = ring_begin(ring, record_size);
	if (r)
		return r;
	*ret_ring = TAKE_PTR(ring);
	return 0;
}

uint64_t ring_position(const struct ring *ring)
{
	return ring->position;
}

/*
 * Whether there is a record at a position. -EBADMSG if the positions make no sense, or somebody
 * else has moved ours.
 */
static int ring_check(const struct ring *ring, uint64_t position)
{
	const uint64_t end = ring_end(ring);

	if (ring->takes && __atomic_load_n(ring->consumer, __ATOMIC_RELAXED) != ring->position)
		return -EBADMSG;
	if (end - ring->position > ring->size || end - position > ring->size)
		return -EBADMSG;
	return position == end ? RING_NONE : RING_RECORD;
}

int ring_peek(struct ring *ring, uint64_t position, struct ring_record *ret_record)
{
	assert(position >= ring->position);
	for (;;) {
		const uint8_t *header, *record;
		uint32_t word, len;
		uint64_t next;
		int r = ring_check(ring, position);

		if (r != RING_RECORD)
			return r;
		r = ring_look_at(ring, position, BPF_RINGBUF_HDR_SZ, &header);
		if (r)
			return r;
		word = __atomic_load_n((const uint32_t *)header, __ATOMIC_ACQUIRE);
		if (word & BPF_RINGBUF_BUSY_BIT)
			return RING_BUSY;
		len = word & ~BPF_RINGBUF_DISCARD_BIT;
		if (len > ring->size)
			return -EBADMSG;
		next = position + ((BPF_RINGBUF_HDR_SZ + len + 7) & ~7UL);
		if (word & BPF_RINGBUF_DISCARD_BIT) {
			if (position == ring->position)
				ring_advance(ring, next);
			position = next;
			continue;
		}
		r = ring_look_at(ring, position, BPF_RINGBUF_HDR_SZ + len, &record);
		if (r)
			return r;
		*ret_record = (struct ring_record){ record + BPF_RINGBUF_HDR_SZ, len, next };
		return RING_RECORD;
	}
}

void ring_advance(struct ring *ring, uint64_t position)
{
	assert(position >= ring->position);
	ring->position = position;
	if (ring->takes)
		__atomic_store_n(ring->consumer, (unsigned long)position, __ATOMIC_RELEASE);
}

void ring_free(struct ring *ring)
{
	if (!ring)
		return;
	ring_unmap_window(ring);
	if (ring->producer)
		munmap((void *)ring->producer, ring->page_size);
	if (ring->consumer)
		munmap(ring->consumer, ring->page_size);
	free(ring);
}

void ring_freep(struct ring **ring)
{
	ring_free(*ring);
}
