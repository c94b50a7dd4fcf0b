// SPDX-License-Identifier: GPL-2.0-only
/*
 * A new generation: its programs loaded, all of it pinned in a directory of its own, its
 * maps filled, its tracker running. Nothing asks it yet.
 */
#include "load/load_steps.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>

#include "version.h"
#include "base/cleanup.h"
#include "host/boottime.h"
#include "host/feature.h"
#include "host/netns.h"
#include "load/clock.h"
#include "load/fill.h"
#include "load/sizes.h"
#include "load/tenants.h"
#include "load/walk.h"
#include "pins/sound.h"
#include "pins/trial.h"
#include "policy/policy_hash.h"

static int make_reuse_map(struct load *load, uint64_t generation, const char *name,
			  struct reason *reason)
{
	_cleanup_close_ int fd = -1;
	int r = object_open(&load->pins, generation, name, &fd);

	if (r == -ENOENT)
		return 0;
	if (!r)
		r = loader_reuse_map(load->loader, name, fd);
	if (r)
		return reason_errno(reason, r, "cannot go on with %s/%s", load->pins.path, name);
	return 0;
}

/*
 * The count goes on whatever the ABI, and is one count: if one of its maps is missing, is another
 * thing or can no longer be written to, it begins anew.
 */
static int make_find_rows(const struct load *load, bool *ret_whole, struct reason *reason)
{
	*ret_whole = false;
	for (unsigned int i = 0; load->counted && i < loader_n_row_maps; i++) {
		_cleanup_close_ int fd = -1;
		int r = object_open(&load->pins, load->counted, loader_row_maps[i], &fd);

		if (!r)
			r = loader_fits_map(load->loader, loader_row_maps[i], fd);
		if (!r)
			r = sound_is_frozen(fd);
		if (r == -ENOENT || r == -EINVAL || r > 0)
			return 0;
		if (r)
			return reason_errno(reason, r, "cannot examine %s/%s", load->pins.path,
					    loader_row_maps[i]);
	}
	*ret_whole = load->counted != 0;
	return 0;
}

static int make_reuse_rows(struct load *load, struct reason *reason)
{
	bool whole;
	int r = make_find_rows(load, &whole, reason);

	if (r || !whole)
		return r;
	for (unsigned int i = 0; i < loader_n_row_maps; i++) {
		r = make_reuse_map(load, load->counted, loader_row_maps[i], reason);
		if (r)
			return r;
	}
	return 0;
}

/* The maps that last; those of the second layer as far as both generations have programs of it. */
static int make_reuse_lasting(struct load *load, struct reason *reason)
{
	int r;

	for (unsigned int i = 0; i < loader_n_lasting_maps; i++) {
		r = make_reuse_map(load, load->adopted, loader_lasting_maps[i], reason);
		if (r)
			return r;
	}
	for (unsigned int i = 0; i < loader_n_packet_maps; i++) {
		if (loader_map(load->loader, loader_packet_maps[i]) == -ENOENT)
			continue;
		r = make_reuse_map(load, load->adopted, loader_packet_maps[i], reason);
		if (r)
			return r;
	}
	return 0;
}

static int make_reuse_maps(struct load *load, struct reason *reason)
{
	int r = make_reuse_map(load, 0, "map_gate", reason);

	if (r)
		return r;
	r = make_reuse_rows(load, reason);
	if (r)
		return r;
	return load->adopted ? make_reuse_lasting(load, reason) : 0;
}

/*
 * Names in the kernel are what our programs and maps are found by. libbpf leaves them out if its
 * probe for them fails, for whatever reason.
 */
static int make_check_names(const struct load *load, struct reason *reason)
{
	struct bpf_map_info info = { 0 };
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(loader_map(load->loader, "map_policy"), &info, &size))
		return reason_errno(reason, -errno, "cannot ask for the name of a map");
	if (strcmp(info.name, "map_policy"))
		return reason_set(reason, -EIO,
				  "the kernel has kept no names of the maps, which they are found "
				  "by: try again");
	return 0;
}

