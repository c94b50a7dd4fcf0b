// SPDX-License-Identifier: GPL-2.0-only
/* smtpward run: loads, then logs, in one foreground process. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "cli/given_policy.h"
#include "cli/kept.h"
#include "cli/msg.h"
#include "cli/say_load.h"
#include "cli/say_local.h"
#include "cli/say_log.h"
#include "cli/say_sinks.h"
#include "cmd/commands.h"
#include "pins/instance.h"
#include "sink/sink.h"

struct run_config {
	const char *config;
	const char *cgroup;
	const char *pins;
	bool trial;
	bool audit;
};

static const struct option_spec options[] = {
	OPTION_CONFIG(struct run_config, config),
	OPTION_CGROUP(struct run_config, cgroup),
	OPTION_PINS(struct run_config, pins),
	OPTION_AUDIT(struct run_config, audit),
	{ 0, "trial", NULL, "lift enforcement at the end", OPTION_FLAG,
	  offsetof(struct run_config, trial) },
};

/*
 * The file that was given; else the default file if there is one; else NULL: the built-in policy.
 */
static const char *run_choose_policy(const struct run_config *config)
{
	if (config->config)
		return config->config;
	if (!access(COMMAND_CONFIG_PATH, F_OK) || errno != ENOENT)
		return COMMAND_CONFIG_PATH;
	msg_info("there is no " COMMAND_CONFIG_PATH ": this built-in policy is used");
	return NULL;
}

static enum command_result run_print_policy(const struct given_policy *given)
{
	_cleanup_free_ char *text = NULL;
	int r = policy_print(given->policy, &text);

	if (r) {
		msg_error("cannot print the policy: %s", strerror(-r));
		return COMMAND_FAILED;
	}
	if (msg_get_level() >= MSG_INFO) {
		fputs(text, stdout);
		fflush(stdout);
	}
	return COMMAND_DONE;
}

/* Opens syslog and stderr; stderr alone if there is no syslog, syslog alone without a terminal. */
static enum command_result run_open_sinks(struct say_sinks *ret_sinks)
{
	const char *names[] = { sink_default(), SINK_STDERR };
	const bool no_syslog = strcmp(names[0], SINK_SYSLOG);

	if (no_syslog)
		msg_warning("there is no syslog socket (" SINK_SYSLOG_PATH
			    "): violations go to stderr alone");
	else
		say_log_tell_syslog();
	return say_sinks_open(names, no_syslog || !isatty(STDERR_FILENO) ? 1 : ARRAY_SIZE(names),
			      ret_sinks);
}

static enum command_result run_log_until_ended(const struct run_config *config,
					       const struct load_report *report, bool *ret_unloaded)
{
	_cleanup_(say_sinks_close) struct say_sinks sinks = SAY_SINKS_CLOSED;
	enum command_result result = run_open_sinks(&sinks);

	if (result != COMMAND_DONE)
		return result;
	if (report->left)
		say_log_drain_left(config->pins, &sinks);
	msg_info("to see one, from another terminal: bash -c ': > /dev/tcp/192.0.2.1/25'");
	return say_log_run(
		&(const struct say_log_options){
			.pins = config->pins,
			.hangup = LOGGER_HANGUP_ENDS,
			.lift_at_end = config->trial ? &report->id : NULL,
		},
		&sinks, ret_unloaded);
}

static enum command_result run_log_and_end(const struct run_config *config,
					   const struct load_report *report)
{
	bool unloaded = false;
	enum command_result result = run_log_until_ended(config, report, &unloaded);

	if (unloaded)
		return result;
	if (config->trial) {
		/* The log failed before a signal could end it. */
		say_load_lift(config->pins, &report->id, NULL);
		return result;
	}
	msg_info("the log ends, the policy stays in force: 'smtpward unload%s' lifts it",
		 pins_option(config->pins).text);
	return result;
}

/* Keeps no copy of a policy that is lifted at the end. */
static enum command_result run_load(const struct run_config *config, struct given_policy *given,
				    struct load_report *ret_report)
{
	const struct say_load_request load = {
		.given = given,
		.cgroup = config->cgroup,
		.pins = config->pins,
		.trial = config->trial,
	};
	_cleanup_(kept_close) struct kept kept = KEPT_CLOSED;
	enum command_result result;

	if (config->trial)
		return say_load_policy(&load, ret_report);
	kept_open(config->pins, false, &kept);
	result = say_load_policy(&load, ret_report);
	if (result == COMMAND_DONE)
		kept_keep(&kept, given);
	return result;
}

/* Keeps the local addresses in a child beside the log, which ends with the log. */
static enum command_result run_keep_local(const struct run_config *config,
					  const struct given_policy *given, bool *ret_child)
{
	const struct say_local_options local = {
		.pins = config->pins,
		.user = SAY_LOCAL_NOBODY,
		.group = SAY_LOCAL_NOBODY,
	};

	*ret_child = false;
	return given->ruleset->asks_local ? say_local_start(&local, ret_child) : COMMAND_DONE;
}

static enum command_result run_run(void *userdata, int argc, char **argv)
{
	const struct run_config *config = userdata;
	_cleanup_(given_policy_clear) struct given_policy given = { 0 };
	const char *path = run_choose_policy(config);
	enum command_result result = given_policy_read(path, &given), logged;
	struct load_report report;
	bool child;

	if (result != COMMAND_DONE)
		return result;
	if (config->audit)
		given_policy_audit(&given);
	result = say_load_check_free(config->pins);
	if (result != COMMAND_DONE)
		return result;
	result = path ? COMMAND_DONE : run_print_policy(&given);
	if (result != COMMAND_DONE)
		return result;
	result = say_log_block_signals();
	if (result != COMMAND_DONE)
		return result;
	result = run_load(config, &given, &report);
	if (result != COMMAND_DONE)
		return result;
	result = run_keep_local(config, &given, &child);
	if (child)
		return result;
	/*
	 * If the local addresses are not kept, the policy is in force all the same, and has to be
	 * logged.
	 */
	logged = run_log_and_end(config, &report);
	return result == COMMAND_DONE ? logged : result;
}

const struct command cmd_run = {
	.name = "run",
	.summary = "load a policy, then log, in the foreground",
	.description =
		"Does what 'load' does and then what 'log' does, until it is ended. Without a "
		"policy\nfile it takes a built-in policy: port 25 is refused to everything but "
		"loopback.\nEnding it leaves enforcement on.",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.config_size = sizeof(struct run_config),
	.stays = true,
	.run = run_run,
};
