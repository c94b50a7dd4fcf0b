// SPDX-License-Identifier: GPL-2.0-only
/*
 * Putting a policy in force.
 *
 * A load, under the lock of the pin directory:
 *   1. load the programs of a new generation, going on with the maps of the deciding one
 *      that last, where these are of our ABI
 *   2. pin it in a directory of its own; fill its maps; start its tracker
 *   3. give each hook's link the new program, which still hands every connect over
 *      to the one it replaced (first load: make the links, while the gate is open)
 *   4. write the new generation into the gate: from here on it decides, on both hooks
 *   5. remove every other generation; one that recorded into maps of its own waits until
 *      these are drained (see leftover.h)
 * Up to 4 the old policy is in force whole, from then on the new one; a crash in
 * between leaves things lying about that the next load removes in step 5.
 */
#include "install.h"

#include <inttypes.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "build.h"
#include "cgroupfs.h"
#include "cleanup.h"
#include "feature.h"
#include "fill.h"
#include "loader.h"
#include "pinned.h"
#include "pins.h"

static const enum bpf_attach_type hook_types[PINNED_HOOKS] = {
	[PINNED_CONNECT4] = BPF_CGROUP_INET4_CONNECT,
	[PINNED_CONNECT6] = BPF_CGROUP_INET6_CONNECT,
};

/* What a load works on. */
struct install {
	const struct install_request *request;
	struct pins pins;
	struct loader *loader;
	int root_fd; /* the v2 root */
	uint64_t root_id;
	int attach_fd; /* where the hooks go */
	uint64_t attach_id;
	uint64_t gate;		      /* what it says; 0 where there was none */
	uint64_t generation;	      /* the new one */
	uint64_t adopted;	      /* whose lasting maps it goes on with, 0: none */
	uint32_t abi;		      /* of what was there before, 0 where that cannot be told */
	uint64_t left;		      /* generations that wait to be drained */
	gid_t reader;		      /* the group that may read beside root; 0: none */
	int link_fds[PINNED_HOOKS];   /* -1 where there is none yet */
	int before_fds[PINNED_HOOKS]; /* the programs that the links had */
	bool made[PINNED_HOOKS];      /* the link is this load's */
};

static void install_close(struct install *install)
{
	loader_free(install->loader);
	cleanup_close(&install->root_fd);
	cleanup_close(&install->attach_fd);
	for (int hook = 0; hook < PINNED_HOOKS; hook++) {
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
	const char *name = pinned_link_names[hook];
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
	for (int hook = 0; hook < PINNED_HOOKS && !err; hook++)
		err = open_link(install, hook, reason);
	return err;
}

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

static int pin(const struct pins *pins, uint64_t generation, const char *name, int fd,
	       struct reason *reason)
{
	char path[PINS_PATH_SIZE];
	int err = pins_name(pins, generation, name, path);

	if (!err && bpf_obj_pin(fd, path))
		err = -errno;
	return err ? reason_errno(reason, err, "cannot pin %s", path) : 0;
}

static int write_gate(const struct install *install, uint64_t generation, struct reason *reason)
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
	err = write_gate(install, SMTPWARD_GATE_OPEN, reason);
	return err ? err
		   : pin(&install->pins, 0, "map_gate", loader_map(install->loader, "map_gate"),
			 reason);
}

struct pin_context {
	const struct install *install;
	struct reason *reason;
};

static int pin_object(void *userdata, const char *name, int fd)
{
	const struct pin_context *context = userdata;

	return pin(&context->install->pins, context->install->generation, name, fd,
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
	err = pin(&install->pins, install->generation, "link_cgroup_rmdir", removed, reason);
	if (!err)
		err = pin(&install->pins, install->generation, "link_cgroup_mkdir", made, reason);
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
	return pin(&install->pins, install->generation, "iter_hooks", fd, reason);
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

/* The swap. */

int install_link(const struct pins *pins, int hook, int program_fd, int cgroup_fd, int *ret_fd,
		 struct reason *reason)
{
	_cleanup_close_ int fd = -1;
	int err = pins_remove(pins, pinned_link_names[hook]);

	if (err)
		return reason_errno(reason, err, "cannot remove %s/%s", pins->path,
				    pinned_link_names[hook]);
	fd = bpf_link_create(program_fd, cgroup_fd, hook_types[hook], NULL);
	if (fd < 0 && errno == EPERM)
		return reason_set(reason, -EPERM,
				  "cannot attach to the hook %s: another program is attached there "
				  "exclusively; 'bpftool cgroup show' names it",
				  pinned_hook_names[hook]);
	if (fd < 0)
		return reason_errno(reason, -errno, "cannot attach to the hook %s",
				    pinned_hook_names[hook]);
	err = pin(pins, 0, pinned_link_names[hook], fd, reason);
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
				  pinned_hook_names[hook])
		   : 0;
}

static int swap(struct install *install, struct reason *reason)
{
	int err = 0;

	for (int hook = 0; hook < PINNED_HOOKS && !err; hook++) {
		if (install->link_fds[hook] < 0)
			err = create_link(install, hook, reason);
		else
			err = replace_program(install, hook, reason);
	}
	return err ? err : write_gate(install, install->generation, reason);
}

/* The link is detached now, and not when the kernel comes to free it. */
static int unmake_link(struct install *install, int hook)
{
	if (bpf_link_detach(install->link_fds[hook]))
		return -errno;
	return pins_remove(&install->pins, pinned_link_names[hook]);
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
static int roll_back(struct install *install)
{
	int err = 0;

	for (int hook = 0; hook < PINNED_HOOKS && !err; hook++)
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

	for (int hook = 0; hook < PINNED_HOOKS && !err; hook++)
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

int install_load(const struct install_request *request, struct install_report *ret_report,
		 struct reason *reason)
{
	_cleanup_(install_close) struct install install = {
		.request = request,
		.pins = PINS_CLOSED,
		.root_fd = -1,
		.attach_fd = -1,
		.link_fds = { -1, -1 },
		.before_fds = { -1, -1 },
	};
	int err = check_kernel(request->ruleset, reason);

	if (!err)
		err = open_cgroups(&install, reason);
	if (!err)
		err = open_state(&install, reason);
	if (err)
		return err;
	err = load_programs(&install, reason);
	if (!err)
		err = pin_gate(&install, reason);
	if (!err)
		err = prepare_generation(&install, reason);
	if (!err)
		err = swap(&install, reason);
	if (err) {
		int rolled_back = roll_back(&install);
		struct reason first = *reason;

		if (rolled_back)
			reason_errno(reason, err, "%s; and taking back what was done failed",
				     first.text);
		return err;
	}
	err = share(&install, reason);
	if (!err)
		err = remove_others(&install, reason);
	if (err)
		return err;
	*ret_report = (struct install_report){
		.replaced = install.gate && install.gate != SMTPWARD_GATE_OPEN,
		.replaced_abi = install.abi,
		.below_root = install.attach_id != install.root_id,
		.left = install.left,
	};
	return 0;
}
