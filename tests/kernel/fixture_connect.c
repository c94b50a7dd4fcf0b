// SPDX-License-Identifier: GPL-2.0-only
/*
 * All ways for a process to make the kernel open a connection. Each way returns 0 or the errno
 * that the program would see; -errno means that the kernel lacks the way, which is a skip and no
 * result.
 */
#include "fixture.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#ifndef AF_SMC
#define AF_SMC 43
#endif

struct target {
	struct sockaddr_storage address;
	socklen_t size;
	int family;
};

static int target_set(struct target *target, const char *to, uint16_t port)
{
	target->size = net_address(to, port, (struct sockaddr *)&target->address);
	target->family = target->address.ss_family;
	return target->size ? 0 : -EINVAL;
}

static int call(int fd, const struct target *target)
{
	return connect(fd, (const struct sockaddr *)&target->address, target->size) ? errno : 0;
}

static int open_stream(const struct target *target, int flags)
{
	int fd = socket(target->family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	return fd < 0 ? -errno : fd;
}

static void cleanup_socket(int *fd)
{
	if (*fd >= 0)
		net_close_at_once(*fd);
}

#define _cleanup_socket_ _cleanup_(cleanup_socket)

static int way_connect(const struct target *target)
{
	_cleanup_socket_ int fd = open_stream(target, 0);

	return fd < 0 ? fd : call(fd, target);
}

static int way_nonblock(const struct target *target)
{
	_cleanup_socket_ int fd = open_stream(target, SOCK_NONBLOCK);
	struct pollfd wait = { .fd = fd, .events = POLLOUT };
	int err = fd < 0 ? -fd : call(fd, target);
	socklen_t size = sizeof(err);

	if (err != EINPROGRESS)
		return err;
	if (poll(&wait, 1, FIXTURE_PATIENCE / 2) != 1)
		return ETIME;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size) ? errno : err;
}

/* Refused, refused again, and then the socket still works: any other outcome is EBADE. */
static int way_again(const struct target *target)
{
	_cleanup_socket_ int fd = open_stream(target, 0);
	struct target harmless = *target;
	int first = fd < 0 ? -fd : call(fd, target);

	if (!first)
		return 0;
	((struct sockaddr_in *)&harmless.address)->sin_port = htons(26); /* same offset in v6 */
	if (call(fd, target) != first || call(fd, &harmless))
		return EBADE;
	return first;
}

/* ECONNRESET is success: the listener closes at once, and resets a connection with unread data. */
static int sent_early(void)
{
	return errno == ECONNRESET ? 0 : errno;
}

static int way_fastopen(const struct target *target)
{
	_cleanup_socket_ int fd = open_stream(target, 0);

	if (fd < 0)
		return fd;
	if (sendto(fd, "EHLO", 4, MSG_FASTOPEN | MSG_NOSIGNAL,
		   (const struct sockaddr *)&target->address, target->size) == 4)
		return 0;
	return errno == EOPNOTSUPP ? -errno : sent_early();
}

/* With a cookie connect(2) only stores the address: the write(2) connects. */
static int way_fastopen_connect(const struct target *target)
{
	_cleanup_socket_ int fd = open_stream(target, 0);
	const int one = 1;
	int err;

	if (fd < 0)
		return fd;
	if (setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof(one)))
		return -errno;
	err = call(fd, target);
	if (err)
		return err;
	return send(fd, "EHLO", 4, MSG_NOSIGNAL) == 4 ? 0 : sent_early();
}

static int way_mptcp(const struct target *target)
{
	_cleanup_socket_ int fd = socket(target->family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);

	return fd < 0 ? -errno : call(fd, target);
}

static int way_uring(const struct target *target, bool async, bool sqpoll)
{
	_cleanup_socket_ int fd = open_stream(target, 0);

	return fd < 0 ? fd : uring_connect(fd, &target->address, target->size, async, sqpoll);
}

static int way_uring_plain(const struct target *target)
{
	return way_uring(target, false, false);
}

static int way_uring_async(const struct target *target)
{
	return way_uring(target, true, false);
}

static int way_uring_sqpoll(const struct target *target)
{
	return way_uring(target, false, true);
}

