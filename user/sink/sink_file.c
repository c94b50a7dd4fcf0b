// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines to a file of our own: one write(2) a line, and none of a line that the disk
 * has no room for.
 */
#include "sink/sink.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "host/trusted.h"

struct sink_file {
	struct sink sink; /* first: the ops get a pointer to it */
	char *path;
	int fd;
	/*
	 * The line on its way. Bytes of it stay in the file only where they could be
	 * neither followed by the rest nor taken back, as in an append-only file on a
	 * full disk; the next write then brings the rest.
	 */
	char line[SINK_LINE_SIZE];
	size_t len;
	size_t done;
	off_t start; /* of the line in the file */
};

/*
 * Nothing but a regular file: a line in a FIFO or a device may be read by nobody. And
 * none that others than root could have written a line to, or put in our file's place.
 * O_NONBLOCK and O_NOCTTY: opening one of those must not hang us or make it ours.
 */
static int file_open(const char *path, int *ret_fd)
{
	_cleanup_close_ int dir_fd = -1, fd = -1;
	const char *name;
	struct stat st;
	int r;

	r = trusted_open_parent(path, &dir_fd, &name);
	if (r < 0)
		return r;
	fd = openat(dir_fd, name,
		    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
		    0600);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (!trusted_file(fd, &st))
		return -EPERM;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/*
 * That nobody else writes to the file, receipts and taking back go by: see file_is_out(). A lock
 * for writing, which takes a descriptor for writing: who can only read the file can lock it for
 * reading, which is nothing to us.
 */
static int file_lock(int fd)
{
	struct flock ours = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct flock theirs = { .l_type = F_RDLCK, .l_whence = SEEK_SET };

	if (!fcntl(fd, F_OFD_SETLK, &ours))
		return 0;
	if (errno != EAGAIN && errno != EACCES)
		return -errno;
	if (fcntl(fd, F_OFD_GETLK, &theirs))
		return -errno;
	return theirs.l_type == F_UNLCK ? 0 : -EBUSY;
}

static int file_begin(struct sink_file *file, const struct line *line,
		      struct smtpward_receipt *receipt)
{
	struct stat st;
	int len;

	if (fstat(file->fd, &st) < 0)
		return -errno;
	len = sink_line(line, file->line);
	if (len < 0)
		return len;
	file->start = st.st_size;
	file->len = len;
	receipt->device = st.st_dev;
	receipt->inode = st.st_ino;
	receipt->offset = st.st_size;
	receipt->length = len;
	__atomic_store_n(&receipt->kind, SMTPWARD_RECEIPT_FILE, __ATOMIC_RELEASE);
	return 0;
}

static int file_write(struct sink *sink, const struct line *line, struct smtpward_receipt *receipt)
{
	struct sink_file *file = (struct sink_file *)sink;
	ssize_t written;
	int r;

	if (file->done == 0) {
		r = file_begin(file, line, receipt);
		if (r < 0)
			return r;
	}
	do
		written = write(file->fd, file->line + file->done, file->len - file->done);
	while (written < 0 && errno == EINTR);
	if (written < 0)
		return -errno;
	file->done += written;
	if (file->done < file->len) {
		/* A regular file takes less than it was given for want of room only. */
		if (ftruncate(file->fd, file->start) == 0)
			file->done = 0;
		return -ENOSPC;
	}
	file->done = 0;
	return 0;
}

/*
 * What begins as a line at an offset and has no end. The word of a receipt alone takes
 * nothing back: whatever that says, a line that is whole stays.
 */
static bool file_is_torn(const char *tail, size_t len, bool at_begin)
{
	if (at_begin)
		return len && !memchr(tail, '\n', len);
	return len > 1 && tail[0] == '\n' && !memchr(tail + 1, '\n', len - 1);
}

/* We have it for writing alone. */
static ssize_t file_read(const struct sink_file *file, char *dst, size_t size, off_t from)
{
	_cleanup_close_ int fd = -1;
	char path[64];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file->fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = pread(fd, dst, size, from);
	return len < 0 ? -errno : len;
}

/* The beginning of a line, behind the last one that is whole. */
static int file_take_back(const struct sink_file *file, off_t offset, off_t size)
{
	const off_t from = offset ? offset - 1 : 0;
	char tail[SINK_LINE_SIZE];
	ssize_t len;

	if (size - from > (off_t)sizeof(tail))
		return 0;
	len = file_read(file, tail, sizeof(tail), from);
	if (len < 0)
		return (int)len;
	if (file_is_torn(tail, (size_t)len, !offset) && !ftruncate(file->fd, offset))
		return 0;
	/* An append-only file keeps what it has, as a line of its own. */
	if (len && tail[len - 1] != '\n' && write(file->fd, "\n", 1) < 0)
		return -errno;
	return 0;
}

/*
 * Nobody else writes to the file, so it has grown by the line if it has grown. One that
 * was rotated away meanwhile is not asked: the line may then be in both.
 */
static int file_is_out(struct sink *sink, const struct smtpward_receipt *receipt)
{
	struct sink_file *file = (struct sink_file *)sink;
	struct stat st;

	if (receipt->kind != SMTPWARD_RECEIPT_FILE)
		return 0;
	if (fstat(file->fd, &st) < 0)
		return -errno;
	if (st.st_dev != receipt->device || st.st_ino != receipt->inode ||
	    (uint64_t)st.st_size <= receipt->offset)
		return 0;
	if ((uint64_t)st.st_size >= receipt->offset + receipt->length)
		return 1;
	return file_take_back(file, (off_t)receipt->offset, st.st_size);
}

static bool file_same(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && trusted_same(&sa, &sb);
}

static int file_reopen(struct sink *sink)
{
	struct sink_file *file = (struct sink_file *)sink;
	_cleanup_close_ int fd = -1;
	int r;

	r = file_open(file->path, &fd);
	if (r < 0)
		return r;
	/* The lock on it is ours, and would be in our way. */
	if (file_same(file->fd, fd))
		return 0;
	r = file_lock(fd);
	if (r)
		return r;
	/* The rest of a line belongs behind its beginning; a new file gets the line whole. */
	file->done = 0;
	close(file->fd);
	file->fd = TAKE_FD(fd);
	return 0;
}

/* Under which name it was put away. */
static int file_where(struct sink *sink, char *dst, size_t size)
{
	struct sink_file *file = (struct sink_file *)sink;
	char path[64];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file->fd);
	len = readlink(path, dst, size - 1);
	if (len < 0)
		return -errno;
	dst[len] = '\0';
	return 0;
}

static void file_free(struct sink *sink)
{
	struct sink_file *file = (struct sink_file *)sink;

	if (file->fd >= 0)
		close(file->fd);
	free(file->path);
	free(file);
}

static const struct sink_ops file_ops = {
	.name = "file",
	.write = file_write,
	.is_out = file_is_out,
	.reopen = file_reopen,
	.where = file_where,
	.free = file_free,
};

int sink_file_open(const char *path, struct sink **ret)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *copy = NULL;
	struct sink_file *file;
	int r;

	assert(path && ret);

	r = file_open(path, &fd);
	if (r < 0)
		return r;
	r = file_lock(fd);
	if (r)
		return r;
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	file = calloc(1, sizeof(*file));
	if (!file)
		return -ENOMEM;
	file->sink.ops = &file_ops;
	file->path = TAKE_PTR(copy);
	file->fd = TAKE_FD(fd);
	*ret = &file->sink;
	return 0;
}
