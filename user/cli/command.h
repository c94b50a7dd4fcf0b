/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A command: a configuration struct, its defaults, an option table and one function. The parser,
 * --help and the shell's completion read the table.
 */
#ifndef SMTPWARD_COMMAND_H
#define SMTPWARD_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "build.h"

/* The result of a command. main.c alone turns it into an exit status. */
enum command_result {
	COMMAND_DONE,
	COMMAND_FAILED,
	COMMAND_BAD_INPUT, /* usage or policy */
	COMMAND_NO,	   /* done, and the answer is no */
	COMMAND_DEGRADED,  /* a policy is in force, but has troubles */
};

enum option_kind {
	OPTION_FLAG,   /* a bool */
	OPTION_STRING, /* a const char * */
	OPTION_LIST,   /* a struct option_list: the option may stand several times */
};

#define OPTION_LIST_MAX 8

struct option_list {
	const char *items[OPTION_LIST_MAX];
	size_t n;
};

struct option_spec {
	char letter; /* 0: long form only */
	const char *name;
	const char *argument; /* FILE, DIR, or choices as in "json|FILE"; NULL for a flag */
	const char *help;
	enum option_kind kind;
	size_t offset; /* of the option's member in the command's configuration */
};

struct command {
	const char *name;
	const char *arguments; /* as in "[FILE]"; NULL if there are none */
	const char *summary;   /* one line */
	const char *description;
	const struct option_spec *options;
	size_t n_options;
	size_t config_size;
	int max_arguments;
	bool stays; /* gives up rights and runs on: command_run() closes extra descriptors */
	enum command_result (*run)(void *config, int argc, char **argv);
};

/* Options of several commands; member is the option's member in the configuration. */
#define OPTION_CONFIG(type, member)                                                         \
	{                                                                                   \
		'c', "config", "FILE", "policy to read (default: " COMMAND_CONFIG_PATH ")", \
			OPTION_STRING, offsetof(type, member)                               \
	}
#define OPTION_CGROUP(type, member)                                                         \
	{                                                                                   \
		0, "cgroup", "DIR", "cgroup v2 directory to attach to (default: the root)", \
			OPTION_STRING, offsetof(type, member)                               \
	}
#define OPTION_PINS(type, member)                                                       \
	{                                                                               \
		0, "pins", "DIR", "directory on bpffs (default: /sys/fs/bpf/smtpward)", \
			OPTION_STRING, offsetof(type, member)                           \
	}
#define OPTION_AUDIT(type, member)                                                             \
	{                                                                                      \
		0, "audit", NULL, "refuse nothing, whatever mode the policy has", OPTION_FLAG, \
			offsetof(type, member)                                                 \
	}
#define OPTION_JSON(type, member)                                                  \
	{                                                                          \
		0, "json", NULL, "print JSON", OPTION_FLAG, offsetof(type, member) \
	}

#define COMMAND_CONFIG_PATH SMTPWARD_SYSCONFDIR "/smtpward/smtpward.conf"

/*
 * Parses argv, which begins with the command's name, and runs the command. Handles -h, -v and -q,
 * which every command has.
 */
enum command_result command_run(const struct command *command, int argc, char **argv);

#endif /* SMTPWARD_COMMAND_H */
