// SPDX-License-Identifier: GPL-2.0-only
/*
 * The second layer as it comes, changes and goes: loaded over and beside policies with it and
 * without, on trial, damaged, lifted. A frame of a packet socket, which connect(2) never sees,
 * tells whether the gate on the uplink holds.
 */
#include "../kernel/fixture_gate.h"

#include <bpf/bpf.h>

#include "../kernel/fixture_trial.h"

#define MAIL "mail.service"
#define WEB "web.service"

#define LAYER "packets on\nuplink " FAR_UPLINK "\n"

static void assert_held(bool held)
{
	gate_assert_held(WEB, held);
}

static bool is_pinned(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", fixture.pins, name);
	return !access(path, F_OK);
}

static void remove_pin(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", fixture.pins, name);
	assert_int_equal(unlink(path), 0);
}

static void detach(const char *name)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", fixture.pins, name);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	assert_int_equal(bpf_link_detach(fd), 0);
}

static void load(const char *layer)
{
	cgroup_make(MAIL);
	cgroup_make(WEB);
	policy_load("%s" REFUSE_WEB, layer);
}

static void assert_pinned(bool layer)
{
	assert_int_equal(is_pinned("link_egress"), layer);
	assert_int_equal(is_pinned("link_setsockopt"), layer);
	assert_int_equal(gate_is_there(), layer);
}

static int status(void)
{
	return smtpward("status", "--pins", fixture.pins, NULL);
}

static void test_off_is_nothing(void **state)
{
	load("");
	assert_pinned(false);
	assert_int_equal(status(), 0);
	assert_null(strstr(run.out, "egress"));
	assert_null(strstr(run.out, "packets"));
	assert_held(false);
}

static void test_loads(void **state)
{
	load(LAYER);
	assert_pinned(true);
	assert_held(true);
	load(LAYER "raw allow\n");
	assert_false(is_pinned("link_setsockopt"));
	assert_true(gate_is_there());
	assert_held(true);
	load("packets on\n");
	assert_true(is_pinned("link_egress"));
	assert_false(gate_is_there());
	assert_held(false);
	load(LAYER);
	assert_pinned(true);
	assert_held(true);
	load("");
	assert_pinned(false);
	assert_held(false);
	load(LAYER);
	assert_held(true);
	policy_unload();
	assert_held(false);
}

static void test_audit(void **state)
{
	load(LAYER "mode audit\n");
	assert_pinned(true);
	assert_held(false);
	assert_int_equal(status(), NO);
	assert_non_null(strstr(run.out, "guest_audited=1 "));
	smtpward("status", "--metrics", "--pins", fixture.pins, NULL);
	assert_non_null(strstr(run.out, "\nsmtpward_packets_total{what=\"guest_audited\"} 1\n"));
	assert_non_null(
		strstr(run.out, "\nsmtpward_uplink_in_force{device=\"" FAR_UPLINK "\"} 1\n"));
}

/* Only root sees gates: for others there is no figure, and no wrong one. */
static void test_metrics_for_the_reader(void **state)
{
	const char *argv[] = { "smtpward", "status", "--metrics", "--pins", fixture.pins, NULL };

	cgroup_make("log.service");
	assert_int_equal(smtpward("load", "-c", policy_write(LAYER REFUSE_WEB), "--cgroup",
				  fixture.attached, "--pins", fixture.pins, "--reader", READER,
				  NULL),
			 0);
	assert_int_equal(smtpward_child(argv, NULL, NULL), 0);
	assert_non_null(strstr(run.out, "smtpward_uplink_in_force{"));
	assert_int_equal(smtpward_child(argv, reader_enter_and_become, NULL), 0);
	assert_non_null(strstr(run.out, "\nsmtpward_packets_total{"));
	assert_null(strstr(run.out, "uplink_in_force"));
}

static void test_trial_of_the_layer(void **state)
{
	load("");
	assert_int_equal(try_for("1h", LAYER REFUSE_WEB), 0);
	assert_held(true);
	end_trial();
	assert_held(false);
	load("");
	assert_pinned(false);
}

static void test_trial_without_the_layer(void **state)
{
	load(LAYER);
	assert_int_equal(try_for("1h", REFUSE_WEB), 0);
	assert_held(false);
	end_trial();
	assert_held(true);
	assert_int_equal(status(), DEGRADED);
	load(LAYER);
	assert_held(true);
	assert_int_equal(status(), 0);
}

static void test_trial_is_kept(void **state)
{
	load(LAYER);
	assert_int_equal(try_for("1h", REFUSE_WEB), 0);
	assert_int_equal(confirm(NULL), 0);
	assert_held(false);
	assert_pinned(false);
	assert_int_equal(try_for("1h", LAYER REFUSE_WEB), 0);
	assert_int_equal(confirm(NULL), 0);
	assert_held(true);
	assert_pinned(true);
	assert_int_equal(status(), 0);
}

static void test_damage(void **state)
{
	load(LAYER);
	if (gate_is_link()) { /* a filter needs no pin */
		remove_pin(gate_pin());
		assert_held(true);
		assert_int_equal(status(), DEGRADED);
		load(LAYER);
		assert_int_equal(status(), 0);
	}

	gate_take_away();
	assert_held(false);
	assert_int_equal(status(), DEGRADED);
	assert_non_null(strstr(run.out, FAR_UPLINK ": open"));
	load(LAYER);
	assert_held(true);

	detach("link_egress");
	assert_int_equal(status(), NO);
	assert_non_null(strstr(run.out, "the hook egress is not in force"));
	load(LAYER);
	assert_int_equal(status(), 0);
	assert_held(true);
}

/* The second set of pins holds all links, and an unload finds them there; filters need no pin. */
static void test_all_pins_gone(void **state)
{
	char command[PATH_MAX + 16];

	snprintf(command, sizeof(command), "rm -rf %s", fixture.pins);
	load(LAYER);
	assert_int_equal(system(command), 0);
	assert_held(true);
	assert_int_equal(status(), DEGRADED);
	load(LAYER);
	assert_held(true);
	assert_pinned(true);
	assert_int_equal(status(), 0);
	assert_int_equal(system(command), 0);
	policy_unload();
	assert_held(false);
}

static void test_missing_uplink(void **state)
{
	load("packets on\nuplink nowhere0, " FAR_UPLINK "\n");
	assert_held(true);
	assert_int_equal(status(), DEGRADED);
	assert_non_null(strstr(run.out, "nowhere0: missing"));
	assert_non_null(strstr(run.out, FAR_UPLINK ": in force"));
}

#define TEST(name) cmocka_unit_test_teardown(name, fixture_tidy)

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_off_is_nothing),	   TEST(test_loads),
		TEST(test_metrics_for_the_reader), TEST(test_audit),
		TEST(test_trial_of_the_layer),	   TEST(test_trial_without_the_layer),
		TEST(test_trial_is_kept),	   TEST(test_damage),
		TEST(test_missing_uplink),	   TEST(test_all_pins_gone),
	};

	return cmocka_run_group_tests_name("layer", tests, far_group_setup, far_group_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
