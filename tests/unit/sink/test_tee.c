// SPDX-License-Identifier: GPL-2.0-only
/*
 * A sink with a copy: what the sink says counts, the copy gets a line after it, once
 * and if it can, and never holds it up. Both are fakes that fail when told to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "sink/sink.h"

struct fake {
	struct sink sink; /* first: the ops get a pointer to it */
	int error;	  /* of the next writes; 0: they are taken */
	int reopen_error;
	int fd;
	const struct line *expected;
	uint32_t last;	/* pid of the last line that was taken */
	uint32_t taken; /* lines */
	unsigned int tries, reopens, frees;
};

static int fake_write(struct sink *sink, const struct line *line, struct smtpward_receipt *receipt)
{
	struct fake *fake = (struct fake *)sink;

	assert_ptr_equal(line, fake->expected);
	fake->tries++;
	if (fake->error)
		return fake->error;
	assert_true(line->record.pid > fake->last); /* no line twice, none out of turn */
	fake->last = line->record.pid;
	fake->taken++;
	return 0;
}

static int fake_poll_fd(struct sink *sink)
{
	return ((struct fake *)sink)->fd;
}

static int fake_reopen(struct sink *sink)
{
	struct fake *fake = (struct fake *)sink;

	fake->reopens++;
	return fake->reopen_error;
}

/* The fake itself is the test's. */
static void fake_free(struct sink *sink)
{
	((struct fake *)sink)->frees++;
}

static const struct sink_ops fake_ops = {
	.name = "fake",
	.write = fake_write,
	.poll_fd = fake_poll_fd,
	.reopen = fake_reopen,
	.free = fake_free,
};

struct pair {
	struct fake main, copy;
	struct line line;
	struct sink *tee;
};

static int setup(void **state)
{
	struct pair *pair = calloc(1, sizeof(*pair));

	assert_non_null(pair);
	pair->main = (struct fake){ .sink.ops = &fake_ops, .fd = 7, .expected = &pair->line };
	pair->copy = (struct fake){ .sink.ops = &fake_ops, .fd = 8, .expected = &pair->line };
	pair->line.record.pid = 1;
	assert_int_equal(sink_tee_open(&pair->main.sink, &pair->copy.sink, &pair->tee), 0);
	*state = pair;
	return 0;
}

static int teardown(void **state)
{
	_cleanup_free_ struct pair *pair = *state;

	sink_free(pair->tee);
	assert_int_equal(pair->main.frees, 1);
	assert_int_equal(pair->copy.frees, 1);
	return 0;
}

static int write_with(struct pair *pair, int main_error, int copy_error)
{
	pair->main.error = main_error;
	pair->copy.error = copy_error;
	return sink_write(pair->tee, &pair->line, NULL);
}

static void assert_taken(const struct pair *pair, uint32_t by_main, uint32_t by_copy)
{
	assert_int_equal(pair->main.taken, by_main);
	assert_int_equal(pair->copy.taken, by_copy);
}

static void test_both(void **state)
{
	struct pair *pair = *state;

	assert_string_equal(pair->tee->ops->name, "tee");
	assert_int_equal(write_with(pair, 0, 0), 0);
	assert_taken(pair, 1, 1);
	pair->line.record.pid = 2;
	assert_int_equal(write_with(pair, 0, 0), 0);
	assert_taken(pair, 2, 2);
	assert_int_equal(pair->main.tries + pair->copy.tries, 4);
}

/* A line waits for the sink, however long, and the copy has it no earlier. */
static void wait_for_main(struct pair *pair, int error)
{
	for (unsigned int i = 1; i <= 3; i++) {
		assert_int_equal(write_with(pair, error, 0), error);
		assert_int_equal(sink_poll_fd(pair->tee), pair->main.fd);
		assert_taken(pair, 0, 0);
		assert_int_equal(pair->main.tries, i);
		assert_int_equal(pair->copy.tries, 0);
	}
	assert_int_equal(write_with(pair, 0, 0), 0);
	assert_taken(pair, 1, 1);
	pair->line.record.pid = 2;
	assert_int_equal(write_with(pair, 0, 0), 0);
	assert_taken(pair, 2, 2);
}

