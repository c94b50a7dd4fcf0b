// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a packet leaves behind: its line, its row of report, its part of a sum. Of a socket of this
 * machine it is the cgroup's, of a guest the guest's, and each attempt is there once.
 */
#include "../kernel/fixture_far.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <sched.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <bpf/bpf.h>

#include <smtpward/abi.h>

#define WEB "web.service"
#define OTHER "other.service"
#define GUEST "guest7"
#define FLOODER "guest8"

#define GUEST_SOURCE "198.19.0.1"

#define SOL_PACKET_LEVEL 263
#define QDISC_BYPASS 20

#define UNLIMITED "limit 1000000/s burst 1000000\n"

/* Packets. A child builds them, and asserts nothing. */

struct syn {
	const char *source;
	uint32_t sequence;
	uint16_t vlan;	 /* 0: none */
	uint16_t offset; /* of a fragment, in 8 bytes */
};

struct packet {
	uint8_t bytes[64];
	size_t size;
};

static void add(struct packet *packet, const void *bytes, size_t size)
{
	memcpy(packet->bytes + packet->size, bytes, size);
	packet->size += size;
}

static uint16_t checksum_of(const void *bytes, size_t size, uint32_t sum)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < size; i += 2)
		sum += (uint32_t)at[i] << 8 | at[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* The first packet of a connection to port 25 of FAR_THEIR4. */
static void add_syn(struct packet *packet, const struct syn *syn)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.tot_len = htons(40),
		.frag_off = htons(syn->offset),
		.ttl = 64,
		.protocol = IPPROTO_TCP,
	};
	const uint32_t sequence = htonl(syn->sequence);
	uint16_t check;
	uint8_t addresses[8],
		tcp[20] = { FAR_SOURCE_PORT >> 8, FAR_SOURCE_PORT & 0xff, 0, 25, [12] = 5 << 4, 2 };

	inet_pton(AF_INET, syn->source, &ip.saddr);
	inet_pton(AF_INET, FAR_THEIR4, &ip.daddr);
	ip.check = checksum_of(&ip, sizeof(ip), 0);
	memcpy(tcp + 4, &sequence, sizeof(sequence));
	memcpy(addresses, &ip.saddr, sizeof(addresses));
	/* Connection tracking takes no packet with a wrong one. */
	check = checksum_of(tcp, sizeof(tcp),
			    IPPROTO_TCP + sizeof(tcp) +
				    (uint16_t)~ntohs(checksum_of(addresses, sizeof(addresses), 0)));
	memcpy(tcp + 16, &check, sizeof(check));
	add(packet, &ip, sizeof(ip));
	add(packet, tcp, sizeof(tcp));
}

static struct packet frame_of(const uint8_t *to, const uint8_t *from, const struct syn *syn)
{
	const uint16_t tag[] = { htons(ETH_P_8021Q), htons(syn->vlan) };
	const uint16_t type = htons(ETH_P_IP);
	struct packet frame = { .size = 0 };

	add(&frame, to, ETH_ALEN);
	add(&frame, from, ETH_ALEN);
	if (syn->vlan)
		add(&frame, tag, sizeof(tag));
	add(&frame, &type, sizeof(type));
	add_syn(&frame, syn);
	return frame;
}

static int send_frame(void *syn)
{
	const struct packet frame = frame_of(far_their_mac, far_our_mac, syn);
	const struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_IP),
		.sll_ifindex = (int)far_uplink(),
		.sll_halen = ETH_ALEN,
	};
	_cleanup_close_ int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	return fd < 0 || sendto(fd, frame.bytes, frame.size, 0, (const struct sockaddr *)&to,
				sizeof(to)) < 0
		       ? errno
		       : 0;
}

static int send_raw(void *syn)
{
	struct sockaddr_storage to;
	const socklen_t size = net_address(FAR_THEIR4, 0, (struct sockaddr *)&to);
	_cleanup_close_ int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	struct packet packet = { .size = 0 };

	add_syn(&packet, syn);
	return fd < 0 || sendto(fd, packet.bytes, packet.size, 0, (const struct sockaddr *)&to,
				size) < 0
		       ? errno
		       : 0;
}

