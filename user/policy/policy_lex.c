// SPDX-License-Identifier: GPL-2.0-only
/*
 * Splits a line of a policy into words. This file does not know what a word means. It decides
 * which bytes may stand in a policy at all, and that a value in quotes reads exactly as the
 * violation line writes it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/macro.h"
#include "policy/policy_lex.h"

const char *const policy_condition_names[SMTPWARD_CONDITIONS_N] = {
#define NAME(name, word, kind) [SMTPWARD_##name] = (word),
	SMTPWARD_CONDITIONS(NAME) SMTPWARD_GUEST_CONDITIONS(NAME)
#undef NAME
};

static bool lex_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool lex_is_control(char c)
{
	unsigned char byte = (unsigned char)c;

	return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

static int lex_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

struct lexer {
	const char *line;
	size_t size;
	size_t at;
	struct policy_words words;
	char *out;	     /* where the next text goes in words.bytes */
	unsigned int column; /* of the error, from 1 */
};

static int lex_fail(struct lexer *lexer, size_t at)
{
	lexer->column = (unsigned int)at + 1;
	return -EINVAL;
}

/* Checks the whole line, comments too: a terminal or an editor would hide these bytes. */
static int lex_bytes(struct lexer *lexer, struct reason *why)
{
	for (size_t i = lexer->at; i < lexer->size; i++) {
		char c = lexer->line[i];

		if (!lex_is_control(c))
			continue;
		if (c == '\r')
			reason_set(why, -EINVAL,
				   "carriage return \\x0d: a Windows line end, "
				   "save the file with Unix line ends");
		else
			reason_set(why, -EINVAL, "%s \\x%02x: a policy is plain text",
				   c ? "control byte" : "NUL byte", (unsigned char)c);
		return lex_fail(lexer, i);
	}
	return 0;
}

static int lex_push(struct lexer *lexer, const struct policy_word *word)
{
	struct policy_words *words = &lexer->words;
	struct policy_word *added = array_add(&words->items, &words->n_items, sizeof(*added));

	if (!added)
		return -ENOMEM;
	*added = *word;
	return 0;
}

static int lex_plain(struct lexer *lexer, struct reason *why)
{
	while (lexer->at < lexer->size) {
		char c = lexer->line[lexer->at];

		if (lex_is_blank(c) || c == ',')
			break;
		if (c == '"') {
			reason_set(why, -EINVAL,
				   "quote inside a word: put the whole value in quotes, "
				   "with \\x22 for a quote in it");
			return lex_fail(lexer, lexer->at);
		}
		*lexer->out++ = c;
		lexer->at++;
	}
	*lexer->out++ = '\0';
	return 0;
}

/* Reads \xNN and no other escape, so that a byte has one escape only. */
static int lex_escape(struct lexer *lexer, struct reason *why)
{
	const char *at = lexer->line + lexer->at;
	size_t left = lexer->size - lexer->at;
	int high = left > 3 && at[1] == 'x' ? lex_hex_digit(at[2]) : -1;
	int low = high >= 0 ? lex_hex_digit(at[3]) : -1;

	if (low < 0) {
		reason_set(why, -EINVAL,
			   "in quotes a backslash begins \\xNN with two hex digits: "
			   "write \\x5c for a backslash");
		return lex_fail(lexer, lexer->at);
	}
	if (!high && !low) {
		reason_set(why, -EINVAL, "\\x00 in a value: no name can hold a NUL byte");
		return lex_fail(lexer, lexer->at);
	}
	*lexer->out++ = (char)(high << 4 | low);
	lexer->at += 4;
	return 0;
}

static int lex_quoted(struct lexer *lexer, struct reason *why)
{
	size_t start = lexer->at++;
	int r;

	while (lexer->at < lexer->size && lexer->line[lexer->at] != '"') {
		if (lexer->line[lexer->at] == '\\') {
			r = lex_escape(lexer, why);
			if (r < 0)
				return r;
		} else {
			*lexer->out++ = lexer->line[lexer->at++];
		}
	}
	if (lexer->at == lexer->size) {
		reason_set(why, -EINVAL,
			   "unterminated quote: the closing quote must stand in this line");
		return lex_fail(lexer, start);
	}
	*lexer->out++ = '\0';
	lexer->at++;
	if (lexer->at < lexer->size && !lex_is_blank(lexer->line[lexer->at]) &&
	    lexer->line[lexer->at] != ',') {
		reason_set(why, -EINVAL,
			   "a closing quote must be followed by a blank, a comma or the "
			   "end of the line");
		return lex_fail(lexer, lexer->at);
	}
	return 0;
}

