// SPDX-License-Identifier: GPL-2.0-only
/*
 * The switch from an old generation to a new one: the links, the gate, and the removal of the old
 * generation; or, after a failure, of the new one.
 */
#include "load/load_steps.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/span.h"
#include "host/boottime.h"
#include "pins/hook.h"
#include "pins/keep.h"
#include "pins/layer.h"
#include "pins/trial.h"
#include "pins/uplink.h"

/* A trial must have that much time left after the load. */
#define SWAP_LEFT_NS 1000000000U

int load_link(const struct pins *pins, int hook, int program_fd, int cgroup_fd, int *ret_fd,
	      struct reason *reason)
{
	_cleanup_close_ int fd = -1;
	int r;

	assert(hook >= 0 && hook < SMTPWARD_HOOKS);
	r = pins_remove(pins, hook_infos[hook].link_pin);
	if (r)
		return reason_errno(reason, r, "cannot remove %s/%s", pins->path,
				    hook_infos[hook].link_pin);
	fd = bpf_link_create(program_fd, cgroup_fd, hook_infos[hook].attach_type, NULL);
	if (fd < 0 && errno == EPERM)
		return reason_set(reason, -EPERM,
				  "cannot attach to the hook %s: another program is attached there "
				  "exclusively; 'bpftool cgroup show' names it",
				  hook_infos[hook].name);
	if (fd < 0)
		return reason_errno(reason, -errno, "cannot attach to the hook %s",
				    hook_infos[hook].name);
	r = load_pin(pins, 0, hook_infos[hook].link_pin, fd, reason);
	if (r)
		return r;
	if (ret_fd)
		*ret_fd = TAKE_FD(fd);
	return 0;
}

/*
 * Makes the new program of the hook hand every connect over to before_fds[hook] until the switch.
 */
static int swap_hand_over(const struct load *load, int hook)
{
	const uint32_t zero = 0;

	assert(load->before_fds[hook] >= 0);
	return bpf_map_update_elem(loader_before_map(load->loader, hook), &zero,
				   &load->before_fds[hook], BPF_ANY);
}

static int swap_load_passing(enum bpf_attach_type type)
{
	const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = type);
	int fd = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "smtpward_pass", "GPL", pass,
			       ARRAY_SIZE(pass), &options);

	return fd < 0 ? -errno : fd;
}

/*
 * For a hook that the old generation does not have: the new program lets everything pass until the
 * switch, as the old generation does. Not for a hook whose link somebody removed: the old
 * generation is to be in force there.
 */
static int swap_keep_passing(struct load *load, int hook, struct reason *reason)
{
	const struct hook_info *info = &hook_infos[hook];
	bool had = false;
	int r;

	/* A program of the second layer does so by itself: see map_layers. */
	if (!load->decides || info->part)
		return 0;
	r = pins_has(&load->pins, load->decides, info->program_pin, &had);
	if (r)
		return reason_errno(reason, r, "cannot tell whether the old policy has the hook %s",
				    info->name);
	if (had)
		return 0;
	r = swap_load_passing(info->attach_type);
	if (r < 0)
		return reason_errno(reason, r, "cannot load a program that lets the hook %s pass",
				    info->name);
	load->before_fds[hook] = r;
	r = swap_hand_over(load, hook);
	if (r)
		return reason_errno(reason, r,
				    "cannot let the hook %s pass until the new policy is in force",
				    info->name);
	return 0;
}

static int swap_create_link(struct load *load, int hook, struct reason *reason)
{
	int r = swap_keep_passing(load, hook, reason);

	if (r)
		return r;
	r = load_link(&load->pins, hook, loader_hook(load->loader, hook), load->attach_fd,
		      &load->link_fds[hook], reason);
	if (r)
		return r;
	load->made[hook] = true;
	return 0;
}

static int swap_replace_program(const struct load *load, int hook, struct reason *reason)
{
	int r = swap_hand_over(load, hook);

	if (!r && bpf_link_update(load->link_fds[hook], loader_hook(load->loader, hook), NULL))
		r = -errno;
	if (r)
		return reason_errno(reason, r, "cannot replace the program of the hook %s",
				    hook_infos[hook].name);
	return 0;
}

/*
 * Everything that was made so far counts against a trial's time: the programs have the deadline by
 * now.
 */
