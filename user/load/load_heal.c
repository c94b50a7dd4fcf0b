// SPDX-License-Identifier: GPL-2.0-only
/*
 * Putting back what somebody took away while a policy is in force: the link of a
 * hook, its pin or its program. It needs nothing but what is pinned; what it cannot
 * put back, the next load does.
 */
#include "load/load_steps.h"

#include <inttypes.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "host/cgroupfs.h"
#include "pins/object.h"
#include "pins/pins.h"

/* The cgroup that the policy was attached to, by its id. -ESTALE where it is gone. */
static int open_attach_cgroup(const struct smtpward_policy_info *policy, int *ret_fd,
			      struct reason *reason)
{
	_cleanup_free_ char *root = NULL;
	_cleanup_close_ int root_fd = -1;
	int err = cgroupfs_find_root(&root);

	if (!err)
		err = cgroupfs_open(root, &root_fd);
	if (!err)
		err = cgroupfs_open_id(root_fd, policy->attached_to, ret_fd);
	return err ? reason_errno(reason, err,
				  "cannot open the cgroup that it was attached to (id %" PRIu64 ")",
				  (uint64_t)policy->attached_to)
		   : 0;
}

static int heal_hook(const struct pins *pins, const struct smtpward_policy_info *policy, int hook,
		     struct reason *reason)
{
	_cleanup_close_ int link_fd = -1, program_fd = -1, cgroup_fd = -1;
	struct object_link link = { 0 };
	uint32_t program_id = 0;
	int err = object_open(pins, policy->generation, hook_infos[hook].program_pin, &program_fd);

	if (!err)
		err = object_program_id(program_fd, &program_id);
	if (err)
		return reason_errno(reason, err, "cannot open the program of the hook %s",
				    hook_infos[hook].name);
	err = object_open(pins, 0, hook_infos[hook].link_pin, &link_fd);
	if (!err)
		err = object_read_link(link_fd, &link);
	if (err && err != -ENOENT)
		return reason_errno(reason, err, "cannot open the link of the hook %s",
				    hook_infos[hook].name);
	if (link.cgroup_id && link.program_id == program_id)
		return 0;
	if (link.cgroup_id)
		return bpf_link_update(link_fd, program_fd, NULL)
			       ? reason_errno(reason, -errno,
					      "cannot replace the program of the "
					      "hook %s",
					      hook_infos[hook].name)
			       : 0;
	err = open_attach_cgroup(policy, &cgroup_fd, reason);
	return err ? err : load_link(pins, hook, program_fd, cgroup_fd, NULL, reason);
}

int load_heal(const char *path, struct reason *reason)
{
	_cleanup_(pins_close) struct pins pins = PINS_CLOSED;
	struct smtpward_policy_info policy;
	struct smtpward_gate gate;
	int err = pins_open_locked(path, false, &pins, reason);

	if (err)
		return err;
	err = object_read(&pins, 0, "map_gate", &gate, sizeof(gate));
	if (!err)
		err = object_read(&pins, gate.generation, "map_policy", &policy, sizeof(policy));
	if (err)
		return reason_errno(reason, err, "cannot tell the policy in %s", path);
	for (int hook = 0; hook < SMTPWARD_HOOKS && !err; hook++)
		err = heal_hook(&pins, &policy, hook, reason);
	return err;
}
