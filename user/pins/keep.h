/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The second set of pins, in a bpffs of root's own: it holds the links, so that removing
 * the pin directory lifts nothing. The links hold all other objects: their programs, and
 * through these every map; but not the program of a gate that no uplink needs at present, which has
 * a pin of its own. Nothing is read from this set; found.h finds the attached links.
 *
 *   RUN_DIR/keep/INSTANCE/link_HOOK, link_uplink_IFINDEX
 *   RUN_DIR/keep/INSTANCE/generation-N/link_cgroup_mkdir, link_cgroup_rmdir, iter_hooks
 *   RUN_DIR/keep/INSTANCE/generation-N/prog_up_eth, prog_up_bare
 *
 * During a trial the set has two generations, and the map_before of each hook of the one on
 * trial, whose programs find the other generation's programs in these maps.
 */
#ifndef SMTPWARD_KEEP_H
#define SMTPWARD_KEEP_H

#include <stdbool.h>

#include "base/reason.h"
#include "pins/found.h"
#include "pins/pins.h"

/*
 * Brings the second set up to date with the first set, for this generation; mounts the bpffs if
 * there is none. The bpffs is among the mounts of process 1 if process 1 sees the same pins: in a
 * service's own mounts the bpffs would end with the service's process. prepare, or NULL, is called
 * with both sets before any change.
 */
int keep_update(const struct pins *pins, uint64_t generation,
		int (*prepare)(const struct pins *pins, const struct pins *keep),
		struct reason *reason);

/* Whether the second set is up to date. For root. 0 or -errno. */
int keep_is_whole(const struct pins *pins, uint64_t generation, bool *ret_whole);

/*
 * Assigns links of an older version, which do not name their directory, to this directory if they
 * are pinned in it, or in its second set. The directory may be closed. 0 or -errno.
 */
int keep_claim(const struct pins *pins, struct found *found);

/* Removes the second set, which may be missing. */
int keep_remove(const struct pins *pins, struct reason *reason);

#endif /* SMTPWARD_KEEP_H */
