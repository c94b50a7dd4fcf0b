// SPDX-License-Identifier: GPL-2.0-only
/* smtpward log: violations out of the kernel, into a sink. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "cli/msg.h"
#include "cli/say_log.h"
#include "cmd/commands.h"
#include "log/confine.h"
#include "sink/sink.h"

struct log_config {
	const char *pins;
	const char *to;
	bool until_alert;
};

static const struct option_spec options[] = {
	OPTION_PINS(struct log_config, pins),
	{ 0, "to", SINK_SPECS, "where lines go (default: syslog; json: to stdout)", OPTION_STRING,
	  offsetof(struct log_config, to) },
	{ 0, "until-alert", NULL, "end with status 1 at an alert that it cannot heal", OPTION_FLAG,
	  offsetof(struct log_config, until_alert) },
};

/* errno says it of any file; here it is one that has to be a log. */
static const char *log_explain(int err)
{
	if (err == -EINVAL)
		return "it is not a regular file";
	if (err == -ELOOP)
		return "it is a symbolic link; name the file itself";
	if (err == -EPERM)
		return "others than root may write to it or to a directory on the way to it, or it "
		       "has two names, or it is immutable; name a file in a directory of root's";
	if (err == -EBUSY)
		return SINK_BUSY_TEXT;
	return strerror(-err);
}

static enum command_result log_run(void *userdata, int argc, char **argv)
{
	const struct log_config *config = userdata;
	const char *to = config->to ?: SINK_SYSLOG;
	_cleanup_(sink_freep) struct sink *sink = NULL;
	enum command_result result = say_log_block_signals();
	bool unloaded;
	int r;

	if (result != COMMAND_DONE)
		return result;
	r = sink_open(to, &sink);
	if (r) {
		msg_error("cannot open %s: %s", to, log_explain(r));
		return COMMAND_FAILED;
	}
	if (!strcmp(to, SINK_SYSLOG) && isatty(STDERR_FILENO))
		say_log_tell_syslog();
	/* Root has what it needs to heal, and whatever it gave up it could take back. */
	r = geteuid() ? confine() : 0;
	if (r)
		msg_warning("cannot give up all rights that are not needed: %s", strerror(-r));
	return say_log_run(
		&(const struct say_log_options){
			.pins = config->pins,
			.sink_name = to,
			.hangup = LOGGER_HANGUP_REOPENS,
			.until_alert = config->until_alert,
		},
		sink, &unloaded);
}

const struct command cmd_log = {
	.name = "log",
	.summary = "stream violations to syslog, a file, stderr, or as JSON",
	.description = "Writes a line for each violation, first those that piled up while nobody "
		       "read.\nOne reader at a time. SIGHUP opens the file again; ending it lifts "
		       "nothing and\nloses nothing.",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.config_size = sizeof(struct log_config),
	.stays = true,
	.run = log_run,
};