static int set_bypass(void *nothing)
{
	_cleanup_close_ int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	const int one = 1;

	return fd < 0 || setsockopt(fd, SOL_PACKET_LEVEL, QDISC_BYPASS, &one, sizeof(one)) ? errno
											   : 0;
}

/* The descriptors of guests, which a test that fails leaves open. */
static int guests[4] = { -1, -1, -1, -1 };

static void close_guest(int *fd)
{
	for (size_t i = 0; i < ARRAY_SIZE(guests); i++)
		if (guests[i] == *fd)
			cleanup_close(&guests[i]);
	*fd = -1;
}

static int tidy(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(guests); i++)
		cleanup_close(&guests[i]);
	return fixture_tidy(state);
}

/* A guest: a TUN device, which is there as long as its descriptor. ifindex may be 0: any. */
static int open_guest_at(const char *name, unsigned int ifindex)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	for (size_t i = 0; i < ARRAY_SIZE(guests); i++)
		if (guests[i] < 0) {
			guests[i] = fd;
			break;
		}
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ifindex)
		assert_int_equal(ioctl(fd, TUNSETIFINDEX, &ifindex), 0);
	assert_int_equal(ioctl(fd, TUNSETIFF, &request), 0);
	assert_int_equal(net_device_up(name), 0);
	return fd;
}

static int open_guest(const char *name)
{
	return open_guest_at(name, 0);
}

static void send_as_guest(int fd, uint32_t sequence)
{
	const struct syn syn = { .source = GUEST_SOURCE, .sequence = sequence };
	struct packet packet = { .size = 0 };

	add_syn(&packet, &syn);
	assert_int_equal(write(fd, packet.bytes, packet.size), packet.size);
}

/* What there is to see. */

static void load(const char *settings)
{
	cgroup_make(WEB);
	cgroup_make(OTHER);
	policy_load("packets on\nuplink " FAR_UPLINK "\n%s\nallow to 127.0.0.0/8, ::1\n"
		    "deny guest none0\n",
		    settings);
}

static uint64_t packet_counter(const char *name)
{
	json_auto_t *status = status_json();
	const json_t *counts = json_object_get(json_object_get(status, "packets"), "counts");
	const json_t *count = json_object_get(counts, name);

	assert_true(json_is_integer(count));
	return (uint64_t)json_integer_value(count);
}

static void read_line(struct log *log, const char *needle, unsigned int n, struct line *ret)
{
	line_read(log_line(log, needle, n), ret);
}

static void mac_text(const uint8_t *mac, char dst[static 18])
{
	snprintf(dst, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		 mac[5]);
}

static void assert_socket_line(const struct line *line, const char *hook, uint16_t vlan,
			       const char *mac)
{
	char cgroup[PATH_MAX];

	snprintf(cgroup, sizeof(cgroup), "/%s/" WEB, fixture.name);
	line_assert(line, "verdict", "deny");
	line_assert(line, "rule", "default");
	line_assert(line, "hook", hook);
	line_assert_number(line, "euid", 0);
	line_assert(line, "dst", FAR_THEIR4);
	line_assert_number(line, "dport", 25);
	line_assert(line, "src", FAR_OUR4);
	line_assert(line, "orig_src", "-");
	line_assert(line, "smac", mac);
	if (vlan)
		line_assert_number(line, "vlan", vlan);
	else
		line_assert(line, "vlan", "-");
	line_assert_number(line, "cgid", cgroup_id(WEB));
	line_assert(line, "dev", FAR_UPLINK);
	line_assert(line, "cgroup", cgroup);
}

/* Of a socket: by the pass, and by the gate. */
static void test_socket(void **state)
{
	_cleanup_(log_close) struct log log;
	struct syn syn = { .source = FAR_OUR4, .sequence = 1 };
	char mac[18];
	struct line line;

	load("");
	mac_text(far_our_mac, mac);
	log_start(&log, LOG_FILE);
	assert_int_equal(child_run(CHILD_IN(WEB), send_raw, &syn), EPERM);
	read_line(&log, " hook=packet ", 0, &line);
	assert_socket_line(&line, "packet", 0, "-");
	syn.sequence++;
	assert_int_equal(child_run(CHILD_IN(WEB), send_frame, &syn), ENOBUFS);
	read_line(&log, " hook=uplink ", 0, &line);
	assert_socket_line(&line, "uplink", 0, mac);
	syn.sequence++;
	syn.vlan = 7;
	assert_int_equal(child_run(CHILD_IN(WEB), send_frame, &syn), ENOBUFS);
	read_line(&log, " hook=uplink ", 1, &line);
	assert_socket_line(&line, "uplink", 7, mac);
	log_end(&log, SIGTERM);
}

