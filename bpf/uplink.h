/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The gate on an uplink: the last place that sees a packet before it leaves the machine, whatever
 * built it and whatever way it came. A first SYN to a guarded port goes on with a fresh pass to
 * where it goes, or if a rule on guests allows it.
 *
 * A pass is found by the SYN's sequence number, which no address translation changes.
 */
#ifndef SMTPWARD_BPF_UPLINK_H
#define SMTPWARD_BPF_UPLINK_H

#include "decide.h"
#include "mark.h"
#include "packet.h"
#include "record_packet.h"

#define UPLINK_NEXT (-1) /* TC_ACT_UNSPEC, TCX_NEXT: what else is attached is asked too */
#define UPLINK_DROP 2	 /* TC_ACT_SHOT */

/*
 * Takes the pass for this device. Two CPUs at the same instant may both have it, as BPF has no
 * compare and exchange before Linux 5.12: that lets one more packet with the same number out on
 * each CPU. To the same address a receiver makes no second connection of it.
 */
static __always_inline bool uplink_spend(struct smtpward_pass *pass, __u32 ifindex)
{
	for (int i = 0; i < SMTPWARD_PASS_DEVICES; i++) {
		const __u32 spent = READ_ONCE(pass->spent[i]);

		if (spent == ifindex)
			break;
		if (!spent) {
			WRITE_ONCE(pass->spent[i], ifindex);
			return true;
		}
	}
	PACKET_COUNT(replayed);
	return false;
}

static __always_inline bool uplink_has_pass(struct __sk_buff *skb, const struct packet *packet)
{
	struct smtpward_pass *pass = bpf_map_lookup_elem(&map_passes, &packet->sequence);

	if (!pass || bpf_ktime_get_ns() - READ_ONCE(pass->time_ns) > SMTPWARD_PASS_NS ||
	    !mark_allows(&pass->mark, packet->destination, packet->port) ||
	    !uplink_spend(pass, skb->ifindex))
		return false;
	PACKET_COUNT(let_out);
	return true;
}

static __always_inline void uplink_intersect(struct smtpward_rules *rules,
					     const struct smtpward_rules *more)
{
	for (int i = 0; i < SMTPWARD_RULE_WORDS; i++)
		rules->words[i] &= more->words[i];
}

#define UPLINK_ASKS(name) asks_guest[SMTPWARD_##name - SMTPWARD_GUEST]

/* Narrows the rules to those that the key of a map satisfies. */
#define UPLINK_NARROW(rules, asked, map, key, any)                                            \
	({                                                                                    \
		const struct smtpward_rules *_found = (asked) ? bpf_map_lookup_elem(map, key) \
							      : NULL;                         \
		uplink_intersect(rules, _found ?: CONSTANT(any));                             \
	})

/* False: no rule names the device. */
static __always_inline bool uplink_find_rules(const struct packet *packet,
					      const union guest_name *name,
					      struct smtpward_rules *rules)
{
	const struct smtpward_rules *found = bpf_map_lookup_elem(&map_guests, name);
	union decide_key key = { .prefix.bits = 128 };
	const __u32 vlan = packet->vlan;

	if (!found)
		return false;
	uplink_intersect(rules, found);
	__builtin_memcpy(key.words, packet->destination, sizeof(key.words));
	UPLINK_NARROW(rules, asks[SMTPWARD_TO], &map_addresses, &key, any_TO);
	__builtin_memcpy(key.words, packet->source, sizeof(key.words));
	UPLINK_NARROW(rules, UPLINK_ASKS(FROM), &map_sources, &key, any_FROM);
	UPLINK_NARROW(rules, UPLINK_ASKS(MAC), &map_macs, &packet->mac, any_MAC);
	UPLINK_NARROW(rules, UPLINK_ASKS(VLAN), &map_vlans, &vlan, any_VLAN);
	if (rule_words_for_good == SMTPWARD_WORDS_NONE)
		uplink_intersect(rules, decide_find_alive());
	return true;
}

/* By the rules on guests. A packet that none allows is refused, and so is one without a device. */
static __always_inline void uplink_decide(const struct packet *packet, __u32 port_index,
					  const union guest_name *name, struct decision *decision)
{
	struct smtpward_satisfied satisfied;
	struct smtpward_rules rules;

	rules = *(const struct smtpward_rules *)CONSTANT(
		guest_rules[port_index & (SMTPWARD_PORTS_MAX - 1)]);
	if (!uplink_find_rules(packet, name, &rules))
		return;
	for (int i = 0; i < SMTPWARD_CONNECT_CONDITIONS_N; i++)
		satisfied.by[i] = &rules;
	decision->rule = smtpward_first_rule(&satisfied, rule_words);
	if (decision->rule < SMTPWARD_RULES_MAX)
		decision->verdict = verdicts[decision->rule];
}

