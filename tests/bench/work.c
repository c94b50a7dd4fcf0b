// SPDX-License-Identifier: GPL-2.0-only
/*
 * Timed work; see work.h.
 *
 * Both ends of every connection are in this one thread, and the devices between them
 * hand a packet over in the call that sends it: no figure has another process's turn in
 * it. A TCP socket whose connect failed can connect again, so one serves all calls that
 * fail, and only connect(2) is in their figure.
 */
#include "work.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"

#define BULK_CHUNK (64 << 10)
#define TRY_MS 200

uint64_t work_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int connect_to(const struct place *place, int fd, uint16_t port)
{
	const struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = place->server,
	};

	return connect(fd, (const struct sockaddr *)&to, sizeof(to)) ? errno : 0;
}

static int new_socket(int type)
{
	return socket(AF_INET, type | SOCK_CLOEXEC, 0);
}

/* Made where it is first used, in the cgroup that this process is in by then. */
static int socket_of(struct place *place, enum work_socket which)
{
	if (place->sockets[which] < 0)
		place->sockets[which] = new_socket(which == WORK_UDP ? SOCK_DGRAM : SOCK_STREAM);
	return place->sockets[which];
}

/* With a reset: a connection in TIME_WAIT would be in the way of later ones. */
static void close_hard(int fd)
{
	const struct linger linger = { .l_onoff = 1 };

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}

/* The works. */

static int refused(struct place *place)
{
	return connect_to(place, socket_of(place, WORK_TCP), WORK_GUARDED_PORT);
}

static int whole(const struct place *place, int type)
{
	int fd = new_socket(type);
	int error = connect_to(place, fd, WORK_GUARDED_PORT);

	close_hard(fd);
	return error;
}

static int attempt(struct place *place)
{
	return whole(place, SOCK_STREAM);
}

/* Where nothing ever answers. */
static int dropped(struct place *place)
{
	return whole(place, SOCK_STREAM | SOCK_NONBLOCK);
}

static int allowed(struct place *place)
{
	uint64_t start = work_now(), connected;
	int fd = new_socket(SOCK_STREAM), error;

	place->untimed_ns += work_now() - start;
	error = connect_to(place, fd, WORK_GUARDED_PORT);
	connected = work_now();
	if (!error)
		close_hard(accept(place->guarded, NULL, NULL));
	close_hard(fd);
	place->untimed_ns += work_now() - connected;
	return error;
}

static int other(struct place *place)
{
	return connect_to(place, socket_of(place, WORK_TCP), WORK_CLOSED_PORT);
}

static int udp(struct place *place)
{
	return connect_to(place, socket_of(place, WORK_UDP), WORK_GUARDED_PORT);
}

/* near, and then far behind it. */
static int make_connection(struct place *place, enum work_socket near)
{
	const enum work_socket far = near + 1;
	int error, on = 1;

	if (place->sockets[far] >= 0)
		return 0;
	if (near == WORK_INNER && setns(place->inner, CLONE_NEWNET))
		return errno;
	error = connect_to(place, socket_of(place, near), WORK_OTHER_PORT);
	if (near == WORK_INNER && setns(place->home, CLONE_NEWNET))
		return errno;
	if (error)
		return error;
	place->sockets[far] = accept(place->other, NULL, NULL);
	for (int i = near; i <= (int)far; i++)
		if (setsockopt(place->sockets[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)))
			return errno;
	return 0;
}

static int pass_on(int from, int to, char *data, size_t size)
{
	if (send(from, data, size, MSG_NOSIGNAL) != (ssize_t)size ||
	    recv(to, data, size, MSG_WAITALL) != (ssize_t)size)
		return errno ?: EIO;
	return 0;
}

static int there_and_back(struct place *place, enum work_socket near)
{
	char byte = 0;
	int error = make_connection(place, near);

	error = error ?: pass_on(place->sockets[near], place->sockets[near + 1], &byte, 1);
	return error ?: pass_on(place->sockets[near + 1], place->sockets[near], &byte, 1);
}

static int pingpong(struct place *place)
{
	return there_and_back(place, WORK_NEAR);
}

static int forward(struct place *place)
{
	return there_and_back(place, WORK_INNER);
}

static int bulk(struct place *place)
{
	static char data[BULK_CHUNK];
	int error = make_connection(place, WORK_NEAR);

	for (int i = 0; i < (1 << 20) / BULK_CHUNK && !error; i++)
		error = pass_on(place->sockets[WORK_NEAR], place->sockets[WORK_FAR], data,
				sizeof(data));
	return error;
}

static int connect_and_accept(struct place *place, uint16_t port, int listener)
{
	int fd = new_socket(SOCK_STREAM), error = connect_to(place, fd, port);

	if (!error)
		close_hard(accept(listener, NULL, NULL));
	close_hard(fd);
	return error;
}

static int accepted(struct place *place)
{
	return connect_and_accept(place, WORK_OTHER_PORT, place->other);
}

static int accepted25(struct place *place)
{
	return connect_and_accept(place, WORK_GUARDED_PORT, place->guarded);
}

