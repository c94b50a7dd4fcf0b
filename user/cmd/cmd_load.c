// SPDX-License-Identifier: GPL-2.0-only
/* smtpward load: put a policy in force. */
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "cli/boot.h"
#include "cli/given_policy.h"
#include "cli/kept.h"
#include "cli/msg.h"
#include "cli/say_load.h"
#include "cli/say_log.h"
#include "cmd/commands.h"
#include "sink/sink.h"

struct load_config {
	const char *config;
	const char *cgroup;
	const char *pins;
	const char *reader;
	bool boot;
	bool retry;
};

static const struct option_spec options[] = {
	OPTION_CONFIG(struct load_config, config),
	OPTION_CGROUP(struct load_config, cgroup),
	OPTION_PINS(struct load_config, pins),
	{ 0, "reader", "USER", "who may run 'smtpward log' beside root", OPTION_STRING,
	  offsetof(struct load_config, reader) },
	{ 0, "boot", NULL, "as smtpward.service does: leave what is in force, fall back",
	  OPTION_FLAG, offsetof(struct load_config, boot) },
	{ 0, "retry", NULL, "as smtpward-retry.service does: --boot until it is mended",
	  OPTION_FLAG, offsetof(struct load_config, retry) },
};

/* Nobody may be there to read them: a log of this version starts after the load. */
static void load_write_left(const char *pins)
{
	const char *to = sink_default();
	_cleanup_(sink_freep) struct sink *sink = NULL;
	int r;

	r = sink_open(to, &sink);
	if (r < 0) {
		msg_warning("cannot open a place for what was recorded before: %s", strerror(-r));
		return;
	}
	say_log_drain_left(pins, sink, to);
}

static enum command_result load_given(const struct load_config *config,
				      struct load_report *ret_report)
{
	_cleanup_(given_policy_clear) struct given_policy given = { 0 };
	_cleanup_(kept_close) struct kept kept = KEPT_CLOSED;
	enum command_result result =
		given_policy_read(config->config ?: COMMAND_CONFIG_PATH, &given);

	if (result != COMMAND_DONE)
		return result;
	kept_open(config->pins, false, &kept);
	result = say_load_policy(
		&(const struct say_load_request){
			.given = &given,
			.cgroup = config->cgroup,
			.pins = config->pins,
			.reader = config->reader,
		},
		ret_report);
	if (result == COMMAND_DONE)
		kept_keep(&kept, &given);
	return result;
}

static enum command_result load_run(void *userdata, int argc, char **argv)
{
	const struct load_config *config = userdata;
	const struct boot_request request = {
		.config = config->config ?: COMMAND_CONFIG_PATH,
		.cgroup = config->cgroup,
		.pins = config->pins,
		.reader = config->reader,
	};
	struct load_report report = { 0 };
	enum command_result result;

	if (config->retry)
		result = boot_retry(&request, &report);
	else if (config->boot)
		result = boot_load(&request, &report);
	else
		result = load_given(config, &report);
	if (report.left)
		load_write_left(config->pins);
	return result;
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
	.run = load_run,
};
