// SPDX-License-Identifier: GPL-2.0-only
/*
 * `to local`: which addresses are the host's, for whom, and how long a lease is worth
 * something. What becomes of who keeps them is in test_local_fire.c.
 */
#include "fixture_local.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

#include <bpf/bpf.h>

static void test_what_is_local(void **state)
{
	static const char *const local[] = {
		KEPT4, KEPT6, "::ffff:" KEPT4, NET_OUTSIDE4_OTHER, "127.0.0.1", "127.1.2.3",
		"::1", "::",  "0.0.0.0",
	};
	static const char *const foreign[] = { NOBODYS4, NOBODYS6, "::ffff:" NOBODYS4, ADDED4 };
	_cleanup_keeper_ keeper = { 0 };

	keeper_keep(&keeper, "allow to local");
	for (size_t i = 0; i < ARRAY_SIZE(local); i++)
		if (local_reach(local[i]))
			fail_msg("%s is local: %d", local[i], local_reach(local[i]));
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++)
		if (local_reach(foreign[i]) != EPERM)
			fail_msg("%s is not local: %d", foreign[i], local_reach(foreign[i]));
	/* Loopback is two of them, and what is of one link none. */
	local_add("fe80::26", 128);
	local_add(ADDED6, 128);
	local_wait(ADDED6, 0, clock_ms(), SOON_MS);
	local_status(0, "\nlocal     8 addresses and prefixes\n");
	local_remove(ADDED6, 128);
	local_remove("fe80::26", 128);
}

/* In a list; behind a rule that hides it; with another condition. */
static void test_rules(void **state)
{
	_cleanup_keeper_ keeper = { 0 };

	keeper_keep(&keeper, "deny to " NET_OUTSIDE4_OTHER "\n"
			     "allow to " NOBODYS4 ", local user 0\n");
	assert_int_equal(local_reach(NET_OUTSIDE4_OTHER), EPERM);
	assert_int_equal(local_reach(KEPT6), 0);
	assert_int_not_equal(local_reach(NOBODYS4), EPERM);
	assert_int_equal(local_reach(NOBODYS6), EPERM);
	assert_int_equal(child_run(CHILD(.cgroup = "x.service", .uid = 1234, .euid = 1234), attempt,
				   &(struct attempt){ WAY_CONNECT, KEPT6, 25 }),
			 EPERM);
}

/* Of one prefix, so that it goes with the first one, and comes back in its place. */
static void test_secondary(void **state)
{
	_cleanup_keeper_ keeper = { 0 };

	keeper_keep(&keeper, "allow to local");
	local_add("198.18.1.1", 24);
	local_add("198.18.1.2", 24);
	local_wait("198.18.1.2", 0, clock_ms(), SOON_MS);
	local_remove("198.18.1.1", 24);
	local_wait("198.18.1.2", EPERM, clock_ms(), SOON_MS);
	local_wait("198.18.1.1", EPERM, clock_ms(), SOON_MS);
}

/* A whole prefix made local by a route is, and one in a table that is asked for marks is not. */
static void test_routes(void **state)
{
	_cleanup_keeper_ keeper = { 0 };

	keeper_keep(&keeper, "allow to local");
	local_route("2001:db8:aaaa::", 48, RT_TABLE_LOCAL, true);
	local_route("2001:db8:ffff::", 48, 100, true);
	local_wait("2001:db8:aaaa::25", 0, clock_ms(), SOON_MS);
	assert_int_equal(local_reach(NOBODYS6), EPERM);
	local_route("2001:db8:aaaa::", 48, RT_TABLE_LOCAL, false);
	local_wait("2001:db8:aaaa::25", EPERM, clock_ms(), SOON_MS);
	local_route("2001:db8:ffff::", 48, 100, false);
	/* All of IPv6, and no address of IPv4. */
	local_route("::", 0, RT_TABLE_LOCAL, true);
	local_add(ADDED4, 32);
	local_wait(ADDED4, 0, clock_ms(), SOON_MS);
	assert_int_equal(local_reach(NOBODYS4), EPERM);
	assert_int_equal(local_reach("::ffff:" NOBODYS4), EPERM);
	local_remove(ADDED4, 32);
	local_route("::", 0, RT_TABLE_LOCAL, false);
}

