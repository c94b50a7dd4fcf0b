// SPDX-License-Identifier: GPL-2.0-only
/* The stores of container engines; see containers.h. */
#include "ask/containers.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "host/trusted.h"

/* Larger than any store: podman's has some thousand bytes a container. */
#define CONTAINERS_FILE_MAX (64 << 20)

static int containers_open(const char *path, int flags, int *ret_fd, struct stat *ret_st,
			   struct reason *reason)
{
	_cleanup_close_ int fd = -1;
	struct reason why = { "" };
	int r = trusted_open(path, flags | O_NONBLOCK, &fd, &why);

	if (!r && fstat(fd, ret_st))
		r = -errno;
	if (r == -EPERM && *why.text)
		return reason_set(reason, r, "%s: %s", path, why.text);
	if (r)
		return reason_errno(reason, r, "cannot read %s", path);
	if (ret_st->st_uid)
		return reason_set(reason, -EPERM, "%s belongs to the user %u, and not to root",
				  path, ret_st->st_uid);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int containers_read(const char *path, char **ret_text, size_t *ret_size,
			   struct reason *reason)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int fd = -1;
	size_t size = 0;
	struct stat st;
	int r = containers_open(path, O_RDONLY, &fd, &st, reason);

	if (r)
		return r;
	if (!S_ISREG(st.st_mode) || st.st_size > CONTAINERS_FILE_MAX)
		return reason_set(reason, -EINVAL, "%s is no file of an engine's", path);
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return reason_errno(reason, -ENOMEM, "cannot read %s", path);
	while (size < (size_t)st.st_size) {
		ssize_t len = read(fd, text + size, (size_t)st.st_size - size);

		if (len < 0)
			return reason_errno(reason, -errno, "cannot read %s", path);
		if (!len)
			break;
		size += (size_t)len;
	}
	*ret_text = TAKE_PTR(text);
	*ret_size = size;
	return 0;
}

typedef int (*containers_parse)(const char *text, size_t size, struct container *container);

static int containers_look_into(const char *path, containers_parse parse,
				struct container *container, struct reason *reason)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	int r = containers_read(path, &text, &size, reason);

	if (r)
		return r;
	r = parse(text, size, container);
	if (r == -ENOENT)
		return reason_set(reason, r, "%s does not know the container %.12s", path,
				  container->id);
	if (r)
		return reason_set(reason, r, "%s is not the JSON that the engine writes, or is cut",
				  path);
	return 0;
}

static int containers_look_up_docker(const char *root, struct container *container,
				     struct reason *reason)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/var/lib/docker/containers/%s/config.v2.json", root,
		 container->id);
	return containers_look_into(path, container_from_docker, container, reason);
}

/* Podman lists the containers of 'podman run --rm' in a file of their own. */
static int containers_look_up_podman(const char *root, struct container *container,
				     struct reason *reason)
{
	static const char *const names[] = { "volatile-containers.json", "containers.json" };
	char path[PATH_MAX];
	int r = -ENOENT;

	for (size_t i = 0; r && i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/var/lib/containers/storage/overlay-containers/%s",
			 root, names[i]);
		r = containers_look_into(path, container_from_podman, container, reason);
	}
	return r;
}

static int containers_look_up_kubelet(const char *root, struct container *container,
				      struct reason *reason)
{
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_close_ int fd = -1;
	const struct dirent *entry;
	char path[PATH_MAX];
	struct stat st;
	int r;

	snprintf(path, sizeof(path), "%s/var/log/containers", root);
	r = containers_open(path, O_RDONLY | O_DIRECTORY, &fd, &st, reason);
	if (r)
		return r;
	dir = fdopendir(fd);
	if (!dir)
		return reason_errno(reason, -errno, "cannot read %s", path);
	TAKE_FD(fd);
	while ((entry = readdir(dir)))
		if (container_from_log_name(entry->d_name, container))
			return 0;
	return reason_set(reason, -ENOENT, "%s does not know the container %.12s", path,
			  container->id);
}

int containers_look_up(const char *root, struct container *container, struct reason *reason)
{
	switch (container->engine) {
	case CONTAINER_DOCKER:
		return containers_look_up_docker(root, container, reason);
	case CONTAINER_PODMAN:
		return containers_look_up_podman(root, container, reason);
	case CONTAINER_KUBELET:
		return containers_look_up_kubelet(root, container, reason);
	case CONTAINER_LXC:
		return 0;
	default:
		return reason_set(reason, -EINVAL, "it is no container");
	}
}
