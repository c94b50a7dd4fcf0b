// SPDX-License-Identifier: GPL-2.0-only
/*
 * A network namespace whose loopback device has addresses of the outside world, a
 * process that listens on all of them, and an eye on the packets: a refused connect
 * must not have sent one, and an allowed one must not fail for want of a listener.
 */
#include "fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

static const struct {
	const char *address;
	uint8_t bits;
} addresses[] = {
	{ NET_OUTSIDE4, 32 },  { NET_OUTSIDE4_OTHER, 32 }, { "198.51.100.7", 32 },
	{ NET_OUTSIDE6, 128 }, { "2001:db8:1::9", 128 },
};

static const uint16_t ports[] = {
	25,   26,   587,  2500, 2501, 2502, 2503, 2504, 2505, 2506,
	2507, 2508, 2509, 2510, 2511, 2512, 2513, 2514, 2515,
};

static pid_t listener = -1;
static int wire = -1;

socklen_t net_address(const char *address, uint16_t port, struct sockaddr *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

	if (strchr(address, ':')) {
		*v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(port) };
		return inet_pton(AF_INET6, address, &v6->sin6_addr) == 1 ? sizeof(*v6) : 0;
	}
	*v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
	return inet_pton(AF_INET, address, &v4->sin_addr) == 1 ? sizeof(*v4) : 0;
}

void net_close_at_once(int fd)
{
	const struct linger none = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	close(fd);
}

int net_device_up(const char *device)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "" };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request))
		return -errno;
	request.ifr_flags |= IFF_UP | IFF_RUNNING;
	return ioctl(fd, SIOCSIFFLAGS, &request) ? -errno : 0;
}

struct new_address {
	struct nlmsghdr header;
	struct ifaddrmsg message;
	struct rtattr attribute;
	unsigned char address[16];
};

int net_request(void *request)
{
	_cleanup_close_ int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct nlmsghdr *header = request;
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
	} answer;

	header->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	if (netlink < 0 || send(netlink, request, header->nlmsg_len, 0) < 0 ||
	    recv(netlink, &answer, sizeof(answer), 0) < 0)
		return -errno;
	return answer.error.error;
}

int net_change_address(const char *device, const char *text, uint8_t bits, enum net_change change)
{
	const bool v6 = strchr(text, ':');
	const size_t size = v6 ? 16 : 4;
	struct new_address request = {
		.header = {
			.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifaddrmsg)) + RTA_LENGTH(size),
			.nlmsg_type = change == NET_REMOVE ? RTM_DELADDR : RTM_NEWADDR,
			.nlmsg_flags = change == NET_REMOVE ? 0 : NLM_F_CREATE | NLM_F_EXCL,
		},
		.message = {
			.ifa_family = v6 ? AF_INET6 : AF_INET,
			.ifa_prefixlen = bits,
			.ifa_flags = v6 && change == NET_ADD ? IFA_F_NODAD : 0,
			.ifa_index = if_nametoindex(device),
		},
		.attribute = { .rta_len = RTA_LENGTH(size), .rta_type = IFA_LOCAL },
	};

	if (inet_pton(v6 ? AF_INET6 : AF_INET, text, request.address) != 1)
		return -EINVAL;
	return net_request(&request);
}

/* Whether a datagram from the address to itself arrives. */
static bool address_works(const char *address)
{
	struct sockaddr_storage self;
	socklen_t size = net_address(address, 0, (struct sockaddr *)&self);
	_cleanup_close_ int fd = socket(self.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd arrival = { .fd = fd, .events = POLLIN };

	return !bind(fd, (struct sockaddr *)&self, size) &&
	       !getsockname(fd, (struct sockaddr *)&self, &size) &&
	       sendto(fd, "x", 1, 0, (struct sockaddr *)&self, size) == 1 &&
	       poll(&arrival, 1, 20) == 1;
}

/*
 * The kernel makes the local route of an IPv6 address in a work queue, a moment after
 * the address: until then a packet goes out and does not come in.
 */
static int wait_for_addresses(void)
{
	int64_t deadline = clock_ms() + FIXTURE_PATIENCE / 2;

	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++)
		while (!address_works(addresses[i].address))
			if (!pause_until(deadline))
				return -ETIMEDOUT;
	return 0;
}

