// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every system call of who keeps the local addresses fails, or the process is killed at every
 * one. Whatever comes of it: an address that has left counts for the length of a lease at most,
 * and one that was never the host's for nothing. Who knows the end of a lease need not wait for
 * it: test_local.c has what a lease is worth.
 */
#include "fixture_local.h"
#include "fixture_calls.h"
#include "fixture_sweep.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#define OTHER4 "198.18.9.9"

/* How long a keeper that may have failed has to say so, or to keep. */
#define TRY_MS (1500 * fixture_slow())

/* The nth call of a system call in each of its processes; or a file for all calls. */
struct fault {
	const char *syscall;
	unsigned int nth;
	const char *effect;
	const char *trace;
};

/* What the next keeper is to suffer, and how: it is started by a function without arguments. */
static struct fault suffers;

/* In a group of its own: whoever ends that ends all of them. */
static int become_strace(void *arg)
{
	char trace[64], inject[128];

	if (setpgid(0, 0))
		return -1;
	setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
	if (suffers.trace)
		return execlp("strace", "strace", "-f", "-qq", "-o", suffers.trace, fixture.binary,
			      "local", "--pins", fixture.pins, NULL);
	snprintf(trace, sizeof(trace), "trace=%s", suffers.syscall);
	snprintf(inject, sizeof(inject), "inject=%s:%s:when=%u", suffers.syscall, suffers.effect,
		 suffers.nth);
	return execlp("strace", "strace", "-f", "-qq", "-o", "/dev/null", "-e", trace, "-e", inject,
		      fixture.binary, "local", "--pins", fixture.pins, NULL);
}

static void end_group(struct keeper *keeper)
{
	kill(-keeper->pid, SIGKILL);
	keeper_end(keeper);
	*keeper = (struct keeper){ .pid = 0 };
}

static uint64_t boottime(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* When the lease of an address ends; 0: it has none. */
static uint64_t lease_of(const char *address)
{
	_cleanup_close_ int fd = bpf_pin_open("policy/map_local");
	struct smtpward_prefix key = { 128, { [10] = 0xff, 0xff } };
	uint64_t end = 0;

	assert_int_equal(inet_pton(AF_INET, address, key.address + 12), 1);
	if (bpf_map_lookup_elem(fd, &key, &end))
		return 0;
	return end;
}

static bool has_said(const struct keeper *keeper)
{
	struct pollfd said = { .fd = keeper->fd, .events = POLLIN };
	char text[4096];
	ssize_t got;

	if (poll(&said, 1, 20) <= 0)
		return false;
	got = read(keeper->fd, text, sizeof(text) - 1);
	text[got > 0 ? got : 0] = '\0';
	/* All of them are gone; one has failed, and its successor may. */
	return got <= 0 || strstr(text, "are not kept") || strstr(text, "was ended by signal");
}

/* Whether it keeps the address, within a time; false as soon as it is known to have failed. */
static bool keeps(const struct keeper *keeper, const char *address)
{
	const int64_t deadline = clock_ms() + TRY_MS;

	while (local_reach(address))
		if (has_said(keeper) || clock_ms() > deadline)
			return !local_reach(address);
	return true;
}

static void assert_foreign(const char *when)
{
	if (local_reach(NOBODYS4) != EPERM || local_reach(NOBODYS6) != EPERM)
		fail_msg("%s, %s:%u %s: a foreign address is let through", when, suffers.syscall,
			 suffers.nth, suffers.effect);
}

static void assert_lapses(const char *address, uint64_t left)
{
	const uint64_t end = lease_of(address);

	if (end > left + SMTPWARD_LOCAL_LEASE_NS)
		fail_msg("%s:%u %s: %s counts for %llu ms too long", suffers.syscall, suffers.nth,
			 suffers.effect, address,
			 (unsigned long long)(end - left - SMTPWARD_LOCAL_LEASE_NS) / 1000000);
}

/*
 * An address that is there as the keeper begins, and leaves; another one comes, and leaves. So
 * much of its life each keeper goes through, or would.
 */
static void live(const struct fault *fault)
{
	struct keeper keeper = { 0 };
	uint64_t left;
	bool kept;

	suffers = *fault;
	local_add(ADDED4, 32);
	keeper_start(&keeper, become_strace);
	kept = keeps(&keeper, ADDED4);
	assert_foreign("as it began");
	local_remove(ADDED4, 32);
	left = boottime();
	local_add(OTHER4, 32);
	kept = kept && keeps(&keeper, OTHER4);
	assert_true(kept || fault->syscall);
	/* What is gone goes first. */
	if (kept)
		assert_int_equal(local_reach(ADDED4), EPERM);
	assert_lapses(ADDED4, left);
	assert_foreign("at a change");
	local_remove(OTHER4, 32);
	left = boottime();
	end_group(&keeper);
	assert_lapses(OTHER4, left);
	assert_foreign("behind it");
}

static void sweep(const char *const *effects, size_t n_effects)
{
	static struct calls calls;
	unsigned int at = 0, done = 0;
	char trace[128];

	cgroup_make("x.service");
	policy_load("allow to local");
	snprintf(trace, sizeof(trace), "%s/trace", fixture.dir);
	live(&(const struct fault){ .trace = trace });
	calls_read(trace, &calls);
	for (size_t i = 0; i < calls.n; i++) {
		const struct call *call = &calls.calls[i];
		const struct fault fault = {
			.syscall = calls.names[call->name].name,
			.nth = call->nth,
			.effect = effects[(call->nth + call->name) % n_effects],
		};

		if (!calls_counts(&calls, call) || at++ % sweep_sample())
			continue;
		live(&fault);
		done++;
	}
	print_message("# %u of %u faults\n", done, at);
	/* And whoever keeps behind all that does. */
	live(&(const struct fault){ .trace = "/dev/null" });
}

static void test_fails(void **state)
{
	static const char *const effects[] = { "error=ENOMEM", "error=EPERM", "error=ENOSPC",
					       "error=EINTR" };

	sweep(effects, ARRAY_SIZE(effects));
}

static void test_is_killed(void **state)
{
	static const char *const effects[] = { "signal=KILL" };

	sweep(effects, ARRAY_SIZE(effects));
}

#define TEST(name) cmocka_unit_test_teardown(name, fixture_tidy)

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fails),
		TEST(test_is_killed),
	};

	return cmocka_run_group_tests_name("keeper", tests, local_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
