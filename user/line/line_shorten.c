// SPDX-License-Identifier: GPL-2.0-only
/* Lines that would be longer than they may be; see line_fields.h. */
#include <string.h>

#include "base/quote.h"
#include "line/line_fields.h"

static const char shorten_mark[] = "/.../";
static const char shorten_words_mark[] = "...";

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

/* To so many bytes, quoted, at most; there are more of them. */
static void shorten_words(struct line_path *words, size_t most, char separator)
{
	const size_t mark = sizeof(shorten_words_mark) - 1;
	size_t quoted = 0, len = 0;

	for (;; len++) {
		quoted += quote_list_length(words->text + len, 1, separator);
		if (quoted > most - mark)
			break;
	}
	memcpy(words->text + len, shorten_words_mark, mark);
	words->len = len + mark;
	words->text[words->len] = '\0';
}

/* Path or words to shorten next in a line that is too long, and the most that may remain. */
struct shortest {
	struct line_path *path; /* NULL: the line is not too long */
	size_t quoted, most;
	char separator;
};

/* Words before paths, if there is something to take off. */
static bool shorten_is_next(const struct shortest *a, const struct shortest *b)
{
	const bool words = a->separator && a->quoted > LINE_PATH_LEAST;
	const bool other = b->separator && b->quoted > LINE_PATH_LEAST;

	return words == other ? a->quoted > b->quoted : words;
}

static struct shortest shorten_find(struct line *line)
{
	const size_t room = line_paths_room(line->kind);
	struct shortest next = { .path = NULL }, longest = { .path = NULL };
	size_t total = 0, row = 0;

	while ((next.path = line_next_path(line, &row, &next.separator))) {
		next.quoted = quote_list_length(next.path->text, next.path->len, next.separator);
		total += next.quoted;
		if (!longest.path || shorten_is_next(&next, &longest))
			longest = next;
	}
	if (total <= room)
		return (struct shortest){ .path = NULL };
	/* All that is over, or all that this one can give. */
	longest.most = LINE_PATH_LEAST;
	if (longest.quoted > LINE_PATH_LEAST + (total - room))
		longest.most = longest.quoted - (total - room);
	return longest;
}

void line_shorten(struct line *line)
{
	struct shortest next;

	while ((next = shorten_find(line)).path) {
		if (next.separator)
			shorten_words(next.path, next.most, next.separator);
		else
			shorten_path(next.path, next.most);
	}
}
