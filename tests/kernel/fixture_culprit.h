/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A culprit: a process that connects and is gone at once, with its cgroup and its parent, and the
 * facts that others know about it. The culprit is the test program again, as a copy at the path
 * that a test wants.
 */
#ifndef SMTPWARD_TEST_KERNEL_FIXTURE_CULPRIT_H
#define SMTPWARD_TEST_KERNEL_FIXTURE_CULPRIT_H

#include <time.h>

#include "fixture.h"

#define CULPRIT_ABOVE 7

/* The words of the deed "elsewhere": the second one begins a page. */
#define ELSEWHERE_WORD "perl\" comm=\"exim4"
#define ELSEWHERE_SCRIPT "/srv/x.pl"

/* The facts that others know. Shared with the processes in between. */
struct facts {
	pid_t pid, ppid;
	uint64_t netns, cgid;
	bool auid_set;
	time_t when;
};

struct crime {
	struct facts *facts;
	const char *cgroup;		  /* made for the crime and removed after it */
	const char *above[CULPRIT_ABOVE]; /* comm of the parent, and of the processes above it */
	const char *comm;		  /* the culprit's comm, if it does not exec */
	const char *exe;		  /* the file that it execs, or NULL */
	int exe_fd;			  /* execs this instead, if over 0 */
	const char *cwd;		  /* the culprit's working directory, or NULL */
	const char *const *words;	  /* the culprit's command line, or NULL */
	const char *deed;
	const char *deed_path;
	uid_t uid, euid;
	gid_t egid;
	bool own_netns;
};

/* main() of a test program with culprits. */
int culprit_main(int argc, char **argv, int (*tests)(void));

/* Asserts that the connect is refused with EPERM; no process or cgroup of the crime is left. */
void commit_and_vanish(struct crime *crime);

/* Starts a logger and reads the one line that there is. */
void read_one_line(enum log_sink sink, struct line *line);

uint64_t netns_number(void);

/* Copies this program. */
void copy_self(const char *path);
void copy_self_to(int to);

/* A path below our directory; valid for 31 more calls. */
const char *below_dir(const char *name);

/* A cgroup's path as lines have it; valid until the next call. */
const char *below_base(const char *name);

#endif /* SMTPWARD_TEST_KERNEL_FIXTURE_CULPRIT_H */
