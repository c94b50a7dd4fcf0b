// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mark and pass without an uplink, on every kernel that smtpward runs on: a first SYN to a guarded
 * port leaves a socket only if connect(2) was allowed for it; and the options of sockets that lead
 * past such hooks.
 */
#include "fixture.h"

#define MAIL "mail.service"
#define WEB "web.service"

#define SOL_PACKET_LEVEL 263
#define QDISC_BYPASS 20

static const char *const outside[] = { NET_OUTSIDE4, NET_OUTSIDE6, "::ffff:" NET_OUTSIDE4 };

static void load(const char *settings)
{
	cgroup_make(MAIL);
	cgroup_make(WEB);
	policy_load("%s\nallow cgroup /%s/" MAIL "\n", settings, fixture.name);
}

static int attempt_as(const char *cgroup, enum way way, const char *to, uint16_t port)
{
	struct attempt one = { way, to, port };

	return child_run(CHILD_IN(cgroup), attempt, &one);
}

static void test_connects(void **state)
{
	static const enum way ways[] = { WAY_CONNECT, WAY_NONBLOCK,	    WAY_FASTOPEN,
					 WAY_MPTCP,   WAY_FASTOPEN_CONNECT, WAY_URING };

	load("packets on");
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		for (size_t to = 0; to < ARRAY_SIZE(outside); to++) {
			const int allowed = attempt_as(MAIL, ways[i], outside[to], 25);
			const int refused = attempt_as(WEB, ways[i], outside[to], 25);

			/* A way that this kernel lacks is below 0. */
			if (allowed > 0 || (refused >= 0 && refused != EPERM))
				fail_msg("way %d to %s: %d and %d", ways[i], outside[to], allowed,
					 refused);
		}
	}
	assert_int_equal(attempt_as(WEB, WAY_CONNECT, NET_OUTSIDE4, 26), 0);
	assert_int_equal(attempt_as(WEB, WAY_UDP, NET_OUTSIDE4, 25), 0);
}

/* The first packet of a connection to NET_OUTSIDE4, from nowhere, without TCP's checksum. */
static int send_raw(void *port)
{
	struct sockaddr_in to;
	const socklen_t size = net_address(NET_OUTSIDE4, 0, (struct sockaddr *)&to);
	_cleanup_close_ int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	uint8_t packet[40] = { [0] = 0x45,
			       [8] = 64,
			       [9] = IPPROTO_TCP,
			       [20] = 0x57,
			       [23] = *(const uint16_t *)port,
			       [32] = 5 << 4,
			       [33] = 2 };

	memcpy(packet + 16, &to.sin_addr, sizeof(to.sin_addr));
	return fd < 0 || sendto(fd, packet, sizeof(packet), 0, (struct sockaddr *)&to, size) < 0
		       ? errno
		       : 0;
}

static int raw(const char *cgroup, uint16_t port)
{
	return child_run(CHILD_IN(cgroup), send_raw, &port);
}

/* By nobody, to a guarded port; with the layer off, by everybody. */
static void test_raw_sockets(void **state)
{
	load("packets on");
	wire_drain();
	assert_int_equal(raw(WEB, 25), EPERM);
	assert_int_equal(raw(MAIL, 25), EPERM);
	assert_int_equal(wire_syns(25), 0);
	assert_int_equal(raw(WEB, 26), 0);
	load("packets on\nmode audit");
	assert_int_equal(raw(WEB, 25), 0);
	load("packets off");
	assert_int_equal(raw(WEB, 25), 0);
	assert_int_not_equal(wire_syns(25), 0);
}

static int set_bypass(void *nothing)
{
	_cleanup_close_ int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	const int one = 1;

	return fd < 0 || setsockopt(fd, SOL_PACKET_LEVEL, QDISC_BYPASS, &one, sizeof(one)) ? errno
											   : 0;
}

/* An option over a page: the kernel shows a program no more of it. */
static int set_long_option(void *nothing)
{
	static char name[3 * 65536];
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int size = 4096;

	memcpy(name, &size, sizeof(size));
	return fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDBUF, name, sizeof(name)) ? errno : 0;
}

static void test_options(void **state)
{
	load("packets on\nraw deny");
	assert_int_equal(child_run(CHILD_IN(WEB), set_bypass, NULL), EPERM);
	assert_int_equal(child_run(CHILD_IN(MAIL), set_bypass, NULL), EPERM);
	assert_int_equal(child_run(CHILD_IN(WEB), set_long_option, NULL), 0);
	load("packets on");
	assert_int_equal(child_run(CHILD_IN(WEB), set_bypass, NULL), 0);
}

/*
 * Every kernel takes the programs of gates, with all that a rule on guests can ask for, whether or
 * not it has the hook.
 */
static void test_gates(void **state)
{
	const char *file =
		policy_write("packets on\nuplink none0\nallow guest tap*, br0 to 192.0.2.1, "
			     "2001:db8::/32 port 25 from 10.0.0.0/8 vlan 3, 4 mac "
			     "52:54:00:12:34:56 until 2099-01-01T00:00Z\n");

	if (policy_load_file(file))
		fail_msg("%s", run.err);
}

#define TEST(name) cmocka_unit_test_teardown(name, fixture_tidy)

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_connects),
		TEST(test_raw_sockets),
		TEST(test_options),
		TEST(test_gates),
	};

	return cmocka_run_group_tests_name("pass", tests, fixture_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
