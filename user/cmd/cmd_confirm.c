// SPDX-License-Identifier: GPL-2.0-only
/* smtpward confirm: keep the policy that is on trial. */
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "cli/kept.h"
#include "cli/msg.h"
#include "cmd/commands.h"
#include "load/load.h"
#include "pins/pins.h"
#include "policy/policy_hash.h"

/* Fewer digits could be those of another policy. */
#define DIGITS_MIN 8

struct confirm_config {
	const char *pins;
};

static const struct option_spec options[] = {
	OPTION_PINS(struct confirm_config, pins),
};

static bool confirm_is_hash(const char *text)
{
	const size_t len = strlen(text);

	return len >= DIGITS_MIN && len < POLICY_HASH_TEXT_SIZE &&
	       strspn(text, "0123456789abcdefABCDEF") == len;
}

static enum command_result confirm_say(const struct load_keep *keep, const char *pins)
{
	char hash[POLICY_HASH_TEXT_SIZE] = "which has no hash";

	if (keep->hashed)
		policy_hash_text(keep->hash, hash);
	switch (keep->kept) {
	case LOAD_KEPT:
		msg_info("kept: %s (%.12s) is in force until 'smtpward unload'", keep->config,
			 hash);
		return COMMAND_DONE;
	case LOAD_KEPT_ALREADY:
		msg_info("%s (%.12s) is kept already", keep->config, hash);
		return COMMAND_DONE;
	case LOAD_KEPT_OTHER:
		msg_error("another policy is on trial at %s: %s, %s; nothing is kept", pins,
			  keep->config, hash);
		return COMMAND_NO;
	case LOAD_KEPT_TOO_LATE:
		msg_error("too late: the trial of %s (%.12s) is over, and what was in force before "
			  "it is again; 'smtpward load' loads it anew",
			  keep->config, hash);
		return COMMAND_NO;
	case LOAD_KEPT_NOTHING:
		break;
	}
	msg_error("nothing is on trial at %s; 'smtpward load --try' tries a policy", pins);
	return COMMAND_NO;
}

static enum command_result confirm_run(void *userdata, int argc, char **argv)
{
	const struct confirm_config *config = userdata;
	const char *pins = config->pins ?: PINS_DEFAULT_PATH;
	_cleanup_(kept_close) struct kept kept = KEPT_CLOSED;
	struct load_keep keep;
	struct reason reason;
	int r;

	if (argc && !confirm_is_hash(argv[0])) {
		msg_error("'%s' is no hash: give what 'smtpward status' shows, or its first %d "
			  "digits or more",
			  argv[0], DIGITS_MIN);
		return COMMAND_BAD_INPUT;
	}
	r = load_keep(pins, argc ? argv[0] : NULL, &keep, &reason);
	if (r) {
		msg_error("cannot confirm: %s", reason.text);
		return COMMAND_FAILED;
	}
	if (keep.kept == LOAD_KEPT || keep.kept == LOAD_KEPT_ALREADY) {
		kept_open(config->pins, false, &kept);
		kept_confirm(&kept, keep.generation);
	}
	if (*keep.unkept.text)
		msg_warning("there is no second set of pins: %s; whoever removes the pin "
			    "directory lifts the policy",
			    keep.unkept.text);
	return confirm_say(&keep, pins);
}

const struct command cmd_confirm = {
	.name = "confirm",
	.arguments = "[HASH]",
	.summary = "keep the policy that 'load --try' put on trial",
	.description =
		"Keeps the policy that is on trial, in one step and for good. With HASH, as "
		"'smtpward\nstatus' shows it, or its first digits, no other one. Exit status 3 "
		"where it is too\nlate, another policy is on trial, or none.",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.config_size = sizeof(struct confirm_config),
	.max_arguments = 1,
	.run = confirm_run,
};
