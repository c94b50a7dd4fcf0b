// SPDX-License-Identifier: GPL-2.0-only
/* Reads strace's output; see fixture_calls.h. */
#include "fixture_calls.h"

#include <stdio.h>
#include <string.h>

#include "fixture.h"

static const char *const looks[] = {
	"read",
	"close",
	"openat",
	"newfstatat",
	"readlink",
	"mmap",
	"bpf(BPF_OBJ_GET",
	"bpf(BPF_OBJ_GET_INFO_BY_FD",
	"bpf(BPF_PROG_GET_FD_BY_ID",
	"bpf(BPF_PROG_GET_NEXT_ID",
	"bpf(BPF_MAP_GET_FD_BY_ID",
	"bpf(BPF_MAP_LOOKUP_ELEM",
	"bpf(BPF_LINK_GET_FD_BY_ID",
	"bpf(BPF_LINK_GET_NEXT_ID",
	"bpf(BPF_PROG_BIND_MAP",
};

/* The most calls of each of these names that count. */
#define LOOKS_MAX 16

static size_t count(struct calls_count *counts, size_t *n, const char *name)
{
	size_t i = 0;

	while (i < *n && strcmp(counts[i].name, name))
		i++;
	assert_true(i < CALLS_NAMES);
	if (i == *n)
		snprintf(counts[(*n)++].name, sizeof(counts->name), "%s", name);
	counts[i].n++;
	return i;
}

/* A line is "NAME(ARGUMENTS", and with several processes "PID NAME(ARGUMENTS". */
static void add(struct calls *calls, char *line)
{
	char *name = line + strspn(line, "0123456789 ");
	const size_t len = strcspn(name, "("), command = strcspn(name, ",)");
	struct call *call = &calls->calls[calls->n];

	if (name[len] != '(' || len >= sizeof(calls->names->name) || strcspn(name, " ") < len)
		return;
	assert_true(calls->n < CALLS_MAX);
	calls->n++;
	name[strncmp(name, "bpf(", 4) ? len : command] = '\0';
	call->kind = count(calls->kinds, &calls->n_kinds, name);
	name[len] = '\0';
	call->name = count(calls->names, &calls->n_names, name);
	call->nth = calls->names[call->name].n;
	call->nth_of_kind = calls->kinds[call->kind].n;
}

void calls_read(const char *path, struct calls *ret)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	char line[4096];

	assert_non_null(file);
	memset(ret, 0, sizeof(*ret));
	while (fgets(line, sizeof(line), file) && !strstr(line, "nanosleep("))
		add(ret, line);
}

static bool only_looks(const char *kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(looks); i++)
		if (!strcmp(kind, looks[i]))
			return true;
	return false;
}

bool calls_counts(const struct calls *calls, const struct call *call)
{
	const struct calls_count *kind = &calls->kinds[call->kind];
	const unsigned int before = (call->nth_of_kind - 1) * LOOKS_MAX / kind->n;

	if (!strcmp(kind->name, "exit_group"))
		return false;
	return !only_looks(kind->name) || call->nth_of_kind * LOOKS_MAX / kind->n > before;
}
