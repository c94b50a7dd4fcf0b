/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A packet of a socket of this machine leaves: the first SYN to a guarded port passes if the socket
 * has a mark for where the packet goes, and leaves a pass for the gates on uplinks.
 *
 * The hook is behind the address translation of the socket's own network namespace, so the packet
 * says where it really goes; see ip_finish_output() in net/ipv4/ip_output.c.
 */
#ifndef SMTPWARD_BPF_PASS_H
#define SMTPWARD_BPF_PASS_H

#include "mark.h"
#include "packet.h"
#include "record_packet.h"

#define PASS_LOOPBACK_IFINDEX 1 /* LOOPBACK_IFINDEX of include/net/flow.h */

static __always_inline bool pass_is_loopback(const __u32 *words)
{
	if (words[0] | words[1])
		return false;
	if (words[2] == FLOW_MAPPED)
		return (words[3] & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
	return !words[2] && words[3] == FLOW_LOOPBACK6;
}

/*
 * Leaves the pass. Each retransmission of the SYN comes through here again, and renews it. What was
 * allowed to loopback gets none, nor does what goes there: it crosses no uplink.
 */
static __always_inline void pass_note(struct __sk_buff *skb, const struct packet *packet,
				      const struct smtpward_mark *mark)
{
	struct smtpward_pass pass = { .time_ns = bpf_ktime_get_ns() };

	if (skb->ifindex == PASS_LOOPBACK_IFINDEX || pass_is_loopback(mark->words) ||
	    pass_is_loopback(packet->destination))
		return;
	for (int i = 0; i < 4; i++)
		pass.mark.words[i] = packet->destination[i];
	pass.mark.port = packet->port;
	pass.mark.bound = mark->bound;
	bpf_map_update_elem(&map_passes, &packet->sequence, &pass, BPF_ANY);
}

static __always_inline bool pass_judge(struct __sk_buff *skb, const struct packet *packet)
{
	struct bpf_sock *sk = skb->sk;
	struct smtpward_mark *mark = NULL;

	if (sk)
		sk = bpf_sk_fullsock(sk);
	if (sk)
		mark = bpf_sk_storage_get(&map_marks, sk, NULL, 0);
	if (!mark || !mark_allows(mark, packet->destination, packet->port)) {
		PACKET_COUNT(unmarked);
		return false;
	}
	pass_note(skb, packet, mark);
	PACKET_COUNT(passed);
	return true;
}

static __always_inline void pass_record(struct __sk_buff *skb, enum packet_kind kind,
					struct packet *packet)
{
	const struct decision decision = {
		.rule = SMTPWARD_RULE_NONE,
		.verdict = audit_mode ? SMTPWARD_AUDIT : SMTPWARD_DENY,
	};
	struct sender sender;

	if (!(log_verdicts & (1U << decision.verdict)))
		return;
	sender_forget(skb, packet);
	sender_of_socket(skb, &sender);
	if (kind != PACKET_HIDDEN && sender_repeats(packet, sender.tenant))
		return;
	record_packet(skb, packet, &sender, &decision, SMTPWARD_OF_PACKET);
}

/* True: the packet goes on. */
static __always_inline bool pass_unplain(struct __sk_buff *skb)
{
	struct packet packet = { .port = 0 };
	const enum packet_kind kind = packet_read_bare(skb, &packet);

	if (kind == PACKET_OTHER || gate_lets_packets(skb, &map_before_egr, SMTPWARD_PART_PASS))
		return true;
	if (kind == PACKET_HIDDEN)
		PACKET_COUNT(hidden);
	else if (packet_guarded_port(&packet) < 0 || pass_judge(skb, &packet))
		return true;
	pass_record(skb, kind, &packet);
	return audit_mode;
}

static __always_inline bool pass_packet(struct __sk_buff *skb)
{
	const __u8 *data = (const void *)(long)skb->data;
	const void *end = (const void *)(long)skb->data_end;

	/* The version of a raw socket's packet is its sender's, and a wrong one reaches nobody. */
	if (packet_is_plain_ipv4(data, end) || packet_is_plain_ipv6(data, end))
		return true;
	return pass_unplain(skb);
}

#endif /* SMTPWARD_BPF_PASS_H */
