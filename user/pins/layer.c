// SPDX-License-Identifier: GPL-2.0-only
/* Reads map_layer; see layer.h. */
#include "pins/layer.h"

#include <errno.h>

#include "pins/object.h"
#include "pins/pins.h"

int layer_read(const struct pins *pins, uint64_t generation, struct smtpward_layer *ret_layer)
{
	struct smtpward_layer layer = { 0 };
	int r = generation ? object_read(pins, generation, "map_layer", &layer, sizeof(layer)) : 0;

	if (r && r != -ENOENT)
		return r;
	*ret_layer = layer;
	return 0;
}

int layer_read_parts(const struct pins *pins, uint64_t generation, uint32_t *ret_parts)
{
	struct smtpward_layer layer;
	int r = layer_read(pins, generation, &layer);

	if (!r)
		*ret_parts = layer.parts;
	return r;
}

const struct layer_counter layer_counters[] = {
#define COUNTER(member)                                                    \
	{                                                                  \
#member, offsetof(struct smtpward_packet_counters, member) \
	}
	COUNTER(passed),	COUNTER(unmarked),	COUNTER(let_out),      COUNTER(replayed),
	COUNTER(guest_allowed), COUNTER(guest_audited), COUNTER(guest_denied), COUNTER(hidden),
	COUNTER(raw),		COUNTER(repeated),
#undef COUNTER
};

uint64_t layer_count(const struct smtpward_packet_counters *packets, size_t counter)
{
	return *(const __u64 *)((const char *)packets + layer_counters[counter].offset);
}
