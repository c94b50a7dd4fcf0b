// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every way to connect, against live listeners: from a cgroup that the policy does
 * not name the exact errno, and no packet; from one that it allows the same call
 * goes through. What is not TCP or not a guarded port is never touched, and both
 * cgroups see the same.
 */
#include "fixture.h"

/* Nobody listens there: whoever connects is alone with itself. */
#define PORT_SELF 2600

#define POLICY               \
	"ports 25, 2500, 2600\n" \
	"limit 1000000/s burst 1000000\n" \
	"allow cgroup /%s/allowed\n"

struct row {
	const char *name;
	enum way way;
	const char *to;
	uint16_t port;
	int denied;	    /* what the cgroup sees that the policy does not name */
	int allowed;	    /* and the one that it does */
};

static const struct row rows[] = {
	{ "v4", WAY_CONNECT, NET_OUTSIDE4, 25, EPERM, 0 },
	{ "v4, another guarded port", WAY_CONNECT, NET_OUTSIDE4, 2500, EPERM, 0 },
	{ "v4 loopback, which no rule names", WAY_CONNECT, "127.0.0.1", 25, EPERM, 0 },
	{ "v4, all of 127/8", WAY_CONNECT, "127.9.9.9", 25, EPERM, 0 },
	{ "0.0.0.0", WAY_CONNECT, "0.0.0.0", 25, EPERM, 0 },
	{ "v6", WAY_CONNECT, NET_OUTSIDE6, 25, EPERM, 0 },
	{ "v6, another guarded port", WAY_CONNECT, NET_OUTSIDE6, 2500, EPERM, 0 },
	{ "v6 loopback", WAY_CONNECT, "::1", 25, EPERM, 0 },
	{ "::", WAY_CONNECT, "::", 25, EPERM, 0 },
	{ "mapped", WAY_CONNECT, "::ffff:" NET_OUTSIDE4, 25, EPERM, 0 },
	{ "mapped loopback", WAY_CONNECT, "::ffff:127.0.0.1", 25, EPERM, 0 },
	{ "mapped 0.0.0.0", WAY_CONNECT, "::ffff:0.0.0.0", 25, EPERM, 0 },

	{ "v4 non-blocking", WAY_NONBLOCK, NET_OUTSIDE4, 25, EPERM, 0 },
	{ "v6 non-blocking", WAY_NONBLOCK, NET_OUTSIDE6, 25, EPERM, 0 },
	{ "mapped non-blocking", WAY_NONBLOCK, "::ffff:" NET_OUTSIDE4, 25, EPERM, 0 },
	{ "v4 again on the fd", WAY_AGAIN, NET_OUTSIDE4, 25, EPERM, 0 },
	{ "v6 again on the fd", WAY_AGAIN, NET_OUTSIDE6, 25, EPERM, 0 },
	{ "mapped again on the fd", WAY_AGAIN, "::ffff:" NET_OUTSIDE4, 25, EPERM, 0 },
	{ "v4 AF_UNSPEC first", WAY_UNSPEC_FIRST, NET_OUTSIDE4, 25, EPERM, 0 },
	{ "v6 AF_UNSPEC first", WAY_UNSPEC_FIRST, NET_OUTSIDE6, 25, EPERM, 0 },

	{ "v4 MSG_FASTOPEN", WAY_FASTOPEN, NET_OUTSIDE4, 25, EPERM, 0 },
	{ "v6 MSG_FASTOPEN", WAY_FASTOPEN, NET_OUTSIDE6, 25, EPERM, 0 },
	{ "mapped MSG_FASTOPEN", WAY_FASTOPEN, "::ffff:" NET_OUTSIDE4, 25, EPERM, 0 },
	{ "v4 TCP_FASTOPEN_CONNECT", WAY_FASTOPEN_CONNECT, NET_OUTSIDE4, 25, EPERM, 0 },
	{ "v6 TCP_FASTOPEN_CONNECT", WAY_FASTOPEN_CONNECT, NET_OUTSIDE6, 25, EPERM, 0 },

	{ "v4 MPTCP", WAY_MPTCP, NET_OUTSIDE4, 25, EPERM, 0 },
	{ "v6 MPTCP", WAY_MPTCP, NET_OUTSIDE6, 25, EPERM, 0 },
	{ "mapped MPTCP", WAY_MPTCP, "::ffff:" NET_OUTSIDE4, 25, EPERM, 0 },
	{ "v4 SMC", WAY_SMC, NET_OUTSIDE4, 25, EPERM, 0 },
	{ "v6 SMC", WAY_SMC, NET_OUTSIDE6, 25, EPERM, 0 },

	{ "v4 io_uring", WAY_URING, NET_OUTSIDE4, 25, EPERM, 0 },
	{ "v6 io_uring", WAY_URING, NET_OUTSIDE6, 25, EPERM, 0 },
	{ "v4 io_uring async", WAY_URING_ASYNC, NET_OUTSIDE4, 25, EPERM, 0 },
	{ "mapped io_uring async", WAY_URING_ASYNC, "::ffff:" NET_OUTSIDE4, 25, EPERM, 0 },
	{ "v4 io_uring SQPOLL", WAY_URING_SQPOLL, NET_OUTSIDE4, 25, EPERM, 0 },
	{ "v6 io_uring SQPOLL", WAY_URING_SQPOLL, NET_OUTSIDE6, 25, EPERM, 0 },

	{ "v4 TCP_REPAIR", WAY_REPAIR, NET_OUTSIDE4, 25, EPERM, 0 },
	{ "v6 TCP_REPAIR", WAY_REPAIR, NET_OUTSIDE6, 25, EPERM, 0 },
	{ "v4 simultaneous open", WAY_SELF, "127.0.0.1", PORT_SELF, EPERM, 0 },
	{ "v6 simultaneous open", WAY_SELF, "::1", PORT_SELF, EPERM, 0 },
	{ ":: from a socket of an IPv4 address", WAY_BOUND_MAPPED, "::", 25, EPERM, 0 },
	{ "v4 own network namespace", WAY_OTHER_NETNS, NET_OUTSIDE4, 25, EPERM, 0 },
	{ "v6 own network namespace", WAY_OTHER_NETNS, NET_OUTSIDE6, 25, EPERM, 0 },

	{ "v4 UDP connect", WAY_UDP, NET_OUTSIDE4, 25, 0, 0 },
	{ "v6 UDP connect", WAY_UDP, NET_OUTSIDE6, 25, 0, 0 },
	{ "mapped UDP connect", WAY_UDP, "::ffff:" NET_OUTSIDE4, 25, 0, 0 },
	{ "v4 UDP sendto", WAY_UDP_SENDTO, NET_OUTSIDE4, 25, 0, 0 },
	{ "v6 UDP sendto", WAY_UDP_SENDTO, NET_OUTSIDE6, 25, 0, 0 },
	{ "v4 ICMP connect", WAY_ICMP, NET_OUTSIDE4, 25, 0, 0 },
	{ "v6 ICMP connect", WAY_ICMP, NET_OUTSIDE6, 25, 0, 0 },
	{ "v4 raw connect", WAY_RAW, NET_OUTSIDE4, 25, 0, 0 },
	/* rawv6 takes a port for a protocol number, and only its own: 6 is TCP. */
	{ "v6 raw connect", WAY_RAW, NET_OUTSIDE6, 6, 0, 0 },

	{ "v4 port 26", WAY_CONNECT, NET_OUTSIDE4, 26, 0, 0 },
	{ "v6 port 26", WAY_CONNECT, NET_OUTSIDE6, 26, 0, 0 },
	{ "mapped port 26", WAY_CONNECT, "::ffff:" NET_OUTSIDE4, 26, 0, 0 },
	{ "v4 port 587", WAY_CONNECT, NET_OUTSIDE4, 587, 0, 0 },
	{ "v4 port 2501, next to a guarded one", WAY_CONNECT, NET_OUTSIDE4, 2501, 0, 0 },
	{ "v4 port 6400, which is 25 in the other byte order", WAY_CONNECT, NET_OUTSIDE4, 6400,
	  ECONNREFUSED, ECONNREFUSED },
	{ "v4 port 24, closed", WAY_CONNECT, NET_OUTSIDE4, 24, ECONNREFUSED, ECONNREFUSED },
	{ "v6 port 24, closed", WAY_CONNECT, NET_OUTSIDE6, 24, ECONNREFUSED, ECONNREFUSED },
};

