// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ways out of a container: of a network namespace of its own that is routed, masqueraded,
 * bridged or a macvlan of the uplink. Its root can do there whatever it likes. First without the
 * gate, as proof that the way is one; and what is allowed passes, wherever it comes from.
 */
#include "../kernel/fixture_far.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/ioctl.h>

#include "../kernel/fixture_trial.h"

#define MAIL "mail.service"
#define WEB "web.service"

/* The container. */

#define DEVICE "eth0"

static struct container {
	int netns, host; /* its network namespace, and that of the tests */
	char path[64];	 /* of netns */
	const char *address4, *address6;
	uint8_t mac[ETH_ALEN]; /* of what a frame of it goes to next */
} container = { .netns = -1, .host = -1 };

static void enter(int netns)
{
	assert_int_equal(setns(netns, CLONE_NEWNET), 0);
}

static void container_begin(void)
{
	container.host = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_true(container.host >= 0);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	container.netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_true(container.netns >= 0);
	assert_int_equal(net_device_up("lo"), 0);
	enter(container.host);
	snprintf(container.path, sizeof(container.path), "/proc/%d/fd/%d", getpid(),
		 container.netns);
}

/* In the container: a link's name and addresses, and the way on, if there is one. */
static void container_address(const char *address4, const char *address6, const char *gateway4,
			      const char *gateway6)
{
	container.address4 = address4;
	container.address6 = address6;
	enter(container.netns);
	assert_int_equal(net_change_address(DEVICE, address4, 24, NET_ADD), 0);
	assert_int_equal(net_change_address(DEVICE, address6, 64, NET_ADD), 0);
	assert_int_equal(net_device_up(DEVICE), 0);
	if (gateway4) {
		assert_int_equal(sh("ip route add default via %s", gateway4), 0);
		assert_int_equal(sh("ip route add default via %s", gateway6), 0);
	}
	enter(container.host);
}

static void read_mac(const char *device, uint8_t ret_mac[static ETH_ALEN])
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "" };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	assert_int_equal(ioctl(fd, SIOCGIFHWADDR, &request), 0);
	memcpy(ret_mac, request.ifr_hwaddr.sa_data, ETH_ALEN);
}

static void make_veth(void)
{
	assert_int_equal(sh("ip link add guest0 type veth peer name " DEVICE " netns %s",
			    container.path),
			 0);
	assert_int_equal(net_device_up("guest0"), 0);
}

static void far_route(const char *verb)
{
	enter(far_netns());
	sh("{ ip route %s 198.19.0.0/24 via " FAR_OUR4
	   "; ip route %s 2001:db8:19::/64 via " FAR_OUR6 "; } 2>/dev/null",
	   verb, verb);
	enter(container.host);
}

static void make_routed(void)
{
	make_veth();
	assert_int_equal(net_change_address("guest0", "198.19.0.1", 24, NET_ADD), 0);
	assert_int_equal(net_change_address("guest0", "2001:db8:19::1", 64, NET_ADD), 0);
	container_address("198.19.0.2", "2001:db8:19::2", "198.19.0.1", "2001:db8:19::1");
	read_mac("guest0", container.mac);
	far_route("add");
}

static void make_masqueraded(void)
{
	make_routed();
	far_route("del");
	assert_int_equal(sh("nft 'add table inet m; add chain inet m p { type nat hook postrouting "
			    "priority 100; }; add rule inet m p oifname " FAR_UPLINK
			    " masquerade'"),
			 0);
}

static void make_bridged(void)
{
	make_veth();
	assert_int_equal(sh("ip link add bridge0 type bridge && ip link set bridge0 up && "
			    "ip link set guest0 master bridge0 && "
			    "ip link set " FAR_UPLINK " master bridge0"),
			 0);
	container_address("198.18.0.77", "2001:db8:18::77", NULL, NULL);
	memcpy(container.mac, far_their_mac, ETH_ALEN);
}

static void make_macvlan(void)
{
	assert_int_equal(sh("ip link add link " FAR_UPLINK " name " DEVICE
			    " netns %s type macvlan mode bridge",
			    container.path),
			 0);
	container_address("198.18.0.78", "2001:db8:18::78", NULL, NULL);
	memcpy(container.mac, far_their_mac, ETH_ALEN);
}

/* The ways: each is a child_fn in the container, whose argument is the family. */

static int way_connect_port(int family, uint16_t port)
{
	const bool v4 = family == AF_INET;
	struct sockaddr_storage to;
	const socklen_t size =
		net_address(v4 ? FAR_THEIR4 : FAR_THEIR6, port, (struct sockaddr *)&to);
	const struct timeval patience = { .tv_sec = port == 25 ? 3 : 0, .tv_usec = 300000 };
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	/* A connect waits no longer than a send may: inet_wait_for_connect(). */
	r = fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) ||
			    connect(fd, (struct sockaddr *)&to, size)
		    ? errno
		    : 0;
	net_close_at_once(fd);
	return r;
}

static int way_connect(void *family)
{
	return setns(container.netns, CLONE_NEWNET) ? errno : way_connect_port(*(int *)family, 25);
}

