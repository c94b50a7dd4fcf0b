/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The words of a policy line, and the way back: whether a value needs quotes, and how messages
 * show bytes of a policy. Private to the policy modules.
 */
#ifndef SMTPWARD_POLICY_LEX_H
#define SMTPWARD_POLICY_LEX_H

#include <stdbool.h>
#include <stddef.h>

#include <smtpward/conditions.h>

#include "base/reason.h"

/* Stands among a rule's conditions, but is no condition. */
#define POLICY_UNTIL_WORD "until"
#define POLICY_ALERT_OFF "off"

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
	char *bytes; /* the texts of all words */
};

/*
 * The words of a line without its newline, from byte `from` on; columns count from the line's
 * start. Returns 0, -ENOMEM, or -EINVAL with the error in reterr and its column in *reterr_column.
 * policy_shown() bounds the texts in reterr.
 */
int policy_lex_line(const char *line, size_t size, size_t from, struct policy_words *ret_words,
		    struct reason *reterr, unsigned int *reterr_column);
void policy_words_clear(struct policy_words *words);

/* Whether a value that a rule has without quotes reads back as the same value. */
bool policy_lex_plain(const char *value);

/*
 * Whether a word is the name of a condition on a connect, or `until`: as a value such a word needs
 * quotes. `guest` and the other conditions on guests do not: policies had such values before.
 */
bool policy_lex_reserved(const char *word);

/* A text as messages show it: no control bytes, no unbounded length. */
struct policy_shown {
	char text[128];
};

struct policy_shown policy_shown(const char *text);

/* The same for a word that stands in the place of a value: with its quotes, or a comma. */
struct policy_shown policy_shown_word(const struct policy_word *word);

#endif /* SMTPWARD_POLICY_LEX_H */
