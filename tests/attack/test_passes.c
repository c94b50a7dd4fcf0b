// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is allowed passes all of the second layer, by every way to connect, in a burst and sent
 * again; and how far a pass goes.
 */
#include "../kernel/fixture_far.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include <bpf/bpf.h>

#include <smtpward/packets.h>

#include "../kernel/fixture_trial.h"

#define MAIL "mail.service"
#define WEB "web.service"

#define LAYER_ON "packets on\nuplink " FAR_UPLINK

static void load_layer(const char *layer)
{
	cgroup_make(MAIL);
	cgroup_make(WEB);
	policy_load("%s\nallow to 127.0.0.0/8, ::1\nallow cgroup /%s/" MAIL "\ndeny guest none0\n",
		    layer, fixture.name);
}

/* A line of status: "name=number". */
static unsigned long packets_of(const char *name)
{
	char text[64];
	const char *at;

	snprintf(text, sizeof(text), " %s=", name);
	smtpward("status", "--pins", fixture.pins, NULL);
	at = strstr(run.out, text);
	if (!at)
		fail_msg("status has no %s: %s", name, run.out);
	return strtoul(at + strlen(text), NULL, 10);
}

static void in_far_netns(int (*make)(void *arg), void *arg, int *ret)
{
	_cleanup_close_ int ours = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	assert_true(ours >= 0);
	assert_int_equal(setns(far_netns(), CLONE_NEWNET), 0);
	*ret = make(arg);
	assert_int_equal(setns(ours, CLONE_NEWNET), 0);
}

static int far_sh(void *command)
{
	return sh("%s", (const char *)command);
}

static int far_do(const char *command)
{
	int r;

	in_far_netns(far_sh, (void *)command, &r);
	return r;
}

static const char *const outside[] = { FAR_THEIR4, FAR_THEIR6, "::ffff:" FAR_THEIR4 };

static int attempt_as(const char *cgroup, enum way way, const char *to)
{
	struct attempt one = { way, to, 25 };

	return child_run(CHILD_IN(cgroup), attempt, &one);
}

static void check_ways(void)
{
	static const enum way ways[] = { WAY_CONNECT,	       WAY_AGAIN, WAY_FASTOPEN,
					 WAY_FASTOPEN_CONNECT, WAY_MPTCP, WAY_URING,
					 WAY_URING_ASYNC };

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		for (size_t to = 0; to < ARRAY_SIZE(outside); to++) {
			int r = attempt_as(MAIL, ways[i], outside[to]);

			/* A way that this kernel lacks is below 0. */
			if (r > 0 || (!r && !far_syns()))
				fail_msg("way %d to %s: %s", ways[i], outside[to], strerror(r));
			r = attempt_as(WEB, ways[i], outside[to]);
			if (far_syns() || (r >= 0 && r != EPERM))
				fail_msg("way %d to %s, refused: %s", ways[i], outside[to],
					 strerror(r));
		}
	}
}

static void test_ways(void **state)
{
	load_layer(LAYER_ON);
	check_ways();
	assert_int_equal(packets_of("guest_denied"), 0);
	assert_int_equal(packets_of("unmarked"), 0);
}

/* With the far end's cookie at hand, the first SYN brings data. */
static void test_fastopen_with_a_cookie(void **state)
{
	assert_int_equal(sh("echo 3 >/proc/sys/net/ipv4/tcp_fastopen"), 0);
	/* Without a cookie of its own: the far listeners take data at once. */
	assert_int_equal(far_do("echo 0x603 >/proc/sys/net/ipv4/tcp_fastopen"), 0);
	load_layer(LAYER_ON);
	far_syns();
	for (size_t to = 0; to < ARRAY_SIZE(outside); to++) {
		for (int again = 0; again < 2; again++) {
			assert_int_equal(attempt_as(MAIL, WAY_FASTOPEN, outside[to]), 0);
			assert_int_not_equal(far_syns(), 0);
		}
		assert_int_equal(attempt_as(WEB, WAY_FASTOPEN, outside[to]), EPERM);
		assert_int_equal(far_syns(), 0);
	}
}