static int make_load_programs(struct load *load, struct reason *reason)
{
	struct loader_options options = {
		.generation = load->generation,
		.root_cgroup = load->root_id,
		.trial_ends_ns = load->trial_ends_ns,
		.trial_falls_back = load->fallback != 0,
		.reader = load->reader != 0,
		.parts = load->layer.parts,
		.fallback_parts = load->fallback_parts,
	};
	int r = sizes_choose(load->root_fd, &options);

	if (r)
		return reason_errno(reason, r, "cannot tell the sizes of the maps");
	options.typed_task = feature_ask(FEATURE_TASK) == 1;
	options.reads_tai = load->reads_tai = feature_ask(FEATURE_TAI) == 1;
	r = load->request->ruleset->asks_local ? netns_read_host(&options.host_netns) : 0;
	if (r)
		return reason_errno(reason, r, "cannot tell the host's network namespace");
	load->host_netns = options.host_netns;
	r = loader_open(load->request->ruleset, &options, &load->loader, reason);
	if (r)
		return r;
	r = make_reuse_maps(load, reason);
	if (r)
		return r;
	r = loader_load(load->loader, reason);
	return r ? r : make_check_names(load, reason);
}

/* Pinning. */

int load_pin(const struct pins *pins, uint64_t generation, const char *name, int fd,
	     struct reason *reason)
{
	char path[PINS_PATH_SIZE];
	int r = pins_name(pins, generation, name, path);

	if (!r && bpf_obj_pin(fd, path))
		r = -errno;
	if (r)
		return reason_errno(reason, r, "cannot pin %s", path);
	return 0;
}

int load_write_gate(const struct load *load, uint64_t generation, struct reason *reason)
{
	const struct smtpward_gate gate = { .generation = generation };
	const uint32_t zero = 0;
	int r;

	assert(generation);
	r = bpf_map_update_elem(loader_map(load->loader, "map_gate"), &zero, &gate, BPF_ANY);
	if (r)
		return reason_errno(reason, r, "cannot write map_gate");
	return 0;
}

/* The gate is open before anything can find it, and is pinned before all else. */
static int make_gate(const struct load *load, struct reason *reason)
{
	int r;

	if (load->has_gate)
		return 0;
	r = load_write_gate(load, SMTPWARD_GATE_OPEN, reason);
	if (r)
		return r;
	return load_pin(&load->pins, 0, "map_gate", loader_map(load->loader, "map_gate"), reason);
}

struct make_pin_context {
	const struct load *load;
	struct reason *reason;
};

static int make_pin_object(void *userdata, const char *name, int fd)
{
	const struct make_pin_context *context = userdata;

	return load_pin(&context->load->pins, context->load->generation, name, fd, context->reason);
}

static int make_pin_generation(const struct load *load, struct reason *reason)
{
	struct make_pin_context context = { load, reason };
	int r = pins_make_generation(&load->pins, load->generation);

	if (r)
		return reason_errno(reason, r, "cannot make a directory in %s", load->pins.path);
	return loader_each_object(load->loader, make_pin_object, &context);
}

/*
 * The table of tenants that is gone on with has all of them, if the tracker that kept it is there:
 * it ends with this load, and the new one runs already.
 */
static int make_tenants(struct load *load, struct reason *reason)
{
	struct smtpward_tenant tenant;
	bool kept = false;
	int r = 0;

	if (load->adopted)
		r = pins_has(&load->pins, load->adopted, "link_cgroup_mkdir", &kept);
	if (!r && kept)
		r = bpf_map_lookup_elem(loader_map(load->loader, "map_tenants"), &load->root_id,
					&tenant);
	if (r && r != -ENOENT)
		return reason_errno(reason, r, "cannot read map_tenants");
	if (kept && !r)
		return 0;
	return tenants_walk(load->loader, load->root_fd, &load->merged, reason);
}

static int make_start_tracker(struct load *load, struct reason *reason)
{
	_cleanup_close_ int made = -1, removed = -1;
	int r = loader_attach_tracker(load->loader, &made, &removed);

	if (r)
		return reason_errno(reason, r, "cannot attach the cgroup tracker");
	r = load_pin(&load->pins, load->generation, "link_cgroup_rmdir", removed, reason);
	if (r)
		return r;
	r = load_pin(&load->pins, load->generation, "link_cgroup_mkdir", made, reason);
	if (r)
		return r;
	r = make_tenants(load, reason);
	if (r || !load->request->ruleset->asks_cgroup)
		return r;
	return walk_cgroups(load->loader, load->request->ruleset, load->root_fd, reason);
}