/* Its root writes the rule, and takes it back. */
static int way_port_turned(void *family)
{
	const char *table = *(int *)family == AF_INET ? "ip" : "ip6";
	int r;

	if (setns(container.netns, CLONE_NEWNET))
		return errno;
	if (sh("nft 'add table %s t; add chain %s t o { type nat hook output priority -100; }; "
	       "add rule %s t o tcp dport 2526 dnat to :25'",
	       table, table, table))
		return ENOTSUP;
	r = way_connect_port(*(int *)family, 2526);
	sh("nft delete table %s t", table);
	return r;
}

struct syn {
	uint8_t bytes[128];
	size_t size, network;
};

/* Without TCP's checksum, which no gate looks at. */
static struct syn make_syn(int family)
{
	const bool v4 = family == AF_INET;
	struct syn syn = { .network = 14 };
	uint8_t *ip = syn.bytes + 14, *tcp = ip + (v4 ? 20 : 40);

	memcpy(syn.bytes, container.mac, ETH_ALEN);
	syn.bytes[ETH_ALEN] = 2; /* a bridge takes no frame from nobody */
	memcpy(syn.bytes + 12, v4 ? (uint8_t[]){ 0x08, 0x00 } : (uint8_t[]){ 0x86, 0xdd }, 2);
	if (v4) {
		struct iphdr header = { .version = 4,
					.ihl = 5,
					.tot_len = htons(40),
					.ttl = 64,
					.protocol = IPPROTO_TCP };
		uint32_t sum = 0;

		inet_pton(AF_INET, container.address4, &header.saddr);
		inet_pton(AF_INET, FAR_THEIR4, &header.daddr);
		for (size_t i = 0; i < 10; i++)
			sum += ((const uint16_t *)&header)[i];
		sum = (sum & 0xffff) + (sum >> 16);
		header.check = (uint16_t) ~((sum & 0xffff) + (sum >> 16));
		memcpy(ip, &header, sizeof(header));
	} else {
		ip[0] = 0x60;
		ip[5] = 20;
		ip[6] = IPPROTO_TCP;
		ip[7] = 64;
		inet_pton(AF_INET6, container.address6, ip + 8);
		inet_pton(AF_INET6, FAR_THEIR6, ip + 24);
	}
	tcp[0] = tcp[1] = 0x57;
	tcp[3] = 25;
	tcp[12] = 5 << 4;
	tcp[13] = 2;
	syn.size = (size_t)(tcp + 20 - syn.bytes);
	return syn;
}

static int send_frame(int family, bool bypass)
{
	const struct syn syn = make_syn(family);
	const struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(family == AF_INET ? ETH_P_IP : ETH_P_IPV6),
		.sll_ifindex = (int)if_nametoindex(DEVICE),
		.sll_halen = ETH_ALEN,
	};
	_cleanup_close_ int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	const int one = 1;

	if (fd < 0 ||
	    (bypass && setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one))))
		return errno;
	return sendto(fd, syn.bytes, syn.size, 0, (const struct sockaddr *)&to, sizeof(to)) < 0
		       ? errno
		       : 0;
}

static int way_packet(void *family)
{
	return setns(container.netns, CLONE_NEWNET) ? errno : send_frame(*(int *)family, false);
}

static int way_bypass(void *family)
{
	return setns(container.netns, CLONE_NEWNET) ? errno : send_frame(*(int *)family, true);
}

static int way_raw(void *family)
{
	const struct syn syn = make_syn(*(int *)family);
	struct sockaddr_storage to;
	socklen_t size;
	int fd;

	if (setns(container.netns, CLONE_NEWNET))
		return errno;
	size = net_address(*(int *)family == AF_INET ? FAR_THEIR4 : FAR_THEIR6, 0,
			   (struct sockaddr *)&to);
	/* Both with the header: IPPROTO_RAW. */
	fd = socket(*(int *)family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	return fd < 0 || sendto(fd, syn.bytes + 14, syn.size - 14, 0, (struct sockaddr *)&to,
				size) < 0
		       ? errno
		       : 0;
}

static const struct way_row {
	const char *name;
	int (*way)(void *family);
	bool mail_passes;
} ways[] = {
	{ "connect", way_connect, true },
	{ "port turned to 25", way_port_turned, false },
	{ "packet socket", way_packet, false },
	{ "packet socket past the queue", way_bypass, false },
	{ "raw socket", way_raw, false },
};

static void load_layer(const char *layer)
{
	cgroup_make(MAIL);
	cgroup_make(WEB);
	policy_load("%s\nallow cgroup /%s/" MAIL "\ndeny guest none0\n", layer, fixture.name);
}

static const int families[] = { AF_INET, AF_INET6 };

/* stopped: the layer stops the way; otherwise it has to be one. */
static void check_way(const char *place, const struct way_row *way, int family, bool stopped)
{
	const char *name = family == AF_INET ? "IPv4" : "IPv6";
	unsigned int syns;
	int r;

	far_syns();
	r = child_run(CHILD_IN(WEB), way->way, &family);
	syns = far_syns();
	if (way->way == way_connect ? r != EPERM || syns : !syns != stopped)
		fail_msg("%s, %s, %s: %u SYNs of the refused cgroup, which saw %s", place,
			 way->name, name, syns, strerror(r));
	if (!stopped)
		return;
	r = child_run(CHILD_IN(MAIL), way->way, &family);
	syns = far_syns();
	if (!syns != !way->mail_passes || (way->mail_passes && r))
		fail_msg("%s, %s, %s: %u SYNs of the allowed cgroup, which saw %s", place,
			 way->name, name, syns, strerror(r));
}

static void check_place(const char *place, const char *layer, bool stopped)
{
	load_layer(layer);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		for (size_t f = 0; f < ARRAY_SIZE(families); f++)
			check_way(place, &ways[i], families[f], stopped);
}

static int connect_26(void *family)
{
	return setns(container.netns, CLONE_NEWNET) ? errno : way_connect_port(*(int *)family, 26);
}

/* Until both ends have found each other. */
static void wait_for_way(const char *place)
{
	const int64_t deadline = clock_ms() + FIXTURE_PATIENCE;

	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		int family = families[f];

		while (child_run(CHILD(), connect_26, &family))
			if (!pause_until(deadline))
				fail_msg("%s: there is no way at all", place);
	}
}

