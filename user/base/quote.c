// SPDX-License-Identifier: GPL-2.0-only
/*
 * Quoting. Bytes are judged one by one and as numbers: no locale and no UTF-8, or
 * what is safe would depend on who reads the line.
 */
#include "base/quote.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static const char quote_hex[] = "0123456789abcdef";

/* Length of \xNN. */
#define QUOTE_ESCAPE 4

/* The separator of what is no list: no byte that is plain. */
#define QUOTE_NO_LIST '\0'

static bool quote_plain(unsigned char byte, char separator)
{
	return byte >= 0x20 && byte <= 0x7e && byte != '"' && byte != '\\' &&
	       byte != (unsigned char)separator;
}

/* Returns the character that stands for the byte, or -1 if the byte needs an escape. */
static int quote_as_one(unsigned char byte, char separator)
{
	if (!byte && separator != QUOTE_NO_LIST)
		return separator;
	return quote_plain(byte, separator) ? byte : -1;
}

ssize_t quote_list(const char *src, size_t len, char separator, char *dst, size_t size)
{
	size_t used = 0;

	if (size == 0)
		return -ENOSPC;
	for (size_t i = 0; i < len; i++) {
		unsigned char byte = src[i];
		const int one = quote_as_one(byte, separator);
		size_t need = one >= 0 ? 1 : QUOTE_ESCAPE;

		if (size - used <= need) /* the NUL as well */
			return -ENOSPC;
		if (need == 1) {
			dst[used++] = (char)one;
			continue;
		}
		dst[used++] = '\\';
		dst[used++] = 'x';
		dst[used++] = quote_hex[byte >> 4];
		dst[used++] = quote_hex[byte & 0xf];
	}
	dst[used] = '\0';
	return used;
}

ssize_t quote_text(const char *src, size_t len, char *dst, size_t size)
{
	return quote_list(src, len, QUOTE_NO_LIST, dst, size);
}

size_t quote_list_length(const char *src, size_t len, char separator)
{
	size_t quoted = 0;

	for (size_t i = 0; i < len; i++)
		quoted += quote_as_one((unsigned char)src[i], separator) >= 0 ? 1 : QUOTE_ESCAPE;
	return quoted;
}

size_t quote_length(const char *src, size_t len)
{
	return quote_list_length(src, len, QUOTE_NO_LIST);
}

/* The byte that an escape stands for, or -1. */
static int quote_undo_escape(const char *src, size_t len, char separator)
{
	const char *high, *low;
	int byte;

	if (len < QUOTE_ESCAPE || src[0] != '\\' || src[1] != 'x')
		return -1;
	high = memchr(quote_hex, src[2], sizeof(quote_hex) - 1);
	low = memchr(quote_hex, src[3], sizeof(quote_hex) - 1);
	if (!high || !low)
		return -1;
	byte = (int)((high - quote_hex) << 4 | (low - quote_hex));
	return quote_as_one((unsigned char)byte, separator) >= 0 ? -1 : byte;
}

ssize_t quote_list_undo(const char *src, size_t len, char separator, char *dst)
{
	size_t used = 0;

	for (size_t i = 0; i < len; i++) {
		int byte;

		if (quote_plain((unsigned char)src[i], separator)) {
			dst[used++] = src[i];
			continue;
		}
		if (src[i] == separator && separator != QUOTE_NO_LIST) {
			dst[used++] = '\0';
			continue;
		}
		byte = quote_undo_escape(src + i, len - i, separator);
		if (byte < 0)
			return -EBADMSG;
		dst[used++] = (char)byte;
		i += QUOTE_ESCAPE - 1;
	}
	return (ssize_t)used;
}

ssize_t quote_undo(const char *src, size_t len, char *dst)
{
	return quote_list_undo(src, len, QUOTE_NO_LIST, dst);
}
