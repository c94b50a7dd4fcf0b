/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The second set of pins, in a bpffs of root's own: it holds the links, so that who
 * removes the pin directory lifts nothing. All else hangs on the links: their programs,
 * and by these every map. Nothing is read from here; found.h finds what is attached.
 *
 *   RUN_DIR/keep/INSTANCE/link_HOOK
 *   RUN_DIR/keep/INSTANCE/generation-N/link_cgroup_mkdir, link_cgroup_rmdir, iter_hooks
 *
 * While one generation is on trial there are two, and the map_before of each hook of that one: by
 * these it finds the other.
 */
#ifndef SMTPWARD_KEEP_H
#define SMTPWARD_KEEP_H

#include <stdbool.h>

#include "base/reason.h"
#include "pins/found.h"
#include "pins/pins.h"

/*
 * Brings the second set up to date with the first, for this generation; mounts the bpffs if
 * it is not there. It is among the mounts of process 1, if that sees the same pins: a
 * service's own would end with its process. prepare, or NULL, sees what is there before.
 */
int keep_update(const struct pins *pins, uint64_t generation,
		int (*prepare)(const struct pins *pins, const struct pins *keep),
		struct reason *reason);

/* Whether that is so. For root. 0 or -errno. */
int keep_is_whole(const struct pins *pins, uint64_t generation, bool *ret_whole);

/*
 * What of an older version is attached does not say whose it is: these links are of this
 * directory if they are pinned there, or in its second set. The directory may be closed. 0 or
 * -errno.
 */
int keep_claim(const struct pins *pins, struct found *found);

/* Removes it; missing is fine. */
int keep_remove(const struct pins *pins, struct reason *reason);

#endif /* SMTPWARD_KEEP_H */
