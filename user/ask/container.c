// SPDX-License-Identifier: GPL-2.0-only
/* Containers by their cgroups; see container.h. */
#include "ask/container.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include <smtpward/match.h>

#include "base/macro.h"

const char *const container_engine_names[] = {
	[CONTAINER_NONE] = "none",     [CONTAINER_DOCKER] = "docker",
	[CONTAINER_PODMAN] = "podman", [CONTAINER_KUBELET] = "kubelet",
	[CONTAINER_LXC] = "lxc",
};

/* How engines name the cgroup of a container: what stands before the id, and behind it. */
static const struct {
	enum container_engine engine;
	const char *before, *behind;
} container_forms[] = {
	{ CONTAINER_DOCKER, "docker-", ".scope" },
	{ CONTAINER_PODMAN, "libpod-", ".scope" },
	{ CONTAINER_KUBELET, "cri-containerd-", ".scope" },
	{ CONTAINER_KUBELET, "crio-", ".scope" },
};

/* Cgroups that hold nothing but containers, by their id or their name. */
static const struct {
	enum container_engine engine;
	const char *folder, *before;
} container_folders[] = {
	{ CONTAINER_DOCKER, "docker", "" },
	{ CONTAINER_PODMAN, "libpod_parent", "libpod-" },
	{ CONTAINER_LXC, "lxc", "" },
	{ CONTAINER_LXC, "lxc.payload", "" },
};

#define CONTAINER_LXC_BEFORE "lxc.payload."

struct container_name {
	const char *text;
	size_t len;
};

/* The next name of a path; false: there is none. */
static bool container_next_name(const char **path, struct container_name *ret)
{
	while (**path == '/')
		++*path;
	ret->text = *path;
	ret->len = strcspn(*path, "/");
	*path += ret->len;
	return ret->len > 0;
}

static bool container_set_id(const struct container_name *name, const char *before,
			     const char *behind, struct container *container)
{
	const size_t start = strlen(before), end = strlen(behind);

	if (name->len != start + CONTAINER_ID_LEN + end ||
	    strncmp(name->text, before, start) != 0 ||
	    strncmp(name->text + start + CONTAINER_ID_LEN, behind, end) != 0 ||
	    strspn(name->text + start, "0123456789abcdef") < CONTAINER_ID_LEN)
		return false;
	memcpy(container->id, name->text + start, CONTAINER_ID_LEN);
	return true;
}

static bool container_set_name(const struct container_name *name, size_t skip,
			       struct container *container)
{
	if (name->len <= skip || name->len - skip >= sizeof(container->name))
		return false;
	memcpy(container->name, name->text + skip, name->len - skip);
	return true;
}

static bool container_from_name(const struct container_name *name, struct container *container)
{
	const size_t lxc = strlen(CONTAINER_LXC_BEFORE);

	for (size_t i = 0; i < ARRAY_SIZE(container_forms); i++) {
		container->engine = container_forms[i].engine;
		if (container_set_id(name, container_forms[i].before, container_forms[i].behind,
				     container))
			return true;
	}
	container->engine = CONTAINER_LXC;
	return !strncmp(name->text, CONTAINER_LXC_BEFORE, lxc) &&
	       container_set_name(name, lxc, container);
}

static bool container_from_folder(const struct container_name *folder,
				  const struct container_name *name, struct container *container)
{
	for (size_t i = 0; i < ARRAY_SIZE(container_folders); i++) {
		const char *known = container_folders[i].folder;

		if (folder->len != strlen(known) || strncmp(folder->text, known, folder->len) != 0)
			continue;
		container->engine = container_folders[i].engine;
		if (container->engine == CONTAINER_LXC)
			return container_set_name(name, 0, container);
		return container_set_id(name, container_folders[i].before, "", container);
	}
	return false;
}

/*
 * The first name that is no slice, or the one behind it: whoever owns a cgroup can give those
 * further down any name, and so can a user below user.slice.
 */
bool container_from_cgroup(const char *path, struct container *ret)
{
	struct container container = { .engine = CONTAINER_NONE };
	struct container_name name, next;

	if (!strncmp(path, "/user.slice/", strlen("/user.slice/")))
		return false;
	do
		if (!container_next_name(&path, &name))
			return false;
	while (smtpward_is_slice(name.text, name.len));
	if (!container_from_name(&name, &container) &&
	    !(container_next_name(&path, &next) && container_from_folder(&name, &next, &container)))
		return false;
	*ret = container;
	return true;
}

/* A text that is missing or too long leaves the member empty. */
static void container_copy(char *dst, size_t size, const char *text)
{
	if (text && strlen(text) < size)
		snprintf(dst, size, "%s", text);
}

static const char *container_member(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

int container_from_docker(const char *text, size_t size, struct container *container)
{
	json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	const char *name = container_member(root, "Name");
	const char *image = container_member(json_object_get(root, "Config"), "Image");

	if (name) {
		container_copy(container->name, sizeof(container->name), name + (*name == '/'));
		container_copy(container->image, sizeof(container->image), image);
	}
	json_decref(root);
	return name ? 0 : -EBADMSG;
}

/* The metadata of a container is JSON in a text of its own. */
static void container_read_metadata(const char *text, struct container *container)
{
	json_t *root = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;

	container_copy(container->image, sizeof(container->image),
		       container_member(root, "image-name"));
	json_decref(root);
}

int container_from_podman(const char *text, size_t size, struct container *container)
{
	json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL), *item;
	int r = json_is_array(root) ? -ENOENT : -EBADMSG;
	size_t i;

	json_array_foreach(root, i, item)
	{
		const char *id = container_member(item, "id");

		if (!id || strcmp(id, container->id) != 0)
			continue;
		container_copy(
			container->name, sizeof(container->name),
			json_string_value(json_array_get(json_object_get(item, "names"), 0)));
		container_read_metadata(container_member(item, "metadata"), container);
		r = 0;
		break;
	}
	json_decref(root);
	return r;
}

bool container_from_log_name(const char *name, struct container *container)
{
	static const char behind[] = ".log";
	const size_t len = strlen(name), end = CONTAINER_ID_LEN + strlen(behind);

	if (len < end + 2 || len - end - 1 >= sizeof(container->name) ||
	    strcmp(name + len - strlen(behind), behind) != 0 || name[len - end - 1] != '-' ||
	    strncmp(name + len - end, container->id, CONTAINER_ID_LEN) != 0)
		return false;
	snprintf(container->name, sizeof(container->name), "%.*s", (int)(len - end - 1), name);
	return true;
}
