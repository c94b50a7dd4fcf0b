/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way of a reader that is not root to the pins: systemd mounts /sys/fs/bpf for root
 * alone, so the pin directory has a second place, a bind mount of it that can be entered.
 * What may be opened there is the pins' to say, as everywhere (pins_share.c).
 *
 * There is one for the default path, and for no other.
 */
#ifndef SMTPWARD_READER_VIEW_H
#define SMTPWARD_READER_VIEW_H

#include "base/reason.h"
#include "pins/pins.h"

#define READER_VIEW_PATH "/run/smtpward/pins"

/*
 * Makes it, or makes it anew where it is of another directory; in our mount namespace, and
 * in that of process 1 if the pins are the same ones there: a service manager gives a
 * load one of its own, which nobody else sees. 0 or -errno with a reason.
 */
int reader_view_make(const struct pins *pins, struct reason *reason);

/* Takes it away, where it is one of these pins. */
int reader_view_remove(const struct pins *pins, struct reason *reason);

/* Where a command finds the pins: what was given, the default, or the view for who needs it. */
const char *reader_view_choose(const char *given);

#endif /* SMTPWARD_READER_VIEW_H */
