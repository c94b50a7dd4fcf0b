// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every system call of a load and of an unload fails, and the process is killed at
 * every one, by strace's fault injection. After each: one whole policy decides, on
 * IPv4 and on IPv6, never none where there was one; who failed said what; and the
 * next load works and leaves nothing of what went before.
 */
#include "fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define SYSCALLS_MAX 96

/* Two policies that allow the opposite, and something that both allow. */
#define POLICY_A "allow to 192.0.2.1, 2001:db8::1\nallow cgroup /%s/always\n"
#define POLICY_B "allow to 203.0.113.9, ::1\nallow cgroup /%s/always\n"

enum in_force { IN_FORCE_NONE, IN_FORCE_A, IN_FORCE_B, IN_FORCE_MIXED };

static const char *const in_force_names[] = { "none", "A", "B", "a mixture" };

static char file_a[128], file_b[128];

static void write_policies(void)
{
	snprintf(file_a, sizeof(file_a), "%s/a.conf", fixture.dir);
	snprintf(file_b, sizeof(file_b), "%s/b.conf", fixture.dir);
	assert_int_equal(rename(policy_write(POLICY_A, fixture.name), file_a), 0);
	assert_int_equal(rename(policy_write(POLICY_B, fixture.name), file_b), 0);
}

/* What decides: four connects by one child, a bit for each that is refused. */
static int probe(void *arg)
{
	static const char *const to[] = { "192.0.2.1", "203.0.113.9", "2001:db8::1", "::1" };
	int refused = 0;

	for (size_t i = 0; i < ARRAY_SIZE(to); i++) {
		struct attempt connect = { WAY_CONNECT, to[i], 25 };
		int err = attempt(&connect);

		if (err && err != EPERM)
			return -1;
		refused |= (err == EPERM) << i;
	}
	return refused;
}

static enum in_force in_force(void)
{
	const int always = child_run(CHILD_IN("always"), probe, NULL);

	if (always)
		return IN_FORCE_MIXED;
	switch (child_run(CHILD_IN("other"), probe, NULL)) {
	case 0:
		return IN_FORCE_NONE;
	case 1 << 1 | 1 << 3:
		return IN_FORCE_A;
	case 1 << 0 | 1 << 2:
		return IN_FORCE_B;
	default:
		return IN_FORCE_MIXED;
	}
}

/* What is done, and what it leads from and to. */
struct scenario {
	const char *name;
	enum in_force before, after;
	void (*set_up)(void); /* instead of a load or an unload; or NULL */
	const char *argv[12];
};

/* What is left of a load of A by a reboot: its copy. */
static void set_up_reboot(void)
{
	const int64_t deadline = clock_ms() + FIXTURE_PATIENCE;

	if (policy_load_file(file_a))
		fail_msg("load: status %d: %s", run.status, run.err);
	/* The second set, if what was killed had got so far. */
	umount2("/run/smtpward/keep", MNT_DETACH);
	bpf_wipe("");
	while (bpf_count_attached(fixture.attached_fd, false) ||
	       bpf_count_attached(fixture.attached_fd, true))
		assert_true(pause_until(deadline));
}

static void set_up(const struct scenario *scenario)
{
	if (scenario->set_up) {
		scenario->set_up();
	} else if (scenario->before == IN_FORCE_NONE) {
		if (!access(fixture.pins, F_OK))
			policy_unload();
	} else if (policy_load_file(file_a)) {
		fail_msg("load: status %d: %s", run.status, run.err);
	}
}

/* One fault: the nth call of a system call, and what becomes of it. */
struct fault {
	const struct scenario *scenario;
	const char *syscall;
	unsigned int nth;
	const char *effect;
	const char *trace; /* file for all calls, instead of a fault */
};

