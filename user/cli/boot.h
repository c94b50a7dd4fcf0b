/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loading as the service does: what is in force and whole is left alone; what cannot be
 * read at boot is replaced by the policy that was kept; and what came of that is tried
 * again.
 */
#ifndef SMTPWARD_BOOT_H
#define SMTPWARD_BOOT_H

#include "cli/command.h"
#include "load/load.h"

struct boot_request {
	const char *config; /* the policy's file */
	const char *cgroup; /* as for say_load_policy() */
	const char *pins;
	const char *reader;
};

/*
 * COMMAND_DONE where a policy is in force afterwards: the file's, the one that was there,
 * or the one that was kept. *ret_report as say_load_policy() has it.
 */
enum command_result boot_load(const struct boot_request *request, struct load_report *ret_report);

/*
 * Does nothing, COMMAND_NO, where the file's policy is in force. Else it tries as
 * boot_load() does, after 10 seconds and then rarer, up to 5 minutes, until it is:
 * COMMAND_DONE; or until somebody unloads: COMMAND_NO.
 */
enum command_result boot_retry(const struct boot_request *request, struct load_report *ret_report);

#endif /* SMTPWARD_BOOT_H */
