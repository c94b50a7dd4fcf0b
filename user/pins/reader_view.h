/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way to the pins of a reader that is not root: systemd mounts /sys/fs/bpf for root alone, so
 * the pin directory has a second place, a bind mount of it that the reader can enter. The pins'
 * own modes say what may be opened there, as everywhere (pins_share.c).
 *
 * The default path has such a view, and no other path.
 */
#ifndef SMTPWARD_READER_VIEW_H
#define SMTPWARD_READER_VIEW_H

#include "base/reason.h"
#include "pins/pins.h"

#define READER_VIEW_PATH "/run/smtpward/pins"

/*
 * Makes the view, or makes it anew if it shows another directory; in our mount namespace, and in
 * that of process 1 if process 1 sees the same pins: a service manager gives a load a namespace of
 * its own, which nobody else sees. 0 or -errno with a reason.
 */
int reader_view_make(const struct pins *pins, struct reason *reason);

/* Removes the view if it shows these pins. */
int reader_view_remove(const struct pins *pins, struct reason *reason);

/*
 * The pin directory for a command: the given one, the default one, or the view if the process
 * needs it.
 */
const char *reader_view_choose(const char *given);

#endif /* SMTPWARD_READER_VIEW_H */