/* Whether what goes through does so with a packet, and on our loopback device. */
static bool sends_syn(enum way way)
{
	switch (way) {
	case WAY_REPAIR:
	case WAY_UDP:
	case WAY_UDP_SENDTO:
	case WAY_ICMP:
	case WAY_RAW:
	case WAY_OTHER_NETNS:
		return false;
	default:
		return true;
	}
}

static void assert_result(const struct row *row, const char *cgroup, int expected)
{
	struct attempt connect = { .way = row->way, .to = row->to, .port = row->port };
	bool passes = expected == 0 || expected == ECONNREFUSED;
	int result, syns;

	wire_drain();
	result = child_run(CHILD_IN(cgroup), attempt, &connect);
	syns = wire_syns(row->port);
	/* A kernel without the protocol is closed that way: an answer, and no skip. */
	if (result == -EAFNOSUPPORT || result == -EPROTONOSUPPORT) {
		assert_int_equal(syns, 0);
		return;
	}
	if (result < 0)
		fixture_skip_as(row->name, "this kernel has no such way: %s", strerror(-result));
	if (result != expected)
		fail_msg("%s, %s: %s, not %s", row->name, cgroup, strerror(result),
			 strerror(expected));
	if (!passes && syns)
		fail_msg("%s, %s: refused, but %d packets went out", row->name, cgroup, syns);
	if (passes && !syns && sends_syn(row->way))
		fail_msg("%s, %s: went through, but no packet was seen", row->name, cgroup);
}