/* The socket's user is who made it. */
static int raw_of_another(void *syn)
{
	struct sockaddr_storage to;
	const socklen_t size = net_address(FAR_THEIR4, 0, (struct sockaddr *)&to);
	struct packet packet = { .size = 0 };
	_cleanup_close_ int fd = -1;

	if (seteuid(1234))
		return errno;
	/* Capabilities went with the user. */
	if (seteuid(0) || setfsuid(1234) < 0)
		return errno;
	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	setfsuid(0);
	add_syn(&packet, syn);
	return fd < 0 || sendto(fd, packet.bytes, packet.size, 0, (const struct sockaddr *)&to,
				size) < 0
		       ? errno
		       : 0;
}

static void test_user(void **state)
{
	_cleanup_(log_close) struct log log;
	struct syn syn = { .source = FAR_OUR4, .sequence = 10 };
	struct line line;

	load("");
	log_start(&log, LOG_FILE);
	assert_int_equal(child_run(CHILD_IN(WEB), raw_of_another, &syn), EPERM);
	read_line(&log, " hook=packet ", 0, &line);
	line_assert_number(&line, "euid", 1234);
	log_end(&log, SIGTERM);
}

static void test_raw(void **state)
{
	_cleanup_(log_close) struct log log;
	struct line line;

	load("raw deny");
	log_start(&log, LOG_FILE);
	assert_int_equal(child_run(CHILD_IN(WEB), set_bypass, NULL), EPERM);
	read_line(&log, " hook=raw ", 0, &line);
	line_assert(&line, "verdict", "deny");
	line_assert(&line, "rule", "default");
	line_assert_number(&line, "cgid", cgroup_id(WEB));
	line_assert(&line, "comm", "test_lines");
	assert_int_not_equal(line_number(&line, "pid"), 0);
	assert_int_not_equal(line_field(&line, "exe")->len, 0);
	log_end(&log, SIGTERM);
}

static void test_hidden(void **state)
{
	_cleanup_(log_close) struct log log;
	struct syn syn = { .source = FAR_OUR4, .offset = 1 };
	struct line line;

	load("");
	log_start(&log, LOG_FILE);
	assert_int_equal(child_run(CHILD_IN(WEB), send_frame, &syn), ENOBUFS);
	read_line(&log, " hook=uplink ", 0, &line);
	line_assert(&line, "dst", "-");
	line_assert(&line, "src", "-");
	line_assert_number(&line, "dport", 0);
	log_end(&log, SIGTERM);
}

static void assert_guest_line(const struct line *line, const char *verdict, const char *rule,
			      const char *source, const char *original)
{
	char mac[18];

	/* The machine routes, and writes the frame. */
	mac_text(far_our_mac, mac);
	line_assert(line, "verdict", verdict);
	line_assert(line, "rule", rule);
	line_assert(line, "hook", "uplink");
	line_assert(line, "guest", GUEST);
	line_assert(line, "dst", FAR_THEIR4);
	line_assert_number(line, "dport", 25);
	line_assert(line, "src", source);
	line_assert(line, "orig_src", original);
	line_assert(line, "smac", mac);
	line_assert(line, "vlan", "-");
	line_assert_number(line, "iif", if_nametoindex(GUEST));
	line_assert(line, "dev", FAR_UPLINK);
}

