/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets by chance, but near to what a gate has to tell apart: tags, PPPoE, options, fragments,
 * chains of extension headers, and TCP to ports that are guarded or a bit away from such a port.
 */
#ifndef SMTPWARD_TEST_ATTACK_FRAMES_H
#define SMTPWARD_TEST_ATTACK_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FRAMES_MAC 0x020000000009ULL

struct frames {
	uint64_t state; /* of the chance; not 0 */
	uint8_t bytes[1024];
	size_t size, network; /* network: where the network header begins */
};

/* xorshift64*, Vigna 2016. */
static uint64_t frames_chance(struct frames *frames, uint64_t below)
{
	frames->state ^= frames->state >> 12;
	frames->state ^= frames->state << 25;
	frames->state ^= frames->state >> 27;
	return (frames->state * 0x2545f4914f6cdd1dULL >> 32) % below;
}

static bool frames_once_in(struct frames *frames, uint64_t n)
{
	return !frames_chance(frames, n);
}

static void frames_add(struct frames *frames, const void *bytes, size_t size)
{
	memcpy(frames->bytes + frames->size, bytes, size);
	frames->size += size;
}

static void frames_add_number(struct frames *frames, uint64_t number, size_t size)
{
	while (size--)
		frames->bytes[frames->size++] = (uint8_t)(number >> 8 * size);
}

static void frames_add_noise(struct frames *frames, size_t size)
{
	while (size--)
		frames_add_number(frames, frames_chance(frames, 256), 1);
}

#define FRAMES_ONE_OF(frames, ...)                          \
	(((const uint32_t[]){ __VA_ARGS__ })[frames_chance( \
		(frames), sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))])

static void frames_add_tcp(struct frames *frames)
{
	const uint32_t flags = frames_once_in(frames, 3)
				       ? (uint32_t)frames_chance(frames, 256)
				       : FRAMES_ONE_OF(frames, 2, 2, 0xc2, 0x12, 0x10, 0x0a, 0x42);

	frames_add_noise(frames, 2);
	frames_add_number(
		frames, FRAMES_ONE_OF(frames, 25, 25, 25, 465, 465, 26, 24, 0x1900, 0x0119, 80), 2);
	frames_add_noise(frames, 8);
	frames_add_number(frames, FRAMES_ONE_OF(frames, 0x50, 0x50, 0xf0, 0x80, 0), 1);
	frames_add_number(frames, flags, 1);
	frames_add_noise(frames, 6 + frames_chance(frames, 40));
}

static void frames_add_address(struct frames *frames, bool v4, bool source)
{
	static const uint8_t addresses4[][4] = { { 198, 19, 0, 1 }, { 198, 18, 0, 2 } };
	static const uint8_t addresses6[][16] = {
		{ 0x20, 0x01, 0x0d, 0xb8, 0, 0x19, [15] = 1 },
		{ 0x20, 0x01, 0x0d, 0xb8, 0, 0x18, [15] = 2 },
	};
	const bool other = frames_once_in(frames, 3) ? source : !source;

	if (v4)
		frames_add(frames, addresses4[other], 4);
	else
		frames_add(frames, addresses6[other], 16);
	if (frames_once_in(frames, 4))
		frames->bytes[frames->size - 1 - frames_chance(frames, v4 ? 4 : 16)] ^=
			(uint8_t)(1 << frames_chance(frames, 8));
}

static void frames_add_ipv4(struct frames *frames)
{
	const size_t words = frames_once_in(frames, 3) ? frames_chance(frames, 16) : 5;
	static const uint16_t fragments[] = { 0,      0,      0,      0x4000, 0x2000, 0x2001, 1,
					      0x4001, 0x2002, 0x8000, 0x0100, 0x1fff, 0x3001 };
	const uint16_t fragment = fragments[frames_chance(frames, 13)];

	frames_add_number(frames, (frames_once_in(frames, 30) ? 0x60 : 0x40) | words, 1);
	frames_add_noise(frames, 5);
	frames_add_number(frames, fragment, 2);
	frames_add_noise(frames, 1);
	frames_add_number(frames, FRAMES_ONE_OF(frames, 6, 6, 6, 6, 6, 17, 51, 7), 1);
	frames_add_noise(frames, 2);
	frames_add_address(frames, true, true);
	frames_add_address(frames, true, false);
	if (words > 5)
		frames_add_noise(frames, 4 * (words - 5));
}