static int sockopt(struct place *place)
{
	const int on = 1;

	return setsockopt(socket_of(place, WORK_TCP), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on))
		       ? errno
		       : 0;
}

static int make_cgroup(struct place *place)
{
	if (mkdirat(place->cgroup, "made.service", 0755) ||
	    unlinkat(place->cgroup, "made.service", AT_REMOVEDIR))
		return errno;
	return 0;
}

static const struct work works[] = {
	{ "refused", refused },	  { "attempt", attempt },   { "dropped", dropped },
	{ "allowed", allowed },	  { "other", other },	    { "udp", udp },
	{ "pingpong", pingpong }, { "bulk", bulk },	    { "cgroup", make_cgroup },
	{ "forward", forward },	  { "accepted", accepted }, { "accepted25", accepted25 },
	{ "sockopt", sockopt },
};

const struct work *work_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(works); i++)
		if (!strcmp(works[i].name, name))
			return &works[i];
	return NULL;
}

/* The place. */

static int listen_on(const struct place *place, uint16_t port)
{
	const struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = place->server,
	};
	_cleanup_close_ int fd = new_socket(SOCK_STREAM | SOCK_NONBLOCK);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) || listen(fd, 64))
		return -errno;
	return TAKE_FD(fd);
}

/* Instructions are another witness: what else runs takes time from us, but not these. */
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

int place_open(struct place *ret_place, const char *server, const char *away, const char *inner)
{
	*ret_place = (struct place){ .cgroup = -1 };
	memset(ret_place->sockets, -1, sizeof(ret_place->sockets));
	if (inet_pton(AF_INET, server, &ret_place->server) != 1)
		return -EINVAL;
	ret_place->instructions = open_instructions();
	ret_place->home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ret_place->away = open(away, O_RDONLY | O_CLOEXEC);
	ret_place->inner = open(inner, O_RDONLY | O_CLOEXEC);
	if (ret_place->inner < 0 || ret_place->home < 0 || ret_place->away < 0 ||
	    setns(ret_place->away, CLONE_NEWNET))
		return -errno;
	ret_place->guarded = listen_on(ret_place, WORK_GUARDED_PORT);
	ret_place->other = listen_on(ret_place, WORK_OTHER_PORT);
	if (setns(ret_place->home, CLONE_NEWNET))
		return -errno;
	return ret_place->guarded < 0 ? ret_place->guarded
	       : ret_place->other < 0 ? ret_place->other
				      : 0;
}

int place_enter(struct place *place, const char *cgroup, uid_t uid)
{
	_cleanup_close_ int members = -1;

	for (int i = 0; i < WORK_SOCKETS; i++) {
		close_hard(place->sockets[i]);
		place->sockets[i] = -1;
	}
	cleanup_close(&place->cgroup);
	place->uid = uid;
	place->cgroup = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (place->cgroup < 0)
		return -errno;
	members = openat(place->cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (members < 0 || write(members, "0", 1) != 1)
		return -errno;
	return 0;
}

/* Sockets belong to whom makes them; all else here takes root. */
static void become(uid_t uid)
{
	if (seteuid(uid))
		abort();
}

static uint64_t read_instructions(const struct place *place)
{
	uint64_t count;

	if (place->instructions < 0 ||
	    read(place->instructions, &count, sizeof(count)) != sizeof(count))
		return 0;
	return count;
}

void work_batch(struct place *place, const struct work *work, unsigned int units,
		struct cost *ret_cost)
{
	uint64_t instructions, start;
	int error;

	become(place->uid);
	error = work->run(place);
	place->untimed_ns = 0;
	instructions = read_instructions(place);
	start = work_now();
	for (unsigned int i = 0; i < units; i++)
		if (work->run(place) != error)
			error = -1;
	ret_cost->ns = (double)(work_now() - start - place->untimed_ns) / units;
	ret_cost->instructions = (double)(read_instructions(place) - instructions) / units;
	ret_cost->error = error;
	become(0);
}

uint64_t work_until(struct place *place, uint64_t end_ns)
{
	uint64_t calls = 0;

	do {
		for (int i = 0; i < 100; i++)
			if (refused(place) != EPERM)
				return 0;
		calls += 100;
	} while (work_now() < end_ns);
	return calls;
}

int work_try(struct place *place, uint16_t port, int *ret_reached)
{
	struct pollfd pollfd = { .events = POLLOUT };
	_cleanup_close_ int fd = -1;
	int error, taken;
	socklen_t size = sizeof(error);

	become(place->uid);
	pollfd.fd = fd = new_socket(SOCK_STREAM | SOCK_NONBLOCK);
	error = connect_to(place, fd, port);
	become(0);
	if (error == EINPROGRESS && poll(&pollfd, 1, TRY_MS) == 1)
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
	taken = accept(port == WORK_GUARDED_PORT ? place->guarded : place->other, NULL, NULL);
	*ret_reached = taken >= 0;
	close_hard(taken);
	return error;
}
