// SPDX-License-Identifier: GPL-2.0-only
/* Sweeps of faults; see fixture_sweep.h. */
#include "fixture_sweep.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <inttypes.h>

#include "fixture_calls.h"

/* Two policies that allow the opposite, and each something that both allow. */
#define POLICY_A "allow to 192.0.2.1, 2001:db8::1\nallow cgroup /%s/always\n"
#define POLICY_B "allow to 203.0.113.9, ::1\nallow cgroup /%s/always\n"

static const char *const in_force_names[] = { "none", "A", "B", "a mixture" };

char sweep_file_a[128], sweep_file_b[128];
unsigned int sweep_thin = 1;
const char *sweep_settings = "";
bool (*sweep_agrees)(enum in_force now);

int sweep_setup(void **state)
{
	int err = fixture_setup(state);

	snprintf(sweep_file_a, sizeof(sweep_file_a), "%s/a.conf", fixture.dir);
	snprintf(sweep_file_b, sizeof(sweep_file_b), "%s/b.conf", fixture.dir);
	assert_int_equal(rename(policy_write("%s" POLICY_A, sweep_settings, fixture.name), sweep_file_a), 0);
	assert_int_equal(rename(policy_write("%s" POLICY_B, sweep_settings, fixture.name), sweep_file_b), 0);
	return err;
}

/* Tells which policy decides: four connects by one child, a bit for each refused one. */
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

static enum in_force by_connects(void)
{
	if (child_run(CHILD_IN("always"), probe, NULL))
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

static enum in_force in_force(void)
{
	const enum in_force now = by_connects();