static uint8_t frames_extension(struct frames *frames)
{
	return (uint8_t)FRAMES_ONE_OF(frames, 0, 43, 44, 44, 51, 60, 60, 135, 139, 140);
}

static void frames_add_ipv6(struct frames *frames)
{
	static const uint16_t fragments[] = { 0, 0, 1, 1, 6, 8, 9, 16, 17, 0xfff8, 0x0800 };
	size_t extensions = frames_once_in(frames, 2) ? 0 : frames_chance(frames, 11);
	uint8_t type = frames_extension(frames);
	const uint8_t last = (uint8_t)FRAMES_ONE_OF(frames, 6, 6, 6, 6, 6, 17, 50, 59);

	frames_add_number(frames, frames_once_in(frames, 30) ? 0x40 : 0x60, 1);
	frames_add_noise(frames, 5);
	frames_add_number(frames, extensions ? type : last, 1);
	frames_add_noise(frames, 1);
	frames_add_address(frames, false, true);
	frames_add_address(frames, false, false);
	while (extensions--) {
		const uint8_t next = frames_extension(frames);
		const size_t length = FRAMES_ONE_OF(frames, 0, 0, 0, 1, 2, 5);

		frames_add_number(frames, extensions ? next : last, 1);
		frames_add_number(frames, length, 1);
		if (type == 44)
			frames_add_number(frames, fragments[frames_chance(frames, 11)], 2);
		else
			frames_add_noise(frames, 2);
		frames_add_noise(frames, 4);
		if (type == 51)
			frames_add_noise(frames, 4 * length);
		else if (type != 44)
			frames_add_noise(frames, 8 * length);
		type = next;
	}
}

static void frames_add_link(struct frames *frames, bool v4)
{
	size_t tags = frames_once_in(frames, 2) ? 0 : frames_chance(frames, 6);
	const uint16_t type = v4 ? 0x0800 : 0x86dd;

	frames_add_noise(frames, 6);
	frames_add_number(frames,
			  FRAMES_MAC ^ (frames_once_in(frames, 3) << frames_chance(frames, 48)), 6);
	while (tags--) {
		frames_add_number(frames, FRAMES_ONE_OF(frames, 0x8100, 0x8100, 0x88a8, 0x9100), 2);
		frames_add_number(frames,
				  FRAMES_ONE_OF(frames, 7, 7, 0, 0, 0xe007, 0xe000, 8, 0xfff), 2);
	}
	if (frames_once_in(frames, 8)) {
		frames_add_number(frames, 0x8864, 2);
		frames_add_noise(frames, 6);
		if (frames_once_in(frames, 3))
			frames_add_number(frames, v4 ? 0x21 : 0x57, 1);
		else
			frames_add_number(frames,
					  FRAMES_ONE_OF(frames, v4 ? 0x21 : 0x57, v4 ? 0x57 : 0x21,
							0xc021),
					  2);
	} else {
		frames_add_number(frames,
				  FRAMES_ONE_OF(frames, type, type, type, type, type, type, 0x0800,
						0x86dd, 0x0806, 0x8863, 0x88b5),
				  2);
	}
}

/* The next one. framed: with an Ethernet header. */
static inline void frames_next(struct frames *frames, bool framed)
{
	const bool v4 = frames_chance(frames, 2);

	frames->size = 0;
	if (framed)
		frames_add_link(frames, v4);
	frames->network = frames->size;
	if (v4)
		frames_add_ipv4(frames);
	else
		frames_add_ipv6(frames);
	frames_add_tcp(frames);
	if (frames_once_in(frames, 5))
		frames->size = 14 + frames_chance(frames, frames->size - 13);
	if (frames_once_in(frames, 20))
		frames->bytes[frames_chance(frames, frames->size)] ^=
			(uint8_t)(1 << frames_chance(frames, 8));
}

#endif /* SMTPWARD_TEST_ATTACK_FRAMES_H */
