// SPDX-License-Identifier: GPL-2.0-only
/* The sources that a state is read from; see state_view.h. */
#include "pins/state_view.h"

#include <errno.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "host/cgroupfs.h"
#include "pins/keep.h"

static const struct found_link *state_find_gate(const struct state_view *view, uint32_t gate_id)
{
	for (size_t i = 0; i < view->found.n; i++)
		if (view->found.links[i].gate_id == gate_id)
			return &view->found.links[i];
	return NULL;
}

/* Finds a link that says it belongs to this directory. */
static const struct found_link *state_find_ours(const struct state_view *view, bool open)
{
	for (size_t i = 0; i < view->found.n; i++) {
		const struct found_link *link = &view->found.links[i];

		if ((link->gate == SMTPWARD_GATE_OPEN) == open &&
		    found_is_of(link, view->pins.path, view->root_id))
			return link;
	}
	return NULL;
}

/*
 * Chooses the links of the pinned gate, or else links that say they belong to this directory.
 * Among the latter, links that let pass count only beside pins: without pins they are the rest of
 * an unload.
 */
static void state_choose_link(struct state_view *view)
{
	_cleanup_close_ int fd = -1;

	if (view->pins.fd >= 0 &&
	    !object_open_gate(&view->pins, OBJECT_READS, &fd, &view->pinned_gate))
		view->link = state_find_gate(view, view->pinned_gate);
	if (!view->link)
		view->link = state_find_ours(view, false);
	if (!view->link && view->pins.fd >= 0)
		view->link = state_find_ours(view, true);
}

/*
 * Only root can look for links by id, which takes CAP_SYS_ADMIN: others have the pins alone.
 * Without a hierarchy nothing is attached.
 */
static int state_view_find(struct state_view *view)
{
	int r;

	if (geteuid())
		return 0;
	r = cgroupfs_open_root(&view->root_fd);
	if (!r)
		r = cgroupfs_id(view->root_fd, "", &view->root_id);
	if (r)
		return r == -ENOENT ? 0 : r;
	r = found_read(&view->found);
	if (r)
		return r == -EPERM ? 0 : r;
	view->found_all = true;
	r = keep_claim(&view->pins, &view->found);
	if (r)
		return r;
	state_choose_link(view);
	return 0;
}

int state_view_open(const char *path, bool try, struct state_view *view, struct reason *reason)
{
	int r = pins_lock(path, try ? LOCK_TRY : LOCK_SHARED, &view->pins, reason);
	int entered;

	if (r)
		return r;
	entered = pins_enter(&view->pins, false, reason);
	r = state_view_find(view);
	if (r)
		return reason_errno(reason, r, "cannot tell what is attached");
	return view->link ? 0 : entered;
}

void state_view_close(struct state_view *view)
{
	pins_close(&view->pins);
	found_clear(&view->found);
	cleanup_close(&view->root_fd);
}

void state_note(struct state *state, enum state_trouble trouble)
{
	state->troubles |= 1U << trouble;
}

const struct found_link *state_find_program(const struct state_view *view,
					    const struct state *state)
{
	for (size_t i = 0; view->link && i < view->found.n; i++)
		if (view->found.links[i].gate_id == view->link->gate_id &&
		    view->found.links[i].generation == state->policy.generation)
			return &view->found.links[i];
	return NULL;
}

bool state_is_pinned(const struct state_view *view, const struct state *state, const char *name,
		     int fd)
{
	_cleanup_close_ int pinned = -1;
	bool same = false;

	return view->pins.fd >= 0 &&
	       !object_open_to_read(&view->pins, state->policy.generation, name, &pinned) &&
	       !object_compare(fd, pinned, &same) && same;
}

int state_open_map(const struct state_view *view, struct state *state, const char *name,
		   size_t value_size, int *ret_fd)
{
	const struct found_link *link = state_find_program(view, state);
	const uint32_t program_id = link ? link->program_id : view->fallback_program;
	_cleanup_close_ int fd = -1;
	struct object_shape shape;
	int r;

	if (!program_id)
		return view->pins.fd < 0 ? -ENOENT
					 : object_open_map(&view->pins, state->policy.generation,
							   name, OBJECT_READS, value_size, ret_fd);
	r = found_open_map(program_id, name, &fd);
	if (!r)
		r = object_read_shape(fd, &shape);
	if (r)
		return r;
	if (value_size && shape.value_size != value_size)
		return -EBADMSG;
	if (!state_is_pinned(view, state, name, fd))
		state_note(state, STATE_PINS);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int state_read_map(const struct state_view *view, struct state *state, const char *name,
		   void *value, size_t value_size)
{
	_cleanup_close_ int fd = -1;
	const uint32_t zero = 0;
	int r = state_open_map(view, state, name, value_size, &fd);

	if (r)
		return r;
	return bpf_map_lookup_elem(fd, &zero, value);
}
