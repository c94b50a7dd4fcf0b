/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ways by which a socket's packets pass no hook at all: a packet socket that goes past the
 * queueing discipline, and with it past tc egress (packet_direct_xmit() in net/packet/af_packet.c),
 * and AF_XDP (xsk_generic_xmit() in net/xdp/xsk.c). Both begin with a socket option; no other
 * option is refused.
 */
#ifndef SMTPWARD_BPF_RAW_H
#define SMTPWARD_BPF_RAW_H

#include "gate.h"
#include "packet.h"
#include "record_packet.h"

#define SOL_PACKET 263
#define PACKET_QDISC_BYPASS 20
#define SOL_XDP 283

/* True: the option is refused. */
static __always_inline bool raw_refuses(struct bpf_sockopt *ctx)
{
	const struct decision decision = {
		.rule = SMTPWARD_RULE_NONE,
		.verdict = audit_mode ? SMTPWARD_AUDIT : SMTPWARD_DENY,
	};

	if (ctx->level != SOL_XDP &&
	    (ctx->level != SOL_PACKET || ctx->optname != PACKET_QDISC_BYPASS))
		return false;
	if (gate_lets_packets(ctx, &map_before_sso, SMTPWARD_PART_RAW))
		return false;
	PACKET_COUNT(raw);
	if (log_verdicts & (1U << decision.verdict))
		record_option(&decision);
	return !audit_mode;
}

#endif /* SMTPWARD_BPF_RAW_H */
