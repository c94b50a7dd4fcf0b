// SPDX-License-Identifier: GPL-2.0-only
/*
 * The gates on uplinks, as load_swap.c has the hooks: links get the new programs before the switch,
 * and those that the new policy does not name go after it. A device that is not there gets its gate
 * by a load or a heal once it is.
 */
#include "load/load_steps.h"

#include <assert.h>
#include <errno.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "pins/layer.h"
#include "pins/object.h"
#include "pins/uplink.h"

/* BPF_F_BEFORE of linux/bpf.h from Linux 6.6 on: without another link named, before all others. */
#define UPLINK_FIRST (1U << 3)

static int uplink_attach(const struct pins *pins, const char *device, uint32_t ifindex,
			 int program_fd, int *ret_fd, struct reason *reason)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = UPLINK_FIRST);
	_cleanup_close_ int fd = -1;
	char pin[UPLINK_PIN_SIZE];
	int r;

	uplink_pin_name(ifindex, pin);
	r = pins_remove(pins, pin);
	if (r)
		return reason_errno(reason, r, "cannot remove %s/%s", pins->path, pin);
	fd = bpf_link_create(program_fd, (int)ifindex, (enum bpf_attach_type)UPLINK_ATTACH_TYPE,
			     &options);
	if (fd < 0 && errno == EINVAL)
		return reason_set(reason, -EOPNOTSUPP,
				  "cannot attach to the uplink %s: that needs Linux 6.6 or newer; "
				  "write 'uplink none'",
				  device);
	if (fd < 0)
		return reason_errno(reason, -errno, "cannot attach to the uplink %s", device);
	r = load_pin(pins, 0, pin, fd, reason);
	if (r)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Opens the link of a device; *ret_fd is -1 if there is none that is attached. */
static int uplink_open(const struct pins *pins, uint32_t ifindex, struct uplink_link *ret_link,
		       int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	char pin[UPLINK_PIN_SIZE];
	int r;

	*ret_fd = -1;
	uplink_pin_name(ifindex, pin);
	r = object_open(pins, 0, pin, &fd);
	if (!r)
		r = uplink_read_link(fd, ret_link);
	/* There is none, or something else of that name. */
	if (r == -ENOENT || r == -EBADMSG)
		return 0;
	if (r)
		return r;
	if (ret_link->ifindex == ifindex)
		*ret_fd = TAKE_FD(fd);
	return 0;
}

static int uplink_hand_over(const struct load *load, enum uplink_kind kind, int before_fd)
{
	const uint32_t zero = 0;

	return bpf_map_update_elem(loader_map(load->loader, uplink_infos[kind].before_map), &zero,
				   &before_fd, BPF_ANY);
}

static int uplink_swap(struct load *load, const char *device, uint32_t ifindex,
		       enum uplink_kind kind, struct reason *reason)
{
	const int program_fd = loader_gate(load->loader, kind);
	struct load_uplink *uplink = &load->uplinks[load->n_uplinks];
	struct uplink_link link = { 0 };
	int r;

	assert(load->n_uplinks < LOAD_UPLINKS_MAX);
	*uplink = (struct load_uplink){ .ifindex = ifindex, .link_fd = -1, .before_fd = -1 };
	r = uplink_open(&load->pins, ifindex, &link, &uplink->link_fd);
	if (r)
		return reason_errno(reason, r, "cannot open the gate of the uplink %s", device);
	load->n_uplinks++;
	if (uplink->link_fd < 0)
		return uplink_attach(&load->pins, device, ifindex, program_fd, &uplink->link_fd,
				     reason);
	uplink->before_fd = bpf_prog_get_fd_by_id(link.program_id);
	r = uplink->before_fd < 0 ? -errno : uplink_hand_over(load, kind, uplink->before_fd);
	if (!r && bpf_link_update(uplink->link_fd, program_fd, NULL))
		r = -errno;
	if (r)
		return reason_errno(reason, r, "cannot replace the program of the uplink %s",
				    device);
	return 0;
}

static int uplink_swap_device(struct load *load, const char *device, struct reason *reason)
{
	enum uplink_kind kind;
	uint32_t ifindex;
	int r = uplink_find(device, &ifindex, &kind);

	if (r == -ENODEV)
		return 0;
	if (r)
		return reason_errno(reason, r, "cannot find the uplink %s", device);
	for (size_t i = 0; i < load->n_uplinks; i++)
		if (load->uplinks[i].ifindex == ifindex)
			return 0;
	return uplink_swap(load, device, ifindex, kind, reason);
}

static int uplink_swap_all(struct load *load, const struct smtpward_layer *layer,
			   struct reason *reason)
{
	for (uint32_t i = 0; i < layer->n_uplinks; i++) {
		int r = uplink_swap_device(load, layer->uplinks[i], reason);

		if (r)
			return r;
	}
	return 0;
}

int load_swap_uplinks(struct load *load, struct reason *reason)
{
	struct smtpward_layer before;
	int r;

	if (!(load->layer.programs & SMTPWARD_PART_GATE))
		return 0;
	r = uplink_swap_all(load, &load->layer, reason);
	if (r || !load->fallback)
		return r;
	/* A trial holds the uplinks too that it may go back to. */
	r = layer_read(&load->pins, load->fallback, &before);
	if (r)
		return reason_errno(reason, r, "cannot tell what a trial goes back to");
	return uplink_swap_all(load, &before, reason);
}

int load_take_back_uplinks(struct load *load)
{
	for (size_t i = 0; i < load->n_uplinks; i++) {
		const struct load_uplink *uplink = &load->uplinks[i];
		char pin[UPLINK_PIN_SIZE];
		int r;

		uplink_pin_name(uplink->ifindex, pin);
		if (uplink->link_fd < 0)
			continue;
		if (uplink->before_fd >= 0)
			r = bpf_link_update(uplink->link_fd, uplink->before_fd, NULL) ? -errno : 0;
		else
			r = bpf_link_detach(uplink->link_fd) ? -errno
							     : pins_remove(&load->pins, pin);
		/* The device is gone meanwhile. */
		if (r && r != -ENOLINK)
			return r;
	}
	return 0;
}

/* After a load, with its generation or another one: the device's gate as it is to be. */
static int uplink_heal(const struct pins *pins, uint64_t generation, const char *device,
		       struct reason *reason)
{
	_cleanup_close_ int link_fd = -1, program_fd = -1;
	struct uplink_link link = { 0 };
	enum uplink_kind kind;
	uint32_t ifindex, program_id = 0;
	int r = uplink_find(device, &ifindex, &kind);

	if (r)
		return r == -ENODEV ? 0 : reason_errno(reason, r, "cannot find %s", device);
	r = object_open(pins, generation, uplink_infos[kind].program_pin, &program_fd);
	if (!r)
		r = object_program_id(program_fd, &program_id);
	if (!r)
		r = uplink_open(pins, ifindex, &link, &link_fd);
	if (r)
		return reason_errno(reason, r, "cannot open the gate of the uplink %s", device);
	if (link_fd < 0)
		return uplink_attach(pins, device, ifindex, program_fd, &link_fd, reason);
	if (link.program_id != program_id && bpf_link_update(link_fd, program_fd, NULL))
		return reason_errno(reason, -errno, "cannot replace the program of the uplink %s",
				    device);
	return 0;
}

int load_heal_uplinks(const struct pins *pins, uint64_t generation,
		      const struct smtpward_layer *layer, struct reason *reason)
{
	for (uint32_t i = 0; i < layer->n_uplinks; i++) {
		int r = uplink_heal(pins, generation, layer->uplinks[i], reason);

		if (r)
			return r;
	}
	return 0;
}
