/* SPDX-License-Identifier: GPL-2.0-only */
/* The commands, in the order that --help lists them in. Each is cmd_NAME, in cmd_NAME.c. */
#ifndef SMTPWARD_COMMANDS_H
#define SMTPWARD_COMMANDS_H

#include "cli/command.h"

#define COMMANDS(COMMAND) \
	COMMAND(run)      \
	COMMAND(load)     \
	COMMAND(confirm)  \
	COMMAND(log)      \
	COMMAND(local)    \
	COMMAND(unload)   \
	COMMAND(clock)    \
	COMMAND(status)   \
	COMMAND(report)   \
	COMMAND(check)

#define COMMAND_DECLARE(name) extern const struct command cmd_##name;
COMMANDS(COMMAND_DECLARE)
#undef COMMAND_DECLARE

#endif /* SMTPWARD_COMMANDS_H */
