// SPDX-License-Identifier: GPL-2.0-only
/* Reads pinned objects; see object.h. */
#include "pins/object.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/macro.h"

static int object_open_pin(const struct pins *pins, uint64_t generation, const char *name,
			   __u32 flags, int *ret_fd)
{
	LIBBPF_OPTS(bpf_obj_get_opts, options, .file_flags = flags);
	char path[PINS_PATH_SIZE];
	int r = pins_name(pins, generation, name, path);
	int fd;

	if (r)
		return r;
	fd = bpf_obj_get_opts(path, &options);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int object_open(const struct pins *pins, uint64_t generation, const char *name, int *ret_fd)
{
	return object_open_pin(pins, generation, name, 0, ret_fd);
}

int object_open_to_read(const struct pins *pins, uint64_t generation, const char *name, int *ret_fd)
{
	return object_open_pin(pins, generation, name, BPF_F_RDONLY, ret_fd);
}

/* Maps, programs and links have separate numbers; the info of all three begins so. */
struct object_identity {
	char kind[32]; /* "anon_inode:bpf-map" */
	struct {
		__u32 type;
		__u32 id;
	} info;
};

static int object_identify(int fd, struct object_identity *ret)
{
	__u32 size = sizeof(ret->info);
	char path[32];

	*ret = (struct object_identity){ 0 };
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (readlink(path, ret->kind, sizeof(ret->kind) - 1) < 0)
		return -errno;
	return bpf_obj_get_info_by_fd(fd, &ret->info, &size) ? -errno : 0;
}

int object_compare(int fd, int other_fd, bool *ret_same)
{
	struct object_identity one, other;
	int r = object_identify(fd, &one);

	if (r)
		return r;
	r = object_identify(other_fd, &other);
	if (r)
		return r;
	*ret_same = !memcmp(&one, &other, sizeof(one));
	return 0;
}

int object_read_shape(int fd, struct object_shape *ret_shape)
{
	struct bpf_map_info info = { 0 };
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return -errno;
	*ret_shape = (struct object_shape){ info.id, info.key_size, info.value_size };
	return 0;
}

int object_open_map(const struct pins *pins, uint64_t generation, const char *name,
		    enum object_use use, size_t value_size, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	struct object_shape shape;
	int r = object_open_pin(pins, generation, name, use == OBJECT_READS ? BPF_F_RDONLY : 0,
				&fd);

	if (!r)
		r = object_read_shape(fd, &shape);
	if (r)
		return r;
	if (value_size && shape.value_size != value_size)
		return -EBADMSG;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int object_open_gate(const struct pins *pins, enum object_use use, int *ret_fd, uint32_t *ret_id)
{
	_cleanup_close_ int fd = -1;
	struct bpf_map_info info = { 0 };
	__u32 size = sizeof(info);
	int r = object_open_map(pins, 0, "map_gate", use, sizeof(struct smtpward_gate), &fd);

	if (r)
		return r;
	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return -errno;
	if (strcmp(info.name, "map_gate"))
		return -EBADMSG;
	*ret_fd = TAKE_FD(fd);
	*ret_id = info.id;
	return 0;
}

bool object_gate_is_open(int gate_fd)
{
	struct smtpward_gate gate;
	const uint32_t zero = 0;

	return !bpf_map_lookup_elem(gate_fd, &zero, &gate) && gate.generation == SMTPWARD_GATE_OPEN;
}

int object_read(const struct pins *pins, uint64_t generation, const char *name, void *value,
		size_t value_size)
{
	_cleanup_close_ int fd = -1;
	const uint32_t zero = 0;
	int r = object_open_map(pins, generation, name, OBJECT_READS, value_size, &fd);

	if (r)
		return r;
	return bpf_map_lookup_elem(fd, &zero, value);
}

int object_read_abi(const struct pins *pins, uint64_t generation, uint32_t *ret_abi)
{
	_cleanup_close_ int fd = -1;
	int r = object_open_map(pins, generation, "map_policy", OBJECT_READS, 0, &fd);

	if (r)
		return r;
	return object_read_abi_of(fd, ret_abi);
}

int object_read_abi_of(int fd, uint32_t *ret_abi)
{
	_cleanup_free_ uint32_t *value = NULL;
	struct object_shape shape;
	const uint32_t zero = 0;
	int r = object_read_shape(fd, &shape);

	if (r)
		return r;
	if (shape.value_size < sizeof(*value))
		return -EBADMSG;
	value = malloc(shape.value_size);
	if (!value)
		return -ENOMEM;
	r = bpf_map_lookup_elem(fd, &zero, value);
	if (r)
		return r;
	*ret_abi = value[0];
	return 0;
}

int object_read_generation(const struct pins *pins, uint64_t *ret_generation,
			   enum object_gate *ret_gate)
{
	_cleanup_free_ uint64_t *numbers = NULL;
	enum object_gate says = OBJECT_GATE_STRAY;
	struct smtpward_gate gate;
	uint64_t last = 0;
	size_t n;
	int r = object_read(pins, 0, "map_gate", &gate, sizeof(gate));

	if (!r)
		r = pins_list_generations(pins, &numbers, &n);
	if (r)
		return r;
	if (gate.generation == SMTPWARD_GATE_OPEN)
		says = OBJECT_GATE_OPEN;
	for (size_t i = 0; i < n; i++) {
		if (numbers[i] == gate.generation)
			says = OBJECT_GATE_NAMES;
		if (numbers[i] > last)
			last = numbers[i];
	}
	if (!last)
		return -ENODATA;
	*ret_generation = says == OBJECT_GATE_NAMES ? gate.generation : last;
	*ret_gate = says;
	return 0;
}

int object_sum(int fd, uint32_t entry, __u64 *ret_numbers, size_t n)
{
	_cleanup_free_ __u64 *each = NULL;
	int cpus = libbpf_num_possible_cpus();
	int r;

	if (cpus < 0)
		return cpus;
	each = calloc(cpus, n * sizeof(*each));
	if (!each)
		return -ENOMEM;
	r = bpf_map_lookup_elem(fd, &entry, each);
	if (r)
		return r;
	memset(ret_numbers, 0, n * sizeof(*ret_numbers));
	for (size_t i = 0; i < n * cpus; i++)
		ret_numbers[i % n] += each[i];
	return 0;
}

int object_sum_counters(int fd, struct smtpward_counters *ret_counters)
{
	return object_sum(fd, 0, (__u64 *)ret_counters, sizeof(*ret_counters) / sizeof(__u64));
}

void object_hooks_close(struct object_hooks *hooks)
{
	cleanup_close(&hooks->fd);
	*hooks = (struct object_hooks)OBJECT_HOOKS_CLOSED;
}

/*
 * Opens iter_hooks if it is pinned; else keeps the descriptor from the last call for this
 * generation.
 */
static int object_hold_hooks(const struct pins *pins, uint64_t generation,
			     struct object_hooks *hooks)
{
	char path[PINS_PATH_SIZE];
	int r = pins_name(pins, generation, "iter_hooks", path);
	int fd;

	if (r)
		return r;
	fd = open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT && hooks->generation == generation ? 0 : -errno;
	object_hooks_close(hooks);
	*hooks = (struct object_hooks){ .generation = generation, .fd = fd };
	return 0;
}

/*
 * The kernel makes the text anew at each open(2); this open goes by a name in /proc, not by the
 * pin.
 */
int object_read_hooks(const struct pins *pins, uint64_t generation, struct object_hooks *hooks,
		      bool ret_runs[static SMTPWARD_HOOKS])
{
	_cleanup_fclose_ FILE *file = NULL;
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	char path[64];
	int r = object_hold_hooks(pins, generation, hooks);

	if (r)
		return r;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", hooks->fd);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	if (getline(&text, &size, file) < 0)
		return -ENODATA;
	return hook_parse_runs(text, ret_runs) ? 0 : -ENODATA;
}

/*
 * The kind comes from the descriptor: a map's info.type is the map type, which may be the same
 * number as a link type.
 */
int object_read_any_link(int fd, struct bpf_link_info *ret_info)
{
	struct object_identity identity;
	__u32 size = sizeof(*ret_info);
	int r = object_identify(fd, &identity);

	if (r)
		return r;
	if (!strstr(identity.kind, "link"))
		return -EBADMSG;
	memset(ret_info, 0, sizeof(*ret_info));
	return bpf_obj_get_info_by_fd(fd, ret_info, &size) ? -errno : 0;
}

int object_read_link(int fd, struct object_link *ret_link)
{
	struct bpf_link_info info;
	int r = object_read_any_link(fd, &info);

	if (r)
		return r;
	if (info.type != BPF_LINK_TYPE_CGROUP)
		return -EBADMSG;
	ret_link->id = info.id;
	ret_link->program_id = info.prog_id;
	ret_link->cgroup_id = info.cgroup.cgroup_id;
	return 0;
}

int object_program_id(int fd, uint32_t *ret_id)
{
	struct bpf_prog_info info = { 0 };
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return -errno;
	*ret_id = info.id;
	return 0;
}

/* Programs and maps, which the kernel frees late. */

static int object_ids_add(uint32_t **ids, size_t *n, uint32_t id)
{
	uint32_t *added = array_add(ids, n, sizeof(*added));

	if (!added)
		return -ENOMEM;
	*added = id;
	return 0;
}

struct object_collection {
	const struct pins *pins;
	uint64_t generation;
	struct object_ids *ids;
};

static int object_collect_map(struct object_ids *ids, int fd)
{
	struct object_shape shape;
	int r = object_read_shape(fd, &shape);

	if (r)
		return r;
	return object_ids_add(&ids->maps, &ids->n_maps, shape.id);
}

static int object_collect_link(struct object_ids *ids, int fd)
{
	struct bpf_link_info info = { 0 };
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return -errno;
	return object_ids_add(&ids->programs, &ids->n_programs, info.prog_id);
}

static int object_collect_pin(void *userdata, const char *name)
{
	const struct object_collection *collection = userdata;
	bool is_map = !strncmp(name, "map_", strlen("map_"));
	_cleanup_close_ int fd = -1;
	int r;

	if (!is_map && strncmp(name, "link_", strlen("link_")) &&
	    strncmp(name, "iter_", strlen("iter_")))
		return 0;
	r = object_open(collection->pins, collection->generation, name, &fd);
	if (r)
		return r;
	return is_map ? object_collect_map(collection->ids, fd)
		      : object_collect_link(collection->ids, fd);
}

int object_collect_ids(const struct pins *pins, struct object_ids *ret_ids)
{
	_cleanup_(object_ids_clear) struct object_ids ids = { 0 };
	struct object_collection collection = { pins, 0, &ids };
	_cleanup_free_ uint64_t *generations = NULL;
	size_t n;
	int r = pins_list_generations(pins, &generations, &n);

	if (r)
		return r;
	r = pins_each(pins, 0, object_collect_pin, &collection);
	if (r)
		return r;
	for (size_t i = 0; i < n; i++) {
		collection.generation = generations[i];
		r = pins_each(pins, generations[i], object_collect_pin, &collection);
		if (r)
			return r;
	}
	*ret_ids = ids;
	ids = (struct object_ids){ 0 };
	return 0;
}

void object_ids_clear(struct object_ids *ids)
{
	free(ids->programs);
	free(ids->maps);
}

static bool object_all_freed(const uint32_t *ids, size_t n, int (*open_by_id)(__u32 id))
{
	for (size_t i = 0; i < n; i++) {
		_cleanup_close_ int fd = open_by_id(ids[i]);

		if (fd >= 0)
			return false;
	}
	return true;
}

void object_wait_until_freed(const struct object_ids *ids)
{
	const struct timespec pause = { .tv_nsec = 2000000 };

	for (int i = 0; i < 500; i++) {
		if (object_all_freed(ids->programs, ids->n_programs, bpf_prog_get_fd_by_id) &&
		    object_all_freed(ids->maps, ids->n_maps, bpf_map_get_fd_by_id))
			return;
		nanosleep(&pause, NULL);
	}
}
