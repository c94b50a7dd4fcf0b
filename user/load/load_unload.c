// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lifting enforcement. The gate is opened first, which lifts enforcement on all hooks at once;
 * then everything is removed. A crash in between leaves objects and pins behind, which the next
 * unload or load removes. The unload goes by the links that are attached, not by the pins: pins
 * may be gone, or be something else.
 */
#include "load/load_steps.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "pins/found.h"
#include "pins/keep.h"
#include "pins/lock.h"
#include "pins/object.h"
#include "pins/pins.h"
#include "pins/reader_view.h"

struct unload {
	struct pins pins;
	struct found found; /* what is attached */
	uint64_t root_id;
	uint32_t gate_id; /* of the pinned map_gate; 0: there is none */
	uint64_t gate;	  /* the gate's value */
	struct load_lifted *lifted;
};

static void unload_close(struct unload *unload)
{
	pins_close(&unload->pins);
	found_clear(&unload->found);
}

static bool unload_is_ours(const struct unload *unload, const struct found_link *link)
{
	if (unload->gate_id && link->gate_id == unload->gate_id)
		return true;
	return found_is_of(link, unload->pins.path, unload->root_id);
}

static int unload_write_gate(int fd)
{
	const struct smtpward_gate open = { .generation = SMTPWARD_GATE_OPEN };
	const uint32_t zero = 0;

	return bpf_map_update_elem(fd, &zero, &open, BPF_ANY);
}

/*
 * Notes a pin that is not what its name says. It is removed like the others: the attached links
 * are found without it.
 */
static void unload_note_odd(struct unload *unload, const char *name)
{
	char *odd = unload->lifted->odd;
	const size_t used = strlen(odd);

	snprintf(odd + used, sizeof(unload->lifted->odd) - used, "%s%s", used ? ", " : "", name);
}

/*
 * Whether the pinned gate is the programs'. If the programs of this directory have another gate,
 * somebody has put this one there.
 */
static bool unload_uses_pinned_gate(const struct unload *unload)
{
	bool other = false;

	for (size_t i = 0; i < unload->found.n; i++) {
		if (unload->found.links[i].gate_id == unload->gate_id)
			return true;
		other |= unload_is_ours(unload, &unload->found.links[i]);
	}
	return !other;
}

/*
 * Opens the gate by its id: in a bpffs that is mounted read-only no map can be opened for writing.
 */
static int unload_open_pinned_gate(struct unload *unload, struct reason *reason)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (!unload->gate_id)
		return 0;
	if (!unload_uses_pinned_gate(unload)) {
		unload_note_odd(unload, "map_gate");
		return 0;
	}
	fd = bpf_map_get_fd_by_id(unload->gate_id);
	r = fd < 0 ? fd : unload_write_gate(fd);
	if (r)
		return reason_errno(reason, r, "cannot write %s/map_gate", unload->pins.path);
	return 0;
}

static int unload_open_found_gate(const struct found_link *link, struct reason *reason)
{
	_cleanup_close_ int fd = -1;
	int r = found_open_map(link->program_id, "map_gate", &fd);

	if (!r)
		r = unload_write_gate(fd);
	/* The program may be gone by now, and with it the gate. */
	if (r && r != -ENOENT)
		return reason_errno(reason, r, "cannot write map_gate of program %u",
				    link->program_id);
	return 0;
}

static int unload_open_gates(struct unload *unload, struct reason *reason)
{
	int r = unload_open_pinned_gate(unload, reason);

	if (r)
		return r;
	for (size_t i = 0; i < unload->found.n; i++) {
		const struct found_link *link = &unload->found.links[i];

		if (!unload_is_ours(unload, link) || link->gate_id == unload->gate_id)
			continue;
		r = unload_open_found_gate(link, reason);
		if (r)
			return r;
	}
	return 0;
}

/*
 * Detaches one hook now: the kernel detaches a link whose pin is removed a little later, and
 * nobody who looks after the unload shall find it.
 */
