/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The real world, as policy_source_system has it, for a limited time: a child does the lookups. A
 * lookup that has no answer in time, or that kills the child, is an error at its place in the
 * policy. A boot must not wait for a directory service or a file server that does not come.
 */
#ifndef SMTPWARD_LIMITED_SOURCE_H
#define SMTPWARD_LIMITED_SOURCE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/reason.h"
#include "policy/policy.h"

struct limited_source {
	struct policy_source source; /* for the parser; the userdata is this struct */
	int fd;			     /* to the child; -1 if it is not open */
	pid_t child;
	int64_t deadline_ms; /* CLOCK_MONOTONIC */
	int failed;	     /* the answer to every question from now on, or 0 */
};

#define LIMITED_SOURCE_CLOSED         \
	{                             \
		.fd = -1, .child = -1 \
	}

int limited_source_open(unsigned int seconds, struct limited_source *ret_limited,
			struct reason *reason);
void limited_source_close(struct limited_source *limited);

#endif /* SMTPWARD_LIMITED_SOURCE_H */
