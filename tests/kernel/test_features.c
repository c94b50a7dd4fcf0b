// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel can do: status says it, and says what the policy in force uses of it;
 * a load that needs what is not there says what that is. A kernel that can less is this
 * one behind a filter, which answers a command of bpf(2) with EINVAL, as a kernel does
 * that does not know it.
 */
#include "fixture.h"

#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static const char *const names[] = { "btf",	"hooks",  "links", "memory", "ringbuf",
				     "tracker", "reject", "auid",  "task",   "tai" };

static const json_t *feature(const json_t *status, const char *name, const char *member)
{
	const json_t *features = json_object_get(status, "features");
	const json_t *value = json_object_get(json_object_get(features, name), member);

	if (!value)
		fail_msg("status has no %s of the feature %s", member, name);
	return value;
}

static bool is_available(const json_t *status, const char *name)
{
	const json_t *value = feature(status, name, "available");

	if (!json_is_boolean(value))
		fail_msg("it is not known whether %s is available", name);
	return json_is_true(value);
}

static json_t *features_json(void)
{
	json_t *status;

	smtpward("status", "-v", "--json", "--pins", fixture.pins, NULL);
	status = json_loads(run.out, 0, NULL);
	if (!status)
		fail_msg("status -v --json: %s%s", run.out, run.err);
	return status;
}

static void assert_used(const char *name, bool used)
{
	json_auto_t *status = features_json();

	if (json_is_true(feature(status, name, "in_use")) != used)
		fail_msg("%s is %sin use", name, used ? "not " : "");
}

static uint32_t refusal = SECCOMP_RET_ERRNO | EINVAL;

static int without(void *arg)
{
	const unsigned int *command = arg;
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, *command, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, refusal),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { ARRAY_SIZE(filter), filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int load_without(unsigned int command, const char *policy)
{
	const char *argv[] = { "smtpward",	 "load",   "-c",	 policy, "--cgroup",
			       fixture.attached, "--pins", fixture.pins, NULL };

	return smtpward_child(argv, without, &command);
}

static bool is_available_without(unsigned int command, const char *name)
{
	const char *argv[] = { "smtpward", "status", "-v", "--json", "--pins", fixture.pins, NULL };
	json_auto_t *status = NULL;

	smtpward_child(argv, without, &command);
	status = json_loads(run.out, 0, NULL);
	if (!status)
		fail_msg("status --json: %s%s", run.out, run.err);
	return is_available(status, name);
}

static void test_nothing_loaded(void **state)
{
	json_auto_t *status = features_json();

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_false(json_is_true(feature(status, names[i], "in_use")));
		/* What this kernel may lack; all else it has, or no other test would pass. */
		if (strcmp(names[i], "reject") && strcmp(names[i], "auid") &&
		    strcmp(names[i], "task") && strcmp(names[i], "tai"))
			assert_true(is_available(status, names[i]));
	}
	assert_int_equal(json_object_size(json_object_get(status, "features")), ARRAY_SIZE(names));
}

/* A line of status in words. */
static void assert_status(const char *line)
{
	assert_int_equal(smtpward("status", "--pins", fixture.pins, NULL), 0);
	assert_non_null(strstr(run.out, line));
}

static void test_plain_policy(void **state)
{
	policy_load("deny\n");
	for (size_t i = 0; i < 6; i++)
		assert_used(names[i], true);
	assert_used("reject", false);
	assert_status("tracker   in force");
}

static void lose_tracker(void)
{
	assert_int_equal(umount2("/run/smtpward/keep", MNT_DETACH), 0);
	bpf_link_unpin("policy/link_cgroup_mkdir");
}

