/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The second layer, which holds packets to what connect(2) was allowed: its maps, as abi.h has the
 * others. A policy without `packets on` has none of them, and no ABI is told by them.
 *
 *   mark   the connect that is allowed leaves it with its socket
 *   pass   the socket's SYN leaves it for the gates, by its initial sequence number
 *   gate   on an uplink, lets out a SYN that has a fresh pass, or whose guest a rule allows
 *
 * Mark and pass carry the destination that was allowed: a sequence number alone can be had by
 * connecting to where everybody may, and turning that packet elsewhere.
 */
#ifndef SMTPWARD_PACKETS_H
#define SMTPWARD_PACKETS_H

#include <linux/types.h>

#include <smtpward/abi.h>

/* The parts of the layer that a policy may ask for. ALWAYS is none: every policy has that. */
#define SMTPWARD_PART_ALWAYS 0
#define SMTPWARD_PART_PASS (1U << 0) /* mark and pass */
#define SMTPWARD_PART_RAW (1U << 1)  /* raw deny */
#define SMTPWARD_PART_GATE (1U << 2) /* on uplinks */

/* map_marks, by socket, and in a pass: where a connect was allowed to go. */
struct smtpward_mark {
	__u32 words[4]; /* destination, network byte order, IPv4 as ::ffff:a.b.c.d */
	__u16 port;	/* host byte order; 0: the socket has no leave */
	__u8 bound;	/* 1: to this address alone; 0: no rule that could decide asks for one */
	__u8 pad;
};

/*
 * map_passes, by the sequence number of a SYN as the frame has it. A pass is good for
 * SMTPWARD_PASS_NS, once on each device: without that, who saw the number could send with it again.
 */
#define SMTPWARD_PASS_ENTRIES 16384
#define SMTPWARD_PASS_NS 2000000000ULL
#define SMTPWARD_PASS_DEVICES 4 /* uplinks that stand on each other, as VLAN, bond and its card */

struct smtpward_pass {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	struct smtpward_mark mark;
	__u32 spent[SMTPWARD_PASS_DEVICES]; /* ifindex, 0: free */
	__u32 pad;
};

/*
 * map_layers, by generation: the parts that it has programs of. If the gate names a generation
 * without a part, the part's programs of other generations let everything pass: what decides has
 * no marks for them to go by.
 */
#define SMTPWARD_LAYERS_ENTRIES 64

/*
 * map_layer, one entry a generation: what its policy asks for. The programs read none of it. A
 * trial has programs also of parts that only its fallback asks for, to go back to them.
 */
#define SMTPWARD_LAYER_AUTO (1U << 0) /* uplink auto: these were found at the load */

struct smtpward_layer {
	__u32 flags;	/* SMTPWARD_LAYER_* */
	__u32 parts;	/* SMTPWARD_PART_*: that the policy asks for */
	__u32 programs; /* the same: that there are programs of */
	__u32 n_uplinks;
	char uplinks[SMTPWARD_UPLINKS_MAX][SMTPWARD_DEVICE_SIZE];
};

/* map_pkt_counts, one entry a CPU: what happened to first SYNs to guarded ports. */
struct smtpward_packet_counters {
	__u64 passed;	     /* of a socket with a mark, to where it was allowed */
	__u64 unmarked;	     /* refused: of a socket without one, or to elsewhere */
	__u64 let_out;	     /* through a gate, with a pass */
	__u64 replayed;	     /* refused: a pass for that device was spent */
	__u64 guest_allowed; /* let out by a rule on guests */
	__u64 guest_audited; /* the same, and enforcement would have refused it */
	__u64 guest_denied;
	__u64 hidden;	/* refused: packets that hide whether they are such SYNs */
	__u64 raw;	/* options of sockets that lead past all this, refused */
	__u64 repeated; /* of all these, packets of an attempt that was counted before */
};

/*
 * map_repeats: attempts that packets made of late, so that a packet that is sent again is no new
 * attempt. An entry has bits of a hash of the sender, the addresses and the sequence number, and
 * the time in units of 2^SMTPWARD_REPEATS_SHIFT ns, of which it lasts SMTPWARD_REPEATS_AGE. A
 * tenant has a row of SMTPWARD_REPEATS_A_TENANT entries, which it may share with others.
 */
#define SMTPWARD_REPEATS_TENANTS 256
#define SMTPWARD_REPEATS_A_TENANT 64
#define SMTPWARD_REPEATS_ENTRIES (SMTPWARD_REPEATS_TENANTS * SMTPWARD_REPEATS_A_TENANT)
#define SMTPWARD_REPEATS_SHIFT 36 /* 69 s */
#define SMTPWARD_REPEATS_AGE 2

/*
 * map_guest_slots, by the number of a device, modulo SMTPWARD_GUESTS: the device whose guest has an
 * entry of its own in map_tenants. It keeps the place as long as it is there.
 */

_Static_assert(sizeof(struct smtpward_mark) == 20, "ABI");
_Static_assert(sizeof(struct smtpward_pass) == 48, "ABI");
_Static_assert(sizeof(struct smtpward_layer) == 1040, "ABI");
_Static_assert(sizeof(struct smtpward_packet_counters) == 80, "ABI");

#endif /* SMTPWARD_PACKETS_H */
