/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * JSON of which nothing is left out: what cannot be made, added or set makes NULL of the whole,
 * and that is passed on, as json_pack() does.
 */
#ifndef SMTPWARD_SAY_JSON_H
#define SMTPWARD_SAY_JSON_H

#include <jansson.h>

/* Room for the longest text, with its NUL; a longer one is NULL. */
#define SAY_JSON_TEXT_SIZE 1024

/* Somebody else's text, quoted as in a line: it need not be UTF-8, which JSON has to be. */
json_t *say_json_text(const char *text);

/* Both take what they are given, and return the first, or NULL. */
json_t *say_json_append(json_t *array, json_t *value);
json_t *say_json_set(json_t *object, const char *name, json_t *value);

#endif /* SMTPWARD_SAY_JSON_H */
