// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ways of a packet out of this machine, each from a cgroup that the policy refuses and from one
 * that it allows. What comes out of the cable decides: first without the second layer, as proof
 * that the way is one, then with it.
 */
#include "../kernel/fixture_far.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include "../kernel/fixture_trial.h"

#define MAIL "mail.service"
#define WEB "web.service"

#define SOL_XDP 283
#define XDP_UMEM_REG 4
#define SOL_PACKET_LEVEL 263
#define QDISC_BYPASS 20

/* Frames. A child builds them, and asserts nothing. */

struct frame {
	uint8_t bytes[512];
	size_t size;
};

static void frame_add(struct frame *frame, const void *bytes, size_t size)
{
	memcpy(frame->bytes + frame->size, bytes, size);
	frame->size += size;
}

static void frame_add_type(struct frame *frame, uint16_t type)
{
	const uint16_t bytes = htons(type);

	frame_add(frame, &bytes, sizeof(bytes));
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static uint32_t sum_of(const void *bytes, size_t size)
{
	const uint8_t *at = bytes;
	uint32_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
	return sum;
}

/* The first packet of a connection to a port of FAR_THEIR4 or FAR_THEIR6. */
static struct tcphdr tcp_of(int family, uint16_t port)
{
	struct tcphdr tcp = {
		.source = htons(FAR_SOURCE_PORT),
		.dest = htons(port),
		.seq = htonl(0x53574154),
		.doff = sizeof(tcp) / 4,
		.syn = 1,
		.window = htons(1024),
	};
	uint8_t addresses[32];
	const size_t size = family == AF_INET ? 4 : 16;

	inet_pton(family, family == AF_INET ? FAR_OUR4 : FAR_OUR6, addresses);
	inet_pton(family, family == AF_INET ? FAR_THEIR4 : FAR_THEIR6, addresses + size);
	tcp.check = htons(fold(sum_of(addresses, 2 * size) + IPPROTO_TCP + sizeof(tcp) +
			       sum_of(&tcp, sizeof(tcp))));
	return tcp;
}

/* fragment: of IPv4's header, as it stands there. options: so many bytes of no operation. */
static void frame_add_ipv4(struct frame *frame, uint16_t fragment, size_t options, size_t size)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = (sizeof(ip) + options) / 4,
		.tot_len = htons(sizeof(ip) + options + size),
		.id = htons(1),
		.frag_off = htons(fragment),
		.ttl = 64,
		.protocol = IPPROTO_TCP,
	};
	uint8_t none[40];

	memset(none, 1, sizeof(none));
	inet_pton(AF_INET, FAR_OUR4, &ip.saddr);
	inet_pton(AF_INET, FAR_THEIR4, &ip.daddr);
	ip.check = htons(fold(sum_of(&ip, sizeof(ip)) + sum_of(none, options)));
	frame_add(frame, &ip, sizeof(ip));
	frame_add(frame, none, options);
}

static void frame_add_ipv6(struct frame *frame, uint8_t next, size_t size)
{
	struct ip6_hdr ip = { .ip6_plen = htons(size), .ip6_nxt = next };

	/* One union with the members before. */
	ip.ip6_vfc = 0x60;
	ip.ip6_hlim = 64;
	inet_pton(AF_INET6, FAR_OUR6, &ip.ip6_src);
	inet_pton(AF_INET6, FAR_THEIR6, &ip.ip6_dst);
	frame_add(frame, &ip, sizeof(ip));
}

static void frame_add_syn(struct frame *frame, int family, uint16_t port)
{
	const struct tcphdr tcp = tcp_of(family, port);

	if (family == AF_INET)
		frame_add_ipv4(frame, 0, 0, sizeof(tcp));
	else
		frame_add_ipv6(frame, IPPROTO_TCP, sizeof(tcp));
	frame_add(frame, &tcp, sizeof(tcp));
}

static struct frame frame_begin(void)
{
	struct frame frame = { .size = 0 };

	frame_add(&frame, far_their_mac, ETH_ALEN);
	frame_add(&frame, far_our_mac, ETH_ALEN);
	return frame;
}

