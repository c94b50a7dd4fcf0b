// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table "local", by rtnetlink; see local_table.h. A message about a change is only a reason to
 * read the table again; its content is not used. Some changes have no message: the kernel tells
 * nobody of the IPv4 routes that go with a device.
 */
#include "host/local_table.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/macro.h"
#include "base/mapped.h"

/* More bytes than the kernel puts into one datagram of a dump. */
#define TABLE_BUFFER 32768

#define TABLE_GROUP(group) (1U << ((group)-1))

static int table_socket(unsigned int groups, int flags, int *ret_fd)
{
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, NETLINK_ROUTE);
	const struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = groups };
	const int one = 1;

	if (fd < 0)
		return -errno;
	/* Makes the kernel heed the filter of a request: it dumps one table, not all. */
	if (setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof(one)))
		return -errno;
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)))
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int local_table_open(int *ret_fd)
{
	return table_socket(0, 0, ret_fd);
}

int local_table_listen(int *ret_fd)
{
	return table_socket(TABLE_GROUP(RTNLGRP_LINK) | TABLE_GROUP(RTNLGRP_IPV4_IFADDR) |
				    TABLE_GROUP(RTNLGRP_IPV4_ROUTE) |
				    TABLE_GROUP(RTNLGRP_IPV6_IFADDR) |
				    TABLE_GROUP(RTNLGRP_IPV6_ROUTE),
			    SOCK_NONBLOCK, ret_fd);
}

int local_table_compare(const void *a, const void *b)
{
	const struct smtpward_prefix *left = a, *right = b;
	const int order = (left->bits < right->bits) - (left->bits > right->bits);

	return order ? order : memcmp(left->address, right->address, sizeof(left->address));
}

void local_table_clear(struct local_table *table)
{
	free(table->items);
}

/* These prefixes are local whatever the table has: see bpf/decide.h. */
static const struct smtpward_prefix table_loopback[] = {
	{ MAPPED_BITS + 8, { [10] = 0xff, 0xff, 127 } },
	{ 128, { [15] = 1 } },
};

/*
 * Whether the programs look the prefix up. Not IPv6 prefixes that begin with 80 zero bits, such as
 * ::/0: the map cannot tell them from IPv4, and ::/0 would cover all of IPv4. Not link-local
 * addresses, which are never local. Loopback is in the table already.
 */
static bool table_can_match(const struct smtpward_prefix *prefix)
{
	static const uint8_t zeros[10];

	if (prefix->bits >= MAPPED_BITS && mapped_is_ipv4(prefix->address))
		return prefix->bits < MAPPED_BITS + 8 || prefix->address[MAPPED_BYTES] != 127;
	return memcmp(prefix->address, zeros, sizeof(zeros)) != 0 &&
	       (prefix->bits < 10 || prefix->address[0] != 0xfe ||
		(prefix->address[1] & 0xc0) != 0x80);
}

/* Loopback is added once; its entry shows that a keeper is at work. */
static int table_add_prefix(struct local_table *table, const struct smtpward_prefix *prefix)
{
	struct smtpward_prefix *added = array_add(&table->items, &table->n_items, sizeof(*added));

	if (!added)
		return -ENOMEM;
	*added = *prefix;
	return 0;
}

/*
 * Copies the address of the route's RTA_DST to dst, which keeps its zeros if there is none, as in
 * a default route.
 */
static void table_copy_address(const struct rtmsg *route, int len, uint8_t *dst, size_t size)
{
	const struct rtattr *attribute = RTM_RTA(route);

	for (; RTA_OK(attribute, len); attribute = RTA_NEXT(attribute, len))
		if (attribute->rta_type == RTA_DST && RTA_PAYLOAD(attribute) == size)
			memcpy(dst, RTA_DATA(attribute), size);
}

static bool table_is_local_route(const struct nlmsghdr *message)
{
	const struct rtmsg *route = NLMSG_DATA(message);

	return route->rtm_table == RT_TABLE_LOCAL && route->rtm_type == RTN_LOCAL;
}

static int table_add(struct local_table *table, const struct nlmsghdr *message)
{
	const struct rtmsg *route = NLMSG_DATA(message);
	const int len = (int)RTM_PAYLOAD(message);
	struct smtpward_prefix prefix = { .bits = route->rtm_dst_len };

	if (message->nlmsg_type != RTM_NEWROUTE || !table_is_local_route(message))
		return 0;
	if (route->rtm_family == AF_INET) {
		prefix.bits += MAPPED_BITS;
		mapped_begin(prefix.address);
		table_copy_address(route, len, prefix.address + MAPPED_BYTES, 4);
	} else if (route->rtm_family == AF_INET6) {
		table_copy_address(route, len, prefix.address, 16);
	} else {
		return 0;
	}
	return table_can_match(&prefix) ? table_add_prefix(table, &prefix) : 0;
}

