// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel's programs make of a packet, against the second opinion of reference.h. The
 * programs are those that a load has put in force; BPF_PROG_TEST_RUN gives each of them packets.
 *
 * What a program has found shows in its answer, in its counters, and in what lets a packet out: a
 * pass for the number, address and port that the second opinion has, and for no other; and rules on
 * guests that ask for the source, the MAC address and the VLAN.
 */
#include "../kernel/fixture_far.h"

#include <arpa/inet.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <smtpward/packets.h>

#include "frames.h"
#include "pins/hook.h"
#include "pins/uplink.h"
#include "reference.h"

#define NEXT ((uint32_t)-1)
#define DROP 2

#define POLICY                                                               \
	"ports 25, 465\npackets on\nuplink " FAR_UPLINK "\n"                 \
	"allow guest " FAR_UPLINK " mac 02:00:00:00:00:09 from 198.19.0.1, " \
	"2001:db8:19::/48\n"                                                 \
	"allow guest " FAR_UPLINK " vlan 7 port 465\n"

enum program { PROGRAM_FRAMES, PROGRAM_BARE, PROGRAM_PASS, PROGRAMS };

/* struct smtpward_packet_counters, to go over. */
#define COUNTERS (sizeof(struct smtpward_packet_counters) / sizeof(uint64_t))
#define COUNTER(member) (offsetof(struct smtpward_packet_counters, member) / sizeof(uint64_t))
#define NO_COUNTER COUNTERS

struct counters {
	uint64_t of[COUNTERS];
};

static struct kernel {
	int programs[PROGRAMS];
	int counters, passes;
	int n_cpus;
	uint32_t uplink;
	bool fragments; /* the kernel makes a packet of pieces, if it is asked to */
	struct counters before;
} kernel;

static int open_program(const char *pin)
{
	char name[64];

	snprintf(name, sizeof(name), "policy/%s", pin);
	return bpf_pin_open(name);
}

static void read_counters(struct counters *ret)
{
	static struct counters cpus[1024];
	const uint32_t zero = 0;

	assert_true(kernel.n_cpus > 0 && kernel.n_cpus <= (int)ARRAY_SIZE(cpus));
	assert_int_equal(bpf_map_lookup_elem(kernel.counters, &zero, cpus), 0);
	*ret = (struct counters){ { 0 } };
	for (int cpu = 0; cpu < kernel.n_cpus; cpu++)
		for (size_t i = 0; i < COUNTERS; i++)
			ret->of[i] += cpus[cpu].of[i];
}

/* linear: so many bytes lie together, if the kernel can have it so; 0: all. -1: the kernel gives
 * no program such a packet. */
static int ask(enum program program, const void *bytes, size_t size, size_t linear,
	       uint32_t *ret_answer)
{
	struct __sk_buff context = { .ingress_ifindex = kernel.uplink, .data_end = linear };
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = bytes, .data_size_in = size);
	int r;

	if (program != PROGRAM_PASS) {
		options.ctx_in = &context;
		options.ctx_size_in = sizeof(context);
	}
	r = bpf_prog_test_run_opts(kernel.programs[program], &options);
	*ret_answer = options.retval;
	return r;
}

static void give_pass(const struct reference *is, const uint8_t *to, uint16_t port)
{
	struct smtpward_pass pass = { .mark = { .port = port, .bound = 1 } };
	const uint32_t key = htonl(is->sequence);
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	pass.time_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	memcpy(pass.mark.words, to, sizeof(pass.mark.words));
	assert_int_equal(bpf_map_update_elem(kernel.passes, &key, &pass, BPF_ANY), 0);
}

static void take_passes(const struct reference *is)
{
	const uint32_t key = htonl(is->sequence);

	bpf_map_delete_elem(kernel.passes, &key);
}

static bool is_guarded(const struct reference *is)
{
	return is->kind == REFERENCE_SYN && (is->port == 25 || is->port == 465);
}

/* By the rules of POLICY. */
static bool is_allowed(const struct reference *is)
{
	static const uint8_t v4[] = { [10] = 0xff, 0xff, 198, 19, 0, 1 };
	static const uint8_t v6[] = { 0x20, 0x01, 0x0d, 0xb8, 0, 0x19 };

	if (is->mac == FRAMES_MAC && (!memcmp(is->source, v4, 16) || !memcmp(is->source, v6, 6)))
		return true;
	return is->vlan == 7 && is->port == 465;
}

static void fail_at(enum program program, const void *bytes, size_t size, const char *what)
{
	static const char *const names[] = { "frame", "packet", "packet of a socket" };
	const uint8_t *at = bytes;
	char hex[2 * 1024 + 1] = "";

	for (size_t i = 0; i < size; i++)
		sprintf(hex + 2 * i, "%02x", at[i]);
	fail_msg("%s: %s: %s", names[program], what, hex);
}

