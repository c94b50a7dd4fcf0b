/* SPDX-License-Identifier: GPL-2.0-only */
/* The system calls of a program, from strace's file; for sweeps of faults. */
#ifndef SMTPWARD_TEST_KERNEL_FIXTURE_CALLS_H
#define SMTPWARD_TEST_KERNEL_FIXTURE_CALLS_H

#include <stdbool.h>
#include <stddef.h>

#define CALLS_NAMES 96
#define CALLS_MAX 16384

struct calls_count {
	char name[48];
	unsigned int n;
};

struct calls {
	struct calls_count names[CALLS_NAMES];
	size_t n_names;
	struct calls_count kinds[CALLS_NAMES]; /* as names, but bpf(2) by its commands */
	size_t n_kinds;
	struct call {
		size_t name, kind;
		unsigned int nth, nth_of_kind; /* from 1 on */
	} calls[CALLS_MAX];
	size_t n;
};

/*
 * Reads all calls up to the first pause: from then on smtpward only asks whether the kernel has
 * freed objects.
 */
void calls_read(const char *path, struct calls *ret);

/*
 * Whether a fault of the call is of interest. A call that makes, changes or removes something
 * always is. Of the calls that only look at something or release it there are hundreds, more with
 * more objects in the kernel: only a few of each kind are.
 */
bool calls_counts(const struct calls *calls, const struct call *call);

#endif /* SMTPWARD_TEST_KERNEL_FIXTURE_CALLS_H */