static void check(const char *place, void (*make)(void))
{
	container_begin();
	make();
	wait_for_way(place);
	check_place(place, "packets off", false);
	check_place(place, "packets on\nuplink " FAR_UPLINK, true);
	/* In the container the gate is enough. */
	check_place(place, "packets on\nuplink " FAR_UPLINK "\nraw allow", true);
}

static void test_routed(void **state)
{
	check("routed", make_routed);
}

static void test_masqueraded(void **state)
{
	check("masqueraded", make_masqueraded);
}

static void test_bridged(void **state)
{
	check("bridged", make_bridged);
}

static void test_macvlan(void **state)
{
	check("macvlan", make_macvlan);
}

/* A router that answers for the far end until it knows that the near end is one. */
static void test_synproxy(void **state)
{
	int family = AF_INET;

	container_begin();
	make_routed();
	wait_for_way("routed");
	assert_int_equal(
		sh("nft 'add table ip s; add chain ip s p { type filter hook prerouting priority "
		   "-300; }; add chain ip s f { type filter hook forward priority 0; }; "
		   "add rule ip s p iifname guest0 tcp dport 25 tcp flags & (syn | ack) == syn "
		   "notrack; add rule ip s f tcp dport 25 ct state { invalid, untracked } "
		   "synproxy mss 1460 wscale 7 timestamp sack-perm' && "
		   "echo 0 >/proc/sys/net/netfilter/nf_conntrack_tcp_loose"),
		0);
	load_layer("packets on\nuplink " FAR_UPLINK);
	far_syns();
	assert_int_equal(child_run(CHILD_IN(MAIL), way_connect, &family), 0);
	/* Its own, to the far end. */
	for (int64_t deadline = clock_ms() + FIXTURE_PATIENCE; !far_syns();)
		assert_true(pause_until(deadline));
	assert_int_equal(child_run(CHILD_IN(WEB), way_connect, &family), EPERM);
	child_run(CHILD_IN(WEB), way_packet, &family);
	assert_int_equal(far_syns(), 0);
}

/* A proxy of this machine takes what the container sends: nothing leaves, and nothing is refused.
 */
static void test_redirected(void **state)
{
	container_begin();
	make_routed();
	wait_for_way("routed");
	assert_int_equal(sh("nft 'add table inet r; add chain inet r p { type nat hook prerouting "
			    "priority -100; }; add rule inet r p iifname guest0 tcp dport 25 "
			    "redirect to :2500'"),
			 0);
	load_layer("packets on\nuplink " FAR_UPLINK);
	far_syns();
	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		int family = families[f];

		assert_int_equal(child_run(CHILD_IN(MAIL), way_connect, &family), 0);
		assert_int_equal(child_run(CHILD_IN(WEB), way_connect, &family), EPERM);
	}
	assert_int_equal(far_syns(), 0);
}

static int setup(void **state)
{
	int r = far_group_setup(state);

	if (r)
		return r;
	return sh("echo 1 >/proc/sys/net/ipv4/ip_forward && "
		  "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding && "
		  "echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter");
}

/* What a test has made of all this, however it ended. */
static int tidy(void **state)
{
	far_route("del");
	sh("{ ip link delete guest0; ip link set " FAR_UPLINK " nomaster; ip link delete bridge0; "
	   "nft flush ruleset; } 2>/dev/null");
	cleanup_close(&container.netns);
	cleanup_close(&container.host);
	container.netns = container.host = -1;
	return fixture_tidy(state);
}

#define TEST(name) cmocka_unit_test_teardown(name, tidy)

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_routed),  TEST(test_masqueraded), TEST(test_bridged),
		TEST(test_macvlan), TEST(test_synproxy),    TEST(test_redirected),
	};

	return cmocka_run_group_tests_name("containers", tests, setup, far_group_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
