// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ring buffer reader against a buffer of ours, which can be what no kernel would make of
 * one on demand: a record that is being written, a position that somebody has moved.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "log/ring.h"

#define SIZE 65536 /* of the data */
#define RECORD 64  /* each, header and all */

/* As the kernel lays it out: a page, a page, and the data twice. */
static struct buffer {
	int fd;
	size_t page;
	unsigned long *consumer, *producer;
	uint8_t *data;
} buffer;

/* ring_open() asks what the descriptor is. */
int bpf_obj_get_info_by_fd(int fd, void *info, __u32 *size)
{
	(void)size;
	assert_int_equal(fd, buffer.fd);
	*(struct bpf_map_info *)info = (struct bpf_map_info){
		.type = BPF_MAP_TYPE_RINGBUF,
		.max_entries = SIZE,
	};
	return 0;
}

static int make_buffer(void **state __attribute__((unused)))
{
	uint8_t *all;

	buffer.page = (size_t)sysconf(_SC_PAGESIZE);
	buffer.fd = memfd_create("ring", MFD_CLOEXEC);
	assert_true(buffer.fd >= 0);
	assert_int_equal(ftruncate(buffer.fd, (off_t)(2 * buffer.page + 2 * SIZE)), 0);
	all = mmap(NULL, 2 * buffer.page + 2 * SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, buffer.fd,
		   0);
	assert_ptr_not_equal(all, MAP_FAILED);
	buffer.consumer = (unsigned long *)all;
	buffer.producer = (unsigned long *)(all + buffer.page);
	buffer.data = all + 2 * buffer.page;
	return 0;
}

static int free_buffer(void **state __attribute__((unused)))
{
	munmap(buffer.consumer, 2 * buffer.page + 2 * SIZE);
	return close(buffer.fd);
}

/* A record of that length, with flags of the kernel's, and one byte that tells it. */
static void put(uint32_t flags, uint8_t byte)
{
	uint8_t *at = buffer.data + *buffer.producer % SIZE;
	const uint32_t word = (RECORD - BPF_RINGBUF_HDR_SZ) | flags;

	memcpy(at, &word, sizeof(word));
	at[BPF_RINGBUF_HDR_SZ] = byte;
	*buffer.producer += RECORD;
}

static void assert_found(struct ring *ring, uint64_t position, uint8_t byte, uint64_t next)
{
	struct ring_record record;

	assert_int_equal(ring_peek(ring, position, &record), RING_RECORD);
	assert_int_equal(*(const uint8_t *)record.data, byte);
	assert_int_equal(record.size, RECORD - BPF_RINGBUF_HDR_SZ);
	assert_int_equal(record.next, next);
}

/* One that is being written is not the end: it hides what is behind it until it is there. */
static void test_busy(void **state __attribute__((unused)))
{
	_cleanup_(ring_freep) struct ring *ring = NULL;
	struct ring_record record;

	assert_int_equal(ring_open(buffer.fd, RECORD, false, &ring), 0);
	assert_int_equal(ring_peek(ring, 0, &record), RING_NONE);
	put(0, 1);
	put(BPF_RINGBUF_BUSY_BIT, 2);
	put(0, 3);
	assert_found(ring, 0, 1, RECORD);
	ring_advance(ring, RECORD);
	assert_int_equal(*buffer.consumer, RECORD);
	assert_int_equal(ring_peek(ring, RECORD, &record), RING_BUSY);
	buffer.data[RECORD + 3] = 0;
	assert_found(ring, RECORD, 2, 2 * RECORD);
	assert_found(ring, 2 * RECORD, 3, 3 * RECORD);
	ring_advance(ring, 3 * RECORD);
	assert_int_equal(ring_peek(ring, 3 * RECORD, &record), RING_NONE);
}

/* What a program gave up is passed over, and taken out where it is the oldest. */
static void test_discarded(void **state __attribute__((unused)))
{
	_cleanup_(ring_freep) struct ring *ring = NULL;

	assert_int_equal(ring_open(buffer.fd, RECORD, false, &ring), 0);
	put(BPF_RINGBUF_DISCARD_BIT, 1);
	put(0, 2);
	put(BPF_RINGBUF_DISCARD_BIT, 3);
	put(0, 4);
	assert_found(ring, 0, 2, 2 * RECORD);
	assert_int_equal(ring_position(ring), RECORD);
	assert_found(ring, 2 * RECORD, 4, 4 * RECORD);
	assert_int_equal(ring_position(ring), RECORD);
}

static void test_position_at_the_start(void **state __attribute__((unused)))
{
	static const struct {
		unsigned long consumer, producer;
		int expected;
	} cases[] = {
		{ 0, 0, 0 },
		{ 0, SIZE, 0 },
		{ 1UL << 40, (1UL << 40) + RECORD, 0 },
		{ RECORD, 0, -EBADMSG },
		{ ~0UL - 63, 0, 0 },
		{ ~0UL >> 1, 0, -EBADMSG },
		{ 0, SIZE + RECORD, -EBADMSG },
		{ 8, RECORD, -EBADMSG },
		{ 1, RECORD, -EBADMSG },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(ring_freep) struct ring *ring = NULL;

		*buffer.consumer = cases[i].consumer;
		*buffer.producer = cases[i].producer;
		assert_int_equal(ring_open(buffer.fd, RECORD, false, &ring), cases[i].expected);
		assert_int_equal(!ring, cases[i].expected != 0);
		if (ring)
			assert_int_equal(ring_position(ring), cases[i].consumer);
	}
}

/* Somebody else writes there meanwhile: it is said, and not gone by. */
static void test_position_moved(void **state __attribute__((unused)))
{
	static const unsigned long moved[] = { 2 * RECORD, 0, 8, 1UL << 40, ~0UL };
	struct ring_record record;

	for (size_t i = 0; i < sizeof(moved) / sizeof(moved[0]); i++) {
		_cleanup_(ring_freep) struct ring *ring = NULL;

		*buffer.consumer = *buffer.producer = RECORD;
		put(0, 1);
		put(0, 2);
		assert_int_equal(ring_open(buffer.fd, RECORD, false, &ring), 0);
		assert_found(ring, RECORD, 1, 2 * RECORD);
		*buffer.consumer = moved[i];
		assert_int_equal(ring_position(ring), RECORD);
		assert_int_equal(ring_peek(ring, RECORD, &record), -EBADMSG);
		assert_int_equal(ring_peek(ring, 2 * RECORD, &record), -EBADMSG);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_buffer, free_buffer)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_busy),
		TEST(test_discarded),
		TEST(test_position_at_the_start),
		TEST(test_position_moved),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
