// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the gate makes of a packet: bpf/packet.h, compiled for this machine, against the second
 * opinion of tests/attack/reference.h. tests/attack/test_parser.c asks the kernel's own build of
 * it. The first byte of the input says of what kind the packet is that the others are.
 */
#include "fuzz.h"

#include "../../bpf/kernel.h"

/* What is the kernel's, or BPF's alone. */
static long load_bytes(const void *skb, uint32_t offset, void *to, uint32_t size);

#undef OPAQUE
#define OPAQUE(value, unknown) (value)
#define bpf_skb_load_bytes load_bytes

#include "../../bpf/packet.h"

#include "../attack/reference.h"

static const uint8_t *bytes;
static size_t n_bytes;

static long load_bytes(const void *skb, uint32_t offset, void *to, uint32_t size)
{
	if (offset > n_bytes || size > n_bytes - offset)
		return -1;
	memcpy(to, bytes + offset, size);
	return 0;
}

static void compare(const struct packet *packet, const struct reference *is)
{
	uint32_t sequence;

	memcpy(&sequence, &packet->sequence, sizeof(sequence));
	fuzz_assert(!memcmp(packet->source, is->source, 16));
	fuzz_assert(!memcmp(packet->destination, is->destination, 16));
	fuzz_assert(bpf_ntohl(sequence) == is->sequence);
	fuzz_assert(packet->port == is->port);
	fuzz_assert(packet->vlan == is->vlan);
	fuzz_assert(packet->mac == is->mac);
}

static void check_frame(struct __sk_buff *skb)
{
	const struct reference is = reference_of_frame(bytes, n_bytes);
	struct packet packet;

	fuzz_assert((int)packet_read_frame(skb, &packet) == (int)is.kind);
	if (is.kind == REFERENCE_SYN)
		compare(&packet, &is);
	if (n_bytes >= ETH_HEADER && is.kind != REFERENCE_OTHER) {
		uint16_t type;

		memcpy(&type, bytes + 12, sizeof(type));
		fuzz_assert(!packet_is_plain(bytes + ETH_HEADER, bytes + n_bytes, type));
	}
}

static void check_bare(struct __sk_buff *skb)
{
	const struct reference is = reference_of_packet(bytes, n_bytes);
	struct packet packet;

	fuzz_assert((int)packet_read_bare(skb, &packet) == (int)is.kind);
	if (is.kind == REFERENCE_SYN)
		compare(&packet, &is);
	if (is.kind != REFERENCE_OTHER)
		fuzz_assert(!packet_is_plain_ipv4(bytes, bytes + n_bytes) &&
			    !packet_is_plain_ipv6(bytes, bytes + n_bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	const size_t kind = input_below(&input, 2);
	struct __sk_buff skb = { .len = (uint32_t)input.size };
	char *copy = fuzz_copy(input.data, input.size);

	bytes = (const uint8_t *)copy;
	n_bytes = input.size;
	if (kind)
		check_frame(&skb);
	else
		check_bare(&skb);
	free(copy);
	return 0;
}
