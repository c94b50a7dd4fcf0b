// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a load cannot be: the message says which of it is missing and what to do, the
 * exit status is 1, and all is as it was before.
 */
#include "fixture.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <mntent.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#define NOT_ENFORCING 3

static const char *policy;

/* Loads with something in the way; what it said must hold all of these words. */
static void assert_refused(child_fn obstacle, const char *cgroup, const char *pins,
			   const char *words, const char *more_words)
{
	const char *argv[] = { "smtpward", "load", "-c", policy, "--cgroup", cgroup, "--pins",
			       pins, NULL };
	int status = smtpward_child(argv, obstacle, NULL);

	if (status != 1 || !strstr(run.err, words) || !strstr(run.err, more_words))
		fail_msg("status %d and not 1, or without '%s' or '%s': %s", status, words,
			 more_words, run.err);
}

static void assert_nothing_loaded(void)
{
	assert_int_not_equal(access(fixture.pins, F_OK), 0);
	assert_int_equal(smtpward("status", "--pins", fixture.pins, NULL), NOT_ENFORCING);
	assert_int_equal(bpf_count_attached(fixture.attached_fd, false), 0);
	assert_int_equal(bpf_count_attached(fixture.attached_fd, true), 0);
	assert_int_equal(attempt_in("", NET_OUTSIDE4, 25), 0);
	assert_int_equal(attempt_in("", NET_OUTSIDE6, 25), 0);
}

static int own_mounts(void)
{
	return unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

/* Every v2 mount goes; where one is under others, so do they. */
static int without_cgroup2(void *arg)
{
	char path[PATH_MAX];

	if (own_mounts())
		return 1;
	while (cgroup_find_mount("cgroup2", NULL, path, sizeof(path)))
		if (umount2(path, MNT_DETACH))
			return 1;
	return 0;
}

static int without_cgroups(void *arg)
{
	char path[PATH_MAX];

	if (without_cgroup2(arg))
		return 1;
	while (cgroup_find_mount("cgroup", NULL, path, sizeof(path)))
		if (umount2(path, MNT_DETACH))
			return 1;
	return 0;
}

static int with_cgroup1(void *arg)
{
	char path[PATH_MAX];

	if (without_cgroup2(arg))
		return 1;
	if (cgroup_find_mount("cgroup", NULL, path, sizeof(path)))
		return 0;
	snprintf(path, sizeof(path), "%s/v1", fixture.dir);
	return mount("cgroup", path, "cgroup", 0, "none,name=swtest");
}

/*
 * The first process as on a machine whose services are in cgroup v1. What is then the
 * root of cgroup v2 is our own cgroup, as a load here goes to no other.
 */
static int with_first_process(const char *text)
{
	_cleanup_fclose_ FILE *file = NULL;
	char path[128], *mount_point = fixture.root;

	if (cgroup_enter_fd(fixture.base_fd) || unshare(CLONE_NEWCGROUP) || without_cgroup2(NULL) ||
	    mount("cgroup2", mount_point, "cgroup2", 0, NULL))
		return 1;
	snprintf(path, sizeof(path), "%s/first", fixture.dir);
	file = fopen(path, "we");
	if (!file || fputs(text, file) < 0 || fflush(file))
		return 1;
	return mount(path, "/proc/1/cgroup", NULL, MS_BIND, NULL);
}

static int with_v1_services(void *arg)
{
	return with_first_process("1:name=systemd:/init.scope\n0::/\n");
}

static int with_v2_services(void *arg)
{
	return with_first_process("1:name=systemd:/init.scope\n0::/init.scope\n");
}

static int without_systemd(void *arg)
{
	return with_first_process("1:name=systemd:/\n0::/\n");
}

static int without_btf(void *arg)
{
	return own_mounts() || mount("tmpfs", "/sys/kernel/btf", "tmpfs", 0, NULL);
}

static int as_nobody(void *arg)
{
	return setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534);
}

