// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several sinks, of which the first is the account: its result counts, and the receipts are its
 * own. Each of the others gets a line after the account, in order, and holds nothing up: a stopped
 * terminal, or a full disk, misses lines, which are counted.
 */
#include "sink/sink.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"

struct tee_outlet {
	struct sink_outlet is;
	int reopen;	  /* the error of the last reopen, which is tried again */
	int trouble;	  /* the error of the last write; not of the account */
	uint64_t missed;  /* lines */
	bool holds;	  /* a line that is not out, or not whole */
	struct line line; /* that line: the next write must bring the same one */
};

struct sink_tee {
	struct sink sink; /* first: the ops get a pointer to it */
	size_t n;
	struct tee_outlet outlets[];
};

static struct sink *tee_account(const struct sink *sink)
{
	return ((const struct sink_tee *)sink)->outlets[0].is.sink;
}

/* Writes the line that the outlet holds; true if the outlet holds none any more. */
static bool tee_flush(struct tee_outlet *outlet)
{
	if (!outlet->holds)
		return true;
	outlet->trouble = sink_write(outlet->is.sink, &outlet->line, NULL);
	outlet->holds = outlet->trouble;
	return !outlet->holds;
}

static void tee_copy(struct tee_outlet *outlet, const struct line *line)
{
	if (!tee_flush(outlet)) {
		outlet->missed++;
		return;
	}
	outlet->line = *line;
	outlet->holds = true;
	tee_flush(outlet);
}

static int tee_write(struct sink *sink, const struct line *line, struct smtpward_receipt *receipt)
{
	struct sink_tee *tee = (struct sink_tee *)sink;
	int r;

	r = sink_write(tee_account(sink), line, receipt);
	if (r < 0)
		return r;
	for (size_t i = 1; i < tee->n; i++)
		tee_copy(&tee->outlets[i], line);
	return 0;
}

static int tee_is_out(struct sink *sink, const struct smtpward_receipt *receipt)
{
	return sink_is_out(tee_account(sink), receipt);
}

static int tee_poll_fd(struct sink *sink)
{
	return sink_poll_fd(tee_account(sink));
}

static int tee_reopen(struct sink *sink)
{
	struct sink_tee *tee = (struct sink_tee *)sink;
	int first = 0;

	for (size_t i = 0; i < tee->n; i++) {
		tee->outlets[i].reopen = sink_reopen(tee->outlets[i].is.sink);
		first = first ?: tee->outlets[i].reopen;
	}
	return first;
}

static void tee_tend(struct sink *sink)
{
	struct sink_tee *tee = (struct sink_tee *)sink;

	for (size_t i = 0; i < tee->n; i++) {
		struct tee_outlet *outlet = &tee->outlets[i];

		if (outlet->reopen)
			outlet->reopen = sink_reopen(outlet->is.sink);
		tee_flush(outlet);
	}
}

static void tee_free(struct sink *sink)
{
	struct sink_tee *tee = (struct sink_tee *)sink;

	for (size_t i = 0; i < tee->n; i++)
		sink_free(tee->outlets[i].is.sink);
	free(tee);
}

static const struct sink_ops tee_ops = {
	.name = "tee",
	.write = tee_write,
	.is_out = tee_is_out,
	.poll_fd = tee_poll_fd,
	.reopen = tee_reopen,
	.tend = tee_tend,
	.free = tee_free,
};

int sink_tee_open(const struct sink_outlet *outlets, size_t n, struct sink **ret)
{
	struct sink_tee *tee;

	assert(outlets && n && ret);

	tee = calloc(1, sizeof(*tee) + n * sizeof(tee->outlets[0]));
	if (!tee)
		return -ENOMEM;
	tee->sink.ops = &tee_ops;
	tee->n = n;
	for (size_t i = 0; i < n; i++)
		tee->outlets[i].is = outlets[i];
	*ret = &tee->sink;
	return 0;
}

void sink_tee_look(const struct sink *sink, size_t i, struct sink_outlet_state *ret)
{
	const struct sink_tee *tee = (const struct sink_tee *)sink;
	const struct tee_outlet *outlet = &tee->outlets[i];

	assert(sink->ops == &tee_ops && i < tee->n);

	*ret = (struct sink_outlet_state){
		.reopen = outlet->reopen,
		.trouble = outlet->trouble,
		.missed = outlet->missed,
		.holds = outlet->holds,
	};
	if (!outlet->reopen || sink_where(outlet->is.sink, ret->where, sizeof(ret->where)))
		ret->where[0] = '\0';
}