static int swap_check_time(const struct load *load, struct reason *reason)
{
	char whole[SPAN_SIZE];

	if (!load->trial_ends_ns || boottime_now() + SWAP_LEFT_NS <= load->trial_ends_ns)
		return 0;
	span_text(load->request->try_seconds, whole);
	return reason_set(reason, -ETIME,
			  "loading has taken the %s of the trial: nothing has changed; try it for "
			  "longer with --try",
			  whole);
}

/*
 * Takes the new generation's number out of the map_layers of what is in force: a load that failed
 * or was killed may have had it, and this one has no programs for packets.
 */
static int swap_disown_layer(const struct load *load)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (load->layer.programs || !load->decides)
		return 0;
	r = object_open_map(&load->pins, load->decides, "map_layers", OBJECT_WRITES,
			    sizeof(uint32_t), &fd);
	if (!r)
		r = bpf_map_delete_elem(fd, &load->generation);
	return r == -ENOENT ? 0 : r;
}

int load_swap(struct load *load, struct reason *reason)
{
	int r = load->fallback ? load_trial_prepare(&load->pins, load->fallback) : 0;

	if (r)
		return reason_errno(reason, r, "cannot prepare what is in force for a trial");
	r = swap_disown_layer(load);
	if (r)
		return reason_errno(reason, r, "cannot write %s/map_layers", load->pins.path);
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++) {
		if (!hook_is_of(hook, load->layer.programs))
			continue;
		r = load->link_fds[hook] < 0 ? swap_create_link(load, hook, reason)
					     : swap_replace_program(load, hook, reason);

		if (r)
			return r;
	}
	r = load_swap_uplinks(load, reason);
	if (r)
		return r;
	r = swap_check_time(load, reason);
	return r ? r : load_write_gate(load, load->generation, reason);
}

/* Detaches the link now, not when the kernel comes to free it. */
static int swap_unmake_link(struct load *load, int hook)
{
	if (bpf_link_detach(load->link_fds[hook]))
		return -errno;
	return pins_remove(&load->pins, hook_infos[hook].link_pin);
}

static int swap_take_back_link(struct load *load, int hook)
{
	if (load->link_fds[hook] < 0)
		return 0;
	return bpf_link_update(load->link_fds[hook], load->before_fds[hook], NULL) ? -errno : 0;
}

/*
 * Rolls back after a failure before the switch: the links get back the programs they had. If that
 * fails, the new generation stays, as its programs may still be asked to hand over.
 */
int load_roll_back(struct load *load)
{
	int r;

	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++) {
		r = load->made[hook] ? swap_unmake_link(load, hook)
				     : swap_take_back_link(load, hook);
		if (r)
			return r;
	}
	r = load_take_back_uplinks(load);
	if (r)
		return r;
	r = pins_remove_generation(&load->pins, load->generation);
	if (r)
		return r;
	return load->has_gate ? 0 : pins_remove_all(&load->pins);
}

/* Steps after the switch. */

int load_name_generation(const struct pins *pins, uint64_t generation)
{
	int r = pins_point_to(pins, generation);

	if (r)
		return r;
	for (unsigned int i = 0; i < loader_n_lasting_maps; i++) {
		r = pins_link_policy(pins, loader_lasting_maps[i]);
		if (r)
			return r;
	}
	for (unsigned int i = 0; i < loader_n_row_maps; i++) {
		r = pins_link_policy(pins, loader_row_maps[i]);
		if (r)
			return r;
	}
	return 0;
}

/* Ends the handing over. An old program runs on until the last connect has left it. */
static int swap_end_handing_over(const struct load *load)
{
	const uint32_t zero = 0;

	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++) {
		int r;

		if (load->before_fds[hook] < 0 || !hook_is_of(hook, load->layer.programs))
			continue;
		r = bpf_map_delete_elem(loader_before_map(load->loader, hook), &zero);
		if (r)
			return r;
	}
	for (int kind = 0; load->n_uplinks && kind < UPLINK_KINDS; kind++) {
		const int fd = loader_map(load->loader, uplink_infos[kind].before_map);
		int r = bpf_map_delete_elem(fd, &zero);

		if (r && r != -ENOENT)
			return r;
	}
	return 0;
}

