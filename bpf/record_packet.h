/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The record of a packet, or of an option of a socket: limited, summed up and counted as that of a
 * connect; see record.h.
 */
#ifndef SMTPWARD_BPF_RECORD_PACKET_H
#define SMTPWARD_BPF_RECORD_PACKET_H

#include "record.h"
#include "sender.h"

#define RECORD_INET 2 /* AF_INET */

/* The source before address translation, if that is another one. */
static __always_inline void record_fill_original(struct smtpward_packet *part,
						 const struct sk_buff *kernel)
{
	__u32 *original = (__u32 *)part->original;
	const __u32 *source = (const __u32 *)part->source;
	union nf_inet_addr address = { .all = { 0 } };
	const struct nf_conn *connection = NULL;

	if (!bpf_core_field_exists(kernel->_nfct) || !bpf_core_field_exists(connection->tuplehash))
		return;
	/* The lowest bits tell which packet of the connection it is: NFCT_PTRMASK. */
	connection = (const void *)(BPF_CORE_READ(kernel, _nfct) & ~7UL);
	if (!connection)
		return;
	BPF_CORE_READ_INTO(&address, connection, tuplehash[0].tuple.src.u3);
	if (BPF_CORE_READ(connection, tuplehash[0].tuple.src.l3num) == RECORD_INET) {
		address.all[3] = address.all[0];
		address.all[0] = address.all[1] = 0;
		address.all[2] = FLOW_MAPPED;
	}
	if (!((address.all[0] ^ source[0]) | (address.all[1] ^ source[1]) |
	      (address.all[2] ^ source[2]) | (address.all[3] ^ source[3])))
		return;
	for (int i = 0; i < 4; i++)
		original[i] = address.all[i];
}

static __always_inline void record_fill_packet(const struct record *record, struct __sk_buff *skb,
					       const struct packet *packet,
					       const struct sender *sender)
{
	const struct sk_buff *kernel = (const void *)skb;
	struct smtpward_event *event = record->event;
	struct smtpward_packet *part = (void *)(event->text + SMTPWARD_PACKET_AT);
	const struct paths_list list = {
		.names = event->text,
		.len = &event->cgroup_len,
		.flags = &event->flags,
	};

	__builtin_memset(part, 0, sizeof(*part));
	__builtin_memset(event->comm, 0, sizeof(event->comm));
	event->uid = event->egid = event->auid = event->pid = event->ppid = 0;
	event->netns = BPF_CORE_READ(kernel, dev, nd_net.net, ns.inum);
	__builtin_memcpy(part->source, packet->source, sizeof(part->source));
	part->mac = packet->mac;
	part->vlan = packet->vlan;
	part->iif = sender->iif;
	BPF_CORE_READ_STR_INTO(&part->device, kernel, dev, name);
	record_fill_original(part, kernel);
	if (sender->iif)
		__builtin_memcpy(part->guest, sender->name.text, sizeof(part->guest));
	else if (!record_copy_names(event, record->key.cgroup_id, &record->tenant->shared))
		paths_cgroup(&list, sender->cgroup);
}

static __always_inline void record_packet(struct __sk_buff *skb, const struct packet *packet,
					  const struct sender *sender,
					  const struct decision *decision, __u8 hook)
{
	const struct caller caller = { .cgroup_id = sender->cgroup_id, .euid = sender->euid };
	const bool guest = sender->iif;
	struct record record = {
		.key.cgroup_id = sender->tenant,
		.key.euid = sender->euid,
		.key.shared = guest,
		.now = bpf_ktime_get_boot_ns(),
	};
	struct flow flow = { .port = packet->port };

	__builtin_memcpy(flow.words, packet->destination, sizeof(flow.words));
	count_attempt(sender->tenant, &flow, &caller, decision, record.now);
	if (!record_reserve(&record, guest))
		return;
	record_fill_head(&record, &flow, &caller, decision);
	record.event->hook = hook;
	record_fill_packet(&record, skb, packet, sender);
	bpf_ringbuf_submit(record.event, 0);
	COUNT(recorded);
}

/* An option of a socket that is refused: the caller's attempt, to no destination. */
static __always_inline void record_option(const struct decision *decision)
{
	struct task_struct *task = task_current();
	const struct cred *cred = TASK_READ(task, cred);
	const struct flow flow = { .port = 0 };
	const struct caller caller = {
		.cgroup_id = bpf_get_current_cgroup_id(),
		.euid = TASK_READ_ID(cred, euid.val),
	};
	struct record record = {
		.key.cgroup_id = tenant_of_cgroup(task_cgroup(task), caller.cgroup_id),
		.key.euid = caller.euid,
		.now = bpf_ktime_get_boot_ns(),
	};

	count_attempt(record.key.cgroup_id, &flow, &caller, decision, record.now);
	if (!record_reserve(&record, false))
		return;
	record_fill_head(&record, &flow, &caller, decision);
	record.event->hook = SMTPWARD_OF_RAW;
	record_fill_task(&record, false);
	count_keep_last(&record.key, record.event);
	bpf_ringbuf_submit(record.event, 0);
	COUNT(recorded);
}

#endif /* SMTPWARD_BPF_RECORD_PACKET_H */
