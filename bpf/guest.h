/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guests: what stands behind a device of this machine. A guest is the tenant of its packets.
 *
 * Who makes devices without end fills nothing that others need: a guest has an entry in map_tenants
 * if it has a place in map_guest_slots, which its device's number leads to. If another guest, whose
 * device is still there, has the place, the guest shares the entry of all such guests. If that
 * device is gone, its place is free, and its entry is the reader's to sum up and to delete.
 */
#ifndef SMTPWARD_BPF_GUEST_H
#define SMTPWARD_BPF_GUEST_H

#include "count.h"
#include "maps.h"

#define GUEST_BUCKETS 256 /* NETDEV_HASHENTRIES of include/linux/netdevice.h */
#define GUEST_CHAIN 64	  /* devices that are looked at in a bucket */

/* The key of map_guests. */
union guest_name {
	struct smtpward_prefix prefix;
	struct {
		__u32 bits;
		char text[SMTPWARD_DEVICE_SIZE];
	};
	struct {
		__u32 unused;
		__u32 words[4];
	};
};

/* The initial value of a new entry. All CPUs share it: see record.h. */
static struct smtpward_tenant guest_newborn;

/*
 * The name of a device of the network namespace that the packet is in, as the kernel has it now:
 * from the table that dev_get_by_index_rcu() looks into. Programs on packets run under
 * rcu_read_lock() or rcu_read_lock_bh(). False if there is no such device.
 */
static __always_inline bool guest_find_device(struct __sk_buff *skb, __u32 ifindex,
					      union guest_name *ret_name)
{
	const struct sk_buff *kernel = (const void *)skb;
	const __u64 offset = bpf_core_field_offset(struct net_device, index_hlist);
	struct hlist_head *heads;
	struct hlist_node *node;

	if (!ifindex)
		return false;
	heads = BPF_CORE_READ(kernel, dev, nd_net.net, dev_index_head);
	node = NULL;
	bpf_probe_read_kernel(&node, sizeof(node), &heads[ifindex % GUEST_BUCKETS].first);
#pragma clang loop unroll(disable)
	for (int i = 0; i < GUEST_CHAIN && node; i++) {
		const struct net_device *device = (const void *)node - offset;

		if ((__u32)BPF_CORE_READ(device, ifindex) == ifindex) {
			BPF_CORE_READ_STR_INTO(&ret_name->text, device, name);
			return true;
		}
		node = BPF_CORE_READ(node, next);
	}
	return false;
}

/* As tenant_removed() has it for cgroups. */
static __always_inline void guest_gone(__u64 id)
{
	struct smtpward_tenant *tenant = bpf_map_lookup_elem(&map_tenants, &id);

	count_tenant_removed(id);
	if (!tenant || tenant->gone_ns)
		return;
	WRITE_ONCE(tenant->gone_ns, bpf_ktime_get_boot_ns());
	COUNT(tenants_gone);
}

/* Whether the device has the place of its number, which it gets if nobody there has it. */
static __always_inline bool guest_has_place(struct __sk_buff *skb, __u32 ifindex)
{
	const __u32 slot = ifindex % SMTPWARD_GUESTS;
	__u32 *held = bpf_map_lookup_elem(&map_guest_slots, &slot);
	union guest_name unused;
	__u32 other;

	if (!held) {
		bpf_map_update_elem(&map_guest_slots, &slot, &ifindex, BPF_NOEXIST);
		held = bpf_map_lookup_elem(&map_guest_slots, &slot);
	}
	if (!held)
		return false;
	other = READ_ONCE(*held);
	if (other == ifindex)
		return true;
	if (guest_find_device(skb, other, &unused))
		return false;
	guest_gone(SMTPWARD_GUEST_BIT | other);
	WRITE_ONCE(*held, ifindex);
	return true;
}

/* A device may get another name. */
static __always_inline void guest_set_name(struct smtpward_tenant *tenant,
					   const union guest_name *name)
{
	__u32 *known = (__u32 *)tenant->shared.cgroup;
	long len;

	if (tenant->shared.flags && !((known[0] ^ name->words[0]) | (known[1] ^ name->words[1]) |
				      (known[2] ^ name->words[2]) | (known[3] ^ name->words[3])))
		return;
	for (int i = 0; i < 4; i++)
		WRITE_ONCE(known[i], name->words[i]);
	len = bpf_probe_read_kernel_str(tenant->shared.cgroup, SMTPWARD_DEVICE_SIZE, name->text);
	tenant->shared.cgroup_len = len > 0 ? len : 0;
	WRITE_ONCE(tenant->shared.flags, SMTPWARD_CALLER_NAMED);
}

/*
 * The id of the tenant that the guest behind a device is; *name is the device's, all zero if it is
 * gone by now. If map_tenants is full, the id may be that of no tenant.
 */
static __always_inline __u64 guest_tenant(struct __sk_buff *skb, __u32 ifindex,
					  const union guest_name *name)
{
	union guest_name others = { .text = SMTPWARD_GUEST_OTHERS_NAME };
	const bool own = name->words[0] && guest_has_place(skb, ifindex);
	const __u64 id = own ? SMTPWARD_GUEST_BIT | ifindex : SMTPWARD_GUEST_OTHERS;
	struct smtpward_tenant *tenant = bpf_map_lookup_elem(&map_tenants, &id);

	if (!tenant) {
		WRITE_ONCE(guest_newborn.shared.counts.born_ns, bpf_ktime_get_boot_ns());
		/* Fails if another CPU was first: then its entry is used. */
		bpf_map_update_elem(&map_tenants, &id, &guest_newborn, BPF_NOEXIST);
		tenant = bpf_map_lookup_elem(&map_tenants, &id);
	}
	if (!tenant) {
		COUNT(tenants_full);
		return id;
	}
	if (own)
		others = *name;
	guest_set_name(tenant, &others);
	return id;
}

#endif /* SMTPWARD_BPF_GUEST_H */
