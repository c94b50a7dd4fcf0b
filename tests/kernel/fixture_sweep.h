/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every system call of a command fails, or the process is killed at every one, by strace's fault
 * injection. After each fault one whole policy decides, on IPv4 and on IPv6, never none if there
 * was one before; a process that failed said why; a policy on trial goes back; and the next load
 * works and leaves nothing of the earlier ones.
 */
#ifndef SMTPWARD_TEST_KERNEL_FIXTURE_SWEEP_H
#define SMTPWARD_TEST_KERNEL_FIXTURE_SWEEP_H

#include "fixture.h"

enum in_force { IN_FORCE_NONE, IN_FORCE_A, IN_FORCE_B, IN_FORCE_MIXED };

/* A command, and the policies in force before and after it. */
struct scenario {
	const char *name;
	enum in_force before, after, back; /* back: after a trial that the command leaves */
	void (*set_up)(void);		   /* instead of a load or an unload; or NULL */
	const char *argv[14];
};

/* The policies A and B, which allow the opposite. */
extern char sweep_file_a[128], sweep_file_b[128];

/* Each scenario does one of so many times as many faults. */
extern unsigned int sweep_thin;

/*
 * Settings of both policies, set before sweep_setup(); and whether what these settings ask for is
 * there if it should be, and not otherwise. NULL: nothing is asked.
 */
extern const char *sweep_settings;
extern bool (*sweep_agrees)(enum in_force now);

int sweep_setup(void **state); /* a group setup */

/* Every Nth fault is tried; with SMTPWARD_TEST_FAULTS=1 every one. */
unsigned int sweep_sample(void);

void sweep_fails(struct scenario scenario);
void sweep_kills(struct scenario scenario);

/* Set up a trial of A or B over A, or a trial of B that is over. */
void sweep_set_up_trial_of_a(void);
void sweep_set_up_trial_of_b(void);
void sweep_set_up_went_back(void);
void sweep_set_up_went_to_nothing(void);

#define SWEEP_LOAD(file)                                                                  \
	{                                                                                 \
		"smtpward", "load", "-c", (file), "--cgroup", fixture.attached, "--pins", \
			fixture.pins                                                      \
	}
#define SWEEP_BOOT(file)                                                                  \
	{                                                                                 \
		"smtpward", "load", "--boot", "-c", (file), "--cgroup", fixture.attached, \
			"--pins", fixture.pins                                            \
	}
#define SWEEP_TRY(file)                                                                        \
	{                                                                                      \
		"smtpward", "load", "--try", "1h", "-c", (file), "--cgroup", fixture.attached, \
			"--pins", fixture.pins                                                 \
	}
#define SWEEP_CONFIRM                                         \
	{                                                     \
		"smtpward", "confirm", "--pins", fixture.pins \
	}
#define SWEEP_UNLOAD                                         \
	{                                                    \
		"smtpward", "unload", "--pins", fixture.pins \
	}

/* The two tests of a scenario. */
#define SWEEPS(name, before, after, back, set_up, ...)                                             \
	static void test_##name##_fails(void **state)                                              \
	{                                                                                          \
		sweep_fails((struct scenario){ #name, before, after, back, set_up, __VA_ARGS__ }); \
	}                                                                                          \
	static void test_##name##_is_killed(void **state)                                          \
	{                                                                                          \
		sweep_kills((struct scenario){ #name, before, after, back, set_up, __VA_ARGS__ }); \
	}

#define SWEEP_TESTS(name)                                             \
	cmocka_unit_test_teardown(test_##name##_fails, fixture_tidy), \
		cmocka_unit_test_teardown(test_##name##_is_killed, fixture_tidy)

#endif /* SMTPWARD_TEST_KERNEL_FIXTURE_SWEEP_H */
