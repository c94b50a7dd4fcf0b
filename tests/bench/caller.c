// SPDX-License-Identifier: GPL-2.0-only
/*
 * Timed calls; see caller.h.
 *
 * One socket serves all calls of a target: a TCP socket whose connect was reset or
 * refused can connect again, and so only connect(2) is in the figure; but for the
 * targets that are whole attempts. The address is
 * one of documentation's, on the loopback device of a network namespace of our own:
 * the packets of a connect that goes out meet a closed port there and nothing else.
 */
#include "caller.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"

#define ADDRESS "192.0.2.1"
#define BATCHES_MAX 1000

const char *const caller_target_names[CALLER_TARGETS] = {
	[CALLER_GUARDED] = "guarded",
	[CALLER_OTHER] = "other",
	[CALLER_UDP] = "udp",
	[CALLER_GUARDED_WHOLE] = "guarded-whole",
	[CALLER_OTHER_WHOLE] = "other-whole",
};

static const struct {
	int type;
	uint16_t port;
	bool whole;
} targets[CALLER_TARGETS] = {
	[CALLER_GUARDED] = { SOCK_STREAM, 25, false },
	[CALLER_OTHER] = { SOCK_STREAM, 26, false },
	[CALLER_UDP] = { SOCK_DGRAM, 25, false },
	[CALLER_GUARDED_WHOLE] = { SOCK_STREAM, 25, true },
	[CALLER_OTHER_WHOLE] = { SOCK_STREAM, 26, true },
};

uint64_t caller_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int set_flags(int fd, const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_UP | IFF_RUNNING };

	strcpy(request.ifr_name, name);
	return ioctl(fd, SIOCSIFFLAGS, &request) ? -errno : 0;
}

int caller_network_up(void)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "lo:1" };
	struct sockaddr_in address = { .sin_family = AF_INET };
	int err;

	if (fd < 0)
		return -errno;
	err = set_flags(fd, "lo");
	if (err)
		return err;
	inet_pton(AF_INET, ADDRESS, &address.sin_addr);
	memcpy(&request.ifr_addr, &address, sizeof(address));
	return ioctl(fd, SIOCSIFADDR, &request) ? -errno : 0;
}

/* Instructions are the second witness: another process takes time from us, but not these. */
static int open_instructions(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.exclude_hv = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static uint64_t read_instructions(const struct caller *caller)
{
	uint64_t count;

	if (caller->instructions < 0 ||
	    read(caller->instructions, &count, sizeof(count)) != sizeof(count))
		return 0;
	return count;
}

int caller_open(struct caller *ret_caller)
{
	for (int i = 0; i < CALLER_TARGETS; i++) {
		ret_caller->sockets[i] = socket(AF_INET, targets[i].type | SOCK_CLOEXEC, 0);
		if (ret_caller->sockets[i] < 0)
			return -errno;
	}
	ret_caller->instructions = open_instructions();
	return 0;
}

static struct sockaddr_in address_of(enum caller_target target)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(targets[target].port),
	};

	inet_pton(AF_INET, ADDRESS, &address.sin_addr);
	return address;
}

static int call_connect(int fd, const struct sockaddr_in *address)
{
	return connect(fd, (const struct sockaddr *)address, sizeof(*address)) ? errno : 0;
}

/* 0 or the errno of one call. */
static inline int call(const struct caller *caller, enum caller_target target,
		       const struct sockaddr_in *address)
{
	int fd, error;

	if (!targets[target].whole)
		return call_connect(caller->sockets[target], address);
	fd = socket(AF_INET, targets[target].type | SOCK_CLOEXEC, 0);
	error = fd < 0 ? errno : call_connect(fd, address);
	close(fd);
	return error;
}

static void time_batch(const struct caller *caller, enum caller_target target,
		       unsigned int calls, struct caller_cost *ret_cost)
{
	const struct sockaddr_in address = address_of(target);
	uint64_t instructions, start;
	int error = call(caller, target, &address);

	instructions = read_instructions(caller);
	start = caller_now();
	for (unsigned int i = 0; i < calls; i++)
		if (call(caller, target, &address) != error)
			error = -1;
	ret_cost->ns = (double)(caller_now() - start) / calls;
	ret_cost->instructions = (double)(read_instructions(caller) - instructions) / calls;
	ret_cost->error = error;
}

static int compare(const void *left, const void *right)
{
	const double a = *(const double *)left, b = *(const double *)right;

	return a < b ? -1 : a > b;
}

static double median(double *values, unsigned int n)
{
	qsort(values, n, sizeof(*values), compare);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

int caller_time(const struct caller *caller, enum caller_target target, unsigned int batches,
		unsigned int calls, void (*after)(void *userdata), void *userdata,
		struct caller_cost *ret_cost)
{
	double ns[BATCHES_MAX], instructions[BATCHES_MAX];
	int error = 0;

	if (!batches || batches > BATCHES_MAX || !calls)
		return -EINVAL;
	for (unsigned int i = 0; i < batches; i++) {
		struct caller_cost cost;

		time_batch(caller, target, calls, &cost);
		if (after)
			after(userdata);
		ns[i] = cost.ns;
		instructions[i] = cost.instructions;
		error = i && cost.error != error ? -1 : cost.error;
	}
	*ret_cost = (struct caller_cost){ median(ns, batches), median(instructions, batches), error };
	return 0;
}

uint64_t caller_until(const struct caller *caller, enum caller_target target, uint64_t end_ns)
{
	const struct sockaddr_in address = address_of(target);
	uint64_t calls = 0;

	do {
		for (int i = 0; i < 100; i++)
			call(caller, target, &address);
		calls += 100;
	} while (caller_now() < end_ns);
	return calls;
}
