// SPDX-License-Identifier: GPL-2.0-only
/* Gates that stay without pins; see uplink_left.h. */
#include "pins/uplink_left.h"

#include <errno.h>
#include <net/if.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/reason.h"
#include "pins/lock.h"
#include "pins/pins.h"
#include "pins/uplink_gate.h"

static int left_add(void *userdata, const struct uplink_gate *gate)
{
	struct uplink_names *names = userdata;

	if (names->n == UPLINK_NAMES_MAX)
		return 1;
	/* A device that has gone meanwhile has taken its gate with it. */
	if (if_indextoname(gate->ifindex, names->text[names->n]))
		names->n++;
	return 0;
}

int uplink_left(const char *path, struct uplink_names *ret_names, struct reason *reason)
{
	_cleanup_(pins_close) struct pins pins = PINS_CLOSED;
	struct uplink_names names = { 0 };
	int r;

	*ret_names = names;
	if (geteuid())
		return 0;
	r = pins_lock(path, LOCK_SHARED, &pins, reason);
	if (r)
		return r;
	r = uplink_gate_each_filter(&pins, left_add, &names);
	/* Root without the rights to ask, as of a container. */
	if (r == -EPERM)
		return 0;
	if (r < 0)
		return reason_errno(reason, r, "cannot list the filters of the devices");
	*ret_names = names;
	return 0;
}
