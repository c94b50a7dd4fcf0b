/* SPDX-License-Identifier: GPL-2.0-only */
/* The system calls that a program made, by strace's file of them; for sweeps of faults. */
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

/* All up to the first pause: from that on it is one question until the kernel has let go. */
void calls_read(const char *path, struct calls *ret);

/*
 * Whether a fault of that one is of interest. Of a kind that only looks at something, or lets go
 * of it, there are hundreds, and the more of them the more the kernel has loaded: of these it
 * is a few, far between. What makes, changes or removes something is, each.
 */
bool calls_counts(const struct calls *calls, const struct call *call);

#endif /* SMTPWARD_TEST_KERNEL_FIXTURE_CALLS_H */