static void test_no_cgroup2(void **state)
{
	assert_refused(without_cgroups, "/", fixture.pins, "no cgroup v2 hierarchy is mounted",
		       "mount -t cgroup2");
	assert_nothing_loaded();
}

static void test_cgroup1_alone(void **state)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/v1", fixture.dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_refused(with_cgroup1, "/", fixture.pins, "cgroup v1 alone",
		       "systemd.unified_cgroup_hierarchy=1");
	assert_null(strstr(run.err, "mount -t"));
	assert_int_equal(rmdir(path), 0);
	assert_nothing_loaded();
}

/* Of a load to the root. */
static int load_to_root(child_fn obstacle, const char *text)
{
	const char *argv[] = { "smtpward", "load",	 "-c", policy_write("%s", text),
			       "--pins",   fixture.pins, NULL };

	smtpward_child(argv, obstacle, NULL);
	policy = policy_write("deny\n");
	return run.status;
}

static void test_services_in_cgroup1(void **state)
{
	static const char *const texts[] = { "allow unit a.service\n", "deny cgroup /a\n" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(load_to_root(with_v1_services, texts[i]), 1);
		assert_non_null(strstr(run.err, "no rule with unit or cgroup can match"));
		assert_non_null(strstr(run.err, "systemd.unified_cgroup_hierarchy=1"));
		assert_nothing_loaded();
		assert_int_equal(load_to_root(with_v2_services, texts[i]), 0);
		policy_unload();
		assert_int_equal(load_to_root(without_systemd, texts[i]), 0);
		policy_unload();
	}
	assert_int_equal(load_to_root(with_v1_services, "deny user 1234\n"), 0);
	policy_unload();
}

static void test_no_btf(void **state)
{
	assert_refused(without_btf, fixture.attached, fixture.pins, "BTF", "CONFIG_DEBUG_INFO_BTF");
	assert_nothing_loaded();
}

/* What stands between root and bpf(2), each by its name. */

static int without_capability(int capability)
{
	return prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) ||
	       prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0);
}

static int without_perfmon(void *arg)
{
	return without_capability(CAP_PERFMON);
}

static int without_bpf(void *arg)
{
	return without_capability(CAP_BPF);
}

static int without_net_admin(void *arg)
{
	return without_capability(CAP_NET_ADMIN);
}

/* A security module's answer to a command of bpf(2). */
static int with_module(unsigned int command)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, command, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { ARRAY_SIZE(filter), filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int with_module_on_programs(void *arg)
{
	return with_module(BPF_PROG_LOAD);
}

static int with_module_on_maps(void *arg)
{
	return with_module(BPF_MAP_CREATE);
}

static void forbid_memory(struct bpf_insn *insns, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (trace_is_call(&insns[i], BPF_FUNC_probe_read_kernel))
			insns[i].imm = INT16_MAX; /* no such helper */
}

/* The file where the kernel says it, with this in it. */
static int with_lockdown(const char *text)
{
	_cleanup_fclose_ FILE *file = NULL;

	if (own_mounts() || mount("tmpfs", "/sys/kernel/security", "tmpfs", 0, NULL))
		return 1;
	file = fopen("/sys/kernel/security/lockdown", "we");
	return !file || fputs(text, file) < 0;
}

static int in_confidentiality(void *arg)
{
	return with_lockdown("none integrity [confidentiality]\n") || trace_programs(forbid_memory);
}

static int in_integrity(void *arg)
{
	return with_lockdown("none [integrity] confidentiality\n") || trace_programs(forbid_memory);
}

static void test_rights(void **state)
{
	assert_refused(without_perfmon, fixture.attached, fixture.pins, "without CAP_PERFMON,",
		       "CapabilityBoundingSet=");
	assert_null(strstr(run.err, "lockdown"));
	assert_nothing_loaded();
	assert_refused(without_bpf, fixture.attached, fixture.pins, "without CAP_BPF,", "");
	assert_refused(without_net_admin, fixture.attached, fixture.pins, "without CAP_NET_ADMIN,",
		       "");
	assert_nothing_loaded();
}

static void test_security_module(void **state)
{
	assert_refused(with_module_on_programs, fixture.attached, fixture.pins, "security module",
		       "ausearch");
	assert_refused(with_module_on_maps, fixture.attached, fixture.pins, "security module",
		       "Permission denied");
	assert_nothing_loaded();
}

static void test_lockdown(void **state)
{
	assert_refused(in_confidentiality, fixture.attached, fixture.pins, "lockdown=integrity",
		       "who calls");
	assert_refused(in_integrity, fixture.attached, fixture.pins, "who calls",
		       "CONFIG_BPF_EVENTS");
	assert_null(strstr(run.err, "lockdown"));
	assert_nothing_loaded();
}

static int without_memory(void *arg)
{
	const struct rlimit limit = { 65536, 65536 };

	return prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE, 0, 0, 0) ||
	       setrlimit(RLIMIT_MEMLOCK, &limit);
}

