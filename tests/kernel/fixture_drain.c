// SPDX-License-Identifier: GPL-2.0-only
/* The product's drain_all() and a slow sink. Not with fixture.h, whose struct line is another. */
#include "fixture_drain.h"

#include <errno.h>
#include <time.h>

#include "base/cleanup.h"
#include "log/drain.h"
#include "pins/object.h"

struct slow_sink {
	struct sink sink; /* first: the ops get a pointer to it */
	struct slow_drain *slow;
	uint64_t next_ms;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int slow_write(struct sink *sink, const struct line *line, struct smtpward_receipt *receipt)
{
	struct slow_sink *slow = (struct slow_sink *)sink;

	if (slow->slow->taken == slow->slow->takes || now_ms() < slow->next_ms)
		return -EAGAIN;
	slow->slow->taken++;
	slow->next_ms = now_ms() + slow->slow->every_ms;
	return 0;
}

static const struct sink_ops slow_ops = { .name = "slow", .write = slow_write };

static void ignore_trouble(void *userdata, int err)
{
}

int drain_slowly(const char *path, struct slow_drain *slow)
{
	const struct drain_notices notices = { ignore_trouble, NULL };
	struct slow_sink sink = { .sink.ops = &slow_ops, .slow = slow };
	_cleanup_(drain_freep) struct drain *drain = NULL;
	_cleanup_(pins_close) struct pins pins = PINS_CLOSED;
	enum object_gate gate;
	uint64_t generation;
	int r = pins_open(path, &pins, &slow->reason);

	if (!r)
		r = object_read_generation(&pins, &generation, &gate);
	if (r)
		return r;
	r = drain_open(&pins, generation, DRAIN_RECORDING, &drain, &slow->reason);
	if (!r)
		r = drain_begin(drain, &sink.sink, &notices, &slow->reason);
	if (r)
		return r;
	return drain_all(drain, slow->patience_ms * UINT64_C(1000000), &slow->reason);
}
