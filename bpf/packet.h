/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From a packet to what it begins: a TCP connection to a port of an address, or nothing that is
 * asked about. Reads the frame alone: what the kernel says of a packet may be what its sender said,
 * as skb->protocol is for a packet socket.
 *
 * Nearly every packet ends in packet_is_plain(), by direct access; what that cannot tell is read
 * piece by piece with bpf_skb_load_bytes(), at offsets that the verifier need not follow.
 */
#ifndef SMTPWARD_BPF_PACKET_H
#define SMTPWARD_BPF_PACKET_H

#include <bpf/bpf_endian.h>

#include "flow.h"
#include "maps.h"

#define ETH_HEADER 14
#define ETH_IPV4 0x0800
#define ETH_IPV6 0x86dd
#define ETH_VLAN 0x8100
#define ETH_QINQ 0x88a8
#define ETH_QINQ_OLD 0x9100
#define ETH_PPPOE 0x8864
#define PPP_IPV4 0x0021
#define PPP_IPV6 0x0057

#define IPPROTO_FRAGMENT 44
#define IPPROTO_AH 51

#define TCP_FLAGS 13 /* byte of the header */
#define TCP_SYN 0x02
#define TCP_ACK 0x10

#define PACKET_TAGS 4	/* VLAN tags that are followed */
#define PACKET_EXTRAS 8 /* extension headers of IPv6 that are followed */

enum packet_kind {
	PACKET_OTHER,
	PACKET_SYN,    /* the first packet of a TCP connection */
	PACKET_HIDDEN, /* may be one, and hides it: what receives it may put it together */
};

struct packet {
	__u32 source[4]; /* network byte order, IPv4 as ::ffff:a.b.c.d */
	__u32 destination[4];
	__u32 sequence; /* as the frame has it */
	__u16 port;	/* destination, host byte order */
	__u16 vlan;	/* the outermost; 0: none */
	__u64 mac;	/* source; 0: the device has no frames */
};