static void test_main_stuck(void **state)
{
	wait_for_main(*state, -EAGAIN);
}

static void test_main_broken(void **state)
{
	wait_for_main(*state, -ENOSPC);
}

/* The copy misses lines; the sink gets each of them once, and nobody hears of it. */
static void test_copy(void **state)
{
	static const int errors[] = { -EAGAIN, -EPIPE, -EIO, -ENOMEM };
	struct pair *pair = *state;

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++, pair->line.record.pid++)
		assert_int_equal(write_with(pair, 0, errors[i]), 0);
	assert_taken(pair, 4, 0);
	assert_int_equal(pair->copy.tries, 4); /* at each line again, and once */
	assert_int_equal(write_with(pair, 0, 0), 0);
	assert_taken(pair, 5, 1);
}

static void test_poll_fd(void **state)
{
	struct pair *pair = *state;

	assert_int_equal(write_with(pair, -EAGAIN, 0), -EAGAIN);
	assert_int_equal(sink_poll_fd(pair->tee), 7);
	pair->main.fd = -1; /* only time helps */
	assert_int_equal(sink_poll_fd(pair->tee), -1);
}

/* Every way that both can be ready or not over some writes. */
static void test_schedules(void **state)
{
	enum { WRITES = 8 };
	struct pair *pair = *state;

	for (unsigned int schedule = 0; schedule < 1 << (2 * WRITES); schedule++) {
		uint32_t by_main = 0, by_copy = 0;

		pair->main.taken = pair->copy.taken = 0;
		pair->main.last = pair->copy.last = 0;
		pair->line.record.pid = 1;
		for (int i = 0; i < WRITES; i++) {
			bool main_takes = schedule >> 2 * i & 1, copy_takes = schedule >> 2 * i & 2;
			int r = write_with(pair, main_takes ? 0 : -EAGAIN,
					   copy_takes ? 0 : -EAGAIN);

			by_main += main_takes;
			by_copy += main_takes && copy_takes;
			assert_int_equal(r, main_takes ? 0 : -EAGAIN);
			assert_taken(pair, by_main, by_copy);
			pair->line.record.pid += !r;
		}
	}
}

static void test_reopen(void **state)
{
	struct pair *pair = *state;

	assert_int_equal(sink_reopen(pair->tee), 0);
	assert_int_equal(pair->main.reopens, 1);
	pair->main.reopen_error = -EACCES;
	assert_int_equal(sink_reopen(pair->tee), -EACCES);
	/* A copy that cannot is no reason to say that the log was not reopened. */
	pair->main.reopen_error = 0;
	pair->copy.reopen_error = -EACCES;
	assert_int_equal(sink_reopen(pair->tee), 0);
	assert_int_equal(pair->main.reopens, 3);
}

/* What a tee owns may be a tee. */
static void test_nested(void **state)
{
	struct pair *pair = *state;
	struct fake log = { .sink.ops = &fake_ops, .fd = 9, .expected = &pair->line };
	struct sink *both = NULL;

	assert_int_equal(sink_tee_open(&log.sink, pair->tee, &both), 0);
	assert_int_equal(sink_write(both, &pair->line, NULL), 0);
	assert_taken(pair, 1, 1);
	assert_int_equal(sink_poll_fd(both), 9);
	pair->line.record.pid = 2;
	pair->main.error = -EAGAIN;
	assert_int_equal(sink_write(both, &pair->line, NULL), 0);
	assert_taken(pair, 1, 1);
	assert_int_equal(log.taken, 2);
	sink_free(both);
	assert_int_equal(log.frees, 1);
	assert_int_equal(pair->main.frees, 1);
	assert_int_equal(pair->copy.frees, 1);
	pair->main.frees = pair->copy.frees = 0;
	assert_int_equal(sink_tee_open(&pair->main.sink, &pair->copy.sink, &pair->tee), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_both),   TEST(test_main_stuck), TEST(test_main_broken),
		TEST(test_copy),   TEST(test_poll_fd),	  TEST(test_schedules),
		TEST(test_reopen), TEST(test_nested),
	};

	return cmocka_run_group_tests_name("sink tee", tests, NULL, NULL);
}
