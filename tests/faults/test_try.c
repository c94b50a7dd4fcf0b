// SPDX-License-Identifier: GPL-2.0-only
/*
 * A policy put on trial, over none, over another, over another trial: fixture_sweep.h says
 * what holds at each system call.
 */
#include "fixture_sweep.h"

SWEEPS(try_first, IN_FORCE_NONE, IN_FORCE_B, IN_FORCE_NONE, NULL, SWEEP_TRY(sweep_file_b))
SWEEPS(try, IN_FORCE_A, IN_FORCE_B, IN_FORCE_A, NULL, SWEEP_TRY(sweep_file_b))
SWEEPS(try_again, IN_FORCE_A, IN_FORCE_B, IN_FORCE_A, sweep_set_up_trial_of_a,
       SWEEP_TRY(sweep_file_b))

/* There are more calls than time: each has its turn with SMTPWARD_TEST_FAULTS=1. */
static int setup(void **state)
{
	sweep_thin = 2;
	return sweep_setup(state);
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		SWEEP_TESTS(try_first),
		SWEEP_TESTS(try),
		SWEEP_TESTS(try_again),
	};

	return cmocka_run_group_tests_name("try", all, setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