#define BURST 4000

static int open_wide_wire(void *nothing)
{
	const int size = 128 << 20;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_IP));

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		return -1;
	return fd;
}

/* Connects that wait for nothing, all at once. */
static int burst(void *nothing)
{
	const struct rlimit limit = { 2 * BURST, 2 * BURST };
	struct sockaddr_storage to;
	const socklen_t size = net_address(FAR_OTHER4, 25, (struct sockaddr *)&to);

	if (setrlimit(RLIMIT_NOFILE, &limit))
		return errno;
	for (int i = 0; i < BURST; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		if (fd < 0 || (connect(fd, (struct sockaddr *)&to, size) && errno != EINPROGRESS))
			return errno;
	}
	return 0;
}

/* The source ports of SYNs to port 25 that came. */
static unsigned int count_ports(int wire)
{
	static bool seen[65536];
	unsigned int n = 0;
	uint8_t frame[256];
	ssize_t size;

	memset(seen, 0, sizeof(seen));
	while ((size = recv(wire, frame, sizeof(frame), 0)) > 0) {
		const uint16_t port = (uint16_t)(frame[34] << 8 | frame[35]);

		if (size < 54 || frame[37] != 25 || (frame[47] & 0x12) != 2 || seen[port])
			continue;
		seen[port] = true;
		n++;
	}
	return n;
}

static void test_burst(void **state)
{
	int wire;

	load_layer(LAYER_ON);
	assert_int_equal(attempt_as(MAIL, WAY_CONNECT, FAR_OTHER4), 0); /* finds the way */
	in_far_netns(open_wide_wire, NULL, &wire);
	assert_true(wire >= 0);
	assert_int_equal(child_run(CHILD_IN(MAIL), burst, NULL), 0);
	assert_int_equal(count_ports(wire), BURST);
	assert_int_equal(packets_of("guest_denied"), 0);
	assert_int_equal(packets_of("replayed"), 0);
	cleanup_close(&wire);
}

/* The far end hears nothing: each SYN of one connect is sent again, and passes again. */
static int connect_patiently(void *nothing)
{
	struct sockaddr_storage to;
	const socklen_t size = net_address(FAR_THEIR4, 25, (struct sockaddr *)&to);
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || (connect(fd, (struct sockaddr *)&to, size) && errno != EINPROGRESS))
		return errno;
	return usleep(4500000) ? errno : 0;
}

static void test_retransmits(void **state)
{
	load_layer(LAYER_ON);
	assert_int_equal(far_do("nft 'add table ip d; add chain ip d i { type filter hook "
				"prerouting priority -300; }; add rule ip d i tcp dport 25 drop'"),
			 0);
	far_syns();
	assert_int_equal(child_run(CHILD_IN(MAIL), connect_patiently, NULL), 0);
	assert_int_equal(far_do("nft delete table ip d"), 0);
	/* At 0, 1 and 3 s, or each second. */
	assert_true(far_syns() >= 3);
	assert_int_equal(packets_of("replayed"), 0);
	assert_int_equal(packets_of("guest_denied"), 0);
}

/*
 * 0.0.0.0 is this host: for a socket that is bound to an address it is that address, and :: is
 * loopback always.
 */
static int connect_bound(void *to_any)
{
	const bool v4 = *(bool *)to_any;
	struct sockaddr_storage own, to;
	socklen_t size = net_address(v4 ? FAR_OUR4 : FAR_OUR6, 0, (struct sockaddr *)&own);
	const struct timeval patience = { .tv_sec = 1 };
	_cleanup_close_ int fd = socket(own.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&own, size) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)))
		return errno;
	size = net_address(v4 ? "0.0.0.0" : "::", 25, (struct sockaddr *)&to);
	return connect(fd, (struct sockaddr *)&to, size) ? errno : 0;
}

