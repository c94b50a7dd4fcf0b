/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hooks as user space knows them, from the table in smtpward/hooks.h: an entry each,
 * by enum smtpward_hook. Pure.
 */
#ifndef SMTPWARD_HOOK_H
#define SMTPWARD_HOOK_H

#include <stdbool.h>

#include <linux/bpf.h>

#include <smtpward/hooks.h>

struct hook_info {
	const char *name;	 /* "connect4" */
	const char *link_pin;	 /* "link_connect4", in the pin directory */
	const char *program_pin; /* "prog_connect4", in that of a generation */
	const char *program;	 /* "smtpward_conn4", in the BPF object */
	const char *before_map;	 /* "map_before4", in the BPF object */
	const char *lacking;	 /* what status says where it is not in force */
	enum bpf_attach_type attach_type;
};

extern const struct hook_info hook_infos[SMTPWARD_HOOKS];

/* Whether a pin of this name would be of a hook's link, and of none that this version has. */
bool hook_is_unknown_link(const char *name);

/* What a descriptor a hook begins with: none. 0 is one, of stdin. */
void hook_fds_clear(int ret_fds[static SMTPWARD_HOOKS]);

/*
 * Which hooks a text of iter_hooks says are in force. One that it does not name is not:
 * another version made it. False if it is no such text.
 */
bool hook_parse_runs(const char *text, bool ret_runs[static SMTPWARD_HOOKS]);

#endif /* SMTPWARD_HOOK_H */
