// SPDX-License-Identifier: GPL-2.0-only
/* Gates in the kernel; see uplink_gate.h. */
#include "pins/uplink_gate.h"

#include <assert.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "host/cgroupfs.h"
#include "host/egress.h"
#include "pins/found.h"
#include "pins/object.h"
#include "pins/pins.h"

/* BPF_TCX_EGRESS, BPF_LINK_TYPE_TCX and BPF_F_BEFORE of linux/bpf.h from Linux 6.6 on. */
#define GATE_ATTACH_TYPE ((enum bpf_attach_type)47)
#define GATE_LINK_TYPE 11
#define GATE_FIRST (1U << 3) /* without another link named: before all others */

#define GATE_PRIORITY 1

/* Handles of our filters: numbers that nobody else is likely to choose. */
#define GATE_HANDLE_MADE 0x736d7401U  /* we made the qdisc */
#define GATE_HANDLE_FOUND 0x736d7402U /* it was there */

void uplink_gate_close(struct uplink_gate *gate)
{
	cleanup_close(&gate->link_fd);
}

int uplink_gates_are_links(uint32_t ifindex)
{
	uint32_t n = 0;

	if (!bpf_prog_query((int)ifindex, GATE_ATTACH_TYPE, 0, NULL, NULL, &n))
		return 1;
	return errno == EINVAL ? 0 : -errno;
}

struct gate_owner {
	const struct pins *pins;
	uint32_t gate_id; /* of map_gate in the pin directory; 0: there is none */
	uint64_t root_id; /* of the v2 root */
};

static int gate_read_owner(const struct pins *pins, struct gate_owner *ret_owner)
{
	_cleanup_close_ int fd = -1, root_fd = -1;
	struct gate_owner owner = { .pins = pins };
	int r = pins->fd < 0 ? -ENOENT : object_open_gate(pins, OBJECT_READS, &fd, &owner.gate_id);

	if (r && r != -ENOENT && r != -EBADMSG)
		return r;
	r = cgroupfs_open_root(&root_fd);
	if (!r)
		r = cgroupfs_id(root_fd, "", &owner.root_id);
	if (r && r != -ENOENT)
		return r;
	*ret_owner = owner;
	return 0;
}

/* 1 if the program of a filter is one of this pin directory's. */
static int gate_is_ours(const struct gate_owner *owner, uint32_t program_id)
{
	struct found_link link;
	bool ours;
	int r = program_id ? found_read_gate(program_id, &link) : 0;

	if (r <= 0)
		return r;
	ours = (owner->gate_id && link.gate_id == owner->gate_id) ||
	       found_is_of(&link, owner->pins->path, owner->root_id);
	free(link.pins);
	return ours;
}

/* Links. */

/* Whether the link's program is not the first that the kernel asks. */
static int gate_link_is_behind(const struct uplink_gate *gate, bool *ret_behind)
{
	uint32_t ids[64], n = ARRAY_SIZE(ids); /* BPF_MPROG_MAX */

	if (bpf_prog_query((int)gate->ifindex, GATE_ATTACH_TYPE, 0, NULL, ids, &n))
		return -errno;
	*ret_behind = n && ids[0] != gate->program_id;
	return 0;
}

/*
 * Whether the link is of tcx, on the device. The kernel's struct for that, which older headers
 * lack, is as the one for network namespaces: a number, here the device's, and the type.
 */
static bool gate_is_link_on(const struct bpf_link_info *info, uint32_t ifindex)
{
	return info->type == GATE_LINK_TYPE && info->netns.attach_type == GATE_ATTACH_TYPE &&
	       info->netns.netns_ino == ifindex;
}