/* A pair of devices with a cable in between, the one "tentative0". */
struct new_cable {
	struct nlmsghdr header;
	struct ifinfomsg message;
	struct rtattr name_attribute;
	char name[12];
	struct rtattr info_attribute;
	struct rtattr kind_attribute;
	char kind[4];
};

static void make_cable(void)
{
	struct new_cable request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = RTM_NEWLINK,
			.nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL,
		},
		.name_attribute = { RTA_LENGTH(sizeof(request.name)), IFLA_IFNAME },
		.name = "tentative0",
		.info_attribute = { RTA_LENGTH(RTA_LENGTH(sizeof(request.kind))), IFLA_LINKINFO },
		.kind_attribute = { RTA_LENGTH(sizeof(request.kind)), IFLA_INFO_KIND },
		.kind = "veth",
	};
	int r = net_request(&request);

	if (r == -EOPNOTSUPP)
		fixture_skip_as("test_tentative", "this kernel has no veth");
	assert_int_equal(r, 0);
}

/* An address that may be another's is not the host's, until nobody has objected. */
static void test_tentative(void **state)
{
	static const char tries[] = "/proc/sys/net/ipv6/conf/tentative0/dad_transmits";
	_cleanup_keeper_ keeper = { 0 };
	_cleanup_close_ int fd = -1;

	keeper_keep(&keeper, "allow to local");
	make_cable();
	/* A minute of them. */
	fd = open(tries, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0 && write(fd, "60", 2) == 2);
	assert_int_equal(net_device_up("tentative0"), 0);
	assert_int_equal(net_change_address("tentative0", ADDED6, 64, NET_ADD_TENTATIVE), 0);
	local_add(ADDED4, 32);
	local_wait(ADDED4, 0, clock_ms(), SOON_MS);
	assert_int_equal(local_reach(ADDED6), EPERM);
	assert_int_equal(net_change_address("tentative0", ADDED6, 64, NET_REMOVE), 0);
	assert_int_equal(net_change_address("tentative0", ADDED6, 64, NET_ADD), 0);
	local_wait(ADDED6, 0, clock_ms(), SOON_MS);
	assert_int_equal(net_change_address("tentative0", ADDED6, 64, NET_REMOVE), 0);
	local_wait(ADDED6, EPERM, clock_ms(), SOON_MS);
	local_remove(ADDED4, 32);
}

static void test_nobody_keeps(void **state)
{
	cgroup_make("x.service");
	policy_load("allow to local");
	assert_int_equal(local_reach("127.0.0.1"), 0);
	assert_int_equal(local_reach("::1"), 0);
	assert_int_equal(local_reach(KEPT4), EPERM);
	assert_int_equal(local_reach(KEPT6), EPERM);
	local_status(4, "nobody keeps the local addresses");
}

