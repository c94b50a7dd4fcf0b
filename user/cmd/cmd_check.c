// SPDX-License-Identifier: GPL-2.0-only
/* smtpward check: is it a policy, and what does it say? */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "cli/given_policy.h"
#include "cli/msg.h"
#include "cli/users_file.h"
#include "cmd/commands.h"
#include "host/unit.h"
#include "policy/policy_doubts.h"
#include "policy/policy_lex.h"

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

/* A unit of systemd's that has a file. Scopes and containers are there while they run. */
static bool check_has_file(const char *name)
{
	static const char *const suffixes[] = { ".service", ".socket", ".mount",  ".timer",
						".path",    ".target", ".device", ".swap" };
	const size_t len = strlen(name);

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		const size_t suffix = strlen(suffixes[i]);

		if (len > suffix && !strcmp(name + len - suffix, suffixes[i]))
			return true;
	}
	return false;
}

static int check_unit(const struct policy_rule *rule, const char *name,
		      struct policy_errors *doubts)
{
	bool known = true, bare = !strpbrk(name, ".*");
	int r;

	if (!bare && !check_has_file(name))
		return 0;
	r = unit_is_known(name, &known);
	if (r || known)
		return r;
	if (bare)
		return policy_doubt(
			doubts, rule,
			"there is no cgroup '%s' on this machine: a service is named with "
			"its suffix, '%s.service'",
			policy_shown(name).text, policy_shown(name).text);
	return policy_doubt(doubts, rule, "this machine knows no unit '%s'",
			    policy_shown(name).text);
}

/* What only the machine knows that the policy is for. */
static int check_units(const struct policy *policy, struct policy_errors *doubts)
{
	for (size_t i = 0; i < policy->n_rules; i++) {
		const struct policy_values *units = &policy->rules[i].values[SMTPWARD_UNIT];

		for (size_t unit = 0; unit < units->n; unit++) {
			int r = check_unit(&policy->rules[i], units->texts[unit], doubts);

			if (r)
				return r;
		}
	}
	return 0;
}

static enum command_result check_warn(const struct given_policy *given, bool this_machine)
{
	_cleanup_(policy_errors_clear) struct policy_errors doubts = { 0 };
	int r = policy_find_doubts(given->policy, &doubts);

	if (!r && this_machine)
		r = check_units(given->policy, &doubts);
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

	if (!files->users && !files->groups)
		return given_policy_read_with(path, &policy_source_system, ret_given);
	result = given_policy_read_with(path, &source, ret_given);
	if (files->lacks_users)
		msg_error("of another machine, the policy names users: tell who they are "
			  "(--users FILE)");
	if (files->lacks_groups)
		msg_error("of another machine, the policy names groups: tell who they are "
			  "(--groups FILE)");
	return result;
}

/* A file that is not there is no machine without users. */
static enum command_result check_readable(const char *path)
{
	if (!path || !access(path, R_OK))
		return COMMAND_DONE;
	msg_error("cannot read %s: %s", path, strerror(errno));
	return COMMAND_BAD_INPUT;
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
	struct users_file files = { .users = config->users, .groups = config->groups };
	_cleanup_free_ char *text = NULL;
	const char *path = argc ? argv[0] : config->config;
	enum command_result result;
	int r;

	if (argc && config->config) {
		msg_error("name the policy once: '%s' or --config %s", argv[0], config->config);
		return COMMAND_BAD_INPUT;
	}
	if (check_readable(files.users) != COMMAND_DONE ||
	    check_readable(files.groups) != COMMAND_DONE)
		return COMMAND_BAD_INPUT;
	result = check_read(path ?: COMMAND_CONFIG_PATH, &files, &given);
	if (result != COMMAND_DONE)
		return result;
	/* The first file is the policy, or stands for the directory. */
	if (given.policy->n_files == 1 && check_is_directory(given.name)) {
		msg_error("no file in %s is called *.conf", given.name);
		return COMMAND_BAD_INPUT;
	}
	result = check_warn(&given, !files.users && !files.groups);
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
