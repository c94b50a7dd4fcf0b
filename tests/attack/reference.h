/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A second opinion on what bpf/packet.h makes of a packet: slow, simple, from the standards that
 * each function names. Nothing is shared with it but the question.
 *
 * Lengths that a header states of the whole packet (IPv4's total length, IPv6's payload length,
 * PPPoE's length) are not believed, nor are checksums: the packet is what the bytes are.
 */
#ifndef SMTPWARD_TEST_ATTACK_REFERENCE_H
#define SMTPWARD_TEST_ATTACK_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum reference_kind {
	REFERENCE_OTHER,
	REFERENCE_SYN,	  /* the first packet of a TCP connection */
	REFERENCE_HIDDEN, /* whether it is one does not show */
};

struct reference {
	enum reference_kind kind;
	uint8_t source[16], destination[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint32_t sequence;
	uint16_t port; /* destination */
	uint16_t vlan; /* the outermost that is one; 0: none */
	uint64_t mac;  /* source; 0: a packet without a frame */
};

/* Bytes that were not read yet. */
struct reference_rest {
	const uint8_t *bytes;
	size_t size;
};

/* Cuts off the next n bytes; false if there are not so many. */
static bool reference_cut(struct reference_rest *rest, size_t n, const uint8_t **ret)
{
	if (rest->size < n)
		return false;
	*ret = rest->bytes;
	rest->bytes += n;
	rest->size -= n;
	return true;
}

/* A number in network byte order. */
static uint64_t reference_number(const uint8_t *bytes, size_t size)
{
	uint64_t number = 0;

	while (size--)
		number = number * 256 + *bytes++;
	return number;
}

/* RFC 9293, 3.1: ports, sequence number, acknowledgment number, data offset, control bits. */
static enum reference_kind reference_tcp(struct reference_rest rest, bool more_follows,
					 struct reference *result)
{
	const uint8_t *port_pair, *sequence, *acknowledgment, *offset, *bits;
	bool syn, ack;

	if (!reference_cut(&rest, 4, &port_pair) || !reference_cut(&rest, 4, &sequence) ||
	    !reference_cut(&rest, 4, &acknowledgment) || !reference_cut(&rest, 1, &offset) ||
	    !reference_cut(&rest, 1, &bits))
		return more_follows ? REFERENCE_HIDDEN : REFERENCE_OTHER;
	syn = *bits / 2 % 2;
	ack = *bits / 16 % 2;
	if (!syn || ack)
		return REFERENCE_OTHER;
	result->port = (uint16_t)reference_number(port_pair + 2, 2);
	result->sequence = (uint32_t)reference_number(sequence, 4);
	return REFERENCE_SYN;
}

/* RFC 1858, 3: the fragment at offset 1, which is 8 bytes, may rewrite the control bits. */
static enum reference_kind reference_rewrites(uint64_t offset)
{
	return offset == 1 ? REFERENCE_HIDDEN : REFERENCE_OTHER;
}

/* RFC 791, 3.1. */
static enum reference_kind reference_ipv4(struct reference_rest rest, struct reference *result)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	const uint8_t *header, *options;
	uint64_t words, fragment;

	if (!reference_cut(&rest, 20, &header) || header[0] / 16 != 4)
		return REFERENCE_OTHER;
	words = header[0] % 16;
	if (words < 5 || header[9] != 6)
		return REFERENCE_OTHER;
	fragment = reference_number(header + 6, 2);
	if (fragment % 0x2000)
		return reference_rewrites(fragment % 0x2000);
	memcpy(result->source, mapped, 12);
	memcpy(result->source + 12, header + 12, 4);
	memcpy(result->destination, mapped, 12);
	memcpy(result->destination + 12, header + 16, 4);
	if (!reference_cut(&rest, 4 * words - 20, &options))
		rest.size = 0;
	return reference_tcp(rest, fragment / 0x2000 % 2, result);
}

/* IANA, IPv6 Extension Header Types, without ESP (what is behind it is secret) and experiments. */
static bool reference_is_extension(uint8_t next)
{
	switch (next) {
	case 0:	  /* hop-by-hop options */
	case 43:  /* routing */
	case 44:  /* fragment */
	case 51:  /* authentication */
	case 60:  /* destination options */
	case 135: /* mobility */
	case 139: /* host identity */
	case 140: /* shim6 */
		return true;
	default:
		return false;
	}
}

