/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hooks in user space, from the table in smtpward/hooks.h: an entry each, by enum
 * smtpward_hook. Pure.
 */
#ifndef SMTPWARD_HOOK_H
#define SMTPWARD_HOOK_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/bpf.h>

#include <smtpward/hooks.h>
#include <smtpward/packets.h>

struct hook_info {
	const char *name;	 /* "connect4" */
	const char *link_pin;	 /* "link_connect4", in the pin directory */
	const char *program_pin; /* "prog_connect4", in a generation's directory */
	const char *program;	 /* "smtpward_conn4", in the BPF object */
	const char *before_map;	 /* "map_before4", in the BPF object */
	const char *lacking;	 /* status's words if the hook is not in force */
	enum bpf_attach_type attach_type;
	uint32_t part; /* SMTPWARD_PART_* of the second layer; 0: every policy has the hook */
};

extern const struct hook_info hook_infos[SMTPWARD_HOOKS];

/* Whether a generation with programs of these parts of the second layer has the hook. */
bool hook_is_of(int hook, uint32_t parts);

/* The hook whose link has a pin with this name; -1 if none has. */
int hook_find_link(const char *name);

/*
 * Whether a pin with this name would be a hook's link, of a hook that this version does not have.
 */
bool hook_is_unknown_link(const char *name);

/* Sets each descriptor to -1, none: 0 is a descriptor, of stdin. */
void hook_fds_clear(int ret_fds[static SMTPWARD_HOOKS]);

/*
 * Reads from a text of iter_hooks which hooks are in force. A hook that the text does not name is
 * not in force: another version made it. False if the text is not one of iter_hooks.
 */
bool hook_parse_runs(const char *text, bool ret_runs[static SMTPWARD_HOOKS]);

#endif /* SMTPWARD_HOOK_H */
