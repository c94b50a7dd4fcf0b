/* SPDX-License-Identifier: GPL-2.0-only */
/* The second layer of a generation, which holds packets: what its policy asks for of it. */
#ifndef SMTPWARD_LAYER_H
#define SMTPWARD_LAYER_H

#include <stddef.h>
#include <stdint.h>

#include <smtpward/packets.h>

struct pins;

/* All zero for a generation without the layer. 0 or -errno. */
int layer_read(const struct pins *pins, uint64_t generation, struct smtpward_layer *ret_layer);

/* SMTPWARD_PART_* that the generation's policy asks for. Generation 0 asks for none. */
int layer_read_parts(const struct pins *pins, uint64_t generation, uint32_t *ret_parts);

/* The counters of struct smtpward_packet_counters, as they are shown. */
#define LAYER_COUNTERS (sizeof(struct smtpward_packet_counters) / sizeof(__u64))

struct layer_counter {
	const char *name;
	size_t offset; /* in struct smtpward_packet_counters */
};

extern const struct layer_counter layer_counters[LAYER_COUNTERS];

uint64_t layer_count(const struct smtpward_packet_counters *packets, size_t counter);

#endif /* SMTPWARD_LAYER_H */
