// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two sinks as one: every line reaches both, and neither gets it twice because the
 * other could not take it. Both are fakes that fail when told to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleanup.h"
#include "sink.h"

#define _cleanup_sink_ _cleanup_(sink_freep)

struct fake {
	struct sink sink; /* first: the ops get a pointer to it */
	int error;	  /* of the next writes; 0: they are taken */
	int reopen_error;
	int fd;
	const struct violation *expected;
	uint32_t taken;	 /* lines, each with a pid one above the last one's */
	unsigned int tries, reopens, frees;
};

static int fake_write(struct sink *sink, const struct violation *violation)
{
	struct fake *fake = (struct fake *)sink;

	assert_ptr_equal(violation, fake->expected);
	fake->tries++;
	if (fake->error)
		return fake->error;
	assert_int_equal(violation->pid, fake->taken + 1);
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
	struct fake a, b;
	struct violation violation;
	struct sink *tee;
};

static int setup(void **state)
{
	struct pair *pair = calloc(1, sizeof(*pair));

	assert_non_null(pair);
	pair->a = (struct fake){ .sink.ops = &fake_ops, .fd = 7, .expected = &pair->violation };
	pair->b = (struct fake){ .sink.ops = &fake_ops, .fd = 8, .expected = &pair->violation };
	pair->violation.pid = 1;
	assert_int_equal(sink_tee_open(&pair->a.sink, &pair->b.sink, &pair->tee), 0);
	*state = pair;
	return 0;
}

static int teardown(void **state)
{
	_cleanup_free_ struct pair *pair = *state;

	sink_free(pair->tee);
	assert_int_equal(pair->a.frees, 1);
	assert_int_equal(pair->b.frees, 1);
	return 0;
}

static int write_with(struct pair *pair, int a_error, int b_error)
{
	pair->a.error = a_error;
	pair->b.error = b_error;
	return sink_write(pair->tee, &pair->violation);
}

static void assert_taken(const struct pair *pair, uint32_t a, uint32_t b)
{
	assert_int_equal(pair->a.taken, a);
	assert_int_equal(pair->b.taken, b);
}

static void test_both(void **state)
{
	struct pair *pair = *state;

	assert_string_equal(pair->tee->ops->name, "tee");
	assert_int_equal(write_with(pair, 0, 0), 0);
	assert_taken(pair, 1, 1);
	pair->violation.pid = 2;
	assert_int_equal(write_with(pair, 0, 0), 0);
	assert_taken(pair, 2, 2);
	assert_int_equal(pair->a.tries + pair->b.tries, 4);
}

/* One is stuck for a while: the other has the line at once, and once. */
static void stick(struct pair *pair, struct fake *stuck, struct fake *other, int error)
{
	stuck->error = error;
	other->error = 0;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(sink_write(pair->tee, &pair->violation), error);
		assert_int_equal(sink_poll_fd(pair->tee), stuck->fd);
		assert_int_equal(other->taken, pair->violation.pid);
	}
	assert_int_equal(other->tries, pair->violation.pid);
	stuck->error = 0;
	other->error = -EPIPE; /* not asked again for this line */
	assert_int_equal(sink_write(pair->tee, &pair->violation), 0);
	assert_taken(pair, pair->violation.pid, pair->violation.pid);
	assert_int_equal(other->tries, pair->violation.pid);
	/* The next line goes to both again. */
	pair->violation.pid++;
	assert_int_equal(write_with(pair, 0, 0), 0);
	assert_taken(pair, pair->violation.pid, pair->violation.pid);
}

static void test_first_stuck(void **state)
{
	struct pair *pair = *state;

	stick(pair, &pair->a, &pair->b, -EAGAIN);
}

static void test_second_stuck(void **state)
{
	struct pair *pair = *state;

	stick(pair, &pair->b, &pair->a, -EAGAIN);
}

static void test_first_broken(void **state)
{
	struct pair *pair = *state;

	stick(pair, &pair->a, &pair->b, -ENOSPC);
}

static void test_second_broken(void **state)
{
	struct pair *pair = *state;

	stick(pair, &pair->b, &pair->a, -ENOSPC);
}

