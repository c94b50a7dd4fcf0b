// SPDX-License-Identifier: GPL-2.0-only
/*
 * A new generation: its programs loaded, all of it pinned in a directory of its own, its
 * maps filled, its tracker running. Nothing asks it yet.
 */
#include "install_steps.h"

#include <string.h>
#include <sys/sysinfo.h>
#include <time.h>

#include <bpf/bpf.h>

#include "build.h"
#include "cgroupfs.h"
#include "cleanup.h"
#include "fill.h"

/* Sizes that the machine decides; a large one costs memory only as it fills up. */

static uint32_t between(uint64_t low, uint64_t value, uint64_t high)
{
	return value < low ? low : value > high ? high : value;
}

static int choose_sizes(const struct install *install, struct loader_options *options)
{
	struct sysinfo machine;
	uint64_t mebibytes, cgroups;
	int err = cgroupfs_count(install->root_fd, &cgroups);

	if (err)
		return err;
	if (sysinfo(&machine))
		return -errno;
	mebibytes = (uint64_t)machine.totalram * machine.mem_unit >> 20;
	options->events_size = mebibytes >= 2048 ? 4 << 20 : 1 << 20;
	options->callers_max = between(4096, mebibytes * 4, 65536);
	options->cgroups_max = between(16384, mebibytes, 1 << 20);
	if (options->cgroups_max < cgroups * 2)
		options->cgroups_max = between(0, cgroups * 2, 1 << 24);
	return 0;
}

static int reuse_map(struct install *install, uint64_t generation, const char *name,
		     struct reason *reason)
{
	_cleanup_close_ int fd = -1;
	int err = pinned_open(&install->pins, generation, name, &fd);

	if (err == -ENOENT)
		return 0;
	if (!err)
		err = loader_reuse_map(install->loader, name, fd);
	return err ? reason_errno(reason, err, "cannot go on with %s/%s", install->pins.path, name)
		   : 0;
}

static int reuse_maps(struct install *install, struct reason *reason)
{
	int err = reuse_map(install, 0, "map_gate", reason);

	for (unsigned int i = 0; install->adopted && i < loader_n_lasting_maps && !err; i++)
		err = reuse_map(install, install->adopted, loader_lasting_maps[i], reason);
	return err;
}

static int load_programs(struct install *install, struct reason *reason)
{
	struct loader_options options = {
		.generation = install->generation,
		.root_cgroup = install->root_id,
		.reader = install->reader != 0,
	};
	int err = choose_sizes(install, &options);

	if (err)
		return reason_errno(reason, err, "cannot tell the sizes of the maps");
	err = loader_open(install->request->ruleset, &options, &install->loader, reason);
	if (!err)
		err = reuse_maps(install, reason);
	return err ? err : loader_load(install->loader, reason);
}

/* Pinning. */

int install_pin(const struct pins *pins, uint64_t generation, const char *name, int fd,
		struct reason *reason)
{
	char path[PINS_PATH_SIZE];
	int err = pins_name(pins, generation, name, path);

	if (!err && bpf_obj_pin(fd, path))
		err = -errno;
	return err ? reason_errno(reason, err, "cannot pin %s", path) : 0;
}

int install_write_gate(const struct install *install, uint64_t generation, struct reason *reason)
{
	const struct smtpward_gate gate = { .generation = generation };
	const uint32_t zero = 0;
	int err =
		bpf_map_update_elem(loader_map(install->loader, "map_gate"), &zero, &gate, BPF_ANY);

	return err ? reason_errno(reason, err, "cannot write map_gate") : 0;
}

/* The gate is open before anything can find it, and is pinned before all else. */
static int pin_gate(const struct install *install, struct reason *reason)
{
	int err;

	if (install->gate)
		return 0;
	err = install_write_gate(install, SMTPWARD_GATE_OPEN, reason);
	return err ? err
		   : install_pin(&install->pins, 0, "map_gate",
				 loader_map(install->loader, "map_gate"), reason);
}

struct pin_context {
	const struct install *install;
	struct reason *reason;
};

static int pin_object(void *userdata, const char *name, int fd)
{
	const struct pin_context *context = userdata;

	return install_pin(&context->install->pins, context->install->generation, name, fd,
			   context->reason);
}

static int pin_generation(const struct install *install, struct reason *reason)
{
	struct pin_context context = { install, reason };
	int err = pins_make_generation(&install->pins, install->generation);

	if (err)
		return reason_errno(reason, err, "cannot make a directory in %s",
				    install->pins.path);
	return loader_each_object(install->loader, pin_object, &context);
}

static int start_tracker(const struct install *install, struct reason *reason)
{
	_cleanup_close_ int made = -1, removed = -1;
	int err;

	if (!loader_tracks_cgroups(install->loader))
		return 0;
	err = loader_attach_tracker(install->loader, &made, &removed);
	if (err)
		return reason_errno(reason, err, "cannot attach the cgroup tracker");
	err = install_pin(&install->pins, install->generation, "link_cgroup_rmdir", removed,
			  reason);
	if (!err)
		err = install_pin(&install->pins, install->generation, "link_cgroup_mkdir", made,
				  reason);
	if (!err)
		err = fill_cgroups(install->loader, install->request->ruleset, install->root_fd,
				   reason);
	return err;
}

/* What the reader asks whether the hooks are in force. */
static int make_iterator(const struct install *install, struct reason *reason)
{
	_cleanup_close_ int fd = -1;
	int err = loader_describe_hooks(install->loader, install->attach_id);

	if (err)
		return reason_errno(reason, err, "cannot write map_hooks");
	err = loader_attach_iterator(install->loader, &fd);
	if (err == -ENOENT)
		return 0;
	if (err)
		return reason_errno(reason, err, "cannot make iter_hooks");
	return install_pin(&install->pins, install->generation, "iter_hooks", fd, reason);
}

static void describe(const struct install *install, struct smtpward_policy_info *info)
{
	const struct policy *policy = install->request->policy;

	*info = (struct smtpward_policy_info){
		.abi = SMTPWARD_ABI,
		.mode = policy->mode == POLICY_AUDIT ? SMTPWARD_AUDIT : SMTPWARD_DENY,
		.generation = install->generation,
		.loaded_at = time(NULL),
		.attached_to = install->attach_id,
		.root = install->root_id,
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
	snprintf(info->config, sizeof(info->config), "%s", install->request->config);
}

static int prepare_generation(const struct install *install, struct reason *reason)
{
	struct smtpward_policy_info info;
	int err = pin_generation(install, reason);

	describe(install, &info);
	if (!err)
		err = fill_policy(install->loader, install->request->ruleset, reason);
	if (!err)
		err = fill_description(install->loader, install->request->policy, &info, reason);
	if (!err)
		err = start_tracker(install, reason);
	if (!err)
		err = make_iterator(install, reason);
	if (err)
		return err;
	err = loader_freeze_maps(install->loader);
	return err ? reason_errno(reason, err, "cannot freeze the policy's maps") : 0;
}

int install_make(struct install *install, struct reason *reason)
{
	int err = load_programs(install, reason);

	if (!err)
		err = pin_gate(install, reason);
	return err ? err : prepare_generation(install, reason);
}
