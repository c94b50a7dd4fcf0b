// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two sinks as one: a line is out when both have it, and neither gets it twice
 * because the other was slow.
 */
#include "sink.h"

#include "cleanup.h"

struct sink_tee {
	struct sink sink; /* first: the ops get a pointer to it */
	struct sink *each[2];
	bool done[2]; /* has the violation that is on its way */
};

static int tee_write(struct sink *sink, const struct violation *violation)
{
	struct sink_tee *tee = (struct sink_tee *)sink;
	int first = 0;

	for (int i = 0; i < 2; i++) {
		int err = tee->done[i] ? 0 : sink_write(tee->each[i], violation);

		tee->done[i] = !err;
		if (err && !first)
			first = err;
	}
	if (!first)
		tee->done[0] = tee->done[1] = false;
	return first;
}

static int tee_poll_fd(struct sink *sink)
{
	struct sink_tee *tee = (struct sink_tee *)sink;

	return sink_poll_fd(tee->each[tee->done[0] ? 1 : 0]);
}

static int tee_reopen(struct sink *sink)
{
	struct sink_tee *tee = (struct sink_tee *)sink;
	int err = sink_reopen(tee->each[0]), other = sink_reopen(tee->each[1]);

	return err ? err : other;
}

static void tee_free(struct sink *sink)
{
	struct sink_tee *tee = (struct sink_tee *)sink;

	sink_free(tee->each[0]);
	sink_free(tee->each[1]);
	free(tee);
}

static const struct sink_ops tee_ops = {
	.name = "tee",
	.write = tee_write,
	.poll_fd = tee_poll_fd,
	.reopen = tee_reopen,
	.free = tee_free,
};

int sink_tee_open(struct sink *a, struct sink *b, struct sink **ret)
{
	struct sink_tee *tee = calloc(1, sizeof(*tee));

	if (!tee)
		return -ENOMEM;
	tee->sink.ops = &tee_ops;
	tee->each[0] = a;
	tee->each[1] = b;
	*ret = &tee->sink;
	return 0;
}
