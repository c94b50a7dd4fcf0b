// SPDX-License-Identifier: GPL-2.0-only
/* The kernel's own view of what is loaded. */
#include "fixture.h"

#include <dirent.h>
#include <ftw.h>
#include <sys/stat.h>

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

void bpf_link_unpin(const char *name)
{
	const int64_t deadline = clock_ms() + FIXTURE_PATIENCE;
	_cleanup_close_ int link = bpf_pin_open(name);
	struct bpf_link_info info = { 0 };
	uint32_t size = sizeof(info);
	char path[512];
	bool stays;

	assert_int_equal(bpf_obj_get_info_by_fd(link, &info, &size), 0);
	cleanup_close(&link);
	link = -1;
	snprintf(path, sizeof(path), "%s/%s", fixture.pins, name);
	assert_int_equal(unlink(path), 0);
	do {
		_cleanup_close_ int fd = bpf_link_get_fd_by_id(info.id);

		stays = fd >= 0;
	} while (stays && pause_until(deadline));
	assert_false(stays);
}

unsigned int bpf_count_generations(void)
{
	DIR *dir = opendir(fixture.pins);
	unsigned int n = 0;
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		n += !strncmp(entry->d_name, "generation-", strlen("generation-"));
	closedir(dir);
	return n;
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

/*
 * Counts the stale entries: those that stay without a cgroup. A cgroup that is just being removed
 * loses its entry a moment after its directory. Ids do not come back, so a second look at one id
 * is enough, however fast cgroups come and go.
 */
static unsigned int stale_cgroups(const char *pin)
{
	_cleanup_close_ int fd = bpf_pin_open(pin);
	int64_t deadline = clock_ms() + 1000 * fixture_slow();
	char value[sizeof(struct smtpward_cgroup)];
	uint64_t key, next;
	unsigned int n = 0;

	for (void *at = NULL; !bpf_map_get_next_key(fd, at, &next); at = &key) {
		bool stays = !cgroup_exists_id(next);

		key = next;
		while (stays && pause_until(deadline))
			stays = !bpf_map_lookup_elem(fd, &key, value);
		n += stays;
		/* After a deleted key the kernel begins anew: the deadline ends that. */
		if (clock_ms() > deadline + 1000)
			break;
	}
	return n;
}

unsigned int bpf_stale_cgroups(void)
{
	return stale_cgroups("policy/map_cgroups") + stale_cgroups("policy/map_inherited");
}

int bpf_foreign_map(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "foreign", 4, 4, 1, NULL);

	assert_true(fd >= 0);
	return fd;
}

static enum bpf_attach_type hook(bool v6)
{
	return v6 ? BPF_CGROUP_INET6_CONNECT : BPF_CGROUP_INET4_CONNECT;
}

int bpf_attach_exclusive(int cgroup_fd, bool v6)
{
	const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = hook(v6));
	int fd = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "exclusive", "GPL", pass,
			       ARRAY_SIZE(pass), &options);

	assert_true(fd >= 0);
	assert_int_equal(bpf_prog_attach(fd, cgroup_fd, hook(v6), 0), 0);
	return fd;
}

unsigned int bpf_count_attached(int cgroup_fd, bool v6)
{
	uint32_t n = 0;

	assert_int_equal(bpf_prog_query(cgroup_fd, hook(v6), 0, NULL, NULL, &n), 0);
	return n;
}

enum kind { PROGRAM, MAP, LINK };

static void add_id(struct bpf_ids *ids, enum kind kind, uint32_t id)
{
	for (size_t i = 0; i < ids->n[kind]; i++)
		if (ids->ids[kind][i] == id)
			return;
	assert_true(ids->n[kind] < ARRAY_SIZE(ids->ids[kind]));
	ids->ids[kind][ids->n[kind]++] = id;
}

/* Only /proc tells the kind of a descriptor. */
static bool is_kind(int fd, const char *name)
{
	char path[64], target[64] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return readlink(path, target, sizeof(target) - 1) > 0 && strstr(target, name);
}

static void add_program(struct bpf_ids *ids, int fd)
{
	uint32_t maps[64];
	struct bpf_prog_info info = { .map_ids = (uintptr_t)maps, .nr_map_ids = 64 };
	uint32_t size = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
	add_id(ids, PROGRAM, info.id);
	for (uint32_t i = 0; i < info.nr_map_ids && i < ARRAY_SIZE(maps); i++)
		add_id(ids, MAP, maps[i]);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

void bpf_wipe(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", fixture.pins, name);
	assert_int_equal(nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT), 0);
}

static struct bpf_ids *collecting; /* nftw(3) has no userdata */