/* Whether a generation has recorded into another map_events than the new generation does. */
static int swap_recorded_elsewhere(const struct load *load, uint64_t generation, bool *ret)
{
	_cleanup_close_ int fd = -1;
	struct object_shape theirs, ours;
	int r = object_open(&load->pins, generation, "map_events", &fd);

	*ret = false;
	if (r)
		return r == -ENOENT ? 0 : r;
	r = object_read_shape(fd, &theirs);
	if (r)
		return r;
	r = object_read_shape(loader_map(load->loader, "map_events"), &ours);
	if (r)
		return r;
	*ret = theirs.id != ours.id;
	return 0;
}

static int swap_remove_other(struct load *load, uint64_t generation)
{
	bool elsewhere;
	int r = swap_recorded_elsewhere(load, generation, &elsewhere);

	if (r)
		return r;
	if (elsewhere) {
		load->left++;
		return 0;
	}
	return pins_remove_generation(&load->pins, generation);
}

static int swap_share(const struct load *load, struct reason *reason)
{
	int r = pins_share(&load->pins, load->generation, load->reader);

	/* The reader of the new policy can read on if the trial goes back. */
	if (!r && load->fallback && load->reader)
		r = pins_share(&load->pins, load->fallback, load->reader);
	if (r)
		return reason_errno(
			reason, r,
			"the new policy is in force, but giving its reader what it needs "
			"failed");
	return 0;
}

struct swap_unknown {
	const struct pins *dir;
	uint32_t gate_id;
	bool of_others;		     /* those of another version, too */
	struct smtpward_layer layer; /* of the generation in force */
	struct uplink_names uplinks;
};

/* Whether the generation in force has no use for a link with this pin. */
static bool swap_is_unknown(const struct swap_unknown *unknown, const char *name)
{
	const uint32_t ifindex = uplink_of_pin(name);
	const int hook = hook_find_link(name);

	if (ifindex)
		return !uplink_is_listed(&unknown->uplinks, ifindex);
	if (hook >= 0)
		return !hook_is_of(hook, unknown->layer.parts);
	return unknown->of_others && hook_is_unknown_link(name);
}

static int swap_detach_unknown(void *userdata, const char *name)
{
	const struct swap_unknown *unknown = userdata;
	_cleanup_close_ int fd = -1;
	bool ours = false;
	int r;

	if (!swap_is_unknown(unknown, name))
		return 0;
	r = object_open(unknown->dir, 0, name, &fd);
	if (!r)
		r = found_uses_map(fd, unknown->gate_id, &ours);
	/* A pin of somebody else stays, even of a link: it decides nothing for us. */
	if (r || !ours)
		return r;
	/* A link of a kind that cannot be detached goes with its pin. */
	if (bpf_link_detach(fd) && errno != EOPNOTSUPP)
		return -errno;
	return pins_remove(unknown->dir, name);
}

/* Reads what the generation that the gate names has a use for. */
static int swap_read_unknown(const struct pins *pins, int gate_fd, struct swap_unknown *unknown)
{
	struct smtpward_gate gate;
	const uint32_t zero = 0;
	int r = bpf_map_lookup_elem(gate_fd, &zero, &gate);

	if (!r)
		r = layer_read(pins, gate.generation, &unknown->layer);
	return r ? r : uplink_list(&unknown->layer, &unknown->uplinks);
}

static int swap_detach_unused(const struct pins *pins, const struct pins *dir, bool of_others)
{
	struct swap_unknown unknown = { .dir = dir, .of_others = of_others };
	_cleanup_close_ int fd = -1;
	unsigned int n;
	int r = object_open_gate(pins, OBJECT_READS, &fd, &unknown.gate_id);

	/* Without a gate no link that is pinned here can be ours. */
	if (r)
		return r == -ENOENT || r == -EBADMSG ? 0 : r;
	r = swap_read_unknown(pins, fd, &unknown);
	if (r)
		return r;
	r = pins_each(dir, 0, swap_detach_unknown, &unknown);
	return r ? r : load_lift_filters(pins, &unknown.uplinks, &n);
}

int load_detach_unknown(const struct pins *pins, const struct pins *dir)
{
	return swap_detach_unused(pins, dir, true);
}

int load_detach_unasked(const struct pins *pins, const struct pins *dir)
{
	return swap_detach_unused(pins, dir, false);
}

int load_gate_id(const struct load *load, uint32_t *ret_id)
{
	struct object_shape shape;
	int r = object_read_shape(loader_map(load->loader, "map_gate"), &shape);

	if (r)
		return r;
	*ret_id = shape.id;
	return 0;
}

