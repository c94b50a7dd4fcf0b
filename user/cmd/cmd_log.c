// SPDX-License-Identifier: GPL-2.0-only
/* smtpward log: takes violations out of the kernel, and writes them to sinks. */
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "cli/msg.h"
#include "cli/say_log.h"
#include "cli/say_sinks.h"
#include "cmd/commands.h"
#include "log/confine.h"
#include "sink/sink.h"

struct log_config {
	const char *pins;
	struct option_list to;
	bool until_alert;
};

static const struct option_spec options[] = {
	OPTION_PINS(struct log_config, pins),
	{ 0, "to", SINK_SPECS, "where lines go (default: syslog; json: to stdout)", OPTION_LIST,
	  offsetof(struct log_config, to) },
	{ 0, "until-alert", NULL, "end with status 1 at an alert that it cannot heal", OPTION_FLAG,
	  offsetof(struct log_config, until_alert) },
};

static enum command_result log_run(void *userdata, int argc, char **argv)
{
	const struct log_config *config = userdata;
	static const char *const otherwise[] = { SINK_SYSLOG };
	const char *const *to = config->to.n ? config->to.items : otherwise;
	_cleanup_(say_sinks_close) struct say_sinks sinks = SAY_SINKS_CLOSED;
	enum command_result result = say_log_block_signals();
	bool unloaded;
	int r;

	if (result != COMMAND_DONE)
		return result;
	result = say_sinks_open(to, config->to.n ?: ARRAY_SIZE(otherwise), &sinks);
	if (result != COMMAND_DONE)
		return result;
	if (!strcmp(to[0], SINK_SYSLOG) && isatty(STDERR_FILENO))
		say_log_tell_syslog();
	/* Root keeps its rights: it needs them to heal, and could take back any that it gave up. */
	r = geteuid() ? confine() : 0;
	if (r)
		msg_warning("cannot give up all rights that are not needed: %s", strerror(-r));
	return say_log_run(
		&(const struct say_log_options){
			.pins = config->pins,
			.hangup = LOGGER_HANGUP_REOPENS,
			.until_alert = config->until_alert,
		},
		&sinks, &unloaded);
}

const struct command cmd_log = {
	.name = "log",
	.summary = "stream violations to syslog, a file, stderr, or as JSON",
	.description = "Writes a line for each violation, first those that piled up while nobody "
		       "read.\nOne reader at a time. SIGHUP opens the file again; ending it lifts "
		       "nothing and\nloses nothing. --to may stand several times: the first place "
		       "has every "
		       "line, each of the\nothers what it takes at once.",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.config_size = sizeof(struct log_config),
	.stays = true,
	.run = log_run,
};
