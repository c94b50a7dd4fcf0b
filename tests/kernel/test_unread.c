// SPDX-License-Identifier: GPL-2.0-only
/*
 * A caller whose ids the programs cannot read is nobody, and not root. The kernel always
 * lets them be read, so a tracer stands between the load and the kernel: it gives the
 * programs no task to read from.
 */
#include "fixture.h"

#include <linux/bpf.h>
#include <signal.h>

/* What a call of a helper that gives the task becomes: a NULL in its place. */
static void change_insn(struct bpf_insn *insn)
{
	if (trace_is_call(insn, BPF_FUNC_get_current_task) ||
	    trace_is_call(insn, BPF_FUNC_get_current_task_btf))
		*insn = (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_K };
}

/* The questions to the kernel stay as they are: no such program is as short. */
static void change_program(struct bpf_insn *insns, size_t n)
{
	for (size_t i = 0; n > 16 && i < n; i++)
		change_insn(&insns[i]);
}

static int without_task(void *arg)
{
	return trace_programs(change_program);
}

static void load_without_task(const char *text)
{
	const char *argv[] = { "smtpward", "load",	     "-c",     policy_write("%s", text),
			       "--cgroup", fixture.attached, "--pins", fixture.pins,
			       NULL };

	if (smtpward_child(argv, without_task, NULL))
		fail_msg("status %d: %s", run.status, run.err);
}

static void test_nobody_is_root(void **state)
{
	cgroup_make("a.service");
	load_without_task("allow user 0\n");
	assert_int_equal(attempt_in("a.service", NET_OUTSIDE4, 25), EPERM);
	assert_int_equal(attempt_in("a.service", NET_OUTSIDE6, 25), EPERM);
	load_without_task("allow group 0\n");
	assert_int_equal(attempt_in("a.service", NET_OUTSIDE4, 25), EPERM);
	load_without_task("allow user 0 group 0\n");
	assert_int_equal(attempt_in("a.service", NET_OUTSIDE4, 25), EPERM);
	/* What does not go by ids holds. */
	load_without_task("allow unit a.service\n");
	assert_int_equal(attempt_in("a.service", NET_OUTSIDE4, 25), 0);
}

static void test_the_line_says_nobody(void **state)
{
	static const char *const ids[] = { "uid", "euid", "gid" };
	_cleanup_(log_close) struct log log;
	struct line line;

	load_without_task("deny\n");
	assert_int_equal(attempt_in("", NET_OUTSIDE4, 25), EPERM);
	log_start(&log, LOG_STDERR);
	line_read(log_line(&log, "verdict=", 0), &line);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		line_assert(&line, ids[i], "4294967295");
	line_assert(&line, "auid", "-");
	log_end(&log, SIGTERM);
}

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_nobody_is_root, fixture_tidy),
		cmocka_unit_test_teardown(test_the_line_says_nobody, fixture_tidy),
	};

	return cmocka_run_group_tests_name("unread", tests, fixture_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
