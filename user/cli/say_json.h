/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * JSON that is whole or NULL: if a part cannot be made, added or set, the result is NULL, and so
 * is every result made from it, as with json_pack().
 */
#ifndef SMTPWARD_SAY_JSON_H
#define SMTPWARD_SAY_JSON_H

#include <jansson.h>

/* The longest text, with its NUL; a longer text gives NULL. */
#define SAY_JSON_TEXT_SIZE 1024

/* A text of somebody else's, quoted as in a line: the text need not be UTF-8, but JSON must be. */
json_t *say_json_text(const char *text);

/* Both own their arguments from then on, and return the first, or NULL. */
json_t *say_json_append(json_t *array, json_t *value);
json_t *say_json_set(json_t *object, const char *name, json_t *value);

#endif /* SMTPWARD_SAY_JSON_H */