static int table_ask(int fd, unsigned char family)
{
	const struct {
		struct nlmsghdr header;
		struct rtmsg route;
	} request = {
		.header = {
			.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
			.nlmsg_type = RTM_GETROUTE,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.route = {
			.rtm_family = family,
			.rtm_table = RT_TABLE_LOCAL,
			.rtm_type = RTN_LOCAL,
		},
	};

	return send(fd, &request, request.header.nlmsg_len, 0) < 0 ? -errno : 0;
}

/* 1 at the end of the dump, 0 before, -errno. */
static int table_take_message(struct local_table *table, const struct nlmsghdr *message)
{
	/* An error message, too, ends the dump, and begins with a number. */
	const int *error = NLMSG_DATA(message);

	if (message->nlmsg_flags & NLM_F_DUMP_INTR)
		table->torn = true;
	if (message->nlmsg_type != NLMSG_DONE && message->nlmsg_type != NLMSG_ERROR)
		return table_add(table, message);
	/* A kernel without IPv6 has no such table. */
	if (*error == -ENOENT || *error == -EOPNOTSUPP || *error == -EAFNOSUPPORT)
		return 1;
	return *error < 0 ? *error : 1;
}

static int table_take_datagram(struct local_table *table, const void *data, size_t size)
{
	const struct nlmsghdr *message = data;
	int r = 0;

	for (; !r && NLMSG_OK(message, size); message = NLMSG_NEXT(message, size))
		r = table_take_message(table, message);
	return r;
}

static int table_dump(int fd, unsigned char family, struct local_table *table)
{
	_cleanup_free_ char *buffer = malloc(TABLE_BUFFER);
	int r = buffer ? table_ask(fd, family) : -ENOMEM;

	while (!r) {
		ssize_t size = recv(fd, buffer, TABLE_BUFFER, MSG_TRUNC);

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return -errno;
		if (size > TABLE_BUFFER)
			return -EMSGSIZE;
		r = table_take_datagram(table, buffer, (size_t)size);
	}
	return r < 0 ? r : 0;
}

void local_table_sort(struct local_table *table)
{
	size_t kept = 0;

	if (!table->n_items)
		return;
	qsort(table->items, table->n_items, sizeof(*table->items), local_table_compare);
	/* Several devices may have the same prefix. */
	for (size_t i = 0; i < table->n_items; i++)
		if (!kept || local_table_compare(&table->items[kept - 1], &table->items[i]))
			table->items[kept++] = table->items[i];
	table->n_items = kept;
}

int local_table_read(int fd, struct local_table *ret_table)
{
	_cleanup_(local_table_clear) struct local_table table = { 0 };
	int r = table_dump(fd, AF_INET, &table);

	if (!r)
		r = table_dump(fd, AF_INET6, &table);
	for (size_t i = 0; i < ARRAY_SIZE(table_loopback) && !r; i++)
		r = table_add_prefix(&table, &table_loopback[i]);
	if (r)
		return r;
	local_table_sort(&table);
	*ret_table = table;
	table.items = NULL;
	return 0;
}

/* Routes of other types do not count: a machine that routes has many, and they come and go. */
static bool table_is_news(const struct nlmsghdr *message)
{
	return (message->nlmsg_type != RTM_NEWROUTE && message->nlmsg_type != RTM_DELROUTE) ||
	       table_is_local_route(message);
}

int local_table_changed(int fd, bool *ret_changed)
{
	char buffer[8192] __attribute__((aligned(NLMSG_ALIGNTO)));
	bool changed = false;

	for (;;) {
		ssize_t got = recv(fd, buffer, sizeof(buffer), 0);
		const struct nlmsghdr *message = (const struct nlmsghdr *)buffer;
		size_t size = got < 0 ? 0 : (size_t)got;

		if (got < 0 && errno == EAGAIN)
			break;
		/* The kernel dropped messages, so anything may have changed. */
		if (got < 0 && errno == ENOBUFS)
			changed = true;
		else if (got < 0 && errno != EINTR)
			return -errno;
		for (; NLMSG_OK(message, size); message = NLMSG_NEXT(message, size))
			changed |= table_is_news(message);
	}
	*ret_changed = changed;
	return 0;
}
