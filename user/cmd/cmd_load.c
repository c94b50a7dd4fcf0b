// SPDX-License-Identifier: GPL-2.0-only
/* smtpward load: puts a policy in force. */
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/span.h"
#include "cli/boot.h"
#include "cli/given_policy.h"
#include "cli/kept.h"
#include "cli/msg.h"
#include "cli/say_load.h"
#include "cli/say_log.h"
#include "cli/say_sinks.h"
#include "cmd/commands.h"
#include "sink/sink.h"

/* A shorter trial cannot be confirmed in time, and after a longer one it is forgotten. */
#define TRY_SECONDS_MIN 10
#define TRY_SECONDS_MAX (24ULL * 60 * 60)

struct load_config {
	const char *config;
	const char *cgroup;
	const char *pins;
	const char *reader;
	const char *try;
	bool audit;
	bool boot;
	bool retry;
	bool heal;
};

static const struct option_spec options[] = {
	OPTION_CONFIG(struct load_config, config),
	OPTION_CGROUP(struct load_config, cgroup),
	OPTION_PINS(struct load_config, pins),
	{ 0, "reader", "USER", "who may run 'smtpward log' beside root", OPTION_STRING,
	  offsetof(struct load_config, reader) },
	{ 0, "try", "TIME", "go back by itself after 5m, unless 'smtpward confirm' keeps it",
	  OPTION_STRING, offsetof(struct load_config, try) },
	OPTION_AUDIT(struct load_config, audit),
	{ 0, "boot", NULL, "as smtpward.service does: leave what is in force, fall back",
	  OPTION_FLAG, offsetof(struct load_config, boot) },
	{ 0, "retry", NULL, "as smtpward-retry.service does: --boot until it is mended",
	  OPTION_FLAG, offsetof(struct load_config, retry) },
	{ 0, "heal", NULL, "as smtpward-uplink@.service does: put back what is missing",
	  OPTION_FLAG, offsetof(struct load_config, heal) },
};

/*
 * Writes the records that the old policy left: maybe no log runs, as a log of this version starts
 * only after the load.
 */
static void load_write_left(const char *pins)
{
	const char *const to[] = { sink_default() };
	_cleanup_(say_sinks_close) struct say_sinks sinks = SAY_SINKS_CLOSED;

	if (say_sinks_open(to, ARRAY_SIZE(to), &sinks) == COMMAND_DONE)
		say_log_drain_left(pins, &sinks);
}

static enum command_result load_keep_copy(const struct load_config *config, uint64_t try_seconds,
					  struct given_policy *given,
					  struct load_report *ret_report)
{
	_cleanup_(kept_close) struct kept kept = KEPT_CLOSED;
	enum command_result result;

	kept_open(config->pins, false, &kept);
	result = say_load_policy(
		&(const struct say_load_request){
			.given = given,
			.cgroup = config->cgroup,
			.pins = config->pins,
			.reader = config->reader,
			.try_seconds = try_seconds,
		},
		ret_report);
	if (result == COMMAND_DONE && try_seconds)
		kept_put_by(&kept, given);
	else if (result == COMMAND_DONE)
		kept_keep(&kept, given);
	return result;
}

static enum command_result load_given(const struct load_config *config, uint64_t try_seconds,
				      struct load_report *ret_report)
{
	_cleanup_(given_policy_clear) struct given_policy given = { 0 };
	enum command_result result =
		given_policy_read(config->config ?: COMMAND_CONFIG_PATH, &given);

	if (result != COMMAND_DONE)
		return result;
	if (config->audit)
		given_policy_audit(&given);
	return load_keep_copy(config, try_seconds, &given, ret_report);
}

/* --heal reads no file: the policy in force tells all but where its pins are. */
static enum command_result load_check_heal(const struct load_config *config)
{
	const char *other = config->config   ? "config"
			    : config->cgroup ? "cgroup"
			    : config->reader ? "reader"
			    : config->boot   ? "boot"
			    : config->retry  ? "retry"
					     : NULL;

	if (!config->heal || !other)
		return COMMAND_DONE;
	msg_error("--%s has no use with --heal, which takes --pins alone", other);
	return COMMAND_BAD_INPUT;
}

/* *ret_seconds is 0 without --try. */
static enum command_result load_parse_try(const struct load_config *config, uint64_t *ret_seconds)
{
	*ret_seconds = 0;
	if ((config->boot || config->retry || config->heal) && (config->try || config->audit)) {
		msg_error("--%s is for a person: --boot, --heal and --retry go without it",
			  config->try ? "try" : "audit");
		return COMMAND_BAD_INPUT;
	}
	if (!config->try || (!span_parse(config->try, ret_seconds) &&
			     *ret_seconds >= TRY_SECONDS_MIN && *ret_seconds <= TRY_SECONDS_MAX))
		return COMMAND_DONE;
	msg_error("--try takes a time from 10s to 24h, as in 30s, 5m or 1h30m, and not '%s'",
		  config->try);
	return COMMAND_BAD_INPUT;
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
	uint64_t try_seconds;
	enum command_result result = load_parse_try(config, &try_seconds);

	if (result == COMMAND_DONE)
		result = load_check_heal(config);
	if (result != COMMAND_DONE)
		return result;
	if (config->heal)
		result = boot_heal(config->pins);
	else if (config->retry)
		result = boot_retry(&request, &report);
	else if (config->boot)
		result = boot_load(&request, &report);
	else
		result = load_given(config, try_seconds, &report);
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
		"policy stays. With\n--try the kernel goes back to what was in force, or to "
		"nothing, when the time is over,\nalso if nothing of smtpward runs any more.",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.config_size = sizeof(struct load_config),
	.run = load_run,
};
