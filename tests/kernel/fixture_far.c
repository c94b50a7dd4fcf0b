// SPDX-License-Identifier: GPL-2.0-only
/* The other machine; see fixture_far.h. */
#include "fixture_far.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdarg.h>
#include <sched.h>
#include <sys/ioctl.h>

#define FAR_DEVICE "far0"

uint8_t far_our_mac[ETH_ALEN], far_their_mac[ETH_ALEN];

static const uint16_t ports[] = { 25, 26, 2526 };

static int listeners[2 * ARRAY_SIZE(ports)];
static int wire = -1;
static int netns = -1;

/* A request that grows. */
struct request {
	struct nlmsghdr header;
	struct ifinfomsg message;
	char attributes[512];
};

static struct rtattr *request_add(struct request *request, unsigned short type, const void *data,
				  size_t size)
{
	struct rtattr *attribute =
		(struct rtattr *)((char *)request + NLMSG_ALIGN(request->header.nlmsg_len));

	attribute->rta_type = type;
	attribute->rta_len = RTA_LENGTH(size);
	if (data)
		memcpy(RTA_DATA(attribute), data, size);
	request->header.nlmsg_len =
		NLMSG_ALIGN(request->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len);
	return attribute;
}

static void request_end(const struct request *request, struct rtattr *attribute)
{
	attribute->rta_len = (char *)request + request->header.nlmsg_len - (char *)attribute;
}

/* Makes the cable: our end in the network namespace of the descriptor, theirs in the present one.
 */
static int make_cable(int our_netns)
{
	static const struct ifinfomsg nothing;
	struct request request = {
		.header = {
			.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
			.nlmsg_type = RTM_NEWLINK,
			.nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL,
		},
	};
	struct rtattr *info, *data, *peer;

	request_add(&request, IFLA_IFNAME, FAR_DEVICE, sizeof(FAR_DEVICE));
	info = request_add(&request, IFLA_LINKINFO, NULL, 0);
	request_add(&request, IFLA_INFO_KIND, "veth", strlen("veth"));
	data = request_add(&request, IFLA_INFO_DATA, NULL, 0);
	peer = request_add(&request, VETH_INFO_PEER, &nothing, sizeof(nothing));
	request_add(&request, IFLA_IFNAME, FAR_UPLINK, sizeof(FAR_UPLINK));
	request_add(&request, IFLA_NET_NS_FD, &our_netns, sizeof(our_netns));
	request_end(&request, peer);
	request_end(&request, data);
	request_end(&request, info);
	return net_request(&request);
}

static void read_mac(const char *device, uint8_t ret_mac[static ETH_ALEN])
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "" };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	assert_int_equal(ioctl(fd, SIOCGIFHWADDR, &request), 0);
	memcpy(ret_mac, request.ifr_hwaddr.sa_data, ETH_ALEN);
}

/* A listener accepts nothing: its queue completes the connections. */
static int open_listener(int family, uint16_t port)
{
	const struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	const struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	const int one = 1;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (family == AF_INET6)
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)), 0);
	assert_int_equal(bind(fd,
			      family == AF_INET ? (const struct sockaddr *)&v4
						: (const struct sockaddr *)&v6,
			      family == AF_INET ? sizeof(v4) : sizeof(v6)),
			 0);
	assert_int_equal(listen(fd, 4096), 0);
	return fd;
}

static void add_address(const char *device, const char *address)
{
	assert_int_equal(
		net_change_address(device, address, strchr(address, ':') ? 64 : 24, NET_ADD), 0);
}

static void set_up_theirs(int our_netns)
{
	assert_int_equal(net_device_up("lo"), 0);
	assert_int_equal(make_cable(our_netns), 0);
	add_address(FAR_DEVICE, FAR_THEIR4);
	add_address(FAR_DEVICE, FAR_THEIR6);
	add_address(FAR_DEVICE, FAR_OTHER4);
	add_address(FAR_DEVICE, FAR_OTHER6);
	add_address(FAR_DEVICE, FAR_THIRD4);
	add_address(FAR_DEVICE, FAR_THIRD6);
	assert_int_equal(net_device_up(FAR_DEVICE), 0);
	read_mac(FAR_DEVICE, far_their_mac);
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		listeners[2 * i] = open_listener(AF_INET, ports[i]);
		listeners[2 * i + 1] = open_listener(AF_INET6, ports[i]);
	}
	netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_true(netns >= 0);
	wire = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
	assert_true(wire >= 0);
}

void far_setup(void)
{
	_cleanup_close_ int ours = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	assert_true(ours >= 0);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	set_up_theirs(ours);
	assert_int_equal(setns(ours, CLONE_NEWNET), 0);
	add_address(FAR_UPLINK, FAR_OUR4);
	add_address(FAR_UPLINK, FAR_OUR6);
	assert_int_equal(net_device_up(FAR_UPLINK), 0);
	read_mac(FAR_UPLINK, far_our_mac);
}

/* The namespace goes with the last of its sockets, and the cable with the namespace. */
void far_teardown(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(listeners); i++)
		cleanup_close(&listeners[i]);
	cleanup_close(&wire);
	cleanup_close(&netns);
}

void far_wait_gone(void)
{
	const int64_t deadline = clock_ms() + FIXTURE_PATIENCE;

	while (far_uplink())
		assert_true(pause_until(deadline));
}

void far_wait_up(void)
{
	const int64_t deadline = clock_ms() + FIXTURE_PATIENCE;
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = FAR_UPLINK };

	do
		assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &request), 0);
	while (!(request.ifr_flags & IFF_RUNNING) && pause_until(deadline));
	assert_true(request.ifr_flags & IFF_RUNNING);
}

uint32_t far_uplink(void)
{
	return if_nametoindex(FAR_UPLINK);
}

int far_netns(void)
{
	return netns;
}

/* Whether a frame without tags and options begins a connection to port 25. */
static bool is_syn(const uint8_t *frame, size_t size)
{
	const bool v4 = frame[12] == 0x08 && !frame[13] && frame[23] == IPPROTO_TCP;
	const bool v6 = frame[12] == 0x86 && frame[13] == 0xdd && frame[20] == IPPROTO_TCP;
	const uint8_t *tcp = frame + 14 + (v4 ? 20 : 40);

	if ((!v4 && !v6) || tcp + 14 > frame + size)
		return false;
	return !tcp[2] && tcp[3] == 25 && (tcp[13] & 0x12) == 0x02;
}

unsigned int far_syns(void)
{
	unsigned int n = 0;
	uint8_t frame[2048];
	ssize_t size;

	while ((size = recv(wire, frame, sizeof(frame), 0)) >= 0)
		n += size >= 34 && is_syn(frame, (size_t)size);
	assert_int_equal(errno, EAGAIN);
	return n;
}

unsigned int far_frames(void)
{
	static const uint8_t ports_of_ours[] = { FAR_SOURCE_PORT >> 8, FAR_SOURCE_PORT & 0xff, 0,
						 25 };
	unsigned int n = 0;
	char frame[2048];
	ssize_t size;

	while ((size = recv(wire, frame, sizeof(frame), 0)) >= 0)
		n += memmem(frame, (size_t)size, ports_of_ours, sizeof(ports_of_ours)) != NULL;
	assert_int_equal(errno, EAGAIN);
	return n;
}

int far_group_setup(void **state)
{
	int r = fixture_setup(state);

	if (!r)
		far_setup();
	return r;
}

int far_group_teardown(void **state)
{
	far_teardown();
	return fixture_teardown(state);
}

int sh(const char *format, ...)
{
	char command[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return system(command);
}
