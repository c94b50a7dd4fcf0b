// SPDX-License-Identifier: GPL-2.0-only
/* Figures of a policy in force; see figures.h. Reading changes nothing, and takes no record out. */
#include "pins/figures.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "pins/object.h"
#include "pins/sound.h"
#include "pins/state_view.h"

/*
 * The layout is the kernel's user-space ABI (kernel/bpf/ringbuf.c), as in user/log/ring.c: a page
 * with the consumer's position, one with the producer's, then the data. A record that was read
 * stays in the data until a later record needs the room.
 */
struct figures_buffer {
	const uint8_t *data;
	uint64_t size, end;
};

static uint64_t figures_buffer_word(const struct figures_buffer *buffer, uint64_t position)
{
	return *(const volatile uint64_t *)(buffer->data + (position & (buffer->size - 1)));
}

/*
 * The time of the last whole record. A header's first half is the word read here; the time follows
 * the header.
 */
static uint64_t figures_last_record(const struct figures_buffer *buffer)
{
	uint64_t at = buffer->end;

	while (at >= SOUND_RECORD_SIZE && buffer->end - at < buffer->size) {
		at -= SOUND_RECORD_SIZE;
		if (!((uint32_t)figures_buffer_word(buffer, at) &
		      (BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT)))
			return figures_buffer_word(buffer, at + BPF_RINGBUF_HDR_SZ);
	}
	return 0;
}

_Static_assert(offsetof(struct smtpward_event, time_ns) == 0, "a record begins with its time");

static void figures_look_at_buffer(const uint8_t *pages, size_t page, uint64_t size,
				   struct figures *figures)
{
	const uint64_t read = __atomic_load_n((const uint64_t *)pages, __ATOMIC_ACQUIRE);
	const struct figures_buffer buffer = {
		.data = pages + 2 * page,
		.size = size,
		.end = __atomic_load_n((const uint64_t *)(pages + page), __ATOMIC_ACQUIRE),
	};

	figures->buffer_size = size;
	figures->buffer_read = read;
	/*
	 * The reader's group can write the reader's position: a position without sense counts as a
	 * full buffer.
	 */
	figures->buffer_used = buffer.end - read > size ? size : buffer.end - read;
	figures->last_record_ns = figures_last_record(&buffer);
}

static int figures_read_max(int fd, uint64_t *ret_max)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return -errno;
	*ret_max = info.max_entries;
	return 0;
}

/* Opens the buffer for writing: the kernel maps only such a map, even for reading. */
static int figures_open_buffer(const struct state_view *view, struct state *state, int *ret_fd)
{
	if (view->fallback_program || state_find_program(view, state))
		return state_open_map(view, state, "map_events", 0, ret_fd);
	return object_open_map(&view->pins, state->policy.generation, "map_events", OBJECT_WRITES,
			       0, ret_fd);
}

static int figures_read_buffer(const struct state_view *view, struct state *state,
			       struct figures *figures)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	_cleanup_close_ int fd = -1;
	uint64_t size = 0;
	void *pages;
	int r = figures_open_buffer(view, state, &fd);

	/* The bpffs is read-only: the figures are not known. */
	if (r == -EROFS)
		return 0;
	if (!r)
		r = figures_read_max(fd, &size);
	if (r)
		return r;
	pages = mmap(NULL, 2 * page + size, PROT_READ, MAP_SHARED, fd, 0);
	if (pages == MAP_FAILED)
		return -errno;
	figures_look_at_buffer(pages, page, size, figures);
	munmap(pages, 2 * page + size);
	return 0;
}

static int figures_count_tenants(const struct state_view *view, struct state *state,
				 struct figures *figures)
{
	_cleanup_close_ int fd = -1;
	uint64_t key = 0, n = 0;
	int r = state_open_map(view, state, "map_tenants", sizeof(struct smtpward_tenant), &fd);

	if (!r)
		r = figures_read_max(fd, &figures->tenants_max);
	if (r)
		return r;
	/* If the entry at hand goes, the iteration begins anew: hence the bound. */
	while (n < figures->tenants_max && !bpf_map_get_next_key(fd, n ? &key : NULL, &key))
		n++;
	figures->tenants = n;
	return n == figures->tenants_max || errno == ENOENT ? 0 : -errno;
}

static int figures_read_attempts(const struct state_view *view, struct state *state,
				 struct figures *figures)
{
	const uint32_t n =
		state->policy.ports % (SMTPWARD_PORTS_MAX + 1) * SMTPWARD_ATTEMPTS_A_PORT;
	_cleanup_free_ uint64_t *attempts = NULL;
	_cleanup_close_ int fd = -1;
	int r = state_open_map(view, state, "map_attempts", sizeof(struct smtpward_attempts), &fd);

	/* An older version, without this map, loaded the policy. */
	if (r)
		return r == -ENOENT ? 0 : r;
	attempts = calloc(n ?: 1, sizeof(*attempts));
	if (!attempts)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		__u64 sum;

		r = object_sum(fd, i, &sum, 1);
		if (r)
			return r;
		attempts[i] = sum;
	}
	figures->attempts = TAKE_PTR(attempts);
	return 0;
}

int figures_read(const struct state_view *view, struct state *state, struct figures *ret_figures)
{
	_cleanup_(figures_clear) struct figures figures = { 0 };
	int r = figures_read_buffer(view, state, &figures);

	if (!r)
		r = figures_count_tenants(view, state, &figures);
	if (r)
		return r;
	r = figures_read_attempts(view, state, &figures);
	if (r)
		return r;
	*ret_figures = figures;
	figures.attempts = NULL;
	return 0;
}

uint64_t figures_attempts(const struct figures *figures, uint32_t port, uint32_t rule)
{
	assert(figures->attempts && port < SMTPWARD_PORTS_MAX && rule <= SMTPWARD_RULE_NONE);
	return figures->attempts[port * SMTPWARD_ATTEMPTS_A_PORT + rule];
}

void figures_clear(struct figures *figures)
{
	free(figures->attempts);
	figures->attempts = NULL;
}
