// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hooks, and nothing else; include/smtpward/hooks.h has the table of them.
 *
 *   connect(2) -> gate.h    does this generation decide?
 *                 flow.h    a TCP connect to a guarded port? everything else passes here
 *                 decide.h  the first rule that matches; none: deny
 *                 count.h   one more in its row
 *                 record.h  within the limits of user and tenant: a record in map_events
 *              -> verdict
 *
 *                 mark.h    the second layer: the socket may send what was allowed
 *
 *   a packet -> packet.h  does it begin a TCP connection?
 *      of a socket         -> pass.h    has its socket a mark for where it goes?
 *      leaves by an uplink -> uplink.h  has it a pass, or is it an allowed guest's?
 *   setsockopt(2) -> raw.h  does it lead a packet past these?
 *      what is refused -> sender.h  whose is it? guest.h: what is behind a device?
 *                         record_packet.h  as record.h
 *
 *   mkdir, rmdir of a cgroup -> tracker.h keeps map_cgroups, tenant.h map_tenants
 *
 *   read(2) of iter_hooks -> attached.h  what of this is attached?
 *
 * If anything fails for a guarded port, the connect is refused and the failure counted; a port that
 * is not guarded is never refused. maps.h says what each full map means.
 */
#include "kernel.h"

#include <bpf/bpf_tracing.h>

#include "tenant.h"
#include "tracker.h"
#include "record.h"
#include "flow.h"
#include "gate.h"
#include "attached.h"
#include "maps.h"
#include "decide.h"
#include "mark.h"
#include "pass.h"
#include "uplink.h"
#include "raw.h"

#define PASS 1
#define REFUSE 0

#define SETSOCKOPT_SEEN 4096 /* the smallest page */

static __always_inline void enforce_count(const struct flow *flow, const struct decision *decision,
					  bool refused)
{
	const __u32 entry = flow->port_index * SMTPWARD_ATTEMPTS_A_PORT + decision->rule;
	struct smtpward_attempts *attempts = bpf_map_lookup_elem(&map_attempts, &entry);

	if (attempts)
		count(&attempts->attempts);
	if (refused)
		COUNT(denied);
	else if (decision->verdict == SMTPWARD_ALLOW)
		COUNT(allowed);
	else
		COUNT(audited);
}

static __always_inline int enforce(struct bpf_sock_addr *ctx, const struct flow *flow)
{
	struct decision decision;
	struct caller caller;
	bool refused;

	caller_identify(&caller);
	decide_rule(flow, ctx, &caller, &decision);
	if (audit_mode && decision.verdict == SMTPWARD_DENY)
		decision.verdict = SMTPWARD_AUDIT;
	refused = decision.verdict != SMTPWARD_ALLOW && decision.verdict != SMTPWARD_AUDIT;
	if (layer_parts & SMTPWARD_PART_PASS && refused) {
		mark_clear(ctx);
	} else if (layer_parts & SMTPWARD_PART_PASS && !mark_set(ctx, flow, decision.rule)) {
		refused = true;
		decision.verdict = SMTPWARD_DENY;
		COUNT(broken);
	}
	enforce_count(flow, &decision, refused);
	/* One state for the verifier, whatever was decided. */
	refused = OPAQUE(refused, caller.cgroup_id);
	decision.rule = OPAQUE(decision.rule, caller.cgroup_id);
	decision.verdict = OPAQUE(decision.verdict, caller.cgroup_id);
	if (log_verdicts & (1U << (decision.verdict & 31)))
		record_attempt(flow, &caller, &decision);
	if (!refused)
		return PASS;
	if (reject)
		bpf_set_retval(-(int)reject);
	return REFUSE;
}

SEC("cgroup/connect4")
int smtpward_conn4(struct bpf_sock_addr *ctx)
{
	struct flow flow;

	if (gate_open(ctx, &map_before4) || !flow_from_connect4(ctx, &flow))
		return PASS;
	return enforce(ctx, &flow);
}

SEC("cgroup/connect6")
int smtpward_conn6(struct bpf_sock_addr *ctx)
{
	struct flow flow;

	if (gate_open(ctx, &map_before6) || !flow_from_connect6(ctx, &flow))
		return PASS;
	return enforce(ctx, &flow);
}

SEC("cgroup_skb/egress")
int smtpward_egress(struct __sk_buff *skb)
{
	return pass_packet(skb) ? PASS : REFUSE;
}

SEC("cgroup/setsockopt")
int smtpward_setsockopt(struct bpf_sockopt *ctx)
{
	int allowed = raw_refuses(ctx) ? REFUSE : PASS;

	/*
	 * Programs see a page of the buffer at most, and 0 has the kernel hand on the caller's own:
	 * __cgroup_bpf_run_filter_setsockopt() in kernel/bpf/cgroup.c. What another program has
	 * changed in a shorter one stays.
	 */
	if (ctx->optlen > SETSOCKOPT_SEEN)
		ctx->optlen = 0;
	return allowed;
}

SEC("tc")
int smtpward_up_eth(struct __sk_buff *skb)
{
	if (uplink_is_plain_frame(skb))
		return UPLINK_NEXT;
	return uplink_frame(skb, &map_before_eth);
}

SEC("tc")
int smtpward_up_bare(struct __sk_buff *skb)
{
	if (uplink_is_plain_bare(skb))
		return UPLINK_NEXT;
	return uplink_bare(skb, &map_before_bare);
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(smtpward_mkdir, struct cgroup *cgroup)
{
	if (!tracker_is_ours(cgroup))
		return 0;
	if (asks_cgroup)
		tracker_made(cgroup);
	tenant_made(cgroup);
	return 0;
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(smtpward_rmdir, struct cgroup *cgroup)
{
	if (!tracker_is_ours(cgroup))
		return 0;
	tracker_removed(cgroup);
	tenant_removed(cgroup);
	return 0;
}

SEC("iter/bpf_map")
int smtpward_hooks(struct bpf_iter__bpf_map *ctx)
{
	const struct smtpward_hooks *hooks;

	/* Once a reading: with the first of the kernel's maps. There is one, map_hooks itself. */
	if (!ctx->map || ctx->meta->seq_num)
		return 0;
	hooks = bpf_map_lookup_elem(&map_hooks, &(const __u32){ 0 });
	if (hooks)
		attached_tell(ctx->meta->seq, hooks);
	return 0;
}

/* The helpers that read kernel memory are for GPL-compatible programs only. */
char LICENSE[] SEC("license") = "GPL";
