// SPDX-License-Identifier: GPL-2.0-only
/* smtpward unload: lifts a policy. */
#include "base/cleanup.h"
#include "base/macro.h"
#include "cli/kept.h"
#include "cli/say_load.h"
#include "cmd/commands.h"

struct unload_config {
	const char *pins;
};

static const struct option_spec options[] = {
	OPTION_PINS(struct unload_config, pins),
};

static enum command_result unload_run(void *userdata, int argc, char **argv)
{
	const struct unload_config *config = userdata;
	_cleanup_(kept_close) struct kept kept = KEPT_CLOSED;
	enum command_result result;
	bool lifted = false;

	kept_open(config->pins, false, &kept);
	result = say_load_lift(config->pins, NULL, &lifted);
	if (lifted)
		kept_lift(&kept);
	return result;
}

const struct command cmd_unload = {
	.name = "unload",
	.summary = "lift enforcement: the rollback, and the only one",
	.description =
		"Lifts enforcement on all hooks at once and removes every program, map, link "
		"and pin.",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.config_size = sizeof(struct unload_config),
	.run = unload_run,
};
