// SPDX-License-Identifier: GPL-2.0-only
/*
 * Quoting: any bytes go in, safe ones come out, and go back to the same bytes. Every
 * size under what is needed is refused; no size is written over or read over.
 */
#include <errno.h>

#include "base/cleanup.h"
#include "fuzz.h"
#include "base/quote.h"

#define CANARY '#'

static size_t needed(const uint8_t *data, size_t size)
{
	size_t need = 1;

	for (size_t i = 0; i < size; i++)
		need += fuzz_plain(data[i]) ? 1 : 4;
	return need;
}

static void check_back(const char *quoted, size_t len, const uint8_t *data, size_t size)
{
	_cleanup_free_ char *back = malloc(len + 1);

	fuzz_assert(back);
	fuzz_assert(fuzz_unquote(quoted, len, back) == size);
	fuzz_assert(!size || !memcmp(back, data, size));
	fuzz_assert(quote_length((const char *)data, size) == len);
	fuzz_assert(quote_undo(quoted, len, back) == (ssize_t)size);
	fuzz_assert(!size || !memcmp(back, data, size));
}

/* The last size bytes of the block: what is written behind them is ASan's to see. */
static void check_size(char *block, size_t block_size, size_t size, size_t need,
		       const uint8_t *data, size_t data_size)
{
	const size_t front = block_size - size;
	char *dst = block + front;
	ssize_t len;

	memset(block, CANARY, block_size);
	len = quote_text((const char *)data, data_size, dst, size);
	for (size_t i = front > 8 ? front - 8 : 0; i < front; i++)
		fuzz_assert(block[i] == CANARY);
	if (size < need) {
		fuzz_assert(len == -ENOSPC);
		return;
	}
	fuzz_assert(len == (ssize_t)need - 1);
	fuzz_assert(dst[len] == '\0' && strlen(dst) == (size_t)len);
	for (size_t i = need; i < size; i++)
		fuzz_assert(dst[i] == CANARY);
	check_back(dst, len, data, data_size);
}

/* As quoted text: what is taken back is what gives that text. */
static void check_undo(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *quoted = fuzz_copy(data, size), *bytes = malloc(size + 1);
	_cleanup_free_ char *again = NULL;
	ssize_t len;

	fuzz_assert(bytes);
	len = quote_undo(quoted, size, bytes);
	if (len < 0) {
		fuzz_assert(len == -EBADMSG);
		return;
	}
	again = malloc(QUOTE_SIZE(len));
	fuzz_assert(again && quote_text(bytes, len, again, QUOTE_SIZE(len)) == (ssize_t)size);
	fuzz_assert(!size || !memcmp(again, data, size));
}

/* The same of a list: a separator stands for each NUL, and for nothing else. */
static void check_list(const uint8_t *data, size_t size, char separator)
{
	_cleanup_free_ char *list = fuzz_copy(data, size), *back = malloc(size + 1);
	_cleanup_free_ char *quoted = malloc(QUOTE_SIZE(size));
	size_t nuls = 0, separators = 0;
	ssize_t len;

	fuzz_assert(back && quoted);
	len = quote_list(list, size, separator, quoted, QUOTE_SIZE(size));
	fuzz_assert(len >= 0 && quote_list_length(list, size, separator) == (size_t)len);
	for (size_t i = 0; i < size; i++)
		nuls += !data[i];
	for (ssize_t i = 0; i < len; i++) {
		fuzz_assert(quoted[i] >= 0x20 && quoted[i] <= 0x7e && quoted[i] != '"');
		separators += quoted[i] == separator;
	}
	fuzz_assert(nuls == separators);
	fuzz_assert(quote_list_undo(quoted, len, separator, back) == (ssize_t)size);
	fuzz_assert(!size || !memcmp(back, data, size));
	/* And any text as a list: what is taken back is what gives that text. */
	len = quote_list_undo(list, size, separator, back);
	if (len < 0) {
		fuzz_assert(len == -EBADMSG);
		return;
	}
	fuzz_assert(quote_list(back, len, separator, quoted, QUOTE_SIZE(size)) == (ssize_t)size);
	fuzz_assert(!size || !memcmp(quoted, data, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t need = needed(data, size), most = need + 2;
	_cleanup_free_ char *block = malloc(most);

	fuzz_assert(block);
	fuzz_assert(need <= QUOTE_SIZE(size));
	for (size_t room = 0; room <= most; room++)
		check_size(block, most, room, need, data, size);
	check_undo(data, size);
	check_list(data, size, ' ');
	check_list(data, size, '<');
	return 0;
}
