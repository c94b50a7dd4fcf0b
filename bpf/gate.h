/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The gate tells which generation decides.
 *
 * A reload replaces the program of each hook, one link after the other; the new
 * programs hand every connect over to the ones they replaced until map_gate names
 * their generation. That one store is the switch, for all hooks at once, and
 * whoever dies before or after it leaves a whole policy in force.
 *
 * The hand-over is a tail call, not a second program on the hook: exactly one program decides
 * about a connect and records it. If the gate names no generation that there is, and there is no
 * program to hand over to, the programs decide themselves.
 *
 * A generation on trial goes back the same way: once its deadline is over, its programs hand each
 * connect over to the programs they replaced. The gate does not name those, and they have no
 * program before them, so they decide themselves, whatever version they are of.
 */
#ifndef SMTPWARD_BPF_GATE_H
#define SMTPWARD_BPF_GATE_H

#include "maps.h"

/*
 * CLOCK_BOOTTIME goes on while the machine is suspended. Linux 5.10 has no atomic operation that
 * returns the old value; none is needed: see map_trial in abi.h. All CPUs see the stores to one
 * word in one order, so after our own addition SMTPWARD_TRIAL_KEPT is set already or never will
 * be.
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

enum gate_answer {
	GATE_DECIDES, /* this generation */
	GATE_LIFTED,
	GATE_OTHER, /* the gate names another generation, and there is no program of it here */
};

/*
 * Does not return if another generation decides, and is before this one. falls_back: after a trial
 * there is a program to go back to.
 */
static __always_inline enum gate_answer gate_ask(void *ctx, void *before, bool falls_back,
						 __u64 *ret_named)
{
	struct smtpward_gate *gate = bpf_map_lookup_elem(&map_gate, &(const __u32){ 0 });
	__u64 decides = gate ? READ_ONCE(gate->generation) : 0;
	const __u64 for_good = generation_for_good;

	/* A generation that was never on trial pays this alone: the verifier drops the trial's
	 * branch. */
	if (decides == for_good)
		return GATE_DECIDES;
	if (decides == SMTPWARD_GATE_OPEN)
		return GATE_LIFTED;
	if (for_good == SMTPWARD_GENERATION_NONE && decides == generation) {
		if (!gate_trial_is_over())
			return GATE_DECIDES;
		if (!falls_back)
			return GATE_LIFTED;
	}
	/*
	 * The index is always 0, and the verifier does not know that: it would patch a constant
	 * index into a jump, and removing the program would then wait for a grace period.
	 */
	bpf_tail_call(ctx, before, decides >> 63);
	*ret_named = decides;
	return GATE_OTHER;
}

/* True if enforcement is lifted. Does not return if another generation decides. */
static __always_inline bool gate_open(struct bpf_sock_addr *ctx, void *before)
{
	__u64 named;

	return gate_ask(ctx, before, trial_falls_back, &named) == GATE_LIFTED;
}

/*
 * The same for a part of the second layer. Packets pass too if the policy that decides does not ask
 * for the part. A generation that a trial goes back to decides though the gate names that on trial.
 */
static __always_inline bool gate_lets_packets(void *ctx, void *before, __u32 part)
{
	__u64 named = generation;
	enum gate_answer answer = gate_ask(ctx, before, fallback_parts & part, &named);
	const __u32 *parts;

	if (answer != GATE_OTHER)
		return answer == GATE_LIFTED || !(layer_parts & part);
	parts = bpf_map_lookup_elem(&map_layers, &named);
	return !parts || !(*parts & part);
}

#endif /* SMTPWARD_BPF_GATE_H */