/* *ret_fd stays -1 if the pin is not of a link on the device. */
static int gate_open_pin(const struct pins *pins, uint32_t ifindex, int *ret_fd,
			 uint32_t *ret_program_id)
{
	_cleanup_close_ int fd = -1;
	char pin[UPLINK_PIN_SIZE];
	struct bpf_link_info info;
	int r;

	uplink_pin_name(ifindex, pin);
	r = pins->fd < 0 ? -ENOENT : object_open(pins, 0, pin, &fd);
	if (!r)
		r = object_read_any_link(fd, &info);
	/* There is none, or something else of that name, or a read-only bpffs hides it. */
	if (r == -ENOENT || r == -EBADMSG || r == -EROFS)
		return 0;
	if (r || !gate_is_link_on(&info, ifindex))
		return r;
	*ret_program_id = info.prog_id;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

struct gate_search {
	const struct gate_owner *owner;
	struct uplink_gate *gate;
};

/* 1 if the link is the gate of the device: the gate has it then. */
static int gate_match_link(void *userdata, const struct bpf_link_info *info, int *fd)
{
	const struct gate_search *search = userdata;
	int r = gate_is_link_on(info, search->gate->ifindex)
			? gate_is_ours(search->owner, info->prog_id)
			: 0;

	if (r <= 0)
		return r;
	search->gate->program_id = info->prog_id;
	search->gate->link_fd = TAKE_FD(*fd);
	return 1;
}

/* Finds a link whose pin is gone by its id, as found.h does those of the hooks. */
static int gate_find_link(const struct pins *pins, struct uplink_gate *gate)
{
	struct gate_owner owner;
	struct gate_search search = { &owner, gate };
	int r = gate_read_owner(pins, &owner);

	if (r)
		return r;
	r = found_each_link(gate_match_link, &search);
	/* Without CAP_SYS_ADMIN the pins are all there is to go by. */
	return r < 0 && r != -EPERM ? r : 0;
}

static int gate_read_link(const struct pins *pins, uint32_t ifindex, struct uplink_gate *ret_gate)
{
	_cleanup_(uplink_gate_close) struct uplink_gate gate = { .ifindex = ifindex,
								 .link_fd = -1 };
	int r = gate_open_pin(pins, ifindex, &gate.link_fd, &gate.program_id);

	gate.pinned = gate.link_fd >= 0;
	if (!r && !gate.pinned)
		r = gate_find_link(pins, &gate);
	if (!r && gate.link_fd >= 0)
		r = gate_link_is_behind(&gate, &gate.behind);
	if (r)
		return r;
	*ret_gate = gate;
	gate.link_fd = -1;
	return 0;
}

static int gate_make_link(uint32_t ifindex, int program_fd, struct uplink_gate *ret_gate)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = GATE_FIRST);
	int fd = bpf_link_create(program_fd, (int)ifindex, GATE_ATTACH_TYPE, &options);

	if (fd < 0)
		return -errno;
	*ret_gate = (struct uplink_gate){ .ifindex = ifindex, .link_fd = fd };
	return 0;
}

/* Filters. */

static int gate_read_filter(const struct gate_owner *owner, uint32_t ifindex,
			    struct uplink_gate *ret_gate)
{
	_cleanup_free_ struct egress_filter *filters = NULL;
	size_t n = 0;
	int r = egress_list(ifindex, EGRESS_LEAVING, &filters, &n);

	for (size_t i = 0; !r && i < n; i++) {
		if (filters[i].handle != GATE_HANDLE_MADE && filters[i].handle != GATE_HANDLE_FOUND)
			continue;
		r = gate_is_ours(owner, filters[i].program_id);
		if (r == 1)
			*ret_gate = (struct uplink_gate){
				.ifindex = ifindex,
				.program_id = filters[i].program_id,
				.handle = filters[i].handle,
				.pinned = true,
				.behind = i > 0,
				.link_fd = -1,
			};
	}
	return r < 0 ? r : 0;
}

#define GATE_HOOK(name, index) \
	LIBBPF_OPTS(bpf_tc_hook, name, .ifindex = (int)(index), .attach_point = BPF_TC_EGRESS)

static int gate_remove_qdisc(uint32_t ifindex)
{
	GATE_HOOK(hook, ifindex);
	int r;

	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	r = bpf_tc_hook_destroy(&hook);
	return r == -ENOENT || r == -ENODEV || r == -EINVAL ? 0 : r;
}

static int gate_remove_idle_qdisc(uint32_t ifindex)
{
	for (int side = EGRESS_ARRIVING; side <= EGRESS_LEAVING; side++) {
		_cleanup_free_ struct egress_filter *filters = NULL;
		size_t n = 0;
		int r = egress_list(ifindex, (enum egress_side)side, &filters, &n);

		if (r || n)
			return r;
	}
	return gate_remove_qdisc(ifindex);
}

static int gate_add_filter(struct uplink_gate *gate, int program_fd)
{
	GATE_HOOK(hook, gate->ifindex);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = gate->handle, .priority = GATE_PRIORITY,
		    .prog_fd = program_fd);
	int r = bpf_tc_attach(&hook, &options);

	if (r == -ENOENT)
		return -EOPNOTSUPP;
	return r == -EINVAL ? -EBUSY : r;
}

