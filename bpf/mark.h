/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mark: what connect(2) was allowed, left with the socket for pass.h.
 *
 * The hook runs with the socket locked, from __inet_stream_connect() by way of the protocol's
 * pre_connect(), so a mark and the SYN behind it are of one connect. The mark dies with the socket.
 * A socket that accept(2) makes does not inherit it: the map has no BPF_F_CLONE.
 */
#ifndef SMTPWARD_BPF_MARK_H
#define SMTPWARD_BPF_MARK_H

#include "decide.h"
#include "flow.h"
#include "maps.h"

/* False: there is no memory for a mark, and the connect's packet would be refused. */
static __always_inline bool mark_set(struct bpf_sock_addr *ctx, const struct flow *flow, __u32 rule)
{
	struct smtpward_mark *mark =
		bpf_sk_storage_get(&map_marks, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);

	if (!mark)
		return false;
	for (int i = 0; i < 4; i++)
		mark->words[i] = flow->words[i];
	mark->bound = rule >= first_to_rule;
	mark->port = flow->port;
	return true;
}

/* Takes the leave of the socket's earlier connects: the present one is refused. */
static __always_inline void mark_clear(struct bpf_sock_addr *ctx)
{
	struct smtpward_mark *mark = bpf_sk_storage_get(&map_marks, ctx->sk, NULL, 0);

	if (mark)
		mark->port = 0;
}

/* Whether a packet goes to where the mark allows. */
static __always_inline bool mark_allows(const struct smtpward_mark *mark, const __u32 *words,
					__u16 port)
{
	if (mark->port != port)
		return false;
	return !mark->bound || !((mark->words[0] ^ words[0]) | (mark->words[1] ^ words[1]) |
				 (mark->words[2] ^ words[2]) | (mark->words[3] ^ words[3]));
}

#endif /* SMTPWARD_BPF_MARK_H */