static int lex_word(struct lexer *lexer, struct reason *why)
{
	char c = lexer->line[lexer->at];
	struct policy_word word = {
		.text = lexer->out,
		.column = (unsigned int)lexer->at + 1,
		.quoted = c == '"',
		.comma = c == ',',
	};
	int r = 0;

	if (word.comma) {
		word.text = "";
		lexer->at++;
	} else if (word.quoted) {
		r = lex_quoted(lexer, why);
	} else {
		r = lex_plain(lexer, why);
	}
	return r < 0 ? r : lex_push(lexer, &word);
}

static void lex_clear(struct lexer *lexer)
{
	policy_words_clear(&lexer->words);
}

static int lex_line(struct lexer *lexer, struct reason *reterr)
{
	int r = lex_bytes(lexer, reterr);

	if (r < 0)
		return r;
	/* A word of one byte takes two: the NUL takes the place of the byte behind the word. */
	lexer->out = lexer->words.bytes = malloc(lexer->size + 1);
	if (!lexer->words.bytes)
		return -ENOMEM;
	while (lexer->at < lexer->size && lexer->line[lexer->at] != '#') {
		if (lex_is_blank(lexer->line[lexer->at])) {
			lexer->at++;
			continue;
		}
		r = lex_word(lexer, reterr);
		if (r < 0)
			return r;
	}
	return 0;
}

int policy_lex_line(const char *line, size_t size, size_t from, struct policy_words *ret_words,
		    struct reason *reterr, unsigned int *reterr_column)
{
	_cleanup_(lex_clear) struct lexer lexer = { .line = line, .size = size, .at = from };
	int r = lex_line(&lexer, reterr);

	if (r == -EINVAL)
		*reterr_column = lexer.column;
	if (r < 0)
		return r;
	*ret_words = lexer.words;
	lexer.words = (struct policy_words){ 0 };
	return 0;
}

void policy_words_clear(struct policy_words *words)
{
	free(words->items);
	free(words->bytes);
	*words = (struct policy_words){ 0 };
}

bool policy_lex_reserved(const char *word)
{
	for (size_t i = 0; i < SMTPWARD_CONNECT_CONDITIONS_N; i++) {
		if (!strcmp(word, policy_condition_names[i]))
			return true;
	}
	return !strcmp(word, POLICY_UNTIL_WORD);
}

bool policy_lex_plain(const char *value)
{
	if (!*value || *value == '#' || policy_lex_reserved(value))
		return false;
	for (const char *p = value; *p; p++) {
		if (lex_is_control(*p) || lex_is_blank(*p) || *p == ',' || *p == '"')
			return false;
	}
	return true;
}

/* Room for all but the two quotes. */
#define SHOWN_SIZE (sizeof(struct policy_shown) - 2)

struct policy_shown policy_shown(const char *text)
{
	struct policy_shown shown = { "" };
	size_t len = 0;

	for (const char *p = text; *p; p++) {
		unsigned char byte = (unsigned char)*p;
		bool printable = byte >= 0x20 && byte < 0x7f;

		if (len + sizeof("\\xNN...") > SHOWN_SIZE) {
			memcpy(shown.text + len, "...", sizeof("..."));
			break;
		}
		len += (size_t)sprintf(shown.text + len, printable ? "%c" : "\\x%02x", byte);
	}
	return shown;
}

struct policy_shown policy_shown_word(const struct policy_word *word)
{
	struct policy_shown inner = policy_shown(word->text), shown = inner;

	if (word->comma)
		strcpy(shown.text, ",");
	else if (word->quoted)
		snprintf(shown.text, sizeof(shown.text), "\"%.*s\"", (int)SHOWN_SIZE - 1,
			 inner.text);
	return shown;
}
