// SPDX-License-Identifier: GPL-2.0-only
/*
 * The receiver as the oracle: frames by chance go over a real cable to a real listener. What it
 * answers with the gate off is a way to begin a connection, whatever it looks like, and must not
 * get through with the gate on. What the gate drops was either that, or hid whether it was.
 *
 * A receiver knows ways that no reference thinks of, such as any number of tags for priority.
 */
#include "../kernel/fixture_far.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>

#include "frames.h"
#include "reference.h"

#define ITEMS 12000
#define BATCH 64
#define PARTS 3
#define FIRST_PORT 20000
#define PORTS (ITEMS + 2) /* of a round; the last ones are of the frames that end a batch */

/* Frames that together are one packet. */
struct item {
	struct part {
		uint8_t bytes[400];
		size_t size;
	} parts[PARTS];
	size_t n;
	bool spoiled;
};

static void part_add(struct part *part, const void *bytes, size_t size)
{
	memcpy(part->bytes + part->size, bytes, size);
	part->size += size;
}

static uint32_t sum_of(const uint8_t *bytes, size_t size)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* The addresses of both ends, one behind the other, and their size. */
static size_t addresses_of(bool v4, uint8_t ret[static 32])
{
	const size_t size = v4 ? 4 : 16;

	inet_pton(v4 ? AF_INET : AF_INET6, v4 ? FAR_OUR4 : FAR_OUR6, ret);
	inet_pton(v4 ? AF_INET : AF_INET6, v4 ? FAR_THEIR4 : FAR_THEIR6, ret + size);
	return 2 * size;
}

/* A TCP segment with its checksum, behind extension headers. */
struct payload {
	uint8_t bytes[200];
	size_t size;
	uint8_t type; /* of the first header */
};

static void payload_add_extensions(struct frames *chance, struct payload *payload)
{
	size_t n = frames_once_in(chance, 2) ? 0 : frames_chance(chance, 11);

	payload->type = IPPROTO_TCP;
	for (size_t i = 0; i < n; i++) {
		/* Linux takes hop-by-hop options as the first alone. */
		const uint8_t type = !i && frames_once_in(chance, 2) ? IPPROTO_HOPOPTS
								     : IPPROTO_DSTOPTS;
		const bool is_atomic = i && frames_once_in(chance, 6);
		const uint8_t header[2][8] = { { IPPROTO_TCP, 0, 1, 4 }, { IPPROTO_TCP } };

		if (i)
			payload->bytes[payload->size - 8] = is_atomic ? IPPROTO_FRAGMENT : type;
		else
			payload->type = type;
		memcpy(payload->bytes + payload->size, header[is_atomic], 8);
		payload->size += 8;
	}
}

static void payload_add_tcp(struct frames *chance, bool v4, uint16_t source, uint16_t port,
			    struct payload *payload)
{
	static const uint8_t flags[] = { 2, 2, 2, 2, 0xc2, 0x0a, 0x22, 0x03, 0x06, 0x12, 0x10 };
	const size_t options = 4 * (frames_once_in(chance, 2) ? 0 : frames_chance(chance, 11));
	const size_t data = frames_once_in(chance, 2) ? 0 : frames_chance(chance, 40);
	uint8_t *at = payload->bytes + payload->size, addresses[32];
	const size_t size = sizeof(struct tcphdr) + options + data;
	struct tcphdr tcp = {
		.source = htons(source),
		.dest = htons(port),
		.seq = htonl((uint32_t)chance->state),
		.doff = (sizeof(tcp) + options) / 4,
		.window = htons(1024),
	};
	const size_t n = addresses_of(v4, addresses);

	memcpy(at, &tcp, sizeof(tcp));
	at[13] = flags[frames_chance(chance, sizeof(flags))];
	memset(at + sizeof(tcp), 1, options);
	memset(at + sizeof(tcp) + options, 'x', data);
	tcp.check = fold(sum_of(addresses, n) + IPPROTO_TCP + (uint32_t)size + sum_of(at, size));
	memcpy(at + 16, &tcp.check, 2);
	payload->size += size;
}

static void part_add_link(struct frames *chance, bool v4, struct part *part)
{
	static const uint8_t kinds[][4] = { { 0x81, 0, 0, 0 }, { 0x88, 0xa8, 0xe0, 0 } };
	size_t tags = frames_once_in(chance, 2) ? 0 : frames_chance(chance, 8);

	part->size = 0;
	part_add(part, far_their_mac, ETH_ALEN);
	part_add(part, far_our_mac, ETH_ALEN);
	while (tags--)
		part_add(part, kinds[frames_chance(chance, 2)], 4);
	part_add(part, v4 ? (const uint8_t[]){ 0x08, 0x00 } : (const uint8_t[]){ 0x86, 0xdd }, 2);
}

