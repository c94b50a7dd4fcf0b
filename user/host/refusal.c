// SPDX-License-Identifier: GPL-2.0-only
/* Reasons that keep root from bpf(2); see refusal.h. */
#include "host/refusal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "base/cleanup.h"
#include "base/macro.h"

/* Since Linux 5.8. An older kernel asks for CAP_SYS_ADMIN alone; older headers lack the two. */
#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#endif
#ifndef CAP_BPF
#define CAP_BPF 39
#endif

/* CAP_SYS_ADMIN stands in for each of them. */
static const struct {
	unsigned int number;
	const char *name;
} needed[] = {
	{ CAP_BPF, "CAP_BPF" },
	{ CAP_PERFMON, "CAP_PERFMON" },
	{ CAP_NET_ADMIN, "CAP_NET_ADMIN" },
};

/* Reads the beginning of a kernel file into dst; dst is empty if the file cannot be read. */
static void refusal_read(const char *path, char *dst, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, dst, size - 1);

	dst[n > 0 ? n : 0] = '\0';
}

bool refusal_in_rights(uint64_t effective, const char *uid_map, struct reason *reason)
{
	unsigned int inside, outside, count;
	char names[64] = "";
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (!(effective & (1ULL << needed[i].number | 1ULL << CAP_SYS_ADMIN)))
			len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s",
						len ? ", " : "", needed[i].name);
	if (len) {
		reason_set(reason, -EPERM,
			   "this process is root without %s, which loading BPF programs needs: see "
			   "CapabilityBoundingSet= of its unit, or what its container was given",
			   names);
		return true;
	}
	/* NOLINTNEXTLINE(cert-err34-c): the numbers are the kernel's own */
	if (sscanf(uid_map, "%u %u %u", &inside, &outside, &count) != 3 ||
	    (!outside && count == UINT32_MAX))
		return false;
	reason_set(reason, -EPERM,
		   "this process is root of a user namespace, as in a container, and not of the "
		   "machine: BPF programs are loaded by root of the machine");
	return true;
}

bool refusal_of_rights(struct reason *reason)
{
	char status[4096], uid_map[128];
	const char *line;

	refusal_read("/proc/self/status", status, sizeof(status));
	refusal_read("/proc/self/uid_map", uid_map, sizeof(uid_map));
	line = strstr(status, "\nCapEff:");
	return line &&
	       refusal_in_rights(strtoull(line + strlen("\nCapEff:"), NULL, 16), uid_map, reason);
}

bool refusal_is_lockdown(const char *text, const char *word)
{
	const char *at = strchr(text, '[');
	const size_t len = strlen(word);

	return at && !strncmp(at + 1, word, len) && at[1 + len] == ']';
}

static bool refusal_of_lockdown(struct reason *reason)
{
	char text[128];

	refusal_read("/sys/kernel/security/lockdown", text, sizeof(text));
	if (!refusal_is_lockdown(text, "confidentiality"))
		return false;
	reason_set(reason, -EPERM,
		   "the kernel is in lockdown in confidentiality mode, in which no BPF program can "
		   "read who calls: boot with lockdown=integrity");
	return true;
}

/* A program and a map that any kernel loads: whoever refuses these has not looked at ours. */

static int refusal_try_program(void)
{
	static const struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_CGROUP_INET4_CONNECT);

	return bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, NULL, "GPL", nothing,
			     ARRAY_SIZE(nothing), &options);
}

static int refusal_try_map(void)
{
	return bpf_map_create(BPF_MAP_TYPE_ARRAY, NULL, 4, 4, 1, NULL);
}

static int refusal_try(int (*try)(void))
{
	_cleanup_close_ int fd = try();

	return fd < 0 ? -errno : 0;
}

/*
 * Whether the kernel charges maps and programs to the user's locked memory, as before Linux 5.11;
 * libbpf raises the limit if it may. Such a kernel's BTF has a struct for the count. The function
 * loads no program to ask, as there may be no room for one either.
 */
static bool refusal_counts_maps(void)
{
	struct btf *kernel = btf__load_vmlinux_btf();
	int id = kernel ? btf__find_by_name_kind(kernel, "bpf_map_memory", BTF_KIND_STRUCT)
			: -errno;

	btf__free(kernel);
	return id >= 0;
}

static bool refusal_of_memory(int err, struct reason *reason)
{
	struct rlimit limit;

	if (err != -EPERM || getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur == RLIM_INFINITY ||
	    !refusal_counts_maps())
		return false;
	reason_set(reason, err,
		   "the limit on locked memory (RLIMIT_MEMLOCK, %llu bytes) leaves no room for the "
		   "policy: this kernel counts BPF maps in it (ulimit -l unlimited, or "
		   "LimitMEMLOCK=infinity in the unit)",
		   (unsigned long long)limit.rlim_cur);
	return true;
}

static bool refusal_of_module(int err, struct reason *reason)
{
	char modules[256], *end;
	int r = refusal_try(refusal_try_program);

	if (!r)
		r = refusal_try(refusal_try_map);
	if ((err != -EPERM && err != -EACCES) || (r != -EPERM && r != -EACCES))
		return false;
	refusal_read("/sys/kernel/security/lsm", modules, sizeof(modules));
	end = strchr(modules, '\n');
	if (end)
		*end = '\0';
	reason_set(reason, err,
		   "bpf(2) is refused to this process, which has the rights for it: %s. A security "
		   "module%s%s%s, or a seccomp filter as a container's, does that; SELinux's words "
		   "are in the audit log (ausearch -m avc)",
		   strerror(-r), *modules ? " (of " : "", modules, *modules ? ")" : "");
	return true;
}

bool refusal_explains(int err, struct reason *reason)
{
	return refusal_of_rights(reason) || refusal_of_lockdown(reason) ||
	       refusal_of_memory(err, reason) || refusal_of_module(err, reason);
}
