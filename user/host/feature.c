// SPDX-License-Identifier: GPL-2.0-only
/* Asks the kernel for features; see feature.h. */
#include "host/feature.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <smtpward/hooks.h>
#include <smtpward/packets.h>

#include "base/macro.h"
#include "host/refusal.h"

const struct feature_info feature_infos[FEATURES] = {
	[FEATURE_BTF] = { "btf", "to find the kernel's own structs",
			  "the kernel has no BTF (/sys/kernel/btf/vmlinux): one built with "
			  "CONFIG_DEBUG_INFO_BTF is needed, as Debian's are since 5.10" },
	[FEATURE_HOOKS] = { "hooks", "to refuse a connect, IPv4 and IPv6",
			    "the kernel has no BPF hooks for connect on cgroups: one built with "
			    "CONFIG_CGROUP_BPF is needed" },
	[FEATURE_LINKS] = { "links", "to enforce without a process, and to lift it at once",
			    "the kernel cannot detach BPF links: Linux 5.10 or newer is needed" },
	[FEATURE_MEMORY] = { "memory", "to read who calls",
			     "the kernel lets no BPF program read who calls: one built with "
			     "CONFIG_BPF_EVENTS is needed, as Debian's are" },
	[FEATURE_RINGBUF] = { "ringbuf", "to hand over what is logged",
			      "the kernel has no BPF ring buffer: Linux 5.10 or newer is needed" },
	[FEATURE_TRACKER] = { "tracker", "rules with unit or cgroup, and the limit on lines",
			      "the kernel does not tell BPF programs of new cgroups: one built "
			      "with "
			      "CONFIG_BPF_EVENTS is needed, as Debian's are" },
	[FEATURE_REJECT] = { "reject", "to refuse with another error than EPERM", NULL },
	[FEATURE_AUID] = { "auid", "who had logged in, in the log", NULL },
	[FEATURE_TASK] = { "task", "to read who calls at less cost", NULL },
	[FEATURE_TAI] = { "tai", "rules with until, by a clock that is set with the machine's",
			  NULL },
};

/*
 * 1: the call succeeded. 0: the kernel does not know the feature. -errno: another error, as of a
 * kernel that is short of memory or does not let this process ask.
 */
static int feature_answer(int fd)
{
	if (fd >= 0) {
		close(fd);
		return 1;
	}
	return errno == EINVAL || errno == ENOTSUP || errno == E2BIG ? 0 : -errno;
}

#define INSN_MOVE(to, number)                                                         \
	{                                                                             \
		.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (to), .imm = (number) \
	}
#define INSN_CALL(helper)                                   \
	{                                                   \
		.code = BPF_JMP | BPF_CALL, .imm = (helper) \
	}
#define INSN_RETURN(number)                \
	INSN_MOVE(BPF_REG_0, number),      \
	{                                  \
		.code = BPF_JMP | BPF_EXIT \
	}

static const struct bpf_insn nothing[] = { INSN_RETURN(1) };

/*
 * Calls bpf_set_retval(). The test is whether the program loads, as the verifier's words differ by
 * kernel.
 */
static const struct bpf_insn sets_error[] = {
	INSN_MOVE(BPF_REG_1, 0),
	INSN_CALL(BPF_FUNC_set_retval),
	INSN_RETURN(1),
};

static const struct bpf_insn reads_memory[] = {
	{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_10 },
	/* NOLINTNEXTLINE(misc-redundant-expression): BPF_ADD and BPF_K are both 0. */
	{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_1, .imm = -8 },
	INSN_MOVE(BPF_REG_2, 8),
	INSN_MOVE(BPF_REG_3, 0),
	INSN_CALL(BPF_FUNC_probe_read_kernel),
	INSN_RETURN(1),
};

static const struct bpf_insn gets_task[] = {
	INSN_CALL(BPF_FUNC_get_current_task_btf),
	INSN_RETURN(1),
};

static const struct bpf_insn reads_tai[] = {
	INSN_CALL(BPF_FUNC_ktime_get_tai_ns),
	INSN_RETURN(1),
};

static int feature_ask_hook(enum bpf_attach_type hook, const struct bpf_insn *program, size_t n)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = hook);

	return feature_answer(
		bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, NULL, "GPL", program, n, &options));
}

/* -EPERM if the process lacks rights: to the verifier a helper without a right is missing. */
static int feature_ask_helper(const struct bpf_insn *program, size_t n)
{
	int yes = feature_ask_hook(BPF_CGROUP_INET4_CONNECT, program, n);
	struct reason why;

	return !yes && refusal_of_rights(&why) ? -EPERM : yes;
}

#define ATTACH_TYPE(name, type, program, before, part) { BPF_CGROUP_##type, SMTPWARD_PART_##part },

