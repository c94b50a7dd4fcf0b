/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tells which container a cgroup is, by the cgroup's path, and what an engine says of the
 * container. Pure. Engines' names of cgroups are believed only where none but root makes cgroups.
 */
#ifndef SMTPWARD_CONTAINER_H
#define SMTPWARD_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>

enum container_engine {
	CONTAINER_NONE,
	CONTAINER_DOCKER,
	CONTAINER_PODMAN,
	CONTAINER_KUBELET,
	CONTAINER_LXC,
};

extern const char *const container_engine_names[];

#define CONTAINER_ID_LEN 64

/* An id and the name, as far as they are known: empty otherwise. */
struct container {
	enum container_engine engine;
	char id[CONTAINER_ID_LEN + 1]; /* of LXC: none */
	char name[256];
	char image[256];
};

/* False: the cgroup is no container of root's. path begins with "/". */
bool container_from_cgroup(const char *path, struct container *ret);

/*
 * Parses an engine's text: 0, -EBADMSG if the text is not what that engine writes, -ENOENT if the
 * engine does not know the container. Docker's text is of one container, podman's of all.
 */
int container_from_docker(const char *text, size_t size, struct container *container);
int container_from_podman(const char *text, size_t size, struct container *container);

/* By the name of a file in /var/log/containers: POD_NAMESPACE_CONTAINER-ID.log. False: another's.
 */
bool container_from_log_name(const char *name, struct container *container);

#endif /* SMTPWARD_CONTAINER_H */