/* The last one has what the allowed one may have left behind: a Fast Open cookie. */
static void test_row(void **state)
{
	const struct row *row = *state;

	assert_result(row, "denied", row->denied);
	assert_result(row, "allowed", row->allowed);
	assert_result(row, "denied", row->denied);
}

struct sweep {
	const char *to;
	int step;
};

/* The first unguarded port that is refused by anything but its being closed; 0: none. */
static int sweep(void *userdata)
{
	const struct sweep *sweep = userdata;

	for (int port = 1; port <= 65535; port += port < 3000 ? 1 : sweep->step) {
		struct attempt connect = { WAY_CONNECT, sweep->to, (uint16_t)port };
		int result;

		if (port == 25 || port == 2500 || port == PORT_SELF)
			continue;
		result = attempt(&connect);
		if (result && result != ECONNREFUSED)
			return port;
	}
	return 0;
}

static void test_sweep(void **state)
{
	struct sweep v4 = { NET_OUTSIDE4, 37 }, v6 = { NET_OUTSIDE6, 101 };
	uint64_t denied = status_counter("denied");

	assert_int_equal(child_run(CHILD_IN("denied"), sweep, &v4), 0);
	assert_int_equal(child_run(CHILD_IN("denied"), sweep, &v6), 0);
	assert_int_equal(status_counter("denied"), denied);
}

/* Every refusal of the table was counted as one, and none was anything else. */
static void test_no_trouble(void **state)
{
	assert_true(status_counter("denied") > 0);
	assert_true(status_counter("allowed") > 0);
	assert_int_equal(status_counter("audited"), 0);
	assert_int_equal(status_counter("broken"), 0);
}

static int setup(void **state)
{
	fixture_setup(state);
	cgroup_make("allowed");
	cgroup_make("denied");
	policy_load(POLICY, fixture.name);
	return 0;
}

static int teardown(void **state)
{
	fixture_tidy(state);
	return fixture_teardown(state);
}

static int tests(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 2] = { 0 };
	size_t n = 0;

	for (; n < ARRAY_SIZE(rows); n++)
		tests[n] = (struct CMUnitTest){
			.name = rows[n].name,
			.test_func = test_row,
			.initial_state = (void *)&rows[n],
		};
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_sweep);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_no_trouble);
	return cmocka_run_group_tests_name("table", tests, setup, teardown);
}

int main(void)
{
	return fixture_main(tests);
}
