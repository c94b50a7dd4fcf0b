// SPDX-License-Identifier: GPL-2.0-only
/* The note of the line that is being written; see note.h. */
#include "log/note.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "pins/object.h"

const char *note_name(void)
{
	return geteuid() ? "map_note" : "map_note_root";
}

void note_open_own(struct note *note)
{
	*note = (struct note){ .fd = -1 };
	note->at = &note->own;
}

/* The descriptor stays open after a failure: the caller can ask it for the cause. */
int note_open(const struct pins *pins, uint64_t generation, struct note *note)
{
	void *map;
	int r;

	note_open_own(note);
	r = object_open_map(pins, generation, note_name(), OBJECT_WRITES, sizeof(*note->at),
			    &note->fd);
	if (r)
		return r == -ENOENT && !geteuid() ? 0 : r;
	map = mmap(NULL, sizeof(*note->at), PROT_READ | PROT_WRITE, MAP_SHARED, note->fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	note->at = map;
	note->mapped = sizeof(*note->at);
	return 0;
}

void note_set_kind(struct note *note, uint32_t kind)
{
	__atomic_store_n(&note->at->kind, kind, __ATOMIC_RELEASE);
}

void note_close(struct note *note)
{
	if (note->mapped)
		munmap(note->at, note->mapped);
	cleanup_close(&note->fd);
}