static void test_guest(void **state)
{
	_cleanup_(log_close) struct log log;
	int guest = open_guest(GUEST);
	struct line line;

	load("audit guest guest7 from 198.19.0.0/31 port 25");
	log_start(&log, LOG_FILE);
	send_as_guest(guest, 100);
	read_line(&log, " hook=uplink ", 0, &line);
	assert_guest_line(&line, "audit", "1", GUEST_SOURCE, "-");
	load("");
	send_as_guest(guest, 101);
	read_line(&log, " hook=uplink ", 1, &line);
	assert_guest_line(&line, "deny", "default", GUEST_SOURCE, "-");
	load("log deny, audit, allow\nallow guest guest7");
	send_as_guest(guest, 102);
	read_line(&log, " hook=uplink ", 2, &line);
	assert_guest_line(&line, "allow", "1", GUEST_SOURCE, "-");
	log_end(&log, SIGTERM);
}

/* The guest's own address, behind masquerade. */
static void test_masquerade(void **state)
{
	_cleanup_(log_close) struct log log;
	int guest = open_guest(GUEST);
	struct line line;

	assert_int_equal(system("nft 'add table ip t; add chain ip t o { type nat hook postrouting "
				"priority 100; }; add rule ip t o masquerade'"),
			 0);
	load("");
	log_start(&log, LOG_FILE);
	send_as_guest(guest, 200);
	read_line(&log, " hook=uplink ", 0, &line);
	assert_int_equal(system("nft flush ruleset"), 0);
	assert_guest_line(&line, "deny", "default", FAR_OUR4, GUEST_SOURCE);
	log_end(&log, SIGTERM);
}

/* A packet that is sent again is no new attempt, whichever hook it comes to. */
static void test_repeats(void **state)
{
	int guest = open_guest(GUEST);
	struct syn syn = { .source = FAR_OUR4, .sequence = 300 };

	load("");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(child_run(CHILD_IN(WEB), send_raw, &syn), EPERM);
		send_as_guest(guest, 301);
	}
	assert_int_equal(packet_counter("unmarked"), 3);
	assert_int_equal(packet_counter("guest_denied"), 3);
	assert_int_equal(packet_counter("repeated"), 4);
	assert_int_equal(status_counter("recorded"), 2);
	syn.sequence = 302;
	assert_int_equal(child_run(CHILD_IN(WEB), send_raw, &syn), EPERM);
	/* Of another sender it is another one. */
	assert_int_equal(child_run(CHILD_IN(OTHER), send_raw, &syn), EPERM);
	send_as_guest(guest, 303);
	assert_int_equal(status_counter("recorded"), 5);
}

/* A guest that sends without pause, each packet an attempt of its own, from a network namespace. */

struct flood {
	bool ready, goes, ends;
	uint8_t mac[ETH_ALEN]; /* of our end of its cable */
	uint64_t sent;
};

#define FLOOD_AT_ONCE 64

static int flood_send(struct flood *flood)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_IP),
		.sll_ifindex = (int)if_nametoindex("eth0"),
		.sll_halen = ETH_ALEN,
	};
	static const uint8_t own_mac[] = { 2, 0, 0, 0, 0, 8 };
	static struct packet frames[FLOOD_AT_ONCE];
	struct iovec parts[FLOOD_AT_ONCE];
	struct mmsghdr messages[FLOOD_AT_ONCE];
	_cleanup_close_ int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno;
	for (uint32_t n = 1000; !__atomic_load_n(&flood->ends, __ATOMIC_RELAXED);) {
		int sent;

		for (int i = 0; i < FLOOD_AT_ONCE; i++, n++) {
			const struct syn syn = { .source = "198.19.0.8", .sequence = n };

			frames[i] = frame_of(flood->mac, own_mac, &syn);
			parts[i] = (struct iovec){ frames[i].bytes, frames[i].size };
			messages[i] = (struct mmsghdr){ .msg_hdr = {
								.msg_name = &to,
								.msg_namelen = sizeof(to),
								.msg_iov = &parts[i],
								.msg_iovlen = 1,
							} };
		}
		sent = sendmmsg(fd, messages, FLOOD_AT_ONCE, 0);
		if (sent < 0 && errno != ENOBUFS)
			return errno;
		flood->sent += sent > 0 ? (uint64_t)sent : 0;
	}
	return 0;
}