static int add_addresses(void)
{
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(addresses) && !err; i++)
		err = net_change_address("lo", addresses[i].address, addresses[i].bits, NET_ADD);
	return err;
}

/* A missing sysctl shows up as a skip or a failure of the row that needs it. */
static void write_sysctl(const char *path, const char *value)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		fprintf(stderr, "# cannot write %s: %s\n", path, strerror(errno));
}

static int listen_on(uint16_t port)
{
	_cleanup_close_ int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	const int one = 1, queue = 64;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof(queue));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) || listen(fd, 1024))
		return -errno;
	return TAKE_FD(fd);
}

/*
 * Reads the data of the SYN before close(2): a reset for unread data may overtake the SYN-ACK on
 * another CPU, and then the connect is refused.
 */
static void hang_up(int fd)
{
	char early[64];

	while (recv(fd, early, sizeof(early), MSG_DONTWAIT) > 0)
		;
	close(fd);
}

static void serve(struct pollfd *fds)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		poll(fds, ARRAY_SIZE(ports), -1);
		for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
			int fd;

			while (fds[i].revents && (fd = accept(fds[i].fd, NULL, NULL)) >= 0)
				hang_up(fd);
		}
	}
}

/* A process of its own, in no cgroup of the tests, that accepts all connections. */
static int start_listener(void)
{
	struct pollfd fds[ARRAY_SIZE(ports)];

	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		fds[i] = (struct pollfd){ .fd = listen_on(ports[i]), .events = POLLIN };
		if (fds[i].fd < 0)
			return fds[i].fd;
	}
	listener = fork();
	if (!listener)
		serve(fds);
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
		close(fds[i].fd);
	return listener < 0 ? -errno : 0;
}

int net_up(bool listen)
{
	int err = net_device_up("lo");

	if (!err)
		err = add_addresses();
	if (!err)
		err = wait_for_addresses();
	if (!err && listen)
		err = start_listener();
	return err;
}

static void wire_open(void)
{
	struct sockaddr_ll lo = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	const int size = 4 << 20;

	wire = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
	assert_true(wire >= 0);
	lo.sll_ifindex = (int)if_nametoindex("lo");
	assert_int_equal(bind(wire, (struct sockaddr *)&lo, sizeof(lo)), 0);
	setsockopt(wire, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
}

void net_setup(void)
{
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	write_sysctl("/proc/sys/net/ipv4/tcp_fastopen", "3");
	write_sysctl("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
	assert_int_equal(net_up(true), 0);
	wire_open();
}

void net_teardown(void)
{
	if (listener > 0)
		kill(listener, SIGKILL);
	cleanup_close(&wire);
}

void wire_drain(void)
{
	wire_syns(0);
}

static const struct tcphdr *find_tcp(const void *packet, ssize_t size)
{
	const struct iphdr *v4 = packet;
	const struct ip6_hdr *v6 = packet;
	ssize_t at = -1;

	if (size >= (ssize_t)sizeof(*v4) && v4->version == 4 && v4->protocol == IPPROTO_TCP)
		at = v4->ihl * 4;
	else if (size >= (ssize_t)sizeof(*v6) && v4->version == 6 && v6->ip6_nxt == IPPROTO_TCP)
		at = sizeof(*v6);
	if (at < 0 || at + (ssize_t)sizeof(struct tcphdr) > size)
		return NULL;
	return (const struct tcphdr *)((const char *)packet + at);
}

/* The loopback device delivers before a send returns, so all sent packets are here. */
int wire_syns(uint16_t port)
{
	char packet[2048];
	ssize_t size;
	int n = 0;

	while ((size = recv(wire, packet, sizeof(packet), MSG_TRUNC)) >= 0) {
		const struct tcphdr *tcp =
			find_tcp(packet, size < (ssize_t)sizeof(packet) ? size : 2048);

		n += tcp && tcp->syn && !tcp->ack && ntohs(tcp->dest) == port;
	}
	return n;
}