static int gate_make_filter(uint32_t ifindex, int program_fd, struct uplink_gate *ret_gate)
{
	struct uplink_gate gate = {
		.ifindex = ifindex,
		.handle = GATE_HANDLE_FOUND,
		.link_fd = -1,
	};
	GATE_HOOK(hook, ifindex);
	enum egress_qdisc qdisc;
	int r = egress_find_qdisc(ifindex, &qdisc);

	if (r)
		return r;
	if (qdisc == EGRESS_INGRESS)
		return -EEXIST;
	if (qdisc == EGRESS_NONE) {
		r = bpf_tc_hook_create(&hook);
		if (r == -EEXIST)
			return -EAGAIN; /* somebody else has made one meanwhile */
		if (r)
			return r == -ENOENT ? -EOPNOTSUPP : r;
		gate.handle = GATE_HANDLE_MADE;
	}
	r = gate_add_filter(&gate, program_fd);
	if (r) {
		if (qdisc == EGRESS_NONE)
			gate_remove_idle_qdisc(ifindex);
		return r;
	}
	*ret_gate = gate;
	return 0;
}

static int gate_remove_filter(const struct uplink_gate *gate)
{
	GATE_HOOK(hook, gate->ifindex);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = gate->handle, .priority = GATE_PRIORITY);
	int r = bpf_tc_detach(&hook, &options);

	/* The filter, its qdisc or the device is gone. */
	if (r && r != -ENOENT && r != -EINVAL && r != -ENODEV)
		return r;
	return !r && gate->handle == GATE_HANDLE_MADE ? gate_remove_idle_qdisc(gate->ifindex) : 0;
}

int uplink_gate_each_filter(const struct pins *pins,
			    int (*gate)(void *userdata, const struct uplink_gate *found),
			    void *userdata)
{
	struct if_nameindex *names = if_nameindex();
	struct gate_owner owner;
	int r = names ? gate_read_owner(pins, &owner) : -errno;

	for (const struct if_nameindex *at = names; !r && at->if_index; at++) {
		struct uplink_gate found = UPLINK_GATE_NONE;

		r = gate_read_filter(&owner, at->if_index, &found);
		if (!r && found.program_id)
			r = gate(userdata, &found);
	}
	if (names)
		if_freenameindex(names);
	return r;
}

/* Both. */

int uplink_gate_read(const struct pins *pins, uint32_t ifindex, struct uplink_gate *ret_gate)
{
	struct uplink_gate gate = { .ifindex = ifindex, .link_fd = -1 };
	struct gate_owner owner;
	int r = uplink_gates_are_links(ifindex);

	if (r < 0)
		return r;
	if (r) {
		r = gate_read_link(pins, ifindex, &gate);
	} else {
		r = gate_read_owner(pins, &owner);
		if (!r)
			r = gate_read_filter(&owner, ifindex, &gate);
	}
	if (!r)
		*ret_gate = gate;
	return r;
}

int uplink_gate_link_is_gone(int fd, bool *ret_gone)
{
	struct bpf_link_info info;
	int r = object_read_any_link(fd, &info);

	if (r)
		return r;
	if (info.type != GATE_LINK_TYPE || info.netns.attach_type != GATE_ATTACH_TYPE)
		return -EBADMSG;
	*ret_gone = !info.netns.netns_ino;
	return 0;
}

int uplink_gate_make(uint32_t ifindex, int program_fd, struct uplink_gate *ret_gate)
{
	int r = uplink_gates_are_links(ifindex);

	if (r < 0)
		return r;
	return r ? gate_make_link(ifindex, program_fd, ret_gate)
		 : gate_make_filter(ifindex, program_fd, ret_gate);
}

int uplink_gate_update(const struct uplink_gate *gate, int program_fd)
{
	GATE_HOOK(hook, gate->ifindex);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = gate->handle, .priority = GATE_PRIORITY,
		    .prog_fd = program_fd, .flags = BPF_TC_F_REPLACE);

	if (!gate->handle)
		return bpf_link_update(gate->link_fd, program_fd, NULL) ? -errno : 0;
	return bpf_tc_attach(&hook, &options);
}

int uplink_gate_remove(const struct uplink_gate *gate)
{
	if (gate->handle)
		return gate_remove_filter(gate);
	return bpf_link_detach(gate->link_fd) && errno != ENOLINK ? -errno : 0;
}
