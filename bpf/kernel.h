/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The few kernel structs that are read, with the few members that are. Each access
 * is relocated to the running kernel's layout when the program is loaded (CO-RE),
 * so neither the order nor the size of anything here has to be right: only names
 * and types. Checked against Linux 5.10 to 6.18.
 */
#ifndef SMTPWARD_BPF_KERNEL_H
#define SMTPWARD_BPF_KERNEL_H

#include <linux/types.h>
#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include <smtpward/hooks.h>
#include <smtpward/packets.h>

#define READ_ONCE(x) (*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile typeof(x) *)&(x) = (value))

/*
 * The value, with its range hidden from the verifier: states that differ only in this value are
 * verified once, not once for each. `unknown` is any value whose range the verifier does not know.
 */
#define OPAQUE(value, unknown)                                                                     \
	({                                                                                         \
		__u64 opaque_value = (value);                                                      \
		asm volatile("%0 ^= %1\n\t%0 ^= %1" : "+r"(opaque_value) : "r"((__u64)(unknown))); \
		opaque_value;                                                                      \
	})

/*
 * The pointer, with its type hidden from the verifier, by a round through `memory`, whose contents
 * the verifier does not follow. A loop from pointer to pointer then has one state, not two: one for
 * the first pointer and one for those that it has read. `memory` is zero afterwards.
 */
#define UNTYPED(pointer, memory)                                                  \
	({                                                                        \
		typeof(pointer) untyped_pointer;                                  \
                                                                                  \
		WRITE_ONCE(*(__u64 *)(memory), (__u64)(pointer));                 \
		untyped_pointer = (typeof(pointer))READ_ONCE(*(__u64 *)(memory)); \
		WRITE_ONCE(*(__u64 *)(memory), 0);                                \
		untyped_pointer;                                                  \
	})

/*
 * Two members of a kernel struct, of 8 bytes each and often used together, in one read
 * where the running kernel has them within NEAR_BYTES of each other, and in two where it
 * does not: the verifier knows the distance, and drops the other way.
 */
#define NEAR_BYTES 32
#define READ_NEAR(ret_first, ret_second, from, type, first, second)                              \
	({                                                                                       \
		long _first = bpf_core_field_offset(type, first);                                \
		long _distance = (long)bpf_core_field_offset(type, second) - _first;             \
		__u64 _words[NEAR_BYTES / 8] = { 0 };                                            \
		if (_distance > 0 && _distance < NEAR_BYTES && !(_distance & 7)) {               \
			bpf_probe_read_kernel(_words, sizeof(_words), (void *)(from) + _first);  \
			*(ret_first) = (void *)_words[0];                                        \
			*(ret_second) = (void *)_words[(_distance >> 3) & (NEAR_BYTES / 8 - 1)]; \
		} else {                                                                         \
			*(ret_first) = (void *)BPF_CORE_READ(from, first);                       \
			*(ret_second) = (void *)BPF_CORE_READ(from, second);                     \
		}                                                                                \
	})

/* The same for three. */
#define READ_NEAR3(ret_first, ret_second, ret_third, from, type, first, second, third)          \
	({                                                                                      \
		long _first = bpf_core_field_offset(type, first);                               \
		long _second = (long)bpf_core_field_offset(type, second) - _first;              \
		long _third = (long)bpf_core_field_offset(type, third) - _first;                \
		__u64 _words[NEAR_BYTES / 8] = { 0 };                                           \
		if (_second > 0 && _second < NEAR_BYTES && !(_second & 7) && _third > 0 &&      \
		    _third < NEAR_BYTES && !(_third & 7)) {                                     \
			bpf_probe_read_kernel(_words, sizeof(_words), (void *)(from) + _first); \
			*(ret_first) = (void *)_words[0];                                       \
			*(ret_second) = (void *)_words[(_second >> 3) & (NEAR_BYTES / 8 - 1)];  \
			*(ret_third) = (void *)_words[(_third >> 3) & (NEAR_BYTES / 8 - 1)];    \
		} else {                                                                        \
			*(ret_first) = (void *)BPF_CORE_READ(from, first);                      \
			*(ret_second) = (void *)BPF_CORE_READ(from, second);                    \
			*(ret_third) = (void *)BPF_CORE_READ(from, third);                      \
		}                                                                               \
	})

#define KERNEL_STRUCT __attribute__((preserve_access_index))

/* ids of users and groups */

typedef struct {
	__u32 val;
} KERNEL_STRUCT kuid_t;

typedef struct {
	__u32 val;
} KERNEL_STRUCT kgid_t;

/* cgroups */

struct kernfs_iattrs {
	kuid_t ia_uid;
} KERNEL_STRUCT;

struct kernfs_node {
	const char *name;
	__u64 id;
	struct kernfs_iattrs *iattr; /* NULL: all as it was made by root */
} KERNEL_STRUCT;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
} KERNEL_STRUCT;

struct cgroup_root {
	int hierarchy_id;
} KERNEL_STRUCT;

/* programs, and where they are attached */

struct bpf_prog_aux {
	__u32 id;
} KERNEL_STRUCT;

struct bpf_prog {
	struct bpf_prog_aux *aux;
} KERNEL_STRUCT;

struct bpf_prog_array_item {
	struct bpf_prog *prog;
} KERNEL_STRUCT;