static int add_pin(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	struct bpf_ids *ids = collecting;
	_cleanup_close_ int fd = -1;
	struct bpf_map_info map = { 0 };
	struct bpf_link_info link = { 0 };
	uint32_t map_size = sizeof(map), link_size = sizeof(link);

	if (type != FTW_F)
		return 0;
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	if (is_kind(fd, "bpf-prog")) {
		add_program(ids, fd);
	} else if (is_kind(fd, "bpf-map")) {
		assert_int_equal(bpf_obj_get_info_by_fd(fd, &map, &map_size), 0);
		add_id(ids, MAP, map.id);
	} else {
		assert_int_equal(bpf_obj_get_info_by_fd(fd, &link, &link_size), 0);
		add_id(ids, LINK, link.id);
		add_id(ids, PROGRAM, link.prog_id);
	}
	return 0;
}

void bpf_ids_of_pins(const char *pins, struct bpf_ids *ret)
{
	memset(ret, 0, sizeof(*ret));
	collecting = ret;
	assert_int_equal(nftw(pins, add_pin, 8, FTW_PHYS), 0);
}

static int (*const next_id[])(__u32, __u32 *) = {
	[PROGRAM] = bpf_prog_get_next_id,
	[MAP] = bpf_map_get_next_id,
	[LINK] = bpf_link_get_next_id,
};

/*
 * Looks for an id without opening the object: the kernel empties a program array some time after
 * its last descriptor is closed, and loses a reference if that happens twice before it is done.
 */
static bool is_alive(enum kind kind, uint32_t id)
{
	uint32_t next = 0;

	return !next_id[kind](id - 1, &next) && next == id;
}

static size_t count_alive(const struct bpf_ids *ids)
{
	size_t n = 0;

	for (size_t kind = 0; kind < ARRAY_SIZE(next_id); kind++)
		for (size_t i = 0; i < ids->n[kind]; i++)
			n += is_alive(kind, ids->ids[kind][i]);
	return n;
}

/*
 * Such a lost reference comes from any process that opens the map by its id, such as another load.
 * An array with a descriptor or a pin keeps its programs: an array without programs is nobody's.
 */
static bool is_lost_array(const struct bpf_map_info *map, int fd)
{
	uint32_t key = 0, program;

	return map->type == BPF_MAP_TYPE_PROG_ARRAY && map->max_entries == 1 &&
	       bpf_map_lookup_elem(fd, &key, &program) == -ENOENT;
}

static bool is_held(enum kind kind, uint32_t id)
{
	static const char *const names[] = { "program", "map", "link" };
	_cleanup_close_ int fd = kind == MAP ? bpf_map_get_fd_by_id(id) : -1;
	struct bpf_map_info map = { 0 };
	uint32_t size = sizeof(map);

	if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &map, &size) && is_lost_array(&map, fd))
		return false;
	print_message("# %s %u is there: %s\n", names[kind], id, map.name);
	return true;
}

static size_t count_held(const struct bpf_ids *ids)
{
	size_t n = 0;

	for (size_t kind = 0; kind < ARRAY_SIZE(next_id); kind++)
		for (size_t i = 0; i < ids->n[kind]; i++)
			n += is_alive(kind, ids->ids[kind][i]) && is_held(kind, ids->ids[kind][i]);
	return n;
}

static size_t wait_dead(const struct bpf_ids *ids, int64_t deadline)
{
	while (count_alive(ids))
		if (!pause_until(deadline))
			return count_held(ids);
	return 0;
}

size_t bpf_ids_wait_dead(const struct bpf_ids *ids)
{
	return wait_dead(ids, clock_ms() + FIXTURE_PATIENCE);
}

void bpf_ids_read(struct bpf_ids *ids)
{
	memset(ids, 0, sizeof(*ids));
	for (size_t kind = 0; kind < ARRAY_SIZE(next_id); kind++)
		for (uint32_t id = 0; !next_id[kind](id, &id);)
			add_id(ids, kind, id);
}

static bool was_there(const struct bpf_ids *before, size_t kind, uint32_t id)
{
	for (size_t i = 0; i < before->n[kind]; i++)
		if (before->ids[kind][i] == id)
			return true;
	return false;
}

/*
 * What is new may be of another test, beside this one: it goes as that test ends, and what
 * is left here never does.
 */
#define OTHERS_PATIENCE (5LL * FIXTURE_PATIENCE / 2)

size_t bpf_ids_wait_gone(const struct bpf_ids *before)
{
	struct bpf_ids now, new = { 0 };

	bpf_ids_read(&now);
	for (size_t kind = 0; kind < ARRAY_SIZE(next_id); kind++)
		for (size_t i = 0; i < now.n[kind]; i++)
			if (!was_there(before, kind, now.ids[kind][i]))
				add_id(&new, kind, now.ids[kind][i]);
	return wait_dead(&new, clock_ms() + OTHERS_PATIENCE);
}

uint32_t bpf_ids_most_verified(const struct bpf_ids *ids)
{
	uint32_t most = 0;

	assert_true(ids->n[PROGRAM]);
	for (size_t i = 0; i < ids->n[PROGRAM]; i++) {
		_cleanup_close_ int fd = bpf_prog_get_fd_by_id(ids->ids[PROGRAM][i]);
		struct bpf_prog_info info = { 0 };
		uint32_t size = sizeof(info);

		assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
		most = info.verified_insns > most ? info.verified_insns : most;
	}
	return most;
}
