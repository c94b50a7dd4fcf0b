// SPDX-License-Identifier: GPL-2.0-only
/* Whether a load can take over the maps that last; see sound.h. */
#include "pins/sound.h"

#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>

#include <smtpward/packets.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "pins/object.h"

static const struct sound_map {
	const char *name;
	enum bpf_map_type type;
	uint32_t key_size;
	uint32_t value_size;
} sound_maps[] = {
	{ "map_events", BPF_MAP_TYPE_RINGBUF, 0, 0 },
	{ "map_callers", BPF_MAP_TYPE_HASH, sizeof(struct smtpward_caller_key),
	  sizeof(struct smtpward_caller_counts) },
	{ "map_callers_rest", BPF_MAP_TYPE_ARRAY, sizeof(uint32_t),
	  sizeof(struct smtpward_caller_counts) },
	{ "map_tenants", BPF_MAP_TYPE_HASH, sizeof(uint64_t), sizeof(struct smtpward_tenant) },
	{ "map_reported", BPF_MAP_TYPE_HASH, sizeof(struct smtpward_caller_key),
	  sizeof(struct smtpward_reported) },
	{ "map_note", BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), sizeof(struct smtpward_note) },
	{ "map_note_root", BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), sizeof(struct smtpward_note) },
	{ "map_counters", BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(uint32_t),
	  sizeof(struct smtpward_counters) },
	{ "map_marks", BPF_MAP_TYPE_SK_STORAGE, sizeof(uint32_t), sizeof(struct smtpward_mark) },
	{ "map_passes", BPF_MAP_TYPE_LRU_HASH, sizeof(uint32_t), sizeof(struct smtpward_pass) },
	{ "map_layers", BPF_MAP_TYPE_HASH, sizeof(uint64_t), sizeof(uint32_t) },
	{ "map_pkt_counts", BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(uint32_t),
	  sizeof(struct smtpward_packet_counters) },
	{ "map_guest_slots", BPF_MAP_TYPE_HASH, sizeof(uint32_t), sizeof(uint32_t) },
	{ "map_local", BPF_MAP_TYPE_LPM_TRIE, sizeof(struct smtpward_prefix), sizeof(uint64_t) },
};

int sound_is_frozen(int fd)
{
	_cleanup_fclose_ FILE *file = NULL;
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (getline(&line, &size, file) > 0)
		if (!strncmp(line, "frozen:", strlen("frozen:")))
			return !!strtoul(line + strlen("frozen:"), NULL, 10);
	return 0;
}

/*
 * The layout is the kernel's user-space ABI: a page has the consumer's position, the next page the
 * producer's.
 */
static int sound_check_position(int fd, uint32_t size, bool *ret_sound)
{
	const size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
	const unsigned long *consumer, *producer;
	unsigned long position, behind;
	void *pages = mmap(NULL, 2 * page_size, PROT_READ, MAP_SHARED, fd, 0);

	if (pages == MAP_FAILED)
		return -errno;
	consumer = pages;
	producer = (const unsigned long *)((const char *)pages + page_size);
	position = __atomic_load_n(consumer, __ATOMIC_ACQUIRE);
	behind = __atomic_load_n(producer, __ATOMIC_ACQUIRE) - position;
	*ret_sound = behind <= size && position % SOUND_RECORD_SIZE == 0;
	munmap(pages, 2 * page_size);
	return 0;
}

static int sound_check_map(const struct pins *pins, const struct sound_map *map, int fd,
			   bool *ret_sound, struct reason *why)
{
	struct bpf_map_info info = { 0 };
	__u32 size = sizeof(info);
	int r = sound_is_frozen(fd);

	*ret_sound = false;
	if (r < 0)
		return r;
	if (r) {
		reason_set(why, 0, SOUND_FROZEN_TEXT, pins->path, map->name);
		return 0;
	}
	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return -errno;
	if (info.type != map->type || info.key_size != map->key_size ||
	    info.value_size != map->value_size) {
		reason_set(why, 0, "%s/%s is not what its name says", pins->path, map->name);
		return 0;
	}
	if (map->type != BPF_MAP_TYPE_RINGBUF) {
		*ret_sound = true;
		return 0;
	}
	r = sound_check_position(fd, info.max_entries, ret_sound);
	if (!r && !*ret_sound)
		reason_set(why, 0, SOUND_POSITION_TEXT, pins->path, map->name);
	return r;
}

int sound_check(const struct pins *pins, uint64_t generation, bool *ret_sound, struct reason *why)
{
	bool sound = true;

	for (size_t i = 0; i < ARRAY_SIZE(sound_maps) && sound; i++) {
		_cleanup_close_ int fd = -1;
		/* Opened for writing: the kernel maps no other map, not even for reading. */
		int r = object_open_map(pins, generation, sound_maps[i].name, OBJECT_WRITES, 0,
					&fd);

		/* The generation is of an older version, without this map. */
		if (r == -ENOENT)
			continue;
		if (!r)
			r = sound_check_map(pins, &sound_maps[i], fd, &sound, why);
		if (r)
			return reason_errno(why, r, "cannot examine %s/%s", pins->path,
					    sound_maps[i].name);
	}
	*ret_sound = sound;
	return 0;
}
