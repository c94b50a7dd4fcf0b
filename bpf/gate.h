/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which generation decides.
 *
 * A reload replaces the program of each hook, one link after the other; the new
 * programs hand every connect over to the ones they replaced until map_gate names
 * their generation. That one store is the switch, for all hooks at once, and
 * whoever dies before or after it leaves a whole policy in force.
 *
 * A tail call and not a second program on the hook: exactly one program decides
 * about a connect and records it. Where the gate holds what nobody wrote and there
 * is nobody to hand over to, the programs decide for themselves.
 */
#ifndef SMTPWARD_BPF_GATE_H
#define SMTPWARD_BPF_GATE_H

#include "maps.h"

/* True where enforcement is lifted. Does not return where another generation decides. */
static __always_inline bool gate_open(struct bpf_sock_addr *ctx, void *before)
{
	struct smtpward_gate *gate = bpf_map_lookup_elem(&map_gate, &(const __u32){ 0 });
	__u64 decides = gate ? READ_ONCE(gate->generation) : 0;

	if (decides == generation)
		return false;
	if (decides == SMTPWARD_GATE_OPEN)
		return true;
	/*
	 * Entry 0, by an index that the verifier does not know: a constant one is patched
	 * into a jump, and taking the program out again then waits for a grace period.
	 */
	bpf_tail_call(ctx, before, decides >> 63);
	return false;
}

#endif /* SMTPWARD_BPF_GATE_H */
