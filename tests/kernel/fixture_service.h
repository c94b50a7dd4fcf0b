/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The log of the reader that is not root, as a service manager runs it: /dev/log and the
 * manager's socket are the test's. The policy was loaded for the reader, and there is a
 * cgroup log.service.
 */
#ifndef SMTPWARD_TEST_KERNEL_FIXTURE_SERVICE_H
#define SMTPWARD_TEST_KERNEL_FIXTURE_SERVICE_H

#include "fixture.h"

struct service {
	struct log log;
	int syslog, manager;
};

void service_start(struct service *service, const char *option);

/* The two of which it is made: the sockets, and a child_fn. */
void service_listen(struct service *service);
int service_become(void *arg);

void service_close(struct service *service);

/* The next datagram with needle in it; waits for it, asserts that it comes. */
const char *service_wait(int fd, const char *needle);

#endif /* SMTPWARD_TEST_KERNEL_FIXTURE_SERVICE_H */
