/* SPDX-License-Identifier: GPL-2.0-only */
/* The pinned objects: opened by name, checked for their shape, and read. Changes nothing. */
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

/* The same of a map or program, to read only: also in a read-only bpffs. */
int object_open_to_read(const struct pins *pins, uint64_t generation, const char *name,
			int *ret_fd);

/* Whether two descriptors belong to the same map, program or link. 0 or -errno. */
int object_compare(int fd, int other_fd, bool *ret_same);

/* The use of a map's descriptor. The kernel is asked for no more rights than the use takes. */
enum object_use {
	OBJECT_READS,
	OBJECT_WRITES,
};

/* Opens a map. -EBADMSG if its values are not value_size bytes; 0 takes any size. */
int object_open_map(const struct pins *pins, uint64_t generation, const char *name,
		    enum object_use use, size_t value_size, int *ret_fd);

/* Opens map_gate, and reads its id. -EBADMSG if the pin is something else. */
int object_open_gate(const struct pins *pins, enum object_use use, int *ret_fd, uint32_t *ret_id);

/* Whether the gate lifts enforcement, even if its pin is gone. False if the gate cannot be read. */
bool object_gate_is_open(int gate_fd);

/* Reads the entry of a map with one entry. */
int object_read(const struct pins *pins, uint64_t generation, const char *name, void *value,
		size_t value_size);

/* Sums up, over the CPUs, n numbers in an entry of a per-CPU map. */
int object_sum(int fd, uint32_t entry, __u64 *ret_numbers, size_t n);

/* The same of map_counters. */
int object_sum_counters(int fd, struct smtpward_counters *ret_counters);

/* Reads the SMTPWARD_ABI that a generation was made with. -ENOENT if it was not finished. */
int object_read_abi(const struct pins *pins, uint64_t generation, uint32_t *ret_abi);

/* The same by a descriptor of the generation's map_policy. */
int object_read_abi_of(int fd, uint32_t *ret_abi);

/* The message about another ABI; arguments: the path, that ABI's number, ours. */
#define OBJECT_FOREIGN_TEXT                                                           \
	"%s was loaded by a smtpward of ABI %" PRIu32 ", and this one has %d: start " \
	"that one, or let 'smtpward load' take over"

/* The meaning of map_gate's value. */
enum object_gate {
	OBJECT_GATE_NAMES, /* it names an existing generation, which decides */
	OBJECT_GATE_OPEN,  /* enforcement is lifted */
	OBJECT_GATE_STRAY, /* no load wrote the value: the attached programs decide */
};

/*
 * Reads the generation that the gate names, or else the last existing generation. -ENODATA if
 * there is none.
 */
int object_read_generation(const struct pins *pins, uint64_t *ret_generation,
			   enum object_gate *ret_gate);

/* The shape of a map. */
struct object_shape {
	uint32_t id;
	uint32_t key_size; /* bytes */
	uint32_t value_size;
};

int object_read_shape(int fd, struct object_shape *ret_shape);

/* A link of a cgroup hook. cgroup_id is 0 if the link was detached. */
struct object_link {
	uint32_t id;
	uint32_t program_id;
	uint64_t cgroup_id;
};

/*
 * iter_hooks of the generation of the last call: a caller that keeps it can read without the pin.
 */
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
 * Reads from the text of iter_hooks which hooks run the programs of a generation, for callers that
 * may not open the links. -ENODATA if the text does not tell; -ENOENT if there is no such pin, and
 * was none at the last call for this generation.
 */
int object_read_hooks(const struct pins *pins, uint64_t generation, struct object_hooks *hooks,
		      bool ret_runs[static SMTPWARD_HOOKS]);

/* -EBADMSG if fd is no link; object_read_link(): also if the link is not on a cgroup. */
int object_read_any_link(int fd, struct bpf_link_info *ret_info);
int object_read_link(int fd, struct object_link *ret_link);
int object_program_id(int fd, uint32_t *ret_id);

/*
 * The ids of the programs and maps of all pins: the kernel frees these objects some time after
 * their last pin and descriptor are gone.
 */
struct object_ids {
	uint32_t *programs;
	size_t n_programs;
	uint32_t *maps;
	size_t n_maps;
};

int object_collect_ids(const struct pins *pins, struct object_ids *ret_ids);
void object_ids_clear(struct object_ids *ids);

/* Waits until the kernel has freed the objects, a second at most: others may hold some. */
void object_wait_until_freed(const struct object_ids *ids);

#endif /* SMTPWARD_OBJECT_H */
