/* SPDX-License-Identifier: GPL-2.0-only */
/* IPv4 addresses as the kernel and smtpward store them: mapped, ::ffff:a.b.c.d, in 16 bytes. */
#ifndef SMTPWARD_MAPPED_H
#define SMTPWARD_MAPPED_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Bytes, and bits, in front of the IPv4 address. */
#define MAPPED_BYTES 12
#define MAPPED_BITS (8 * MAPPED_BYTES)

static const uint8_t mapped_start[MAPPED_BYTES] = { [10] = 0xff, [11] = 0xff };

static inline bool mapped_is_ipv4(const uint8_t address[16])
{
	return !memcmp(address, mapped_start, sizeof(mapped_start));
}

/* Writes the first MAPPED_BYTES bytes; the caller writes the four bytes of the address. */
static inline void mapped_begin(uint8_t address[16])
{
	memcpy(address, mapped_start, sizeof(mapped_start));
}

#endif /* SMTPWARD_MAPPED_H */
