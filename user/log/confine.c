// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gives up rights; see confine.h.
 *
 * The permissions of the pins keep a logger from the gate and the links. This file is about the
 * other rights: some kernels make the logger keep CAP_BPF, with which it could load programs, and
 * each load is a try at the verifier. A service manager's filter cannot tell one bpf(2) command
 * from another; this filter does, and is short enough to be written by hand.
 */
#include "log/confine.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/macro.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__i386__)
#define ARCH AUDIT_ARCH_I386
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__arm__)
#define ARCH AUDIT_ARCH_ARM
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARCH AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define ARCH AUDIT_ARCH_S390X
#else
#define ARCH 0
#endif

/* The half of the first argument that bpf(2) looks at: the command is an int. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define CONFINE_COMMAND offsetof(struct seccomp_data, args[0])
#else
#define CONFINE_COMMAND (offsetof(struct seccomp_data, args[0]) + sizeof(uint32_t))
#endif

#define CONFINE_LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define CONFINE_RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define CONFINE_REFUSE (SECCOMP_RET_ERRNO | EPERM)
#define CONFINE_RETURN_ALLOW_IF(command) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (command), 0, 1), CONFINE_RETURN(SECCOMP_RET_ALLOW)

/*
 * The numbers of x32, which enters the same kernel, begin here; no other architecture has so many
 * calls.
 */
#define NUMBERS_END 0x40000000

static int confine_filter_bpf(void)
{
	struct sock_filter filter[] = {
		CONFINE_LOAD(offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
		CONFINE_RETURN(CONFINE_REFUSE),
		CONFINE_LOAD(offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, NUMBERS_END, 0, 1),
		CONFINE_RETURN(CONFINE_REFUSE),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 1, 0),
		CONFINE_RETURN(SECCOMP_RET_ALLOW),
		CONFINE_LOAD(CONFINE_COMMAND),
		CONFINE_RETURN_ALLOW_IF(BPF_MAP_LOOKUP_ELEM),
		CONFINE_RETURN_ALLOW_IF(BPF_MAP_UPDATE_ELEM),
		CONFINE_RETURN_ALLOW_IF(BPF_MAP_DELETE_ELEM),
		CONFINE_RETURN_ALLOW_IF(BPF_MAP_LOOKUP_AND_DELETE_ELEM),
		CONFINE_RETURN_ALLOW_IF(BPF_MAP_LOOKUP_BATCH),
		CONFINE_RETURN_ALLOW_IF(BPF_MAP_GET_NEXT_KEY),
		CONFINE_RETURN_ALLOW_IF(BPF_OBJ_GET),
		CONFINE_RETURN_ALLOW_IF(BPF_OBJ_GET_INFO_BY_FD),
		CONFINE_RETURN(CONFINE_REFUSE),
	};
	const struct sock_fprog program = { ARRAY_SIZE(filter), filter };

	if (!ARCH)
		return -ENOTSUP;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return -errno;
	return 0;
}

/* Sets the permitted and effective capabilities. Ambient capabilities go with them. */
static int confine_set_capabilities(uint64_t permitted, uint64_t effective)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
		{ .permitted = (uint32_t)permitted, .effective = (uint32_t)effective },
		{ .permitted = permitted >> 32, .effective = effective >> 32 },
	};

	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

static int confine_get_permitted(uint64_t *ret_permitted)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, data))
		return -errno;
	*ret_permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	return 0;
}

/*
 * Whether this kernel asks for CAP_BPF at every command, as 5.10 does and 6.1 does not: such a
 * kernel says EPERM before it looks at the descriptor. The caller must have dropped CAP_BPF.
 */
static bool confine_needs_capability(void)
{
	union bpf_attr attr = { .info.bpf_fd = (uint32_t)-1 };

	return syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr)) && errno == EPERM;
}

static int confine_drop_capabilities(void)
{
	uint64_t permitted = 0;
	int r = confine_get_permitted(&permitted);

	if (r)
		return r;
	permitted &= 1ULL << CAP_BPF;
	r = confine_set_capabilities(permitted, 0);
	if (r || !permitted)
		return r;
	if (!confine_needs_capability())
		permitted = 0;
	return confine_set_capabilities(permitted, permitted);
}

int confine(void)
{
	int r = confine_drop_capabilities();

	if (r)
		return r;
	return confine_filter_bpf();
}