int load_detach_found(const struct found_link *link)
{
	_cleanup_close_ int fd = bpf_link_get_fd_by_id(link->id);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	return bpf_link_detach(fd) ? -errno : 0;
}

/*
 * Detaches the programs of an earlier load of this directory, on the same cgroup, whose pins
 * somebody covered with another mount: they would go on deciding beside ours.
 */
static int swap_detach_covered(const struct load *load)
{
	_cleanup_(found_clear) struct found found = { 0 };
	struct reason unsaid;
	uint64_t root_id = 0;
	uint32_t gate_id;
	int r = load_gate_id(load, &gate_id);

	if (r)
		return r;
	/* Looks again, as the links of before may have got programs of this load. */
	r = load_find(&load->pins, &found, &root_id, &unsaid);
	if (r)
		return r;
	for (size_t i = 0; i < found.n; i++) {
		const struct found_link *link = &found.links[i];

		if (link->gate_id == gate_id || link->cgroup_id != load->attach_id ||
		    !found_is_of(link, load->pins.path, root_id))
			continue;
		r = load_detach_found(link);
		if (r)
			return r;
	}
	return 0;
}

/* Readers that cannot read map_trial go by the mark. */
static int swap_mark(const struct load *load)
{
	int r = load->fallback ? load_trial_arm(&load->pins, load->generation, load->fallback)
			       : swap_end_handing_over(load);

	if (r)
		return r;
	return load->trial_ends_ns ? pins_set_on_trial(&load->pins, load->generation)
				   : pins_clear_trial(&load->pins);
}

/* Takes generations that are gone out of map_layers. */
static int swap_forget_layers(const struct load *load)
{
	const int fd = loader_map(load->loader, "map_layers");
	uint64_t gone[SMTPWARD_LAYERS_ENTRIES], generation;
	const uint64_t *last = NULL;
	size_t n = 0;

	if (fd < 0)
		return 0;
	for (; n < ARRAY_SIZE(gone) && !bpf_map_get_next_key(fd, last, &generation);
	     last = &gone[n++])
		gone[n] = generation;
	for (size_t i = 0; i < n; i++)
		if (gone[i] != load->generation && gone[i] != load->fallback &&
		    bpf_map_delete_elem(fd, &gone[i]) && errno != ENOENT)
			return -errno;
	return 0;
}

static int swap_remove_others(struct load *load)
{
	_cleanup_free_ uint64_t *numbers = NULL;
	size_t n;
	int r = load_name_generation(&load->pins, load->generation);

	if (r)
		return r;
	r = swap_mark(load);
	if (r)
		return r;
	r = swap_forget_layers(load);
	if (r)
		return r;
	r = pins_list_generations(&load->pins, &numbers, &n);
	if (r)
		return r;
	for (size_t i = 0; i < n; i++) {
		if (numbers[i] == load->generation || numbers[i] == load->fallback)
			continue;
		r = swap_remove_other(load, numbers[i]);
		if (r)
			return r;
	}
	return 0;
}

static int swap_retire(struct load *load, struct reason *reason)
{
	int r = swap_remove_others(load);

	if (r)
		return reason_errno(
			reason, r,
			"the new policy is in force, but removing the old one from %s failed",
			load->pins.path);
	return 0;
}

int load_finish(struct load *load, struct reason *reason)
{
	/*
	 * This comes first: nobody hands over to the programs of unknown hooks, so these programs
	 * decide. A trial leaves them, as it may go back to them.
	 */
	int r = load->fallback ? 0 : load_detach_unknown(&load->pins, &load->pins);

	if (r)
		return reason_errno(
			reason, r,
			"the new policy is in force, but detaching the hooks in %s that "
			"this version does not have failed",
			load->pins.path);
	r = swap_detach_covered(load);
	if (r)
		return reason_errno(
			reason, r,
			"the new policy is in force, but detaching what an earlier load of %s "
			"has left attached failed",
			load->pins.path);
	r = swap_share(load, reason);
	if (r)
		return r;
	r = swap_retire(load, reason);
	if (r)
		return r;
	/*
	 * An error does not end the load: the second set matters only once somebody removes the
	 * pins.
	 */
	load->unkept.text[0] = '\0';
	keep_update(&load->pins, load->generation, load->fallback ? NULL : load_detach_unknown,
		    &load->unkept);
	return load_settle_rows(&load->pins, load->generation, reason);
}
