/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether the maps that last from load to load can be gone on with. The reader's group can
 * write to some of them, and so can spoil them: nobody but a load that begins new ones puts
 * that right.
 */
#ifndef SMTPWARD_SOUND_H
#define SMTPWARD_SOUND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/reason.h"
#include "pins/pins.h"

/* Text for a map that is not sound: the pins' path, the map's name. */
#define SOUND_FROZEN_TEXT "%s/%s is frozen: nobody can write to it any more"
#define SOUND_POSITION_TEXT "somebody has moved the reader's position in %s/%s"

/* And what helps. */
#define SOUND_CURE_TEXT "; 'smtpward load' begins a new one"

/* Whether user space can write to a map never again: 1, 0, or -errno if it cannot be told. */
int sound_is_frozen(int fd);

/* Bytes of a record in map_events, in this ABI; the position of each record is a multiple. */
#define SOUND_SIZE_OF(record) ((sizeof(record) + 8 + 7) & ~7UL)
#define SOUND_RECORD_SIZE SOUND_SIZE_OF(struct smtpward_event)
#define SOUND_RECORD_SIZE_1 SOUND_SIZE_OF(struct smtpward_event_1) /* in SMTPWARD_ABI_EVENT_1 */

/*
 * Looks at the maps of a generation of this ABI that last. *ret_sound tells whether all are
 * as they should be, and why has words where one is not.
 */
int sound_check(const struct pins *pins, uint64_t generation, bool *ret_sound, struct reason *why);

#endif /* SMTPWARD_SOUND_H */