static int flood_run(void *userdata)
{
	struct flood *flood = userdata;

	if (unshare(CLONE_NEWNET))
		return errno;
	__atomic_store_n(&flood->ready, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&flood->goes, __ATOMIC_ACQUIRE))
		usleep(1000);
	if (net_device_up("eth0"))
		return ENODEV;
	return flood_send(flood);
}

static void read_mac(const char *device, uint8_t ret_mac[static ETH_ALEN])
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "" };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	assert_int_equal(ioctl(fd, SIOCGIFHWADDR, &request), 0);
	memcpy(ret_mac, request.ifr_hwaddr.sa_data, ETH_ALEN);
}

static struct child_handle flood_start(struct flood **ret_flood)
{
	struct flood *flood = mmap(NULL, sizeof(*flood), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const int64_t deadline = clock_ms() + FIXTURE_PATIENCE;
	struct child_handle child;
	char command[128];

	assert_ptr_not_equal(flood, MAP_FAILED);
	child = child_start(CHILD_IN(OTHER), flood_run, flood);
	while (!__atomic_load_n(&flood->ready, __ATOMIC_ACQUIRE))
		assert_true(pause_until(deadline));
	snprintf(command, sizeof(command),
		 "ip link add " FLOODER " type veth peer name eth0 netns %d", child.pid);
	assert_int_equal(system(command), 0);
	assert_int_equal(net_device_up(FLOODER), 0);
	read_mac(FLOODER, flood->mac);
	__atomic_store_n(&flood->goes, true, __ATOMIC_RELEASE);
	*ret_flood = flood;
	return child;
}

/* Its device goes with its network namespace. What it sent is through when no more is refused. */
static void flood_end(struct flood *flood, struct child_handle *child)
{
	uint64_t refused, before = 0;

	__atomic_store_n(&flood->ends, true, __ATOMIC_RELAXED);
	assert_int_equal(child_wait(child), 0);
	for (;;) {
		refused = packet_counter("guest_denied");
		if (refused == before)
			break;
		before = refused;
		usleep(200000);
	}
	fprintf(stderr, "# %d packets sent, %d came to the gate\n", (int)flood->sent, (int)refused);
	munmap(flood, sizeof(*flood));
}

static uint64_t sum_of(const struct log *log, const char *needle, const char *name)
{
	char *copy = strdup(log->text), *rest = copy, *line;
	uint64_t sum = 0;

	assert_non_null(copy);
	while ((line = strsep(&rest, "\n"))) {
		const char *at = strstr(line, name);

		if (strstr(line, needle) && at)
			sum += strtoull(at + strlen(name), NULL, 10);
	}
	free(copy);
	return sum;
}

static unsigned int lines_of(const struct log *log, const char *needle)
{
	char *copy = strdup(log->text), *rest = copy, *line;
	unsigned int n = 0;

	assert_non_null(copy);
	while ((line = strsep(&rest, "\n")))
		n += strstr(line, needle) && strstr(line, " verdict=");
	free(copy);
	return n;
}

#define ITS_LINES " guest=\"" FLOODER "\""

/* Lines, suppressed and lost are all that was refused, to the last packet. */
static void assert_accounted(const struct log *log, uint64_t others)
{
	const uint64_t refused =
		packet_counter("guest_denied") - packet_counter("repeated") - others;
	const uint64_t lines = lines_of(log, ITS_LINES);
	const uint64_t suppressed = sum_of(log, ITS_LINES, " suppressed=");
	const uint64_t lost = sum_of(log, ITS_LINES, " lost=");

	if (lines + suppressed + lost != refused)
		fail_msg("%d lines + %d suppressed + %d lost are not %d", (int)lines,
			 (int)suppressed, (int)lost, (int)refused);
	assert_int_not_equal(refused, 0);
}

static void wait_for_records(struct log *log)
{
	const uint64_t recorded = status_counter("recorded");

	log_line(log, " verdict=", (unsigned int)recorded - 1);
	log_end(log, SIGTERM);
}

static void flood_for(int64_t ms)
{
	const int64_t end = clock_ms() + ms;

	while (pause_until(end))
		;
}

static void test_flood(void **state)
{
	_cleanup_(log_close) struct log log;
	struct child_handle child;
	const int64_t begun = clock_ms();
	struct flood *flood;
	uint64_t lines;

	load("");
	log_start(&log, LOG_FILE);
	child = flood_start(&flood);
	flood_for(3000);
	flood_end(flood, &child);
	wait_for_records(&log);
	assert_accounted(&log, 0);
	lines = lines_of(&log, ITS_LINES);
	assert_in_range(lines, 100, 100 + 10 * (uint64_t)((clock_ms() - begun) / 1000 + 1));
	assert_int_equal(sum_of(&log, ITS_LINES, " lost="), 0);
}

/* Without a limit and with nobody who reads, the buffer is full, and all is still accounted for. */
static void test_flood_unread(void **state)
{
	_cleanup_(log_close) struct log log;
	struct child_handle child;
	struct flood *flood;

	load(UNLIMITED);
	child = flood_start(&flood);
	flood_for(2000);
	flood_end(flood, &child);
	assert_int_not_equal(status_counter("lost"), 0);
	log_start(&log, LOG_FILE);
	wait_for_records(&log);
	assert_accounted(&log, 0);
}

static int connect_once(void *nothing)
{
	struct attempt one = { WAY_CONNECT, FAR_THEIR4, 25 };

	return attempt(&one);
}

#define ATTEMPTS_OF_OTHERS 20

/* What others do within their limits has its lines, whatever a guest sends. */
static void test_fair(void **state)
{
	_cleanup_(log_close) struct log log;
	int guest = open_guest(GUEST);
	struct syn syn = { .source = FAR_OUR4, .sequence = 500 };
	struct child_handle child;
	struct flood *flood;

	load(UNLIMITED);
	log_start(&log, LOG_FILE);
	child = flood_start(&flood);
	for (uint32_t i = 0; i < ATTEMPTS_OF_OTHERS; i++, syn.sequence++) {
		assert_int_equal(child_run(CHILD_IN(WEB), connect_once, NULL), EPERM);
		assert_int_equal(child_run(CHILD_IN(WEB), send_raw, &syn), EPERM);
		send_as_guest(guest, 500 + i);
		flood_for(100);
	}
	flood_end(flood, &child);
	wait_for_records(&log);
	assert_int_equal(lines_of(&log, " unit=\"" WEB "\" "), 2 * ATTEMPTS_OF_OTHERS);
	assert_int_equal(lines_of(&log, " guest=\"" GUEST "\" "), ATTEMPTS_OF_OTHERS);
	assert_accounted(&log, ATTEMPTS_OF_OTHERS);
}

/* Tenants of guests. */

static bool has_tenant(uint64_t id)
{
	_cleanup_close_ int fd = bpf_pin_open("map_tenants");
	static struct smtpward_tenant tenant;

	return !bpf_map_lookup_elem(fd, &id, &tenant);
}

#define PLACE 1000

static void test_places(void **state)
{
	_cleanup_(log_close) struct log log;
	int first = open_guest_at("first", PLACE);
	int second = open_guest_at("second", PLACE + SMTPWARD_GUESTS);

	load("limit 1/h burst 1");
	log_start(&log, LOG_FILE);
	for (uint32_t i = 0; i < 3; i++) {
		send_as_guest(first, 600 + i);
		send_as_guest(second, 610 + i);
	}
	/* One that has no place shares the sum of its like. */
	log_line(&log, " suppressed=2 lost=0 guest=\"first\"", 0);
	log_line(&log, " suppressed=2 lost=0 guest=\":others\"", 0);
	assert_true(has_tenant(SMTPWARD_GUEST_BIT | PLACE));
	assert_true(has_tenant(SMTPWARD_GUEST_OTHERS));
	assert_false(has_tenant(SMTPWARD_GUEST_BIT | (PLACE + SMTPWARD_GUESTS)));

	/* The place is free once its device is gone. */
	close_guest(&first);
	for (uint32_t i = 0; i < 3; i++)
		send_as_guest(second, 620 + i);
	log_line(&log, " suppressed=2 lost=0 guest=\"second\"", 0);
	assert_true(has_tenant(SMTPWARD_GUEST_BIT | (PLACE + SMTPWARD_GUESTS)));
	for (const int64_t end = clock_ms() + FIXTURE_PATIENCE;
	     has_tenant(SMTPWARD_GUEST_BIT | PLACE);)
		assert_true(pause_until(end));
	log_end(&log, SIGTERM);
}

static const json_t *find_row(const json_t *report, const char *name, const char *value)
{
	const json_t *rows = json_object_get(report, "rows"), *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		const json_t *tenant = json_object_get(row, "tenant");
		const char *text = json_string_value(json_object_get(tenant, name));

		if (text && !strcmp(text, value))
			return row;
	}
	return NULL;
}

