// SPDX-License-Identifier: GPL-2.0-only
/* smtpward clock: for after the machine's clock was set, as rules with until depend on it. */
#include <errno.h>

#include "base/macro.h"
#include "cli/msg.h"
#include "cmd/commands.h"
#include "load/load.h"
#include "pins/pins.h"

struct clock_config {
	const char *pins;
};

static const struct option_spec options[] = {
	OPTION_PINS(struct clock_config, pins),
};

static enum command_result clock_run(void *userdata, int argc, char **argv)
{
	const struct clock_config *config = userdata;
	const char *pins = config->pins ?: PINS_DEFAULT_PATH;
	struct reason reason;
	int r = load_set_clock(pins, &reason);

	if (!r)
		return COMMAND_DONE;
	if (r == -ENOENT) {
		msg_info("nothing is loaded at %s", pins);
		return COMMAND_DONE;
	}
	msg_error("%s", reason.text);
	return COMMAND_FAILED;
}

const struct command cmd_clock = {
	.name = "clock",
	.summary = "let rules with until go by the clock, after it was set",
	.description = "Tells the programs that are loaded what the clock says now. For "
		       "smtpward-clock.service,\nwhich runs it when the clock was set.",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.config_size = sizeof(struct clock_config),
	.run = clock_run,
};
