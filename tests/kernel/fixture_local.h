/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host's addresses, and their keeper. The tests' own network namespace plays the host's: to
 * smtpward, process 1 is the test.
 */
#ifndef SMTPWARD_TEST_KERNEL_FIXTURE_LOCAL_H
#define SMTPWARD_TEST_KERNEL_FIXTURE_LOCAL_H

#include "fixture.h"

#define LEASE_MS ((int64_t)(SMTPWARD_LOCAL_LEASE_NS / 1000000))

/* "At once", on a machine that has something else to do as well. */
#define SOON_MS (2000 * fixture_slow())

/* Addresses that the namespace has, that a test adds, and that nobody has. */
#define KEPT4 NET_OUTSIDE4
#define KEPT6 NET_OUTSIDE6
#define ADDED4 "203.0.113.77"
#define ADDED6 "2001:db8:77::1"
#define NOBODYS4 "198.18.0.1"
#define NOBODYS6 "2001:db8:ffff::1"

/* Group setup: fixture_setup(), and process 1. */
int local_setup(void **state);

/*
 * local_reach(): the result of a connect to port 25. local_wait(): waits for this result, until ms
 * after begin at most.
 */
int local_reach(const char *to);
void local_wait(const char *to, int result, int64_t begin, int64_t ms);

/* Asserts status's exit status, and that its output has text. */
void local_status(int status, const char *text);

/* Addresses of lo, and local routes of IPv6; in a table other than RT_TABLE_LOCAL, too. */
void local_add(const char *address, uint8_t bits);
void local_remove(const char *address, uint8_t bits);
void local_route(const char *address, uint8_t bits, unsigned char table, bool more);

/*
 * smtpward local: the half that is root, and its messages. keeper_child() is the half without
 * rights.
 */
struct keeper {
	pid_t pid;
	int fd;
};

void keeper_start(struct keeper *keeper, child_fn before);
void keeper_start_at(struct keeper *keeper, const char *pins, child_fn before);
void keeper_says(const struct keeper *keeper, const char *what);
pid_t keeper_child(pid_t pid); /* 0: none */
void keeper_end(struct keeper *keeper);

/* Loads a policy, and starts a keeper for it that has begun to keep. */
void keeper_keep(struct keeper *keeper, const char *policy);

#define _cleanup_keeper_ _cleanup_(keeper_end) struct keeper

#endif /* SMTPWARD_TEST_KERNEL_FIXTURE_LOCAL_H */
