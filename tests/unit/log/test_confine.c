// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a confined logger can no more do, asked of the running kernel by a child that
 * has every right before.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "log/confine.h"

/* Enough of the commands that came later than the headers of this machine. */
#define COMMANDS 64

struct answers {
	int confine;
	int before[COMMANDS], after[COMMANDS]; /* errno of each command, 0 if it worked */
	int foreign;			       /* of a call by another architecture's number */
	uint64_t capabilities;
	int no_new_privileges;
};

/* With descriptor -1 and nothing else: no command can do anything. */
static int try_command(int command)
{
	union bpf_attr attr;

	memset(&attr, 0xff, sizeof(attr));
	if (command == BPF_OBJ_GET_INFO_BY_FD) {
		memset(&attr, 0, sizeof(attr));
		attr.info.bpf_fd = (uint32_t)-1;
	}
	return syscall(SYS_bpf, command, &attr, sizeof(attr)) < 0 ? errno : 0;
}

static uint64_t read_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, data))
		return UINT64_MAX;
	return data[0].permitted | data[0].effective | data[0].inheritable |
	       (uint64_t)(data[1].permitted | data[1].effective | data[1].inheritable) << 32;
}

static void be_confined(struct answers *answers)
{
	for (int command = 0; command < COMMANDS; command++)
		answers->before[command] = try_command(command);
	answers->confine = confine();
	for (int command = 0; command < COMMANDS; command++)
		answers->after[command] = try_command(command);
	answers->capabilities = read_capabilities();
	answers->no_new_privileges = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	answers->foreign = syscall(0x40000000 | SYS_bpf, BPF_MAP_CREATE, NULL, 0) < 0 ? errno : 0;
}

static struct answers *ask(void)
{
	struct answers *answers = mmap(NULL, sizeof(*answers), PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t pid;

	assert_true(answers != MAP_FAILED);
	pid = fork();
	if (!pid) {
		be_confined(answers);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return answers;
}

static bool is_kept(int command)
{
	return command == BPF_MAP_LOOKUP_ELEM || command == BPF_MAP_UPDATE_ELEM ||
	       command == BPF_MAP_DELETE_ELEM || command == BPF_MAP_LOOKUP_AND_DELETE_ELEM ||
	       command == BPF_MAP_GET_NEXT_KEY || command == BPF_MAP_LOOKUP_BATCH ||
	       command == BPF_OBJ_GET || command == BPF_OBJ_GET_INFO_BY_FD;
}

static void test_commands(void **state __attribute__((unused)))
{
	struct answers *answers = ask();

	assert_int_equal(answers->confine, 0);
	for (int command = 0; command < COMMANDS; command++) {
		int expected = is_kept(command) ? answers->before[command] : EPERM;

		if (answers->after[command] != expected)
			fail_msg("bpf(%d): '%s', not '%s'", command,
				 strerror(answers->after[command]), strerror(expected));
	}
	/* Otherwise nothing was shown. */
	assert_int_not_equal(answers->before[BPF_PROG_LOAD], EPERM);
	assert_int_not_equal(answers->before[BPF_LINK_DETACH], EPERM);
	assert_int_equal(answers->foreign, EPERM);
	assert_int_equal(answers->no_new_privileges, 1);
	munmap(answers, sizeof(*answers));
}

/* As an unprivileged child sees it: whether it takes CAP_BPF to call bpf(2) at all. */
static bool kernel_wants_capability(void)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(setresuid(65534, 65534, 65534)
			      ? 2
			      : try_command(BPF_OBJ_GET_INFO_BY_FD) == EPERM);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
	return WEXITSTATUS(status);
}

static void test_capabilities(void **state __attribute__((unused)))
{
	struct answers *answers = ask();

	assert_true(answers->capabilities == (kernel_wants_capability() ? 1ULL << CAP_BPF : 0));
	munmap(answers, sizeof(*answers));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_capabilities),
	};

	return cmocka_run_group_tests_name("confine", tests, NULL, NULL);
}
