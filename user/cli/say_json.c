// SPDX-License-Identifier: GPL-2.0-only
/* JSON that is whole or NULL; see say_json.h. */
#include "cli/say_json.h"

#include <string.h>

#include "base/quote.h"

json_t *say_json_text(const char *text)
{
	char quoted[QUOTE_SIZE(SAY_JSON_TEXT_SIZE)];
	ssize_t len = quote_text(text, strlen(text), quoted, sizeof(quoted));

	return len < 0 ? NULL : json_stringn(quoted, (size_t)len);
}

json_t *say_json_append(json_t *array, json_t *value)
{
	if (!json_array_append_new(array, value))
		return array;
	json_decref(array);
	return NULL;
}

json_t *say_json_set(json_t *object, const char *name, json_t *value)
{
	if (!json_object_set_new(object, name, value))
		return object;
	json_decref(object);
	return NULL;
}
