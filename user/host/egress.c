// SPDX-License-Identifier: GPL-2.0-only
/* Lists classifiers; see egress.h. */
#include "host/egress.h"

#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/array.h"
#include "base/cleanup.h"

/* More bytes than the kernel puts into one datagram of a dump. */
#define EGRESS_BUFFER 65536

struct egress_dump {
	uint32_t ifindex;
	int (*message)(struct egress_dump *dump, const struct tcmsg *message, int attributes_len);
	enum egress_qdisc qdisc;
	struct egress_filter *filters;
	size_t n;
};

static const struct rtattr *egress_find(const struct rtattr *attributes, int len,
					unsigned short type)
{
	for (const struct rtattr *at = attributes; RTA_OK(at, len); at = RTA_NEXT(at, len))
		if ((at->rta_type & ~NLA_F_NESTED) == type)
			return at;
	return NULL;
}

static bool egress_is(const struct rtattr *attribute, const char *text)
{
	return attribute && RTA_PAYLOAD(attribute) >= strlen(text) + 1 &&
	       !strcmp(RTA_DATA(attribute), text);
}

static uint32_t egress_number(const struct rtattr *attribute)
{
	uint32_t number = 0;

	if (attribute && RTA_PAYLOAD(attribute) >= sizeof(number))
		memcpy(&number, RTA_DATA(attribute), sizeof(number));
	return number;
}

static int egress_qdisc(struct egress_dump *dump, const struct tcmsg *message, int len)
{
	if (message->tcm_parent != TC_H_INGRESS) /* TC_H_CLSACT is the same */
		return 0;
	dump->qdisc = egress_is(egress_find(TCA_RTA(message), len, TCA_KIND), "clsact")
			      ? EGRESS_CLSACT
			      : EGRESS_INGRESS;
	return 0;
}

static uint32_t egress_program(const struct tcmsg *message, int len)
{
	const struct rtattr *options = egress_find(TCA_RTA(message), len, TCA_OPTIONS);

	if (!options || !egress_is(egress_find(TCA_RTA(message), len, TCA_KIND), "bpf"))
		return 0;
	return egress_number(egress_find(RTA_DATA(options), (int)RTA_PAYLOAD(options), TCA_BPF_ID));
}

static int egress_filter(struct egress_dump *dump, const struct tcmsg *message, int len)
{
	struct egress_filter *added;

	/* The kernel also tells of each priority, with no handle. */
	if (!message->tcm_handle)
		return 0;
	added = array_add(&dump->filters, &dump->n, sizeof(*added));
	if (!added)
		return -ENOMEM;
	*added = (struct egress_filter){
		.chain = egress_number(egress_find(TCA_RTA(message), len, TCA_CHAIN)),
		.priority = TC_H_MAJ(message->tcm_info) >> 16,
		.handle = message->tcm_handle,
		.program_id = egress_program(message, len),
	};
	return 0;
}

/* 1 at the dump's end. */
static int egress_take(struct egress_dump *dump, const struct nlmsghdr *header)
{
	const struct tcmsg *message = NLMSG_DATA(header);
	const struct nlmsgerr *error = NLMSG_DATA(header);

	if (header->nlmsg_type == NLMSG_DONE)
		return 1;
	if (header->nlmsg_type == NLMSG_ERROR)
		return error->error;
	if ((uint32_t)message->tcm_ifindex != dump->ifindex)
		return 0;
	return dump->message(dump, message, (int)TCA_PAYLOAD(header));
}

static int egress_receive(int fd, struct egress_dump *dump)
{
	_cleanup_free_ void *buffer = malloc(EGRESS_BUFFER);

	if (!buffer)
		return -ENOMEM;
	for (;;) {
		const struct nlmsghdr *header = buffer;
		ssize_t received = recv(fd, buffer, EGRESS_BUFFER, 0);
		unsigned int len = received < 0 ? 0 : (unsigned int)received;

		if (received < 0 && errno == EINTR)
			continue;
		if (received < 0)
			return -errno;
		for (; NLMSG_OK(header, len); header = NLMSG_NEXT(header, len)) {
			int r = egress_take(dump, header);

			if (r)
				return r < 0 ? r : 0;
		}
	}
}

static int egress_dump(struct egress_dump *dump, unsigned short type, uint32_t parent)
{
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	const struct {
		struct nlmsghdr header;
		struct tcmsg message;
	} request = {
		.header = {
			.nlmsg_len = NLMSG_LENGTH(sizeof(struct tcmsg)),
			.nlmsg_type = type,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.message = { .tcm_ifindex = (int)dump->ifindex, .tcm_parent = parent },
	};
	int r;

	if (fd < 0 || send(fd, &request, sizeof(request), 0) < 0)
		return -errno;
	r = egress_receive(fd, dump);
	/* A kernel without qdiscs or classifiers has none. */
	return r == -EOPNOTSUPP ? 0 : r;
}

int egress_find_qdisc(uint32_t ifindex, enum egress_qdisc *ret_qdisc)
{
	struct egress_dump dump = { .ifindex = ifindex, .message = egress_qdisc };
	int r = egress_dump(&dump, RTM_GETQDISC, 0);

	if (!r)
		*ret_qdisc = dump.qdisc;
	return r;
}

int egress_list(uint32_t ifindex, enum egress_side side, struct egress_filter **ret_filters,
		size_t *ret_n)
{
	struct egress_dump dump = { .ifindex = ifindex, .message = egress_filter };
	const uint32_t minor = side == EGRESS_LEAVING ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS;
	int r = egress_dump(&dump, RTM_GETTFILTER, TC_H_MAKE(TC_H_CLSACT, minor));

	if (r) {
		free(dump.filters);
		return r;
	}
	*ret_filters = dump.filters;
	*ret_n = dump.n;
	return 0;
}
