// SPDX-License-Identifier: GPL-2.0-only
/*
 * Old generation to new: the links, the gate, and what is left of the old one; or, where
 * it does not come to that, of the new one.
 */
#include "install_steps.h"

#include <errno.h>

#include <bpf/bpf.h>

#include "cleanup.h"
#include "hook.h"

int install_link(const struct pins *pins, int hook, int program_fd, int cgroup_fd, int *ret_fd,
		 struct reason *reason)
{
	_cleanup_close_ int fd = -1;
	int err = pins_remove(pins, hook_infos[hook].link_pin);

	if (err)
		return reason_errno(reason, err, "cannot remove %s/%s", pins->path,
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
	err = install_pin(pins, 0, hook_infos[hook].link_pin, fd, reason);
	if (!err && ret_fd)
		*ret_fd = TAKE_FD(fd);
	return err;
}

static int create_link(struct install *install, int hook, struct reason *reason)
{
	int err = install_link(&install->pins, hook, loader_hook(install->loader, hook),
			       install->attach_fd, &install->link_fds[hook], reason);

	install->made[hook] = !err;
	return err;
}

static int replace_program(const struct install *install, int hook, struct reason *reason)
{
	const uint32_t zero = 0;
	int err = bpf_map_update_elem(loader_before_map(install->loader, hook), &zero,
				      &install->before_fds[hook], BPF_ANY);

	if (!err &&
	    bpf_link_update(install->link_fds[hook], loader_hook(install->loader, hook), NULL))
		err = -errno;
	return err ? reason_errno(reason, err, "cannot replace the program of the hook %s",
				  hook_infos[hook].name)
		   : 0;
}

int install_swap(struct install *install, struct reason *reason)
{
	int err = 0;

	for (int hook = 0; hook < SMTPWARD_HOOKS && !err; hook++) {
		if (install->link_fds[hook] < 0)
			err = create_link(install, hook, reason);
		else
			err = replace_program(install, hook, reason);
	}
	return err ? err : install_write_gate(install, install->generation, reason);
}

/* The link is detached now, and not when the kernel comes to free it. */
static int unmake_link(struct install *install, int hook)
{
	if (bpf_link_detach(install->link_fds[hook]))
		return -errno;
	return pins_remove(&install->pins, hook_infos[hook].link_pin);
}

static int take_back_link(struct install *install, int hook)
{
	if (install->link_fds[hook] < 0 ||
	    !bpf_link_update(install->link_fds[hook], install->before_fds[hook], NULL))
		return 0;
	return -errno;
}

/*
 * After a failure before the switch: the links get back the programs they had. The
 * generation stays where that fails, for then its programs may still be asked to
 * hand over.
 */
int install_roll_back(struct install *install)
{
	int err = 0;

	for (int hook = 0; hook < SMTPWARD_HOOKS && !err; hook++)
		err = install->made[hook] ? unmake_link(install, hook)
					  : take_back_link(install, hook);
	if (!err)
		err = pins_remove_generation(&install->pins, install->generation);
	if (!err && !install->gate)
		err = pins_remove_all(&install->pins);
	return err;
}

/* After the switch. */

/* The names that people find the new generation by. */
static int name_generation(const struct install *install)
{
	int err = pins_point_to(&install->pins, install->generation);

	for (unsigned int i = 0; i < loader_n_lasting_maps && !err; i++)
		err = pins_link_policy(&install->pins, loader_lasting_maps[i]);
	return err;
}

/* Nobody hands over any more: what was replaced runs on until the last connect is out of it. */
static int end_handing_over(const struct install *install)
{
	const uint32_t zero = 0;
	int err = 0;

	for (int hook = 0; hook < SMTPWARD_HOOKS && !err; hook++)
		if (install->before_fds[hook] >= 0)
			err = bpf_map_delete_elem(loader_before_map(install->loader, hook), &zero);
	return err;
}

/* Whether a generation has recorded into another map_events than the new one does. */
static int recorded_elsewhere(const struct install *install, uint64_t generation, bool *ret)
{
	_cleanup_close_ int fd = -1;
	struct pinned_shape theirs, ours;
	int err = pinned_open(&install->pins, generation, "map_events", &fd);

	*ret = false;
	if (err)
		return err == -ENOENT ? 0 : err;
	err = pinned_read_shape(fd, &theirs);
	if (!err)
		err = pinned_read_shape(loader_map(install->loader, "map_events"), &ours);
	if (!err)
		*ret = theirs.id != ours.id;
	return err;
}

static int remove_other(struct install *install, uint64_t generation)
{
	bool elsewhere;
	int err = recorded_elsewhere(install, generation, &elsewhere);

	if (err)
		return err;
	install->left += elsewhere;
	return elsewhere ? 0 : pins_remove_generation(&install->pins, generation);
}

static int share(const struct install *install, struct reason *reason)
{
	int err = pins_share(&install->pins, install->generation, install->reader);

	return err ? reason_errno(reason, err,
				  "the new policy is in force, but giving its reader what it needs "
				  "failed")
		   : 0;
}

static int remove_others(struct install *install, struct reason *reason)
{
	_cleanup_free_ uint64_t *numbers = NULL;
	size_t n;
	int err = name_generation(install);

	if (!err)
		err = end_handing_over(install);
	if (!err)
		err = pins_list_generations(&install->pins, &numbers, &n);
	for (size_t i = 0; !err && i < n; i++)
		if (numbers[i] != install->generation)
			err = remove_other(install, numbers[i]);
	return err ? reason_errno(
			     reason, err,
			     "the new policy is in force, but removing the old one from %s failed",
			     install->pins.path)
		   : 0;
}

int install_finish(struct install *install, struct reason *reason)
{
	int err = share(install, reason);

	return err ? err : remove_others(install, reason);
}
