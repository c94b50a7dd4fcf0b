// SPDX-License-Identifier: GPL-2.0-only
/*
 * The second layer, and release 0.1.0, which knows nothing of it: this version brings the layer
 * when it takes over; when 0.1.0 takes over again, what is left of the layer lets each packet go
 * on, and an unload by this version takes it away.
 */
#include "../kernel/fixture_gate.h"

#define ALLOWED "mail.service"
#define REFUSED "web.service"
#define RULES "allow unit " ALLOWED "\n"
#define LAYER "packets on\nuplink " FAR_UPLINK "\n"

#define CANNOT_TELL 1

static const char *ours;
static const char *released;

static void load_with(const char *binary, const char *settings)
{
	cgroup_make(ALLOWED);
	cgroup_make(REFUSED);
	fixture.binary = binary;
	policy_load("%s" RULES, settings);
}

static void assert_status(int status)
{
	fixture.binary = ours;
	assert_int_equal(smtpward("status", "--pins", fixture.pins, NULL), status);
}

/* By either version connects are judged; frames if the layer holds. */
static void assert_judged(bool layer)
{
	assert_int_equal(attempt_in(ALLOWED, FAR_THEIR4, 25), 0);
	assert_int_equal(attempt_in(ALLOWED, FAR_THEIR6, 25), 0);
	assert_int_equal(attempt_in(ALLOWED, NET_OUTSIDE4, 25), 0);
	assert_int_equal(attempt_in(REFUSED, FAR_THEIR4, 25), EPERM);
	assert_int_equal(attempt_in(REFUSED, FAR_THEIR6, 25), EPERM);
	gate_assert_held(REFUSED, layer);
}

static void test_comes_with_the_upgrade(void **state)
{
	load_with(released, "");
	assert_judged(false);
	load_with(ours, LAYER);
	assert_judged(true);
	assert_status(0);
	fixture.binary = ours;
	policy_unload();
	gate_assert_held(REFUSED, false);
}

static void test_is_open_after_a_downgrade(void **state)
{
	load_with(ours, LAYER);
	assert_judged(true);
	load_with(released, "");
	assert_judged(false);
	assert_status(CANNOT_TELL);
	load_with(ours, LAYER);
	assert_judged(true);
	assert_status(0);
	/* And without a way back. */
	load_with(released, "");
	fixture.binary = released;
	policy_unload();
	assert_int_equal(attempt_in(REFUSED, FAR_THEIR4, 25), 0);
	gate_assert_held(REFUSED, false);
	fixture.binary = ours;
	assert_int_equal(smtpward("unload", "--pins", fixture.pins, NULL), 0);
	assert_false(gate_is_there());
}

static int setup(void **state)
{
	if (far_group_setup(state))
		return -1;
	ours = fixture.binary;
	released = getenv("SMTPWARD_TEST_RELEASE");
	if (!released || access(released, X_OK))
		fail_msg("there is no release to take over from: run tests/upgrade/run");
	return 0;
}

static int tidy(void **state)
{
	fixture.binary = ours;
	return fixture_tidy(state);
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test_teardown(test_comes_with_the_upgrade, tidy),
		cmocka_unit_test_teardown(test_is_open_after_a_downgrade, tidy),
	};

	return cmocka_run_group_tests_name("layer", all, setup, far_group_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
