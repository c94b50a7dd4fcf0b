/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The cgroup hooks, a row each, in the order in which a load attaches them:
 *
 *   name      in pins, status, messages and the text of iter_hooks
 *   type      CGROUP_<type> of the kernel's enum cgroup_bpf_attach_type, BPF_CGROUP_<type>
 *             of enum bpf_attach_type
 *   program   the hook's program is smtpward_<program>, in smtpward.bpf.c
 *   before    the hook's program array is map_<before>, with the program that decided before
 *   part      SMTPWARD_PART_<part> of smtpward/packets.h: the policies that have the hook
 *
 * A new hook takes a row here, a program, and in flow.h a reading of its context.
 */
#ifndef SMTPWARD_HOOKS_H
#define SMTPWARD_HOOKS_H

#define SMTPWARD_HOOK_TABLE(ROW)                             \
	ROW(connect4, INET4_CONNECT, conn4, before4, ALWAYS) \
	ROW(connect6, INET6_CONNECT, conn6, before6, ALWAYS) \
	ROW(egress, INET_EGRESS, egress, before_egr, PASS)   \
	ROW(setsockopt, SETSOCKOPT, setsockopt, before_sso, RAW)

#define SMTPWARD_HOOK_NUMBER(name, type, program, before, part) SMTPWARD_HOOK_##type,

enum smtpward_hook {
	SMTPWARD_HOOK_TABLE(SMTPWARD_HOOK_NUMBER) SMTPWARD_HOOKS, /* how many */
};

#undef SMTPWARD_HOOK_NUMBER

#endif /* SMTPWARD_HOOKS_H */
