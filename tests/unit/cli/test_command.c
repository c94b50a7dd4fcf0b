// SPDX-License-Identifier: GPL-2.0-only
/*
 * Command lines: what options do to a command's configuration, what a wrong one is
 * answered with, and that --help is made of the table. Each case is a process, as
 * getopt_long(3) keeps state.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "cli/msg.h"
#include "cmd/commands.h"

/* A command that says how it was called, and returns what it was told to. */

struct config {
	bool json;
	const char *config;
	bool dry;
	const char *cgroup;
	struct option_list to;
};

#define RUN_RESULT COMMAND_NO

static enum command_result show_run(void *data, int argc, char **argv)
{
	const struct config *config = data;

	printf("json=%d config=%s dry=%d cgroup=%s level=%d:", config->json, config->config ?: "-",
	       config->dry, config->cgroup ?: "-", msg_get_level());
	for (int i = 0; i < argc; i++)
		printf(" '%s'", argv[i]);
	for (size_t i = 0; i < config->to.n; i++)
		printf(" to=%s", config->to.items[i]);
	return argv[argc] ? COMMAND_FAILED : RUN_RESULT;
}

static const struct option_spec show_options[] = {
	OPTION_JSON(struct config, json),
	OPTION_CONFIG(struct config, config),
	{ 'd', "dry", NULL, "change nothing", OPTION_FLAG, offsetof(struct config, dry) },
	OPTION_CGROUP(struct config, cgroup),
	{ 't', "to", "FILE|DIR", "several times", OPTION_LIST, offsetof(struct config, to) },
};

static const struct command show = {
	.name = "show",
	.arguments = "[A [B]]",
	.summary = "For the test.",
	.description = "Shows how it was called.",
	.options = show_options,
	.n_options = ARRAY_SIZE(show_options),
	.config_size = sizeof(struct config),
	.max_arguments = 2,
	.run = show_run,
};

/* A command line in a process of its own: what it printed, and its result. */

#define ARGUMENTS_MAX 12
#define OUTPUT_SIZE 16384

struct outcome {
	enum command_result result;
	char out[OUTPUT_SIZE], err[OUTPUT_SIZE];
};

/* In the child. line is cut up at its blanks; '' is an empty argument. */
static enum command_result run_line(const struct command *command, char *line)
{
	char *argv[ARGUMENTS_MAX + 1] = { 0 };
	int argc = 0;

	for (char *word; (word = strsep(&line, " ")) && argc < ARGUMENTS_MAX;)
		argv[argc++] = strcmp(word, "''") ? word : word + 2;
	return command_run(command, argc, argv);
}

static void read_all(int fd, char output[OUTPUT_SIZE])
{
	ssize_t size = pread(fd, output, OUTPUT_SIZE - 1, 0);

	assert_true(size >= 0 && size < OUTPUT_SIZE - 1);
	output[size] = '\0';
}

static struct outcome run(const struct command *command, const char *line)
{
	_cleanup_close_ int out = memfd_create("out", MFD_CLOEXEC);
	_cleanup_close_ int err = memfd_create("err", MFD_CLOEXEC);
	_cleanup_free_ char *copy = strdup(line);
	struct outcome outcome;
	int status;
	pid_t pid;

	assert_true(out >= 0 && err >= 0 && copy);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		enum command_result result;

		if (dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0)
			_exit(99);
		result = run_line(command, copy);
		fflush(NULL);
		_exit((int)result);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status))
		fail_msg("'%s' ended by signal %d", line, WTERMSIG(status));
	outcome.result = (enum command_result)WEXITSTATUS(status);
	read_all(out, outcome.out);
	read_all(err, outcome.err);
	return outcome;
}

static void assert_runs(const char *line, const char *expected)
{
	struct outcome outcome = run(&show, line);

	if (outcome.result != RUN_RESULT || strcmp(outcome.out, expected) || *outcome.err)
		fail_msg("'%s': result %d, '%s', not '%s'\n%s", line, outcome.result, outcome.out,
			 expected, outcome.err);
}

/* Says this and where to read more, and runs nothing. */
static void assert_refused(const char *line, const char *message)
{
	struct outcome outcome = run(&show, line);
	char expected[512];

	snprintf(expected, sizeof(expected), "smtpward: %s\nsmtpward: see 'smtpward show --help'\n",
		 message);
	if (outcome.result != COMMAND_BAD_INPUT || strcmp(outcome.err, expected) || *outcome.out)
		fail_msg("'%s': result %d, '%s', not '%s'; printed '%s'", line, outcome.result,
			 outcome.err, expected, outcome.out);
}

#define DEFAULTS "json=0 config=- dry=0 cgroup=- level=2:"