/* fragment: the offset in 8 bytes, and 0x8000 if more follows. */
static void part_add_ipv4(struct frames *chance, struct part *part, uint32_t id, uint16_t fragment,
			  size_t size)
{
	const size_t options = frames_once_in(chance, 3) ? 4 * frames_chance(chance, 11) : 0;
	uint8_t header[60], addresses[32];
	struct iphdr ip = {
		.version = 4,
		.ihl = (sizeof(ip) + options) / 4,
		.tot_len = htons((uint16_t)(sizeof(ip) + options + size)),
		.id = htons((uint16_t)id),
		.frag_off = htons((fragment & 0x1fff) | (fragment & 0x8000 ? IP_MF : 0)),
		.ttl = 64,
		.protocol = IPPROTO_TCP,
	};

	addresses_of(true, addresses);
	memcpy(header, &ip, sizeof(ip));
	memcpy(header + 12, addresses, 8);
	memset(header + sizeof(ip), 1, options);
	ip.check = fold(sum_of(header, sizeof(ip) + options));
	memcpy(header + 10, &ip.check, 2);
	part_add(part, header, sizeof(ip) + options);
}

static void part_add_ipv6(struct part *part, uint32_t id, uint16_t fragment, bool whole,
			  uint8_t type, size_t size)
{
	struct ip6_hdr ip = { .ip6_plen = htons((uint16_t)(size + (whole ? 0 : 8))) };
	struct ip6_frag header = {
		.ip6f_nxt = type,
		.ip6f_offlg = htons((uint16_t)((fragment & 0x1fff) << 3 | fragment >> 15)),
		.ip6f_ident = id,
	};
	uint8_t addresses[32];

	addresses_of(false, addresses);
	/* One union with the members before. */
	ip.ip6_vfc = 0x60;
	ip.ip6_hlim = 64;
	ip.ip6_nxt = whole ? type : IPPROTO_FRAGMENT;
	memcpy(&ip.ip6_src, addresses, 32);
	part_add(part, &ip, sizeof(ip));
	if (!whole)
		part_add(part, &header, sizeof(header));
}

/* Bytes from..to of the payload, as a packet or as a fragment. */
static void item_add(struct frames *chance, struct item *item, const struct payload *payload,
		     bool v4, uint32_t id, size_t from, size_t to)
{
	const bool whole = !from && to == payload->size;
	const uint16_t fragment = (uint16_t)(from / 8 | (to < payload->size ? 0x8000 : 0));
	struct part *part = &item->parts[item->n++];

	part_add_link(chance, v4, part);
	if (v4)
		part_add_ipv4(chance, part, id, fragment, to - from);
	else
		part_add_ipv6(part, id, fragment, whole && !frames_once_in(chance, 5),
			      payload->type, to - from);
	part_add(part, payload->bytes + from, to - from);
}

static void item_spoil(struct frames *chance, struct item *item)
{
	struct part *part = &item->parts[frames_chance(chance, item->n)];

	/* Not the addresses of the frame: that would tell nothing. */
	part->bytes[12 + frames_chance(chance, part->size - 12)] ^=
		(uint8_t)(1 << frames_chance(chance, 8));
}

/* id: what fragments of other rounds have not. */
static void item_make(struct frames *chance, uint16_t source, uint32_t id, struct item *item)
{
	const bool v4 = frames_chance(chance, 2);
	struct payload payload = { .size = 0, .type = IPPROTO_TCP };
	size_t cut;

	if (!v4)
		payload_add_extensions(chance, &payload);
	payload_add_tcp(chance, v4, source, frames_once_in(chance, 4) ? 26 : 25, &payload);
	item->n = 0;
	cut = 8 * (1 + frames_chance(chance, payload.size / 8));
	if (frames_once_in(chance, 3) && cut < payload.size) {
		/* The second one may lie over the first, which no receiver should take. */
		const size_t back = frames_once_in(chance, 4) ? 8 : 0;

		item_add(chance, item, &payload, v4, id, 0, cut);
		item_add(chance, item, &payload, v4, id, cut - back, payload.size);
		if (frames_once_in(chance, 3)) {
			const struct part first = item->parts[0];

			item->parts[0] = item->parts[1];
			item->parts[1] = first;
		}
	} else {
		item_add(chance, item, &payload, v4, id, 0, payload.size);
	}
	item->spoiled = frames_once_in(chance, 8);
	if (item->spoiled)
		item_spoil(chance, item);
}

