// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads what a load goes by: the kernel, the cgroups, and what an earlier load left in the pin
 * directory. Makes nothing but that directory.
 */
#include "load/load_steps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/span.h"
#include "host/cgroupfs.h"
#include "host/feature.h"
#include "host/forwards.h"
#include "host/netns.h"
#include "host/refusal.h"
#include "host/uplinks.h"
#include "pins/instance.h"
#include "pins/keep.h"
#include "pins/layer.h"
#include "pins/lock.h"
#include "pins/sound.h"
#include "pins/trial.h"

void load_close(struct load *load)
{
	loader_free(load->loader);
	found_clear(&load->found);
	cleanup_close(&load->root_fd);
	cleanup_close(&load->attach_fd);
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++) {
		cleanup_close(&load->link_fds[hook]);
		cleanup_close(&load->before_fds[hook]);
	}
	for (size_t i = 0; i < load->n_uplinks; i++) {
		uplink_gate_close(&load->uplinks[i].gate);
		cleanup_close(&load->uplinks[i].before_fd);
	}
	pins_close(&load->pins);
}

/* Checks what can be asked before anything is made; a failed load names what else a load needs. */

static int open_check_kernel(const struct ruleset *ruleset, struct reason *reason)
{
	static const enum feature needed[] = { FEATURE_BTF, FEATURE_HOOKS, FEATURE_LINKS };

	if (geteuid())
		return reason_set(reason, -EPERM, "this needs root");
	if (refusal_of_rights(reason))
		return -EPERM;
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (!feature_ask(needed[i]))
			return reason_set(reason, -EOPNOTSUPP, "%s",
					  feature_infos[needed[i]].lacking);
	if (ruleset->reject != EPERM && !feature_ask(FEATURE_REJECT))
		return reason_set(
			reason, -EOPNOTSUPP,
			"reject %s needs Linux 5.18 or newer: this kernel can only refuse "
			"with EPERM",
			policy_reject_name(ruleset->reject));
	return 0;
}

/* A mount over /sys/fs/cgroup would hide from a machine with cgroup v1 what it runs by. */
static int open_no_cgroups(struct reason *reason)
{
	bool v1 = false;
	int r = cgroupfs_has_v1(&v1);

	if (r)
		return reason_errno(reason, r, "cannot find the cgroup hierarchies");
	if (v1)
		return reason_set(reason, -ENOENT,
				  "this machine has cgroup v1 alone, and cgroup v2 is needed: boot "
				  "with systemd.unified_cgroup_hierarchy=1");
	return reason_set(reason, -ENOENT,
			  "no cgroup v2 hierarchy is mounted: boot with systemd, or mount -t "
			  "cgroup2 none /sys/fs/cgroup");
}

/* Rules that could match nothing would refuse all mail, or none. */
static int open_check_services(const struct load *load, const char *root, struct reason *reason)
{
	bool alone = false;
	int r;

	if (load->request->cgroup || !load->request->ruleset->asks_cgroup)
		return 0;
	r = cgroupfs_has_v1_services(&alone);
	if (r)
		return reason_errno(reason, r, "cannot tell where the services run");
	if (!alone)
		return 0;
	return reason_set(
		reason, -EOPNOTSUPP,
		"systemd keeps its services in cgroup v1 here: in cgroup v2 (%s) all of "
		"them are in the root, and no rule with unit or cgroup can match: boot with "
		"systemd.unified_cgroup_hierarchy=1, or write rules by user or group",
		root);
}

