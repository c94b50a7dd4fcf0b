// SPDX-License-Identifier: GPL-2.0-only
/* smtpward local: keeps the host's addresses for rules with `to local`. */
#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "cli/accounts.h"
#include "cli/msg.h"
#include "cli/say_local.h"
#include "cmd/commands.h"

struct local_config {
	const char *pins;
	const char *user;
};

static const struct option_spec options[] = {
	OPTION_PINS(struct local_config, pins),
	{ 0, "user", "USER", "whom it becomes, with no rights left (default: nobody)",
	  OPTION_STRING, offsetof(struct local_config, user) },
};

static enum command_result local_run(void *userdata, int argc, char **argv)
{
	const struct local_config *config = userdata;
	struct say_local_options local = {
		.pins = config->pins,
		.user = SAY_LOCAL_NOBODY,
		.group = SAY_LOCAL_NOBODY,
	};
	int r = config->user ? accounts_find_user(config->user, &local.user, &local.group) : 0;

	if (r) {
		msg_error("cannot become the user %s: %s", config->user,
			  r == -ENOENT ? "/etc/passwd does not have him" : strerror(-r));
		return COMMAND_FAILED;
	}
	if (!local.user) {
		msg_error("--user %s: that is root, and who keeps the addresses is to have no "
			  "rights: name another user, or none for nobody",
			  config->user);
		return COMMAND_BAD_INPUT;
	}
	return say_local_run(&local);
}

const struct command cmd_local = {
	.name = "local",
	.summary = "keep the host's addresses, for rules with 'to local'",
	.description =
		"Tells the kernel which addresses are the host's, as they come and go, for 'to "
		"local'\nin a policy. It may write that and nothing else, and waits where no "
		"policy is loaded\nor none asks for it. An address that nobody keeps is local for "
		"10 seconds more.",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.config_size = sizeof(struct local_config),
	.stays = true,
	.run = local_run,
};
