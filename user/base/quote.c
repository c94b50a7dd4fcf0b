// SPDX-License-Identifier: GPL-2.0-only
/*
 * Quoting. Bytes are judged one by one and as numbers: no locale and no UTF-8, or
 * what is safe would depend on who reads the line.
 */
#include "base/quote.h"

#include <errno.h>
#include <stdbool.h>

static bool quote_plain(unsigned char byte)
{
	return byte >= 0x20 && byte <= 0x7e && byte != '"' && byte != '\\';
}

ssize_t quote_text(const char *src, size_t len, char *dst, size_t size)
{
	static const char hex[] = "0123456789abcdef";
	size_t used = 0;

	if (size == 0)
		return -ENOSPC;
	for (size_t i = 0; i < len; i++) {
		unsigned char byte = src[i];
		size_t need = quote_plain(byte) ? 1 : 4;

		if (size - used <= need) /* the NUL as well */
			return -ENOSPC;
		if (need == 1) {
			dst[used++] = byte;
			continue;
		}
		dst[used++] = '\\';
		dst[used++] = 'x';
		dst[used++] = hex[byte >> 4];
		dst[used++] = hex[byte & 0xf];
	}
	dst[used] = '\0';
	return used;
}
