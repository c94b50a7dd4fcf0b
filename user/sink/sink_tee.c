// SPDX-License-Identifier: GPL-2.0-only
/*
 * A sink with a copy for somebody who looks on. What counts is the sink; the copy is
 * a courtesy: a terminal that is stopped or gone holds nothing up, and misses lines.
 */
#include "sink/sink.h"

#include <assert.h>
#include <errno.h>

#include "base/cleanup.h"

struct sink_tee {
	struct sink sink; /* first: the ops get a pointer to it */
	struct sink *main;
	struct sink *copy;
};

static int tee_write(struct sink *sink, const struct line *line, struct smtpward_receipt *receipt)
{
	struct sink_tee *tee = (struct sink_tee *)sink;
	int r;

	r = sink_write(tee->main, line, receipt);
	if (r < 0)
		return r;
	sink_write(tee->copy, line, NULL);
	return 0;
}

static int tee_is_out(struct sink *sink, const struct smtpward_receipt *receipt)
{
	struct sink_tee *tee = (struct sink_tee *)sink;

	return sink_is_out(tee->main, receipt);
}

static int tee_poll_fd(struct sink *sink)
{
	struct sink_tee *tee = (struct sink_tee *)sink;

	return sink_poll_fd(tee->main);
}

static int tee_reopen(struct sink *sink)
{
	struct sink_tee *tee = (struct sink_tee *)sink;

	return sink_reopen(tee->main);
}

static void tee_free(struct sink *sink)
{
	struct sink_tee *tee = (struct sink_tee *)sink;

	sink_free(tee->main);
	sink_free(tee->copy);
	free(tee);
}

static const struct sink_ops tee_ops = {
	.name = "tee",
	.write = tee_write,
	.is_out = tee_is_out,
	.poll_fd = tee_poll_fd,
	.reopen = tee_reopen,
	.free = tee_free,
};

int sink_tee_open(struct sink *main, struct sink *copy, struct sink **ret)
{
	struct sink_tee *tee;

	assert(main && copy && main != copy && ret);

	tee = calloc(1, sizeof(*tee));
	if (!tee)
		return -ENOMEM;
	tee->sink.ops = &tee_ops;
	tee->main = main;
	tee->copy = copy;
	*ret = &tee->sink;
	return 0;
}
