// SPDX-License-Identifier: GPL-2.0-only
/*
 * Verdicts and their words: there and back, and what is neither.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <smtpward/abi.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/verdict_word.h"

static void test_words(void **state __attribute__((unused)))
{
	assert_string_equal(verdict_word(SMTPWARD_DENY), "deny");
	assert_string_equal(verdict_word(SMTPWARD_AUDIT), "audit");
	assert_string_equal(verdict_word(SMTPWARD_ALLOW), "allow");
	assert_string_equal(verdict_word(SMTPWARD_ALLOW + 1), "deny");
	assert_string_equal(verdict_word(255), "deny");
	assert_string_equal(verdict_word(UINT_MAX), "deny");
}

static void test_verdicts(void **state __attribute__((unused)))
{
	static const char *const others[] = { "",      "d",	"den",	   "denyx", "Deny",
					      " deny", "deny ", "default", "reject" };

	assert_int_equal(verdict_from_word("deny"), SMTPWARD_DENY);
	assert_int_equal(verdict_from_word("audit"), SMTPWARD_AUDIT);
	assert_int_equal(verdict_from_word("allow"), SMTPWARD_ALLOW);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_int_equal(verdict_from_word(others[i]), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_verdicts),
	};

	return cmocka_run_group_tests_name("verdict_word", tests, NULL, NULL);
}