static void test_flags(void **state __attribute__((unused)))
{
	assert_runs("show", DEFAULTS);
	assert_runs("show -d", "json=0 config=- dry=1 cgroup=- level=2:");
	assert_runs("show --dry", "json=0 config=- dry=1 cgroup=- level=2:");
	assert_runs("show --json", "json=1 config=- dry=0 cgroup=- level=2:");
	assert_runs("show --json -dd --json", "json=1 config=- dry=1 cgroup=- level=2:");
	assert_runs("show -v", "json=0 config=- dry=0 cgroup=- level=3:");
	assert_runs("show --verbose", "json=0 config=- dry=0 cgroup=- level=3:");
	assert_runs("show -q", "json=0 config=- dry=0 cgroup=- level=1:");
	assert_runs("show --quiet", "json=0 config=- dry=0 cgroup=- level=1:");
	assert_runs("show -dvq", "json=0 config=- dry=1 cgroup=- level=1:");
}

static void test_strings(void **state __attribute__((unused)))
{
	static const char expected[] = "json=0 config=a.conf dry=0 cgroup=- level=2:";

	assert_runs("show -c a.conf", expected);
	assert_runs("show -ca.conf", expected);
	assert_runs("show --config a.conf", expected);
	assert_runs("show --config=a.conf", expected);
	assert_runs("show -cb.conf --config=a.conf", expected); /* the last one counts */
	assert_runs("show -dca.conf", "json=0 config=a.conf dry=1 cgroup=- level=2:");
	assert_runs("show -c -d", "json=0 config=-d dry=0 cgroup=- level=2:");
	assert_runs("show -c --", "json=0 config=-- dry=0 cgroup=- level=2:");
	assert_runs("show -c=a", "json=0 config==a dry=0 cgroup=- level=2:");
	assert_runs("show --cgroup=/a=b", "json=0 config=- dry=0 cgroup=/a=b level=2:");
}

/* All of them count, in order. */
static void test_lists(void **state __attribute__((unused)))
{
	assert_runs("show -t a", DEFAULTS " to=a");
	assert_runs("show --to b -d --to=a -tb x",
		    "json=0 config=- dry=1 cgroup=- level=2: 'x' to=b to=a to=b");
	assert_runs("show -t1 -t2 -t3 -t4 -t5 -t6 -t7 -t8",
		    DEFAULTS " to=1 to=2 to=3 to=4 to=5 to=6 to=7 to=8");
	assert_refused("show -t1 -t2 -t3 -t4 -t5 -t6 -t7 -t8 -t9", "--to stands more than 8 times");
	assert_refused("show -t a -t ''",
		       "the argument of --to is empty: give FILE|DIR, or leave --to out");
}

static void test_empty(void **state __attribute__((unused)))
{
	static const char config[] = "the argument of --config is empty: give FILE, or leave "
				     "--config out";
	static const char cgroup[] = "the argument of --cgroup is empty: give DIR, or leave "
				     "--cgroup out";

	assert_refused("show --config=", config);
	assert_refused("show --config ''", config);
	assert_refused("show -c ''", config);
	assert_refused("show -dc '' -c a.conf", config);
	assert_refused("show a --cgroup '' b", cgroup);
}

static void test_arguments(void **state __attribute__((unused)))
{
	assert_runs("show a", DEFAULTS " 'a'");
	assert_runs("show a b", DEFAULTS " 'a' 'b'");
	assert_runs("show ''", DEFAULTS " ''");
	assert_runs("show -", DEFAULTS " '-'");
	assert_runs("show --", DEFAULTS);
	assert_runs("show -- -d", DEFAULTS " '-d'");
	assert_runs("show -- a --", DEFAULTS " 'a' '--'");
	assert_runs("show a -d b", "json=0 config=- dry=1 cgroup=- level=2: 'a' 'b'");
	assert_runs("show a b --config x", "json=0 config=x dry=0 cgroup=- level=2: 'a' 'b'");
	assert_runs("show a -- -d", DEFAULTS " 'a' '-d'");
	assert_refused("show a b c", "too many arguments: 'c'");
	assert_refused("show a b -d c d", "too many arguments: 'c'");
	assert_refused("show -- a b --json", "too many arguments: '--json'");
	assert_refused("show a b ''", "too many arguments: ''");
}

static void test_missing(void **state __attribute__((unused)))
{
	assert_refused("show -c", "an argument is missing for -c");
	assert_refused("show --config", "an argument is missing for --config");
	assert_refused("show a --cgroup", "an argument is missing for --cgroup");
	assert_refused("show -d -c", "an argument is missing for -c");
}

static void test_unknown(void **state __attribute__((unused)))
{
	assert_refused("show -x", "unknown option -x");
	assert_refused("show --nope", "unknown option --nope");
	assert_refused("show --nope=1", "unknown option --nope=1");
	assert_refused("show a --nope b", "unknown option --nope");
	assert_refused("show -d -x a", "unknown option -x");
	assert_refused("show --configs=a", "unknown option --configs=a");
	assert_refused("show -?", "unknown option -?");
	assert_refused("show -:", "unknown option -:");
	assert_refused("show --nope -h", "unknown option --nope");
	/* Letters of long options, which have none of their own. */
	assert_refused("show -j", "unknown option -j");
}

