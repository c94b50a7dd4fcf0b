/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loads as the service does: leaves a policy alone that is in force and whole; loads the kept
 * policy if the file cannot be read at boot; and tries again later.
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
 * COMMAND_DONE if a policy is in force afterwards: the file's, the one that was in force before,
 * or the kept one. *ret_report as of say_load_policy().
 */
enum command_result boot_load(const struct boot_request *request, struct load_report *ret_report);

/*
 * Returns COMMAND_NO at once if the file's policy is in force. Else tries as boot_load() does,
 * first after 10 seconds, then after longer pauses of up to 5 minutes, until the file's policy is
 * in force: COMMAND_DONE; or until somebody unloads: COMMAND_NO.
 */
enum command_result boot_retry(const struct boot_request *request, struct load_report *ret_report);

/*
 * Puts back what somebody removed of the policy in force, and the gates on uplinks that are new;
 * reads no file. COMMAND_NO if nothing is loaded, COMMAND_FAILED if what is in force is not whole
 * afterwards.
 */
enum command_result boot_heal(const char *pins);

#endif /* SMTPWARD_BOOT_H */
