/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the tests of trials: two policies that refuse the opposite, for the cgroups
 * mail.service and web.service of the test, one of the two on trial.
 */
#ifndef SMTPWARD_TEST_KERNEL_FIXTURE_TRIAL_H
#define SMTPWARD_TEST_KERNEL_FIXTURE_TRIAL_H

#include "fixture.h"

/* Exit statuses. */
#define DONE 0
#define FAILED 1
#define BAD_USAGE 2
#define NO 3
#define DEGRADED 4

#define REFUSE_WEB "allow unit mail.service\n"
#define REFUSE_MAIL "allow unit web.service\n"
#define REFUSE_BOTH "deny\n"

/* The exit status of 'load --try', and of 'confirm'; with NULL of any hash. */
int try_for(const char *time, const char *policy);
int confirm(const char *hash);

void assert_says(const char *text, const char *words);

/* On both hooks. */
bool refuses(const char *cgroup);
void assert_refuses(const char *refused, const char *allowed);

/* The time on the programs' clock, and the trial's end on it. */
int64_t boot_ns(void);
int64_t trial_ends_ns(void);

/* Ends the trial before its deadline, as the first connect after the deadline would. */
void end_trial(void);

/* The path of root's lock; and stops a log at a moment when it does not hold the lock. */
const char *lock_path(void);
void log_stop_between_looks(pid_t pid);

#endif /* SMTPWARD_TEST_KERNEL_FIXTURE_TRIAL_H */
