/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's side of the benchmark: a program to compare with, its run time, the ring. */
#ifndef SMTPWARD_BENCH_HOOKS_H
#define SMTPWARD_BENCH_HOOKS_H

#include <stdint.h>

/* A program on connect4 of a cgroup that only returns the verdict: its link, or -errno. */
int hooks_attach_return(int cgroup, int verdict);

/* Makes the kernel keep hooks_run_ns(), at a cost, until this is closed; or -errno. */
int hooks_count_time(void);

/* What the programs that see a cgroup's connects and packets ran, in ns; 0 if none does. */
uint64_t hooks_run_ns(int cgroup);

struct ring {
	unsigned long *consumer;
	const unsigned long *producer;
};

int ring_open(struct ring *ring, const char *pin);
void ring_close(struct ring *ring);

/*
 * The consumer's position, in its first page, is all there is to it, and moving it costs
 * the next batch nothing. Records are all submitted when connect(2) has returned.
 */
void ring_empty(const struct ring *ring);

#endif /* SMTPWARD_BENCH_HOOKS_H */
