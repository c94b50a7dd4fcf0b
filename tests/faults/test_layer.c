// SPDX-License-Identifier: GPL-2.0-only
/*
 * The second layer at each system call of a load, a reload and an unload: fixture_sweep.h says what
 * holds. A frame of a packet socket leaves the uplink if no policy is in force, and only then.
 */
#include "../kernel/fixture_gate.h"
#include "fixture_sweep.h"

static bool gate_agrees(enum in_force now)
{
	const int expected = now == IN_FORCE_NONE ? 0 : ENOBUFS;

	far_frames();
	return child_run(CHILD_IN("other"), gate_send, NULL) == expected &&
	       far_frames() == !expected;
}

SWEEPS(load, IN_FORCE_NONE, IN_FORCE_B, IN_FORCE_NONE, NULL, SWEEP_LOAD(sweep_file_b))
SWEEPS(reload, IN_FORCE_A, IN_FORCE_B, IN_FORCE_NONE, NULL, SWEEP_LOAD(sweep_file_b))
SWEEPS(try, IN_FORCE_A, IN_FORCE_B, IN_FORCE_A, NULL, SWEEP_TRY(sweep_file_b))
SWEEPS(unload, IN_FORCE_A, IN_FORCE_NONE, IN_FORCE_NONE, NULL, SWEEP_UNLOAD)

/* There are more calls than time: each has its turn with SMTPWARD_TEST_FAULTS=1. */
static int setup(void **state)
{
	int err;

	sweep_thin = 8;
	sweep_settings = "packets on\nuplink " FAR_UPLINK "\n";
	err = sweep_setup(state);
	if (err)
		return err;
	far_setup();
	sweep_agrees = gate_agrees;
	return 0;
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		SWEEP_TESTS(load),
		SWEEP_TESTS(reload),
		SWEEP_TESTS(try),
		SWEEP_TESTS(unload),
	};

	return cmocka_run_group_tests_name("layer", all, setup, far_group_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
