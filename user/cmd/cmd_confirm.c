// SPDX-License-Identifier: GPL-2.0-only
/* smtpward confirm: keep the policy that is on trial. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "cli/kept.h"
#include "cli/msg.h"
#include "cmd/commands.h"
#include "load/load.h"
#include "pins/instance.h"
#include "pins/pins.h"
#include "pins/state.h"
#include "policy/policy_hash.h"

/* Fewer digits could be the beginning of another policy's hash. */
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

/* Names the policy that is in force after a trial that was not confirmed in time. */
static void confirm_format_back(const struct load_keep *keep, char *dst, size_t size)
{
	if (keep->fallback)
		snprintf(dst, size, "generation %" PRIu64 " is in force again", keep->fallback);
	else
		snprintf(dst, size, "nothing is in force, as nothing was before it");
}

/* Says why nothing is kept, and what to do. */
static enum command_result confirm_say_no(const struct load_keep *keep, const char *hash,
					  const char *pins)
{
	const struct pins_option option = pins_option(pins);
	char back[64];

	confirm_format_back(keep, back, sizeof(back));
	switch (keep->kept) {
	case LOAD_KEPT_OTHER:
		msg_error("another policy is on trial at %s: %s, %s; nothing is kept", pins,
			  keep->config, hash);
		break;
	case LOAD_KEPT_OTHER_ALREADY:
		msg_error("nothing is on trial at %s: another policy was, and is kept already: "
			  "%s, %s",
			  pins, keep->config, hash);
		break;
	case LOAD_KEPT_OTHER_LATE:
		msg_error("nothing is on trial at %s: another policy was, %s, %s, and its trial is "
			  "over; %s",
			  pins, keep->config, hash, back);
		break;
	case LOAD_KEPT_TOO_LATE:
		msg_error("too late: the trial of %s (%.12s) is over, and %s; 'smtpward load -c "
			  "%s%s' loads it anew",
			  keep->config, hash, back, keep->config, option.text);
		break;
	default:
		msg_error("nothing is on trial at %s; 'smtpward load --try TIME%s' tries a policy",
			  pins, option.text);
	}
	return COMMAND_NO;
}

/* Says that the policy is kept, and in force, or how it is not. */
static enum command_result confirm_say_kept(const struct load_keep *keep, const char *hash,
					    const char *pins)
{
	_cleanup_(state_clear) struct state state = { 0 };
	struct reason reason;

	if (state_read(pins, false, &state, &reason)) {
		msg_error("%s (%.12s) is kept, and whether it is in force cannot be told: %s",
			  keep->config, hash, reason.text);
		return COMMAND_DEGRADED;
	}
	if (!state_is_whole(&state)) {
		msg_error("%s (%.12s) is kept, and is not in force as a whole: %s", keep->config,
			  hash, state_headline(&state));
		return COMMAND_DEGRADED;
	}
	if (keep->kept == LOAD_KEPT_ALREADY)
		msg_info("%s (%.12s) is kept already", keep->config, hash);
	else
		msg_info("kept: %s (%.12s) is in force until 'smtpward unload%s'", keep->config,
			 hash, pins_option(pins).text);
	return COMMAND_DONE;
}

static enum command_result confirm_take(const struct confirm_config *config,
					const struct load_keep *keep, const char *hash,
					const char *pins)
{
	_cleanup_(kept_close) struct kept kept = KEPT_CLOSED;

	kept_open(config->pins, false, &kept);
	kept_confirm(&kept, keep->generation);
	if (*keep->unhooked.text)
		msg_warning("%s", keep->unhooked.text);
	if (*keep->unkept.text)
		msg_warning("there is no second set of pins: %s; whoever removes the pin "
			    "directory lifts the policy",
			    keep->unkept.text);
	return confirm_say_kept(keep, hash, pins);
}

static enum command_result confirm_run(void *userdata, int argc, char **argv)
{
	const struct confirm_config *config = userdata;
	const char *pins = config->pins ?: PINS_DEFAULT_PATH;
	char hash[POLICY_HASH_TEXT_SIZE] = "which has no hash";
	struct load_keep keep;
	struct reason reason;
	int r;

	if (argc && !confirm_is_hash(argv[0])) {
		msg_error("'%s' is no hash: give what 'smtpward status%s' shows, or its first %d "
			  "digits or more",
			  argv[0], pins_option(pins).text, DIGITS_MIN);
		return COMMAND_BAD_INPUT;
	}
	r = load_keep(pins, argc ? argv[0] : NULL, &keep, &reason);
	if (r) {
		msg_error("cannot confirm: %s", reason.text);
		return COMMAND_FAILED;
	}
	if (keep.hashed)
		policy_hash_text(keep.hash, hash);
	if (keep.kept != LOAD_KEPT && keep.kept != LOAD_KEPT_ALREADY)
		return confirm_say_no(&keep, hash, pins);
	return confirm_take(config, &keep, hash, pins);
}

const struct command cmd_confirm = {
	.name = "confirm",
	.arguments = "[HASH]",
	.summary = "keep the policy that 'load --try' put on trial",
	.description =
		"Keeps the policy that is on trial, in one step and for good. With HASH, as "
		"'smtpward\nstatus' shows it, or its first digits, no other one. Exit status 3 "
		"where it is too\nlate, another policy is on trial, or none; 4 where it is kept "
		"and "
		"is not whole.",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.config_size = sizeof(struct confirm_config),
	.max_arguments = 1,
	.run = confirm_run,
};
