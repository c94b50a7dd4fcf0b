// SPDX-License-Identifier: GPL-2.0-only
/* smtpward check: is it a policy, and what does it say? */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "cli/given_policy.h"
#include "cli/msg.h"
#include "cmd/commands.h"

struct check_config {
	const char *config;
};

static const struct option_spec options[] = {
	OPTION_CONFIG(struct check_config, config),
};

static enum command_result check_run(void *userdata, int argc, char **argv)
{
	const struct check_config *config = userdata;
	_cleanup_(given_policy_clear) struct given_policy given = { 0 };
	_cleanup_free_ char *text = NULL;
	const char *path = argc ? argv[0] : config->config;
	enum command_result result;
	int r;

	if (argc && config->config) {
		msg_error("name the policy once: '%s' or --config %s", argv[0], config->config);
		return COMMAND_BAD_INPUT;
	}
	result = given_policy_read(path ?: COMMAND_CONFIG_PATH, &given);
	if (result != COMMAND_DONE)
		return result;
	r = policy_print(given.policy, &text);
	if (r) {
		msg_error("cannot print %s: %s", given.name, strerror(-r));
		return COMMAND_FAILED;
	}
	fputs(text, stdout);
	return COMMAND_DONE;
}

const struct command cmd_check = {
	.name = "check",
	.arguments = "[FILE]",
	.summary = "check a policy and print it in canonical form",
	.description =
		"Checks a policy, with all that it includes, and prints it in canonical form. "
		"Says\nevery error and not just the first. Touches no kernel and needs no "
		"root.",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.config_size = sizeof(struct check_config),
	.max_arguments = 1,
	.run = check_run,
};