/* What a lease is worth, without a keeper: it is over, it is not, it cannot be one. */
static void test_leases(void **state)
{
	struct smtpward_prefix key = { 128, { [10] = 0xff, 0xff } };
	_cleanup_close_ int fd = -1;
	struct timespec now;
	uint64_t end, from;

	cgroup_make("x.service");
	policy_load("allow to local");
	fd = bpf_pin_open("policy/map_local");
	assert_true(fd >= 0);
	assert_int_equal(inet_pton(AF_INET, KEPT4, key.address + 12), 1);
	clock_gettime(CLOCK_BOOTTIME, &now);
	from = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	end = from + 2000000000;
	assert_int_equal(bpf_map_update_elem(fd, &key, &end, BPF_ANY), 0);
	assert_int_equal(local_reach(KEPT4), 0);
	local_wait(KEPT4, EPERM, clock_ms(), SOON_MS + 2000);
	clock_gettime(CLOCK_BOOTTIME, &now);
	assert_true((uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec >= end);
	/* Of somebody who meant well, or ill, and for long. */
	for (int i = 0; i < 3; i++) {
		end = i ? i == 1 ? UINT64_MAX : 0 : from + 3600000000000;
		assert_int_equal(bpf_map_update_elem(fd, &key, &end, BPF_ANY), 0);
		assert_int_equal(local_reach(KEPT4), EPERM);
	}
}

/* A socket goes by the routes of its own namespace, whoever connects it. */
static int connect_from(int netns, int fd, const char *to)
{
	struct sockaddr_storage address;
	socklen_t size = net_address(to, 25, (struct sockaddr *)&address);

	if (setns(netns, CLONE_NEWNET))
		return -errno;
	return connect(fd, (struct sockaddr *)&address, size) ? errno : 0;
}

/* 1: a socket of the host's, connected elsewhere; 2: one from elsewhere, on the host. */
static int cross(void *arg)
{
	_cleanup_close_ int host = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), other = -1;
	int from_host = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), from_other;

	if (host < 0 || from_host < 0 || unshare(CLONE_NEWNET) || net_up(true))
		return -EBADF;
	other = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	from_other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return *(int *)arg == 1 ? connect_from(other, from_host, KEPT4)
				: connect_from(host, from_other, KEPT4);
}

static void test_other_namespace(void **state)
{
	static const char *const there[] = { KEPT4, KEPT6, "::ffff:" KEPT4, "127.0.0.1", "::1" };
	_cleanup_keeper_ keeper = { 0 };

	keeper_keep(&keeper, "allow to local");
	for (size_t i = 0; i < ARRAY_SIZE(there); i++) {
		struct attempt other = { WAY_OTHER_NETNS, there[i], 25 };

		assert_int_equal(child_run(CHILD_IN("x.service"), attempt, &other), EPERM);
	}
	assert_int_equal(child_run(CHILD_IN("x.service"), cross, &(int){ 1 }), 0);
	assert_int_equal(child_run(CHILD_IN("x.service"), cross, &(int){ 2 }), EPERM);
}

static int bound_connect(void *arg)
{
	struct sockaddr_storage address;
	socklen_t size = net_address(arg, 25, (struct sockaddr *)&address);
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", sizeof("lo")))
		return -errno;
	return connect(fd, (struct sockaddr *)&address, size) ? errno : 0;
}

static int link_connect(void *arg)
{
	struct sockaddr_in6 address;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	net_address(arg, 25, (struct sockaddr *)&address);
	address.sin6_scope_id = if_nametoindex("lo");
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) ? errno : 0;
}

/* Where an address is the host's on one device and may be another's on the next. */
static void test_devices(void **state)
{
	_cleanup_keeper_ keeper = { 0 };

	keeper_keep(&keeper, "allow to local");
	assert_int_equal(child_run(CHILD_IN("x.service"), bound_connect, (void *)KEPT4), EPERM);
	assert_int_equal(child_run(CHILD_IN("x.service"), bound_connect, (void *)KEPT6), EPERM);
	local_add("fe80::25", 128);
	local_add(ADDED6, 128);
	local_wait(ADDED6, 0, clock_ms(), SOON_MS);
	assert_int_equal(child_run(CHILD_IN("x.service"), link_connect, (void *)"fe80::25"), EPERM);
	local_remove(ADDED6, 128);
	local_remove("fe80::25", 128);
}

/* A line of /proc/PID/status, up to its end. */
static void process_has(pid_t pid, const char *line)
{
	_cleanup_fclose_ FILE *file = NULL;
	char path[64], text[4096] = "\n";

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	assert_non_null(file);
	text[1 + fread(text + 1, 1, sizeof(text) - 2, file)] = '\0';
	if (!strstr(text, line))
		fail_msg("not '%s': %s", line, text);
}

/* Of what a process has open, that which is no socket, no BPF object and no pipe: a file. */
static int open_file_of(pid_t pid, char *ret_path, size_t size)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *entry;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		memset(ret_path, 0, size);
		if (atoi(entry->d_name) > STDERR_FILENO &&
		    readlinkat(dirfd(dir), entry->d_name, ret_path, size - 1) > 0 &&
		    *ret_path == '/')
			return atoi(entry->d_name);
	}
	return -1;
}

