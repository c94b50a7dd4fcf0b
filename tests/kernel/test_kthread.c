// SPDX-License-Identifier: GPL-2.0-only
/*
 * A thread of the kernel's as caller: the path manager of Multipath TCP, which joins a second
 * address to a connection that the policy allowed. Its connect is no process's: the line shows the
 * thread, and no script.
 */
#include "fixture.h"

#include <arpa/inet.h>
#include <linux/genetlink.h>
#include <linux/mptcp.h>
#include <net/if.h>
#include <signal.h>
#include <time.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

#define PORT 2520

struct message {
	struct nlmsghdr header;
	struct genlmsghdr generic;
	unsigned char attributes[256];
};

static struct nlattr *put(struct message *message, uint16_t type, const void *data, size_t size)
{
	struct nlattr *attribute =
		(void *)((char *)message + NLMSG_ALIGN(message->header.nlmsg_len));

	*attribute = (struct nlattr){ .nla_len = (uint16_t)(NLA_HDRLEN + size), .nla_type = type };
	memcpy((char *)attribute + NLA_HDRLEN, data, size);
	message->header.nlmsg_len =
		NLMSG_ALIGN(message->header.nlmsg_len) + (uint32_t)NLA_ALIGN(attribute->nla_len);
	return attribute;
}

static struct message begin(uint16_t family, uint8_t command)
{
	return (struct message){
		.header = { .nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN), .nlmsg_type = family },
		.generic = { .cmd = command, .version = 1 },
	};
}

/* Asks, and returns the answer's error; *ret_answer is the message before it, if there is one. */
static int ask(struct message *message, struct message *ret_answer)
{
	_cleanup_close_ int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	union {
		struct nlmsghdr header;
		struct {
			struct nlmsghdr header;
			struct nlmsgerr error;
		} end;
		char bytes[4096];
	} answer;

	message->header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	if (netlink < 0 || send(netlink, message, message->header.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		if (recv(netlink, &answer, sizeof(answer), 0) < 0)
			return -errno;
		if (answer.header.nlmsg_type == NLMSG_ERROR)
			return answer.end.error.error;
		memcpy(ret_answer, &answer, sizeof(*ret_answer));
	}
}

static uint16_t find_family(void)
{
	struct message message = begin(GENL_ID_CTRL, CTRL_CMD_GETFAMILY), answer = { 0 };
	const char *at = (const char *)answer.attributes;

	put(&message, CTRL_ATTR_FAMILY_NAME, MPTCP_PM_NAME, sizeof(MPTCP_PM_NAME));
	if (ask(&message, &answer))
		return 0;
	while (at < (const char *)(&answer + 1)) {
		const struct nlattr *attribute = (const void *)at;

		if (!attribute->nla_len)
			break;
		if (attribute->nla_type == CTRL_ATTR_FAMILY_ID)
			return *(const uint16_t *)(at + NLA_HDRLEN);
		at += NLA_ALIGN(attribute->nla_len);
	}
	return 0;
}

/* Each connection takes the other address too, on either side. False: this kernel cannot. */
static bool join_second_address(void)
{
	const uint16_t family = find_family();
	struct message limits = begin(family, MPTCP_PM_CMD_SET_LIMITS), answer;
	struct message endpoint = begin(family, MPTCP_PM_CMD_ADD_ADDR);
	const uint32_t one = 1, flags = MPTCP_PM_ADDR_FLAG_SUBFLOW;
	const uint16_t inet = AF_INET;
	struct nlattr *nest;
	struct in_addr other;

	if (!family)
		return false;
	put(&limits, MPTCP_PM_ATTR_RCV_ADD_ADDRS, &one, sizeof(one));
	put(&limits, MPTCP_PM_ATTR_SUBFLOWS, &one, sizeof(one));
	assert_int_equal(ask(&limits, &answer), 0);
	assert_int_equal(inet_pton(AF_INET, NET_OUTSIDE4_OTHER, &other), 1);
	nest = put(&endpoint, MPTCP_PM_ATTR_ADDR | NLA_F_NESTED, "", 0);
	put(&endpoint, MPTCP_PM_ADDR_ATTR_FAMILY, &inet, sizeof(inet));
	put(&endpoint, MPTCP_PM_ADDR_ATTR_ADDR4, &other, sizeof(other));
	put(&endpoint, MPTCP_PM_ADDR_ATTR_FLAGS, &flags, sizeof(flags));
	nest->nla_len = (uint16_t)((char *)&endpoint + endpoint.header.nlmsg_len - (char *)nest);
	assert_int_equal(ask(&endpoint, &answer), 0);
	return true;
}

/* Answers each byte, until the other end is closed. */
static int serve(void *arg)
{
	const int listening = *(int *)arg;
	_cleanup_close_ int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	char byte;

	if (fd < 0)
		return -errno;
	while (read(fd, &byte, 1) == 1)
		if (write(fd, &byte, 1) != 1)
			return -errno;
	return 0;
}

/* The path manager joins once the other side is known to have understood. */
static int talk(void *arg)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);
	const struct timespec pause = { .tv_nsec = 10000000 };
	struct sockaddr_storage to;
	socklen_t size = net_address(NET_OUTSIDE4, PORT, (struct sockaddr *)&to);
	char byte = 'x';

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, size))
		return -errno;
	for (int i = 0; i < 50; i++) {
		if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
			return -errno;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int listen_for_both(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);
	struct sockaddr_storage at;
	socklen_t size = net_address(NET_OUTSIDE4, PORT, (struct sockaddr *)&at);

	if (fd < 0)
		return -1;
	assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

/* On older kernels, 6.1 for one, threads of the kernel share the directory of process 1. */
static void assert_cwd(const struct line *line)
{
	const struct line_field *cwd = line_field(line, "cwd");
	char of_first[sizeof(cwd->value)] = "";

	if (!strcmp(cwd->value, "/"))
		return;
	assert_true(readlink("/proc/1/cwd", of_first, sizeof(of_first) - 1) > 0);
	line_assert(line, "cwd", of_first);
}

static void test_path_manager(void **state)
{
	_cleanup_close_ int listening = listen_for_both();
	_cleanup_(log_close) struct log log;
	struct child_handle server;
	struct line line;

	if (listening < 0 || !join_second_address())
		fixture_skip("this kernel has no Multipath TCP for us");
	policy_load("ports %d\nallow unit mta.service\nlimit 1000/s burst 1000\n", PORT);
	cgroup_make("mta.service");
	server = child_start(CHILD(0), serve, &listening);
	assert_int_equal(child_run(CHILD_IN("mta.service"), talk, NULL), 0);
	assert_int_equal(child_wait(&server), 0);
	log_start(&log, LOG_FILE);
	line_read(log_line(&log, "verdict", 0), &line);
	line_assert(&line, "verdict", "deny");
	line_assert(&line, "dst", NET_OUTSIDE4);
	line_assert_number(&line, "dport", PORT);
	line_assert_number(&line, "ppid", 2);
	line_assert(&line, "cgroup", "/");
	line_assert(&line, "unit", "");
	line_assert(&line, "exe", "");
	assert_cwd(&line);
	line_assert(&line, "args", "");
	line_assert(&line, "ancestors", "kthreadd");
	assert_memory_equal(line_field(&line, "comm")->value, "kworker/", strlen("kworker/"));
	log_end(&log, SIGTERM);
}

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_path_manager, fixture_tidy),
	};

	return cmocka_run_group_tests_name("kthread", tests, fixture_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
