// SPDX-License-Identifier: GPL-2.0-only
/*
 * What ends a trial: a confirm, in time and too late, an unload, and what clears up behind one
 * that went back: fixture_sweep.h says what holds at each system call.
 */
#include "fixture_sweep.h"

SWEEPS(confirm, IN_FORCE_B, IN_FORCE_B, IN_FORCE_A, sweep_set_up_trial_of_b, SWEEP_CONFIRM)
SWEEPS(too_late, IN_FORCE_A, IN_FORCE_A, IN_FORCE_NONE, sweep_set_up_went_back, SWEEP_CONFIRM)
SWEEPS(load_behind, IN_FORCE_A, IN_FORCE_B, IN_FORCE_NONE, sweep_set_up_went_back,
       SWEEP_LOAD(sweep_file_b))
SWEEPS(load_behind_nothing, IN_FORCE_NONE, IN_FORCE_B, IN_FORCE_NONE, sweep_set_up_went_to_nothing,
       SWEEP_LOAD(sweep_file_b))
/* A boot that a fault keeps from telling that all is as it should be goes by the file. */
SWEEPS(boot_behind, IN_FORCE_A, IN_FORCE_A, IN_FORCE_NONE, sweep_set_up_went_back,
       SWEEP_BOOT(sweep_file_a))
SWEEPS(unload_trial, IN_FORCE_B, IN_FORCE_NONE, IN_FORCE_A, sweep_set_up_trial_of_b, SWEEP_UNLOAD)

/* There are more calls than time: each has its turn with SMTPWARD_TEST_FAULTS=1. */
static int setup(void **state)
{
	sweep_thin = 4;
	return sweep_setup(state);
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		SWEEP_TESTS(confirm),	  SWEEP_TESTS(too_late),
		SWEEP_TESTS(load_behind), SWEEP_TESTS(load_behind_nothing),
		SWEEP_TESTS(boot_behind), SWEEP_TESTS(unload_trial),
	};

	return cmocka_run_group_tests_name("confirm", all, setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
