// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ways out by devices of this machine that lead to the uplink, or that are one of another kind;
 * each is first shown to be a way.
 */
#include "../kernel/fixture_far.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "../kernel/fixture_trial.h"

#define MAIL "mail.service"
#define WEB "web.service"

static void load_layer(const char *layer)
{
	cgroup_make(MAIL);
	cgroup_make(WEB);
	policy_load("%s\nallow to 127.0.0.0/8, ::1\nallow cgroup /%s/" MAIL "\ndeny guest none0\n",
		    layer, fixture.name);
}

#define LAYER_OFF "packets off"
#define LAYER_ON "packets on\nuplink " FAR_UPLINK

struct syn {
	uint8_t bytes[128];
	size_t size;
};

/* A SYN from us to port 25 of a far address, without TCP's checksum. */
static struct syn make_syn(int family, const char *to)
{
	const bool v4 = family == AF_INET;
	uint8_t *ip, *tcp;
	struct syn syn = { .size = 14 };

	ip = syn.bytes + syn.size;
	tcp = ip + (v4 ? 20 : 40);
	memcpy(syn.bytes, far_their_mac, ETH_ALEN);
	syn.bytes[ETH_ALEN] = 2;
	memcpy(syn.bytes + 12, v4 ? (uint8_t[]){ 0x08, 0x00 } : (uint8_t[]){ 0x86, 0xdd }, 2);
	ip[0] = v4 ? 0x45 : 0x60;
	ip[v4 ? 3 : 5] = v4 ? 40 : 20;
	ip[v4 ? 9 : 6] = IPPROTO_TCP;
	ip[v4 ? 8 : 7] = 64;
	inet_pton(family, v4 ? FAR_OUR4 : FAR_OUR6, ip + (v4 ? 12 : 8));
	inet_pton(family, to, ip + (v4 ? 16 : 24));
	if (v4) {
		uint32_t sum = 0;

		for (int i = 0; i < 20; i += 2)
			sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
		sum = (sum & 0xffff) + (sum >> 16);
		ip[10] = (uint8_t)(~sum >> 8);
		ip[11] = (uint8_t)~sum;
	}
	tcp[0] = tcp[1] = 0x57;
	tcp[3] = 25;
	tcp[12] = 5 << 4;
	tcp[13] = 2;
	syn.size = (size_t)(tcp + 20 - syn.bytes);
	return syn;
}

static struct syn plain_syn(int family)
{
	return make_syn(family, family == AF_INET ? FAR_THEIR4 : FAR_THEIR6);
}

/* The ways: each is a child_fn, whose argument is the family. */

/* By a packet filter's rule, from another device: it is one end of a cable of our own. */
static int way_forwarded(void *family)
{
	const struct syn syn = plain_syn(*(int *)family);
	const struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_ifindex = (int)if_nametoindex("inner1"),
		.sll_halen = ETH_ALEN,
	};
	_cleanup_close_ int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	return fd < 0 || sendto(fd, syn.bytes, syn.size, 0, (const struct sockaddr *)&to,
				sizeof(to)) < 0
		       ? errno
		       : 0;
}

/* Opens the character device of the macvtap device tap0, and writes a frame to it. */
static int way_macvtap(void *family)
{
	const struct syn syn = plain_syn(*(int *)family);
	uint8_t bytes[10 + sizeof(syn.bytes)] = { 0 }; /* behind a struct virtio_net_hdr */
	_cleanup_close_ int fd = -1;
	unsigned int major, minor;
	char path[PATH_MAX];
	FILE *file;
	int n;

	snprintf(path, sizeof(path), "%s/sys/class/net/mvtap0/macvtap/tap%u/dev", fixture.dir,
		 if_nametoindex("mvtap0"));
	file = fopen(path, "re");
	if (!file)
		return errno;
	n = fscanf(file, "%u:%u", &major, &minor);
	fclose(file);
	snprintf(path, sizeof(path), "%s/tap", fixture.dir);
	unlink(path);
	if (n != 2 || mknod(path, S_IFCHR | 0600, makedev(major, minor)))
		return n != 2 ? EINVAL : errno;
	fd = open(path, O_RDWR | O_CLOEXEC);
	memcpy(bytes + 10, syn.bytes, syn.size);
	return fd < 0 || write(fd, bytes, 10 + syn.size) < 0 ? errno : 0;
}

#define XDP_FRAME 4096
#define XDP_FRAMES 4