static int become_strace(void *arg)
{
	const struct fault *fault = arg;
	const char *argv[24] = { "strace", "-qq", "-o", fault->trace ?: "/dev/null" };
	char inject[128], trace[64];
	size_t n = 4;

	if (!fault->trace) {
		snprintf(trace, sizeof(trace), "trace=%s", fault->syscall);
		snprintf(inject, sizeof(inject), "inject=%s:%s:when=%u", fault->syscall,
			 fault->effect, fault->nth);
		argv[n++] = "-e";
		argv[n++] = trace;
		argv[n++] = "-e";
		argv[n++] = inject;
	}
	/* LeakSanitizer traces, which cannot be done to who is traced. */
	setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
	argv[n++] = fixture.binary;
	for (size_t i = 1; fault->scenario->argv[i]; i++)
		argv[n++] = fault->scenario->argv[i];
	execvp(argv[0], (char *const *)argv);
	return -1;
}

/* How often each system call occurs where none fails. */
struct count {
	char name[32];
	unsigned int n;
};

static size_t count_calls(const struct scenario *scenario, struct count counts[SYSCALLS_MAX])
{
	_cleanup_fclose_ FILE *file = NULL;
	char trace[128], line[4096];
	struct fault all = { .scenario = scenario, .trace = trace };
	size_t n_counts = 0;

	snprintf(trace, sizeof(trace), "%s/trace", fixture.dir);
	set_up(scenario);
	assert_int_equal(smtpward_child(scenario->argv, become_strace, &all), 0);
	file = fopen(trace, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		size_t len = strcspn(line, "("), i = 0;

		if (line[len] != '(' || len >= sizeof(counts->name))
			continue;
		line[len] = '\0';
		/* From the first pause on it is one question until the kernel has let go. */
		if (strstr(line, "nanosleep"))
			break;
		while (i < n_counts && strcmp(counts[i].name, line))
			i++;
		assert_true(i < SYSCALLS_MAX);
		if (i == n_counts)
			strcpy(counts[n_counts++].name, line);
		counts[i].n++;
	}
	return n_counts;
}

static unsigned int count_generations(void)
{
	DIR *dir = opendir(fixture.pins);
	unsigned int n = 0;
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		n += !strncmp(entry->d_name, "generation-", strlen("generation-"));
	closedir(dir);
	return n;
}

/* What the dynamic linker and libc call before main(), which may die without a word. */
static struct count start_up[SYSCALLS_MAX];

static void count_start_up(void)
{
	const struct scenario none = {
		"--version", IN_FORCE_NONE, IN_FORCE_NONE, NULL, { "smtpward", "--version" }
	};

	memset(start_up, 0, sizeof(start_up));
	count_calls(&none, start_up);
}

/*
 * Whom the write itself failed cannot say so; and glibc's malloc(3) dies of a brk(2)
 * that fails half-way through making its first heap, in main() or before it.
 */
static bool speechless(const struct fault *fault)
{
	for (size_t i = 0; i < SYSCALLS_MAX; i++)
		if (!strcmp(fault->syscall, start_up[i].name) && fault->nth <= start_up[i].n)
			return true;
	return !strcmp(fault->syscall, "write") || !strcmp(fault->syscall, "brk");
}

static void check_fault(const struct fault *fault)
{
	const struct scenario *scenario = fault->scenario;
	const bool killed = strstr(fault->effect, "KILL");
	enum in_force now;
	int status;

	set_up(scenario);
	status = smtpward_child(scenario->argv, become_strace, (void *)fault);
	now = in_force();
	if (now != scenario->after && (now != scenario->before || !status))
		fail_msg("%s, %s:%u %s: status %d, and %s decides: %s", scenario->name,
			 fault->syscall, fault->nth, fault->effect, status, in_force_names[now],
			 run.err);
	if (status && !killed && !run.err[0] && !speechless(fault))
		fail_msg("%s, %s:%u %s: status %d without a word", scenario->name, fault->syscall,
			 fault->nth, fault->effect, status);
	if (policy_load_file(file_b))
		fail_msg("%s, %s:%u %s: the next load fails: %s", scenario->name, fault->syscall,
			 fault->nth, fault->effect, run.err);
	if (in_force() != IN_FORCE_B || count_generations() != 1)
		fail_msg("%s, %s:%u %s: after the next load there are %u generations, and %s "
			 "decides",
			 scenario->name, fault->syscall, fault->nth, fault->effect,
			 count_generations(), in_force_names[in_force()]);
}

