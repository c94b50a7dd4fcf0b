/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the fuzz targets share: an assertion that says what broke, the input taken
 * piece by piece, and a strict reader of quoted text.
 */
#ifndef SMTPWARD_FUZZ_H
#define SMTPWARD_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define fuzz_fail(...)                                          \
	do {                                                    \
		fprintf(stderr, "%s:%d: ", __FILE__, __LINE__); \
		fprintf(stderr, __VA_ARGS__);                   \
		fputc('\n', stderr);                            \
		abort();                                        \
	} while (0)

#define fuzz_assert(condition)                       \
	do {                                         \
		if (!(condition))                    \
			fuzz_fail("%s", #condition); \
	} while (0)

/* What is left of the input. Once it is used up, it is all zeros. */
struct input {
	const uint8_t *data;
	size_t size;
};

/* As many bytes as there are, at most size; what is missing in dst stays as it is. */
static inline size_t input_bytes(struct input *input, void *dst, size_t size)
{
	if (size > input->size)
		size = input->size;
	if (!size)
		return 0;
	memcpy(dst, input->data, size);
	input->data += size;
	input->size -= size;
	return size;
}

/* 0 to n - 1, of one byte. */
static inline size_t input_below(struct input *input, size_t n)
{
	uint8_t byte = 0;

	input_bytes(input, &byte, 1);
	return byte % n;
}

static inline uint64_t input_number(struct input *input)
{
	uint64_t number = 0;

	input_bytes(input, &number, sizeof(number));
	return number;
}

/* Exactly size bytes, so that what reads over the end is seen. */
static inline char *fuzz_copy(const void *bytes, size_t size)
{
	char *copy = malloc(size ? size : 1);

	fuzz_assert(copy);
	if (size)
		memcpy(copy, bytes, size);
	return copy;
}

static inline bool fuzz_plain(unsigned char byte)
{
	return byte >= 0x20 && byte <= 0x7e && byte != '"' && byte != '\\';
}

/*
 * len bytes of quoted text back into what they stand for: plain bytes as they are,
 * the others as \xNN in lower-case hex, and no byte in another's way. Returns how
 * many; dst has room for len.
 */
static inline size_t fuzz_unquote(const char *text, size_t len, char *dst)
{
	static const char hex[] = "0123456789abcdef";
	size_t used = 0;

	for (size_t i = 0; i < len; i++) {
		const char *high, *low;

		if (fuzz_plain(text[i])) {
			dst[used++] = text[i];
			continue;
		}
		fuzz_assert(text[i] == '\\' && len - i >= 4 && text[i + 1] == 'x');
		high = memchr(hex, text[i + 2], 16);
		low = memchr(hex, text[i + 3], 16);
		fuzz_assert(high && low);
		dst[used] = (high - hex) << 4 | (low - hex);
		fuzz_assert(!fuzz_plain(dst[used]));
		used++;
		i += 3;
	}
	return used;
}

#endif /* SMTPWARD_FUZZ_H */
