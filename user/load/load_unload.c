// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lifting enforcement. The gate is opened first, which lifts it on all hooks at
 * once; then everything is taken away. A crash in between leaves things lying
 * about that the next unload, or load, removes.
 */
#include "load/load_steps.h"

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "pins/object.h"
#include "pins/pins.h"

static int open_gate(const struct pins *pins, struct reason *reason)
{
	const struct smtpward_gate open = { .generation = SMTPWARD_GATE_OPEN };
	_cleanup_close_ int fd = -1;
	const uint32_t zero = 0;
	int err = object_open_map(pins, 0, "map_gate", OBJECT_WRITES, sizeof(open), &fd);

	if (err == -ENOENT)
		return 0;
	if (!err)
		err = bpf_map_update_elem(fd, &zero, &open, BPF_ANY);
	return err ? reason_errno(reason, err, "cannot write %s/map_gate", pins->path) : 0;
}

/*
 * Detaches one hook now: the kernel lets go of a link whose pin is removed a little
 * later, and who asks after unload shall find nothing.
 */
static int detach(const struct pins *pins, int hook, struct reason *reason)
{
	_cleanup_close_ int fd = -1;
	struct object_link link;
	int err = object_open(pins, 0, hook_infos[hook].link_pin, &fd);

	if (err == -ENOENT)
		return 0;
	if (!err)
		err = object_read_link(fd, &link);
	if (!err && link.cgroup_id && bpf_link_detach(fd))
		err = -errno;
	return err ? reason_errno(reason, err, "cannot detach the hook %s", hook_infos[hook].name)
		   : 0;
}

int load_unload(const char *path, struct reason *reason)
{
	_cleanup_(object_ids_clear) struct object_ids ids = { 0 };
	_cleanup_(pins_close) struct pins pins = PINS_CLOSED;
	bool known;
	int err;

	if (geteuid())
		return reason_set(reason, -EPERM, "this needs root");
	err = pins_open_locked(path, false, &pins, reason);
	if (!err)
		err = open_gate(&pins, reason);
	for (int hook = 0; hook < SMTPWARD_HOOKS && !err; hook++)
		err = detach(&pins, hook, reason);
	if (err)
		return err;
	err = load_detach_unknown(&pins);
	if (err)
		return reason_errno(
			reason, err,
			"enforcement is lifted, but detaching the hooks in %s that this "
			"version does not have failed",
			path);
	/* Only to wait for them: what cannot be told apart is removed all the same. */
	known = !object_collect_ids(&pins, &ids);
	err = pins_remove_all(&pins);
	if (err)
		return reason_errno(reason, err, "enforcement is lifted, but removing %s failed",
				    path);
	if (known)
		object_wait_until_freed(&ids);
	return 0;
}