static int open_cgroups(struct load *load, struct reason *reason)
{
	_cleanup_free_ char *root = NULL;
	const char *attach = load->request->cgroup;
	int r = cgroupfs_find_root(&root);

	if (r == -ENOENT)
		return open_no_cgroups(reason);
	if (r)
		return reason_errno(reason, r, "cannot find the cgroup v2 hierarchy");
	r = open_check_services(load, root, reason);
	if (r)
		return r;
	r = cgroupfs_open(root, &load->root_fd);
	if (!r)
		r = cgroupfs_id(load->root_fd, "", &load->root_id);
	if (r)
		return reason_errno(reason, r, "cannot open cgroup %s", root);
	r = cgroupfs_open(attach ?: root, &load->attach_fd);
	if (r == -EMEDIUMTYPE)
		return reason_set(reason, r, "%s is no cgroup v2 directory", attach);
	if (!r)
		r = cgroupfs_id(load->attach_fd, "", &load->attach_id);
	if (r)
		return reason_errno(reason, r, "cannot open cgroup %s", attach ?: root);
	return 0;
}

/* A number that no generation has, here or in the gate. */
static int open_choose_generation(struct load *load, struct reason *reason)
{
	_cleanup_free_ uint64_t *numbers = NULL;
	uint64_t highest = 0;
	size_t n;
	int r = pins_list_generations(&load->pins, &numbers, &n);

	if (r)
		return reason_errno(reason, r, "cannot list %s", load->pins.path);
	for (size_t i = 0; i < n; i++)
		if (numbers[i] > highest && numbers[i] != SMTPWARD_GATE_OPEN)
			highest = numbers[i];
	load->generation = highest + 1;
	while (load->generation == load->gate || load->generation == SMTPWARD_GATE_OPEN ||
	       !load->generation)
		load->generation++;
	return 0;
}

static int open_read_gate(struct load *load, struct reason *reason)
{
	struct smtpward_gate gate = { 0 };
	int r = object_read(&load->pins, 0, "map_gate", &gate, sizeof(gate));

	if (r && r != -ENOENT)
		return reason_errno(reason, r, "cannot read %s/map_gate", load->pins.path);
	load->has_gate = !r;
	load->gate = gate.generation;
	return 0;
}

/* Maps of another ABI stay with their programs; what they hold is drained afterwards. */
static int open_read_adopted(struct load *load)
{
	enum object_gate gate;
	uint64_t generation;
	bool sound;
	int r;

	if (!load->has_gate)
		return 0;
	r = object_read_generation(&load->pins, &generation, &gate);
	if (r)
		return r;
	if (gate == OBJECT_GATE_NAMES)
		load->decides = generation;
	load->counted = generation;
	r = object_read_abi(&load->pins, generation, &load->abi);
	if (r)
		return r;
	if (load->abi != SMTPWARD_ABI)
		return 0;
	r = sound_check(&load->pins, generation, &sound, &load->spoiled);
	if (!r && sound)
		load->adopted = generation;
	return r;
}

/* No generation, or one that was not finished, is nothing to go on with. */
static int open_choose_adopted(struct load *load, struct reason *reason)
{
	int r = open_read_adopted(load);

	if (r && r != -ENODATA && r != -ENOENT)
		return reason_errno(reason, r, "cannot read the policy in %s", load->pins.path);
	return 0;
}

/* Whether the link is in force still: one that was detached names no cgroup. */
static int open_read_link(const struct load *load, int fd, struct object_link *ret_link,
			  bool *ret_exists)
{
	int r = object_read_link(fd, ret_link);

	*ret_exists = false;
	if (r)
		return r;
	if (!ret_link->cgroup_id)
		return 0;
	return cgroupfs_exists(load->root_fd, ret_link->cgroup_id, ret_exists);
}

/* A link that somebody detached, or whose cgroup is gone, is as good as none. */
static int open_link(struct load *load, int hook, struct reason *reason)
{
	_cleanup_close_ int fd = -1;
	const char *name = hook_infos[hook].link_pin;
	struct object_link link = { 0 };
	bool exists = false;
	int r = object_open(&load->pins, 0, name, &fd);

	if (r == -ENOENT)
		return 0;
	if (!r)
		r = open_read_link(load, fd, &link, &exists);
	/* Something else of that name; the link that is made takes its place. */
	if (r == -EBADMSG)
		return 0;
	if (r)
		return reason_errno(reason, r, "cannot open %s/%s", load->pins.path, name);
	if (!exists)
		return 0;
	if (link.cgroup_id != load->attach_id)
		return reason_set(
			reason, -EBUSY,
			"%s holds a policy that is attached to another cgroup (id %" PRIu64
			"): unload it first, or name another directory with --pins",
			load->pins.path, link.cgroup_id);
	load->before_fds[hook] = bpf_prog_get_fd_by_id(link.program_id);
	if (load->before_fds[hook] < 0)
		return reason_errno(reason, -errno, "cannot open the program of %s", name);
	load->link_fds[hook] = TAKE_FD(fd);
	return 0;
}

