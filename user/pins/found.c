// SPDX-License-Identifier: GPL-2.0-only
/* Finds our programs by ids; see found.h. */
#include "pins/found.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include <smtpward/abi.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/macro.h"
#include "pins/object.h"
#include "pins/pins.h"
#include "pins/uplink.h"

/* MAX_USED_MAPS of the kernel: the most maps that a program uses. */
#define MAPS_MAX 64

/* The maps with names that the kernel cuts. */
static const char *const long_names[] = { "map_callers_rest" };

struct found_program {
	struct bpf_prog_info info;
	uint32_t maps[MAPS_MAX];
	char names[MAPS_MAX][BPF_OBJ_NAME_LEN]; /* of the maps, after found_name_maps() */
};

static int found_read_program(uint32_t id, struct found_program *ret)
{
	_cleanup_close_ int fd = bpf_prog_get_fd_by_id(id);
	__u32 size = sizeof(ret->info);

	if (fd < 0)
		return -errno;
	memset(ret, 0, sizeof(*ret));
	ret->info.nr_map_ids = MAPS_MAX;
	ret->info.map_ids = (uintptr_t)ret->maps;
	if (bpf_obj_get_info_by_fd(fd, &ret->info, &size))
		return -errno;
	if (ret->info.nr_map_ids > MAPS_MAX)
		ret->info.nr_map_ids = MAPS_MAX;
	return 0;
}

/* The kernel keeps BPF_OBJ_NAME_LEN - 1 bytes of a name. */
static bool found_is_named(const char *kept, const char *name)
{
	return !strncmp(kept, name, BPF_OBJ_NAME_LEN - 1);
}

static const char *found_pin_name(const char *kept)
{
	for (size_t i = 0; i < ARRAY_SIZE(long_names); i++)
		if (found_is_named(kept, long_names[i]))
			return long_names[i];
	return kept;
}

/*
 * The names of maps that were looked up, for the life of the process: the kernel never gives an id
 * again. The cache saves calls, and avoids a kernel bug: when the last descriptor of a program
 * array is closed, the kernel takes a reference until it has emptied the array, later. If the
 * array is opened and closed again before that, the kernel takes two references and drops one:
 * prog_array_map_clear() in kernel/bpf/arraymap.c. So a map is not opened without need.
 */
#define NAMES_KEPT 1024

static struct {
	uint32_t id; /* 0: the slot is free */
	char name[BPF_OBJ_NAME_LEN];
} found_names[NAMES_KEPT];

static int found_name_map(uint32_t id, char ret_name[static BPF_OBJ_NAME_LEN])
{
	char *kept = found_names[id % NAMES_KEPT].name;
	struct bpf_map_info info = { 0 };
	_cleanup_close_ int fd = -1;
	__u32 size = sizeof(info);

	if (found_names[id % NAMES_KEPT].id != id) {
		fd = bpf_map_get_fd_by_id(id);
		if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size))
			return -errno;
		memcpy(kept, info.name, sizeof(info.name));
		found_names[id % NAMES_KEPT].id = id;
	}
	memcpy(ret_name, kept, BPF_OBJ_NAME_LEN);
	return 0;
}

static int found_name_maps(struct found_program *program)
{
	for (uint32_t i = 0; i < program->info.nr_map_ids; i++) {
		int r = found_name_map(program->maps[i], program->names[i]);

		if (r && r != -ENOENT)
			return r;
	}
	return 0;
}

static int found_read_named(uint32_t id, struct found_program *ret)
{
	int r = found_read_program(id, ret);

	return r ? r : found_name_maps(ret);
}

int found_each_map(uint32_t program_id, int (*map)(void *userdata, const char *name, int fd),
		   void *userdata)
{
	struct found_program program;
	int r = found_read_named(program_id, &program);

	for (uint32_t i = 0; !r && i < program.info.nr_map_ids; i++) {
		_cleanup_close_ int fd = -1;

		/* The other maps are libbpf's own, for constants. */
		if (strncmp(program.names[i], "map_", strlen("map_")))
			continue;
		fd = bpf_map_get_fd_by_id(program.maps[i]);
		if (fd < 0 && errno == ENOENT)
			continue;
		r = fd < 0 ? -errno : map(userdata, found_pin_name(program.names[i]), fd);
	}
	return r;
}

static int found_open_map_of(const struct found_program *program, const char *name, int *ret_fd)
{
	for (uint32_t i = 0; i < program->info.nr_map_ids; i++) {
		int fd;

		if (!found_is_named(program->names[i], name))
			continue;
		fd = bpf_map_get_fd_by_id(program->maps[i]);
		if (fd < 0)
			return -errno;
		*ret_fd = fd;
		return 0;
	}
	return -ENOENT;
}

int found_open_map(uint32_t program_id, const char *name, int *ret_fd)
{
	struct found_program program;
	int r = found_read_named(program_id, &program);

	if (r)
		return r;
	return found_open_map_of(&program, name, ret_fd);
}