/* Without it rules that go by cgroups would be wrong; all others hold, and limits do not. */
static void test_tracker_is_gone(void **state)
{
	policy_load("allow unit a.service\n");
	assert_status("tracker   in force");
	lose_tracker();
	assert_int_equal(smtpward("status", "--pins", fixture.pins, NULL), 3);
	assert_non_null(strstr(run.out, "not enforcing: the cgroup tracker is gone"));
	policy_load("deny\n");
	assert_status("tracker   in force");
	lose_tracker();
	assert_int_equal(smtpward("status", "--pins", fixture.pins, NULL), 4);
	assert_non_null(strstr(run.out, "tracker   not attached"));
	assert_non_null(strstr(run.out, "a new cgroup shares the limit on lines"));
	assert_int_equal(attempt_in("", NET_OUTSIDE4, 25), EPERM);
	policy_load("deny\n");
	assert_status("tracker   in force");
}

/* Who only asks what is in force has no program loaded for it, and is told of no feature. */
static void test_asks_nothing(void **state)
{
	const char *argv[] = { "smtpward", "status", NULL, "--pins", fixture.pins, NULL };
	static const char *const ways[] = { "--json", "-q", "--expect=enforce" };
	unsigned int command = BPF_PROG_LOAD;

	policy_load("allow unit a.service\n");
	refusal = SECCOMP_RET_KILL_PROCESS;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		argv[2] = ways[i];
		assert_int_equal(smtpward_child(argv, without, &command), 0);
		assert_null(strstr(run.out, "ringbuf"));
	}
	argv[2] = "-v";
	assert_int_equal(smtpward_child(argv, without, &command), 256 + SIGSYS);
	refusal = SECCOMP_RET_ERRNO | EINVAL;
}

/* The answer is what a load comes to. */
static void test_reject(void **state)
{
	json_auto_t *status = features_json();
	const char *policy = policy_write("reject ECONNREFUSED\n");

	if (is_available(status, "reject")) {
		assert_int_equal(policy_load_file(policy), 0);
		assert_used("reject", true);
		assert_int_equal(attempt_in("", NET_OUTSIDE4, 25), ECONNREFUSED);
	} else {
		assert_int_equal(policy_load_file(policy), 1);
		assert_non_null(strstr(run.err, "needs Linux 5.18"));
	}
}

/* The answer is whether the task has what a record takes its auid from. */
static void test_auid(void **state)
{
	json_auto_t *status = features_json();

	assert_int_equal(is_available(status, "auid"), !access("/proc/self/loginuid", F_OK));
	policy_load("deny\n");
	assert_used("auid", is_available(status, "auid"));
}

/* In use where it is there and a rule ends. */
static void test_tai(void **state)
{
	json_auto_t *status = features_json();

	policy_load("allow until 2099-01-01T00:00Z\n");
	assert_used("tai", is_available(status, "tai"));
	policy_load("deny\n");
	assert_used("tai", false);
}

static void test_lacking(void **state)
{
	static const struct {
		unsigned int command;
		const char *name, *words;
	} cases[] = {
		{ BPF_PROG_LOAD, "hooks", "no BPF hooks for connect" },
		{ BPF_LINK_DETACH, "links", "cannot detach BPF links" },
		{ BPF_MAP_CREATE, "ringbuf", "no BPF ring buffer" },
		{ BPF_PROG_LOAD, "memory", NULL },
		{ BPF_PROG_LOAD, "tracker", NULL },
		{ BPF_PROG_LOAD, "reject", NULL },
	};
	const char *policy;

	policy_load("deny\n");
	policy = policy_write("mode audit\nallow unit a.service\n");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_false(is_available_without(cases[i].command, cases[i].name));
		if (!cases[i].words)
			continue;
		assert_int_equal(load_without(cases[i].command, policy), 1);
		if (!strstr(run.err, cases[i].words))
			fail_msg("no '%s' in: %s", cases[i].words, run.err);
	}
	assert_int_equal(attempt_in("", NET_OUTSIDE4, 25), EPERM);
}

#define TEST(function) cmocka_unit_test_teardown(function, fixture_tidy)

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_loaded),
		TEST(test_plain_policy),
		TEST(test_tracker_is_gone),
		TEST(test_asks_nothing),
		TEST(test_reject),
		TEST(test_auid),
		TEST(test_tai),
		TEST(test_lacking),
	};

	return cmocka_run_group_tests_name("features", tests, fixture_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
