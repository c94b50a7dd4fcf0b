// SPDX-License-Identifier: GPL-2.0-only
/*
 * Becomes the reader that is not root: child_fns, which run in a child or ahead of smtpward. The
 * reader has CAP_BPF like the service, which most kernels do not ask for.
 */
#include "fixture.h"

#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

int reader_set_capabilities(uint64_t set)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		data[i].permitted = data[i].effective = data[i].inheritable =
			(uint32_t)(set >> 32 * i);
	return (int)syscall(SYS_capset, &header, data);
}

int reader_become(void *arg)
{
	if (setgroups(0, NULL) || setresgid(READER_ID, READER_ID, READER_ID) ||
	    prctl(PR_SET_KEEPCAPS, 1) || setresuid(READER_ID, READER_ID, READER_ID) ||
	    reader_set_capabilities(1ULL << CAP_BPF) ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_BPF, 0, 0))
		return -errno;
	return 0;
}

int reader_enter_and_become(void *arg)
{
	_cleanup_close_ int fd = cgroup_open("log.service", false);
	int err = fd < 0 ? fd : cgroup_enter_fd(fd);

	return err ? err : reader_become(arg);
}
