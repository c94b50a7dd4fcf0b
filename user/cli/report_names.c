// SPDX-License-Identifier: GPL-2.0-only
/* Names of users and containers; see report_names.h. */
#include "cli/report_names.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ask/containers.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "base/macro.h"
#include "host/boottime.h"

/* More say nothing new: a store that cannot be read cannot be read for any container. */
#define REPORT_NAMES_NOTES 16

static char *report_names_user(void *userdata, uint32_t uid)
{
	_cleanup_free_ char *room = NULL;
	struct passwd entry, *found = NULL;
	size_t size = 1024;
	int error;

	do {
		size *= 4;
		free(room);
		room = malloc(size);
		if (!room)
			return NULL;
		error = getpwuid_r(uid, &entry, room, size, &found);
	} while (error == ERANGE && size < 1 << 20);
	return found ? strdup(found->pw_name) : NULL;
}

static void report_names_note(struct report_names *names, const char *text)
{
	char **note;

	for (size_t i = 0; i < names->n_notes; i++)
		if (names->notes[i] && !strcmp(names->notes[i], text))
			return;
	if (names->n_notes >= REPORT_NAMES_NOTES)
		return;
	note = array_add(&names->notes, &names->n_notes, sizeof(*note));
	if (note)
		*note = strdup(text);
}

static void report_names_container(void *userdata, struct container *container)
{
	struct report_names *names = userdata;
	struct reason reason;

	names->looked_up = (uint64_t)time(NULL);
	if (containers_look_up("", container, &reason))
		report_names_note(names, reason.text);
}

struct report_source report_names_source(struct report_names *names)
{
	return (struct report_source){
		.user = report_names_user,
		.container = report_names_container,
		.userdata = names,
		.utc_offset = boottime_to_utc(),
	};
}

void report_names_clear(struct report_names *names)
{
	for (size_t i = 0; i < names->n_notes; i++)
		free(names->notes[i]);
	free(names->notes);
	*names = (struct report_names){ 0 };
}
