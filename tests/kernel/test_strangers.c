// SPDX-License-Identifier: GPL-2.0-only
/*
 * What somebody else put among the pins, or over what they stand on: it decides nothing, nothing of
 * theirs is taken away, and no load, unload or status comes to grief by it. At each instant what
 * is refused is compared with what status says.
 */
#include "fixture_trial.h"

#include <bpf/bpf.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <smtpward/abi.h>

#define NOT_ENFORCING 3

#define KEEP "/run/smtpward/keep"

static int begin(void **state)
{
	cgroup_make("mail.service");
	cgroup_make("web.service");
	policy_load(REFUSE_WEB);
	return 0;
}

static int status(void)
{
	return smtpward("status", "--pins", fixture.pins, NULL);
}

static void assert_status(int wanted, const char *says)
{
	if (status() != wanted || !strstr(run.out, says))
		fail_msg("status %d, and not '%s': %s%s", run.status, says, run.out, run.err);
}

static void assert_in_force(void)
{
	assert_status(DONE, "enforcing");
	assert_refuses("web.service", "mail.service");
}

static void assert_passes(void)
{
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE4, 25), 0);
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE6, 25), 0);
}

static void pin_path(const char *name, char path[static 256])
{
	snprintf(path, 256, "%s/%s", fixture.pins, name);
}

static void unpin(const char *name)
{
	char path[256];

	pin_path(name, path);
	assert_int_equal(unlink(path), 0);
}

static void pin(int fd, const char *name)
{
	char path[256];

	pin_path(name, path);
	assert_int_equal(bpf_obj_pin(fd, path), 0);
}

static void gate_write(int fd, uint64_t generation)
{
	const struct smtpward_gate gate = { .generation = generation };
	const uint32_t zero = 0;

	assert_int_equal(bpf_map_update_elem(fd, &zero, &gate, BPF_ANY), 0);
}

/* As a load or unload leaves it that is killed at once after it. */
static void open_gate(void)
{
	_cleanup_close_ int fd = bpf_pin_open("map_gate");

	gate_write(fd, SMTPWARD_GATE_OPEN);
}

static int foreign_gate(uint64_t generation)
{
	const int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "map_gate", sizeof(uint32_t),
				      sizeof(struct smtpward_gate), 1, NULL);

	assert_true(fd >= 0);
	gate_write(fd, generation);
	return fd;
}

static void remove_keep(void)
{
	assert_int_equal(umount2(KEEP, MNT_DETACH), 0);
}

/* What a load completes, it completes without the gate's pin, too. */

static void unpin_gate(void)
{
	unpin("map_gate");
}

static void unpin_gate_and_keep(void)
{
	unpin("map_gate");
	remove_keep();
}

static void unpin_gate_and_generation(void)
{
	bpf_wipe("generation-1");
	unpin("map_gate");
}

static void test_half_way_without_gate(void **state)
{
	static void (*const spoil[])(void) = { unpin_gate, unpin_gate_and_keep,
					       unpin_gate_and_generation };

	for (size_t i = 0; i < ARRAY_SIZE(spoil); i++) {
		open_gate();
		assert_passes();
		spoil[i]();
		assert_int_not_equal(status(), DONE);
		assert_int_not_equal(run.status, DEGRADED);
		policy_load(REFUSE_WEB);
		assert_in_force();
		policy_unload();
		assert_passes();
		policy_load(REFUSE_WEB);
	}
}

/* The programs go by their own gate, whatever is pinned in its place. */

