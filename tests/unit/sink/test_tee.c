// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several sinks as one: what the first one says counts; each of the others gets a line after
 * it, in order and each once, never holds it up, and counts what it does not get. All are
 * fakes that fail when told to.
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
	uint32_t begun; /* pid of a line of which a part is out: it has to come again */
	uint32_t last;	/* pid of the last line that was taken */
	uint32_t taken; /* lines */
	unsigned int tries, reopens, frees;
};

static int fake_write(struct sink *sink, const struct line *line, struct smtpward_receipt *receipt)
{
	struct fake *fake = (struct fake *)sink;
	const uint32_t pid = line->record.pid;

	fake->tries++;
	if (fake->begun)
		assert_int_equal(pid, fake->begun);
	if (fake->error) {
		fake->begun = pid;
		return fake->error;
	}
	assert_true(pid > fake->last); /* no line twice, none out of turn */
	fake->begun = 0;
	fake->last = pid;
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

static int fake_where(struct sink *sink, char *dst, size_t size)
{
	assert_true(size > sizeof("log.1"));
	strcpy(dst, "log.1");
	return 0;
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
	.where = fake_where,
	.free = fake_free,
};

#define COPIES 2

struct several {
	struct fake account, copies[COPIES];
	struct line line;
	struct sink *tee;
};

static int setup(void **state)
{
	struct several *several = calloc(1, sizeof(*several));
	struct sink_outlet outlets[1 + COPIES];

	assert_non_null(several);
	several->account = (struct fake){ .sink.ops = &fake_ops, .fd = 7 };
	outlets[0] = (struct sink_outlet){ "account", &several->account.sink };
	for (int i = 0; i < COPIES; i++) {
		several->copies[i] = (struct fake){ .sink.ops = &fake_ops, .fd = 8 + i };
		outlets[1 + i] = (struct sink_outlet){ "copy", &several->copies[i].sink };
	}
	several->line.record.pid = 1;
	assert_int_equal(sink_tee_open(outlets, ARRAY_SIZE(outlets), &several->tee), 0);
	*state = several;
	return 0;
}

static int teardown(void **state)
{
	_cleanup_free_ struct several *several = *state;

	sink_free(several->tee);
	assert_int_equal(several->account.frees, 1);
	for (int i = 0; i < COPIES; i++)
		assert_int_equal(several->copies[i].frees, 1);
	return 0;
}

/* The next line, or the same again if it was not taken. */
static int write_with(struct several *several, int account, int first, int second)
{
	int r;

	several->account.error = account;
	several->copies[0].error = first;
	several->copies[1].error = second;
	r = sink_write(several->tee, &several->line, NULL);
	several->line.record.pid += !r;
	return r;
}

static void assert_taken(const struct several *several, uint32_t account, uint32_t first,
			 uint32_t second)
{
	assert_int_equal(several->account.taken, account);
	assert_int_equal(several->copies[0].taken, first);
	assert_int_equal(several->copies[1].taken, second);
}

static struct sink_outlet_state look(const struct several *several, size_t i)
{
	struct sink_outlet_state state;

	sink_tee_look(several->tee, i, &state);
	return state;
}

static void test_all(void **state)
{
	struct several *several = *state;

	assert_string_equal(several->tee->ops->name, "tee");
	assert_int_equal(write_with(several, 0, 0, 0), 0);
	assert_int_equal(write_with(several, 0, 0, 0), 0);
	assert_taken(several, 2, 2, 2);
	for (size_t i = 0; i <= COPIES; i++)
		assert_int_equal(look(several, i).missed + look(several, i).holds, 0);
}

/* A line waits for the account, however long, and nobody has it earlier. */
static void wait_for_account(struct several *several, int error)
{
	for (unsigned int i = 1; i <= 3; i++) {
		assert_int_equal(write_with(several, error, 0, 0), error);
		assert_int_equal(sink_poll_fd(several->tee), several->account.fd);
		assert_int_equal(several->account.tries, i);
		assert_int_equal(several->copies[0].tries, 0);
	}
	assert_int_equal(write_with(several, 0, 0, 0), 0);
	assert_taken(several, 1, 1, 1);
	assert_int_equal(write_with(several, 0, 0, 0), 0);
	assert_taken(several, 2, 2, 2);
}

static void test_account_stuck(void **state)
{
	wait_for_account(*state, -EAGAIN);
}

static void test_account_broken(void **state)
{
	wait_for_account(*state, -ENOSPC);
}

/* One misses lines, and says how many; the others do not. */
static void test_copy(void **state)
{
	static const int errors[] = { -EAGAIN, -EPIPE, -EIO, -ENOMEM };
	struct several *several = *state;

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		assert_int_equal(write_with(several, 0, errors[i], 0), 0);
		assert_int_equal(look(several, 1).trouble, errors[i]);
		assert_int_equal(look(several, 1).missed, i);
		assert_true(look(several, 1).holds);
		assert_int_equal(look(several, 2).trouble, 0);
	}
	assert_taken(several, 4, 0, 4);
	assert_int_equal(several->copies[0].tries, 4); /* at each line again, and once */
	/* The first one of them was begun, and comes to its end. */
	assert_int_equal(write_with(several, 0, 0, 0), 0);
	assert_taken(several, 5, 2, 5);
	assert_int_equal(look(several, 1).missed, 3);
	assert_false(look(several, 1).holds);
	assert_int_equal(look(several, 1).trouble, 0);
}

