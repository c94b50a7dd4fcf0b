// SPDX-License-Identifier: GPL-2.0-only
/*
 * What somebody with root's rights does behind our back: status tells the truth in
 * the next call, the logger notices within five seconds, puts back what it can and
 * says so, and a load puts back the rest.
 */
#include "fixture.h"

#include <signal.h>

#include <bpf/bpf.h>

#define NOTICE_MS 5000

static struct log log_file;

static int refused(void)
{
	return attempt_in("other", "192.0.2.1", 25) == EPERM &&
	       attempt_in("other", "2001:db8::1", 25) == EPERM;
}

static int status(void)
{
	return smtpward("status", "--pins", fixture.pins, NULL);
}

static void begin(void)
{
	cgroup_make("other");
	policy_load("allow user 4711\n");
	assert_true(refused());
	assert_int_equal(status(), 0);
	log_start(&log_file, LOG_FILE);
}

/* The next alert, in time, says needle and whether it could be healed. */
static void assert_alert(const char *needle, bool healed)
{
	int64_t since = clock_ms();
	const char *line = log_line(&log_file, "alert=", 0);

	assert_in_range(clock_ms() - since, 0, NOTICE_MS * fixture_slow());
	if (!strstr(line, needle) || !strstr(line, healed ? " healed=yes" : " healed=no"))
		fail_msg("the alert is: %s", line);
}

static void end(void)
{
	log_end(&log_file, SIGTERM);
	log_close(&log_file);
}

static void test_link_detached(void **state)
{
	static const char *const names[] = { "link_connect4", "link_connect6" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_close_ int link = -1;

		begin();
		link = bpf_pin_open(names[i]);
		assert_int_equal(bpf_link_detach(link), 0);
		assert_int_equal(status(), 3);
		assert_non_null(strstr(run.out, names[i] + strlen("link_")));
		assert_alert(names[i] + strlen("link_"), true);
		assert_true(refused());
		assert_int_equal(status(), 0);
		end();
		policy_unload();
	}
}

static void test_pin_removed(void **state)
{
	char path[256];

	begin();
	snprintf(path, sizeof(path), "%s/link_connect6", fixture.pins);
	assert_int_equal(unlink(path), 0);
	/* The second set of pins holds the link. */
	assert_true(refused());
	assert_int_equal(status(), 4);
	assert_alert("pinned", true);
	assert_true(refused());
	assert_int_equal(status(), 0);
	end();
}

/* A program of somebody else in our link: it lets everything through. */
static int permissive_program(enum bpf_attach_type type)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = type);

	return bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "others", "GPL", insns,
			     ARRAY_SIZE(insns), &options);
}

static void test_program_replaced(void **state)
{
	_cleanup_close_ int program = -1, link = -1;

	begin();
	program = permissive_program(BPF_CGROUP_INET4_CONNECT);
	assert_true(program >= 0);
	link = bpf_pin_open("link_connect4");
	assert_int_equal(bpf_link_update(link, program, NULL), 0);
	assert_false(refused());
	assert_int_equal(status(), 3);
	assert_alert("connect4", true);
	assert_true(refused());
	end();
}

/* Somebody else's program beside ours, before and after: ours still refuses, theirs stays. */
static void test_others_on_the_hook(void **state)
{
	_cleanup_close_ int program = -1, before = -1, after = -1;
	__u32 n = 0;

	cgroup_make("other");
	program = permissive_program(BPF_CGROUP_INET4_CONNECT);
	before = bpf_link_create(program, fixture.attached_fd, BPF_CGROUP_INET4_CONNECT, NULL);
	assert_true(before >= 0);
	policy_load("allow user 4711\n");
	after = bpf_link_create(program, fixture.attached_fd, BPF_CGROUP_INET4_CONNECT, NULL);
	assert_true(after >= 0);
	assert_true(refused());
	policy_load("allow user 4712\n");
	assert_true(refused());
	policy_unload();
	assert_false(refused());
	assert_int_equal(bpf_prog_query(fixture.attached_fd, BPF_CGROUP_INET4_CONNECT, 0, NULL, NULL,
					&n),
			 0);
	assert_int_equal(n, 2);
}

static void test_gate_edited(void **state)
{
	const struct smtpward_gate opened = { SMTPWARD_GATE_OPEN }, garbage = { 12345 };
	_cleanup_close_ int gate = -1;
	const uint32_t zero = 0;

	begin();
	gate = bpf_pin_open("map_gate");
	/* What nobody wrote opens nothing. */
	assert_int_equal(bpf_map_update_elem(gate, &zero, &garbage, BPF_ANY), 0);
	assert_true(refused());
	assert_int_equal(status(), 4);
	assert_int_equal(bpf_map_update_elem(gate, &zero, &opened, BPF_ANY), 0);
	assert_int_equal(status(), 3);
	assert_alert("smtpward load", false);
	policy_load("allow user 4711\n");
	assert_true(refused());
	assert_int_equal(status(), 0);
	end();
}

static void test_policy_maps_are_frozen(void **state)
{
	static const char *const names[] = {
		"policy/map_users",	"policy/map_groups",   "policy/map_addresses",
		"policy/map_cgroups",	"policy/map_names",    "policy/map_prefixes",
		"policy/map_suffixes",	"policy/map_lengths",  "policy/map_paths",
		"policy/map_policy",	"policy/map_rules",    "policy/map_tracker",
		"policy/map_inherited", "policy/map_host",
	};
	char key[512] = { 0 }, value[2048] = { 0 };

	policy_load("allow user 4711 group 4711 to 192.0.2.0/24 unit a*.service\n"
		    "allow cgroup /a/b*\n");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_close_ int fd = bpf_pin_open(names[i]);

		if (!bpf_map_update_elem(fd, key, value, BPF_ANY) || errno != EPERM)
			fail_msg("%s can be changed: %s", names[i], strerror(errno));
	}
}

static void test_attached_cgroup_removed(void **state)
{
	char base[PATH_MAX + 80];

	cgroup_make("attached");
	snprintf(base, sizeof(base), "%s/attached", fixture.base);
	assert_int_equal(smtpward("load", "-c", policy_write("mode enforce\n"), "--cgroup", base,
				  "--pins", fixture.pins, NULL),
			 0);
	log_start(&log_file, LOG_FILE);
	cgroup_remove("attached");
	assert_int_equal(status(), 3);
	assert_alert("no hook is in force", false);
	end();
	begin();
	end();
}

#define TEST(name) cmocka_unit_test_teardown(name, fixture_tidy)

static int tests(void)
{
	const struct CMUnitTest all[] = {
		TEST(test_link_detached),	   TEST(test_pin_removed),
		TEST(test_program_replaced),	   TEST(test_others_on_the_hook),
		TEST(test_gate_edited),		   TEST(test_policy_maps_are_frozen),
		TEST(test_attached_cgroup_removed),
	};

	return cmocka_run_group_tests_name("behind our back", all, fixture_setup,
					   fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