/* A letter among others: the message has it, alone or with those beside it. */
static void test_unknown_letter(void **state __attribute__((unused)))
{
	static const char *const lines[] = { "show -dx",   "show -xd",	  "show -dxd",
					     "show a -xd", "show -d -xd", "show -xca" };

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct outcome outcome = run(&show, lines[i]);

		assert_int_equal(outcome.result, COMMAND_BAD_INPUT);
		assert_string_equal(outcome.out, "");
		if (strncmp(outcome.err, "smtpward: unknown option -", 26) ||
		    !strchr(outcome.err + 26, 'x') ||
		    strchr(outcome.err + 26, 'x') > strchr(outcome.err, '\n'))
			fail_msg("'%s' is answered with: %s", lines[i], outcome.err);
	}
}

static void test_help(void **state __attribute__((unused)))
{
	static const char *const lines[] = {
		"show -h",	   "show --help",   "show -dh",
		"show a b c d -h", "show -h a b c", "show -c x --help"
	};
	static const char expected[] =
		"Usage: smtpward show [OPTIONS] [A [B]]\n"
		"\n"
		"Shows how it was called.\n"
		"\n"
		"Options:\n"
		"      --json             print JSON\n"
		"  -c, --config FILE      policy to read (default: /etc/smtpward/smtpward.conf)\n"
		"  -d, --dry              change nothing\n"
		"      --cgroup DIR       cgroup v2 directory to attach to (default: the root)\n"
		"  -t, --to FILE|DIR      several times\n"
		"  -v, --verbose          say more, libbpf's and the kernel's words too\n"
		"  -q, --quiet            say nothing but errors and warnings\n"
		"  -h, --help             print this\n";

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct outcome outcome = run(&show, lines[i]);

		assert_int_equal(outcome.result, COMMAND_DONE);
		assert_string_equal(outcome.err, "");
		assert_string_equal(outcome.out, expected);
	}
}

/* A command without options, arguments or a configuration. */

static int bare_result;

static enum command_result bare_run(void *config, int argc, char **argv)
{
	/* Nothing is asserted here: a failure would go on with the next test, as a child. */
	return config && !argc && !argv[0] ? (enum command_result)bare_result : COMMAND_NO + 1;
}

static const struct command bare = {
	.name = "bare",
	.summary = "For the test.",
	.description = "Does nothing.",
	.run = bare_run,
};

static void test_bare(void **state __attribute__((unused)))
{
	struct outcome outcome = run(&bare, "bare --help");

	assert_int_equal(outcome.result, COMMAND_DONE);
	assert_int_equal(strncmp(outcome.out, "Usage: smtpward bare [OPTIONS]\n\n", 32), 0);
	outcome = run(&bare, "bare a");
	assert_int_equal(outcome.result, COMMAND_BAD_INPUT);
	assert_string_equal(outcome.err, "smtpward: too many arguments: 'a'\n"
					 "smtpward: see 'smtpward bare --help'\n");
	for (bare_result = COMMAND_DONE; bare_result <= COMMAND_NO; bare_result++)
		assert_int_equal(run(&bare, "bare -q").result, bare_result);
}

/* The product's own tables. */

static void assert_table(const struct command *command)
{
	struct outcome outcome;
	char line[64];

	snprintf(line, sizeof(line), "%s --help", command->name);
	outcome = run(command, line);
	assert_int_equal(outcome.result, COMMAND_DONE);
	assert_non_null(strstr(outcome.out, command->description));
	for (size_t i = 0; i < command->n_options; i++) {
		const struct option_spec *option = &command->options[i];
		size_t size = option->kind == OPTION_FLAG     ? sizeof(bool)
			      : option->kind == OPTION_STRING ? sizeof(char *)
							      : sizeof(struct option_list);

		snprintf(line, sizeof(line), "--%s%s%s ", option->name, option->argument ? " " : "",
			 option->argument ?: "");
		assert_non_null(strstr(outcome.out, line));
		assert_non_null(strstr(outcome.out, option->help));
		assert_int_equal(!option->argument, option->kind == OPTION_FLAG);
		assert_true(option->offset + size <= command->config_size);
		assert_true(!option->letter || !strchr("vqh", option->letter));
		for (size_t k = 0; k < i; k++) {
			assert_string_not_equal(option->name, command->options[k].name);
			assert_true(!option->letter ||
				    option->letter != command->options[k].letter);
			assert_true(option->offset != command->options[k].offset);
		}
	}
}

static void test_tables(void **state __attribute__((unused)))
{
	static const struct command *const commands[] = { &cmd_run,  &cmd_load,	  &cmd_confirm,
							  &cmd_log,  &cmd_unload, &cmd_status,
							  &cmd_check };

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		assert_table(commands[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flags),	  cmocka_unit_test(test_strings),
		cmocka_unit_test(test_lists),	  cmocka_unit_test(test_empty),
		cmocka_unit_test(test_arguments), cmocka_unit_test(test_missing),
		cmocka_unit_test(test_unknown),	  cmocka_unit_test(test_unknown_letter),
		cmocka_unit_test(test_help),	  cmocka_unit_test(test_bare),
		cmocka_unit_test(test_tables),
	};

	return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
