// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a load goes by: the kernel, the cgroups, and what an earlier load left in the pin
 * directory. Makes nothing but that directory.
 */
#include "install_steps.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "cgroupfs.h"
#include "cleanup.h"
#include "feature.h"

void install_close(struct install *install)
{
	loader_free(install->loader);
	cleanup_close(&install->root_fd);
	cleanup_close(&install->attach_fd);
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++) {
		cleanup_close(&install->link_fds[hook]);
		cleanup_close(&install->before_fds[hook]);
	}
	pins_close(&install->pins);
}

/* What can be asked before anything is made; what it takes to load, a failed load says. */

static int check_kernel(const struct ruleset *ruleset, struct reason *reason)
{
	static const enum feature needed[] = { FEATURE_BTF, FEATURE_HOOKS, FEATURE_LINKS };

	if (geteuid())
		return reason_set(reason, -EPERM, "this needs root");
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

static int open_cgroups(struct install *install, struct reason *reason)
{
	_cleanup_free_ char *root = NULL;
	const char *attach = install->request->cgroup;
	int err = cgroupfs_find_root(&root);

	if (err == -ENOENT)
		return reason_set(reason, err,
				  "no cgroup v2 hierarchy is mounted: boot with systemd, or mount "
				  "-t cgroup2 none /sys/fs/cgroup");
	if (err)
		return reason_errno(reason, err, "cannot find the cgroup v2 hierarchy");
	err = cgroupfs_open(root, &install->root_fd);
	if (!err)
		err = cgroupfs_id(install->root_fd, "", &install->root_id);
	if (err)
		return reason_errno(reason, err, "cannot open cgroup %s", root);
	err = cgroupfs_open(attach ?: root, &install->attach_fd);
	if (err == -EMEDIUMTYPE)
		return reason_set(reason, err, "%s is no cgroup v2 directory", attach);
	if (!err)
		err = cgroupfs_id(install->attach_fd, "", &install->attach_id);
	return err ? reason_errno(reason, err, "cannot open cgroup %s", attach ?: root) : 0;
}

/* A number that no generation has, here or in the gate. */
static int choose_generation(struct install *install, struct reason *reason)
{
	_cleanup_free_ uint64_t *numbers = NULL;
	uint64_t highest = 0;
	size_t n;
	int err = pins_list_generations(&install->pins, &numbers, &n);

	if (err)
		return reason_errno(reason, err, "cannot list %s", install->pins.path);
	for (size_t i = 0; i < n; i++)
		if (numbers[i] > highest && numbers[i] != SMTPWARD_GATE_OPEN)
			highest = numbers[i];
	install->generation = highest + 1;
	while (install->generation == install->gate || install->generation == SMTPWARD_GATE_OPEN ||
	       !install->generation)
		install->generation++;
	return 0;
}

static int read_gate(struct install *install, struct reason *reason)
{
	struct smtpward_gate gate = { 0 };
	int err = pinned_read(&install->pins, 0, "map_gate", &gate, sizeof(gate));

	if (err && err != -ENOENT)
		return reason_errno(reason, err, "cannot read %s/map_gate", install->pins.path);
	install->gate = gate.generation;
	return 0;
}

/* Maps of another ABI stay with their programs; what they hold is drained afterwards. */
static int choose_adopted(struct install *install, struct reason *reason)
{
	enum pinned_gate gate;
	uint64_t generation;
	int err;

	if (!install->gate)
		return 0;
	err = pinned_read_generation(&install->pins, &generation, &gate);
	if (!err && gate == PINNED_GATE_NAMES)
		install->decides = generation;
	if (!err)
		err = pinned_read_abi(&install->pins, generation, &install->abi);
	if (err && err != -ENODATA && err != -ENOENT)
		return reason_errno(reason, err, "cannot read the policy in %s",
				    install->pins.path);
	if (!err && install->abi == SMTPWARD_ABI)
		install->adopted = generation;
	return 0;
}

/* A link that somebody detached, or whose cgroup is gone, is as good as none. */
static int open_link(struct install *install, int hook, struct reason *reason)
{
	_cleanup_close_ int fd = -1;
	const char *name = hook_infos[hook].link_pin;
	struct pinned_link link = { 0 };
	bool exists = false;
	int err = pinned_open(&install->pins, 0, name, &fd);

	if (err == -ENOENT)
		return 0;
	if (!err)
		err = pinned_read_link(fd, &link);
	if (!err && link.cgroup_id)
		err = cgroupfs_exists(install->root_fd, link.cgroup_id, &exists);
	if (err)
		return reason_errno(reason, err, "cannot open %s/%s", install->pins.path, name);
	if (!exists)
		return 0;
	if (link.cgroup_id != install->attach_id)
		return reason_set(
			reason, -EBUSY,
			"%s holds a policy that is attached to another cgroup (id %" PRIu64
			"): unload it first, or name another directory with --pins",
			install->pins.path, link.cgroup_id);
	install->before_fds[hook] = bpf_prog_get_fd_by_id(link.program_id);
	if (install->before_fds[hook] < 0)
		return reason_errno(reason, -errno, "cannot open the program of %s", name);
	install->link_fds[hook] = TAKE_FD(fd);
	return 0;
}

static int choose_reader(struct install *install, struct reason *reason)
{
	int err = 0;

	if (install->request->reader)
		install->reader = *install->request->reader;
	else
		err = pins_find_group(&install->pins, &install->reader);
	return err ? reason_errno(reason, err, "cannot tell who may read %s", install->pins.path)
		   : 0;
}

static int open_state(struct install *install, struct reason *reason)
{
	int err = pins_open_locked(install->request->pins, true, &install->pins, reason);

	if (!err)
		err = read_gate(install, reason);
	if (!err)
		err = choose_generation(install, reason);
	if (!err)
		err = choose_adopted(install, reason);
	if (!err)
		err = choose_reader(install, reason);
	for (int hook = 0; hook < SMTPWARD_HOOKS && !err; hook++)
		err = open_link(install, hook, reason);
	return err;
}

int install_open(struct install *install, struct reason *reason)
{
	int err = check_kernel(install->request->ruleset, reason);

	if (!err)
		err = open_cgroups(install, reason);
	return err ? err : open_state(install, reason);
}
