// SPDX-License-Identifier: GPL-2.0-only
/* A pin directory's path as a name; see instance.h. */
#include "pins/instance.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Not isalnum(3): no locale may change what a directory is called. */
static bool instance_is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == ':' || c == '_';
}

struct instance_name {
	char text[PINS_PATH_SIZE];
	size_t used;
};

static int instance_add(struct instance_name *name, char byte, bool plain)
{
	char *end = name->text + name->used;
	const size_t size = sizeof(name->text) - name->used;
	const int len = plain ? snprintf(end, size, "%c", byte)
			      : snprintf(end, size, "\\x%02x", (unsigned char)byte);

	if (len < 0 || (size_t)len >= size)
		return -ENAMETOOLONG;
	name->used += (size_t)len;
	return 0;
}

static int instance_add_part(struct instance_name *name, const char *part, size_t len)
{
	int r = name->used ? instance_add(name, '-', true) : 0;

	if (len <= 2 && !strncmp(part, "..", len))
		return -EINVAL;
	for (size_t i = 0; i < len && !r; i++)
		r = instance_add(name, part[i], instance_is_plain(part[i]));
	return r;
}

int pins_instance_name(const char *path, char ret_name[static PINS_PATH_SIZE])
{
	struct instance_name name = { .used = 0 };
	size_t len;

	if (*path != '/')
		return -EINVAL;
	for (const char *at = path; *at; at += len) {
		int r;

		at += strspn(at, "/");
		len = strcspn(at, "/");
		r = len ? instance_add_part(&name, at, len) : 0;
		if (r)
			return r;
	}
	memcpy(ret_name, name.used ? name.text : "-", name.used ? name.used + 1 : sizeof("-"));
	return 0;
}

struct pins_option pins_option(const char *path)
{
	struct pins_option option = { "" };

	if (path && *path && strcmp(path, PINS_DEFAULT_PATH) != 0)
		snprintf(option.text, sizeof(option.text), " --pins %s", path);
	return option;
}