/* A socket under repair connects without a packet. */
static int way_repair(const struct target *target)
{
	_cleanup_socket_ int fd = open_stream(target, 0);
	const int one = 1;

	if (fd < 0)
		return fd;
	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &one, sizeof(one)))
		return -errno;
	return call(fd, target);
}

static int way_unspec_first(const struct target *target)
{
	_cleanup_socket_ int fd = open_stream(target, 0);
	const struct sockaddr unspec = { .sa_family = AF_UNSPEC };

	if (fd < 0)
		return fd;
	if (connect(fd, &unspec, sizeof(unspec)))
		return EBADE;
	return call(fd, target);
}

static int way_self(const struct target *target)
{
	_cleanup_socket_ int fd = open_stream(target, 0);

	if (fd < 0)
		return fd;
	if (bind(fd, (const struct sockaddr *)&target->address, target->size))
		return EBADE;
	return call(fd, target);
}

static int way_bound_mapped(const struct target *target)
{
	_cleanup_socket_ int fd = open_stream(target, 0);
	struct sockaddr_storage address;
	socklen_t size = net_address("::ffff:127.0.0.1", 0, (struct sockaddr *)&address);

	if (fd < 0)
		return fd;
	if (bind(fd, (const struct sockaddr *)&address, size))
		return EBADE;
	return call(fd, target);
}

static int way_udp(const struct target *target)
{
	_cleanup_close_ int fd = socket(target->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : call(fd, target);
}

static int way_udp_sendto(const struct target *target)
{
	_cleanup_close_ int fd = socket(target->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	return sendto(fd, "x", 1, 0, (const struct sockaddr *)&target->address, target->size) == 1
		       ? 0
		       : errno;
}

static int way_icmp(const struct target *target)
{
	const bool v6 = target->family == AF_INET6;
	_cleanup_close_ int fd = socket(target->family, SOCK_DGRAM | SOCK_CLOEXEC,
					v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);

	return fd < 0 ? -errno : call(fd, target);
}

static int way_raw(const struct target *target)
{
	_cleanup_close_ int fd = socket(target->family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);

	return fd < 0 ? -errno : call(fd, target);
}

/* SMC falls back to TCP, on a socket that the kernel made for itself. */
static int way_smc(const struct target *target)
{
	_cleanup_socket_ int fd =
		socket(AF_SMC, SOCK_STREAM | SOCK_CLOEXEC, target->family == AF_INET6);

	return fd < 0 ? -errno : call(fd, target);
}

static int way_other_netns(const struct target *target)
{
	int err = unshare(CLONE_NEWNET) ? -errno : net_up(true);

	return err ? err : way_connect(target);
}

static int (*const ways[])(const struct target *target) = {
	[WAY_CONNECT] = way_connect,
	[WAY_NONBLOCK] = way_nonblock,
	[WAY_AGAIN] = way_again,
	[WAY_FASTOPEN] = way_fastopen,
	[WAY_FASTOPEN_CONNECT] = way_fastopen_connect,
	[WAY_MPTCP] = way_mptcp,
	[WAY_URING] = way_uring_plain,
	[WAY_URING_ASYNC] = way_uring_async,
	[WAY_URING_SQPOLL] = way_uring_sqpoll,
	[WAY_REPAIR] = way_repair,
	[WAY_UNSPEC_FIRST] = way_unspec_first,
	[WAY_SELF] = way_self,
	[WAY_BOUND_MAPPED] = way_bound_mapped,
	[WAY_UDP] = way_udp,
	[WAY_UDP_SENDTO] = way_udp_sendto,
	[WAY_ICMP] = way_icmp,
	[WAY_RAW] = way_raw,
	[WAY_SMC] = way_smc,
	[WAY_OTHER_NETNS] = way_other_netns,
};

int attempt(void *userdata)
{
	const struct attempt *attempt = userdata;
	struct target target;
	int err = target_set(&target, attempt->to, attempt->port);

	return err ? err : ways[attempt->way](&target);
}

int attempt_in(const char *cgroup, const char *to, uint16_t port)
{
	struct attempt connect = { .way = WAY_CONNECT, .to = to, .port = port };

	return child_run(CHILD_IN(cgroup), attempt, &connect);
}
