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

/* Long after the machine's start. */
#define START (50 * HOUR)

static struct threshold threshold;
static uint64_t now_ns;

static int setup(void **state __attribute__((unused)))
{
	threshold_clear(&threshold);
	threshold_set(&threshold, MOST, 3600);
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
	threshold_begin(&threshold, now_ns);
	assert_int_equal(threshold_see(&threshold, &key, &counts, now_ns), 0);
	threshold_end(&threshold);
}

/* A look that finds nobody. */
static void look_at_nobody(uint64_t seconds)
{
	now_ns += seconds * SECOND;
	threshold_begin(&threshold, now_ns);
	threshold_end(&threshold);
}

static void assert_quiet(void)
{
	assert_null(threshold_due(&threshold));
}

/* An alert, or its end, is due about a caller with these numbers; takes it for written. */
static void assert_due(bool passed, uint64_t sum, uint64_t total)
{
	struct threshold_caller *caller = threshold_due(&threshold);

	assert_non_null(caller);
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
	look(3661, START, 120);
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
	look(1860, START, 130);
	assert_quiet();
	look(600, START, 140);
	assert_quiet();
	look(1800, START, 140);
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
	assert_false(threshold_is_idle(&threshold));
	look_at_nobody(3661);
	assert_due(false, 0, 101);
	look_at_nobody(2);
	assert_int_equal(threshold.n_callers, 0);
	assert_true(threshold_is_idle(&threshold));
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

/* A log that begins knows of an old entry nothing, and of a young one that it is all new. */
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
}

/* The reader's group can write any count. */
static void test_backwards(void **state __attribute__((unused)))
{
	look(0, START, 90);
	look(2, START, 10);
	look(2, START, 20);
	assert_quiet();
	look(2, START, UINT64_MAX);
	assert_non_null(threshold_due(&threshold));
	look(3661, START, UINT64_MAX);
	assert_null(threshold_due(&threshold));
}

static void test_another_setting(void **state __attribute__((unused)))
{
	look(0, START, 60);
	threshold_set(&threshold, MOST, 3600);
	assert_int_equal(threshold.n_callers, 1);
	threshold_set(&threshold, 50, 60);
	assert_int_equal(threshold.n_callers, 0);
	look(1, START, 60);
	assert_due(true, 60, 60);
	threshold_set(&threshold, 0, 0);
	assert_quiet();
}

/* A tenant makes users without end: 16 have alerts, and another tenant's has one still. */
static void test_users(void **state __attribute__((unused)))
{
	const struct smtpward_caller_counts counts = { .born_ns = START, .attempts = 101 };
	struct threshold_caller *caller;
	unsigned int n = 0;

	threshold_begin(&threshold, now_ns);
	for (uint32_t euid = 40; euid > 0; euid--) {
		const struct smtpward_caller_key key = user_of(7, euid);

		assert_int_equal(threshold_see(&threshold, &key, &counts, now_ns), 0);
	}
	for (uint64_t tenant = 1; tenant < 10; tenant += 8) {
		const struct smtpward_caller_key key = user_of(tenant, 33);

		assert_int_equal(threshold_see(&threshold, &key, &counts, now_ns), 0);
	}
	threshold_end(&threshold);
	while ((caller = threshold_due(&threshold))) {
		const bool last = threshold_is_last_of_tenant(&threshold, caller);

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
		cmocka_unit_test_setup_teardown(test_first_look, setup, teardown),
		cmocka_unit_test_setup_teardown(test_backwards, setup, teardown),
		cmocka_unit_test_setup_teardown(test_another_setting, setup, teardown),
		cmocka_unit_test_setup_teardown(test_users, setup, teardown),
	};

	return cmocka_run_group_tests_name("threshold", tests, NULL, NULL);
}
