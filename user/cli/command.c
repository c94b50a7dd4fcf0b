// SPDX-License-Identifier: GPL-2.0-only
/* Option parsing and --help from a command's table; see command.h. */
#include "cli/command.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "cli/msg.h"

static const struct option_spec common_options[] = {
	{ 'v', "verbose", NULL, "say more, libbpf's and the kernel's words too", OPTION_FLAG, 0 },
	{ 'q', "quiet", NULL, "say nothing but errors and warnings", OPTION_FLAG, 0 },
	{ 'h', "help", NULL, "print this", OPTION_FLAG, 0 },
};

#define N_COMMON ARRAY_SIZE(common_options)
#define OPTIONS_MAX 16

/* getopt_long(3) returns BASE + index for every option, so letters need no table of their own. */
#define BASE 256

static const struct option_spec *command_option_at(const struct command *command, size_t index)
{
	return index < command->n_options ? &command->options[index]
					  : &common_options[index - command->n_options];
}

static size_t command_count_options(const struct command *command)
{
	return command->n_options + N_COMMON;
}

/* "--config FILE" */
static int command_format_option(const struct option_spec *option, char *dst, size_t size)
{
	return snprintf(dst, size, "--%s%s%s", option->name, option->argument ? " " : "",
			option->argument ?: "");
}

static void command_print_help(const struct command *command)
{
	char letter[5], name[64];
	int width = 17; /* at least, so that most commands look alike */

	printf("Usage: smtpward %s [OPTIONS]%s%s\n\n%s\n\nOptions:\n", command->name,
	       command->arguments ? " " : "", command->arguments ?: "", command->description);
	for (size_t i = 0; i < command_count_options(command); i++) {
		int length =
			command_format_option(command_option_at(command, i), name, sizeof(name));

		width = length > width ? length : width;
	}
	for (size_t i = 0; i < command_count_options(command); i++) {
		const struct option_spec *option = command_option_at(command, i);

		snprintf(letter, sizeof(letter), option->letter ? "-%c, " : "    ", option->letter);
		command_format_option(option, name, sizeof(name));
		printf("  %s%-*s  %s\n", letter, width, name, option->help);
	}
}

static void command_build_tables(const struct command *command, struct option *longs, char *letters)
{
	*letters++ = ':'; /* makes getopt_long(3) tell a missing argument from an unknown option */
	for (size_t i = 0; i < command_count_options(command); i++) {
		const struct option_spec *option = command_option_at(command, i);

		longs[i] = (struct option){
			.name = option->name,
			.has_arg = option->argument ? required_argument : no_argument,
			.val = BASE + (int)i,
		};
		if (!option->letter)
			continue;
		*letters++ = option->letter;
		if (option->argument)
			*letters++ = ':';
	}
	*letters = '\0';
}

static const struct option_spec *command_find_option(const struct command *command, int value)
{
	if (value >= BASE)
		return command_option_at(command, (size_t)value - BASE);
	for (size_t i = 0; i < command_count_options(command); i++)
		if (command_option_at(command, i)->letter == value)
			return command_option_at(command, i);
	return NULL;
}

static enum command_result command_bad_usage(const struct command *command)
{
	msg_error("see 'smtpward %s --help'", command->name);
	return COMMAND_BAD_INPUT;
}

/*
 * optopt is a letter of an option, or a letter that the user typed; for a long option it is
 * neither, and word is the option.
 */
static enum command_result command_bad_option(const struct command *command, int value,
					      const char *word)
{
	const char *what = value == ':' ? "an argument is missing for" : "unknown option";

	if (optopt > 0 && optopt < BASE)
		msg_error("%s -%c", what, optopt);
	else
		msg_error("%s %s", what, word);
	return command_bad_usage(command);
}

/* An unset shell variable, as in --pins "$PINS", makes an empty argument, which is refused. */
static enum command_result command_empty_argument(const struct command *command,
						  const struct option_spec *option)
{
	msg_error("the argument of --%s is empty: give %s, or leave --%s out", option->name,
		  option->argument, option->name);
	return command_bad_usage(command);
}

static enum command_result command_add_item(const struct command *command,
					    const struct option_spec *option,
					    struct option_list *list)
{
	if (list->n == OPTION_LIST_MAX) {
		msg_error("--%s stands more than %d times", option->name, OPTION_LIST_MAX);
		return command_bad_usage(command);
	}
	list->items[list->n++] = optarg;
	return COMMAND_DONE;
}

static enum command_result command_set_member(const struct command *command,
					      const struct option_spec *option, void *config)
{
	char *member = (char *)config + option->offset;

	switch (option->kind) {
	case OPTION_FLAG:
		*(bool *)member = true;
		break;
	case OPTION_STRING:
		*(const char **)member = optarg;
		break;
	case OPTION_LIST:
		return command_add_item(command, option, (struct option_list *)member);
	}
	return COMMAND_DONE;
}

/* COMMAND_DONE with *ret_help, or COMMAND_BAD_INPUT after a message. */
static enum command_result command_parse(const struct command *command, int argc, char **argv,
					 void *config, bool *ret_help)
{
	struct option longs[OPTIONS_MAX + N_COMMON + 1] = { 0 };
	char letters[2 * (OPTIONS_MAX + N_COMMON) + 2];
	enum command_result result = COMMAND_DONE;
	int value;

	command_build_tables(command, longs, letters);
	opterr = 0;
	optind = 1;
	while ((value = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		const struct option_spec *option = command_find_option(command, value);

		if (!option)
			return command_bad_option(command, value, argv[optind - 1]);
		if (option->argument && !*optarg)
			return command_empty_argument(command, option);
		if (option->letter == 'h')
			*ret_help = true;
		else if (option->letter == 'v')
			msg_set_level(MSG_DEBUG);
		else if (option->letter == 'q')
			msg_set_level(MSG_WARNING);
		else
			result = command_set_member(command, option, config);
		if (result != COMMAND_DONE)
			return result;
	}
	if (*ret_help || argc - optind <= command->max_arguments)
		return COMMAND_DONE;
	msg_error("too many arguments: '%s'", argv[optind + command->max_arguments]);
	return command_bad_usage(command);
}

enum command_result command_run(const struct command *command, int argc, char **argv)
{
	_cleanup_free_ void *config = calloc(1, command->config_size ?: 1);
	enum command_result result;
	bool help = false;

	assert(command->n_options <= OPTIONS_MAX);
	if (!config) {
		msg_error("out of memory");
		return COMMAND_FAILED;
	}
	result = command_parse(command, argc, argv, config, &help);
	if (result != COMMAND_DONE)
		return result;
	if (help) {
		command_print_help(command);
		return COMMAND_DONE;
	}
	if (command->stays && close_range(STDERR_FILENO + 1, ~0U, 0)) {
		msg_error("cannot close what the caller had open: %s", strerror(errno));
		return COMMAND_FAILED;
	}
	return command->run(config, argc - optind, argv + optind);
}