/* protocol: what the sender says that the frame is. bypass: past the queueing discipline. */
static int frame_send_as(const struct frame *frame, uint16_t protocol, bool bypass)
{
	const struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(protocol),
		.sll_ifindex = (int)far_uplink(),
		.sll_halen = ETH_ALEN,
	};
	_cleanup_close_ int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	const int one = 1;

	if (fd < 0 || (bypass && setsockopt(fd, SOL_PACKET_LEVEL, QDISC_BYPASS, &one, sizeof(one))))
		return errno;
	return sendto(fd, frame->bytes, frame->size, 0, (const struct sockaddr *)&to, sizeof(to)) <
			       0
		       ? errno
		       : 0;
}

static int frame_send(const struct frame *frame)
{
	return frame_send_as(frame, ETH_P_IP, false);
}

/* The ways: each is a child_fn, whose argument is the family. */

/* from: the address of ours that the socket is bound to, or any. */
static int way_connect_to(const char *from, const char *to, uint16_t port)
{
	struct sockaddr_storage address, own;
	const socklen_t size = net_address(to, port, (struct sockaddr *)&address);
	const struct timeval patience = { .tv_usec = 500000 };
	const int one = 1;
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	if (fd < 0 || net_address(from, FAR_SOURCE_PORT, (struct sockaddr *)&own) != size)
		return errno;
	/* A connect waits no longer than a send may: inet_wait_for_connect(). */
	r = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
			    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) ||
			    bind(fd, (struct sockaddr *)&own, size) ||
			    connect(fd, (struct sockaddr *)&address, size)
		    ? errno
		    : 0;
	net_close_at_once(fd);
	return r;
}

static int way_connect_ours(bool v4, const char *to, uint16_t port)
{
	return way_connect_to(v4 ? FAR_OUR4 : FAR_OUR6, to, port);
}

static int way_connect(void *family)
{
	const bool v4 = *(int *)family == AF_INET;

	return way_connect_ours(v4, v4 ? FAR_THEIR4 : FAR_THEIR6, 25);
}

static int way_connect_loopback(void *family)
{
	const bool v4 = *(int *)family == AF_INET;

	return way_connect_ours(v4, v4 ? "127.0.0.5" : "::1", 25);
}

static int way_connect_2526(void *family)
{
	const bool v4 = *(int *)family == AF_INET;

	return way_connect_ours(v4, v4 ? FAR_THEIR4 : FAR_THEIR6, 2526);
}

static int way_raw(void *family)
{
	const bool v4 = *(int *)family == AF_INET;
	struct sockaddr_storage to;
	const socklen_t size = net_address(v4 ? FAR_THEIR4 : FAR_THEIR6, 0, (struct sockaddr *)&to);
	_cleanup_close_ int fd =
		socket(*(int *)family, SOCK_RAW | SOCK_CLOEXEC, v4 ? IPPROTO_RAW : IPPROTO_TCP);
	const struct tcphdr tcp = tcp_of(*(int *)family, 25);
	struct frame frame = { .size = 0 };

	if (v4)
		frame_add_ipv4(&frame, 0, 0, sizeof(tcp));
	frame_add(&frame, &tcp, sizeof(tcp));
	return fd < 0 || sendto(fd, frame.bytes, frame.size, 0, (struct sockaddr *)&to, size) < 0
		       ? errno
		       : 0;
}

static uint16_t type_of(int family)
{
	return family == AF_INET ? ETH_P_IP : ETH_P_IPV6;
}

static struct frame plain_frame(int family, uint16_t port)
{
	struct frame frame = frame_begin();

	frame_add_type(&frame, type_of(family));
	frame_add_syn(&frame, family, port);
	return frame;
}

static int way_packet(void *family)
{
	const struct frame frame = plain_frame(*(int *)family, 25);

	return frame_send(&frame);
}

static int way_packet_lies(void *family)
{
	const struct frame frame = plain_frame(*(int *)family, 25);

	return frame_send_as(&frame, 0x88b5, false);
}

static int way_packet_bypass(void *family)
{
	const struct frame frame = plain_frame(*(int *)family, 25);

	return frame_send_as(&frame, ETH_P_IP, true);
}

static int way_vlans(void *family)
{
	struct frame frame = frame_begin();

	for (int tag = 0; tag < 3; tag++) {
		frame_add_type(&frame, tag ? ETH_P_8021Q : ETH_P_8021AD);
		frame_add_type(&frame, 7);
	}
	frame_add_type(&frame, type_of(*(int *)family));
	frame_add_syn(&frame, *(int *)family, 25);
	return frame_send(&frame);
}

