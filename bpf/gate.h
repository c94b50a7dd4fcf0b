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
 *
 * A generation that is on trial goes back by the same way: once its deadline is over its
 * programs hand over to the ones they replaced, which the gate does not name, and which have
 * nobody before them; so these decide for themselves, whatever version they are of.
 */
#ifndef SMTPWARD_BPF_GATE_H
#define SMTPWARD_BPF_GATE_H

#include "maps.h"

/*
 * The clock goes on while the machine sleeps. Linux 5.10 has no atomic operation that tells
 * what was there before, and needs none: see map_trial in abi.h. Memory of one word has one
 * order on all CPUs, so behind our own addition a mark is there now, or never comes.
 */
static __always_inline bool gate_trial_is_over(void)
{
	struct smtpward_trial *trial = bpf_map_lookup_elem(&map_trial, &(const __u32){ 0 });
	__u64 word;

	if (!trial)
		return true;
	word = READ_ONCE(trial->word);
	if (!word && bpf_ktime_get_boot_ns() < trial_ends_ns)
		return false;
	if (!word) {
		count(&trial->word);
		word = READ_ONCE(trial->word);
	}
	return !(word & SMTPWARD_TRIAL_KEPT);
}

/* True where enforcement is lifted. Does not return where another generation decides. */
static __always_inline bool gate_open(struct bpf_sock_addr *ctx, void *before)
{
	struct smtpward_gate *gate = bpf_map_lookup_elem(&map_gate, &(const __u32){ 0 });
	__u64 decides = gate ? READ_ONCE(gate->generation) : 0;
	const __u64 for_good = generation_for_good;

	/* All that a generation pays that was never on trial; the verifier drops what is below. */
	if (decides == for_good)
		return false;
	if (decides == SMTPWARD_GATE_OPEN)
		return true;
	if (for_good == SMTPWARD_GENERATION_NONE && decides == generation) {
		if (!gate_trial_is_over())
			return false;
		if (!trial_falls_back)
			return true;
	}
	/*
	 * Entry 0, by an index that the verifier does not know: a constant one is patched
	 * into a jump, and taking the program out again then waits for a grace period.
	 */
	bpf_tail_call(ctx, before, decides >> 63);
	return false;
}

#endif /* SMTPWARD_BPF_GATE_H */
