/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The line that is being written, in memory that outlives us: what a log that was killed
 * leaves there tells the next one whether that line is out.
 *
 * A log that runs as root has a note of its own, map_note_root, which the reader's group
 * cannot open: what stands in the group's, map_note, is that group's word. Nor does either
 * see the other's line: where root's log comes after one of the group that was killed, or
 * the other way round, that one line may come twice.
 */
#ifndef SMTPWARD_NOTE_H
#define SMTPWARD_NOTE_H

#include <stddef.h>
#include <stdint.h>

#include <smtpward/abi.h>

#include "pins/pins.h"

struct note {
	struct smtpward_note *at; /* in the kernel's memory, or own */
	size_t mapped;		  /* bytes of it, 0 if it is own */
	int fd;			  /* of its map; -1 if it is own */
	struct smtpward_note own; /* outlives nobody */
};

/*
 * The one of who runs. Root does without where a generation of an older version has none;
 * the names of maps are for messages. 0 or -errno.
 */
int note_open(const struct pins *pins, uint64_t generation, struct note *note);
const char *note_name(void);

/* One that nobody finds after us. */
void note_open_own(struct note *note);

void note_set_kind(struct note *note, uint32_t kind);
void note_close(struct note *note);

#endif /* SMTPWARD_NOTE_H */