/* Reads the one entry of a map that the program uses. -ENOENT if the program has no such map. */
static int found_read_map(const struct found_program *program, const char *name, void *value,
			  size_t value_size, uint32_t *ret_id)
{
	_cleanup_close_ int fd = -1;
	struct object_shape shape;
	const uint32_t zero = 0;
	int r = found_open_map_of(program, name, &fd);

	if (r)
		return r;
	r = object_read_shape(fd, &shape);
	if (r)
		return r;
	if (shape.value_size != value_size)
		return -ENOENT;
	*ret_id = shape.id;
	return bpf_map_lookup_elem(fd, &zero, value);
}

static int found_read_origin(const struct found_program *program, struct found_link *link)
{
	_cleanup_free_ struct smtpward_origin *origin = malloc(sizeof(*origin));
	struct smtpward_policy_info policy;
	uint32_t id;
	int r;

	if (!origin)
		return -ENOMEM;
	r = found_read_map(program, "map_origin", origin, sizeof(*origin), &id);
	if (r)
		return r == -ENOENT ? 0 : r;
	r = found_read_map(program, "map_policy", &policy, sizeof(policy), &id);
	if (r)
		return r == -ENOENT ? 0 : r;
	link->generation = policy.generation;
	link->root_id = policy.root;
	link->reader = origin->reader;
	link->pins = strndup(origin->pins, sizeof(origin->pins));
	return link->pins ? 0 : -ENOMEM;
}

static int found_hook_of(const struct bpf_link_info *info, const struct found_program *program)
{
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++)
		if (info->cgroup.attach_type == hook_infos[hook].attach_type &&
		    found_is_named(program->info.name, hook_infos[hook].program))
			return hook;
	return -1;
}

/* 1 if the program, whose maps have names, has a map_gate. */
static int found_read_owner(const struct found_program *program, struct found_link *link)
{
	struct smtpward_gate gate;
	int r = found_read_map(program, "map_gate", &gate, sizeof(gate), &link->gate_id);

	if (r)
		return r == -ENOENT ? 0 : r;
	link->gate = gate.generation;
	r = found_read_origin(program, link);
	return r ? r : 1;
}

static bool found_is_gate(const struct found_program *program)
{
	for (int kind = 0; kind < UPLINK_KINDS; kind++)
		if (found_is_named(program->info.name, uplink_infos[kind].program))
			return true;
	return false;
}

int found_read_gate(uint32_t program_id, struct found_link *ret_link)
{
	struct found_link link = { .program_id = program_id };
	struct found_program program;
	int r = found_read_program(program_id, &program);

	if (r)
		return r == -ENOENT ? 0 : r;
	if (!found_is_gate(&program))
		return 0;
	r = found_name_maps(&program);
	if (!r)
		r = found_read_owner(&program, &link);
	if (r == 1)
		*ret_link = link;
	return r;
}

/* 1 if the link is ours and attached; then *link describes it. */
static int found_describe(const struct bpf_link_info *info, struct found_link *link)
{
	struct found_program program;
	int r, hook;

	if (info->type != BPF_LINK_TYPE_CGROUP || !info->cgroup.cgroup_id)
		return 0;
	r = found_read_program(info->prog_id, &program);
	if (r)
		return r == -ENOENT ? 0 : r;
	hook = found_hook_of(info, &program);
	if (hook < 0)
		return 0;
	r = found_name_maps(&program);
	if (r)
		return r;
	*link = (struct found_link){
		.hook = hook,
		.id = info->id,
		.program_id = info->prog_id,
		.cgroup_id = info->cgroup.cgroup_id,
	};
	return found_read_owner(&program, link);
}

/*
 * Whether an error only means that the link is gone, or still being made: bpf_link_by_id() in
 * kernel/bpf/syscall.c.
 */
static bool found_passes(int error)
{
	return error == ENOENT || error == EAGAIN;
}

static int found_look(uint32_t id, found_link_fn link, void *userdata)
{
	_cleanup_close_ int fd = bpf_link_get_fd_by_id(id);
	struct bpf_link_info info = { 0 };
	__u32 size = sizeof(info);

	if (fd < 0)
		return found_passes(errno) ? 0 : -errno;
	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return -errno;
	return link(userdata, &info, &fd);
}

int found_each_link(found_link_fn link, void *userdata)
{
	uint32_t id = 0;

	while (!bpf_link_get_next_id(id, &id)) {
		int r = found_look(id, link, userdata);

		if (r)
			return r;
	}
	return errno == ENOENT ? 0 : -errno;
}

static int found_add(void *userdata, const struct bpf_link_info *info, int *fd)
{
	struct found *found = userdata;
	struct found_link link, *added;
	int r = found_describe(info, &link);

	if (r <= 0)
		return r;
	added = array_add(&found->links, &found->n, sizeof(*added));
	if (!added) {
		free(link.pins);
		return -ENOMEM;
	}
	*added = link;
	return 0;
}