/* RFC 8200, 3 and 4; no more than 8 extension headers are gone through. */
static enum reference_kind reference_ipv6(struct reference_rest rest, struct reference *result)
{
	const uint8_t *header, *extension, *more;
	bool more_follows = false;
	uint8_t next;

	if (!reference_cut(&rest, 40, &header) || header[0] / 16 != 6)
		return REFERENCE_OTHER;
	memcpy(result->source, header + 8, 16);
	memcpy(result->destination, header + 24, 16);
	next = header[6];
	for (int n = 0; reference_is_extension(next); n++) {
		uint64_t size;

		if (n == 8)
			return REFERENCE_HIDDEN;
		if (!reference_cut(&rest, 8, &extension))
			return more_follows ? REFERENCE_HIDDEN : REFERENCE_OTHER;
		if (next == 44) { /* 4.5: offset, two bits in reserve, M */
			const uint64_t fragment = reference_number(extension + 2, 2);

			if (fragment / 8)
				return extension[0] == 6 ? reference_rewrites(fragment / 8)
							 : REFERENCE_OTHER;
			if (fragment % 2)
				more_follows = true;
			size = 0;
		} else if (next == 51) { /* RFC 4302, 2.2: in words of 4 bytes, less 2 */
			size = 4 * (uint64_t)extension[1];
		} else { /* in words of 8 bytes, without the first */
			size = 8 * (uint64_t)extension[1];
		}
		next = extension[0];
		if (!reference_cut(&rest, size, &more))
			rest.size = 0;
	}
	return next == 6 ? reference_tcp(rest, more_follows, result) : REFERENCE_OTHER;
}

/* A packet without a frame: RFC 791 and RFC 8200 have the version in the first 4 bits. */
static inline struct reference reference_of_packet(const void *bytes, size_t size)
{
	const struct reference_rest rest = { bytes, size };
	struct reference result = { .kind = REFERENCE_OTHER };

	if (size && rest.bytes[0] / 16 == 4)
		result.kind = reference_ipv4(rest, &result);
	if (size && rest.bytes[0] / 16 == 6)
		result.kind = reference_ipv6(rest, &result);
	return result;
}

/*
 * RFC 2516, 4: version, type and code, session, length. RFC 1661, 2 and 6.5: then the protocol,
 * whose first byte may be left out if it is 0: the second is odd.
 */
static enum reference_kind reference_pppoe(struct reference_rest rest, struct reference *result)
{
	const uint8_t *header, *protocol;
	uint64_t number;

	if (!reference_cut(&rest, 6, &header) || !reference_cut(&rest, 1, &protocol))
		return REFERENCE_OTHER;
	number = protocol[0];
	if (number % 2 == 0) {
		if (!reference_cut(&rest, 1, &protocol))
			return REFERENCE_OTHER;
		number = 256 * number + protocol[0];
	}
	if (number == 0x0021)
		return reference_ipv4(rest, result);
	return number == 0x0057 ? reference_ipv6(rest, result) : REFERENCE_OTHER;
}

/*
 * IEEE 802.3 and 802.1Q, with 802.1ad and what came before it. The VLAN 0 is none: the tag is there
 * for its priority. No more than 4 tags are gone through.
 */
static inline struct reference reference_of_frame(const void *bytes, size_t size)
{
	struct reference_rest rest = { bytes, size };
	struct reference result = { .kind = REFERENCE_OTHER };
	const uint8_t *addresses, *tag;
	uint64_t type;

	if (!reference_cut(&rest, 12, &addresses) || !reference_cut(&rest, 2, &tag))
		return result;
	result.mac = reference_number(addresses + 6, 6);
	type = reference_number(tag, 2);
	for (int n = 0; type == 0x8100 || type == 0x88a8 || type == 0x9100; n++) {
		if (n == 4) {
			result.kind = REFERENCE_HIDDEN;
			return result;
		}
		if (!reference_cut(&rest, 4, &tag))
			return result;
		if (!result.vlan)
			result.vlan = (uint16_t)(reference_number(tag, 2) % 0x1000);
		type = reference_number(tag + 2, 2);
	}
	if (type == 0x8864)
		result.kind = reference_pppoe(rest, &result);
	if (type == 0x0800)
		result.kind = reference_ipv4(rest, &result);
	if (type == 0x86dd)
		result.kind = reference_ipv6(rest, &result);
	return result;
}

#endif /* SMTPWARD_TEST_ATTACK_REFERENCE_H */
