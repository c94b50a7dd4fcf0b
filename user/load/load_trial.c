// SPDX-License-Identifier: GPL-2.0-only
/*
 * A policy on trial: the steps to go back, the steps to stay, and the clearing up behind either.
 *
 * The programs of a trial go back by themselves (bpf/gate.h), to the programs in map_before4 and
 * so on. The kernel empties a program array as its last pin goes: so both sets of pins have these
 * maps, and the fallback's tracker.
 *
 * When a trial is over, the gate gets the generation that decides already, so that nobody sees a
 * difference; then that generation's programs take the place of the trial's on the links.
 */
#include "load/load_steps.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "pins/keep.h"
#include "pins/layer.h"
#include "pins/object.h"
#include "pins/trial.h"
#include "pins/uplink.h"
#include "policy/policy_hash.h"

static int trial_open_before(const struct pins *pins, uint64_t generation, const char *map,
			     int *ret_fd)
{
	return object_open_map(pins, generation, map, OBJECT_WRITES, 0, ret_fd);
}

/* The program arrays of hooks, then those of gates on uplinks, and the programs for these. */
#define TRIAL_PROGRAMS (SMTPWARD_HOOKS + UPLINK_KINDS)

static const char *trial_before_map(int at)
{
	return at < SMTPWARD_HOOKS ? hook_infos[at].before_map
				   : uplink_infos[at - SMTPWARD_HOOKS].before_map;
}

static const char *trial_program_pin(int at)
{
	return at < SMTPWARD_HOOKS ? hook_infos[at].program_pin
				   : uplink_infos[at - SMTPWARD_HOOKS].program_pin;
}

static bool trial_asks_for(uint32_t parts, int at)
{
	return at < SMTPWARD_HOOKS ? hook_is_of(at, parts) : parts & SMTPWARD_PART_GATE;
}

static int trial_end_handing_over(const struct pins *pins, uint64_t generation)
{
	const uint32_t zero = 0;

	for (int at = 0; at < TRIAL_PROGRAMS; at++) {
		_cleanup_close_ int fd = -1;
		int r = trial_open_before(pins, generation, trial_before_map(at), &fd);

		/* The generation is of an older version, or does without it. */
		if (r == -ENOENT)
			continue;
		if (!r)
			r = bpf_map_delete_elem(fd, &zero);
		if (r && r != -ENOENT)
			return r;
	}
	return 0;
}

int load_trial_prepare(const struct pins *pins, uint64_t fallback)
{
	return trial_end_handing_over(pins, fallback);
}

int load_trial_arm(const struct pins *pins, uint64_t generation, uint64_t fallback)
{
	const uint32_t zero = 0;
	uint32_t parts;
	int r = layer_read_parts(pins, fallback, &parts);

	for (int at = 0; !r && at < TRIAL_PROGRAMS; at++) {
		_cleanup_close_ int fd = -1, program_fd = -1;

		if (!trial_asks_for(parts, at))
			continue;
		r = trial_open_before(pins, generation, trial_before_map(at), &fd);
		if (!r)
			r = object_open(pins, fallback, trial_program_pin(at), &program_fd);
		if (!r)
			r = bpf_map_update_elem(fd, &zero, &program_fd, BPF_ANY);
	}
	return r;
}

/* Going back. */

int load_write_pinned_gate(const struct pins *pins, uint64_t generation)
{
	const struct smtpward_gate gate = { .generation = generation };
	_cleanup_close_ int fd = -1;
	const uint32_t zero = 0;
	uint32_t id;
	int r = object_open_gate(pins, OBJECT_WRITES, &fd, &id);

	return r ? r : bpf_map_update_elem(fd, &zero, &gate, BPF_ANY);
}

/*
 * Gives the group that could read before the trial its rights again, as the fallback's load said.
 */
static int trial_share_again(const struct pins *pins, uint64_t fallback)
{
	_cleanup_free_ struct smtpward_origin *origin = malloc(sizeof(*origin));
	int r;

	if (!origin)
		return -ENOMEM;
	r = object_read(pins, fallback, "map_origin", origin, sizeof(*origin));
	/* The fallback is of an older version: the group that reads now stays. */
	if (r == -ENOENT || r == -EBADMSG)
		return 0;
	return r ? r : pins_share(pins, fallback, origin->reader);
}