/* A socket, and a ring of one frame: what it sends is not in one piece. */

#define RING_FRAME 2048

static int plain = -1, ring = -1;
static uint8_t *ring_memory;

static void open_sockets(void)
{
	struct tpacket_req request = {
		.tp_block_size = 4096,
		.tp_block_nr = 1,
		.tp_frame_size = RING_FRAME,
		.tp_frame_nr = 4096 / RING_FRAME,
	};
	const struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)far_uplink(),
	};
	const int version = TPACKET_V2, buffer = 16 << 20;

	plain = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
	ring = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_true(plain >= 0 && ring >= 0);
	assert_int_equal(setsockopt(plain, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)), 0);
	assert_int_equal(bind(plain, (const struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(setsockopt(ring, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)),
			 0);
	assert_int_equal(setsockopt(ring, SOL_PACKET, PACKET_TX_RING, &request, sizeof(request)),
			 0);
	ring_memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, 0);
	assert_true(ring_memory != MAP_FAILED);
}

static int send_by_ring(const struct part *part, const struct sockaddr_ll *to)
{
	static unsigned int turn;
	uint8_t *slot = ring_memory + RING_FRAME * (turn % 2);
	struct tpacket2_hdr *header = (struct tpacket2_hdr *)slot;

	memcpy(slot + TPACKET2_HDRLEN - sizeof(struct sockaddr_ll), part->bytes, part->size);
	header->tp_len = (uint32_t)part->size;
	header->tp_status = TP_STATUS_SEND_REQUEST;
	if (sendto(ring, NULL, 0, 0, (const struct sockaddr *)to, sizeof(*to)) >= 0) {
		turn++;
		return 0;
	}
	/* The kernel stays at what was dropped, to send it again: tpacket_snd(). */
	header->tp_status = TP_STATUS_AVAILABLE;
	return errno;
}

static int send_part(const struct part *part, bool by_ring)
{
	const struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(0x88b5),
		.sll_ifindex = (int)far_uplink(),
		.sll_halen = ETH_ALEN,
	};

	if (by_ring)
		return send_by_ring(part, &to);
	return sendto(plain, part->bytes, part->size, 0, (const struct sockaddr *)&to, sizeof(to)) <
			       0
		       ? errno
		       : 0;
}

/* What a round has shown, by item. */
struct shown {
	uint16_t first_port; /* of the round */
	bool answers[PORTS]; /* by port 25 */
	bool others[PORTS];  /* by another port */
	bool dropped[ITEMS]; /* a frame of it */
	bool spoiled[ITEMS];
	unsigned int n_answers, n_others, n_dropped, n_hidden;
};

static void shown_note(struct shown *shown, const uint8_t *frame, size_t size)
{
	const size_t tcp = 14 + (frame[12] == 0x08 ? 20 : 40);
	uint16_t from, to;

	if (size < tcp + 20 || frame[tcp + 13] != 0x12)
		return;
	from = (uint16_t)(frame[tcp] << 8 | frame[tcp + 1]);
	to = (uint16_t)(frame[tcp + 2] << 8 | frame[tcp + 3]);
	to = (uint16_t)(to - shown->first_port);
	if (to >= PORTS)
		return;
	if (from == 25)
		shown->answers[to] = true;
	else
		shown->others[to] = true;
}

/* A frame that always passes and is answered: a plain SYN to port 26. */
static void make_last(bool v4, uint16_t source, struct part *part)
{
	struct frames chance = { .state = 1 };
	struct payload payload = { .type = IPPROTO_TCP };

	do { /* until by chance it is a SYN */
		payload.size = 0;
		payload_add_tcp(&chance, v4, source, 26, &payload);
	} while (payload.bytes[13] != 2);
	part_add(part, far_their_mac, ETH_ALEN);
	part_add(part, far_our_mac, ETH_ALEN);
	part_add(part, v4 ? (const uint8_t[]){ 0x08, 0x00 } : (const uint8_t[]){ 0x86, 0xdd }, 2);
	if (v4)
		part_add_ipv4(&chance, part, 0, 0, payload.size);
	else
		part_add_ipv6(part, 0, 0, true, payload.type, payload.size);
	part_add(part, payload.bytes, payload.size);
}