/* What it holds comes without another line, too. */
static void test_tend(void **state)
{
	struct several *several = *state;

	assert_int_equal(write_with(several, 0, 0, -EAGAIN), 0);
	sink_tend(several->tee);
	assert_taken(several, 1, 1, 0);
	several->copies[1].error = 0;
	sink_tend(several->tee);
	assert_taken(several, 1, 1, 1);
	assert_false(look(several, 2).holds);
	sink_tend(several->tee);
	assert_int_equal(several->copies[1].tries, 3);
	assert_int_equal(several->account.tries, 1);
}

/* Every way that each can be ready or not over some writes. */
static void test_schedules(void **state)
{
	enum { WRITES = 5, WAYS = 1 << (1 + COPIES) };
	struct several *several = *state;
	unsigned int schedules = 1;

	for (int i = 0; i < WRITES; i++)
		schedules *= WAYS;
	for (unsigned int schedule = 0; schedule < schedules; schedule++) {
		uint64_t before[COPIES];
		uint32_t taken = several->account.taken;

		for (int i = 0; i < COPIES; i++)
			before[i] = several->copies[i].taken + look(several, 1 + i).missed +
				    look(several, 1 + i).holds;
		for (unsigned int i = 0, rest = schedule; i < WRITES; i++, rest /= WAYS) {
			const int error = rest & 1 ? -EAGAIN : 0;
			int r = write_with(several, error, rest & 2 ? -EAGAIN : 0,
					   rest & 4 ? -EIO : 0);

			assert_int_equal(r, error);
		}
		/* Each line is somewhere, for each of them. */
		for (int i = 0; i < COPIES; i++)
			assert_int_equal(several->copies[i].taken + look(several, 1 + i).missed +
						 look(several, 1 + i).holds - before[i],
					 several->account.taken - taken);
	}
}

/* What could not be opened again is tried until it works, and nothing else is. */
static void test_reopen(void **state)
{
	struct several *several = *state;

	assert_int_equal(sink_reopen(several->tee), 0);
	several->account.reopen_error = -EACCES;
	several->copies[0].reopen_error = -ENOENT;
	assert_int_equal(sink_reopen(several->tee), -EACCES);
	assert_int_equal(look(several, 0).reopen, -EACCES);
	assert_string_equal(look(several, 0).where, "log.1");
	assert_int_equal(look(several, 1).reopen, -ENOENT);
	assert_int_equal(look(several, 2).reopen, 0);
	assert_string_equal(look(several, 2).where, "");

	sink_tend(several->tee);
	several->account.reopen_error = 0;
	sink_tend(several->tee);
	assert_int_equal(look(several, 0).reopen, 0);
	assert_int_equal(look(several, 1).reopen, -ENOENT);
	several->copies[0].reopen_error = 0;
	sink_tend(several->tee);
	sink_tend(several->tee);
	assert_int_equal(several->account.reopens, 4);
	assert_int_equal(several->copies[0].reopens, 5);
	assert_int_equal(several->copies[1].reopens, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all),	   TEST(test_account_stuck), TEST(test_account_broken),
		TEST(test_copy),   TEST(test_tend),	     TEST(test_schedules),
		TEST(test_reopen),
	};

	return cmocka_run_group_tests_name("sink tee", tests, NULL, NULL);
}
