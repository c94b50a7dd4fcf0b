// SPDX-License-Identifier: GPL-2.0-only
/* The command table, and the exit status for the result of a command. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "version.h"
#include "base/macro.h"
#include "cli/msg.h"
#include "cmd/commands.h"

static const struct command *const commands[] = {
#define COMMAND_ROW(name) &cmd_##name,
	COMMANDS(COMMAND_ROW)
#undef COMMAND_ROW
};

static const int exit_status[] = {
	[COMMAND_DONE] = 0,
	[COMMAND_FAILED] = 1,
	[COMMAND_BAD_INPUT] = 2,
	[COMMAND_NO] = 3,
	[COMMAND_DEGRADED] = 4,
};

static void main_print_help(FILE *out)
{
	fputs("Usage: smtpward COMMAND [OPTIONS]\n\n"
	      "Keeps outbound SMTP to the services that a policy names.\n\nCommands:\n",
	      out);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\nOptions:\n"
	      "  -h, --help           print this\n"
	      "      --version        print the version, and the commit that it was built from\n"
	      "\n'smtpward COMMAND --help' tells more, and smtpward(8) all.\n"
	      "Exit status: 0 done; 1 failed; 2 bad usage or bad policy; 3 the answer is no;\n"
	      "4 degraded: in force, and not as it should be.\n",
	      out);
}

static const struct command *main_find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

/* Output counts only once it is written: a full disk is a failure. */
static enum command_result main_flush(enum command_result result)
{
	if (!fflush(stdout) && !ferror(stdout))
		return result;
	msg_error("cannot write to stdout");
	return COMMAND_FAILED;
}

/* Runs an option that stands in the place of a command. */
static enum command_result main_run_option(int argc, char **argv)
{
	bool help = !strcmp(argv[1], "-h") || !strcmp(argv[1], "--help");

	if (!help && strcmp(argv[1], "--version") != 0) {
		msg_error("unknown option %s: see 'smtpward --help'", argv[1]);
		return COMMAND_BAD_INPUT;
	}
	if (argc > 2) {
		msg_error("too many arguments: '%s': see 'smtpward --help'", argv[2]);
		return COMMAND_BAD_INPUT;
	}
	if (help)
		main_print_help(stdout);
	else
		puts("smtpward " SMTPWARD_VERSION);
	return COMMAND_DONE;
}

static enum command_result main_run(int argc, char **argv)
{
	const struct command *command;

	if (argc < 2) {
		main_print_help(stderr);
		return COMMAND_BAD_INPUT;
	}
	if (*argv[1] == '-')
		return main_run_option(argc, argv);
	command = main_find_command(argv[1]);
	if (!command) {
		msg_error("unknown command '%s': see 'smtpward --help'", argv[1]);
		return COMMAND_BAD_INPUT;
	}
	return command_run(command, argc - 1, argv + 1);
}

/*
 * Opens /dev/null as each of stdin, stdout and stderr that is closed: otherwise the next open(2),
 * of a log's file say, would get that number, and messages would go to the file. /dev/null is open
 * read-only, so that a write to it fails, as a write to the closed descriptor does.
 */
static int main_hold_standard(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY | O_CLOEXEC) != fd)
			return -errno;
	return 0;
}

int main(int argc, char **argv)
{
	int r = main_hold_standard();

	if (r) {
		msg_error(
			"cannot open /dev/null for what is closed of stdin, stdout and stderr: %s",
			strerror(-r));
		return exit_status[COMMAND_FAILED];
	}
	/*
	 * A write into a closed pipe or past a file size limit fails then, and does not end the
	 * process.
	 */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	msg_capture_libbpf();
	msg_tell_waits();
	return exit_status[main_flush(main_run(argc, argv))];
}
