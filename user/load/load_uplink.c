// SPDX-License-Identifier: GPL-2.0-only
/*
 * The gates on uplinks, as load_swap.c has the hooks: gates get the new programs before the switch,
 * and those that the new policy does not name go after it. A device that is not there gets its gate
 * by a load or a heal once it is.
 */
#include "load/load_steps.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "host/uplinks.h"
#include "pins/instance.h"
#include "pins/layer.h"
#include "pins/object.h"
#include "pins/uplink_gate.h"

/* Says what a person can do if a device takes no gate. */
static int uplink_explain(int r, const char *device, uint32_t ifindex, struct reason *reason)
{
	if (r == -EOPNOTSUPP)
		return reason_set(reason, r,
				  "cannot attach to the uplink %s: before Linux 6.6 that needs the "
				  "kernel's sch_ingress and cls_bpf; load them with 'modprobe -a "
				  "sch_ingress cls_bpf', or write 'uplink none'",
				  device);
	if (r == -EEXIST && uplink_gates_are_links(ifindex) == 1)
		return reason_set(reason, r,
				  "cannot attach to the uplink %s: the gate's program is on it "
				  "already, by a link that cannot be found; 'smtpward load' puts "
				  "another one there",
				  device);
	if (r == -EEXIST)
		return reason_set(reason, r,
				  "cannot attach to the uplink %s: somebody's qdisc 'ingress' is "
				  "in the place of clsact; put clsact there, which also does what "
				  "'ingress' does, or write 'uplink none'",
				  device);
	if (r == -EBUSY)
		return reason_set(reason, r,
				  "cannot attach to the uplink %s: somebody's filter has the first "
				  "priority of leaving packets; 'tc filter show dev %s egress' "
				  "names it",
				  device, device);
	return reason_errno(reason, r, "cannot attach to the uplink %s", device);
}

/* Pins the gate's link, in place of a pin of another object. */
static int uplink_pin(const struct pins *pins, struct uplink_gate *gate, struct reason *reason)
{
	char pin[UPLINK_PIN_SIZE];
	int r;

	if (gate->handle || gate->pinned)
		return 0;
	uplink_pin_name(gate->ifindex, pin);
	r = pins_remove(pins, pin);
	if (r)
		return reason_errno(reason, r, "cannot remove %s/%s", pins->path, pin);
	r = load_pin(pins, 0, pin, gate->link_fd, reason);
	gate->pinned = !r;
	return r;
}

static int uplink_attach(const struct pins *pins, const char *device, uint32_t ifindex,
			 int program_fd, struct uplink_gate *ret_gate, struct reason *reason)
{
	_cleanup_(uplink_gate_close) struct uplink_gate gate = UPLINK_GATE_NONE;
	int r = uplink_gate_make(ifindex, program_fd, &gate);

	/* The device has gone meanwhile: it is waited for. */
	if (r == -ENODEV)
		return r;
	if (r)
		return uplink_explain(r, device, ifindex, reason);
	r = uplink_pin(pins, &gate, reason);
	if (r)
		return r;
	*ret_gate = gate;
	gate.link_fd = -1;
	return 0;
}

static int uplink_hand_over(const struct load *load, enum uplink_kind kind, int before_fd)
{
	const uint32_t zero = 0;

	return bpf_map_update_elem(loader_map(load->loader, uplink_infos[kind].before_map), &zero,
				   &before_fd, BPF_ANY);
}

static int uplink_replace(struct load *load, const char *device, enum uplink_kind kind,
			  struct load_uplink *uplink, struct reason *reason)
{
	int r;

	uplink->before_fd = bpf_prog_get_fd_by_id(uplink->gate.program_id);
	r = uplink->before_fd < 0 ? -errno : uplink_hand_over(load, kind, uplink->before_fd);
	if (!r)
		r = uplink_gate_update(&uplink->gate, loader_gate(load->loader, kind));
	if (r)
		return reason_errno(reason, r, "cannot replace the program of the uplink %s",
				    device);
	return uplink_pin(&load->pins, &uplink->gate, reason);
}

static int uplink_swap(struct load *load, const char *device, uint32_t ifindex,
		       enum uplink_kind kind, struct reason *reason)
{
	struct load_uplink *uplink = &load->uplinks[load->n_uplinks];
	int r;

