// SPDX-License-Identifier: GPL-2.0-only
/* Names of files that stay true if the working directory changes; see absolute.h. */
#include "host/absolute.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

int absolute_path(const char *path, char **ret_path)
{
	_cleanup_free_ char *copy = strdup(path), *folder = NULL;
	char *name, *absolute;

	if (!copy)
		return -ENOMEM;
	for (size_t len = strlen(copy); len > 1 && copy[len - 1] == '/'; len--)
		copy[len - 1] = '\0';
	name = strrchr(copy, '/');
	if (name)
		*name++ = '\0';
	else
		name = copy;
	folder = realpath(name == copy ? "." : *copy ? copy : "/", NULL);
	if (!folder)
		return -errno;
	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return -EINVAL;
	if (strlen(folder) + strlen(name) + 2 > PATH_MAX)
		return -ENAMETOOLONG;
	if (asprintf(&absolute, "%s/%s", strcmp(folder, "/") ? folder : "", name) < 0)
		return -ENOMEM;
	*ret_path = absolute;
	return 0;
}