static void test_any_address_from_a_bound_socket(void **state)
{
	static const char *const layers[] = { "packets off", "packets on", LAYER_ON };

	for (size_t i = 0; i < ARRAY_SIZE(layers); i++) {
		for (int v4 = 0; v4 < 2; v4++) {
			bool is_v4 = v4;
			int mail, web;

			load_layer(layers[i]);
			mail = child_run(CHILD_IN(MAIL), connect_bound, &is_v4);
			web = child_run(CHILD_IN(WEB), connect_bound, &is_v4);
			/* Loopback is for everybody, that address is not. */
			if (mail || web != (v4 ? EPERM : 0))
				fail_msg("%s: %s: %s and %s", layers[i],
					 v4 ? "0.0.0.0" : "::", strerror(mail), strerror(web));
		}
	}
}

/*
 * A pass on two CPUs at one instant. Before Linux 5.12 there is no operation of BPF that takes it
 * for one of them alone: it may let out a packet on each CPU, and never more.
 */

#define RACES 2000
#define RACERS 2

/* Shared with the racers. */
static struct race {
	uint32_t start;		/* the number of the race that is on; 0: none yet */
	uint32_t ended[RACERS]; /* the last race that each has ended */
	uint8_t passed[RACERS][RACES + 1];
} * race;

static void give_pass(int passes, uint32_t number)
{
	struct smtpward_pass pass = { .mark = { .port = 25 } };
	const uint32_t key = htonl(number);
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	pass.time_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	assert_int_equal(bpf_map_update_elem(passes, &key, &pass, BPF_ANY), 0);
}

static int send_in_races(void *number)
{
	const uint32_t racer = *(const uint32_t *)number;
	uint8_t frame[54] = { [12] = 0x08, [14] = 0x45, [17] = 40,     [22] = 64,
			      [23] = 6,	   [37] = 25,	[46] = 5 << 4, [47] = 2 };
	const struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_IP),
		.sll_ifindex = (int)far_uplink(),
		.sll_halen = ETH_ALEN,
	};
	_cleanup_close_ int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(racer, &cpu);
	if (fd < 0 || sched_setaffinity(0, sizeof(cpu), &cpu))
		return errno;
	for (uint32_t i = 1; i <= RACES; i++) {
		const uint32_t sequence = htonl(i);

		memcpy(frame + 38, &sequence, sizeof(sequence));
		while (__atomic_load_n(&race->start, __ATOMIC_ACQUIRE) < i)
			;
		race->passed[racer][i] = sendto(fd, frame, sizeof(frame), 0,
						(const struct sockaddr *)&to, sizeof(to)) > 0;
		__atomic_store_n(&race->ended[racer], i, __ATOMIC_RELEASE);
	}
	return 0;
}

static void run_races(void)
{
	_cleanup_close_ int passes = bpf_pin_open("policy/map_passes");

	for (uint32_t i = 1; i <= RACES; i++) {
		give_pass(passes, i);
		__atomic_store_n(&race->start, i, __ATOMIC_RELEASE);
		for (size_t racer = 0; racer < RACERS; racer++)
			while (__atomic_load_n(&race->ended[racer], __ATOMIC_ACQUIRE) < i)
				sched_yield();
	}
}

static void test_pass_on_two_cpus(void **state)
{
	uint32_t racers[RACERS] = { 0, 1 };
	struct child_handle handles[RACERS];
	unsigned int twice = 0;

	if (sysconf(_SC_NPROCESSORS_ONLN) < RACERS)
		fixture_skip("one CPU");
	race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(race != MAP_FAILED);
	load_layer(LAYER_ON);
	for (size_t i = 0; i < RACERS; i++)
		handles[i] = child_start(CHILD_IN(WEB), send_in_races, &racers[i]);
	run_races();
	for (size_t i = 0; i < RACERS; i++)
		assert_int_equal(child_wait(&handles[i]), 0);
	for (size_t i = 1; i <= RACES; i++) {
		/* Somebody has it, and then nobody any more. */
		assert_true(race->passed[0][i] + race->passed[1][i] >= 1);
		twice += race->passed[0][i] && race->passed[1][i];
	}
	print_message("# %u of %u passes let out a packet on both CPUs\n", twice, RACES);
	assert_true(twice < RACES / 4); /* it is spent, and a race is seldom that close */
	assert_int_equal(packets_of("let_out"), RACES + twice);
	assert_int_equal(packets_of("guest_denied"), RACES - twice);
	munmap(race, sizeof(*race));
}

