/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A policy on trial: 'load --try'. Its programs go back by themselves once the deadline is over
 * (bpf/gate.h); these functions tell whether it is, and keep the policy.
 */
#ifndef SMTPWARD_TRIAL_H
#define SMTPWARD_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

#include <smtpward/abi.h>

#include "pins/pins.h"

enum trial_phase {
	TRIAL_NONE, /* in force for good, from the beginning or by now */
	TRIAL_RUNS,
	TRIAL_OVER, /* its programs have gone back, or will at the next connect */
};

struct trial {
	enum trial_phase phase;
	bool kept;	   /* with TRIAL_NONE: the policy was on trial, and was kept */
	uint64_t ends_ns;  /* on the clock of boottime_now() */
	uint64_t fallback; /* the generation to go back to; 0: none */
};

/*
 * Judges a trial by the load's own description and the word of map_trial, which is 0 if it cannot
 * be read.
 */
void trial_judge(const struct smtpward_origin *origin, uint64_t word, struct trial *ret_trial);

/*
 * Reads, for processes that cannot open map_trial, a pin that root removes when it keeps the
 * policy. 0 or -errno.
 */
int trial_read_mark(const struct pins *pins, uint64_t generation, __u64 *ret_word);

/*
 * Reads the trial of a generation. For a process that is not root, and so cannot open map_trial, a
 * pin tells whether the policy was kept. 0 or -errno.
 */
int trial_read(const struct pins *pins, uint64_t generation, struct trial *ret_trial);

/* The seconds that are left, rounded up; 0 if the trial does not run. */
uint64_t trial_seconds_left(const struct trial *trial);

/*
 * Keeps the policy, in one step, if neither the clock nor a program says that the trial is over;
 * *ret_kept tells. After that either no program goes back, or all have. For root.
 */
int trial_keep(const struct pins *pins, uint64_t generation, uint64_t ends_ns, bool *ret_kept);

#endif /* SMTPWARD_TRIAL_H */