static int trial_remove_candidate(const struct pins *pins, uint64_t candidate, uint64_t fallback)
{
	int r = load_name_generation(pins, fallback);

	if (r)
		return r;
	r = trial_share_again(pins, fallback);
	if (r)
		return r;
	r = pins_clear_trial(pins);
	if (r)
		return r;
	return pins_remove_generation(pins, candidate);
}

static int trial_go_back(const struct pins *pins, uint64_t candidate, uint64_t fallback,
			 struct reason *reason)
{
	int r = load_write_pinned_gate(pins, fallback);

	if (r)
		return reason_errno(reason, r, "cannot write %s/map_gate", pins->path);
	r = load_heal_hooks(pins, reason);
	if (r)
		return r;
	r = load_detach_unasked(pins, pins);
	if (r)
		return reason_errno(reason, r, "cannot detach what was on trial alone from %s",
				    pins->path);
	r = trial_remove_candidate(pins, candidate, fallback);
	if (r)
		return reason_errno(reason, r, "cannot remove what was on trial from %s",
				    pins->path);
	return 0;
}

/* Reads the generation that the gate names, and whether it is on trial. */
static int trial_read_gate(const struct pins *pins, struct load_id *ret_id, struct trial *ret_trial)
{
	_cleanup_close_ int fd = -1;
	struct smtpward_gate gate;
	const uint32_t zero = 0;
	int r = object_open_gate(pins, OBJECT_READS, &fd, &ret_id->gate_id);

	if (!r)
		r = bpf_map_lookup_elem(fd, &zero, &gate);
	if (r)
		return r;
	ret_id->generation = gate.generation;
	*ret_trial = (struct trial){ .phase = TRIAL_NONE };
	return gate.generation && gate.generation != SMTPWARD_GATE_OPEN
		       ? trial_read(pins, gate.generation, ret_trial)
		       : 0;
}

int load_trial_settle(const struct pins *pins, bool *ret_over, struct load_id *ret_lift,
		      struct reason *reason)
{
	struct trial trial;
	struct load_id id;
	int r = trial_read_gate(pins, &id, &trial);

	*ret_over = false;
	*ret_lift = (struct load_id){ 0 };
	if (r == -ENOENT)
		return 0;
	if (r)
		return reason_errno(reason, r, "cannot tell whether %s is on trial", pins->path);
	if (trial.phase != TRIAL_OVER)
		return 0;
	*ret_over = true;
	if (trial.fallback)
		return trial_go_back(pins, id.generation, trial.fallback, reason);
	*ret_lift = id;
	return 0;
}

int load_trial_lift(const char *path, const struct load_id *id, struct reason *reason)
{
	struct load_lifted lifted = { 0 };
	int r = load_unload(path, id, &lifted, reason);

	found_clear(&lifted.others);
	return r == -ESTALE || r == -ENOENT ? 0 : r;
}

int load_settle(const char *path, bool *ret_over, struct reason *reason)
{
	_cleanup_(pins_close) struct pins pins = PINS_CLOSED;
	struct load_id lift;
	int r = load_open_restored(path, &pins, reason);

	if (r)
		return r;
	r = load_trial_settle(&pins, ret_over, &lift, reason);
	if (r || !lift.generation)
		return r;
	pins_close(&pins);
	return load_trial_lift(path, &lift, reason);
}

/* Keeping the policy. */

static int trial_forget_fallback(const struct pins *pins, uint64_t generation, uint64_t fallback)
{
	int r = trial_end_handing_over(pins, generation);

	if (r)
		return r;
	r = load_detach_unknown(pins, pins);
	if (r)
		return r;
	r = fallback ? pins_remove_generation(pins, fallback) : 0;
	if (r)
		return r;
	r = load_name_generation(pins, generation);
	if (r)
		return r;
	return pins_clear_trial(pins);
}

/* The policy is kept by now: a later call can do each of these steps again. */
static int trial_finish(const struct pins *pins, struct load_keep *keep, struct reason *reason)
{
	int r = trial_forget_fallback(pins, keep->generation, keep->fallback);

	if (r)
		return reason_errno(reason, r,
				    "the policy is kept, but removing what it was to go back to "
				    "from %s failed: "
				    "the next load does that",
				    pins->path);
	keep->unhooked.text[0] = keep->unkept.text[0] = '\0';
	load_heal_links(pins, keep->generation, &keep->unhooked);
	keep_update(pins, keep->generation, load_detach_unknown, &keep->unkept);
	return 0;
}