/* Takes answers up to the one to such a frame, sent last. */
static void shown_take_last(struct shown *shown, bool v4)
{
	const int64_t deadline = clock_ms() + FIXTURE_PATIENCE;
	const uint16_t number = v4 ? ITEMS : ITEMS + 1;
	struct pollfd pollfd = { .fd = plain, .events = POLLIN };
	struct part last = { .size = 0 };
	uint8_t frame[2048];
	ssize_t size;

	make_last(v4, shown->first_port + number, &last);
	shown->others[number] = false;
	while (!shown->others[number]) {
		assert_true(clock_ms() < deadline);
		/* Once more if it takes long: at first the ends have to find each other. */
		assert_int_equal(send_part(&last, false), 0);
		while (!shown->others[number] && poll(&pollfd, 1, 600) > 0)
			while ((size = recv(plain, frame, sizeof(frame), 0)) > 0)
				shown_note(shown, frame, (size_t)size);
	}
}

static void shown_take(struct shown *shown)
{
	shown_take_last(shown, true);
	shown_take_last(shown, false);
}

/* What the gate drops is a first SYN to port 25, or hidden. */
static void check_dropped(const struct part *part, struct shown *shown)
{
	const struct reference is = reference_of_frame(part->bytes, part->size);

	shown->n_dropped++;
	shown->n_hidden += is.kind == REFERENCE_HIDDEN;
	if (is.kind == REFERENCE_HIDDEN || (is.kind == REFERENCE_SYN && is.port == 25))
		return;
	for (size_t i = 0; i < part->size; i++)
		fprintf(stderr, "%02x", part->bytes[i]);
	fail_msg(": is dropped");
}

static void send_item(const struct item *item, size_t i, bool gate, struct shown *shown)
{
	for (size_t part = 0; part < item->n; part++) {
		const int r = send_part(&item->parts[part], i % 5 == 4);

		if (r && (r != ENOBUFS || !gate))
			fail_msg("item %zu: %s", i, strerror(r));
		if (r) {
			check_dropped(&item->parts[part], shown);
			shown->dropped[i] = true;
		}
	}
}

static void run_items(bool gate, struct shown *shown)
{
	struct frames chance = { .state = 0x6f7261636c65 };
	struct item item;

	memset(shown, 0, sizeof(*shown));
	shown->first_port = FIRST_PORT + PORTS * gate;
	shown_take(shown);
	for (size_t i = 0; i < ITEMS; i++) {
		item_make(&chance, (uint16_t)(shown->first_port + i), (uint32_t)(i + ITEMS * gate),
			  &item);
		shown->spoiled[i] = item.spoiled;
		send_item(&item, i, gate, shown);
		if (i % BATCH == BATCH - 1)
			shown_take(shown);
	}
	shown_take(shown);
	for (size_t i = 0; i < ITEMS; i++) {
		shown->n_answers += shown->answers[i];
		shown->n_others += shown->others[i];
	}
	print_message(
		"# gate %s: %u answers of port 25, %u of others; %u dropped, of them %u hidden\n",
		gate ? "on" : "off", shown->n_answers, shown->n_others, shown->n_dropped,
		shown->n_hidden);
}

static void test_nothing_that_is_answered(void **state)
{
	static struct shown off, on;

	run_items(false, &off);
	policy_load("packets on\nuplink " FAR_UPLINK "\ndeny guest none0\n");
	run_items(true, &on);
	assert_true(off.n_answers > ITEMS / 4 && off.n_others > ITEMS / 20);
	assert_int_equal(on.n_answers, 0);
	/* What was spoiled may by chance fit to fragments of another item. */
	for (size_t i = 0; i < ITEMS; i++)
		if (off.others[i] && !on.others[i] && !on.dropped[i] && !on.spoiled[i])
			fail_msg("item %zu is to another port, and is answered no more", i);
}

static int setup(void **state)
{
	int r = far_group_setup(state);
	cpu_set_t cpu;

	if (r)
		return r;
	/* What one CPU sends through the cable arrives in this order. */
	CPU_ZERO(&cpu);
	CPU_SET(sched_getcpu(), &cpu);
	assert_int_equal(sched_setaffinity(0, sizeof(cpu), &cpu), 0);
	open_sockets();
	return 0;
}

static int teardown(void **state)
{
	munmap(ring_memory, 4096);
	cleanup_close(&plain);
	cleanup_close(&ring);
	return far_group_teardown(state);
}

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_nothing_that_is_answered, fixture_tidy),
	};

	return cmocka_run_group_tests_name("oracle", tests, setup, teardown);
}

int main(void)
{
	return fixture_main(tests);
}