static void test_other_gate_says_in_force(void **state)
{
	const char *argv[] = { "smtpward", "log",  "--pins",	    fixture.pins,
			       "--to",	   "json", "--until-alert", NULL };
	_cleanup_(log_close) struct log log = { 0 };
	_cleanup_close_ int fd = foreign_gate(1);

	open_gate();
	unpin("map_gate");
	pin(fd, "map_gate");
	assert_passes();
	assert_status(NOT_ENFORCING, "not enforcing");
	log_start_run(&log, argv, NULL);
	log_line(&log, "not enforcing", 0);
	assert_int_equal(log_wait_exit(&log), FAILED);
	assert_int_equal(smtpward("load", "--boot", "-c", policy_write(REFUSE_WEB), "--cgroup",
				  fixture.attached, "--pins", fixture.pins, NULL),
			 DONE);
	assert_in_force();
	/* That gate is nobody's now: it decides nothing. */
	gate_write(fd, SMTPWARD_GATE_OPEN);
	assert_in_force();
}

static void test_other_gate_says_open(void **state)
{
	_cleanup_close_ int fd = foreign_gate(SMTPWARD_GATE_OPEN);

	unpin("map_gate");
	pin(fd, "map_gate");
	assert_refuses("web.service", "mail.service");
	assert_status(DEGRADED, "enforcing, and degraded");
	policy_load(REFUSE_WEB);
	assert_in_force();
}

/* Nor is it written to: it is not the gate of what is lifted. */
static void test_unload_beside_other_gate(void **state)
{
	_cleanup_close_ int fd = foreign_gate(77);
	struct smtpward_gate gate;
	const uint32_t zero = 0;

	unpin("map_gate");
	pin(fd, "map_gate");
	policy_unload();
	assert_non_null(strstr(run.err, "map_gate"));
	assert_passes();
	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &gate), 0);
	assert_int_equal(gate.generation, 77);
}

/* A pin with the name of a hook that this version has not is a hook only if the kernel says so. */
static void test_unknown_links(void **state)
{
	_cleanup_close_ int map_fd = bpf_foreign_map(), link_fd = -1;
	char other[128], path[256];

	snprintf(other, sizeof(other), "%s/bpf/other", fixture.dir);
	assert_int_equal(smtpward("load", "-c", policy_write("mode audit\nallow unit x.service\n"),
				  "--cgroup", fixture.attached, "--pins", other, NULL),
			 DONE);
	snprintf(path, sizeof(path), "%s/link_connect4", other);
	link_fd = bpf_obj_get(path);
	assert_true(link_fd >= 0);
	pin(map_fd, "link_zzz");
	pin(link_fd, "link_other");
	assert_in_force();
	policy_load(REFUSE_WEB);
	assert_in_force();
	assert_int_equal(smtpward("status", "--pins", other, "--expect", "audit", NULL), DONE);
	assert_int_equal(smtpward("load", "--boot", "-c", policy_write(REFUSE_WEB), "--cgroup",
				  fixture.attached, "--pins", fixture.pins, NULL),
			 DONE);
	policy_unload();
	assert_non_null(strstr(run.err, "link_zzz"));
	assert_non_null(strstr(run.err, "link_other"));
	assert_passes();
	assert_int_equal(access(fixture.pins, F_OK), -1);
	assert_int_equal(smtpward("status", "--pins", other, "--expect", "audit", NULL), DONE);
	assert_int_equal(smtpward("unload", "--pins", other, NULL), DONE);
}

/* What goes with an unload and was nobody's of ours is named. */
static void test_unload_names_strangers(void **state)
{
	_cleanup_close_ int fd = bpf_foreign_map();
	char path[256];

	pin(fd, "stranger");
	pin_path("other", path);
	assert_int_equal(mkdir(path, 0700), 0);
	pin(fd, "other/m");
	policy_unload();
	assert_non_null(strstr(run.err, "stranger"));
	assert_non_null(strstr(run.err, "other"));
	assert_null(strstr(run.err, "generation-"));
	assert_null(strstr(run.err, "map_events"));
}

/* The number of this map's kind is also that of a link on a cgroup. */
static void test_map_in_place_of_a_link(void **state)
{
	_cleanup_close_ int fd = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "other", 4, 4, 8, NULL);

	assert_true(fd >= 0);
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++) {
		const char *name = hook ? "link_connect6" : "link_connect4";

		unpin(name);
		pin(fd, name);
		assert_refuses("web.service", "mail.service");
		assert_status(DEGRADED, "enforcing, and degraded");
		policy_load(REFUSE_WEB);
		assert_in_force();
	}
}

