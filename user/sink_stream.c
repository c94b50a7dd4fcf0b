// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines to a descriptor that somebody gave us: stderr as text, stdout as JSON. A
 * pipe may take part of a line; the rest is kept and is what the next write brings.
 */
#include "sink.h"

#include <errno.h>
#include <string.h>

#include "cleanup.h"

struct sink_stream {
	struct sink sink; /* first: the ops get a pointer to it */
	int fd;
	bool json;
	char *line; /* on its way, with its newline, or NULL */
	size_t len;
	size_t done;
};

static int stream_render_text(const struct violation *violation, char **ret, size_t *ret_len)
{
	_cleanup_free_ char *line = malloc(SINK_LINE_SIZE);
	int len;

	if (!line)
		return -ENOMEM;
	len = sink_line(violation, line);
	if (len < 0)
		return len;
	*ret = TAKE_PTR(line);
	*ret_len = len;
	return 0;
}

static int stream_render_json(const struct violation *violation, char **ret, size_t *ret_len)
{
	_cleanup_free_ char *json = NULL;
	size_t len;
	char *line;
	int r;

	r = violation_to_json(violation, &json);
	if (r < 0)
		return r;
	len = strlen(json);
	line = realloc(json, len + 2);
	if (!line)
		return -ENOMEM;
	json = NULL;
	memcpy(line + len, "\n", 2);
	*ret = line;
	*ret_len = len + 1;
	return 0;
}

/*
 * EINTR ends it as a full pipe does: a reader that has stopped must not keep us
 * from a signal that says to end.
 */
static int stream_push(struct sink_stream *stream)
{
	while (stream->done < stream->len) {
		ssize_t written = write(stream->fd, stream->line + stream->done,
					stream->len - stream->done);

		if (written < 0)
			return errno == EINTR ? -EAGAIN : -errno;
		stream->done += written;
	}
	return 0;
}

static void stream_forget(struct sink_stream *stream)
{
	free(stream->line);
	stream->line = NULL;
	stream->done = 0;
}

static int stream_write(struct sink *sink, const struct violation *violation)
{
	struct sink_stream *stream = (struct sink_stream *)sink;
	int r;

	if (!stream->line) {
		r = stream->json ? stream_render_json(violation, &stream->line, &stream->len) :
				   stream_render_text(violation, &stream->line, &stream->len);
		if (r < 0)
			return r;
	}
	r = stream_push(stream);
	if (r == 0 || stream->done == 0)
		stream_forget(stream);
	return r;
}

static int stream_poll_fd(struct sink *sink)
{
	return ((struct sink_stream *)sink)->fd;
}

static int stream_reopen(struct sink *sink __attribute__((unused)))
{
	return 0;
}

static void stream_free(struct sink *sink)
{
	struct sink_stream *stream = (struct sink_stream *)sink;

	stream_forget(stream);
	free(stream);
}

static const struct sink_ops stream_ops = {
	.name = "stream",
	.write = stream_write,
	.poll_fd = stream_poll_fd,
	.reopen = stream_reopen,
	.free = stream_free,
};

int sink_stream_open(int fd, bool json, struct sink **ret)
{
	struct sink_stream *stream;

	if (fd < 0)
		return -EBADF;
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return -ENOMEM;
	stream->sink.ops = &stream_ops;
	stream->fd = fd;
	stream->json = json;
	*ret = &stream->sink;
	return 0;
}
