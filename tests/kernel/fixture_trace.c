// SPDX-License-Identifier: GPL-2.0-only
/*
 * A tracer between smtpward and bpf(2), which changes the programs that it loads: what a
 * program does where the kernel is another one, on this kernel.
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

/* What is constant to the one who is traced can be written in this way alone. */
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

static int stopped(pid_t pid, trace_fn fn)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) <= 0)
		return -1;
	if (info.op != PTRACE_SYSCALL_INFO_ENTRY || info.entry.nr != SYS_bpf ||
	    info.entry.args[0] != BPF_PROG_LOAD)
		return 0;
	return change(pid, info.entry.args[1], fn);
}

/* The exit status of the one who is traced; 126 where tracing failed. */
static int trace(pid_t pid, trace_fn fn)
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
		if (WSTOPSIG(status) == (SIGTRAP | 0x80) && stopped(pid, fn))
			return 126;
	}
}

int trace_programs(trace_fn fn)
{
	pid_t pid = fork();

	if (pid < 0)
		return 1;
	if (pid)
		_exit(trace(pid, fn));
	/* Who looks for leaks is a tracer itself, and there can be one. */
	if (setenv("ASAN_OPTIONS", "detect_leaks=0", 1) || ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		return 1;
	return raise(SIGSTOP);
}
