// SPDX-License-Identifier: GPL-2.0-only
/* Shared by the tests of trials; see fixture_trial.h. */
#include "fixture_trial.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>

int try_for(const char *time, const char *policy)
{
	return smtpward("load", "--try", time, "-c", policy_write("%s", policy), "--cgroup",
			fixture.attached, "--pins", fixture.pins, NULL);
}

int confirm(const char *hash)
{
	return smtpward("confirm", "--pins", fixture.pins, hash, NULL);
}

void assert_says(const char *text, const char *words)
{
	if (!strstr(text, words))
		fail_msg("'%s' is not in: %s", words, text);
}

bool refuses(const char *cgroup)
{
	const int four = attempt_in(cgroup, NET_OUTSIDE4, 25);
	const int six = attempt_in(cgroup, NET_OUTSIDE6, 25);

	assert_true(four == 0 || four == EPERM);
	assert_true(six == 0 || six == EPERM);
	return four == EPERM && six == EPERM;
}

void assert_refuses(const char *refused, const char *allowed)
{
	assert_true(refuses(refused));
	assert_int_equal(attempt_in(allowed, NET_OUTSIDE4, 25), 0);
	assert_int_equal(attempt_in(allowed, NET_OUTSIDE6, 25), 0);
}

int64_t boot_ns(void)
{
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &now), 0);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void read_map(const char *name, void *value)
{
	_cleanup_close_ int fd = bpf_pin_open(name);
	const uint32_t zero = 0;

	assert_true(fd >= 0);
	assert_int_equal(bpf_map_lookup_elem(fd, &zero, value), 0);
}

int64_t trial_ends_ns(void)
{
	struct smtpward_origin origin;

	read_map("policy/map_origin", &origin);
	return (int64_t)origin.trial_ends_ns;
}

/* Only root can write the word. */
void end_trial(void)
{
	const struct smtpward_trial over = { .word = 1 };
	_cleanup_close_ int fd = bpf_pin_open("policy/map_trial");
	const uint32_t zero = 0;

	assert_true(fd >= 0);
	assert_int_equal(bpf_map_update_elem(fd, &zero, &over, BPF_ANY), 0);
}

const char *lock_path(void)
{
	static char path[512];

	snprintf(path, sizeof(path), "/run/smtpward/lock/%s", fixture_instance());
	return path;
}

/* Stops the log at a moment when it does not hold root's lock, which it would keep. */
void log_stop_between_looks(pid_t pid)
{
	const int64_t deadline = clock_ms() + FIXTURE_PATIENCE;
	int status;

	for (;;) {
		_cleanup_close_ int fd = open(lock_path(), O_RDWR | O_CLOEXEC);

		assert_true(fd >= 0);
		assert_int_equal(kill(pid, SIGSTOP), 0);
		assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
		assert_true(WIFSTOPPED(status));
		if (!flock(fd, LOCK_EX | LOCK_NB))
			return;
		assert_int_equal(kill(pid, SIGCONT), 0);
		assert_true(pause_until(deadline));
	}
}
