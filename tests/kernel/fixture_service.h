/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The log of the reader that is not root, as a service manager runs it: the test owns /dev/log and
 * the manager's socket. The test has loaded the policy for the reader, and made a cgroup
 * log.service.
 */
#ifndef SMTPWARD_TEST_KERNEL_FIXTURE_SERVICE_H
#define SMTPWARD_TEST_KERNEL_FIXTURE_SERVICE_H

#include "fixture.h"

struct service {
	struct log log;
	int syslog, manager;
};

void service_start(struct service *service, const char *option);

/* The two parts of service_start(): the sockets, and a child_fn. */
void service_listen(struct service *service);
int service_become(void *arg);

void service_close(struct service *service);

/* The next datagram that has needle; waits for it, and asserts that it comes. */
const char *service_wait(int fd, const char *needle);

#endif /* SMTPWARD_TEST_KERNEL_FIXTURE_SERVICE_H */