/* From Linux 5.11 on maps are not counted there. */
static void test_locked_memory(void **state)
{
	const char *argv[] = { "smtpward", "load",	     "-c",     policy,	     "--cgroup",
			       fixture.attached, "--pins", fixture.pins, NULL };
	struct utsname kernel;
	int major = 0, minor = 0;

	assert_int_equal(uname(&kernel), 0);
	assert_int_equal(sscanf(kernel.release, "%d.%d", &major, &minor), 2);
	if (major > 5 || (major == 5 && minor > 10)) {
		assert_int_equal(smtpward_child(argv, without_memory, NULL), 0);
		return;
	}
	assert_refused(without_memory, fixture.attached, fixture.pins, "RLIMIT_MEMLOCK",
		       "LimitMEMLOCK=infinity");
	assert_nothing_loaded();
}

static void test_not_root(void **state)
{
	const char *status[] = { "smtpward", "status", "--pins", fixture.pins, NULL };
	const char *unload[] = { "smtpward", "unload", "--pins", fixture.pins, NULL };
	const char *log[] = { "smtpward", "log", "--pins", fixture.pins, "--to", "stderr", NULL };

	assert_refused(as_nobody, fixture.attached, fixture.pins, "this needs root", "");
	assert_nothing_loaded();
	policy_load("deny\n");
	assert_refused(as_nobody, fixture.attached, fixture.pins, "this needs root", "");
	assert_int_equal(smtpward_child(unload, as_nobody, NULL), 1);
	assert_non_null(strstr(run.err, "this needs root"));
	/* Who may not look does not get an answer, and no wrong one. */
	assert_int_equal(smtpward_child(status, as_nobody, NULL), 1);
	assert_int_equal(smtpward_child(log, as_nobody, NULL), 1);
	assert_int_equal(attempt_in("", NET_OUTSIDE4, 25), EPERM);
}

static void test_no_cgroup2_directory(void **state)
{
	char path[PATH_MAX + 80];

	assert_refused(NULL, fixture.dir, fixture.pins, fixture.dir, "cgroup v2");
	snprintf(path, sizeof(path), "%s/not-there", fixture.base);
	assert_refused(NULL, path, fixture.pins, path, "No such file");
	assert_nothing_loaded();
}

/* Each kind of thing that may be where the pins are to go stays as it is. */

static const char *beside(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/bpf/%s", fixture.dir, name);
	return path;
}

static void test_foreign_map_in_pins(void **state)
{
	_cleanup_close_ int map = bpf_foreign_map(), still = -1;
	char pin[160];

	assert_int_equal(mkdir(beside("foreign"), 0700), 0);
	snprintf(pin, sizeof(pin), "%s/their_map", beside("foreign"));
	assert_int_equal(bpf_obj_pin(map, pin), 0);
	assert_refused(NULL, fixture.attached, beside("foreign"), "not made by smtpward", "their_map");
	assert_int_equal(smtpward("unload", "--pins", beside("foreign"), NULL), 1);
	assert_int_equal(smtpward("status", "--pins", beside("foreign"), NULL), 1);
	still = bpf_obj_get(pin);
	assert_true(still >= 0);
	assert_int_equal(unlink(pin), 0);
	assert_int_equal(rmdir(beside("foreign")), 0);
	assert_nothing_loaded();
}

