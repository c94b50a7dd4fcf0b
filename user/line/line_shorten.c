// SPDX-License-Identifier: GPL-2.0-only
/* Lines that would be longer than they may be; see line_fields.h. */
#include <string.h>

#include "base/quote.h"
#include "line/line_fields.h"

static const char shorten_mark[] = "/.../";

/* How many bytes of a text, from its begin or, with from_end, its end, take up to room quoted. */
static size_t shorten_fitting(const char *text, size_t len, bool from_end, size_t room)
{
	size_t quoted = 0;

	for (size_t i = 0; i < len; i++) {
		quoted += quote_length(from_end ? text + len - 1 - i : text + i, 1);
		if (quoted > room)
			return i;
	}
	return len;
}

/* To so many bytes, quoted, at most; it has more of them. */
static void shorten_path(struct line_path *path, size_t most)
{
	const size_t mark = sizeof(shorten_mark) - 1;
	const size_t half = (most - mark) / 2;
	size_t head = shorten_fitting(path->text, path->len, false, half);
	size_t tail = shorten_fitting(path->text + head, path->len - head, true, half);

	/* The mark brings the slashes. */
	while (head > 0 && path->text[head - 1] == '/')
		head--;
	while (tail > 0 && path->text[path->len - tail] == '/')
		tail--;
	memmove(path->text + head + mark, path->text + path->len - tail, tail);
	memcpy(path->text + head, shorten_mark, mark);
	path->len = head + mark + tail;
	path->text[path->len] = '\0';
}

/* If all paths take too much: the one that takes the most, and what it may take. Else NULL. */
static struct line_path *shorten_find(struct line *line, size_t *ret_most)
{
	const size_t room = line_paths_room(line->kind);
	struct line_path *path, *longest = NULL;
	size_t total = 0, most = 0, next = 0;

	while ((path = line_next_path(line, &next))) {
		const size_t quoted = quote_length(path->text, path->len);

		total += quoted;
		if (quoted <= most)
			continue;
		longest = path;
		most = quoted;
	}
	if (total <= room)
		return NULL;
	/* All that is over, or all that this path can give. */
	*ret_most = LINE_PATH_LEAST;
	if (most > LINE_PATH_LEAST + (total - room))
		*ret_most = most - (total - room);
	return longest;
}

void line_shorten(struct line *line)
{
	struct line_path *path;
	size_t most;

	while ((path = shorten_find(line, &most)))
		shorten_path(path, most);
}