	return sweep_agrees && !sweep_agrees(now) ? IN_FORCE_MIXED : now;
}

/* Trials. An hour need not pass: a word that only root can write ends a trial at once. */

static int try_file(const char *file)
{
	return smtpward("load", "--try", "1h", "-c", file, "--cgroup", fixture.attached, "--pins",
			fixture.pins, NULL);
}

/* Reads the entry of a map; false if the map or the entry is missing. */
static bool read_map(const char *name, void *value)
{
	_cleanup_close_ int fd = -1;
	const uint32_t zero = 0;
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", fixture.pins, name);
	fd = bpf_obj_get(path);
	return fd >= 0 && !bpf_map_lookup_elem(fd, &zero, value);
}

/* Ends the running trial; false if nothing is on trial. */
static bool end_trial(void)
{
	struct smtpward_trial trial = { .word = 0 };
	struct smtpward_origin origin;
	_cleanup_close_ int fd = -1;
	struct smtpward_gate gate;
	const uint32_t zero = 0;
	char name[64];

	if (!read_map("map_gate", &gate) || gate.generation == SMTPWARD_GATE_OPEN)
		return false;
	snprintf(name, sizeof(name), "generation-%" PRIu64 "/map_origin",
		 (uint64_t)gate.generation);
	assert_true(read_map(name, &origin));
	snprintf(name, sizeof(name), "generation-%" PRIu64 "/map_trial", (uint64_t)gate.generation);
	assert_true(read_map(name, &trial));
	if (!(origin.flags & SMTPWARD_ORIGIN_TRIAL) || trial.word)
		return false;
	fd = bpf_pin_open(name);
	trial.word = 1;
	assert_int_equal(bpf_map_update_elem(fd, &zero, &trial, BPF_ANY), 0);
	return true;
}

static void set_up_tried(const char *first, const char *candidate)
{
	end_trial();
	if (first ? policy_load_file(first) : smtpward("unload", "--pins", fixture.pins, NULL))
		fail_msg("status %d: %s", run.status, run.err);
	if (try_file(candidate))
		fail_msg("load --try: status %d: %s", run.status, run.err);
}

void sweep_set_up_trial_of_a(void)
{
	set_up_tried(sweep_file_a, sweep_file_a);
}

void sweep_set_up_trial_of_b(void)
{
	set_up_tried(sweep_file_a, sweep_file_b);
}

void sweep_set_up_went_back(void)
{
	set_up_tried(sweep_file_a, sweep_file_b);
	assert_true(end_trial());
}

void sweep_set_up_went_to_nothing(void)
{
	set_up_tried(NULL, sweep_file_b);
	assert_true(end_trial());
}

static void set_up(const struct scenario *scenario)
{
	if (scenario->set_up) {
		scenario->set_up();
	} else if (scenario->before == IN_FORCE_NONE) {
		if (!access(fixture.pins, F_OK))
			policy_unload();
	} else if (policy_load_file(sweep_file_a)) {
		fail_msg("load: status %d: %s", run.status, run.err);
	}
}

/* One fault: the nth call of a system call, and the effect on it. */
struct fault {
	const struct scenario *scenario;
	const char *syscall;
	unsigned int nth;
	const char *effect;
	const char *trace; /* a file for all calls, instead of a fault */
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
	/* LeakSanitizer uses ptrace(2), which fails for a traced process. */
	setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
	argv[n++] = fixture.binary;
	for (size_t i = 1; fault->scenario->argv[i]; i++)
		argv[n++] = fault->scenario->argv[i];
	execvp(argv[0], (char *const *)argv);
	return -1;
}

/* Counts the calls of a run without faults. */
static void count_calls(const struct scenario *scenario, struct calls *calls)
{
	char trace[128];
	struct fault all = { .scenario = scenario, .trace = trace };

	snprintf(trace, sizeof(trace), "%s/trace", fixture.dir);
	set_up(scenario);
	smtpward_child(scenario->argv, become_strace, &all);
	/* Status 3: the answer is no. */
	assert_true(run.status == 0 || run.status == 3);
	calls_read(trace, calls);
}

/*
 * The calls of the dynamic linker and libc before main(), where a fault may kill without a
 * message.
 */
static struct calls start_up;

static void count_start_up(void)
{
	const struct scenario none = { "--version",   IN_FORCE_NONE, IN_FORCE_NONE,
				       IN_FORCE_NONE, NULL,	     { "smtpward", "--version" } };

	count_calls(&none, &start_up);
}

/*
 * Whether a fault may come without a message: a failed write(2) is the message's own, and glibc's
 * malloc(3) dies of a brk(2) that fails while it makes its first heap, in main() or before.
 */
static bool speechless(const struct fault *fault)
{
	for (size_t i = 0; i < start_up.n_names; i++)
		if (!strcmp(fault->syscall, start_up.names[i].name) &&
		    fault->nth <= start_up.names[i].n)
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
	if (end_trial() && in_force() != scenario->back)
		fail_msg("%s, %s:%u %s: the trial went back to %s", scenario->name, fault->syscall,
			 fault->nth, fault->effect, in_force_names[in_force()]);
	if (policy_load_file(sweep_file_b))
		fail_msg("%s, %s:%u %s: the next load fails: %s", scenario->name, fault->syscall,
			 fault->nth, fault->effect, run.err);
	if (in_force() != IN_FORCE_B || bpf_count_generations() != 1)
		fail_msg("%s, %s:%u %s: after the next load there are %u generations, and %s "
			 "decides",
			 scenario->name, fault->syscall, fault->nth, fault->effect,
			 bpf_count_generations(), in_force_names[in_force()]);
}

/* Counts over all system calls together. */
unsigned int sweep_sample(void)
{
	return (unsigned int)fixture_number("SMTPWARD_TEST_FAULTS", 32 * (int)sweep_thin);
}

static void sweep(const struct scenario *scenario, const char *const *effects, size_t n_effects)
{
	static struct calls calls;
	unsigned int at = 0, done = 0;
	struct bpf_ids before;

	count_calls(scenario, &calls);
	count_start_up();
	if (!access(fixture.pins, F_OK))
		policy_unload();
	bpf_ids_read(&before);
	for (size_t i = 0; i < calls.n; i++) {
		const struct call *call = &calls.calls[i];
		const struct fault fault = {
			.scenario = scenario,
			.syscall = calls.names[call->name].name,
			.nth = call->nth,
			.effect = effects[(call->nth + call->name) % n_effects],
		};

		if (!calls_counts(&calls, call) || at++ % sweep_sample())
			continue;
		check_fault(&fault);
		done++;
	}
	policy_unload();
	print_message("# %s: %u of %u faults, for %zu calls\n", scenario->name, done, at, calls.n);
	assert_int_equal(bpf_ids_wait_gone(&before), 0);
}

static const char *const errors[] = { "error=ENOMEM", "error=EPERM", "error=ENOSPC",
				      "error=EINTR" };
static const char *const kills[] = { "signal=KILL" };

static void sweep_all(const char *const *effects, size_t n_effects, const char *what,
		      struct scenario scenario)
{
	char name[64];

	snprintf(name, sizeof(name), "%s, %s", scenario.name, what);
	scenario.name = name;
	cgroup_make("always");
	cgroup_make("other");
	sweep(&scenario, effects, n_effects);
}

void sweep_fails(struct scenario scenario)
{
	sweep_all(errors, ARRAY_SIZE(errors), "a call fails", scenario);
}

void sweep_kills(struct scenario scenario)
{
	sweep_all(kills, ARRAY_SIZE(kills), "killed", scenario);
}
