/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From a hook's context to a flow: a TCP connect to a guarded port of an address. A flow has one
 * form for IPv4, IPv6 and IPv4 in IPv6.
 */
#ifndef SMTPWARD_BPF_FLOW_H
#define SMTPWARD_BPF_FLOW_H

#include <bpf/bpf_endian.h>

#include "maps.h"

#define IPPROTO_TCP 6
#define IPPROTO_MPTCP 262

struct flow {
	union {
		__u8 address[16]; /* network byte order, IPv4 as ::ffff:a.b.c.d */
		__u32 words[4];
	};
	__u32 port_index; /* into ports and port_rules */
	__u16 port;	  /* host byte order */
};

/*
 * Index of the guarded port that ctx connects to by TCP, or -1. MPTCP's own
 * connect shows up as TCP on the kernels checked; its number is here for those
 * that may tell.
 */
static __always_inline int flow_guarded_port(struct bpf_sock_addr *ctx, __u16 *ret_port)
{
	__u16 port = bpf_ntohs((__u16)ctx->user_port);

#pragma clang loop unroll(full)
	for (__u32 i = 0; i < SMTPWARD_PORTS_MAX; i++) {
		if (i >= ports_count)
			break;
		if (ports[i] == port) {
			if (ctx->protocol != IPPROTO_TCP && ctx->protocol != IPPROTO_MPTCP)
				return -1;
			*ret_port = port;
			return i;
		}
	}
	return -1;
}

/*
 * 0.0.0.0 and :: are this host: tcp_v6_connect() and the IPv4 route lookup turn them into
 * loopback, so a policy meets them as loopback too. From a socket that is bound to an IPv4 address
 * in IPv6, :: goes to that of IPv4; and 0.0.0.0 goes to the address that the socket is bound to, if
 * it is bound: ip_route_output_key_hash_rcu().
 */
#define FLOW_MAPPED bpf_htonl(0xffff) /* the word before an IPv4 address in IPv6 */
#define FLOW_LOOPBACK4 bpf_htonl(0x7f000001)
#define FLOW_LOOPBACK6 bpf_htonl(1) /* its last word */

/* The guarded port. The verifier need not follow the rest of the program for each port apart. */
static __always_inline void flow_set_port(struct flow *flow, __u32 index, __u16 port, __u32 unknown)
{
	flow->port_index = OPAQUE(index, unknown);
	flow->port = OPAQUE(port, unknown);
}

static __always_inline __u32 flow_own_address4(struct bpf_sock_addr *ctx)
{
	const struct bpf_sock *sk = ctx->sk;
	__u32 bound = sk->src_ip4;

	return bound ? bound : FLOW_LOOPBACK4;
}

static __always_inline bool flow_from_connect4(struct bpf_sock_addr *ctx, struct flow *flow)
{
	__u16 port;
	int index = flow_guarded_port(ctx, &port);
	__u32 address;

	if (index < 0)
		return false;
	address = ctx->user_ip4;
	flow_set_port(flow, index, port, address);
	flow->words[0] = 0;
	flow->words[1] = 0;
	flow->words[2] = FLOW_MAPPED;
	flow->words[3] = address ? address : flow_own_address4(ctx);
	return true;
}

/*
 * Inode number of the socket's network namespace: its routes decide where a packet goes, whatever
 * namespace the calling task is in. Not every kernel has a helper for it, and a program may not
 * read ctx->sk; it may read struct bpf_sock_addr_kern, which the context is to the kernel.
 */
static __always_inline __u32 flow_netns(struct bpf_sock_addr *ctx)
{
	struct bpf_sock_addr_kern *kernel = (void *)ctx;

	return BPF_CORE_READ(kernel, sk, __sk_common.skc_net.net, ns.inum);
}

static __always_inline bool flow_bound_to_ipv4(struct bpf_sock_addr *ctx)
{
	const struct bpf_sock *sk = ctx->sk;

	return !((sk->src_ip6[2] ^ FLOW_MAPPED) | sk->src_ip6[0] | sk->src_ip6[1]);
}

static __always_inline bool flow_from_connect6(struct bpf_sock_addr *ctx, struct flow *flow)
{
	__u16 port;
	int index = flow_guarded_port(ctx, &port);
	__u32 a, b, c, d;

	if (index < 0)
		return false;
	a = ctx->user_ip6[0];
	b = ctx->user_ip6[1];
	c = ctx->user_ip6[2];
	d = ctx->user_ip6[3];
	flow_set_port(flow, index, port, d);
	flow->words[0] = OPAQUE(a, d);
	flow->words[1] = OPAQUE(b, d);
	if (!(a | b | d)) {
		if (c == FLOW_MAPPED) {
			d = flow_own_address4(ctx);
		} else if (!c && flow_bound_to_ipv4(ctx)) {
			c = FLOW_MAPPED;
			d = FLOW_LOOPBACK4;
		} else if (!c) {
			d = FLOW_LOOPBACK6;
		}
	}
	flow->words[2] = OPAQUE(c, a);
	flow->words[3] = OPAQUE(d, a);
	return true;
}

#endif /* SMTPWARD_BPF_FLOW_H */