static int open_choose_reader(struct load *load, struct reason *reason)
{
	int r;

	if (load->request->reader) {
		load->reader = *load->request->reader;
		return 0;
	}
	r = pins_find_group(&load->pins, &load->reader);
	if (r)
		return reason_errno(reason, r, "cannot tell who may read %s", load->pins.path);
	return 0;
}

int load_find(const struct pins *pins, struct found *ret_found, uint64_t *ret_root_id,
	      struct reason *reason)
{
	_cleanup_close_ int root_fd = -1;
	int r = found_read(ret_found);

	/* Without CAP_SYS_ADMIN the pins are all there is to go by. */
	if (r && r != -EPERM)
		return reason_errno(reason, r, "cannot tell what is attached");
	r = keep_claim(pins, ret_found);
	if (r)
		return reason_errno(reason, r, "cannot tell whose links are attached");
	r = cgroupfs_open_root(&root_fd);
	if (!r)
		r = cgroupfs_id(root_fd, "", ret_root_id);
	/* Without a hierarchy nothing is attached to its root. */
	if (r && r != -ENOENT)
		return reason_errno(reason, r, "cannot open the cgroup v2 hierarchy");
	return 0;
}

static int open_lock_older(const struct load *load, struct reason *reason)
{
	int r = load->decides ? lock_older(&load->pins, load->decides) : 0;

	if (r)
		return reason_errno(reason, r, "cannot lock %s", load->pins.path);
	return 0;
}

static int open_refuse_loaded(const struct load *load, struct reason *reason)
{
	if (!load->request->run_trial || !load->decides)
		return 0;
	return reason_set(reason, -EEXIST, "a policy is loaded at %s", load->pins.path);
}

/* Finds what is attached, and restores the pins that somebody took away. */
static int open_found(struct load *load, struct reason *reason)
{
	int r = load_find(&load->pins, &load->found, &load->root_id, reason);

	if (r)
		return r;
	return load_restore(&load->pins, &load->found, load->root_id, reason);
}

/* Refuses to go back to the policy of a run that has ended by then: nobody would lift it. */
static int open_refuse_run(const struct load *load, struct reason *reason)
{
	_cleanup_free_ struct smtpward_origin *origin = malloc(sizeof(*origin));
	int r;

	if (!origin)
		return reason_errno(reason, -ENOMEM, "cannot tell who has loaded what is in force");
	r = object_read(&load->pins, load->fallback, "map_origin", origin, sizeof(*origin));
	/* Another version made the fallback: the next step deals with that. */
	if (r == -ENOENT || r == -EBADMSG)
		return 0;
	if (r)
		return reason_errno(reason, r, "cannot tell who has loaded what is in force");
	if (!(origin->flags & SMTPWARD_ORIGIN_RUN))
		return 0;
	return reason_set(
		reason, -EBUSY,
		"what is in force at %s is of a 'smtpward run --trial', which lifts it at "
		"its end: a trial could not go back to it; end that run, or load without "
		"--try first",
		load->pins.path);
}

