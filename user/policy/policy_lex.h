/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The words of a policy line, and the way back: what quoting a value needs, and how
 * bytes of a policy are shown in a message. Private to the policy modules.
 */
#ifndef SMTPWARD_POLICY_LEX_H
#define SMTPWARD_POLICY_LEX_H

#include <stdbool.h>
#include <stddef.h>

#include <smtpward/conditions.h>

#include "base/reason.h"

/* What stands among a rule's conditions and is none: it names nobody. */
#define POLICY_UNTIL_WORD "until"

extern const char *const policy_condition_names[SMTPWARD_CONDITIONS_N];

/* A word or a comma. text is empty for a comma. */
struct policy_word {
	const char *text;
	unsigned int column;
	bool quoted;
	bool comma;
};

struct policy_words {
	struct policy_word *items;
	size_t n_items;
	char *bytes; /* of all texts */
};

/*
 * The words of a line without its newline, from the byte with index from on; columns
 * count from the line's start. Returns 0, -ENOMEM, or -EINVAL with reterr and the
 * column that it is about. Texts in it are bounded: see policy_shown().
 */
int policy_lex_line(const char *line, size_t size, size_t from, struct policy_words *ret_words,
		    struct reason *reterr, unsigned int *reterr_column);
void policy_words_clear(struct policy_words *words);

/* Whether a value, written without quotes in a rule, reads back as the same value. */
bool policy_lex_plain(const char *value);

/* Whether a word is the name of a condition, or `until`: only quotes turn it into a value. */
bool policy_lex_reserved(const char *word);

/* A text as messages show it: no control bytes, no unbounded length. */
struct policy_shown {
	char text[128];
};

struct policy_shown policy_shown(const char *text);

/* The same for a word that stands where a value cannot: with its quotes, or a comma. */
struct policy_shown policy_shown_word(const struct policy_word *word);

#endif /* SMTPWARD_POLICY_LEX_H */
