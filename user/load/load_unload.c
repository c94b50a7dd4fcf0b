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
#include "pins/reader_view.h"

static int unload_open_gate(const struct pins *pins, struct reason *reason)
{
	const struct smtpward_gate open = { .generation = SMTPWARD_GATE_OPEN };
	_cleanup_close_ int fd = -1;
	const uint32_t zero = 0;
	int r = object_open_map(pins, 0, "map_gate", OBJECT_WRITES, sizeof(open), &fd);

	if (r == -ENOENT)
		return 0;
	if (!r)
		r = bpf_map_update_elem(fd, &zero, &open, BPF_ANY);
	if (r)
		return reason_errno(reason, r, "cannot write %s/map_gate", pins->path);
	return 0;
}

static int unload_detach_link(int fd)
{
	struct object_link link;
	int r = object_read_link(fd, &link);

	if (r)
		return r;
	if (link.cgroup_id && bpf_link_detach(fd))
		return -errno;
	return 0;
}

/*
 * Detaches one hook now: the kernel lets go of a link whose pin is removed a little
 * later, and who asks after unload shall find nothing.
 */
static int unload_detach_hook(const struct pins *pins, int hook, struct reason *reason)
{
	_cleanup_close_ int fd = -1;
	int r = object_open(pins, 0, hook_infos[hook].link_pin, &fd);

	if (r == -ENOENT)
		return 0;
	if (!r)
		r = unload_detach_link(fd);
	if (r)
		return reason_errno(reason, r, "cannot detach the hook %s", hook_infos[hook].name);
	return 0;
}

static int unload_lift(const struct pins *pins, struct reason *reason)
{
	int r = unload_open_gate(pins, reason);

	if (r)
		return r;
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++) {
		r = unload_detach_hook(pins, hook, reason);
		if (r)
			return r;
	}
	return 0;
}

int load_unload(const char *path, struct reason *reason)
{
	_cleanup_(object_ids_clear) struct object_ids ids = { 0 };
	_cleanup_(pins_close) struct pins pins = PINS_CLOSED;
	struct reason view;
	bool known;
	int r;

	if (geteuid())
		return reason_set(reason, -EPERM, "this needs root");
	r = pins_open_locked(path, false, &pins, reason);
	if (r)
		return r;
	r = unload_lift(&pins, reason);
	if (r)
		return r;
	r = load_detach_unknown(&pins);
	if (r)
		return reason_errno(
			reason, r,
			"enforcement is lifted, but detaching the hooks in %s that this "
			"version does not have failed",
			path);
	r = reader_view_remove(&pins, &view);
	if (r)
		return reason_set(reason, r, "enforcement is lifted, but %s", view.text);
	/* Only to wait for them: what cannot be told apart is removed all the same. */
	known = !object_collect_ids(&pins, &ids);
	r = pins_remove_all(&pins);
	if (r)
		return reason_errno(reason, r, "enforcement is lifted, but removing %s failed",
				    path);
	if (known)
		object_wait_until_freed(&ids);
	return 0;
}
