// SPDX-License-Identifier: GPL-2.0-only
/* smtpward load: put a policy in force. */
#include "cleanup.h"
#include "command.h"
#include "enforcement.h"
#include "given_policy.h"

struct load_config {
	const char *config;
	const char *cgroup;
	const char *pins;
};

static const struct option_spec options[] = {
	OPTION_CONFIG(struct load_config, config),
	OPTION_CGROUP(struct load_config, cgroup),
	OPTION_PINS(struct load_config, pins),
};

static enum command_result run(void *userdata, int argc, char **argv)
{
	const struct load_config *config = userdata;
	_cleanup_(given_policy_clear) struct given_policy given = { 0 };
	enum command_result result =
		given_policy_read(config->config ?: COMMAND_CONFIG_PATH, &given);

	if (result != COMMAND_DONE)
		return result;
	return enforcement_load(&given, config->cgroup, config->pins);
}

const struct command cmd_load = {
	.name = "load",
	.summary = "put a policy in force: first load, reload and upgrade",
	.description =
		"Reads the policy, checks all of it, puts it in the kernel and pins it there. "
		"Over a\nloaded policy it swaps in one step; where anything fails, the old "
		"policy stays.",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.config_size = sizeof(struct load_config),
	.run = run,
};
