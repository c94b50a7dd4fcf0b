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

#define UPLINK_NEXT (-1) /* TC_ACT_UNSPEC, TCX_NEXT: what else is attached is asked too */
#define UPLINK_DROP 2	 /* TC_ACT_SHOT */

#define UPLINK_BUCKETS 256 /* NETDEV_HASHENTRIES of include/linux/netdevice.h */
#define UPLINK_CHAIN 64	   /* devices that are looked at in a bucket */

/*
 * Takes the pass for this device. Two CPUs at the same instant may both have it; that lets one more
 * packet with the same number out, of which the receiver makes no second connection.
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

/* The key of map_guests. */
union uplink_name {
	struct smtpward_prefix prefix;
	struct {
		__u32 bits;
		char text[SMTPWARD_DEVICE_SIZE];
	};
};

/*
 * The name of the device that the packet came in by, which is on the uplink's network namespace, as
 * the kernel has it now: from the table that dev_get_by_index_rcu() looks into. Programs of this
 * kind run under rcu_read_lock_bh(). False if no such device is found.
 */
static __always_inline bool uplink_find_guest(struct __sk_buff *skb, union uplink_name *ret_name)
{
	const __u32 ifindex = skb->ingress_ifindex;
	const struct sk_buff *kernel = (const void *)skb;
	const __u64 offset = bpf_core_field_offset(struct net_device, index_hlist);
	struct hlist_head *heads;
	struct hlist_node *node;

	if (!ifindex)
		return false;
	heads = BPF_CORE_READ(kernel, dev, nd_net.net, dev_index_head);
	node = NULL;
	bpf_probe_read_kernel(&node, sizeof(node), &heads[ifindex % UPLINK_BUCKETS].first);
#pragma clang loop unroll(disable)
	for (int i = 0; i < UPLINK_CHAIN && node; i++) {
		const struct net_device *device = (const void *)node - offset;

		if ((__u32)BPF_CORE_READ(device, ifindex) == ifindex) {
			BPF_CORE_READ_STR_INTO(&ret_name->text, device, name);
			return true;
		}
		node = BPF_CORE_READ(node, next);
	}
	return false;
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
					      const union uplink_name *name,
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

/* The verdict about a guest's packet. What no rule allows, and what has no device, is refused. */
static __always_inline __u32 uplink_decide(struct __sk_buff *skb, const struct packet *packet,
					   __u32 port_index)
{
	union uplink_name name = { .prefix.bits = 128 };
	struct smtpward_satisfied satisfied;
	struct smtpward_rules rules;
	__u32 rule;

	if (!UPLINK_ASKS(GUEST) || !uplink_find_guest(skb, &name))
		return SMTPWARD_DENY;
	rules = *(const struct smtpward_rules *)CONSTANT(
		guest_rules[port_index & (SMTPWARD_PORTS_MAX - 1)]);
	if (!uplink_find_rules(packet, &name, &rules))
		return SMTPWARD_DENY;
	for (int i = 0; i < SMTPWARD_CONNECT_CONDITIONS_N; i++)
		satisfied.by[i] = &rules;
	rule = smtpward_first_rule(&satisfied, rule_words);
	return rule < SMTPWARD_RULES_MAX ? verdicts[rule] : SMTPWARD_DENY;
}

static __always_inline int uplink_judge_guest(struct __sk_buff *skb, const struct packet *packet,
					      __u32 port_index)
{
	__u32 verdict = uplink_decide(skb, packet, port_index);

	if (verdict == SMTPWARD_ALLOW) {
		PACKET_COUNT(guest_allowed);
		return UPLINK_NEXT;
	}
	if (audit_mode || verdict == SMTPWARD_AUDIT) {
		PACKET_COUNT(guest_audited);
		return UPLINK_NEXT;
	}
	PACKET_COUNT(guest_denied);
	return UPLINK_DROP;
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
					const struct packet *packet)
{
	int port_index;

	if (kind == PACKET_OTHER || gate_lets_packets(skb, before, SMTPWARD_PART_GATE))
		return UPLINK_NEXT;
	if (kind == PACKET_HIDDEN) {
		PACKET_COUNT(hidden);
		return audit_mode ? UPLINK_NEXT : UPLINK_DROP;
	}
	port_index = packet_guarded_port(packet);
	if (port_index < 0 || uplink_has_pass(skb, packet))
		return UPLINK_NEXT;
	return uplink_judge_guest(skb, packet, port_index);
}

#endif /* SMTPWARD_BPF_UPLINK_H */