static int way_pppoe(void *family)
{
	static const uint8_t session[] = { 0x11, 0, 0, 1, 0, 0 };
	struct frame frame = frame_begin();

	frame_add_type(&frame, ETH_P_PPP_SES);
	frame_add(&frame, session, sizeof(session));
	frame_add_type(&frame, *(int *)family == AF_INET ? 0x0021 : 0x0057);
	frame_add_syn(&frame, *(int *)family, 25);
	return frame_send(&frame);
}

/* Options of IPv4; of IPv6 as many extension headers as are followed. */
static int way_options(void *family)
{
	const struct tcphdr tcp = tcp_of(*(int *)family, 25);
	struct frame frame = frame_begin();

	frame_add_type(&frame, type_of(*(int *)family));
	if (*(int *)family == AF_INET)
		frame_add_ipv4(&frame, 0, 40, sizeof(tcp));
	else
		frame_add_ipv6(&frame, IPPROTO_DSTOPTS, 8 * 8 + sizeof(tcp));
	for (int i = 0; *(int *)family == AF_INET6 && i < 8; i++)
		frame_add(&frame,
			  (const uint8_t[8]){ i < 7 ? IPPROTO_DSTOPTS : IPPROTO_TCP, 0, 1, 4 }, 8);
	frame_add(&frame, &tcp, sizeof(tcp));
	return frame_send(&frame);
}

/* The first 8 bytes of TCP, which show no flags; the rest is sent too. */
static int way_tiny_fragments(void *family)
{
	const struct tcphdr tcp = tcp_of(*(int *)family, 25);
	int r = 0;

	for (size_t part = 0; part < 2 && !r; part++) {
		const size_t size = part ? sizeof(tcp) - 8 : 8;
		struct frame frame = frame_begin();

		frame_add_type(&frame, type_of(*(int *)family));
		if (*(int *)family == AF_INET) {
			frame_add_ipv4(&frame, part ? 1 : IP_MF, 0, size);
		} else {
			frame_add_ipv6(&frame, IPPROTO_FRAGMENT, 8 + size);
			frame_add(&frame,
				  (const uint8_t[8]){ IPPROTO_TCP, 0, 0, part ? 8 : 1, 0, 0, 0, 1 },
				  8);
		}
		frame_add(&frame, (const uint8_t *)&tcp + 8 * part, size);
		r = frame_send(&frame);
	}
	return r;
}

/* A packet that a TUN device brings is routed as a guest's is. */
static int way_tun(void *family)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	_cleanup_close_ int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	struct frame frame = { .size = 0 };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "guest7");
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) || net_device_up("guest7"))
		return errno;
	frame_add_syn(&frame, *(int *)family, 25);
	/* It is not from where the device leads. */
	inet_pton(AF_INET, "198.19.0.1", frame.bytes + 12);
	frame.bytes[10] = frame.bytes[11] = 0;
	*(uint16_t *)(frame.bytes + 10) = htons(fold(sum_of(frame.bytes, sizeof(struct iphdr))));
	return write(fd, frame.bytes, frame.size) < 0 ? errno : 0;
}

static int way_xdp(void *family)
{
	_cleanup_close_ int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	uint8_t nothing[64] = { 0 };

	/* Without a hook the kernel finds fault with what it is given. */
	if (fd < 0)
		return errno;
	return setsockopt(fd, SOL_XDP, XDP_UMEM_REG, nothing, sizeof(nothing)) ? errno : 0;
}

static int way_packet_26(void *family)
{
	const struct frame frame = plain_frame(*(int *)family, 26);

	return frame_send(&frame);
}

/* The rules of a packet filter, which another program of this machine, or of a container, writes.
 */
static bool nft(const char *rules)
{
	char command[512];

	snprintf(command, sizeof(command), "nft '%s' 2>&1", rules);
	return !system(command);
}

#define NFT(family, rule)                           \
	"add table " family " t; add chain " family \
	" t o { type nat hook output priority -100; }; add rule " family " t o " rule

struct way_row {
	const char *name;
	int (*way)(void *family);
	const char *nft4, *nft6; /* rules, or NULL */
	bool only4;
	bool mail_passes; /* with the second layer, from the allowed cgroup */
	int refused;	  /* what the refused one sees with it; -1: whatever */
};