	assert(load->n_uplinks < LOAD_UPLINKS_MAX);
	*uplink = (struct load_uplink){ .gate = UPLINK_GATE_NONE, .before_fd = -1 };
	r = uplink_gate_read(&load->pins, ifindex, &uplink->gate);
	if (r == -ENODEV)
		return 0;
	if (r)
		return reason_errno(reason, r, "cannot open the gate of the uplink %s", device);
	load->n_uplinks++;
	if (uplink->gate.program_id)
		return uplink_replace(load, device, kind, uplink, reason);
	r = uplink_attach(&load->pins, device, ifindex, loader_gate(load->loader, kind),
			  &uplink->gate, reason);
	if (r)
		load->n_uplinks--;
	return r == -ENODEV ? 0 : r;
}

/* Notes an uplink that is waited for: the command says so. */
static void uplink_note_absent(struct load *load, const char *what)
{
	char *text = load->absent.text;
	const size_t used = strlen(text);

	snprintf(text + used, sizeof(load->absent.text) - used, "%s%s", used ? ", " : "", what);
}

static int uplink_swap_device(struct load *load, const char *device, struct reason *reason)
{
	enum uplink_kind kind;
	uint32_t ifindex;
	int r = uplink_find(device, &ifindex, &kind);

	if (r == -ENODEV) {
		uplink_note_absent(load, device);
		return 0;
	}
	if (r)
		return reason_errno(reason, r, "cannot find the uplink %s", device);
	for (size_t i = 0; i < load->n_uplinks; i++)
		if (load->uplinks[i].gate.ifindex == ifindex)
			return 0;
	return uplink_swap(load, device, ifindex, kind, reason);
}

static int uplink_swap_all(struct load *load, const struct smtpward_layer *layer,
			   struct reason *reason)
{
	struct uplink_names names;
	int r = uplink_list(layer, &names);

	if (r)
		return reason_errno(reason, r, "cannot find the uplinks");
	for (size_t i = 0; !r && i < uplink_count_gates(&names); i++)
		r = uplink_swap_device(load, names.text[i], reason);
	return r;
}

struct uplink_bridge {
	const struct uplink_names *names;
	struct reason ports; /* "br0: eth0, eth1" */
	size_t n;
	bool listed; /* a port of the bridge is an uplink itself */
};

static int uplink_add_port(void *userdata, const char *port)
{
	struct uplink_bridge *bridge = userdata;
	const size_t used = strlen(bridge->ports.text);

	snprintf(bridge->ports.text + used, sizeof(bridge->ports.text) - used, "%s%s",
		 bridge->n++ ? ", " : ": ", port);
	for (size_t i = 0; i < bridge->names->n; i++)
		if (!strncmp(bridge->names->text[i], port, SMTPWARD_DEVICE_SIZE))
			bridge->listed = true;
	return 0;
}

/* Notes a bridge whose gate its guests get around. */
static int uplink_note_bridge(struct load *load, const struct uplink_names *names,
			      const char *device)
{
	char *text = load->bridges.text;
	const size_t used = strlen(text);
	struct uplink_bridge bridge = { .names = names };
	int r;

	if (!uplinks_is_bridge(device))
		return 0;
	snprintf(bridge.ports.text, sizeof(bridge.ports.text), "%s", device);
	r = uplinks_each_port(device, uplink_add_port, &bridge);
	if (r || bridge.listed)
		return r;
	snprintf(text + used, sizeof(load->bridges.text) - used, "%s%s%s", used ? "; " : "",
		 bridge.ports.text, bridge.n ? "" : ": none yet");
	return 0;
}

static int uplink_note_bridges(struct load *load, struct reason *reason)
{
	struct uplink_names names;
	int r = uplink_list(&load->layer, &names);

	for (size_t i = 0; !r && i < names.n; i++)
		r = uplink_note_bridge(load, &names, names.text[i]);
	if (r)
		return reason_errno(reason, r, "cannot find the uplinks");
	return 0;
}

int load_swap_uplinks(struct load *load, struct reason *reason)
{
	struct smtpward_layer before;
	int r;

	if (!(load->layer.programs & SMTPWARD_PART_GATE))
		return 0;
	r = uplink_swap_all(load, &load->layer, reason);
	if (!r)
		r = uplink_note_bridges(load, reason);
	if (!r && load->layer.flags & SMTPWARD_LAYER_AUTO && !load->n_uplinks)
		uplink_note_absent(load, "uplink auto finds none");
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

		uplink_pin_name(uplink->gate.ifindex, pin);
		if (uplink->before_fd >= 0) {
			r = uplink_gate_update(&uplink->gate, uplink->before_fd);
		} else {
			r = uplink_gate_remove(&uplink->gate);
			if (!r)
				r = pins_remove(&load->pins, pin);
		}
		/* The device is gone meanwhile. */
		if (r && r != -ENOLINK && r != -ENODEV)
			return r;
	}
	return 0;
}

