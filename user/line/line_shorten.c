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

/* What all paths take, quoted, and the one that takes the most. */
static size_t shorten_measure(struct line *line, struct line_path **ret_longest, size_t *ret_most)
{
	struct line_path *path;
	size_t total = 0, next = 0;

	*ret_most = 0;
	while ((path = line_next_path(line, &next))) {
		const size_t quoted = quote_length(path->text, path->len);

		total += quoted;
		if (quoted <= *ret_most)
			continue;
		*ret_longest = path;
		*ret_most = quoted;
	}
	return total;
}

void line_shorten(struct line *line)
{
	const size_t room = line_paths_room(line->kind);
	struct line_path *longest = NULL;
	size_t total, most;

	/* Each round takes all that is over, or all that this path can give. */
	while ((total = shorten_measure(line, &longest, &most)) > room) {
		const size_t over = total - room;

		shorten_path(longest,
			     most > LINE_PATH_LEAST + over ? most - over : LINE_PATH_LEAST);
	}
}
