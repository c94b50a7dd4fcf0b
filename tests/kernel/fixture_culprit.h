/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A culprit that connects and is gone at once, with its cgroup and its parent, and
 * what is known of it from outside. It is the test program again, as a copy that
 * lies where a test wants it.
 */
#ifndef SMTPWARD_TEST_KERNEL_FIXTURE_CULPRIT_H
#define SMTPWARD_TEST_KERNEL_FIXTURE_CULPRIT_H

#include <time.h>

#include "fixture.h"

#define CULPRIT_ABOVE 7

/* What is known of it from outside. Shared with the processes in between. */
struct facts {
	pid_t pid, ppid;
	uint64_t netns, cgid;
	bool auid_set;
	time_t when;
};

struct crime {
	struct facts *facts;
	const char *cgroup;		  /* where; made for it and removed after it */
	const char *above[CULPRIT_ABOVE]; /* comm of the parent, and of those above it */
	const char *comm;		  /* its own, where it does not exec */
	const char *exe;		  /* what it execs, or NULL */
	int exe_fd;			  /* in place of it, where over 0 */
	const char *cwd;		  /* where it is, or NULL */
	const char *const *words;	  /* in place of its own, or NULL */
	const char *deed;
	const char *deed_path;
	uid_t uid, euid;
	gid_t egid;
	bool own_netns;
};

/* main() of a test that has culprits. */
int culprit_main(int argc, char **argv, int (*tests)(void));

/* Refused with EPERM, which is asserted; nothing of it is left after that. */
void commit_and_vanish(struct crime *crime);

/* A logger that starts now: the one line that there is. */
void read_one_line(enum log_sink sink, struct line *line);

uint64_t netns_number(void);

/* This program, elsewhere. */
void copy_self(const char *path);
void copy_self_to(int to);

/* A path below our directory; it lasts for 31 more calls. */
const char *below_dir(const char *name);

/* A cgroup's path as a line has it; it lasts for no further call. */
const char *below_base(const char *name);

#endif /* SMTPWARD_TEST_KERNEL_FIXTURE_CULPRIT_H */