/* Runs the program, and expects an answer, and one more in one counter or in none. */
static bool expect(enum program program, const void *bytes, size_t size, size_t linear,
		   uint32_t answer, size_t counter, const char *what)
{
	struct counters now, expected = kernel.before;
	uint32_t got;

	if (ask(program, bytes, size, linear, &got)) {
		/* What is too short for an IP header is no packet to newer kernels. */
		if (errno != EINVAL)
			fail_at(program, bytes, size, strerror(errno));
		return false;
	}
	read_counters(&now);
	if (counter != NO_COUNTER)
		expected.of[counter]++;
	/* Whether the same came before is for records alone. */
	expected.of[COUNTER(repeated)] = now.of[COUNTER(repeated)];
	if (got != answer || memcmp(&now, &expected, sizeof(now)))
		fail_at(program, bytes, size, what);
	kernel.before = now;
	return true;
}

static void check_pass_program(const struct reference *is, const void *bytes, size_t size,
			       size_t linear)
{
	if (is->kind == REFERENCE_HIDDEN)
		expect(PROGRAM_PASS, bytes, size, linear, 0, COUNTER(hidden), "is hidden");
	else if (is_guarded(is))
		expect(PROGRAM_PASS, bytes, size, linear, 0, COUNTER(unmarked), "has no mark");
	else
		expect(PROGRAM_PASS, bytes, size, linear, 1, NO_COUNTER, "is to pass");
}

static void check_gate_passes(enum program program, const struct reference *is, const void *bytes,
			      size_t size, size_t linear, uint64_t chance)
{
	const uint32_t refusal = is_allowed(is) ? NEXT : DROP;
	const size_t counter = is_allowed(is) ? COUNTER(guest_allowed) : COUNTER(guest_denied);
	uint8_t elsewhere[16];

	memcpy(elsewhere, is->destination, sizeof(elsewhere));
	elsewhere[chance / 8 % 16] ^= (uint8_t)(1 << chance % 8);
	give_pass(is, elsewhere, is->port);
	expect(program, bytes, size, linear, refusal, counter, "has a pass to elsewhere");
	give_pass(is, is->destination, is->port ^ 25 ^ 465);
	expect(program, bytes, size, linear, refusal, counter, "has a pass to another port");
	give_pass(is, is->destination, is->port);
	expect(program, bytes, size, linear, NEXT, COUNTER(let_out), "has a pass");
	take_passes(is);
}

/* True: the program saw the packet. */
static bool check_gate(enum program program, const struct reference *is, const void *bytes,
		       size_t size, size_t linear, uint64_t chance)
{
	bool seen;

	if (is->kind == REFERENCE_HIDDEN)
		return expect(program, bytes, size, linear, DROP, COUNTER(hidden), "is hidden");
	if (!is_guarded(is))
		return expect(program, bytes, size, linear, NEXT, NO_COUNTER, "is to pass");
	seen = is_allowed(is) ? expect(program, bytes, size, linear, NEXT, COUNTER(guest_allowed),
				       "is of an allowed guest")
			      : expect(program, bytes, size, linear, DROP, COUNTER(guest_denied),
				       "is of a refused guest");
	if (seen)
		check_gate_passes(program, is, bytes, size, linear, chance);
	return seen;
}

/* How often the second opinion said what. */
static uint64_t said[REFERENCE_HIDDEN + 1], guarded, allowed, unseen;

static void say(const struct reference *is, bool seen)
{
	said[is->kind]++;
	guarded += is_guarded(is);
	allowed += is_guarded(is) && is_allowed(is);
	unseen += !seen;
}

static size_t linear_of(struct frames *frames, size_t least)
{
	if (!kernel.fragments || frames->size <= least || !frames_once_in(frames, 4))
		return 0;
	return least + frames_chance(frames, frames->size - least);
}

static void check_frame(struct frames *frames)
{
	const struct reference is = reference_of_frame(frames->bytes, frames->size);

	say(&is, check_gate(PROGRAM_FRAMES, &is, frames->bytes, frames->size, linear_of(frames, 14),
			    frames->state >> 20));
}

/* The pass program gets what is behind an Ethernet header, which is there for the kernel alone. */
static void check_bare(struct frames *frames)
{
	const struct reference is = reference_of_packet(frames->bytes, frames->size);
	uint8_t framed[14 + sizeof(frames->bytes)] = { [12] = 0x88, 0xb5 };

	say(&is,
	    check_gate(PROGRAM_BARE, &is, frames->bytes, frames->size, 0, frames->state >> 20));
	memcpy(framed + 14, frames->bytes, frames->size);
	check_pass_program(&is, framed, 14 + frames->size, 0);
}