/* The second set cannot be used. */

static void keep_remount(unsigned long flags)
{
	assert_int_equal(mount(NULL, KEEP, NULL, MS_REMOUNT | flags, NULL), 0);
}

static void test_read_only_keep(void **state)
{
	keep_remount(MS_RDONLY);
	assert_status(DEGRADED, "second set");
	assert_refuses("web.service", "mail.service");
	assert_int_equal(smtpward("unload", "--pins", fixture.pins, NULL), FAILED);
	assert_non_null(strstr(run.err, "enforcement is lifted, but "));
	assert_null(strstr(run.err, "cannot unload"));
	assert_passes();
	assert_int_equal(access(fixture.pins, F_OK), -1);
	/* It is lifted, and no boot brings back what was kept. */
	assert_int_not_equal(smtpward("load", "--boot", "-c", policy_write("alow\n"), "--cgroup",
				      fixture.attached, "--pins", fixture.pins, NULL),
			     DONE);
	assert_passes();
	keep_remount(0);
	policy_load(REFUSE_WEB);
	assert_in_force();
}

/* Somebody's file, or a symbolic link, where the second set is to be. */
static void test_no_keep(void **state)
{
	remove_keep();
	assert_int_equal(rmdir(KEEP), 0);
	assert_int_equal(symlink("/tmp", KEEP), 0);
	assert_status(DEGRADED, "second set");
	assert_refuses("web.service", "mail.service");
	policy_load(REFUSE_WEB);
	assert_non_null(strstr(run.err, KEEP));
	assert_status(DEGRADED, "second set");
	policy_unload();
	assert_passes();
	assert_int_equal(unlink(KEEP), 0);
	policy_load(REFUSE_WEB);
	assert_in_force();
}

/* As a service sees it that asks, under ProtectSystem=strict. */
static int with_read_only_run(void *arg)
{
	return unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	       mount("/run/smtpward", "/run/smtpward", NULL, MS_BIND | MS_REC, NULL) ||
	       mount(NULL, "/run/smtpward", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL);
}

static void test_read_only_run(void **state)
{
	const char *argv[] = { "smtpward", "status", "--pins", fixture.pins, NULL };
	char nothing[128];
	const char *asks_nothing[] = { "smtpward", "status", "--pins", nothing, NULL };

	assert_int_equal(smtpward_child(argv, with_read_only_run, NULL), DONE);
	snprintf(nothing, sizeof(nothing), "%s/bpf/nothing", fixture.dir);
	assert_int_equal(smtpward_child(asks_nothing, with_read_only_run, NULL), NOT_ENFORCING);
	assert_says(run.out, "nothing is loaded");
}

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_half_way_without_gate, begin, fixture_tidy),
		cmocka_unit_test_setup_teardown(test_other_gate_says_in_force, begin, fixture_tidy),
		cmocka_unit_test_setup_teardown(test_other_gate_says_open, begin, fixture_tidy),
		cmocka_unit_test_setup_teardown(test_unload_beside_other_gate, begin, fixture_tidy),
		cmocka_unit_test_setup_teardown(test_unknown_links, begin, fixture_tidy),
		cmocka_unit_test_setup_teardown(test_unload_names_strangers, begin, fixture_tidy),
		cmocka_unit_test_setup_teardown(test_map_in_place_of_a_link, begin, fixture_tidy),
		cmocka_unit_test_setup_teardown(test_read_only_keep, begin, fixture_tidy),
		cmocka_unit_test_setup_teardown(test_no_keep, begin, fixture_tidy),
		cmocka_unit_test_setup_teardown(test_read_only_run, begin, fixture_tidy),
	};

	return cmocka_run_group_tests_name("strangers", tests, fixture_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