/* A frame by AF_XDP in copy mode: xsk_generic_xmit(). */
static int way_xdp(void *family)
{
	const struct syn syn = plain_syn(*(int *)family);
	uint8_t *memory = mmap(NULL, XDP_FRAMES * XDP_FRAME, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	const struct xdp_umem_reg area = { .addr = (uint64_t)(uintptr_t)memory,
					   .len = XDP_FRAMES * XDP_FRAME,
					   .chunk_size = XDP_FRAME };
	const struct sockaddr_xdp address = { .sxdp_family = AF_XDP,
					      .sxdp_flags = XDP_COPY,
					      .sxdp_ifindex = far_uplink() };
	_cleanup_close_ int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct xdp_mmap_offsets offsets;
	socklen_t size = sizeof(offsets);
	const int n = XDP_FRAMES;
	uint8_t *ring;
	int r;

	if (fd < 0 || memory == MAP_FAILED ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &area, sizeof(area)) ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_FILL_RING, &n, sizeof(n)) ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &n, sizeof(n)) ||
	    setsockopt(fd, SOL_XDP, XDP_TX_RING, &n, sizeof(n)) ||
	    getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &size))
		return errno;
	ring = mmap(NULL, offsets.tx.desc + n * sizeof(struct xdp_desc), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_POPULATE, fd, XDP_PGOFF_TX_RING);
	if (ring == MAP_FAILED)
		return errno;
	/* An earlier socket leaves the device a moment after its close. */
	for (int i = 0; (r = bind(fd, (const struct sockaddr *)&address, sizeof(address))); i++)
		if (errno != EBUSY || i == 100 || usleep(20000))
			return errno;
	memcpy(memory, syn.bytes, syn.size);
	((struct xdp_desc *)(ring + offsets.tx.desc))[0].len = (uint32_t)syn.size;
	__atomic_store_n((uint32_t *)(ring + offsets.tx.producer), 1, __ATOMIC_RELEASE);
	return sendto(fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 ? errno : 0;
}

/* Everybody may connect to loopback; a rule behind all hooks of sockets turns that packet away. */
static int way_forged(void *family)
{
	const bool v4 = *(int *)family == AF_INET;
	struct sockaddr_storage to;
	const socklen_t size = net_address(v4 ? "127.0.0.5" : "::1", 25, (struct sockaddr *)&to);
	const struct timeval patience = { .tv_usec = 300000 };
	int fd = socket(*(int *)family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)))
		return errno;
	connect(fd, (struct sockaddr *)&to, size);
	net_close_at_once(fd);
	return 0;
}

#define NFT_BEGIN(hook, device)                                                                    \
	"nft 'add table netdev f; add chain netdev f c { type filter hook " hook " device " device \
	" priority 0; }; "

static int begin_forged(void)
{
	return sh(NFT_BEGIN("egress",
			    "lo") "add rule netdev f c ip daddr 127.0.0.5 tcp dport 25 "
				  "ip daddr set " FAR_THIRD4 " fwd to \"" FAR_UPLINK "\"; "
				  "add rule netdev f c ip6 daddr ::1 tcp dport 25 "
				  "ip6 daddr set " FAR_THIRD6 " fwd to \"" FAR_UPLINK "\"'");
}

static int begin_forwarded(void)
{
	return sh("ip link add inner0 type veth peer name inner1 && ip link set inner0 up && "
		  "ip link set inner1 up && " NFT_BEGIN(
			  "ingress",
			  "inner0") "add rule netdev f c tcp dport 25 fwd to \"" FAR_UPLINK "\"'");
}

/* /sys is that of the network namespace in which it was mounted. */
static int begin_macvtap(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/sys", fixture.dir);
	if ((mkdir(path, 0755) && errno != EEXIST) || mount("sysfs", path, "sysfs", 0, NULL))
		return -1;
	return sh("ip link add link " FAR_UPLINK " name mvtap0 type macvtap mode bridge && "
		  "ip link set mvtap0 up");
}

static int begin_nothing(void)
{
	return 0;
}

static const struct row {
	const char *name;
	int (*begin)(void);
	int (*way)(void *family);
	int refused; /* what the refused one sees; -1: whatever */
} rows[] = {
	{ "nft fwd", begin_forwarded, way_forwarded, -1 },
	{ "macvtap", begin_macvtap, way_macvtap, -1 },
	{ "AF_XDP", begin_nothing, way_xdp, EPERM },
	{ "nft egress turns what was allowed to loopback", begin_forged, way_forged, -1 },
};