static int trial_describe(const struct pins *pins, uint64_t generation, struct load_keep *ret_keep)
{
	_cleanup_free_ struct smtpward_origin *origin = malloc(sizeof(*origin));
	struct smtpward_policy_info info;
	int r;

	if (!origin)
		return -ENOMEM;
	r = object_read(pins, generation, "map_origin", origin, sizeof(*origin));
	if (!r)
		r = object_read(pins, generation, "map_policy", &info, sizeof(info));
	if (r)
		return r;
	ret_keep->generation = generation;
	ret_keep->hashed = origin->flags & SMTPWARD_ORIGIN_HASHED;
	memcpy(ret_keep->hash, origin->hash, sizeof(ret_keep->hash));
	memcpy(ret_keep->config, info.config, sizeof(ret_keep->config));
	return 0;
}

static bool trial_is_wanted(const struct load_keep *keep, const char *wanted)
{
	char hash[POLICY_HASH_TEXT_SIZE];

	if (!wanted)
		return true;
	policy_hash_text(keep->hash, hash);
	return keep->hashed && !strncasecmp(hash, wanted, strlen(wanted));
}

static enum load_kept trial_of_other(const struct trial *trial)
{
	if (trial->kept)
		return LOAD_KEPT_OTHER_ALREADY;
	return trial->phase == TRIAL_OVER ? LOAD_KEPT_OTHER_LATE : LOAD_KEPT_OTHER;
}

static int trial_keep_found(const struct pins *pins, const struct load_id *id,
			    const struct trial *trial, const char *wanted, struct load_keep *keep,
			    struct reason *reason)
{
	bool kept = trial->kept;
	int r = trial_describe(pins, id->generation, keep);

	if (r)
		return reason_errno(reason, r, "cannot read what is on trial at %s", pins->path);
	keep->fallback = trial->fallback;
	if (!trial_is_wanted(keep, wanted)) {
		keep->kept = trial_of_other(trial);
		return 0;
	}
	r = kept ? 0 : trial_keep(pins, id->generation, trial->ends_ns, &kept);
	if (r)
		return reason_errno(reason, r, "cannot keep what is on trial at %s", pins->path);
	keep->kept = !kept ? LOAD_KEPT_TOO_LATE : trial->kept ? LOAD_KEPT_ALREADY : LOAD_KEPT;
	return kept ? trial_finish(pins, keep, reason) : 0;
}

static int trial_keep_locked(const struct pins *pins, const char *wanted, struct load_keep *keep,
			     struct load_id *ret_lift, struct reason *reason)
{
	struct trial trial;
	struct load_id id;
	bool over;
	int r = trial_read_gate(pins, &id, &trial);

	if (r && r != -ENOENT)
		return reason_errno(reason, r, "cannot tell whether %s is on trial", pins->path);
	if (r || (trial.phase == TRIAL_NONE && !trial.kept))
		return 0;
	r = trial_keep_found(pins, &id, &trial, wanted, keep, reason);
	if (r || (keep->kept != LOAD_KEPT_TOO_LATE && keep->kept != LOAD_KEPT_OTHER_LATE))
		return r;
	return load_trial_settle(pins, &over, ret_lift, reason);
}

int load_keep(const char *path, const char *wanted, struct load_keep *ret_keep,
	      struct reason *reason)
{
	_cleanup_(pins_close) struct pins pins = PINS_CLOSED;
	struct load_keep keep = { .kept = LOAD_KEPT_NOTHING };
	struct load_id lift = { 0 };
	int r;

	if (geteuid())
		return reason_set(reason, -EPERM, "this needs root");
	r = load_open_restored(path, &pins, reason);
	if (r && r != -ENOENT)
		return r;
	if (!r)
		r = trial_keep_locked(&pins, wanted, &keep, &lift, reason);
	else
		r = 0;
	if (!r && lift.generation) {
		pins_close(&pins);
		r = load_trial_lift(path, &lift, reason);
	}
	if (r)
		return r;
	*ret_keep = keep;
	return 0;
}