/* Each Nth fault, over all system calls together. */
static unsigned int sample(void)
{
	return (unsigned int)fixture_number("SMTPWARD_TEST_FAULTS", 32);
}

/* read(2) is libbpf going through the kernel's BTF, a page at a time: a few stand for all. */
static unsigned int most(const struct count *count)
{
	return !strcmp(count->name, "read") && count->n > 40 ? 40 : count->n;
}

static void sweep(const struct scenario *scenario, const char *const *effects, size_t n_effects)
{
	struct count counts[SYSCALLS_MAX] = { 0 };
	const size_t n_counts = count_calls(scenario, counts);
	unsigned int at = 0, done = 0;
	struct bpf_ids before;

	count_start_up();
	if (!access(fixture.pins, F_OK))
		policy_unload();
	bpf_ids_read(&before);
	for (size_t i = 0; i < n_counts; i++) {
		if (!strcmp(counts[i].name, "exit_group"))
			continue;
		for (unsigned int nth = 1; nth <= most(&counts[i]); nth++) {
			struct fault fault = {
				.scenario = scenario,
				.syscall = counts[i].name,
				.nth = nth,
				.effect = effects[(nth + i) % n_effects],
			};

			if (at++ % sample())
				continue;
			check_fault(&fault);
			done++;
		}
	}
	policy_unload();
	print_message("# %s: %u of %u faults\n", scenario->name, done, at);
	assert_int_equal(bpf_ids_wait_gone(&before), 0);
}

static const char *const errors[] = { "error=ENOMEM", "error=EPERM", "error=ENOSPC",
				      "error=EINTR" };
static const char *const kills[] = { "signal=KILL" };

#define LOAD(file)                                                                              \
	{ "smtpward", "load", "-c", (file), "--cgroup", fixture.attached, "--pins", fixture.pins }
#define BOOT(file)                                                                              \
	{ "smtpward", "load", "--boot", "-c", (file), "--cgroup", fixture.attached, "--pins",   \
	  fixture.pins }
#define UNLOAD { "smtpward", "unload", "--pins", fixture.pins }

static void sweep_all(const char *const *effects, size_t n_effects, struct scenario scenario)
{
	cgroup_make("always");
	cgroup_make("other");
	sweep(&scenario, effects, n_effects);
}

#define SWEEPS(name, before, after, set_up, ...)                                                   \
	static void test_##name##_fails(void **state)                                           \
	{                                                                                       \
		sweep_all(errors, ARRAY_SIZE(errors),                                           \
			  (struct scenario){ #name ", a call fails", before, after, set_up,           \
					     __VA_ARGS__ });                                    \
	}                                                                                       \
	static void test_##name##_is_killed(void **state)                                       \
	{                                                                                       \
		sweep_all(kills, ARRAY_SIZE(kills),                                             \
			  (struct scenario){ #name ", killed", before, after, set_up, __VA_ARGS__ });     \
	}

SWEEPS(load, IN_FORCE_NONE, IN_FORCE_B, NULL, LOAD(file_b))
SWEEPS(reload, IN_FORCE_A, IN_FORCE_B, NULL, LOAD(file_b))
SWEEPS(unload, IN_FORCE_A, IN_FORCE_NONE, NULL, UNLOAD)
/* There is no such file: it falls back to what was kept of A. */
SWEEPS(boot, IN_FORCE_NONE, IN_FORCE_A, set_up_reboot, BOOT("none.conf"))

static int setup(void **state)
{
	int err = fixture_setup(state);

	write_policies();
	return err;
}

#define TEST(name) cmocka_unit_test_teardown(name, fixture_tidy)

static int tests(void)
{
	const struct CMUnitTest all[] = {
		TEST(test_load_fails),	   TEST(test_load_is_killed),
		TEST(test_reload_fails),   TEST(test_reload_is_killed),
		TEST(test_unload_fails),   TEST(test_unload_is_killed),
		TEST(test_boot_fails),	   TEST(test_boot_is_killed),
	};

	return cmocka_run_group_tests_name("faults", all, setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
