/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What connect.c measures: connect(2) on sockets made in the cgroup of the calling
 * process, as often as asked, and what a call took.
 */
#ifndef SMTPWARD_BENCH_CALLER_H
#define SMTPWARD_BENCH_CALLER_H

#include <stdint.h>

enum caller_target {
	CALLER_GUARDED, /* TCP, port 25 */
	CALLER_OTHER,	/* TCP, a port that nobody listens on */
	CALLER_UDP,	/* UDP, port 25 */
	/* The whole of an attempt: a new socket, its connect, its close. */
	CALLER_GUARDED_WHOLE,
	CALLER_OTHER_WHOLE,
	CALLER_TARGETS,
};

extern const char *const caller_target_names[CALLER_TARGETS];

struct caller {
	int sockets[CALLER_TARGETS];
	int instructions; /* a perf event of this process, -1 where there is none */
};

/* What a number of calls cost. */
struct caller_cost {
	double ns;	     /* per call */
	double instructions; /* per call, user and kernel; 0 where not counted */
	int error;	     /* what every call failed with, 0: none failed; -1: not all the same */
};

/* Makes the loopback device of this network namespace carry the address called. */
int caller_network_up(void);

int caller_open(struct caller *ret_caller);

/* The median of `batches` times `calls` calls. after, if any, runs between two batches. */
int caller_time(const struct caller *caller, enum caller_target target, unsigned int batches,
		unsigned int calls, void (*after)(void *userdata), void *userdata,
		struct caller_cost *ret_cost);

/* Calls until a time of CLOCK_MONOTONIC; how often. */
uint64_t caller_until(const struct caller *caller, enum caller_target target, uint64_t end_ns);

uint64_t caller_now(void);

#endif /* SMTPWARD_BENCH_CALLER_H */
