/* SPDX-License-Identifier: GPL-2.0-only */
/* The words of the verdicts, as policies, lines and reports have them. Pure. */
#ifndef SMTPWARD_VERDICT_WORD_H
#define SMTPWARD_VERDICT_WORD_H

/* The words of all verdicts, for messages. */
#define VERDICT_WORDS "deny, audit or allow"

/* The verdict's word; "deny" for an unknown verdict, which refuses. */
const char *verdict_word(unsigned int verdict);

/* SMTPWARD_DENY, _AUDIT or _ALLOW; -1 for another word. */
int verdict_from_word(const char *word);

#endif /* SMTPWARD_VERDICT_WORD_H */
