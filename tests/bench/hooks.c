// SPDX-License-Identifier: GPL-2.0-only
/* See hooks.h. */
#include "hooks.h"

#include <errno.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "base/macro.h"

#define PROGRAMS_MAX 64

int hooks_attach_return(int cgroup, int verdict)
{
	const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = verdict },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_CGROUP_INET4_CONNECT);
	_cleanup_close_ int fd = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "bench_return",
					       "GPL", program, ARRAY_SIZE(program), &opts);
	int link;

	if (fd < 0)
		return -errno;
	link = bpf_link_create(fd, cgroup, BPF_CGROUP_INET4_CONNECT, NULL);
	return link < 0 ? -errno : link;
}

int hooks_count_time(void)
{
	int fd = bpf_enable_stats(BPF_STATS_RUN_TIME);

	return fd < 0 ? -errno : fd;
}

static uint64_t program_run_ns(uint32_t id)
{
	_cleanup_close_ int fd = bpf_prog_get_fd_by_id(id);
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);

	return fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) ? 0 : info.run_time_ns;
}

uint64_t hooks_run_ns(int cgroup)
{
	static const enum bpf_attach_type types[] = {
		BPF_CGROUP_INET4_CONNECT,
		BPF_CGROUP_INET_EGRESS,
		BPF_CGROUP_INET_INGRESS,
	};
	uint64_t sum = 0;

	for (size_t type = 0; type < ARRAY_SIZE(types); type++) {
		uint32_t ids[PROGRAMS_MAX], n = PROGRAMS_MAX, flags;

		if (bpf_prog_query(cgroup, types[type], BPF_F_QUERY_EFFECTIVE, &flags, ids, &n))
			continue;
		for (uint32_t i = 0; i < n; i++)
			sum += program_run_ns(ids[i]);
	}
	return sum;
}

void ring_close(struct ring *ring)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (ring->consumer)
		munmap(ring->consumer, page);
	if (ring->producer)
		munmap((void *)ring->producer, page);
	*ring = (struct ring){ 0 };
}

int ring_open(struct ring *ring, const char *pin)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	_cleanup_close_ int fd = bpf_obj_get(pin);
	void *consumer, *producer;

	if (fd < 0)
		return -errno;
	consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (consumer == MAP_FAILED)
		return -errno;
	ring->consumer = consumer;
	producer = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, (off_t)page);
	if (producer == MAP_FAILED)
		return -errno;
	ring->producer = producer;
	return 0;
}

void ring_empty(const struct ring *ring)
{
	__atomic_store_n(ring->consumer, __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE),
			 __ATOMIC_RELEASE);
}