static int unload_detach_pinned(struct unload *unload, int hook, struct reason *reason)
{
	const char *name = hook_infos[hook].link_pin;
	_cleanup_close_ int fd = -1;
	struct object_link link;
	int r = object_open(&unload->pins, 0, name, &fd);

	/*
	 * In a bpffs that is mounted read-only no link can be opened: unload_detach_found() finds
	 * it.
	 */
	if (r == -ENOENT || r == -EROFS)
		return 0;
	if (!r)
		r = object_read_link(fd, &link);
	if (r) {
		unload_note_odd(unload, name);
		return 0;
	}
	if (!link.cgroup_id)
		return 0;
	if (bpf_link_detach(fd))
		return reason_errno(reason, -errno, "cannot detach the hook %s",
				    hook_infos[hook].name);
	unload->lifted->links++;
	return 0;
}

static int unload_detach_all_pinned(struct unload *unload, struct reason *reason)
{
	int r;

	if (unload->pins.fd < 0)
		return 0;
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++) {
		r = unload_detach_pinned(unload, hook, reason);
		if (r)
			return r;
	}
	/* The gate is open: that names no uplink, so the gates on all go too. */
	r = load_detach_unknown(&unload->pins, &unload->pins);
	if (r)
		return reason_errno(
			reason, r,
			"enforcement is lifted, but detaching the hooks in %s that this "
			"version does not have failed",
			unload->pins.path);
	return 0;
}

/*
 * Detaches the links that are still attached after the pinned ones: their pins are elsewhere, or
 * gone.
 */
static int unload_detach_found(struct unload *unload, struct reason *reason)
{
	int r;

	found_clear(&unload->found);
	r = load_find(&unload->pins, &unload->found, &unload->root_id, reason);
	if (r)
		return r;
	for (size_t i = 0; i < unload->found.n; i++) {
		const struct found_link *link = &unload->found.links[i];

		if (!unload_is_ours(unload, link))
			continue;
		r = load_detach_found(link);
		if (r)
			return reason_errno(reason, r, "cannot detach link %u of the hook %s",
					    link->id, hook_infos[link->hook].name);
		unload->lifted->links++;
	}
	return 0;
}

/* Filters need neither pins nor links to stay, and refuse what has no pass. */
static int unload_lift_filters(struct unload *unload, struct reason *reason)
{
	const struct uplink_names none = { 0 };
	unsigned int n = 0;
	int r = load_lift_filters(&unload->pins, &none, &n);

	if (r)
		return reason_errno(reason, r, "cannot take away the gates on uplinks");
	unload->lifted->links += n;
	return 0;
}

static int unload_find_filter(void *userdata, const struct uplink_gate *gate)
{
	return gate->program_id != 0;
}

static int unload_note_stranger(void *userdata, const char *name)
{
	if (!pins_makes(name) || hook_is_unknown_link(name))
		unload_note_odd(userdata, name);
	return 0;
}

/* Notes pins of others, for the report only. */
static void unload_note_strangers(struct unload *unload)
{
	if (unload->pins.fd >= 0)
		pins_each(&unload->pins, 0, unload_note_stranger, unload);
}

static int unload_remove_pins(struct unload *unload, const struct load_id *only,
			      struct reason *reason)
{
	_cleanup_(object_ids_clear) struct object_ids ids = { 0 };
	const bool there = unload->pins.fd >= 0;
	struct reason view, keep;
	/* Only for the wait: pins that cannot be read are removed all the same. */
	const bool known = there && !object_collect_ids(&unload->pins, &ids);
	const int unkept = keep_remove(&unload->pins, &keep);
	int r;

	/* An error here stops nothing: the links of the second set are detached already. */
	r = there ? reader_view_remove(&unload->pins, &view) : 0;
	if (r)
		return reason_set(reason, r, "enforcement is lifted, but %s", view.text);
	r = there ? pins_remove_all(&unload->pins) : 0;
	if (r)
		return reason_errno(reason, r, "enforcement is lifted, but removing %s failed",
				    unload->pins.path);
	if (unkept)
		return reason_set(reason, unkept, "enforcement is lifted, but %s", keep.text);
	/* A process that lifts its own load still reads the maps: they go once it ends. */
	if (only)
		ids.n_maps = 0;
	if (known)
		object_wait_until_freed(&ids);
	return 0;
}