/* After a load, with its generation or another one: the device's gate as it is to be. */
static int uplink_heal(const struct pins *pins, uint64_t generation, const char *device,
		       struct reason *reason)
{
	_cleanup_(uplink_gate_close) struct uplink_gate gate = UPLINK_GATE_NONE;
	_cleanup_close_ int program_fd = -1;
	enum uplink_kind kind;
	uint32_t ifindex, program_id = 0;
	int r = uplink_find(device, &ifindex, &kind);

	if (r)
		return r == -ENODEV ? 0 : reason_errno(reason, r, "cannot find %s", device);
	r = object_open(pins, generation, uplink_infos[kind].program_pin, &program_fd);
	/* load_check_uplinks() says so. */
	if (r == -ENOENT)
		return 0;
	if (!r)
		r = object_program_id(program_fd, &program_id);
	if (!r)
		r = uplink_gate_read(pins, ifindex, &gate);
	if (r == -ENODEV)
		return 0;
	if (r)
		return reason_errno(reason, r, "cannot open the gate of the uplink %s", device);
	if (!gate.program_id) {
		r = uplink_attach(pins, device, ifindex, program_fd, &gate, reason);
		return r == -ENODEV ? 0 : r;
	}
	r = gate.program_id == program_id ? 0 : uplink_gate_update(&gate, program_fd);
	if (r)
		return reason_errno(reason, r, "cannot replace the program of the uplink %s",
				    device);
	return uplink_pin(pins, &gate, reason);
}

/* Removes the pin of a link whose device is gone. */
static int uplink_forget(void *userdata, const char *name)
{
	const struct pins *dir = userdata;
	_cleanup_close_ int fd = -1;
	bool gone = false;
	int r = uplink_of_pin(name) ? object_open(dir, 0, name, &fd) : -ENOENT;

	if (!r)
		r = uplink_gate_link_is_gone(fd, &gone);
	/* No pin of a gate, or somebody else's object. */
	if (r == -ENOENT || r == -EBADMSG)
		return 0;
	return r || !gone ? r : pins_remove(dir, name);
}

int load_forget_uplinks(const struct pins *pins, const struct pins *dir)
{
	return pins_each(dir, 0, uplink_forget, (void *)dir);
}

static int uplink_check_program(const struct pins *pins, uint64_t generation, enum uplink_kind kind,
				struct reason *reason)
{
	const char *pin = uplink_infos[kind].program_pin;
	bool has = false;
	int r = pins_has(pins, generation, pin, &has);

	if (r)
		return reason_errno(reason, r, "cannot look for %s", pin);
	if (has)
		return 0;
	return reason_set(reason, -ENODATA,
			  "%s, a program of the gates on uplinks, is gone, and nothing holds it: "
			  "'smtpward load --boot%s' loads it again",
			  pin, pins_option(pins->path).text);
}

int load_check_uplinks(const struct pins *pins, uint64_t generation, struct reason *reason)
{
	struct smtpward_layer layer;
	int r = layer_read(pins, generation, &layer);

	if (r)
		return reason_errno(reason, r, "cannot tell the uplinks of %s", pins->path);
	for (int kind = 0; layer.programs & SMTPWARD_PART_GATE && kind < UPLINK_KINDS; kind++) {
		r = uplink_check_program(pins, generation, (enum uplink_kind)kind, reason);
		if (r)
			return r;
	}
	return 0;
}

int load_heal_uplinks(const struct pins *pins, uint64_t generation,
		      const struct smtpward_layer *layer, struct reason *reason)
{
	struct uplink_names names;
	int r = uplink_list(layer, &names);

	if (r)
		return reason_errno(reason, r, "cannot find the uplinks");
	for (size_t i = 0; i < uplink_count_gates(&names); i++) {
		r = uplink_heal(pins, generation, names.text[i], reason);
		if (r)
			return r;
	}
	r = load_forget_uplinks(pins, pins);
	if (r)
		return reason_errno(reason, r, "cannot tidy %s", pins->path);
	return 0;
}

struct uplink_lift {
	const struct uplink_names *names; /* these stay */
	unsigned int n;
};

static int uplink_lift(void *userdata, const struct uplink_gate *gate)
{
	struct uplink_lift *lift = userdata;
	int r = uplink_is_listed(lift->names, gate->ifindex) ? 0 : uplink_gate_remove(gate);

	lift->n += !r && !uplink_is_listed(lift->names, gate->ifindex);
	return r;
}

int load_lift_filters(const struct pins *pins, const struct uplink_names *names,
		      unsigned int *ret_n)
{
	struct uplink_lift lift = { .names = names };
	int r = uplink_gate_each_filter(pins, uplink_lift, &lift);

	*ret_n = lift.n;
	return r;
}