static __always_inline void uplink_count(enum packet_kind kind, __u32 verdict)
{
	if (kind == PACKET_HIDDEN)
		PACKET_COUNT(hidden);
	else if (verdict == SMTPWARD_ALLOW)
		PACKET_COUNT(guest_allowed);
	else if (verdict == SMTPWARD_AUDIT)
		PACKET_COUNT(guest_audited);
	else
		PACKET_COUNT(guest_denied);
}

/* One more that the rule decided; the retransmission of a packet is none. */
static __always_inline void uplink_count_rule(__u32 port_index, __u32 rule)
{
	const __u32 entry = port_index * SMTPWARD_ATTEMPTS_A_PORT + rule;
	struct smtpward_attempts *attempts = bpf_map_lookup_elem(&map_attempts, &entry);

	if (attempts)
		count(&attempts->attempts);
}

static __always_inline void uplink_record(struct __sk_buff *skb, enum packet_kind kind,
					  const struct packet *packet, __u32 port_index,
					  struct sender *sender, const struct decision *decision)
{
	if (sender->iif)
		sender_of_guest(skb, sender);
	else
		sender_of_socket(skb, sender);
	if (kind != PACKET_HIDDEN && sender_repeats(packet, sender->tenant))
		return;
	if (kind != PACKET_HIDDEN)
		uplink_count_rule(port_index, decision->rule);
	if (log_verdicts & (1U << (decision->verdict & 31)))
		record_packet(skb, packet, sender, decision, SMTPWARD_OF_UPLINK);
}

/* A packet without a pass. */
static __always_inline int uplink_judge_guest(struct __sk_buff *skb, enum packet_kind kind,
					      struct packet *packet, __u32 port_index)
{
	struct decision decision = { .rule = SMTPWARD_RULE_NONE, .verdict = SMTPWARD_DENY };
	struct sender sender = { .iif = skb->ingress_ifindex, .name.bits = 128 };
	const bool found = guest_find_device(skb, sender.iif, &sender.name);
	__u32 verdict;

	sender_forget(skb, packet);
	if (kind == PACKET_SYN && UPLINK_ASKS(GUEST) && found)
		uplink_decide(packet, port_index, &sender.name, &decision);
	if (audit_mode && decision.verdict == SMTPWARD_DENY)
		decision.verdict = SMTPWARD_AUDIT;
	/* One state for the verifier, whatever was decided. */
	decision.rule = OPAQUE(decision.rule, skb->len);
	decision.verdict = OPAQUE(decision.verdict, skb->len);
	verdict = decision.verdict;
	uplink_count(kind, verdict);
	uplink_record(skb, kind, packet, port_index, &sender, &decision);
	return verdict == SMTPWARD_ALLOW || verdict == SMTPWARD_AUDIT ? UPLINK_NEXT : UPLINK_DROP;
}

static __always_inline bool uplink_is_plain_frame(struct __sk_buff *skb)
{
	const __u8 *data = (const void *)(long)skb->data;
	const void *end = (const void *)(long)skb->data_end;

	return (const void *)(data + ETH_HEADER) <= end &&
	       packet_is_plain(data + ETH_HEADER, end, *(const __u16 *)(data + 12));
}

static __always_inline bool uplink_is_plain_bare(struct __sk_buff *skb)
{
	const __u8 *data = (const void *)(long)skb->data;
	const void *end = (const void *)(long)skb->data_end;

	return packet_is_plain_ipv4(data, end) || packet_is_plain_ipv6(data, end);
}

static __always_inline int uplink_judge(struct __sk_buff *skb, void *before, enum packet_kind kind,
					struct packet *packet)
{
	int port_index = 0;

	if (kind == PACKET_OTHER || gate_lets_packets(skb, before, SMTPWARD_PART_GATE))
		return UPLINK_NEXT;
	if (kind == PACKET_SYN) {
		port_index = packet_guarded_port(packet);
		if (port_index < 0 || uplink_has_pass(skb, packet))
			return UPLINK_NEXT;
	}
	return uplink_judge_guest(skb, OPAQUE(kind, skb->len), packet,
				  OPAQUE(port_index, skb->len));
}

/* Addresses that the packet hides are zero. */
static __always_inline int uplink_frame(struct __sk_buff *skb, void *before)
{
	struct packet packet = { .port = 0 };
	const enum packet_kind kind = packet_read_frame(skb, &packet);

	return uplink_judge(skb, before, kind, &packet);
}

static __always_inline int uplink_bare(struct __sk_buff *skb, void *before)
{
	struct packet packet = { .port = 0 };
	const enum packet_kind kind = packet_read_bare(skb, &packet);

	return uplink_judge(skb, before, kind, &packet);
}

#endif /* SMTPWARD_BPF_UPLINK_H */
