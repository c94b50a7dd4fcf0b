// SPDX-License-Identifier: GPL-2.0-only
/* smtpward check: whether a file is a policy, and the policy's meaning. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "cli/given_policy.h"
#include "cli/guest_doubts.h"
#include "cli/msg.h"
#include "cli/unit_doubts.h"
#include "cli/users_file.h"
#include "cmd/commands.h"
#include "policy/policy_doubts.h"

struct check_config {
	const char *config;
	const char *users;
	const char *groups;
};

static const struct option_spec options[] = {
	OPTION_CONFIG(struct check_config, config),
	{ 0, "users", "FILE", "users of another machine, as its /etc/passwd", OPTION_STRING,
	  offsetof(struct check_config, users) },
	{ 0, "groups", "FILE", "groups of another machine, as its /etc/group", OPTION_STRING,
	  offsetof(struct check_config, groups) },
};

static enum command_result check_warn(const struct given_policy *given, bool this_machine)
{
	_cleanup_(policy_errors_clear) struct policy_errors doubts = { 0 };
	int r = policy_find_doubts(given->policy, &doubts);

	if (!r && this_machine)
		r = unit_find_doubts(given->policy, &doubts);
	if (!r && this_machine)
		r = guest_find_doubts(given->policy, &doubts);
	given_print_doubts(&doubts);
	if (!r)
		r = given_print_ends(given);
	if (!r)
		return COMMAND_DONE;
	msg_error("cannot look for doubtful rules of %s: %s", given->name, strerror(-r));
	return COMMAND_FAILED;
}

static enum command_result check_read(const char *path, struct users_file *files,
				      struct given_policy *ret_given)
{
	const struct policy_source source = users_file_source(files);
	enum command_result result;

	if (!files->users.path && !files->groups.path)
		return given_policy_read_with(path, &policy_source_system, ret_given);
	result = given_policy_read_with(path, &source, ret_given);
	if (files->users.lacks)
		msg_error("of another machine, the policy names users: tell who they are "
			  "(--users FILE)");
	if (files->groups.lacks)
		msg_error("of another machine, the policy names groups: tell who they are "
			  "(--groups FILE)");
	return result;
}

static enum command_result check_read_users(const struct check_config *config,
					    struct users_file *files)
{
	struct reason reason;
	int r = users_list_read(config->users, &files->users, &reason);

	if (!r)
		r = users_list_read(config->groups, &files->groups, &reason);
	if (!r)
		return COMMAND_DONE;
	msg_error("%s", reason.text);
	return r == -ENOMEM ? COMMAND_FAILED : COMMAND_BAD_INPUT;
}

static bool check_is_directory(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static enum command_result check_run(void *userdata, int argc, char **argv)
{
	const struct check_config *config = userdata;
	_cleanup_(given_policy_clear) struct given_policy given = { 0 };
	_cleanup_(users_file_clear) struct users_file files = { 0 };
	_cleanup_free_ char *text = NULL;
	const char *path = argc ? argv[0] : config->config;
	enum command_result result;
	int r;

	if (argc && config->config) {
		msg_error("name the policy once: '%s' or --config %s", argv[0], config->config);
		return COMMAND_BAD_INPUT;
	}
	if (argc && !*argv[0]) {
		msg_error("the name of the policy is empty");
		return COMMAND_BAD_INPUT;
	}
	result = check_read_users(config, &files);
	if (result != COMMAND_DONE)
		return result;
	result = check_read(path ?: COMMAND_CONFIG_PATH, &files, &given);
	if (result != COMMAND_DONE)
		return result;
	/* The first file is the policy, or stands for the directory, which then has no file. */
	if (given.policy->n_files == 1 && check_is_directory(given.name)) {
		msg_error("no file in %s is called *.conf", given.name);
		return COMMAND_BAD_INPUT;
	}
	result = check_warn(&given, !files.users.path && !files.groups.path);
	if (result != COMMAND_DONE)
		return result;
	r = policy_print(given.policy, &text);
	if (r) {
		msg_error("cannot print %s: %s", given.name, strerror(-r));
		return COMMAND_FAILED;
	}
	fputs(text, stdout);
	return COMMAND_DONE;
}

const struct command cmd_check = {
	.name = "check",
	.arguments = "[FILE|DIR]",
	.summary = "check a policy and print it in canonical form",
	.description =
		"Checks a policy, with all that it includes, and prints it in canonical form. "
		"Of a\ndirectory it is all of *.conf in there, as one policy. Says every error and "
		"not just\nthe first, and warns of rules that are hardly meant as they stand. "
		"Touches "
		"no kernel\nand needs no root.",
	.options = options,
	.n_options = ARRAY_SIZE(options),
	.config_size = sizeof(struct check_config),
	.max_arguments = 1,
	.run = check_run,
};
