// SPDX-License-Identifier: GPL-2.0-only
/* Streaming violations, with messages; see logging.h. */
#include "logging.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "cleanup.h"
#include "msg.h"
#include "pins.h"

enum command_result logging_block_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	if (!sigprocmask(SIG_BLOCK, &signals, NULL))
		return COMMAND_DONE;
	msg_error("cannot block signals: %s", strerror(errno));
	return COMMAND_FAILED;
}

static void say_trouble(void *userdata, int err)
{
	const char *sink_name = userdata;

	if (err)
		msg_warning("cannot write to %s: %s; trying again, what comes meanwhile waits in "
			    "the kernel",
			    sink_name, strerror(-err));
	else
		msg_info("%s takes lines again", sink_name);
}

enum command_result logging_run(const char *pins, struct sink *sink, const char *sink_name,
				enum logger_hangup hangup, bool *ret_unloaded)
{
	const struct logger_notices notices = { say_trouble, (void *)sink_name };
	_cleanup_(logger_freep) struct logger *logger = NULL;
	enum logger_end end;
	struct reason reason;

	if (logger_open(pins ?: PINS_DEFAULT_PATH, &logger, &reason) ||
	    logger_run(logger, sink, hangup, &notices, &end, &reason)) {
		msg_error("cannot log: %s", reason.text);
		return COMMAND_FAILED;
	}
	*ret_unloaded = end == LOGGER_UNLOADED;
	if (*ret_unloaded)
		msg_info("the policy was unloaded: there is nothing more to log");
	return COMMAND_DONE;
}
