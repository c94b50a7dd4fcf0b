// SPDX-License-Identifier: GPL-2.0-only
/* smtpward status: whether a policy is in force, since when, which, and its counters. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "cli/msg.h"
#include "cli/say_metrics.h"
#include "cli/say_status.h"
#include "cmd/commands.h"
#include "pins/reader_view.h"
#include "pins/state.h"
#include "pins/uplink_left.h"

struct status_config {
	const char *pins;
	const char *expect;
	bool json, metrics;
};

static const struct option_spec options[] = {
	OPTION_PINS(struct status_config, pins),
	OPTION_JSON(struct status_config, json),
	{ 0, "metrics", NULL, "print figures for Prometheus, text format 0.0.4", OPTION_FLAG,
	  offsetof(struct status_config, metrics) },
	{ 0, "expect", "audit|enforce", "what is to be so: exit status 3 where it is not",
	  OPTION_STRING, offsetof(struct status_config, expect) },
};

/* With -q the caller wants the exit status only. */
static bool status_is_quiet(void)
{
	return msg_get_level() < MSG_INFO;
}

/* Answers no, as nothing is loaded, or nothing whole; why is the reason. */
static enum command_result status_answer_no(const struct status_config *config, const char *why)
{
	enum command_result result = COMMAND_DONE;

	if (status_is_quiet())
		return COMMAND_NO;
	if (config->json)
		result = say_status_json_of_nothing(why);
	else if (config->metrics)
		say_metrics_of_nothing();
	else
		say_status_of_nothing(why);
	return result == COMMAND_DONE ? COMMAND_NO : result;
}

/* Answers no, and names the gates that are left of a policy without pins. */
static enum command_result status_answer_nothing(const struct status_config *config)
{
	struct uplink_names left;
	struct reason reason;

	if (uplink_left(reader_view_choose(config->pins), &left, &reason)) {
		msg_error("cannot tell: %s", reason.text);
		return COMMAND_FAILED;
	}
	if (!left.n)
		return status_answer_no(config, "nothing is loaded");
	say_status_left(config->pins, &left, &reason);
	return status_answer_no(config, reason.text);
}

/* Whether the loaded policy is in force as --expect says. */
static enum command_result status_judge(const struct status_config *config,
					const struct state *state)
{
	const bool audit = config->expect && !strcmp(config->expect, "audit");
	const bool is = audit ? state_is_whole(state) && state->policy.mode == SMTPWARD_AUDIT
			      : state->enforcing;

	if (!is)
		return COMMAND_NO;
	return state->troubles ? COMMAND_DEGRADED : COMMAND_DONE;
}

static enum command_result status_check(const struct status_config *config)
{
	if (config->expect && strcmp(config->expect, "audit") != 0 &&
	    strcmp(config->expect, "enforce") != 0) {
		msg_error("--expect takes audit or enforce, and not '%s'", config->expect);
		return COMMAND_BAD_INPUT;
	}
	if (config->json && config->metrics) {
		msg_error("--json and --metrics are two formats: choose one");
		return COMMAND_BAD_INPUT;
	}
	return COMMAND_DONE;
}

static int status_read(const struct status_config *config, struct state *ret_state,
		       struct figures *ret_figures, struct reason *reason)
{
	const char *pins = reader_view_choose(config->pins);

	if (config->metrics)
		return state_read_figures(pins, ret_state, ret_figures, reason);
	return state_read(pins, false, ret_state, reason);
}

static enum command_result status_print(const struct status_config *config,
					const struct state *state, const struct figures *figures)
{
	char hash[POLICY_HASH_TEXT_SIZE];

	if (config->json)
		return say_status_json(state);
	if (config->metrics) {
		say_status_hash(state, hash);
		say_metrics(state, figures, hash);
	} else {
		say_status(state);
	}
	return COMMAND_DONE;
}

static enum command_result status_run(void *userdata, int argc, char **argv)
{
	const struct status_config *config = userdata;
	_cleanup_(figures_clear) struct figures figures = { 0 };
	_cleanup_(state_clear) struct state state = { 0 };
	enum command_result result = status_check(config);
	struct reason reason;
	int r;

	if (result != COMMAND_DONE)
		return result;
	r = status_read(config, &state, &figures, &reason);
	if (r == -ENOENT)
		return status_answer_nothing(config);
	if (r == -ENODATA)
		return status_answer_no(config, reason.text);
	if (r) {
		msg_error("cannot tell: %s", reason.text);
		return COMMAND_FAILED;
	}
	if (status_is_quiet())
		return status_judge(config, &state);
	result = status_print(config, &state, &figures);
	if (result != COMMAND_DONE)
		return result;
	return status_judge(config, &state);
}

const struct command cmd_status = {
	.name = "status",
	.summary = "is it enforcing, since when, what, with what counts",
	.description =
		"Tells what is in force now, from what the kernel has. Exit status 0 where the "
		"policy\nis enforced on every hook, or is what --expect names, 4 where it is and "
		"something is\namiss, 3 where it is not.",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.config_size = sizeof(struct status_config),
	.run = status_run,
};
