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