/* A SYN alone begins a connection; with ACK it answers one. */
static __always_inline bool packet_begins(__u8 flags)
{
	return (flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* Whether the packet, whose network header is at `at`, surely is PACKET_OTHER. */
static __always_inline bool packet_is_plain_ipv4(const __u8 *at, const void *end)
{
	if ((const void *)(at + 40) > end || at[0] != 0x45)
		return false;
	if (at[9] != IPPROTO_TCP)
		return true;
	return !((at[6] & 0x3f) | at[7]) && !packet_begins(at[20 + TCP_FLAGS]);
}

static __always_inline bool packet_is_plain_ipv6(const __u8 *at, const void *end)
{
	if ((const void *)(at + 60) > end || at[0] >> 4 != 6)
		return false;
	return at[6] == IPPROTO_TCP && !packet_begins(at[40 + TCP_FLAGS]);
}

static __always_inline bool packet_is_plain(const __u8 *at, const void *end, __u16 type)
{
	if (type == bpf_htons(ETH_IPV4))
		return packet_is_plain_ipv4(at, end);
	return type == bpf_htons(ETH_IPV6) && packet_is_plain_ipv6(at, end);
}

/* fragment: what is missing may come in another packet. */
static __always_inline enum packet_kind packet_read_tcp(struct __sk_buff *skb, __u32 at,
							bool fragment, struct packet *packet)
{
	__u8 header[TCP_FLAGS + 1];

	if (bpf_skb_load_bytes(skb, at, header, sizeof(header)))
		return fragment ? PACKET_HIDDEN : PACKET_OTHER;
	if (!packet_begins(header[TCP_FLAGS]))
		return PACKET_OTHER;
	packet->port = header[2] << 8 | header[3];
	__builtin_memcpy(&packet->sequence, header + 4, sizeof(packet->sequence));
	return PACKET_SYN;
}

/*
 * A fragment of TCP that begins in the header's second 8 bytes could bring the flags of a
 * connection that the first fragment did not show. Others begin behind the flags.
 */
static __always_inline enum packet_kind packet_later_fragment(__u32 offset)
{
	return offset == 1 ? PACKET_HIDDEN : PACKET_OTHER;
}

static __always_inline enum packet_kind packet_read_ipv4(struct __sk_buff *skb, __u32 at,
							 struct packet *packet)
{
	__u8 header[20];
	__u32 offset, length;

	if (bpf_skb_load_bytes(skb, at, header, sizeof(header)))
		return PACKET_OTHER;
	length = (header[0] & 15) * 4;
	if (header[0] >> 4 != 4 || length < sizeof(header) || header[9] != IPPROTO_TCP)
		return PACKET_OTHER;
	offset = (header[6] & 0x1f) << 8 | header[7];
	if (offset)
		return packet_later_fragment(offset);
	packet->source[0] = packet->source[1] = 0;
	packet->destination[0] = packet->destination[1] = 0;
	packet->source[2] = packet->destination[2] = FLOW_MAPPED;
	__builtin_memcpy(&packet->source[3], header + 12, 4);
	__builtin_memcpy(&packet->destination[3], header + 16, 4);
	return packet_read_tcp(skb, at + length, header[6] & 0x20, packet);
}

/* The extension headers that Linux, or another receiver, goes through to find TCP: IANA's list. */
static __always_inline bool packet_is_extra(__u8 next)
{
	return next == 0 || next == 43 || next == IPPROTO_FRAGMENT || next == IPPROTO_AH ||
	       next == 60 || next == 135 || next == 139 || next == 140;
}

static __always_inline enum packet_kind packet_read_ipv6(struct __sk_buff *skb, __u32 at,
							 struct packet *packet)
{
	__u8 header[40], extra[8];
	bool fragment = false;
	__u8 next;

	if (bpf_skb_load_bytes(skb, at, header, sizeof(header)) || header[0] >> 4 != 6)
		return PACKET_OTHER;
	__builtin_memcpy(packet->source, header + 8, 16);
	__builtin_memcpy(packet->destination, header + 24, 16);
	next = header[6];
	at += sizeof(header);
#pragma clang loop unroll(disable)
	for (int i = 0; i < PACKET_EXTRAS && packet_is_extra(next); i++) {
		if (bpf_skb_load_bytes(skb, at, extra, sizeof(extra)))
			return fragment ? PACKET_HIDDEN : PACKET_OTHER;
		if (next == IPPROTO_FRAGMENT) {
			const __u32 offset = (extra[2] << 8 | extra[3]) >> 3;

			if (offset)
				return extra[0] == IPPROTO_TCP ? packet_later_fragment(offset)
							       : PACKET_OTHER;
			fragment |= extra[3] & 1;
			at += sizeof(extra);
		} else {
			at += next == IPPROTO_AH ? (extra[1] + 2) * 4 : (extra[1] + 1) * 8;
		}
		next = extra[0];
		at = OPAQUE(at, packet->source[0]);
	}
	if (packet_is_extra(next))
		return PACKET_HIDDEN;
	return next == IPPROTO_TCP ? packet_read_tcp(skb, at, fragment, packet) : PACKET_OTHER;
}

static __always_inline enum packet_kind packet_read(struct __sk_buff *skb, __u32 at, __u16 type,
						    struct packet *packet)
{
	if (type == bpf_htons(ETH_IPV4))
		return packet_read_ipv4(skb, at, packet);
	return type == bpf_htons(ETH_IPV6) ? packet_read_ipv6(skb, at, packet) : PACKET_OTHER;
}

/* The type of a packet that begins with its network header: by the version that this has. */
static __always_inline __u16 packet_type(struct __sk_buff *skb)
{
	__u8 first;

	if (bpf_skb_load_bytes(skb, 0, &first, sizeof(first)))
		return 0;
	return first >> 4 == 4 ? bpf_htons(ETH_IPV4) : first >> 4 == 6 ? bpf_htons(ETH_IPV6) : 0;
}

static __always_inline bool packet_is_tag(__u16 type)
{
	return type == bpf_htons(ETH_VLAN) || type == bpf_htons(ETH_QINQ) ||
	       type == bpf_htons(ETH_QINQ_OLD);
}

/*
 * Goes over a PPPoE header and the protocol of PPP, whose first byte may be left out: its second is
 * odd then (RFC 1661, 6.5), and Linux takes it so: ppp_input() in drivers/net/ppp/ppp_generic.c.
 */
static __always_inline __u16 packet_enter_session(struct __sk_buff *skb, __u32 *at)
{
	__u8 header[8];
	__u16 protocol;

	if (bpf_skb_load_bytes(skb, *at, header, sizeof(header)))
		return 0;
	protocol = header[6] & 1 ? header[6] : header[6] << 8 | header[7];
	*at += header[6] & 1 ? 7 : 8;
	if (protocol == PPP_IPV4)
		return bpf_htons(ETH_IPV4);
	return protocol == PPP_IPV6 ? bpf_htons(ETH_IPV6) : 0;
}

/*
 * Goes over a frame's tags and PPPoE header to the network header; *at is that of the first byte
 * behind the Ethernet header, whose type is `type`. Returns the type of what is there: still that
 * of a tag if there are too many.
 */
static __always_inline __u16 packet_enter_frame(struct __sk_buff *skb, __u32 *at, __u16 type,
						struct packet *packet)
{
	__u16 words[2];

#pragma clang loop unroll(disable)
	for (int i = 0; i < PACKET_TAGS && packet_is_tag(type); i++) {
		if (bpf_skb_load_bytes(skb, *at, words, sizeof(words)))
			return 0;
		if (!packet->vlan)
			packet->vlan = bpf_ntohs(words[0]) & 0xfff;
		type = words[1];
		*at += sizeof(words);
	}
	return type == bpf_htons(ETH_PPPOE) ? packet_enter_session(skb, at) : type;
}

/* A frame with its Ethernet header. A tag that the card is to write is the outermost. */
static __always_inline enum packet_kind packet_read_frame(struct __sk_buff *skb,
							  struct packet *packet)
{
	__u32 at = ETH_HEADER;
	__u8 header[ETH_HEADER];
	__u16 type;

	packet->vlan = skb->vlan_present ? skb->vlan_tci & 0xfff : 0;
	packet->mac = 0;
	if (bpf_skb_load_bytes(skb, 0, header, sizeof(header)))
		return PACKET_OTHER;
	for (int i = 6; i < 12; i++)
		packet->mac = packet->mac << 8 | header[i];
	__builtin_memcpy(&type, header + 12, sizeof(type));
	type = packet_enter_frame(skb, &at, type, packet);
	/* Linux takes any number of tags that are for priority alone: __netif_receive_skb_core().
	 */
	if (packet_is_tag(type))
		return PACKET_HIDDEN;
	return packet_read(skb, at, type, packet);
}

/* A packet of a device without frames, or before it has one. */
static __always_inline enum packet_kind packet_read_bare(struct __sk_buff *skb,
							 struct packet *packet)
{
	packet->vlan = 0;
	packet->mac = 0;
	return packet_read(skb, 0, packet_type(skb), packet);
}

/* Index of the guarded port that the packet is to, or -1. */
static __always_inline int packet_guarded_port(const struct packet *packet)
{
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < SMTPWARD_PORTS_MAX; i++) {
		if (i >= ports_count)
			break;
		if (ports[i] == packet->port)
			return i;
	}
	return -1;
}

#define PACKET_COUNT(member)                                                       \
	({                                                                         \
		struct smtpward_packet_counters *_counters =                       \
			bpf_map_lookup_elem(&map_pkt_counts, &(const __u32){ 0 }); \
		if (_counters)                                                     \
			count(&_counters->member);                                 \
	})

#endif /* SMTPWARD_BPF_PACKET_H */
