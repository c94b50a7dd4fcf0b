// SPDX-License-Identifier: GPL-2.0-only
/*
 * A caller whose ids the programs cannot read is nobody, and not root. The kernel always
 * lets them be read, so a tracer stands between the load and the kernel: it gives the
 * programs no task to read from.
 */
#include "fixture.h"

#include <linux/bpf.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

/* Longer than any program that only asks what the kernel can do. */
#define PROBE_INSNS_MAX 16

/* What a call of a helper that gives the task becomes: a NULL in its place. */
static bool change_insn(struct bpf_insn *insn)
{
	if (insn->code != (BPF_JMP | BPF_CALL) || insn->src_reg ||
	    (insn->imm != BPF_FUNC_get_current_task && insn->imm != BPF_FUNC_get_current_task_btf))
		return false;
	*insn = (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_K };
	return true;
}

/* Reads or writes the tracee's memory; 0 or -1. */
static int copy(pid_t pid, uint64_t at, void *here, size_t size, bool write)
{
	struct iovec local = { here, size }, remote = { (void *)(uintptr_t)at, size };
	ssize_t n = write ? process_vm_writev(pid, &local, 1, &remote, 1, 0)
			  : process_vm_readv(pid, &local, 1, &remote, 1, 0);

	return n == (ssize_t)size ? 0 : -1;
}

static int change_program(pid_t pid, uint64_t attr)
{
	struct {
		uint32_t type, count;
		uint64_t insns;
	} program;
	int r = 0;

	if (copy(pid, attr, &program, sizeof(program), false))
		return -1;
	for (uint32_t i = 0; program.count > PROBE_INSNS_MAX && i < program.count && !r; i++) {
		const uint64_t at = program.insns + i * sizeof(struct bpf_insn);
		struct bpf_insn insn;

		r = copy(pid, at, &insn, sizeof(insn), false);
		if (!r && change_insn(&insn))
			r = copy(pid, at, &insn, sizeof(insn), true);
	}
	return r;
}

static int stopped(pid_t pid)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) <= 0)
		return -1;
	if (info.op != PTRACE_SYSCALL_INFO_ENTRY || info.entry.nr != SYS_bpf ||
	    info.entry.args[0] != BPF_PROG_LOAD)
		return 0;
	return change_program(pid, info.entry.args[1]);
}

/* The exit status of the one who is traced; 126 where tracing failed. */
static int trace(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL))
		return 126;
	for (;;) {
		if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) || waitpid(pid, &status, 0) != pid)
			return 126;
		if (WIFEXITED(status))
			return WEXITSTATUS(status);
		if (WIFSIGNALED(status))
			return 126;
		if (WSTOPSIG(status) == (SIGTRAP | 0x80) && stopped(pid))
			return 126;
	}
}

/* Before smtpward: it becomes a child of one who traces it. */
static int without_task(void *arg)
{
	pid_t pid = fork();

	if (pid < 0)
		return 1;
	if (pid)
		_exit(trace(pid));
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		return 1;
	return raise(SIGSTOP);
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
	static const char *const ids[] = { "uid", "euid", "gid", "auid" };
	_cleanup_(log_close) struct log log;
	struct line line;

	load_without_task("deny\n");
	assert_int_equal(attempt_in("", NET_OUTSIDE4, 25), EPERM);
	log_start(&log, LOG_STDERR);
	line_parse(log_line(&log, "verdict=", 0), &line);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		line_assert(&line, ids[i], "4294967295");
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