/* The hooks of the second layer are older than those that every policy has. */
static const struct {
	enum bpf_attach_type type;
	uint32_t part;
} feature_hooks[] = { SMTPWARD_HOOK_TABLE(ATTACH_TYPE) };

static int feature_ask_hooks(void)
{
	int yes = 1;

	for (size_t i = 0; i < ARRAY_SIZE(feature_hooks) && yes == 1; i++)
		if (!feature_hooks[i].part)
			yes = feature_ask_hook(feature_hooks[i].type, nothing, ARRAY_SIZE(nothing));
	return yes;
}

static int feature_ask_ringbuf(void)
{
	return feature_answer(bpf_map_create(BPF_MAP_TYPE_RINGBUF, NULL, 0, 0,
					     (__u32)sysconf(_SC_PAGESIZE), NULL));
}

/* Detaches -1: a kernel that does not know the command fails before it looks at the descriptor. */
static int feature_ask_links(void)
{
	return bpf_link_detach(-1) && errno == EBADF ? 1 : feature_answer(-1);
}

static int feature_ask_tracepoint(const struct btf *kernel, const char *type)
{
	int id = btf__find_by_name_kind(kernel, type, BTF_KIND_TYPEDEF);
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_TRACE_RAW_TP,
		    .attach_btf_id = (__u32)id);

	if (id < 0)
		return 0;
	return feature_answer(bpf_prog_load(BPF_PROG_TYPE_TRACING, NULL, "GPL", nothing,
					    ARRAY_SIZE(nothing), &options));
}

static int feature_ask_tracker(const struct btf *kernel)
{
	int yes = feature_ask_tracepoint(kernel, "btf_trace_cgroup_mkdir");

	return yes == 1 ? feature_ask_tracepoint(kernel, "btf_trace_cgroup_rmdir") : yes;
}

/* Also finds a member inside a struct without a name, as a randomised layout has it. */
static int feature_has_member(const struct btf *kernel, const struct btf_type *type,
			      const char *name)
{
	const struct btf_member *members = btf_members(type);

	for (int i = 0; i < btf_vlen(type); i++) {
		const char *member = btf__name_by_offset(kernel, members[i].name_off);
		const struct btf_type *inner = btf__type_by_id(kernel, members[i].type);

		if (member && !strcmp(member, name))
			return 1;
		if (member && !*member && inner && btf_is_composite(inner) &&
		    feature_has_member(kernel, inner, name))
			return 1;
	}
	return 0;
}

static int feature_ask_auid(const struct btf *kernel)
{
	int id = btf__find_by_name_kind(kernel, "task_struct", BTF_KIND_STRUCT);

	return id < 0 ? 0
		      : feature_has_member(kernel, btf__type_by_id(kernel, (__u32)id), "loginuid");
}

/* Reads the kernel's BTF into *kernel at the first question. */
static int feature_ask_btf(int (*ask)(const struct btf *kernel), struct btf **kernel)
{
	if (!*kernel)
		*kernel = btf__load_vmlinux_btf();
	if (!*kernel)
		return errno == ENOENT || errno == ESRCH ? 0 : -errno;
	return ask(*kernel);
}

static int feature_ask_kernel(enum feature feature, struct btf **kernel)
{
	switch (feature) {
	case FEATURE_BTF:
		return !access("/sys/kernel/btf/vmlinux", R_OK);
	case FEATURE_HOOKS:
		return feature_ask_hooks();
	case FEATURE_LINKS:
		return feature_ask_links();
	case FEATURE_MEMORY:
		return feature_ask_helper(reads_memory, ARRAY_SIZE(reads_memory));
	case FEATURE_RINGBUF:
		return feature_ask_ringbuf();
	case FEATURE_TRACKER:
		return feature_ask_btf(feature_ask_tracker, kernel);
	case FEATURE_REJECT:
		return feature_ask_hook(BPF_CGROUP_INET4_CONNECT, sets_error,
					ARRAY_SIZE(sets_error));
	case FEATURE_AUID:
		return feature_ask_btf(feature_ask_auid, kernel);
	case FEATURE_TASK:
		return feature_ask_helper(gets_task, ARRAY_SIZE(gets_task));
	case FEATURE_TAI:
		return feature_ask_helper(reads_tai, ARRAY_SIZE(reads_tai));
	default:
		return -EINVAL;
	}
}

int feature_ask(enum feature feature)
{
	struct btf *kernel = NULL;
	int yes = feature_ask_kernel(feature, &kernel);

	btf__free(kernel);
	return yes;
}

void features_ask_all(int ret_answers[FEATURES])
{
	struct btf *kernel = NULL;

	for (int i = 0; i < FEATURES; i++)
		ret_answers[i] = feature_ask_kernel((enum feature)i, &kernel);
	btf__free(kernel);
}
