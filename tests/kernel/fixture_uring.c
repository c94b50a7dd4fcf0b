// SPDX-License-Identifier: GPL-2.0-only
/* One connect(2) through io_uring, by its system calls, which take no library. */
#include "fixture.h"

#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

struct uring {
	int fd;
	struct io_uring_params params;
	char *submission; /* both rings, with IORING_FEAT_SINGLE_MMAP, which 5.4 brought */
	struct io_uring_sqe *entries;
};

static int uring_open(struct uring *uring, bool sqpoll)
{
	size_t size;

	memset(uring, 0, sizeof(*uring));
	if (sqpoll) {
		uring->params.flags = IORING_SETUP_SQPOLL;
		uring->params.sq_thread_idle = 2000;
	}
	uring->fd = (int)syscall(SYS_io_uring_setup, 4, &uring->params);
	if (uring->fd < 0)
		return -errno;
	if (!(uring->params.features & IORING_FEAT_SINGLE_MMAP))
		return -EOPNOTSUPP;
	size = uring->params.cq_off.cqes + uring->params.cq_entries * sizeof(struct io_uring_cqe);
	if (size < uring->params.sq_off.array + uring->params.sq_entries * sizeof(uint32_t))
		size = uring->params.sq_off.array + uring->params.sq_entries * sizeof(uint32_t);
	uring->submission = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
				 uring->fd, IORING_OFF_SQ_RING);
	uring->entries = mmap(NULL, uring->params.sq_entries * sizeof(struct io_uring_sqe),
			      PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, uring->fd,
			      IORING_OFF_SQES);
	if (uring->submission == MAP_FAILED || uring->entries == MAP_FAILED)
		return -errno;
	return 0;
}

static uint32_t *uring_word(const struct uring *uring, uint32_t offset)
{
	return (uint32_t *)(uring->submission + offset);
}

static int uring_submit(const struct uring *uring)
{
	const struct io_sqring_offsets *at = &uring->params.sq_off;
	unsigned int flags = IORING_ENTER_GETEVENTS;

	uring_word(uring, at->array)[0] = 0;
	__atomic_store_n(uring_word(uring, at->tail), 1, __ATOMIC_RELEASE);
	if (uring->params.flags & IORING_SETUP_SQPOLL)
		flags |= IORING_ENTER_SQ_WAKEUP;
	if (syscall(SYS_io_uring_enter, uring->fd, 1, 1, flags, NULL, 0) < 0)
		return -errno;
	return 0;
}

static int uring_result(const struct uring *uring)
{
	const struct io_cqring_offsets *at = &uring->params.cq_off;
	const struct io_uring_cqe *done = (void *)(uring->submission + at->cqes);
	int64_t deadline = clock_ms() + FIXTURE_PATIENCE / 2;

	while (!__atomic_load_n(uring_word(uring, at->tail), __ATOMIC_ACQUIRE))
		if (!pause_until(deadline))
			return ETIME;
	return -done[0].res;
}

static int uring_do(const struct io_uring_sqe *entry, bool sqpoll)
{
	struct uring uring;
	int err = uring_open(&uring, sqpoll);

	if (err)
		return err;
	uring.entries[0] = *entry;
	err = uring_submit(&uring);
	if (!err)
		err = uring_result(&uring);
	close(uring.fd);
	return err;
}

int uring_connect(int fd, const void *address, socklen_t size, bool async, bool sqpoll)
{
	const struct io_uring_sqe entry = {
		.opcode = IORING_OP_CONNECT,
		.flags = async ? IOSQE_ASYNC : 0,
		.fd = fd,
		.addr = (uint64_t)(uintptr_t)address,
		.off = size,
	};

	return uring_do(&entry, sqpoll);
}

/* SOCKET_URING_OP_SETSOCKOPT of Linux 6.7; its members share the places of these. */
int uring_setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
	const struct io_uring_sqe entry = {
		.opcode = 46, /* IORING_OP_URING_CMD */
		.fd = fd,
		.off = 3,
		.addr = (uint32_t)level | (uint64_t)option << 32,
		.splice_fd_in = (int)size,
		.addr3 = (uint64_t)(uintptr_t)value,
	};

	return uring_do(&entry, false);
}
