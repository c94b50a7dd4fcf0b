// SPDX-License-Identifier: GPL-2.0-only
/* The kernel's own view of what is loaded. */
#include "fixture.h"

#include <bpf/bpf.h>

int bpf_pin_open(const char *name)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", fixture.pins, name);
	fd = bpf_obj_get(path);
	if (fd < 0)
		fail_msg("cannot open %s: %s", path, strerror(errno));
	return fd;
}

unsigned int bpf_count_cgroups(void)
{
	_cleanup_close_ int fd = bpf_pin_open("policy/map_cgroups");
	uint64_t key, next;
	unsigned int n = 0;

	for (void *at = NULL; !bpf_map_get_next_key(fd, at, &next); at = &key, n++)
		key = next;
	return n;
}

static unsigned int count_stale(int fd)
{
	uint64_t key, next;
	unsigned int n = 0;

	for (void *at = NULL; !bpf_map_get_next_key(fd, at, &next); at = &key) {
		key = next;
		n += !cgroup_exists_id(key);
	}
	return n;
}

/* A cgroup of somebody else may just be going: such an entry is gone at the next look. */
unsigned int bpf_stale_cgroups(void)
{
	_cleanup_close_ int fd = bpf_pin_open("policy/map_cgroups");
	int64_t deadline = clock_ms() + 1000;
	unsigned int n;

	do
		n = count_stale(fd);
	while (n && pause_until(deadline));
	return n;
}

static int (*const next_id[])(__u32, __u32 *) = {
	bpf_prog_get_next_id,
	bpf_map_get_next_id,
	bpf_link_get_next_id,
};

void bpf_ids_read(struct bpf_ids *ids)
{
	for (size_t kind = 0; kind < ARRAY_SIZE(next_id); kind++) {
		uint32_t id = 0;

		ids->n[kind] = 0;
		while (!next_id[kind](id, &id)) {
			assert_true(ids->n[kind] < ARRAY_SIZE(ids->ids[kind]));
			ids->ids[kind][ids->n[kind]++] = id;
		}
	}
}

static bool was_there(const struct bpf_ids *before, size_t kind, uint32_t id)
{
	for (size_t i = 0; i < before->n[kind]; i++)
		if (before->ids[kind][i] == id)
			return true;
	return false;
}

size_t bpf_ids_wait_gone(const struct bpf_ids *before, struct bpf_ids *after)
{
	int64_t deadline = clock_ms() + 2000;
	size_t n;

	do {
		n = 0;
		bpf_ids_read(after);
		for (size_t kind = 0; kind < ARRAY_SIZE(next_id); kind++)
			for (size_t i = 0; i < after->n[kind]; i++)
				n += !was_there(before, kind, after->ids[kind][i]);
	} while (n && pause_until(deadline));
	return n;
}