struct bpf_prog_array {
	struct bpf_prog_array_item items[0];
} KERNEL_STRUCT;

struct cgroup_bpf {
	struct bpf_prog_array *effective[1];
} KERNEL_STRUCT;

/* From 5.15 on; before that, effective[] goes by enum bpf_attach_type. */
#define KERNEL_ATTACH_TYPE(name, type, program, before, part) CGROUP_##type,

enum cgroup_bpf_attach_type { SMTPWARD_HOOK_TABLE(KERNEL_ATTACH_TYPE) };

struct cgroup {
	struct cgroup_subsys_state self;
	int level;
	struct kernfs_node *kn;
	struct cgroup_root *root;
	struct cgroup_bpf bpf;
	struct cgroup *ancestors[0]; /* by level; from 6.1 on */
	__u64 ancestor_ids[0];	     /* the same before */
} KERNEL_STRUCT;

struct css_set {
	struct cgroup *dfl_cgrp;
} KERNEL_STRUCT;

/* files */

struct qstr {
	__u32 len;
	const unsigned char *name;
} KERNEL_STRUCT;

struct hlist_bl_node {
	struct hlist_bl_node **pprev;
} KERNEL_STRUCT;

struct dentry {
	struct hlist_bl_node d_hash;
	struct dentry *d_parent;
	struct qstr d_name;
	unsigned char d_iname[32]; /* before 6.14; at least as long */
} KERNEL_STRUCT;

union shortname_store {
	unsigned char string[32]; /* at least as long */
} KERNEL_STRUCT;

/* From 6.14 on. */
struct dentry___shortname {
	union shortname_store d_shortname;
} KERNEL_STRUCT;

struct vfsmount {
	struct dentry *mnt_root;
} KERNEL_STRUCT;

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
} KERNEL_STRUCT;

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
} KERNEL_STRUCT;

struct file {
	struct path f_path;
} KERNEL_STRUCT;

struct fs_struct {
	struct path pwd;
} KERNEL_STRUCT;

struct mm_struct {
	struct file *exe_file;
	unsigned long arg_start;
	unsigned long arg_end;
} KERNEL_STRUCT;

/* tasks */

struct cred {
	kuid_t uid;
	kuid_t euid;
	kgid_t egid;
} KERNEL_STRUCT;

struct ns_common {
	unsigned int inum;
} KERNEL_STRUCT;

struct hlist_node {
	struct hlist_node *next;
} KERNEL_STRUCT;

struct hlist_head {
	struct hlist_node *first;
} KERNEL_STRUCT;

struct net {
	struct ns_common ns;
	struct hlist_head *dev_index_head;
} KERNEL_STRUCT;

typedef struct {
	struct net *net;
} KERNEL_STRUCT possible_net_t;

struct net_device {
	char name[SMTPWARD_DEVICE_SIZE];
	struct hlist_node index_hlist;
	int ifindex;
	possible_net_t nd_net;
} KERNEL_STRUCT;

struct sock_common {
	possible_net_t skc_net;
	unsigned char skc_state;
} KERNEL_STRUCT;

/* The cgroup of a socket. Before 5.15 it is a word: see sender.h. */
struct sock_cgroup_data {
	struct cgroup *cgroup; /* from 5.15 on */
	__u64 val;	       /* before */
} KERNEL_STRUCT;

struct sock {
	struct sock_common __sk_common;
	kuid_t sk_uid;
	struct sock_cgroup_data sk_cgrp_data;
} KERNEL_STRUCT;

/* Context of a program on packets, as the kernel has it. */
struct sk_buff {
	struct net_device *dev;
	struct sock *sk;
	unsigned long _nfct;
} KERNEL_STRUCT;

/* connections, as address translation knows them: of a module on most kernels */

union nf_inet_addr {
	__u32 all[4];
} KERNEL_STRUCT;

struct nf_conntrack_man {
	union nf_inet_addr u3;
	__u16 l3num;
} KERNEL_STRUCT;

struct nf_conntrack_tuple {
	struct nf_conntrack_man src;
} KERNEL_STRUCT;

struct nf_conntrack_tuple_hash {
	struct nf_conntrack_tuple tuple;
} KERNEL_STRUCT;

struct nf_conn {
	struct nf_conntrack_tuple_hash tuplehash[2];
} KERNEL_STRUCT;

/* Context of a connect hook, as the kernel has it: its first member is the socket. */
struct bpf_sock_addr_kern {
	struct sock *sk;
} KERNEL_STRUCT;

struct nsproxy {
	struct net *net_ns;
} KERNEL_STRUCT;

struct task_struct {
	int tgid;
	struct task_struct *real_parent;
	const struct cred *cred;
	char comm[16];
	struct nsproxy *nsproxy;
	kuid_t loginuid;
	struct css_set *cgroups;
	struct mm_struct *mm;
	struct fs_struct *fs;
} KERNEL_STRUCT;

/* what a program of the kind iter/bpf_map gets */

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 seq_num; /* of the element, from 0 */
} KERNEL_STRUCT;

struct bpf_iter__bpf_map {
	struct bpf_iter_meta *meta;
	struct bpf_map *map; /* NULL after the last */
} KERNEL_STRUCT;

#endif /* SMTPWARD_BPF_KERNEL_H */
