// SPDX-License-Identifier: GPL-2.0-only
/*
 * Any bytes to the reader of lines: it reads none that it was not given, and what it takes is a
 * line that can be written: its fields, written down again by a writer of its own, are the same
 * bytes.
 */
#include "base/cleanup.h"
#include "fuzz.h"
#include "line/line_parse.h"

struct text {
	char bytes[4 * LINE_TEXT_SIZE];
	size_t len;
};

static void text_add(struct text *text, const char *bytes, size_t len)
{
	fuzz_assert(len <= sizeof(text->bytes) - text->len);
	memcpy(text->bytes + text->len, bytes, len);
	text->len += len;
}

static void text_add_string(struct text *text, const struct line_field *field)
{
	text_add(text, "\"", 1);
	for (size_t i = 0; i < field->len; i++) {
		const unsigned char byte = (unsigned char)field->text[i];
		char hex[5];

		snprintf(hex, sizeof(hex), "\\x%02x", byte);
		if (field->separator && !byte)
			text_add(text, &field->separator, 1);
		else if (fuzz_plain(byte) && field->text[i] != field->separator)
			text_add(text, &field->text[i], 1);
		else
			text_add(text, hex, 4);
	}
	text_add(text, "\"", 1);
}

static void text_add_field(struct text *text, const struct line_field *field)
{
	char digits[24];

	if (text->len)
		text_add(text, " ", 1);
	text_add(text, field->name, strlen(field->name));
	text_add(text, "=", 1);
	snprintf(digits, sizeof(digits), "%llu", (unsigned long long)field->number);
	if (field->kind == LINE_STRING)
		text_add_string(text, field);
	else if (field->text)
		text_add(text, field->text, field->len);
	else
		text_add(text, digits, strlen(digits));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct line_parsed line;
	static struct text again;
	_cleanup_free_ char *copy = fuzz_copy(data, size);
	struct reason reason;

	again.len = 0;
	if (line_parse(copy, size, &line, &reason)) {
		fuzz_assert(*reason.text);
		return 0;
	}
	for (size_t i = 0; i < line.n; i++) {
		fuzz_assert(line_parsed_field(&line, line.fields[i].name) == &line.fields[i]);
		text_add_field(&again, &line.fields[i]);
	}
	fuzz_assert(again.len == size && !memcmp(again.bytes, data, size));
	return 0;
}