/* A trial goes back to what runs as it is, with all that it has, and nothing else. */
static int open_check_fallback(const struct load *load, struct reason *reason)
{
	int r;

	if (load->has_gate && load->gate != SMTPWARD_GATE_OPEN && !load->decides)
		return reason_set(
			reason, -EBUSY,
			"what is in force cannot be told, and so not gone back to: 'smtpward "
			"load' without --try puts it right");
	if (!load->fallback)
		return 0;
	r = open_refuse_run(load, reason);
	if (r)
		return r;
	if (!load->adopted)
		return reason_set(
			reason, -EBUSY,
			"what is in force records into buffers that cannot be gone on with: "
			"a trial could not go back to them; load without --try first");
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++) {
		bool has = false;

		if (!hook_is_of(hook, load->fallback_parts))
			continue;
		r = pins_has(&load->pins, load->fallback, hook_infos[hook].program_pin, &has);
		if (r)
			return reason_errno(reason, r, "cannot look for the hook %s",
					    hook_infos[hook].name);
		if (!has)
			return reason_set(
				reason, -EBUSY,
				"what is in force is not on the hook %s: a trial could not "
				"go back to it; load without --try first",
				hook_infos[hook].name);
	}
	return 0;
}

static int open_refuse_running(const struct load *load, const struct trial *trial,
			       struct reason *reason)
{
	const struct pins_option option = pins_option(load->pins.path);
	char left[SPAN_SIZE];

	span_text(trial_seconds_left(trial), left);
	return reason_set(
		reason, -EBUSY,
		"a policy is on trial at %s for another %s: 'smtpward confirm%s' keeps "
		"it, 'smtpward unload%s' lifts all, 'smtpward load --try%s' tries another",
		load->pins.path, left, option.text, option.text, option.text);
}

/* Finds the trial that runs already, and the generation that a new trial goes back to. */
static int open_trial(struct load *load, struct reason *reason)
{
	struct trial trial = { .phase = TRIAL_NONE };
	int r = load->decides ? trial_read(&load->pins, load->decides, &trial) : 0;

	if (r)
		return reason_errno(reason, r, "cannot tell whether %s is on trial",
				    load->pins.path);
	load->trial_over = trial.phase == TRIAL_OVER;
	if (load->trial_over)
		return reason_set(reason, -EAGAIN, "%s was on trial: try again", load->pins.path);
	if (trial.phase == TRIAL_RUNS && !load->request->try_seconds)
		return open_refuse_running(load, &trial, reason);
	if (!load->request->try_seconds)
		return 0;
	load->fallback = trial.phase == TRIAL_RUNS ? trial.fallback : load->decides;
	r = layer_read_parts(&load->pins, load->fallback, &load->fallback_parts);
	if (r)
		return reason_errno(reason, r, "cannot tell what a trial goes back to");
	return open_check_fallback(load, reason);
}

static int open_links(struct load *load, struct reason *reason)
{
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++) {
		int r = open_link(load, hook, reason);

		if (r)
			return r;
	}
	return 0;
}

static int open_state(struct load *load, struct reason *reason)
{
	int r = pins_open_locked(load->request->pins, true, &load->pins, reason);

	if (r)
		return r;
	r = open_found(load, reason);
	if (r)
		return r;
	r = open_read_gate(load, reason);
	if (r)
		return r;
	r = open_choose_generation(load, reason);
	if (r)
		return r;
	r = open_choose_adopted(load, reason);
	if (r)
		return r;
	r = open_trial(load, reason);
	if (r)
		return r;
	r = open_refuse_loaded(load, reason);
	if (r)
		return r;
	r = open_lock_older(load, reason);
	if (r)
		return r;
	r = open_choose_reader(load, reason);
	if (r)
		return r;
	return open_links(load, reason);
}

/*
 * Sockets outside of a cgroup below the root have no marks, and the gate would refuse them all. In
 * another network namespace than the machine's own, nobody outside need use the uplink.
 */
static int open_check_scope(const struct load *load, struct reason *reason)
{
	bool host;
	int r = netns_is_host(&host);

	if (r)
		return reason_errno(reason, r, "cannot tell the network namespace");
	if (load->attach_id == load->root_id || !host)
		return 0;
	return reason_set(reason, -EINVAL,
			  "an uplink is for the whole machine: without --cgroup, or with 'uplink "
			  "none'; it would refuse each socket that is made outside of %s",
			  load->request->cgroup);
}