static void test_map_in_place_of_pins(void **state)
{
	_cleanup_close_ int map = bpf_foreign_map();

	assert_int_equal(bpf_obj_pin(map, beside("their_map")), 0);
	assert_refused(NULL, fixture.attached, beside("their_map"), "their_map", "--pins");
	assert_int_equal(smtpward("unload", "--pins", beside("their_map"), NULL), 1);
	assert_int_equal(unlink(beside("their_map")), 0);
	assert_nothing_loaded();
}

/* A map of that name that is none of ours, as another version's might be. */
static void test_foreign_gate(void **state)
{
	_cleanup_close_ int map = bpf_foreign_map();
	char pin[160];

	assert_int_equal(mkdir(beside("foreign"), 0700), 0);
	snprintf(pin, sizeof(pin), "%s/map_gate", beside("foreign"));
	assert_int_equal(bpf_obj_pin(map, pin), 0);
	assert_refused(NULL, fixture.attached, beside("foreign"), "map_gate", "");
	assert_int_equal(unlink(pin), 0);
	assert_int_equal(rmdir(beside("foreign")), 0);
	assert_nothing_loaded();
}

static void test_directory_of_others(void **state)
{
	assert_int_equal(mkdir(beside("shared"), 0700), 0);
	assert_int_equal(chmod(beside("shared"), 0777), 0);
	assert_refused(NULL, fixture.attached, beside("shared"), "write", "--pins");
	assert_int_equal(chmod(beside("shared"), 0700), 0);
	assert_int_equal(chown(beside("shared"), 65534, 65534), 0);
	assert_refused(NULL, fixture.attached, beside("shared"), "belongs to another user", "chown");
	assert_int_equal(rmdir(beside("shared")), 0);
	assert_int_equal(symlink("/", beside("link")), 0);
	assert_refused(NULL, fixture.attached, beside("link"), "link", "");
	assert_int_equal(unlink(beside("link")), 0);
	assert_nothing_loaded();
}

static void test_no_bpffs(void **state)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/tmpfs", fixture.dir);
	assert_refused(NULL, fixture.attached, path, "bpffs", "mount -t bpf bpf /sys/fs/bpf");
	assert_int_not_equal(access(path, F_OK), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_refused(NULL, fixture.attached, path, "bpffs", "mount -t bpf bpf /sys/fs/bpf");
	assert_int_equal(rmdir(path), 0);
	snprintf(path, sizeof(path), "%s/not/there", fixture.dir);
	assert_refused(NULL, fixture.attached, path, "does not exist", "mount -t bpf bpf /sys/fs/bpf");
	assert_nothing_loaded();
}

/* One that allows no other beside it, on either hook: neither hook is left attached. */
static void test_exclusive_program(void **state)
{
	for (int v6 = 0; v6 < 2; v6++) {
		_cleanup_close_ int program = bpf_attach_exclusive(fixture.attached_fd, v6);

		assert_refused(NULL, fixture.attached, fixture.pins, v6 ? "connect6" : "connect4",
			       "exclusive");
		assert_int_not_equal(access(fixture.pins, F_OK), 0);
		assert_int_equal(bpf_count_attached(fixture.attached_fd, v6), 1);
		assert_int_equal(bpf_count_attached(fixture.attached_fd, !v6), 0);
		assert_int_equal(bpf_prog_detach2(program, fixture.attached_fd,
						  v6 ? BPF_CGROUP_INET6_CONNECT
						     : BPF_CGROUP_INET4_CONNECT),
				 0);
		assert_nothing_loaded();
	}
}

/* A policy that includes what is in a folder, and a file there. */
static void write_fragment(char folder[128], char fragment[160])
{
	_cleanup_fclose_ FILE *file = NULL;

	policy = policy_write("include conf.d/*.conf\n");
	snprintf(folder, 128, "%s/conf.d", fixture.dir);
	snprintf(fragment, 160, "%s/10-theirs.conf", folder);
	assert_int_equal(mkdir(folder, 0755), 0);
	file = fopen(fragment, "we");
	assert_non_null(file);
	assert_true(fputs("allow user 1234\n", file) >= 0);
}