static void test_by_chance(void **state)
{
	const int n = fixture_rounds(60000);
	struct frames frames = { .state = 0x736d7470 };

	memset(said, 0, sizeof(said));
	guarded = allowed = unseen = 0;
	for (int i = 0; i < n; i++) {
		frames_next(&frames, true);
		check_frame(&frames);
		frames_next(&frames, false);
		check_bare(&frames);
	}
	print_message("# %d packets: %ju other, %ju SYN, of them %ju guarded and %ju allowed, %ju "
		      "hidden; %ju not seen\n",
		      2 * n, (uintmax_t)said[REFERENCE_OTHER], (uintmax_t)said[REFERENCE_SYN],
		      (uintmax_t)guarded, (uintmax_t)allowed, (uintmax_t)said[REFERENCE_HIDDEN],
		      (uintmax_t)unseen);
	/* The packets are such that each answer is asked for. */
	assert_true(guarded > (uint64_t)n / 10 && allowed > (uint64_t)n / 100);
	assert_true(said[REFERENCE_HIDDEN] > (uint64_t)n / 50);
	assert_true(unseen < (uint64_t)n / 10);
}

/* Each length of some packets. */
static void test_cut(void **state)
{
	struct frames frames = { .state = 0x637574 };

	for (int i = 0; i < fixture_rounds(200); i++) {
		const bool framed = i % 2;

		frames_next(&frames, framed);
		for (size_t size = frames.size; size >= 14; size--) {
			frames.size = size;
			if (framed)
				check_frame(&frames);
			else
				check_bare(&frames);
		}
	}
}

/* All flags, and all ports that differ from a guarded one in a bit, in the plainest packets. */
static void check_plain(bool v4)
{
	static const uint16_t ports[] = { 25, 465 };
	struct frames frames = { .state = 1, .network = 14 };
	const size_t tcp = 14 + (v4 ? 20 : 40);

	frames.size = tcp + 20;
	frames.bytes[12] = v4 ? 0x08 : 0x86;
	frames.bytes[13] = v4 ? 0x00 : 0xdd;
	frames.bytes[14] = v4 ? 0x45 : 0x60;
	frames.bytes[14 + (v4 ? 9 : 6)] = IPPROTO_TCP;
	frames.bytes[tcp + 3] = 25;
	for (int flags = 0; flags < 256; flags++) {
		frames.bytes[tcp + 13] = (uint8_t)flags;
		check_frame(&frames);
	}
	frames.bytes[tcp + 13] = 2;
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		for (int bit = 0; bit < 16; bit++) {
			const uint16_t port = ports[i] ^ (uint16_t)(1 << bit);

			frames.bytes[tcp + 2] = (uint8_t)(port >> 8);
			frames.bytes[tcp + 3] = (uint8_t)port;
			check_frame(&frames);
		}
	}
}

static void test_plain(void **state)
{
	check_plain(true);
	check_plain(false);
}

static void find_programs(void)
{
	kernel.programs[PROGRAM_FRAMES] = open_program(uplink_infos[UPLINK_ETH].program_pin);
	kernel.programs[PROGRAM_BARE] = open_program(uplink_infos[UPLINK_BARE].program_pin);
	kernel.programs[PROGRAM_PASS] =
		open_program(hook_infos[SMTPWARD_HOOK_INET_EGRESS].program_pin);
	kernel.counters = bpf_pin_open("policy/map_pkt_counts");
	kernel.passes = bpf_pin_open("policy/map_passes");
	kernel.n_cpus = libbpf_num_possible_cpus();
}

static int setup(void **state)
{
	const uint8_t frame[64] = { 0 };
	uint32_t answer;
	int r = far_group_setup(state);

	if (r)
		return r;
	kernel.uplink = far_uplink();
	policy_load(POLICY);
	find_programs();
	read_counters(&kernel.before);
	kernel.fragments = !ask(PROGRAM_FRAMES, frame, sizeof(frame), 20, &answer);
	print_message("# packets of pieces: %s\n", kernel.fragments ? "yes" : "not by this kernel");
	return 0;
}

static int teardown(void **state)
{
	for (int i = 0; i < PROGRAMS; i++)
		cleanup_close(&kernel.programs[i]);
	cleanup_close(&kernel.counters);
	cleanup_close(&kernel.passes);
	policy_unload();
	return far_group_teardown(state);
}

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_by_chance),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests_name("parser", tests, setup, teardown);
}

int main(void)
{
	return fixture_main(tests);
}
