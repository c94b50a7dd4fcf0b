// SPDX-License-Identifier: GPL-2.0-only
/*
 * A load, a reload, an unload and a boot: fixture_sweep.h says what holds at each of
 * their system calls.
 */
#include "fixture_sweep.h"

#include <sys/mount.h>
#include <sys/stat.h>

/* What is left of a load of A by a reboot: its copy. */
static void set_up_reboot(void)
{
	const int64_t deadline = clock_ms() + FIXTURE_PATIENCE;

	if (policy_load_file(sweep_file_a))
		fail_msg("load: status %d: %s", run.status, run.err);
	/* The second set, if what was killed had got so far. */
	umount2("/run/smtpward/keep", MNT_DETACH);
	bpf_wipe("");
	while (bpf_count_attached(fixture.attached_fd, false) ||
	       bpf_count_attached(fixture.attached_fd, true))
		assert_true(pause_until(deadline));
}

SWEEPS(load, IN_FORCE_NONE, IN_FORCE_B, IN_FORCE_NONE, NULL, SWEEP_LOAD(sweep_file_b))
SWEEPS(reload, IN_FORCE_A, IN_FORCE_B, IN_FORCE_NONE, NULL, SWEEP_LOAD(sweep_file_b))
SWEEPS(unload, IN_FORCE_A, IN_FORCE_NONE, IN_FORCE_NONE, NULL, SWEEP_UNLOAD)
/* There is no such file: it falls back to what was kept of A. */
SWEEPS(boot, IN_FORCE_NONE, IN_FORCE_A, IN_FORCE_NONE, set_up_reboot, SWEEP_BOOT("none.conf"))

static int tests(void)
{
	const struct CMUnitTest all[] = {
		SWEEP_TESTS(load),
		SWEEP_TESTS(reload),
		SWEEP_TESTS(unload),
		SWEEP_TESTS(boot),
	};

	return cmocka_run_group_tests_name("faults", all, sweep_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