static void assert_policy_is_refused(const char *words, const char *more_words)
{
	char place[160];

	snprintf(place, sizeof(place), "%s:1:9: error: cannot include ", policy);
	if (policy_load_file(policy) != 2 || !strstr(run.err, place) || !strstr(run.err, words) ||
	    !strstr(run.err, more_words))
		fail_msg("status %d and not 2, or without '%s', '%s' or '%s': %s", run.status,
			 place, words, more_words, run.err);
	assert_nothing_loaded();
}

/* Who could write a rule could lift all of them: root takes no policy from others. */
static void test_policy_of_others(void **state)
{
	char folder[128], fragment[160];

	write_fragment(folder, fragment);
	assert_int_equal(chown(fragment, 1234, 0), 0);
	assert_policy_is_refused(fragment, "belongs to the user 1234");
	assert_int_equal(chown(fragment, 0, 1234), 0);
	assert_int_equal(chmod(fragment, 0664), 0);
	assert_policy_is_refused(fragment, "others can write to it");
	assert_int_equal(chown(fragment, 0, 0), 0);
	assert_int_equal(chown(folder, 1234, 0), 0);
	assert_policy_is_refused(folder, "belongs to the user 1234");
	assert_int_equal(unlink(fragment), 0);
	assert_policy_is_refused(folder, "belongs to the user 1234");
	assert_int_equal(chown(folder, 0, 0), 0);
	assert_int_equal(chmod(folder, 0777), 0);
	assert_policy_is_refused(folder, "others can write to");
	assert_int_equal(chmod(folder, 0755), 0);
	assert_int_equal(policy_load_file(policy), 0);
	assert_int_equal(rmdir(folder), 0);
	policy_unload();
	policy = policy_write("deny\n");
	assert_int_equal(chown(policy, 1234, 0), 0);
	assert_int_equal(policy_load_file(policy), 2);
	assert_non_null(strstr(run.err, "cannot read it: it belongs to the user 1234"));
	assert_int_equal(chown(policy, 0, 0), 0);
	assert_nothing_loaded();
}

/* After every one of them a load where nothing is in the way. */
static int tidy(void **state)
{
	policy_load("deny\n");
	assert_int_equal(attempt_in("", NET_OUTSIDE4, 25), EPERM);
	assert_int_equal(attempt_in("", NET_OUTSIDE6, 25), EPERM);
	return fixture_tidy(state);
}

static int setup(void **state)
{
	fixture_setup(state);
	policy = policy_write("deny\n");
	return 0;
}

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_no_cgroup2, tidy),
		cmocka_unit_test_teardown(test_cgroup1_alone, tidy),
		cmocka_unit_test_teardown(test_services_in_cgroup1, tidy),
		cmocka_unit_test_teardown(test_no_btf, tidy),
		cmocka_unit_test_teardown(test_rights, tidy),
		cmocka_unit_test_teardown(test_security_module, tidy),
		cmocka_unit_test_teardown(test_lockdown, tidy),
		cmocka_unit_test_teardown(test_locked_memory, tidy),
		cmocka_unit_test_teardown(test_not_root, tidy),
		cmocka_unit_test_teardown(test_no_cgroup2_directory, tidy),
		cmocka_unit_test_teardown(test_foreign_map_in_pins, tidy),
		cmocka_unit_test_teardown(test_map_in_place_of_pins, tidy),
		cmocka_unit_test_teardown(test_foreign_gate, tidy),
		cmocka_unit_test_teardown(test_directory_of_others, tidy),
		cmocka_unit_test_teardown(test_no_bpffs, tidy),
		cmocka_unit_test_teardown(test_exclusive_program, tidy),
		cmocka_unit_test_teardown(test_policy_of_others, tidy),
	};

	return cmocka_run_group_tests_name("refusals", tests, setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