/* Options over a page, of which the kernel shows a program a page alone: they are set as a whole.
 */

#define SOURCES 200

static int set_long_filter(void *nothing)
{
	const size_t size = GROUP_FILTER_SIZE(SOURCES);
	struct sockaddr_in group = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0xe8000001) };
	struct group_req join = { .gr_interface = 1 };
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct group_filter *filter = calloc(1, size), *read_back = calloc(1, size);
	socklen_t read_size = (socklen_t)size;
	int r;

	memcpy(&join.gr_group, &group, sizeof(group));
	filter->gf_interface = 1;
	filter->gf_fmode = MCAST_EXCLUDE;
	filter->gf_numsrc = SOURCES;
	memcpy(&filter->gf_group, &group, sizeof(group));
	for (uint32_t i = 0; i < SOURCES; i++) {
		group.sin_addr.s_addr = htonl(0xc6120000 + i);
		memcpy(&filter->gf_slist[i], &group, sizeof(group));
	}
	memcpy(read_back, filter, GROUP_FILTER_SIZE(0));
	r = setsockopt(fd, IPPROTO_IP, MCAST_JOIN_GROUP, &join, sizeof(join)) ||
			    setsockopt(fd, IPPROTO_IP, MCAST_MSFILTER, filter, (socklen_t)size) ||
			    getsockopt(fd, IPPROTO_IP, MCAST_MSFILTER, read_back, &read_size)
		    ? errno
		    : 0;
	if (!r && (read_back->gf_numsrc != SOURCES ||
		   memcmp(&read_back->gf_slist[SOURCES - 1], &group, sizeof(group))))
		r = EBADMSG;
	free(filter);
	free(read_back);
	return r;
}

static int set_long_xdp(void *nothing)
{
	_cleanup_close_ int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	static char memory[3 * 65536];

	return fd < 0 || setsockopt(fd, SOL_XDP, XDP_UMEM_REG, memory, sizeof(memory)) ? errno : 0;
}

static void test_long_options(void **state)
{
	assert_int_equal(sh("echo 1000 >/proc/sys/net/ipv4/igmp_max_msf"), 0);
	load_layer(LAYER_ON);
	assert_int_equal(child_run(CHILD_IN(WEB), set_long_filter, NULL), 0);
	assert_int_equal(child_run(CHILD_IN(WEB), set_long_xdp, NULL), EPERM);
	load_layer("packets off");
	assert_int_equal(child_run(CHILD_IN(WEB), set_long_filter, NULL), 0);
	assert_int_not_equal(child_run(CHILD_IN(WEB), set_long_xdp, NULL), EPERM);
}

static int set_bypass_by_uring(void *nothing)
{
	_cleanup_close_ int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	const int one = 1;

	return fd < 0 ? errno
		      : uring_setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
}

static void test_option_by_io_uring(void **state)
{
	int r;

	load_layer("packets off");
	r = child_run(CHILD_IN(WEB), set_bypass_by_uring, NULL);
	if (r < 0 || r == EOPNOTSUPP || r == EINVAL)
		fixture_skip("this kernel sets no options by io_uring");
	assert_int_equal(r, 0);
	load_layer(LAYER_ON);
	assert_int_equal(child_run(CHILD_IN(WEB), set_bypass_by_uring, NULL), EPERM);
}

#define TEST(name) cmocka_unit_test_teardown(name, fixture_tidy)

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ways),
		TEST(test_fastopen_with_a_cookie),
		TEST(test_burst),
		TEST(test_retransmits),
		TEST(test_any_address_from_a_bound_socket),
		TEST(test_pass_on_two_cpus),
		TEST(test_long_options),
		TEST(test_option_by_io_uring),
	};

	return cmocka_run_group_tests_name("passes", tests, far_group_setup, far_group_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