static bool open_has_guest(const struct policy *policy)
{
	for (size_t i = 0; i < policy->n_rules; i++)
		if (policy->rules[i].values[SMTPWARD_GUEST].n)
			return true;
	return false;
}

static int open_refuse_forward(const struct policy *policy, const char *devices,
			       struct reason *reason)
{
	char flows[256];
	int r = forwards_list_flows(policy->ports, policy->n_ports, flows, sizeof(flows));

	if (r)
		return reason_errno(reason, r, "cannot read the kernel's table of connections");
	return reason_set(
		reason, -EINVAL,
		"this machine forwards packets of others (by %s), and a first load with an uplink "
		"would refuse their mail%s%s: write a rule with 'guest' for whom it forwards mail, "
		"or load with --audit first to see",
		devices, *flows ? ", as now of " : "", flows);
}

/* Refuses the first gate where it would refuse, from one moment to the next, others' mail. */
static int open_check_forward(const struct load *load, struct reason *reason)
{
	const struct policy *policy = load->request->policy;
	struct smtpward_layer before;
	char devices[128];
	int r = layer_read(&load->pins, load->decides, &before);

	if (!r)
		r = forwards_list_devices(devices, sizeof(devices));
	if (r)
		return reason_errno(reason, r, "cannot tell whether this machine forwards packets");
	if (!*devices || before.parts & SMTPWARD_PART_GATE || policy->mode == POLICY_AUDIT ||
	    open_has_guest(policy))
		return 0;
	return open_refuse_forward(policy, devices, reason);
}

struct open_uplinks {
	struct smtpward_layer *layer;
	size_t n; /* with those that have no room in the layer */
};

static int open_add_uplink(void *userdata, const char *name)
{
	struct open_uplinks *uplinks = userdata;
	struct smtpward_layer *layer = uplinks->layer;

	if (uplinks->n++ < ARRAY_SIZE(layer->uplinks))
		snprintf(layer->uplinks[layer->n_uplinks++], sizeof(*layer->uplinks), "%s", name);
	return 0;
}

static int open_find_uplinks(struct load *load, struct reason *reason)
{
	const struct policy *policy = load->request->policy;
	struct open_uplinks uplinks = { &load->layer, 0 };
	int r = 0;

	for (size_t i = 0; i < policy->n_uplinks; i++)
		open_add_uplink(&uplinks, policy->uplinks[i].text);
	if (policy->uplink == POLICY_UPLINK_AUTO) {
		load->layer.flags |= SMTPWARD_LAYER_AUTO;
		r = uplinks_each(open_add_uplink, &uplinks);
	}
	if (r)
		return reason_errno(reason, r, "cannot find the uplinks");
	/* More of them are no reason to have no policy, after a boot say. */
	if (uplinks.n > ARRAY_SIZE(load->layer.uplinks))
		load->surplus = uplinks.n;
	return 0;
}

/* Reads what the policy asks for of the second layer, and checks whether it can have that. */
static int open_layer(struct load *load, struct reason *reason)
{
	const struct policy *policy = load->request->policy;
	int r;

	if (!policy->packets)
		return 0;
	load->layer.parts = SMTPWARD_PART_PASS;
	if (!policy_allows_raw(policy))
		load->layer.parts |= SMTPWARD_PART_RAW;
	if (policy->uplink == POLICY_UPLINK_NONE)
		return 0;
	load->layer.parts |= SMTPWARD_PART_GATE;
	r = open_check_scope(load, reason);
	if (r)
		return r;
	r = open_check_forward(load, reason);
	return r ? r : open_find_uplinks(load, reason);
}

int load_open(struct load *load, struct reason *reason)
{
	int r = open_check_kernel(load->request->ruleset, reason);

	if (r)
		return r;
	r = open_cgroups(load, reason);
	if (r)
		return r;
	r = open_state(load, reason);
	if (r)
		return r;
	r = open_layer(load, reason);
	load->layer.programs = load->layer.parts | load->fallback_parts;
	return r;
}
