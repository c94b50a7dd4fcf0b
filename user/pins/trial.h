/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A policy on trial: 'load --try'. Its programs go back by themselves once the deadline is
 * over (bpf/gate.h); here is what tells so, and what keeps it.
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
	TRIAL_OVER, /* its programs have gone back, or do at the next connect */
};

struct trial {
	enum trial_phase phase;
	bool kept;	   /* TRIAL_NONE: it was on trial */
	uint64_t ends_ns;  /* of boottime_now() */
	uint64_t fallback; /* the generation that follows; 0: nothing does */
};

/* Of the load's own description and map_trial; a word of 0 if that cannot be had. */
void trial_judge(const struct smtpward_origin *origin, uint64_t word, struct trial *ret_trial);

/* For who has no way to map_trial: by a pin, which root removes as it is kept. 0 or -errno. */
int trial_read_mark(const struct pins *pins, uint64_t generation, __u64 *ret_word);

/*
 * That of a generation. Who is not root has no way to map_trial: then a pin tells whether it
 * was kept. 0 or -errno.
 */
int trial_read(const struct pins *pins, uint64_t generation, struct trial *ret_trial);

/* The seconds that are left, a begun one too; 0 if it does not run. */
uint64_t trial_seconds_left(const struct trial *trial);

/*
 * Keeps it, in one step, if neither the clock nor a program says that it is over; *ret_kept
 * tells. From then on no program goes back, or all have. For root.
 */
int trial_keep(const struct pins *pins, uint64_t generation, uint64_t ends_ns, bool *ret_kept);

#endif /* SMTPWARD_TRIAL_H */