/* What it opens itself it closes soon; what it inherited stays. */
static void process_has_no_file(pid_t pid)
{
	const int64_t deadline = clock_ms() + SOON_MS;
	char path[256];
	int fd;

	while ((fd = open_file_of(pid, path, sizeof(path))) >= 0)
		if (!pause_until(deadline))
			fail_msg("%d is open: %s", fd, path);
}

static int open_a_file(void *arg)
{
	return open(fixture.binary, O_RDONLY) < 0;
}

/* What its caller had open, and what a run had. */
static void test_inherits_nothing(void **state)
{
	const char *argv[] = { "smtpward", "run",
			       "-c",	   policy_write("allow to local"),
			       "--cgroup", fixture.attached,
			       "--pins",   fixture.pins,
			       NULL };
	_cleanup_(log_close) struct log log = { 0 };
	_cleanup_keeper_ keeper = { 0 };
	pid_t child;

	cgroup_make("x.service");
	log_start_run(&log, argv, NULL);
	log_line(&log, "keeping the local addresses", 0);
	process_has_no_file(keeper_child(keeper_child(log.pid)));
	log_end(&log, SIGTERM);
	keeper_start(&keeper, open_a_file);
	keeper_says(&keeper, "keeping the local addresses");
	process_has_no_file(keeper.pid);
	child = keeper_child(keeper.pid);
	process_has_no_file(child);
}

/* Where there is none, and where there is nothing. */
static void test_waits(void **state)
{
	const char *const there[] = { fixture.pins, "/nosuch-5a1d/pins" };

	for (size_t i = 0; i < ARRAY_SIZE(there); i++) {
		_cleanup_keeper_ keeper = { 0 };
		char text[256];

		snprintf(text, sizeof(text), "no policy is loaded in %s: waiting for one",
			 there[i]);
		keeper_start_at(&keeper, there[i], NULL);
		keeper_says(&keeper, text);
	}
}

static void test_ends(void **state)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		_cleanup_keeper_ keeper = { 0 };
		int status = -1;

		keeper_keep(&keeper, "allow to local");
		assert_int_equal(kill(keeper.pid, signals[i]), 0);
		child_reap(keeper.pid, clock_ms() + FIXTURE_PATIENCE, &status);
		assert_int_equal(status, 0);
		cleanup_close(&keeper.fd);
		keeper.pid = 0;
	}
}

static void test_rights(void **state)
{
	_cleanup_keeper_ keeper = { 0 };
	pid_t child;

	keeper_keep(&keeper, "allow to local");
	child = keeper_child(keeper.pid);
	process_has(child, "\nUid:\t65534\t65534\t65534\t65534\n");
	process_has(child, "\nGid:\t65534\t65534\t65534\t65534\n");
	process_has(child, "\nGroups:\t \n");
	process_has(child, "\nNoNewPrivs:\t1\n");
	process_has(child, "\nSeccomp:\t2\n");
	/* Linux 5.10 wants CAP_BPF of everybody. */
	process_has(child, "\nCapPrm:\t000000");
	assert_int_equal(smtpward("local", "--user", "root", NULL), 2);
	assert_non_null(strstr(run.err, "name another user"));
	assert_int_equal(smtpward("local", "--user", "0", NULL), 2);
	assert_int_equal(smtpward("local", "--user", "4294967294", NULL), 1);
	assert_int_equal(smtpward("local", "--user", "nobody-of-that-name", NULL), 1);
}

#define TEST(name) cmocka_unit_test_teardown(name, fixture_tidy)

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_local),
		TEST(test_rules),
		TEST(test_secondary),
		TEST(test_routes),
		TEST(test_tentative),
		TEST(test_nobody_keeps),
		TEST(test_leases),
		TEST(test_other_namespace),
		TEST(test_devices),
		TEST(test_rights),
		TEST(test_inherits_nothing),
		TEST(test_waits),
		TEST(test_ends),
	};

	return cmocka_run_group_tests_name("local", tests, local_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
