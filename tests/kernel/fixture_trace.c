// SPDX-License-Identifier: GPL-2.0-only
/*
 * A tracer between smtpward and its system calls: changes the programs that smtpward loads, so
 * that they behave as on another kernel; or kills smtpward.
 */
#include "fixture.h"

#include <linux/bpf.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define INSNS_MAX 65536

static struct bpf_insn insns[INSNS_MAX];

bool trace_is_call(const struct bpf_insn *insn, int helper)
{
	return insn->code == (BPF_JMP | BPF_CALL) && !insn->src_reg && insn->imm == helper;
}

static int copy_in(pid_t pid, uint64_t at, void *here, size_t size)
{
	struct iovec local = { here, size }, remote = { (void *)(uintptr_t)at, size };

	return process_vm_readv(pid, &local, 1, &remote, 1, 0) == (ssize_t)size ? 0 : -1;
}

/* Only ptrace(2) can write to constant memory of the traced process. */
static int poke(pid_t pid, uint64_t at, const struct bpf_insn *insn)
{
	uint64_t word;

	memcpy(&word, insn, sizeof(word));
	return ptrace(PTRACE_POKEDATA, pid, (void *)(uintptr_t)at, (void *)(uintptr_t)word) ? -1
											    : 0;
}

static int change(pid_t pid, uint64_t attr, trace_fn fn)
{
	struct {
		uint32_t type, n;
		uint64_t insns;
	} program;
	struct bpf_insn *before;
	int r = 0;

	if (copy_in(pid, attr, &program, sizeof(program)) || program.n > INSNS_MAX ||
	    copy_in(pid, program.insns, insns, program.n * sizeof(*insns)))
		return -1;
	before = malloc(program.n * sizeof(*before));
	if (!before)
		return -1;
	memcpy(before, insns, program.n * sizeof(*before));
	fn(insns, program.n);
	for (uint32_t i = 0; i < program.n && !r; i++)
		if (memcmp(&before[i], &insns[i], sizeof(*before)) != 0)
			r = poke(pid, program.insns + i * sizeof(*insns), &insns[i]);
	free(before);
	return r;
}

/* The tracer's task: change the programs of the traced process, or kill it. */
struct tracer {
	trace_fn fn;
	const struct trace_end *end;
	unsigned int seen;  /* of end->nth */
	unsigned int after; /* stops since then: two a call, at entry and return */
};

static bool is_bpf(const struct __ptrace_syscall_info *info, uint64_t command)
{
	return info->op == PTRACE_SYSCALL_INFO_ENTRY && info->entry.nr == SYS_bpf &&
	       info->entry.args[0] == command;
}

/* Ends the process as the call returns: the call is done, and no other follows. */
static void end_in_time(pid_t pid, struct tracer *tracer, const struct __ptrace_syscall_info *info)
{
	const struct trace_end *end = tracer->end;

	if (tracer->seen == end->nth)
		tracer->after++;
	else if (is_bpf(info, (uint64_t)end->command))
		tracer->seen++;
	if (tracer->after != 2 * end->further + 1)
		return;
	if (!end->hold_ms)
		kill(pid, SIGKILL);
	for (int64_t until = clock_ms() + end->hold_ms; pause_until(until);)
		;
}

static int stopped(pid_t pid, struct tracer *tracer)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) <= 0)
		return -1;
	if (tracer->end)
		end_in_time(pid, tracer, &info);
	if (tracer->fn && is_bpf(&info, BPF_PROG_LOAD))
		return change(pid, info.entry.args[1], tracer->fn);
	return 0;
}

/* The exit status of the traced process, as a shell has it; 126 if tracing failed. */
static int trace(pid_t pid, struct tracer *tracer)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL))
		return 126;
	for (;;) {
		if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) && errno != ESRCH)
			return 126;
		if (waitpid(pid, &status, 0) != pid)
			return 126;
		if (WIFEXITED(status))
			return WEXITSTATUS(status);
		if (WIFSIGNALED(status))
			return 128 + WTERMSIG(status);
		if (WSTOPSIG(status) == (SIGTRAP | 0x80) && stopped(pid, tracer))
			return 126;
	}
}

static int trace_begin(struct tracer tracer)
{
	pid_t pid = fork();

	if (pid < 0)
		return 1;
	if (pid)
		_exit(trace(pid, &tracer));
	/* A leak check traces the process itself, and a process has only one tracer. */
	if (setenv("ASAN_OPTIONS", "detect_leaks=0", 1) || ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		return 1;
	return raise(SIGSTOP);
}

int trace_programs(trace_fn fn)
{
	return trace_begin((struct tracer){ .fn = fn });
}

int trace_killed(void *arg)
{
	return trace_begin((struct tracer){ .end = arg });
}
