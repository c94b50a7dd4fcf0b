// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines to a file of our own, by one write(2) a line. If the disk has no room for a whole line, no
 * part of the line stays in the file.
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
	 * The line on its way. Bytes of the line stay in the file only if the rest could not be
	 * written and they could not be taken back, as in an append-only file on a full disk; the
	 * next write then brings the rest.
	 */
	char line[SINK_LINE_SIZE];
	size_t len;
	size_t done;
	off_t start; /* of the line in the file */
};

/*
 * Opens a regular file only: a line in a FIFO or a device may be read by nobody. Refuses a file
 * that others than root and our user could write to, or put in our file's place. O_NONBLOCK and
 * O_NOCTTY keep the open of a FIFO from waiting, and a terminal from becoming ours.
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
 * Takes the lock that keeps other logs from the file: receipts and taking back rely on that, see
 * file_is_out(). The lock is for writing, which takes a descriptor for writing. Who can only read
 * the file can only take a read lock, which does not count here.
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
		/* A regular file takes a part of a write only if the disk is full. */
		if (ftruncate(file->fd, file->start) == 0)
			file->done = 0;
		return -ENOSPC;
	}
	file->done = 0;
	return 0;
}

/*
 * Whether tail begins a line and lacks its end. A receipt alone never makes file_take_back()
 * remove bytes: a whole line stays, whatever the receipt says.
 */
static bool file_is_torn(const char *tail, size_t len, bool at_begin)
{
	if (at_begin)
		return len && !memchr(tail, '\n', len);
	return len > 1 && tail[0] == '\n' && !memchr(tail + 1, '\n', len - 1);
}

/* Opens the file again to read, as our descriptor can only write. */
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

/* Removes the beginning of a line behind the last whole line. */
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
	/* An append-only file keeps the bytes, which become a line of their own. */
	if (len && tail[len - 1] != '\n' && write(file->fd, "\n", 1) < 0)
		return -errno;
	return 0;
}

/*
 * Nobody else writes to the file, so a file that has grown has grown by the line. A file that was
 * rotated away meanwhile is not asked: the line may then be in both files.
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
	/* Our own lock on the file would be in the way. */
	if (file_same(file->fd, fd))
		return 0;
	r = file_lock(fd);
	if (r)
		return r;
	/* The rest of a line belongs behind its beginning, so a new file gets the whole line. */
	file->done = 0;
	close(file->fd);
	file->fd = TAKE_FD(fd);
	return 0;
}

/* The name that the file has now. */
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
