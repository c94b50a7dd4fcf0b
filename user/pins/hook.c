// SPDX-License-Identifier: GPL-2.0-only
/* The table of hooks; see hook.h. */
#include "pins/hook.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include <smtpward/abi.h>

#include "base/macro.h"
#include "pins/uplink.h"

#define HOOK_INFO(_name, type, _program, before, _part)                      \
	[SMTPWARD_HOOK_##type] = {                                           \
		.name = #_name,                                              \
		.link_pin = "link_" #_name,                                  \
		.program_pin = "prog_" #_name,                               \
		.program = "smtpward_" #_program,                            \
		.before_map = "map_" #before,                                \
		.lacking = "not enforcing: the hook " #_name                 \
			   " is not in force; 'smtpward load' puts it back", \
		.attach_type = BPF_CGROUP_##type,                            \
		.part = SMTPWARD_PART_##_part,                               \
	},

const struct hook_info hook_infos[SMTPWARD_HOOKS] = { SMTPWARD_HOOK_TABLE(HOOK_INFO) };

_Static_assert(ARRAY_SIZE(((struct smtpward_hooks *)NULL)->program_ids) == SMTPWARD_HOOKS,
	       "a program id for each hook");

bool hook_is_of(int hook, uint32_t parts)
{
	assert(hook >= 0 && hook < SMTPWARD_HOOKS);
	return !hook_infos[hook].part || hook_infos[hook].part & parts;
}

int hook_find_link(const char *name)
{
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++)
		if (!strcmp(name, hook_infos[hook].link_pin))
			return hook;
	return -1;
}

bool hook_is_unknown_link(const char *name)
{
	return hook_find_link(name) < 0 && !uplink_of_pin(name) &&
	       !strncmp(name, "link_", strlen("link_"));
}

void hook_fds_clear(int ret_fds[static SMTPWARD_HOOKS])
{
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++)
		ret_fds[hook] = -1;
}

/* The value of the word NAME=0 or NAME=1 in the text; -1 if it has neither. */
static int hook_find_run(const char *text, const char *name)
{
	const size_t len = strlen(name);

	for (const char *word = text; *word; word += strspn(word, " \n")) {
		if (!strncmp(word, name, len) && word[len] == '=' &&
		    (word[len + 1] == '0' || word[len + 1] == '1'))
			return word[len + 1] - '0';
		word += strcspn(word, " \n");
	}
	return -1;
}

bool hook_parse_runs(const char *text, bool ret_runs[static SMTPWARD_HOOKS])
{
	bool runs[SMTPWARD_HOOKS];
	bool any = false;

	assert(text);
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++) {
		int run = hook_find_run(text, hook_infos[hook].name);

		runs[hook] = run == 1;
		if (run >= 0)
			any = true;
	}
	if (any)
		memcpy(ret_runs, runs, sizeof(runs));
	return any;
}