static const int families[] = { AF_INET, AF_INET6 };

static void check_row(const struct row *row, const char *cgroup, bool open)
{
	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		int family = families[f], r;
		unsigned int syns;

		far_syns();
		r = child_run(CHILD_IN(cgroup), row->way, &family);
		syns = far_syns();
		if (!syns == open || (!open && row->refused >= 0 && r != row->refused))
			fail_msg("%s, %s, %s: %u SYNs; the sender saw %s", row->name, cgroup,
				 family == AF_INET ? "IPv4" : "IPv6", syns, strerror(r));
	}
}

static int clean(void **state)
{
	char path[PATH_MAX];

	sh("{ nft flush ruleset; ip link delete inner0; ip link delete mvtap0; "
	   "ip link delete wan0.v7; ip link delete ipip7; } 2>/dev/null");
	snprintf(path, sizeof(path), "%s/sys", fixture.dir);
	umount2(path, MNT_DETACH);
	return fixture_tidy(state);
}

static void test_ways(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].begin())
			fail_msg("%s: cannot be set up", rows[i].name);
		load_layer(LAYER_OFF);
		check_row(&rows[i], WEB, true);
		load_layer(LAYER_ON);
		check_row(&rows[i], WEB, false);
		check_row(&rows[i], MAIL, false);
		clean(NULL);
	}
}

/* A device without frames as uplink: what is routed into it is read from its descriptor. */

#define TUN "tunup0"

static int tun_syns(int fd)
{
	uint8_t packet[2048];
	ssize_t size;
	int n = 0;

	while ((size = read(fd, packet, sizeof(packet))) > 0) {
		const uint8_t *tcp = packet + (packet[0] >> 4 == 4 ? 20 : 40);

		n += tcp + 14 <= packet + size && !tcp[2] && tcp[3] == 25 && (tcp[13] & 0x12) == 2;
	}
	return n;
}

static int connect_in_vain(void *family)
{
	const bool v4 = *(int *)family == AF_INET;
	struct sockaddr_storage to;
	const socklen_t size =
		net_address(v4 ? "198.19.1.9" : "2001:db8:191::9", 25, (struct sockaddr *)&to);
	_cleanup_close_ int fd =
		socket(*(int *)family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 || connect(fd, (struct sockaddr *)&to, size) ? errno : 0;
}

/* What a packet socket hands to such a device is the packet itself. */
static int packet_to_tun(void *family)
{
	const struct syn syn = make_syn(
		*(int *)family, *(int *)family == AF_INET ? "198.19.1.9" : "2001:db8:191::9");
	const struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(*(int *)family == AF_INET ? ETH_P_IP : ETH_P_IPV6),
		.sll_ifindex = (int)if_nametoindex(TUN),
	};
	_cleanup_close_ int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	return fd < 0 || sendto(fd, syn.bytes + 14, syn.size - 14, 0, (const struct sockaddr *)&to,
				sizeof(to)) < 0
		       ? errno
		       : 0;
}

static void test_tun_as_uplink(void **state)
{
	struct ifreq request = { .ifr_name = TUN, .ifr_flags = IFF_TUN | IFF_NO_PI };
	_cleanup_close_ int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, TUNSETIFF, &request), 0);
	assert_int_equal(net_change_address(TUN, "198.19.1.1", 24, NET_ADD), 0);
	assert_int_equal(net_change_address(TUN, "2001:db8:191::1", 64, NET_ADD), 0);
	assert_int_equal(net_device_up(TUN), 0);
	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		int family = families[f];

		load_layer(LAYER_OFF);
		tun_syns(fd);
		child_run(CHILD_IN(WEB), packet_to_tun, &family);
		assert_int_equal(tun_syns(fd), 1);
		load_layer(LAYER_ON ", " TUN);
		child_run(CHILD_IN(WEB), packet_to_tun, &family);
		child_run(CHILD_IN(MAIL), packet_to_tun, &family);
		assert_int_equal(child_run(CHILD_IN(WEB), connect_in_vain, &family), EPERM);
		assert_int_equal(tun_syns(fd), 0);
		assert_int_equal(child_run(CHILD_IN(MAIL), connect_in_vain, &family), EINPROGRESS);
		assert_int_not_equal(tun_syns(fd), 0);
	}
}

#define TEST(name) cmocka_unit_test_teardown(name, clean)

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ways),
		TEST(test_tun_as_uplink),
	};

	return cmocka_run_group_tests_name("devices", tests, far_group_setup, far_group_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
