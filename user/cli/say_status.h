/* SPDX-License-Identifier: GPL-2.0-only */
/* Prints how the policy in force stands, as text or as JSON, on stdout. */
#ifndef SMTPWARD_SAY_STATUS_H
#define SMTPWARD_SAY_STATUS_H

#include "base/reason.h"
#include "cli/command.h"
#include "pins/state.h"
#include "pins/uplink.h"
#include "policy/policy_hash.h"

void say_status(const struct state *state);

/* COMMAND_DONE, or COMMAND_FAILED after a message. */
enum command_result say_status_json(const struct state *state);

/* The same where nothing is loaded, or nothing whole; why is the reason. */
void say_status_of_nothing(const char *why);
enum command_result say_status_json_of_nothing(const char *why);

/* The hash of the policy that decides, or nothing if an older version loaded it. */
void say_status_hash(const struct state *state, char dst[static POLICY_HASH_TEXT_SIZE]);

/* Why nothing is loaded at pins, if gates are left on these devices: for the functions above. */
void say_status_left(const char *pins, const struct uplink_names *left, struct reason *ret_text);

#endif /* SMTPWARD_SAY_STATUS_H */
