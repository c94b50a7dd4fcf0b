// SPDX-License-Identifier: GPL-2.0-only
/* The table of counters: each has a row, and a row is of one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "pins/counter.h"

static void test_each_has_a_row(void **state)
{
	struct smtpward_counters counters;
	unsigned int seen = 0;

	for (int i = 0; i < COUNTERS; i++)
		((__u64 *)&counters)[i] = 1ULL << i;
	for (int i = 0; i < COUNTERS; i++) {
		assert_non_null(counter_infos[i].name);
		assert_non_null(counter_infos[i].help);
		seen |= (unsigned int)counter_value(&counters, i);
	}
	assert_int_equal(seen, (1U << COUNTERS) - 1);
}

static void test_names(void **state)
{
	const struct smtpward_counters counters = { .denied = 1, .lost = 2, .broken = 3 };
	uint64_t denied = 0, lost = 0, broken = 0;

	for (int i = 0; i < COUNTERS; i++) {
		if (!strcmp(counter_infos[i].name, "denied"))
			denied = counter_value(&counters, i);
		if (!strcmp(counter_infos[i].name, "lost"))
			lost = counter_value(&counters, i);
		if (!strcmp(counter_infos[i].name, "broken"))
			broken = counter_value(&counters, i);
	}
	assert_int_equal(denied, 1);
	assert_int_equal(lost, 2);
	assert_int_equal(broken, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_has_a_row),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("counter", tests, NULL, NULL);
}
