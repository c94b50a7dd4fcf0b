/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pinned objects as the kernel has them: opened by name, checked for their
 * shape, read as what they are. Changes nothing.
 */
#ifndef SMTPWARD_OBJECT_H
#define SMTPWARD_OBJECT_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <smtpward/abi.h>

#include "pins/hook.h"
#include "pins/pins.h"

/* Opens a pin. -ENOENT if there is none. generation as for pins_name(). */
int object_open(const struct pins *pins, uint64_t generation, const char *name, int *ret_fd);

/* The same of a map or program, where a read-only bpffs will do. */
int object_open_to_read(const struct pins *pins, uint64_t generation, const char *name,
			int *ret_fd);

/* Whether two descriptors are of one map, program or link. 0 or -errno. */
int object_compare(int fd, int other_fd, bool *ret_same);

/* What a descriptor of a map is for. The kernel asks for no more rights than that takes. */
enum object_use {
	OBJECT_READS,
	OBJECT_WRITES,
};

/* The same for a map; -EBADMSG if its values are not value_size bytes; 0 takes any. */
int object_open_map(const struct pins *pins, uint64_t generation, const char *name,
		    enum object_use use, size_t value_size, int *ret_fd);

/* map_gate, and its id. -EBADMSG if the pin is something else. */
int object_open_gate(const struct pins *pins, enum object_use use, int *ret_fd, uint32_t *ret_id);

/* Whether it lifts enforcement, also where its pin is gone by now. What cannot be read does not. */
bool object_gate_is_open(int gate_fd);

/* What a map of one entry holds. */
int object_read(const struct pins *pins, uint64_t generation, const char *name, void *value,
		size_t value_size);

/* An entry of a map with n numbers a CPU, summed up over the CPUs. */
int object_sum(int fd, uint32_t entry, __u64 *ret_numbers, size_t n);

/* The same of map_counters. */
int object_sum_counters(int fd, struct smtpward_counters *ret_counters);

/* The SMTPWARD_ABI that a generation was made with. -ENOENT if it was not finished. */
int object_read_abi(const struct pins *pins, uint64_t generation, uint32_t *ret_abi);

/* The same of its map_policy. */
int object_read_abi_of(int fd, uint32_t *ret_abi);

/* What to say of another ABI: the path, its number, ours. */
#define OBJECT_FOREIGN_TEXT                                                           \
	"%s was loaded by a smtpward of ABI %" PRIu32 ", and this one has %d: start " \
	"that one, or let 'smtpward load' take over"

/* What map_gate says. */
enum object_gate {
	OBJECT_GATE_NAMES, /* a generation that is there: it decides */
	OBJECT_GATE_OPEN,  /* enforcement is lifted */
	OBJECT_GATE_STRAY, /* nothing that a load wrote: the programs that are attached decide */
};

/*
 * The generation that the gate names; otherwise the last one that is there. -ENODATA
 * where there is none.
 */
int object_read_generation(const struct pins *pins, uint64_t *ret_generation,
			   enum object_gate *ret_gate);

/* A map. */
struct object_shape {
	uint32_t id;
	uint32_t key_size; /* bytes */
	uint32_t value_size;
};

int object_read_shape(int fd, struct object_shape *ret_shape);

/* One link of the cgroup hooks: 0 for cgroup_id where it was detached. */
struct object_link {
	uint32_t id;
	uint32_t program_id;
	uint64_t cgroup_id;
};

/* iter_hooks of the generation that was asked for last: who keeps it can read without its pin. */
struct object_hooks {
	uint64_t generation; /* 0: none */
	int fd;
};

#define OBJECT_HOOKS_CLOSED               \
	{                                 \
		.generation = 0, .fd = -1 \
	}

void object_hooks_close(struct object_hooks *hooks);

/*
 * Which hooks run the programs of a generation, by the text of iter_hooks, for who may
 * not open the links. -ENODATA if that cannot be told; -ENOENT if there is no such pin, and
 * none was there when this generation was asked for last.
 */
int object_read_hooks(const struct pins *pins, uint64_t generation, struct object_hooks *hooks,
		      bool ret_runs[static SMTPWARD_HOOKS]);

/* -EBADMSG if the descriptor is of no link, or, for the second, of none on a cgroup. */
int object_read_any_link(int fd, struct bpf_link_info *ret_info);
int object_read_link(int fd, struct object_link *ret_link);
int object_program_id(int fd, uint32_t *ret_id);

/*
 * What the kernel frees some time after the last pin and descriptor are gone: the
 * ids of the programs and maps of everything that is pinned.
 */
struct object_ids {
	uint32_t *programs;
	size_t n_programs;
	uint32_t *maps;
	size_t n_maps;
};

int object_collect_ids(const struct pins *pins, struct object_ids *ret_ids);
void object_ids_clear(struct object_ids *ids);

/* Waits until the kernel has freed them, at most a second: others may hold some. */
void object_wait_until_freed(const struct object_ids *ids);

#endif /* SMTPWARD_OBJECT_H */
