// SPDX-License-Identifier: GPL-2.0-only
/* Verdicts to words and words to verdicts, from one table. */
#include "base/verdict_word.h"

#include <string.h>

#include <smtpward/abi.h>

#include "base/macro.h"

static const char *const verdict_words[] = {
	[SMTPWARD_DENY] = "deny",
	[SMTPWARD_AUDIT] = "audit",
	[SMTPWARD_ALLOW] = "allow",
};

const char *verdict_word(unsigned int verdict)
{
	return verdict_words[verdict < ARRAY_SIZE(verdict_words) ? verdict : SMTPWARD_DENY];
}

int verdict_from_word(const char *word)
{
	for (unsigned int verdict = 0; verdict < ARRAY_SIZE(verdict_words); verdict++)
		if (!strcmp(word, verdict_words[verdict]))
			return (int)verdict;
	return -1;
}