static const struct way_row rows[] = {
	{ "connect", way_connect, NULL, NULL, false, true, EPERM },
	{ "raw socket", way_raw, NULL, NULL, false, false, EPERM },
	{ "packet socket", way_packet, NULL, NULL, false, false, ENOBUFS },
	{ "packet socket that lies about its protocol", way_packet_lies, NULL, NULL, false, false,
	  ENOBUFS },
	{ "packet socket past the queue", way_packet_bypass, NULL, NULL, false, false, EPERM },
	{ "VLAN tags", way_vlans, NULL, NULL, false, false, ENOBUFS },
	{ "PPPoE", way_pppoe, NULL, NULL, false, false, ENOBUFS },
	{ "options and extension headers", way_options, NULL, NULL, false, false, ENOBUFS },
	{ "tiny fragments", way_tiny_fragments, NULL, NULL, false, false, ENOBUFS },
	{ "TUN", way_tun, NULL, NULL, true, false, 0 },
	{ "port turned to 25", way_connect_2526, NFT("ip", "tcp dport 2526 dnat to :25"),
	  NFT("ip6", "tcp dport 2526 dnat to :25"), false, false, -1 },
	{ "allowed address turned to another", way_connect,
	  NFT("ip", "ip daddr " FAR_THEIR4 " tcp dport 25 dnat to " FAR_OTHER4),
	  NFT("ip6", "ip6 daddr " FAR_THEIR6 " tcp dport 25 dnat to " FAR_OTHER6), false, false,
	  -1 },
};

/* The machine routes, so the policy has to say something of guests. */
static void load_layer(bool on)
{
	cgroup_make(MAIL);
	cgroup_make(WEB);
	policy_load("packets %s\nuplink " FAR_UPLINK "\nallow to 127.0.0.0/8, ::1\n"
		    "allow cgroup /%s/" MAIL " to " FAR_THEIR4 ", " FAR_THEIR6 "\n"
		    "deny guest none0\n",
		    on ? "on" : "off", fixture.name);
}

/* Frames that came out of the cable; *ret is what the program saw. */
static unsigned int frames_of(const char *cgroup, const struct way_row *row, int family, int *ret)
{
	far_frames();
	*ret = child_run(CHILD_IN(cgroup), row->way, &family);
	return far_frames();
}

static void begin_row(const struct way_row *row, int family)
{
	const char *rules = family == AF_INET ? row->nft4 : row->nft6;

	if (rules && !nft(rules))
		fail_msg("%s: nft", row->name);
}

static void end_row(const struct way_row *row)
{
	if (row->nft4)
		assert_true(nft("flush ruleset"));
}

/* Without the second layer the frames come out: connect(2) alone stops none but its own. */
static void check_open(const struct way_row *row, int family)
{
	int r;

	if (row->way == way_connect)
		return;
	if (!frames_of(WEB, row, family, &r))
		fail_msg("%s, %s: is no way out: %s", row->name,
			 family == AF_INET ? "IPv4" : "IPv6", strerror(r));
}

static void check_closed(const struct way_row *row, int family)
{
	const char *name = family == AF_INET ? "IPv4" : "IPv6";
	unsigned int frames;
	int r;

	frames = frames_of(WEB, row, family, &r);
	if (frames || (row->refused >= 0 && r != row->refused))
		fail_msg("%s, %s: %u frames of the refused cgroup, which saw %s", row->name, name,
			 frames, strerror(r));
	frames = frames_of(MAIL, row, family, &r);
	if (!frames != !row->mail_passes || (row->mail_passes && r))
		fail_msg("%s, %s: %u frames of the allowed cgroup, which saw %s", row->name, name,
			 frames, strerror(r));
}

static void check_rows(void (*check)(const struct way_row *row, int family))
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static const int families[] = { AF_INET, AF_INET6 };

		for (size_t f = 0; f < (rows[i].only4 ? 1U : 2U); f++) {
			begin_row(&rows[i], families[f]);
			check(&rows[i], families[f]);
			end_row(&rows[i]);
		}
	}
}

static void test_ways_without(void **state)
{
	load_layer(false);
	check_rows(check_open);
}

static void test_ways_with(void **state)
{
	load_layer(true);
	check_rows(check_closed);
}

/*
 * A sequence number that was allowed to loopback, where everybody may connect to, lets nothing out.
 * An address of its own: conntrack gives a connection another source port while it knows one to the
 * same address.
 */
static void check_forgery(int family)
{
	int r;

	load_layer(false);
	far_frames();
	r = child_run(CHILD_IN(WEB), way_connect_loopback, &family);
	if (!far_frames())
		fail_msg("is no forgery: %s", strerror(r));
	load_layer(true);
	child_run(CHILD_IN(WEB), way_connect_loopback, &family);
	assert_int_equal(far_frames(), 0);
}

