// SPDX-License-Identifier: GPL-2.0-only
/*
 * Old generation to new: the links, the gate, and what is left of the old one; or, where
 * it does not come to that, of the new one.
 */
#include "install_steps.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

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

/* Until the switch the new program of the hook hands over to before_fds[hook]. */
static int hand_over(const struct install *install, int hook)
{
	const uint32_t zero = 0;

	assert(install->before_fds[hook] >= 0);
	return bpf_map_update_elem(loader_before_map(install->loader, hook), &zero,
				   &install->before_fds[hook], BPF_ANY);
}

static int load_passing_program(enum bpf_attach_type type)
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
 * A hook that the deciding generation has not lets everything pass until the switch, as
 * that generation does. One whose link somebody took away was to be in force all the time.
 */
static int keep_passing(struct install *install, int hook, struct reason *reason)
{
	const struct hook_info *info = &hook_infos[hook];
	bool had = false;
	int r;

	if (!install->decides)
		return 0;
	r = pins_has(&install->pins, install->decides, info->program_pin, &had);
	if (r)
		return reason_errno(reason, r, "cannot tell whether the old policy has the hook %s",
				    info->name);
	if (had)
		return 0;
	r = load_passing_program(info->attach_type);
	if (r < 0)
		return reason_errno(reason, r, "cannot load a program that lets the hook %s pass",
				    info->name);
	install->before_fds[hook] = r;
	r = hand_over(install, hook);
	return r ? reason_errno(reason, r,
				"cannot let the hook %s pass until the new policy is in force",
				info->name)
		 : 0;
}

static int create_link(struct install *install, int hook, struct reason *reason)
{
	int r = keep_passing(install, hook, reason);

	if (r)
		return r;
	r = install_link(&install->pins, hook, loader_hook(install->loader, hook),
			 install->attach_fd, &install->link_fds[hook], reason);
	install->made[hook] = !r;
	return r;
}

static int replace_program(const struct install *install, int hook, struct reason *reason)
{
	int r = hand_over(install, hook);

	if (!r &&
	    bpf_link_update(install->link_fds[hook], loader_hook(install->loader, hook), NULL))
		r = -errno;
	return r ? reason_errno(reason, r, "cannot replace the program of the hook %s",
				hook_infos[hook].name)
		 : 0;
}

int install_swap(struct install *install, struct reason *reason)
{
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++) {
		int r = install->link_fds[hook] < 0 ? create_link(install, hook, reason)
						    : replace_program(install, hook, reason);

		if (r)
			return r;
	}
	return install_write_gate(install, install->generation, reason);
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

static bool is_link_of_ours(const char *name)
{
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++)
		if (!strcmp(name, hook_infos[hook].link_pin))
			return true;
	return false;
}

static int detach_unknown(void *userdata, const char *name)
{
	const struct pins *pins = userdata;
	_cleanup_close_ int fd = -1;
	int r;

	if (strncmp(name, "link_", strlen("link_")) || is_link_of_ours(name))
		return 0;
	r = pinned_open(pins, 0, name, &fd);
	if (r)
		return r;
	/* A kind of link that cannot be detached is gone with its pin. */
	if (bpf_link_detach(fd) && errno != EOPNOTSUPP)
		return -errno;
	return pins_remove(pins, name);
}

int install_detach_unknown(const struct pins *pins)
{
	return pins_each(pins, 0, detach_unknown, (void *)pins);
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
	/* First: there is nobody that their programs hand over to, and so they decide. */
	int r = install_detach_unknown(&install->pins);

	if (r)
		return reason_errno(
			reason, r,
			"the new policy is in force, but detaching the hooks in %s that "
			"this version does not have failed",
			install->pins.path);
	r = share(install, reason);
	return r ? r : remove_others(install, reason);
}