/* The directory may be gone, or covered by another mount: only attached links are left then. */
static int unload_enter(struct unload *unload, struct reason *reason)
{
	_cleanup_close_ int fd = -1;
	struct smtpward_gate gate;
	const uint32_t zero = 0;
	uint32_t id;
	int r = pins_enter(&unload->pins, false, reason);

	if (r)
		return r;
	r = object_open_gate(&unload->pins, OBJECT_READS, &fd, &id);
	if (r == -ENOENT)
		return 0;
	if (!r)
		r = bpf_map_lookup_elem(fd, &zero, &gate);
	if (r) {
		unload_note_odd(unload, "map_gate");
		return 0;
	}
	unload->gate_id = id;
	unload->gate = gate.generation;
	return 0;
}

static bool unload_finds_any(const struct unload *unload)
{
	for (size_t i = 0; i < unload->found.n; i++)
		if (unload_is_ours(unload, &unload->found.links[i]))
			return true;
	return uplink_gate_each_filter(&unload->pins, unload_find_filter, NULL) == 1;
}

static int unload_check_only(const struct unload *unload, const struct load_id *only,
			     struct reason *reason)
{
	if (!only || (unload->gate_id == only->gate_id && unload->gate == only->generation))
		return 0;
	for (size_t i = 0; i < unload->found.n; i++)
		if (unload->found.links[i].gate_id == only->gate_id &&
		    unload->found.links[i].gate == only->generation)
			return 0;
	return reason_set(reason, -ESTALE, "another policy was loaded at %s meanwhile: it stays",
			  unload->pins.path);
}

static int unload_all(struct unload *unload, const struct load_id *only, struct reason *reason)
{
	struct reason no_pins, keep;
	const int entered = unload_enter(unload, &no_pins);
	int r = load_find(&unload->pins, &unload->found, &unload->root_id, reason);

	if (r)
		return r;
	if (entered && !unload_finds_any(unload)) {
		/* A version that does not know the second set may have removed the first. */
		unload->lifted->lifted = true;
		r = keep_remove(&unload->pins, &keep);
		if (r)
			return reason_set(reason, r, "nothing is loaded at %s, but %s",
					  unload->pins.path, keep.text);
		*reason = no_pins;
		return entered;
	}
	r = unload_check_only(unload, only, reason);
	if (r)
		return r;
	r = unload->gate_id ? lock_older(&unload->pins, unload->gate) : 0;
	if (r)
		return reason_errno(reason, r, "cannot lock %s", unload->pins.path);
	r = unload_open_gates(unload, reason);
	if (r)
		return r;
	r = unload_detach_all_pinned(unload, reason);
	if (r)
		return r;
	r = unload_detach_found(unload, reason);
	if (r)
		return r;
	r = unload_lift_filters(unload, reason);
	if (r)
		return r;
	unload->lifted->lifted = true;
	unload_note_strangers(unload);
	return unload_remove_pins(unload, only, reason);
}

int load_unload(const char *path, const struct load_id *only, struct load_lifted *ret_lifted,
		struct reason *reason)
{
	struct load_lifted lifted = { 0 };
	_cleanup_(unload_close) struct unload unload = { .pins = PINS_CLOSED, .lifted = &lifted };
	struct reason unknown;
	uint64_t root_id;
	int r;

	if (geteuid())
		return reason_set(reason, -EPERM, "this needs root");
	r = pins_lock(path, LOCK_ALONE, &unload.pins, reason);
	if (r)
		return r;
	r = unload_all(&unload, only, reason);
	if (r && r != -ENOENT) {
		*ret_lifted = (struct load_lifted){ .lifted = lifted.lifted };
		return r;
	}
	/* For the report only: links that could not be read are not reported. */
	if (load_find(&unload.pins, &lifted.others, &root_id, &unknown))
		lifted.others = (struct found){ 0 };
	*ret_lifted = lifted;
	return r;
}