static void test_forgeries(void **state)
{
	assert_true(nft(NFT("ip", "ip daddr 127.0.0.5 tcp dport 25 dnat to " FAR_THIRD4)));
	check_forgery(AF_INET);
	assert_true(nft(NFT("ip6", "ip6 daddr ::1 tcp dport 25 dnat to " FAR_THIRD6)));
	check_forgery(AF_INET6);
	assert_true(nft("flush ruleset"));
}

/*
 * A pass is good once on a device: who sees the number of an allowed connection, as a guest on the
 * way does, does not get out with it. The allowed socket's own packet is used up by its connect.
 */
static int connect_and_replay(void *nothing)
{
	struct frame frame = plain_frame(AF_INET, 25);
	_cleanup_close_ int wire =
		socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
	uint8_t seen[2048];
	ssize_t size;
	int r = way_connect_ours(true, FAR_THEIR4, 25);

	if (wire < 0 || r)
		return r ? r : EBADF;
	while ((size = recv(wire, seen, sizeof(seen), 0)) > 0) {
		/* The flags, and the port: of the first packet, as it left. */
		if (size < 54 || seen[47] != 2 || seen[36] || seen[37] != 25)
			continue;
		memcpy(frame.bytes + 38, seen + 38, 4);
		return frame_send(&frame);
	}
	return EAGAIN;
}

static void test_replay(void **state)
{
	load_layer(true);
	assert_int_equal(child_run(CHILD_IN(MAIL), connect_and_replay, NULL), ENOBUFS);
	assert_int_equal(smtpward("status", "--pins", fixture.pins, NULL), 0);
	assert_non_null(strstr(run.out, "replayed=1 "));
}

/* Packets that are none of ours pass, whoever builds them; and AF_XDP is refused as a whole. */
static void test_others(void **state)
{
	int families[] = { AF_INET, AF_INET6 };

	load_layer(true);
	for (size_t f = 0; f < ARRAY_SIZE(families); f++)
		assert_int_equal(child_run(CHILD_IN(WEB), way_packet_26, &families[f]), 0);
	assert_int_equal(status_counter("denied"), 0);
	assert_int_equal(child_run(CHILD_IN(WEB), way_xdp, &families[0]), EPERM);
	load_layer(false);
	assert_int_not_equal(child_run(CHILD_IN(WEB), way_xdp, &families[0]), EPERM);
}

/* A rule lets a guest out by the name of its device, and only to where it says. */
static void test_guest(void **state)
{
	static const struct {
		const char *rule;
		bool passes;
	} cases[] = {
		{ "allow guest guest7", true },
		{ "allow guest guest*", true },
		{ "allow guest *", true },
		{ "allow guest guest7 to " FAR_THEIR4 " port 25 from 198.19.0.0/24", true },
		{ "audit guest guest7", true },
		{ "allow guest guest", false },
		{ "allow guest guest77*", false },
		{ "allow guest guest7 to " FAR_OTHER4, false },
		{ "allow guest guest7 from 198.18.0.0/24", false },
		{ "allow guest guest7 vlan 7", false },
		{ "deny guest guest7\nallow guest *", false },
		{ "allow", false },
	};
	const struct way_row row = { .name = "TUN", .way = way_tun };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r;
		unsigned int frames;

		cgroup_make(WEB);
		policy_load("packets on\nuplink " FAR_UPLINK "\n%s\ndeny guest none0\n",
			    cases[i].rule);
		frames = frames_of(WEB, &row, AF_INET, &r);
		if (!frames == cases[i].passes || r)
			fail_msg("%s: %u frames, %s", cases[i].rule, frames, strerror(r));
	}
}

static void write_file(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static int setup(void **state)
{
	int r = far_group_setup(state);

	if (r)
		return r;
	write_file("/proc/sys/net/ipv4/ip_forward", "1");
	write_file("/proc/sys/net/ipv4/conf/all/route_localnet", "1");
	write_file("/proc/sys/net/ipv4/conf/all/rp_filter", "0");
	write_file("/proc/sys/net/ipv4/conf/default/rp_filter", "0");
	return 0;
}

#define TEST(name) cmocka_unit_test_teardown(name, fixture_tidy)

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ways_without), TEST(test_ways_with), TEST(test_forgeries),
		TEST(test_replay),	 TEST(test_others),    TEST(test_guest),
	};

	return cmocka_run_group_tests_name("ways", tests, setup, far_group_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
