/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sender of a packet: a socket of this machine, by its cgroup and the user who made it, or a
 * guest. It is not the calling task: a packet may leave in anybody's time.
 */
#ifndef SMTPWARD_BPF_SENDER_H
#define SMTPWARD_BPF_SENDER_H

#include "guest.h"
#include "packet.h"
#include "tenant.h"

/* Sockets that are less than struct sock: net/tcp_states.h. */
#define SENDER_TIME_WAIT 6
#define SENDER_NEW_SYN_RECV 12

/* Bits of a word of Linux before 5.15 that is no cgroup: sock_cgroup_ptr() of linux/cgroup.h. */
#define SENDER_NO_CGROUP 3

struct sender {
	__u64 tenant;
	__u64 cgroup_id;       /* 0: of a guest */
	struct cgroup *cgroup; /* NULL: of a guest, or the root */
	__u32 euid;	       /* 0: of a guest */
	__u32 iif;	       /* 0: of a socket */
	union guest_name name; /* of the device iif */
};

static __always_inline struct cgroup *sender_cgroup(const struct sock *sk)
{
	__u64 word;

	if (bpf_core_field_exists(sk->sk_cgrp_data.cgroup))
		return BPF_CORE_READ(sk, sk_cgrp_data.cgroup);
	word = BPF_CORE_READ(sk, sk_cgrp_data.val);
	return word & SENDER_NO_CGROUP ? NULL : (struct cgroup *)word;
}

/* A packet without a socket is the root's. */
static __always_inline void sender_of_socket(struct __sk_buff *skb, struct sender *sender)
{
	const struct sk_buff *kernel = (const void *)skb;
	const struct sock *sk = BPF_CORE_READ(kernel, sk);
	const __u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);

	struct cgroup *cgroup = NULL;
	__u64 id;

	sender->euid = 0;
	if (sk && state != SENDER_TIME_WAIT && state != SENDER_NEW_SYN_RECV) {
		cgroup = sender_cgroup(sk);
		sender->euid = BPF_CORE_READ(sk, sk_uid.val);
	}
	id = BPF_CORE_READ(cgroup, kn, id);
	sender->iif = 0;
	sender->cgroup = cgroup;
	sender->cgroup_id = id ?: root_cgroup;
	sender->tenant = tenant_of_cgroup(cgroup, sender->cgroup_id);
}

/* name: of the device that the packet came in by, all zero if that is gone. */
static __always_inline void sender_of_guest(struct __sk_buff *skb, struct sender *sender)
{
	sender->cgroup = NULL;
	sender->cgroup_id = 0;
	sender->euid = 0;
	sender->tenant = guest_tenant(skb, sender->iif, &sender->name);
}

/*
 * Makes one state for the verifier of all packets: what is the same in each of a family, or of
 * those that hide something, would be a state of its own through all that comes.
 */
static __always_inline void sender_forget(struct __sk_buff *skb, struct packet *packet)
{
	const __u32 unknown = skb->len;

	for (int i = 0; i < 4; i++) {
		packet->source[i] = OPAQUE(packet->source[i], unknown);
		packet->destination[i] = OPAQUE(packet->destination[i], unknown);
	}
	packet->sequence = OPAQUE(packet->sequence, unknown);
	packet->port = OPAQUE(packet->port, unknown);
	packet->vlan = OPAQUE(packet->vlan, unknown);
	packet->mac = OPAQUE(packet->mac, unknown);
}

/* The hash of an attempt, by a constant that nobody knows. */
static __always_inline __u64 sender_hash(const struct packet *packet, __u64 tenant)
{
	__u64 hash = repeats_seed ^ tenant;

#define MIX(word) (hash = (hash ^ (word)) * 0x9e3779b97f4a7c15ULL, hash ^= hash >> 32)
	for (int i = 0; i < 4; i++) {
		MIX(packet->source[i]);
		MIX(packet->destination[i]);
	}
	MIX((__u64)packet->port << 32 | packet->sequence);
#undef MIX
	return hash;
}

/* Whether the packet is one of an attempt that was counted: see map_repeats. */
static __always_inline bool sender_repeats(const struct packet *packet, __u64 tenant)
{
	const __u64 hash = sender_hash(packet, tenant);
	const __u32 index = (tenant % SMTPWARD_REPEATS_TENANTS) * SMTPWARD_REPEATS_A_TENANT +
			    hash % SMTPWARD_REPEATS_A_TENANT;
	const __u16 now = bpf_ktime_get_boot_ns() >> SMTPWARD_REPEATS_SHIFT;
	__u64 *entry = bpf_map_lookup_elem(&map_repeats, &index);
	__u64 word;

	if (!entry)
		return false;
	word = READ_ONCE(*entry);
	WRITE_ONCE(*entry, (hash & ~0xffffULL) | now);
	if ((word ^ hash) >> 16 || (__u16)(now - (__u16)word) > SMTPWARD_REPEATS_AGE)
		return false;
	PACKET_COUNT(repeated);
	return true;
}

#endif /* SMTPWARD_BPF_SENDER_H */
