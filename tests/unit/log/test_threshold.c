// SPDX-License-Identifier: GPL-2.0-only
/* Who passed the setting `alert`, by counts and a clock of ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "log/threshold.h"

#define SECOND 1000000000ULL
#define HOUR (3600 * SECOND)
#define MOST 100
#define CALLERS 50

/* Long after the machine's start. */
#define START (50 * HOUR)

static struct threshold threshold;
static uint64_t now_ns;

static int setup(void **state __attribute__((unused)))
{
	size_t told;

	threshold_clear(&threshold);
	assert_int_equal(threshold_set(&threshold, MOST, 3600, CALLERS, &told), 1);
	now_ns = START;
	return 0;
}

static int teardown(void **state __attribute__((unused)))
{
	threshold_clear(&threshold);
	return 0;
}

static struct smtpward_caller_key user_of(uint64_t tenant, uint32_t euid)
{
	return (struct smtpward_caller_key){ .cgroup_id = tenant, .euid = euid };
}

/* A look that finds one user of tenant 1, after so many seconds. */
static void look(uint64_t seconds, uint64_t born_ns, uint64_t attempts)
{
	const struct smtpward_caller_counts counts = { .born_ns = born_ns, .attempts = attempts };
	const struct smtpward_caller_key key = user_of(1, 1000);

	now_ns += seconds * SECOND;
	threshold_begin(&threshold, true, now_ns);
	assert_int_equal(threshold_see(&threshold, &key, &counts, now_ns), 0);
	threshold_end(&threshold);
}

/* A look that finds nobody. */
static void look_at_nobody(uint64_t seconds)
{
	now_ns += seconds * SECOND;
	threshold_begin(&threshold, true, now_ns);
	threshold_end(&threshold);
}

static void assert_quiet(void)
{
	bool last;

	assert_null(threshold_due(&threshold, &last));
}

/* An alert, or its end, is due about a caller with these numbers; takes it for written. */
static void assert_due(bool passed, uint64_t sum, uint64_t total)
{
	bool last;
	struct threshold_caller *caller = threshold_due(&threshold, &last);

	assert_non_null(caller);
	assert_false(last);
	assert_int_equal(caller->passed, passed);
	assert_int_equal(caller->sum, sum);
	assert_int_equal(caller->total, total);
	caller->told = passed;
	assert_quiet();
}

static void test_more_than(void **state __attribute__((unused)))
{
	look(0, START, MOST);
	assert_quiet();
	look(2, START, MOST + 1);
	assert_due(true, MOST + 1, MOST + 1);
	look(2, START, MOST + 50);
	assert_quiet();
}

/* What was over an hour ago does not count: 60 now and 60 an hour later are no 120. */
static void test_slides(void **state __attribute__((unused)))
{
	look(0, START, 60);
	look(3781, START, 120);
	assert_quiet();
	look(3000, START, 161);
	assert_due(true, 101, 101);
}

static void test_ends_at_half(void **state __attribute__((unused)))
{
	look(0, START, 60);
	look(1800, START, 130);
	assert_due(true, 130, 130);
	/* The first 60 are over: 70 are more than half. */
	look(1981, START, 130);
	assert_quiet();
	look(600, START, 140);
	assert_quiet();
	look(2900, START, 140);
	assert_due(false, 10, 140);
	look(2, START, 231);
	assert_due(true, 101, 101);
}

static void test_ends_without_its_entry(void **state __attribute__((unused)))
{
	look(0, START, 101);
	assert_due(true, 101, 101);
	look_at_nobody(2);
	assert_quiet();
	look_at_nobody(3781);
	assert_due(false, 0, 101);
	look_at_nobody(2);
	assert_int_equal(threshold.n_callers, 0);
	/* And it can begin again. */
	look(2, now_ns, 101);
	assert_due(true, 101, 101);
}

/* If nothing was counted since, nothing is read, and what is known stays. */
static void test_look_without_reading(void **state __attribute__((unused)))
{
	look(0, START, 101);
	assert_due(true, 101, 101);
	now_ns += 3781 * SECOND;
	threshold_begin(&threshold, false, now_ns);
	threshold_end(&threshold);
	assert_due(false, 0, 101);
	look(2, START, 150);
	assert_quiet();
	look(2, START, 202);
	assert_due(true, 101, 101);
}

/* Another entry of the same user counts from nothing. */
static void test_born_again(void **state __attribute__((unused)))
{
	look(0, START, 90);
	look(10, START + 5 * SECOND, 10);
	assert_quiet();
	look(2, START + 5 * SECOND, 11);
	assert_due(true, 101, 101);
}

/* An entry that goes takes nothing of the sum with it. */
static void test_goes_and_comes(void **state __attribute__((unused)))
{
	look(0, START, 90);
	look_at_nobody(2);
	look(2, START + 3 * SECOND, 11);
	assert_due(true, 101, 101);
}

/* All that the other entry of a user counts is new, even if two looks lie far apart. */
static void test_born_again_unseen(void **state __attribute__((unused)))
{
	size_t told;

	threshold_set(&threshold, MOST, 60, CALLERS, &told);
	look(0, START, 90);
	look(300, START + 10 * SECOND, 101);
	assert_due(true, 101, 101);
}

