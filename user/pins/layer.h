/* SPDX-License-Identifier: GPL-2.0-only */
/* The second layer of a generation, which holds packets: what its policy asks for of it. */
#ifndef SMTPWARD_LAYER_H
#define SMTPWARD_LAYER_H

#include <stdint.h>

#include <smtpward/packets.h>

struct pins;

/* All zero for a generation without the layer. 0 or -errno. */
int layer_read(const struct pins *pins, uint64_t generation, struct smtpward_layer *ret_layer);

/* SMTPWARD_PART_* that the generation's policy asks for. Generation 0 asks for none. */
int layer_read_parts(const struct pins *pins, uint64_t generation, uint32_t *ret_parts);

#endif /* SMTPWARD_LAYER_H */
