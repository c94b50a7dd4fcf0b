// SPDX-License-Identifier: GPL-2.0-only
/*
 * A new generation: its programs loaded, all of it pinned in a directory of its own, its
 * maps filled, its tracker running. Nothing asks it yet.
 */
#include "load/load_steps.h"

#include <string.h>
#include <time.h>

#include <bpf/bpf.h>

#include "version.h"
#include "base/cleanup.h"
#include "load/fill.h"
#include "load/sizes.h"
#include "load/walk.h"

static int reuse_map(struct load *load, uint64_t generation, const char *name,
		     struct reason *reason)
{
	_cleanup_close_ int fd = -1;
	int err = object_open(&load->pins, generation, name, &fd);

	if (err == -ENOENT)
		return 0;
	if (!err)
		err = loader_reuse_map(load->loader, name, fd);
	return err ? reason_errno(reason, err, "cannot go on with %s/%s", load->pins.path, name)
		   : 0;
}

static int reuse_maps(struct load *load, struct reason *reason)
{
	int err = reuse_map(load, 0, "map_gate", reason);

	for (unsigned int i = 0; load->adopted && i < loader_n_lasting_maps && !err; i++)
		err = reuse_map(load, load->adopted, loader_lasting_maps[i], reason);
	return err;
}

static int load_programs(struct load *load, struct reason *reason)
{
	struct loader_options options = {
		.generation = load->generation,
		.root_cgroup = load->root_id,
		.reader = load->reader != 0,
	};
	int err = sizes_choose(load->root_fd, &options);

	if (err)
		return reason_errno(reason, err, "cannot tell the sizes of the maps");
	err = loader_open(load->request->ruleset, &options, &load->loader, reason);
	if (!err)
		err = reuse_maps(load, reason);
	return err ? err : loader_load(load->loader, reason);
}

/* Pinning. */

int load_pin(const struct pins *pins, uint64_t generation, const char *name, int fd,
	     struct reason *reason)
{
	char path[PINS_PATH_SIZE];
	int err = pins_name(pins, generation, name, path);

	if (!err && bpf_obj_pin(fd, path))
		err = -errno;
	return err ? reason_errno(reason, err, "cannot pin %s", path) : 0;
}

int load_write_gate(const struct load *load, uint64_t generation, struct reason *reason)
{
	const struct smtpward_gate gate = { .generation = generation };
	const uint32_t zero = 0;
	int err = bpf_map_update_elem(loader_map(load->loader, "map_gate"), &zero, &gate, BPF_ANY);

	return err ? reason_errno(reason, err, "cannot write map_gate") : 0;
}

/* The gate is open before anything can find it, and is pinned before all else. */
static int pin_gate(const struct load *load, struct reason *reason)
{
	int err;

	if (load->gate)
		return 0;
	err = load_write_gate(load, SMTPWARD_GATE_OPEN, reason);
	return err ? err
		   : load_pin(&load->pins, 0, "map_gate", loader_map(load->loader, "map_gate"),
			      reason);
}

struct pin_context {
	const struct load *load;
	struct reason *reason;
};

static int pin_object(void *userdata, const char *name, int fd)
{
	const struct pin_context *context = userdata;

	return load_pin(&context->load->pins, context->load->generation, name, fd, context->reason);
}

static int pin_generation(const struct load *load, struct reason *reason)
{
	struct pin_context context = { load, reason };
	int err = pins_make_generation(&load->pins, load->generation);

	if (err)
		return reason_errno(reason, err, "cannot make a directory in %s", load->pins.path);
	return loader_each_object(load->loader, pin_object, &context);
}

static int start_tracker(const struct load *load, struct reason *reason)
{
	_cleanup_close_ int made = -1, removed = -1;
	int err;

	if (!loader_tracks_cgroups(load->loader))
		return 0;
	err = loader_attach_tracker(load->loader, &made, &removed);
	if (err)
		return reason_errno(reason, err, "cannot attach the cgroup tracker");
	err = load_pin(&load->pins, load->generation, "link_cgroup_rmdir", removed, reason);
	if (!err)
		err = load_pin(&load->pins, load->generation, "link_cgroup_mkdir", made, reason);
	if (!err)
		err = walk_cgroups(load->loader, load->request->ruleset, load->root_fd, reason);
	return err;
}

/* What the reader asks whether the hooks are in force. */
static int make_iterator(const struct load *load, struct reason *reason)
{
	_cleanup_close_ int fd = -1;
	int err = loader_describe_hooks(load->loader, load->attach_id);

	if (err)
		return reason_errno(reason, err, "cannot write map_hooks");
	err = loader_attach_iterator(load->loader, &fd);
	if (err == -ENOENT)
		return 0;
	if (err)
		return reason_errno(reason, err, "cannot make iter_hooks");
	return load_pin(&load->pins, load->generation, "iter_hooks", fd, reason);
}

static void describe(const struct load *load, struct smtpward_policy_info *info)
{
	const struct policy *policy = load->request->policy;

	*info = (struct smtpward_policy_info){
		.abi = SMTPWARD_ABI,
		.mode = policy->mode == POLICY_AUDIT ? SMTPWARD_AUDIT : SMTPWARD_DENY,
		.generation = load->generation,
		.loaded_at = time(NULL),
		.attached_to = load->attach_id,
		.root = load->root_id,
		.rules = policy->n_rules,
		.ports = policy->n_ports,
		.reject = policy->reject,
		.log = policy->log,
		.limit_lines = policy->limit_lines,
		.limit_period = policy->limit_period,
		.limit_burst = policy->limit_burst,
		.version = SMTPWARD_VERSION,
	};
	memcpy(info->port, policy->ports, sizeof(info->port));
	snprintf(info->config, sizeof(info->config), "%s", load->request->config);
}

static int prepare_generation(const struct load *load, struct reason *reason)
{
	struct smtpward_policy_info info;
	int err = pin_generation(load, reason);

	describe(load, &info);
	if (!err)
		err = fill_policy(load->loader, load->request->ruleset, reason);
	if (!err)
		err = fill_description(load->loader, load->request->policy, &info, reason);
	if (!err)
		err = start_tracker(load, reason);
	if (!err)
		err = make_iterator(load, reason);
	if (err)
		return err;
	err = loader_freeze_maps(load->loader);
	return err ? reason_errno(reason, err, "cannot freeze the policy's maps") : 0;
}

int load_make(struct load *load, struct reason *reason)
{
	int err = load_programs(load, reason);

	if (!err)
		err = pin_gate(load, reason);
	return err ? err : prepare_generation(load, reason);
}