static json_int_t number_in(const json_t *row, const char *name)
{
	const json_t *number = json_object_get(row, name);

	assert_true(json_is_integer(number));
	return json_integer_value(number);
}

static void test_report(void **state)
{
	int guest = open_guest(GUEST);
	struct syn syn = { .source = FAR_OUR4, .sequence = 700 };
	json_auto_t *report = NULL;
	const json_t *row;

	load("");
	for (uint32_t i = 0; i < 3; i++)
		send_as_guest(guest, 700 + i);
	assert_int_equal(child_run(CHILD_IN(WEB), send_raw, &syn), EPERM);
	assert_int_equal(smtpward("report", "--json", "--pins", fixture.pins, NULL), 0);
	report = json_loads(run.out, 0, NULL);
	row = find_row(report, "guest", GUEST);
	assert_non_null(row);
	assert_int_equal(number_in(row, "attempts"), 3);
	assert_int_equal(number_in(row, "deny"), 3);
	assert_int_equal(number_in(row, "rule"), 0);
	assert_int_equal(number_in(row, "dport"), 25);
	assert_string_equal(json_string_value(json_object_get(row, "dst")), FAR_THEIR4);
	assert_true(json_is_null(json_object_get(row, "euid")));
	row = find_row(report, "unit", WEB);
	assert_non_null(row);
	assert_int_equal(number_in(row, "attempts"), 1);
	assert_true(json_is_null(json_object_get(json_object_get(row, "tenant"), "guest")));
	assert_int_equal(smtpward("report", "--unit", "guest", "--pins", fixture.pins, NULL), 0);
	assert_null(strstr(run.out, "guest " GUEST));
	assert_int_equal(smtpward("report", "--unit", "guest*", "--pins", fixture.pins, NULL), 0);
	assert_non_null(strstr(run.out, "\nguest " GUEST " "));
	assert_int_equal(smtpward("report", "--unit", "guest " GUEST, "--pins", fixture.pins, NULL),
			 0);
	assert_non_null(strstr(run.out, "\nguest " GUEST " "));
	/* Another load knows that the device is there. */
	load("");
	assert_int_equal(smtpward("report", "--pins", fixture.pins, NULL), 0);
	assert_null(strstr(run.out, "guest " GUEST " (gone)"));
	close_guest(&guest);
	load("");
	assert_int_equal(smtpward("report", "--pins", fixture.pins, NULL), 0);
	assert_non_null(strstr(run.out, "guest " GUEST " (gone)"));
}

static void test_alert(void **state)
{
	_cleanup_(log_close) struct log log;
	int guest = open_guest(GUEST);

	load("alert 2/m");
	log_start(&log, LOG_FILE);
	for (uint32_t i = 0; i < 3; i++)
		send_as_guest(guest, 800 + i);
	log_line(&log, " by the guest " GUEST ", most to " FAR_THEIR4 " port 25 ", 0);
	log_end(&log, SIGTERM);
}

#define TEST(name) cmocka_unit_test_teardown(name, tidy)

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
	write_file("/proc/sys/net/ipv4/conf/all/rp_filter", "0");
	write_file("/proc/sys/net/ipv4/conf/default/rp_filter", "0");
	return 0;
}

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_socket),  TEST(test_user),   TEST(test_raw),
		TEST(test_hidden),  TEST(test_guest),  TEST(test_masquerade),
		TEST(test_repeats), TEST(test_flood),  TEST(test_flood_unread),
		TEST(test_fair),    TEST(test_places), TEST(test_report),
		TEST(test_alert),
	};

	return cmocka_run_group_tests_name("lines", tests, setup, far_group_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