/*
 * A log that begins knows of an old entry nothing, and of a young one that its attempts are as old
 * as the entry at most.
 */
static void test_first_look(void **state __attribute__((unused)))
{
	look(0, START - 2 * HOUR, 100000);
	assert_quiet();
	look(2, START - 2 * HOUR, 100100);
	assert_quiet();
	look(2, START - 2 * HOUR, 100101);
	assert_due(true, 101, 101);
	setup(NULL);
	look(0, START - HOUR / 2, 101);
	assert_due(true, 101, 101);
	setup(NULL);
	look(0, START - HOUR * 9 / 10, 90);
	look(1800, START - HOUR * 9 / 10, 110);
	assert_quiet();
}

/* The reader's group can write any count. */
static void test_backwards(void **state __attribute__((unused)))
{
	look(0, START, 90);
	look(2, START, 10);
	look(2, START, 20);
	assert_quiet();
	look(2, START, UINT64_MAX);
	assert_due(true, 100 + (uint64_t)UINT32_MAX - 100, UINT32_MAX);
	look(3781, START, UINT64_MAX);
	assert_due(false, 0, UINT32_MAX);
}

static void test_another_setting(void **state __attribute__((unused)))
{
	size_t told = 7;

	look(0, START, 60);
	assert_int_equal(threshold_set(&threshold, MOST, 3600, CALLERS, &told), 0);
	assert_int_equal(threshold.n_callers, 1);
	assert_int_equal(threshold_set(&threshold, 50, 60, CALLERS, &told), 1);
	assert_int_equal(told, 0);
	assert_int_equal(threshold.n_callers, 0);
	look(1, START, 60);
	assert_due(true, 60, 60);
	assert_int_equal(threshold_set(&threshold, 0, 0, CALLERS, &told), 1);
	assert_int_equal(told, 1);
	assert_quiet();
}

static int see(uint64_t tenant, uint32_t euid, uint64_t attempts)
{
	const struct smtpward_caller_counts counts = { .born_ns = START, .attempts = attempts };
	const struct smtpward_caller_key key = user_of(tenant, euid);

	return threshold_see(&threshold, &key, &counts, now_ns);
}

/* The kernel's walk may come to one entry twice. */
static void test_seen_twice(void **state __attribute__((unused)))
{
	threshold_begin(&threshold, true, now_ns);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(see(1, 1000, 60), 0);
		assert_int_equal(see(1, 1001, 10), 0);
	}
	threshold_end(&threshold);
	assert_int_equal(threshold.n_callers, 2);
	assert_quiet();
	look(2, START, 101);
	assert_due(true, 101, 101);
}

/* Who makes and deletes entries without end takes no more memory than the kernel's maps have room.
 */
static void test_memory(void **state __attribute__((unused)))
{
	for (uint32_t round = 0; round < 10; round++) {
		now_ns += 2 * SECOND;
		threshold_begin(&threshold, true, now_ns);
		for (uint32_t euid = 0; euid < 20; euid++)
			assert_int_equal(see(1, 1000 * round + euid, 1), 0);
		threshold_end(&threshold);
		assert_in_range(threshold.n_callers, 1, CALLERS);
	}
	assert_int_equal(threshold.n_callers, CALLERS);
	assert_true(threshold_knows(&threshold, 1, 1019));
	assert_false(threshold_knows(&threshold, 1, 1020));
	assert_false(threshold_knows(&threshold, 2, 1019));
}

/* A tenant makes users without end: 16 have alerts, and another tenant's has one still. */
static void test_users(void **state __attribute__((unused)))
{
	struct threshold_caller *caller;
	unsigned int n = 0;
	bool last;

	threshold_begin(&threshold, true, now_ns);
	for (uint32_t euid = 40; euid > 0; euid--)
		assert_int_equal(see(7, euid, 101), 0);
	assert_int_equal(see(1, 33, 101), 0);
	assert_int_equal(see(9, 33, 101), 0);
	threshold_end(&threshold);
	while ((caller = threshold_due(&threshold, &last))) {
		if (caller->key.cgroup_id == 7)
			n++;
		assert_int_equal(last, caller->key.cgroup_id == 7 && n == THRESHOLD_USERS);
		caller->told = true;
	}
	assert_int_equal(n, THRESHOLD_USERS);
	for (size_t i = 0; i < threshold.n_callers; i++)
		if (threshold.callers[i].key.cgroup_id != 7)
			assert_true(threshold.callers[i].told);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_more_than, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slides, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ends_at_half, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ends_without_its_entry, setup, teardown),
		cmocka_unit_test_setup_teardown(test_born_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_goes_and_comes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_born_again_unseen, setup, teardown),
		cmocka_unit_test_setup_teardown(test_first_look, setup, teardown),
		cmocka_unit_test_setup_teardown(test_backwards, setup, teardown),
		cmocka_unit_test_setup_teardown(test_another_setting, setup, teardown),
		cmocka_unit_test_setup_teardown(test_look_without_reading, setup, teardown),
		cmocka_unit_test_setup_teardown(test_seen_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_users, setup, teardown),
	};

	return cmocka_run_group_tests_name("threshold", tests, NULL, NULL);
}
