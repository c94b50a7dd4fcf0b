// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines to a descriptor that somebody gave us: stderr as text, stdout as JSON. A pipe may take a
 * part of a line; the sink keeps the rest for the next write.
 */
#include "sink/sink.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/macro.h"

struct sink_stream {
	struct sink sink; /* first: the ops get a pointer to it */
	int fd;
	bool own; /* fd is our own */
	bool json;
	bool full;  /* the last write found no room: fd polls for it */
	char *line; /* the line on its way, with its newline, or NULL */
	size_t len;
	size_t done;
};

static int stream_render_text(const struct line *line, char **ret, size_t *ret_len)
{
	_cleanup_free_ char *text = malloc(SINK_LINE_SIZE);
	int len;

	if (!text)
		return -ENOMEM;
	len = sink_line(line, text);
	if (len < 0)
		return len;
	*ret = TAKE_PTR(text);
	*ret_len = len;
	return 0;
}

static int stream_render_json(const struct line *line, char **ret, size_t *ret_len)
{
	_cleanup_free_ char *json = NULL;
	size_t len;
	char *text;
	int r;

	r = line_to_json(line, &json);
	if (r < 0)
		return r;
	len = strlen(json);
	text = realloc(json, len + 2);
	if (!text)
		return -ENOMEM;
	json = NULL;
	memcpy(text + len, "\n", 2);
	*ret = text;
	*ret_len = len + 1;
	return 0;
}

int sink_stream_own(int fd)
{
	int own, flags = fcntl(fd, F_GETFL);
	struct stat st;
	char path[64];

	if (flags < 0 || fstat(fd, &st) < 0)
		return -errno;
	/* Opening it again could make a read-only descriptor writable. */
	if ((flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	if (!S_ISCHR(st.st_mode) && !S_ISFIFO(st.st_mode))
		return -EINVAL;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return own < 0 ? -errno : own;
}

/*
 * Writes to a descriptor that could not be opened again, such as another user's pipe. A descriptor
 * that polls writable takes PIPE_BUF bytes without blocking: a pipe has a free page then, and a
 * terminal a part of its buffer, if nobody else writes meanwhile.
 */
static int stream_put_polled(int fd, const char *text, size_t len)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLOUT };
	int ready = poll(&pollfd, 1, 0);
	ssize_t written;

	if (ready < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (ready == 0)
		return -EAGAIN;
	/* write(2) reports any other state that poll saw. */
	written = write(fd, text, len);
	return written < 0 ? -errno : (int)written;
}

int sink_stream_put(int fd, const char *text, size_t len)
{
	const size_t some = len < PIPE_BUF ? len : PIPE_BUF;
	ssize_t sent = send(fd, text, some, MSG_DONTWAIT | MSG_NOSIGNAL);
	int r;

	if (sent < 0 && errno != ENOTSOCK)
		r = -errno;
	else
		r = sent < 0 ? stream_put_polled(fd, text, some) : (int)sent;
	return r == -EINTR ? -EAGAIN : r;
}

static int stream_push_some(struct sink_stream *stream)
{
	int r = sink_stream_put(stream->fd, stream->line + stream->done,
				stream->len - stream->done);

	if (r < 0)
		return r;
	stream->done += r;
	return 0;
}

static int stream_push(struct sink_stream *stream)
{
	int r = 0;

	while (r == 0 && stream->done < stream->len)
		r = stream_push_some(stream);
	return r;
}

static void stream_forget(struct sink_stream *stream)
{
	free(stream->line);
	stream->line = NULL;
	stream->done = 0;
}

static int stream_write(struct sink *sink, const struct line *line,
			struct smtpward_receipt *receipt)
{
	struct sink_stream *stream = (struct sink_stream *)sink;
	int r;

	if (!stream->line) {
		r = stream->json ? stream_render_json(line, &stream->line, &stream->len)
				 : stream_render_text(line, &stream->line, &stream->len);
		if (r < 0)
			return r;
	}
	r = stream_push(stream);
	stream->full = r == -EAGAIN;
	if (r == 0 || stream->done == 0)
		stream_forget(stream);
	return r;
}

/* Polls only for room: a broken pipe polls writable for ever, and so does a file on a full disk. */
static int stream_poll_fd(struct sink *sink)
{
	struct sink_stream *stream = (struct sink_stream *)sink;

	return stream->full ? stream->fd : -1;
}

static void stream_free(struct sink *sink)
{
	struct sink_stream *stream = (struct sink_stream *)sink;

	stream_forget(stream);
	if (stream->own)
		close(stream->fd);
	free(stream);
}

static const struct sink_ops stream_ops = {
	.name = "stream",
	.write = stream_write,
	.poll_fd = stream_poll_fd,
	.free = stream_free,
};

int sink_stream_open(int fd, bool json, struct sink **ret)
{
	struct sink_stream *stream;
	int own;

	assert(ret);

	if (fd < 0)
		return -EBADF;
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return -ENOMEM;
	own = sink_stream_own(fd);
	stream->sink.ops = &stream_ops;
	stream->own = own >= 0;
	stream->fd = stream->own ? own : fd;
	stream->json = json;
	*ret = &stream->sink;
	return 0;
}