static void test_both_stuck(void **state)
{
	struct pair *pair = *state;

	assert_int_equal(write_with(pair, -EAGAIN, -EAGAIN), -EAGAIN);
	assert_int_equal(sink_poll_fd(pair->tee), pair->a.fd);
	assert_int_equal(write_with(pair, -EAGAIN, -ENOSPC), -EAGAIN);
	assert_int_equal(write_with(pair, -ENOSPC, -EAGAIN), -ENOSPC);
	assert_taken(pair, 0, 0);
	assert_int_equal(write_with(pair, 0, -EAGAIN), -EAGAIN);
	assert_int_equal(sink_poll_fd(pair->tee), pair->b.fd);
	assert_int_equal(write_with(pair, -EPIPE, -EAGAIN), -EAGAIN);
	assert_taken(pair, 1, 0);
	assert_int_equal(write_with(pair, -EPIPE, 0), 0);
	assert_taken(pair, 1, 1);
}

/* Where only time helps there is nothing to poll. */
static void test_no_poll(void **state)
{
	struct pair *pair = *state;

	pair->a.fd = -1;
	assert_int_equal(write_with(pair, -EAGAIN, 0), -EAGAIN);
	assert_int_equal(sink_poll_fd(pair->tee), -1);
}

/* Every way that two sinks can hesitate over four lines, each at most three times a line. */
static void test_schedules(void **state)
{
	enum { LINES = 4 };

	for (unsigned int schedule = 0; schedule < 1 << (4 * LINES); schedule++) {
		struct pair *pair = *state;

		pair->a.taken = pair->b.taken = 0;
		for (uint32_t line = 0; line < LINES; line++) {
			unsigned int a_waits = schedule >> 4 * line & 3;
			unsigned int b_waits = schedule >> (4 * line + 2) & 3;
			unsigned int round = 0, rounds = a_waits > b_waits ? a_waits : b_waits;

			pair->violation.pid = line + 1;
			for (; round < rounds; round++)
				assert_int_equal(write_with(pair, round < a_waits ? -EAGAIN : 0,
							    round < b_waits ? -EAGAIN : 0),
						 -EAGAIN);
			assert_int_equal(write_with(pair, 0, 0), 0);
			assert_taken(pair, line + 1, line + 1);
		}
	}
}

static void test_reopen(void **state)
{
	struct pair *pair = *state;

	assert_int_equal(sink_reopen(pair->tee), 0);
	pair->a.reopen_error = -EACCES;
	assert_int_equal(sink_reopen(pair->tee), -EACCES);
	pair->b.reopen_error = -ENOENT;
	assert_int_equal(sink_reopen(pair->tee), -EACCES);
	pair->a.reopen_error = 0;
	assert_int_equal(sink_reopen(pair->tee), -ENOENT);
	assert_int_equal(pair->a.reopens, 4);
	assert_int_equal(pair->b.reopens, 4);
	/* In the middle of a line: who has it has it. */
	assert_int_equal(write_with(pair, 0, -EAGAIN), -EAGAIN);
	assert_int_equal(sink_reopen(pair->tee), -ENOENT);
	assert_int_equal(write_with(pair, 0, 0), 0);
	assert_taken(pair, 1, 1);
}

/* A tee of tees is a tee. */
static void test_nested(void **state)
{
	struct pair *pair = *state;
	struct fake third = { .sink.ops = &fake_ops, .fd = 9, .expected = &pair->violation };
	_cleanup_sink_ struct sink *all = NULL;

	assert_int_equal(sink_tee_open(&third.sink, pair->tee, &all), 0);
	assert_int_equal(sink_write(all, &pair->violation), 0);
	pair->violation.pid = 2;
	pair->b.error = -EAGAIN;
	assert_int_equal(sink_write(all, &pair->violation), -EAGAIN);
	assert_int_equal(sink_poll_fd(all), pair->b.fd);
	assert_int_equal(sink_write(all, &pair->violation), -EAGAIN);
	pair->b.error = 0;
	assert_int_equal(sink_write(all, &pair->violation), 0);
	assert_taken(pair, 2, 2);
	assert_int_equal(third.taken, 2);
	sink_free(TAKE_PTR(all));
	assert_int_equal(third.frees, 1);
	assert_int_equal(pair->a.frees + pair->b.frees, 2);
	/* It owned the inner one; teardown frees one more. */
	pair->a.frees = pair->b.frees = 0;
	assert_int_equal(sink_tee_open(&pair->a.sink, &pair->b.sink, &pair->tee), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_both),
		TEST(test_first_stuck),
		TEST(test_second_stuck),
		TEST(test_first_broken),
		TEST(test_second_broken),
		TEST(test_both_stuck),
		TEST(test_no_poll),
		TEST(test_schedules),
		TEST(test_reopen),
		TEST(test_nested),
	};

	return cmocka_run_group_tests_name("sink tee", tests, NULL, NULL);
}
