// SPDX-License-Identifier: GPL-2.0-only
/* The gate on the uplink; see fixture_gate.h. */
#include "fixture_gate.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_packet.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <sys/utsname.h>

#include "base/macro.h"

#define TCX_EGRESS ((enum bpf_attach_type)47)
#define BEFORE_ALL (1U << 3)

#define PRIORITY 1
#define HANDLE_MADE 0x736d7401U
#define HANDLE_FOUND 0x736d7402U
#define HANDLE_OTHER 1

#define HOOK(name) \
	LIBBPF_OPTS(bpf_tc_hook, name, .ifindex = (int)far_uplink(), .attach_point = BPF_TC_EGRESS)

static int past_fd = -1;

bool gate_is_link(void)
{
	struct utsname name;
	unsigned int major, minor;

	assert_int_equal(uname(&name), 0);
	assert_int_equal(sscanf(name.release, "%u.%u", &major, &minor), 2);
	return major > 6 || (major == 6 && minor >= 6);
}

int gate_send(void *nothing)
{
	uint8_t frame[14 + 20 + 20] = {
		[12] = 0x08,
		[14] = 0x45,
		[17] = 40,
		[22] = 64,
		[23] = IPPROTO_TCP,
		[26] = 198,
		[27] = 18,
		[29] = 1,
		[30] = 198,
		[31] = 18,
		[33] = 2,
		[34] = FAR_SOURCE_PORT >> 8,
		[35] = FAR_SOURCE_PORT & 0xff,
		[37] = 25,
		[46] = 5 << 4,
		[47] = 2,
	};
	const struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_IP),
		.sll_ifindex = (int)far_uplink(),
		.sll_halen = ETH_ALEN,
	};
	_cleanup_close_ int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	memcpy(frame, far_their_mac, ETH_ALEN);
	memcpy(frame + ETH_ALEN, far_our_mac, ETH_ALEN);
	return sendto(fd, frame, sizeof(frame), 0, (const struct sockaddr *)&to, sizeof(to)) < 0
		       ? errno
		       : 0;
}

void gate_assert_held(const char *cgroup, bool held)
{
	int r;

	far_frames();
	r = child_run(CHILD_IN(cgroup), gate_send, NULL);
	if (r != (held ? ENOBUFS : 0) || far_frames() != !held)
		fail_msg("the gate %s: %s", held ? "is open" : "is closed", strerror(r));
}

const char *gate_pin(void)
{
	static char name[32];

	snprintf(name, sizeof(name), "link_uplink_%u", far_uplink());
	return name;
}

static bool has_filter(uint32_t handle)
{
	HOOK(hook);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = handle, .priority = PRIORITY);

	return !bpf_tc_query(&hook, &options);
}

bool gate_is_there(void)
{
	char path[PATH_MAX];

	if (!gate_is_link())
		return has_filter(HANDLE_MADE) || has_filter(HANDLE_FOUND);
	snprintf(path, sizeof(path), "%s/%s", fixture.pins, gate_pin());
	return !access(path, F_OK);
}

static void detach_link(void)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", fixture.pins, gate_pin());
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	assert_int_equal(bpf_link_detach(fd), 0);
}

void gate_take_away(void)
{
	HOOK(hook);
	LIBBPF_OPTS(bpf_tc_opts, options, .priority = PRIORITY,
		    .handle = has_filter(HANDLE_MADE) ? HANDLE_MADE : HANDLE_FOUND);

	if (gate_is_link())
		detach_link();
	else
		assert_int_equal(bpf_tc_detach(&hook, &options), 0);
}

void gate_make_filter(void)
{
	_cleanup_close_ int program_fd = bpf_pin_open("policy/prog_up_eth");
	HOOK(hook);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = HANDLE_MADE, .priority = PRIORITY,
		    .prog_fd = program_fd);

	assert_int_equal(bpf_tc_hook_create(&hook), 0);
	assert_int_equal(bpf_tc_attach(&hook, &options), 0);
}

bool gate_has_qdisc(void)
{
	HOOK(hook);
	int r = bpf_tc_hook_create(&hook);

	assert_true(!r || r == -EEXIST);
	if (!r)
		gate_remove_qdisc();
	return r == -EEXIST;
}

void gate_make_qdisc(void)
{
	HOOK(hook);

	assert_int_equal(bpf_tc_hook_create(&hook), 0);
}

void gate_remove_qdisc(void)
{
	HOOK(hook);

	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	assert_int_equal(bpf_tc_hook_destroy(&hook), 0);
}

static void change_older_qdisc(unsigned short type, unsigned short flags)
{
	struct {
		struct nlmsghdr header;
		struct tcmsg message;
		struct rtattr kind;
		char name[sizeof("ingress")];
	} request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = type,
			.nlmsg_flags = flags,
		},
		.message = {
			.tcm_ifindex = (int)far_uplink(),
			.tcm_handle = TC_H_MAKE(TC_H_INGRESS, 0),
			.tcm_parent = TC_H_INGRESS,
		},
		.kind = { .rta_type = TCA_KIND, .rta_len = RTA_LENGTH(sizeof("ingress")) },
		.name = "ingress",
	};

	assert_int_equal(net_request(&request), 0);
}

void gate_make_older_qdisc(void)
{
	change_older_qdisc(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL);
}

void gate_remove_older_qdisc(void)
{
	change_older_qdisc(RTM_DELQDISC, 0);
}

/* TC_ACT_OK: no other program is asked. */
static int load_past(void)
{
	const struct bpf_insn instructions[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "past", "GPL", instructions,
			     ARRAY_SIZE(instructions), NULL);
}

void gate_let_past(void)
{
	LIBBPF_OPTS(bpf_link_create_opts, link, .flags = BEFORE_ALL);
	_cleanup_close_ int program_fd = load_past();
	HOOK(hook);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = HANDLE_OTHER, .priority = PRIORITY,
		    .prog_fd = program_fd);

	assert_true(program_fd >= 0);
	if (!gate_is_link()) {
		assert_int_equal(bpf_tc_attach(&hook, &options), 0);
		return;
	}
	past_fd = bpf_link_create(program_fd, (int)far_uplink(), TCX_EGRESS, &link);
	assert_true(past_fd >= 0);
}

void gate_let_past_no_more(void)
{
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = HANDLE_OTHER, .priority = PRIORITY);
	HOOK(hook);

	if (gate_is_link())
		cleanup_close(&past_fd);
	else
		assert_int_equal(bpf_tc_detach(&hook, &options), 0);
}
