/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A note of the line that is being written, in memory that outlives the process: after a log was
 * killed, its note tells the next one whether that line is out.
 *
 * A log that runs as root has a note of its own, map_note_root, which the reader's group cannot
 * open: the content of the group's note, map_note, is that group's word. Neither log sees the
 * other's note: if root's log follows a group's log that was killed, or the other way round, that
 * one line may come twice.
 */
#ifndef SMTPWARD_NOTE_H
#define SMTPWARD_NOTE_H

#include <stddef.h>
#include <stdint.h>

#include <smtpward/abi.h>

#include "pins/pins.h"

struct note {
	struct smtpward_note *at; /* in the kernel's memory, or own */
	size_t mapped;		  /* bytes of it; 0 if at points to own */
	int fd;			  /* of the note's map; -1 if at points to own */
	struct smtpward_note own; /* goes with the process */
};

/*
 * Opens the note of the user that runs this. Root uses an own note if an older version's
 * generation has none. note_name() is the map's name, for messages. 0 or -errno.
 */
int note_open(const struct pins *pins, uint64_t generation, struct note *note);
const char *note_name(void);

/* Uses a note that nobody finds after the process. */
void note_open_own(struct note *note);

void note_set_kind(struct note *note, uint32_t kind);
void note_close(struct note *note);

#endif /* SMTPWARD_NOTE_H */