int found_read(struct found *ret_found)
{
	_cleanup_(found_clear) struct found found = { 0 };
	int r = found_each_link(found_add, &found);

	if (r)
		return r;
	*ret_found = found;
	found = (struct found){ 0 };
	return 0;
}

void found_clear(struct found *found)
{
	for (size_t i = 0; i < found->n; i++)
		free(found->links[i].pins);
	free(found->links);
	*found = (struct found){ 0 };
}

bool found_is_of(const struct found_link *link, const char *pins, uint64_t root_id)
{
	if (!link->pins)
		return !strcmp(pins, PINS_DEFAULT_PATH) && link->cgroup_id == root_id;
	return !strcmp(pins, link->pins) && (!link->root_id || link->root_id == root_id);
}

static int found_claim_link(struct found *found, uint32_t id, const char *path)
{
	for (size_t i = 0; i < found->n; i++) {
		struct found_link *link = &found->links[i];

		if (link->id != id || link->pins)
			continue;
		link->pins = strdup(path);
		if (!link->pins)
			return -ENOMEM;
	}
	return 0;
}

int found_claim(struct found *found, const struct pins *pinned, const char *path)
{
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++) {
		_cleanup_close_ int fd = -1;
		struct object_link link;
		int r = object_open(pinned, 0, hook_infos[hook].link_pin, &fd);

		if (!r)
			r = object_read_link(fd, &link);
		/*
		 * There is no pin, the pin is something else, or a read-only bpffs hides the link.
		 */
		if (r == -ENOENT || r == -EBADMSG || r == -EROFS)
			continue;
		if (!r)
			r = found_claim_link(found, link.id, path);
		if (r)
			return r;
	}
	return 0;
}

/* The iterator of release 0.1.0 has its map in the link, not in its program. */
static bool found_has_map(const struct bpf_link_info *info, const struct found_program *program,
			  uint32_t map_id)
{
	if (info->type == BPF_LINK_TYPE_ITER && info->iter.map.map_id == map_id)
		return true;
	for (uint32_t i = 0; i < program->info.nr_map_ids; i++)
		if (program->maps[i] == map_id)
			return true;
	return false;
}

int found_uses_map(int link_fd, uint32_t map_id, bool *ret_uses)
{
	struct bpf_link_info info;
	struct found_program program;
	int r = object_read_any_link(link_fd, &info);

	*ret_uses = false;
	if (r)
		return r == -EBADMSG ? 0 : r;
	r = found_read_program(info.prog_id, &program);
	if (r)
		return r == -ENOENT ? 0 : r;
	*ret_uses = found_has_map(&info, &program, map_id);
	return 0;
}

struct found_wanted {
	const char *program;
	uint32_t map_id;
	int *ret_fd;
};

/* 1 if the link is the wanted one: the caller owns *ret_fd then. */
static int found_match_link(void *userdata, const struct bpf_link_info *info, int *fd)
{
	const struct found_wanted *wanted = userdata;
	struct found_program program;
	int r = found_read_program(info->prog_id, &program);

	if (r)
		return r == -ENOENT ? 0 : r;
	if (!found_is_named(program.info.name, wanted->program) ||
	    !found_has_map(info, &program, wanted->map_id))
		return 0;
	*wanted->ret_fd = TAKE_FD(*fd);
	return 1;
}

int found_open_link(const char *program, uint32_t map_id, int *ret_fd)
{
	struct found_wanted wanted = { program, map_id, ret_fd };
	int r = found_each_link(found_match_link, &wanted);

	if (r < 0)
		return r;
	return r ? 0 : -ENOENT;
}

/* 1 if the program with this id is that of a gate with this map_gate, of this generation. */
static int found_match_gate(uint32_t id, const char *name, uint32_t gate_id, uint64_t generation)
{
	struct found_program program;
	struct found_link link;
	bool matches;
	int r = found_read_program(id, &program);

	if (r)
		return r == -ENOENT ? 0 : r;
	r = found_is_named(program.info.name, name) ? found_read_gate(id, &link) : 0;
	if (r <= 0)
		return r;
	matches = link.gate_id == gate_id && link.generation == generation;
	free(link.pins);
	return matches;
}

int found_open_gate(const char *program, uint32_t gate_id, uint64_t generation, int *ret_fd)
{
	uint32_t id = 0;

	while (!bpf_prog_get_next_id(id, &id)) {
		int r = found_match_gate(id, program, gate_id, generation), fd;

		if (r < 0)
			return r;
		if (!r)
			continue;
		fd = bpf_prog_get_fd_by_id(id);
		if (fd < 0)
			return -errno;
		*ret_fd = fd;
		return 0;
	}
	return -errno;
}