/* Makes iter_hooks, which tells the reader whether the hooks are in force. */
static int make_iterator(const struct load *load, struct reason *reason)
{
	_cleanup_close_ int fd = -1;
	int r = loader_describe_hooks(load->loader, load->attach_id);

	if (r)
		return reason_errno(reason, r, "cannot write map_hooks");
	r = loader_attach_iterator(load->loader, &fd);
	if (r == -ENOENT)
		return 0;
	if (r)
		return reason_errno(reason, r, "cannot make iter_hooks");
	return load_pin(&load->pins, load->generation, "iter_hooks", fd, reason);
}

static void make_describe(const struct load *load, struct smtpward_policy_info *info)
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
		.alert_attempts = policy->alert_attempts,
		.alert_period = policy->alert_period,
		.version = SMTPWARD_VERSION,
	};
	memcpy(info->port, policy->ports, sizeof(info->port));
	snprintf(info->config, sizeof(info->config), "%s", load->request->config);
}

static int make_describe_origin(struct load *load, struct reason *reason)
{
	const struct load_request *request = load->request;
	struct smtpward_origin *origin = &load->origin;
	int r;

	*origin = (struct smtpward_origin){
		.flags = SMTPWARD_ORIGIN_HASHED,
		.reader = load->reader,
		.loaded_ns = boottime_now(),
		.trial_ends_ns = load->trial_ends_ns,
		.trial_fallback = load->fallback,
	};
	r = policy_hash(request->policy, origin->hash);
	if (r)
		return reason_errno(reason, r, "cannot hash the policy");
	if (load->trial_ends_ns)
		origin->flags |= SMTPWARD_ORIGIN_TRIAL;
	if (request->run_trial)
		origin->flags |= SMTPWARD_ORIGIN_RUN;
	if (request->cgroup)
		origin->flags |= SMTPWARD_ORIGIN_CGROUP;
	if (request->why)
		origin->flags |= SMTPWARD_ORIGIN_KEPT;
	snprintf(origin->pins, sizeof(origin->pins), "%s", load->pins.path);
	snprintf(origin->why, sizeof(origin->why), "%s", request->why ?: "");
	return 0;
}

static int make_clock(struct load *load, struct reason *reason)
{
	int r;

	if (!load->request->ruleset->asks_until)
		return 0;
	r = clock_begin(loader_map(load->loader, "map_clock"), load->reads_tai,
			load->request->written, &load->clock_unset);
	if (r)
		return reason_errno(reason, r, "cannot tell the programs the time");
	return 0;
}

static int make_prepare(struct load *load, struct reason *reason)
{
	const struct smtpward_host host = {
		.asks_local = load->request->ruleset->asks_local,
		.netns = load->host_netns,
	};
	struct smtpward_policy_info info;
	int r = make_pin_generation(load, reason);

	if (r)
		return r;
	r = make_clock(load, reason);
	if (r)
		return r;
	make_describe(load, &info);
	r = make_describe_origin(load, reason);
	if (r)
		return r;
	r = fill_policy(load->loader, load->request->ruleset, reason);
	if (r)
		return r;
	r = fill_host(load->loader, &host, reason);
	if (r)
		return r;
	r = fill_layer(load->loader, load->request->ruleset, load->generation, &load->layer,
		       reason);
	if (r)
		return r;
	r = fill_description(load->loader, load->request->policy, load->request->ruleset, &info,
			     &load->origin, reason);
	if (r)
		return r;
	r = make_start_tracker(load, reason);
	if (r)
		return r;
	r = make_iterator(load, reason);
	if (r)
		return r;
	r = loader_freeze_maps(load->loader);
	if (r)
		return reason_errno(reason, r, "cannot freeze the policy's maps");
	return 0;
}

int load_make(struct load *load, struct reason *reason)
{
	int r;

	/* The programs have it for a constant: from here on nobody can move it. */
	if (load->request->try_seconds)
		load->trial_ends_ns = boottime_now() + load->request->try_seconds * 1000000000ULL;
	r = make_load_programs(load, reason);
	if (r)
		return r;
	r = make_gate(load, reason);
	if (r)
		return r;
	return make_prepare(load, reason);
}
