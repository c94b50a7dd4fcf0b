// SPDX-License-Identifier: GPL-2.0-only
/* Which instants have come: every number of them, against counting one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <smtpward/until.h>

#define FLOOR 1000ULL
#define FIRST 5000ULL
#define STEP 10ULL

static __u64 ends[SMTPWARD_RULES_MAX];

static void fill(uint32_t n)
{
	for (uint32_t i = 0; i < SMTPWARD_RULES_MAX; i++)
		ends[i] = i < n ? FIRST + i * STEP : SMTPWARD_NEVER;
}

static __u64 slow_count(__u64 now)
{
	__u64 n = 0;

	while (n < SMTPWARD_RULES_MAX && ends[n] <= now)
		n++;
	return n;
}

static void test_count(void **state)
{
	for (uint32_t n = 0; n <= SMTPWARD_RULES_MAX; n++) {
		fill(n);
		for (__u64 now = FIRST - 1; now <= FIRST + n * STEP + 1; now++) {
			const __u64 count = slow_count(now);

			if (smtpward_count_come(ends, n, now) != count)
				fail_msg("%u instants at %llu", n, now);
			assert_int_equal(smtpward_alive_index(ends, n, FLOOR, now), count + 1);
		}
		assert_int_equal(smtpward_count_come(ends, n, SMTPWARD_NEVER - 1), n);
	}
}

static void test_not_set(void **state)
{
	static const __u64 early[] = { 0, 1, FLOOR - 1, -1ULL, -1000000000000ULL };

	fill(SMTPWARD_RULES_MAX);
	for (size_t i = 0; i < sizeof(early) / sizeof(early[0]); i++)
		assert_int_equal(smtpward_alive_index(ends, 3, FLOOR, early[i]), 0);
	assert_int_equal(smtpward_alive_index(ends, 3, FLOOR, FLOOR), 1);
	/* An end that lies before it has come. */
	ends[0] = FLOOR - 1;
	assert_int_equal(smtpward_alive_index(ends, 3, FLOOR, FLOOR), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_not_set),
	};

	return cmocka_run_group_tests_name("until", tests, NULL, NULL);
}
