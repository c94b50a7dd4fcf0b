// SPDX-License-Identifier: GPL-2.0-only
/* Sentences that say why; see reason.h. */
#include "base/reason.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int reason_set(struct reason *reason, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason->text, sizeof(reason->text), format, args);
	va_end(args);
	return err;
}

int reason_errno(struct reason *reason, int err, const char *format, ...)
{
	va_list args;
	size_t len;

	va_start(args, format);
	vsnprintf(reason->text, sizeof(reason->text), format, args);
	va_end(args);
	len = strlen(reason->text);
	snprintf(reason->text + len, sizeof(reason->text) - len, ": %s", strerror(-err));
	return err;
}
