/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is measured: each work is a unit that is done as often as asked, by this
 * process, in the cgroup that it is in, against listeners of its own in another
 * network namespace.
 */
#ifndef SMTPWARD_BENCH_WORK_H
#define SMTPWARD_BENCH_WORK_H

#include <stdint.h>
#include <sys/types.h>

#define WORK_GUARDED_PORT 25
#define WORK_OTHER_PORT 2525  /* with a listener, too */
#define WORK_CLOSED_PORT 2526 /* without */

enum work_socket {
	WORK_TCP,
	WORK_UDP,
	WORK_NEAR, /* the ends of a connection */
	WORK_FAR,
	WORK_INNER, /* the same of a connection that is forwarded */
	WORK_INNER_FAR,
	WORK_SOCKETS,
};

struct place {
	uint32_t server;	   /* the listeners' address, network byte order */
	int home;		   /* network namespaces: this process's own ... */
	int away;		   /* ... and the listeners' ... */
	int inner;		   /* ... and one whose packets this one forwards */
	int guarded, other;	   /* listeners */
	int cgroup;		   /* the directory entered last, -1 at first */
	uid_t uid;		   /* who works there */
	int sockets[WORK_SOCKETS]; /* made in that cgroup; -1 if not in use yet */
	int instructions;	   /* a perf event of this process, -1 if there is none */
	uint64_t untimed_ns;	   /* what a work did that is not to be measured */
};

struct work {
	const char *name;
	int (*run)(struct place *place); /* one unit; 0, or the errno of the call measured */
};

/* What a unit of work took. */
struct cost {
	double ns;
	double instructions; /* user and kernel; 0 if they cannot be counted */
	int error;	     /* what every call ended with; -1: not all the same */
};

const struct work *work_find(const char *name);

/* server: an IPv4 address; away: the path of the network namespace that has it; inner: of the
 * other. */
int place_open(struct place *ret_place, const char *server, const char *away, const char *inner);

/* Into this cgroup; work there is done as this user, with new sockets. */
int place_enter(struct place *place, const char *cgroup, uid_t uid);

void work_batch(struct place *place, const struct work *work, unsigned int units,
		struct cost *ret_cost);

/* Attempts until a time of CLOCK_MONOTONIC; how many, 0 if not all got EPERM. */
uint64_t work_until(struct place *place, uint64_t end_ns);

/*
 * A connect to a port that has a listener: 0, its errno, or EINPROGRESS where nothing
 * came of it for a while. *ret_reached: whether the listener got it.
 */
int work_try(struct place *place, uint16_t port, int *ret_reached);

uint64_t work_now(void);

#endif /* SMTPWARD_BENCH_WORK_H */
