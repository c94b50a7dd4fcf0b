/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The words of the verdicts, as a policy, a line and a report have them. Pure.
 */
#ifndef SMTPWARD_VERDICT_WORD_H
#define SMTPWARD_VERDICT_WORD_H

/* All of them, for messages. */
#define VERDICT_WORDS "deny, audit or allow"

/* "deny" for a verdict that is not known: such a one refuses. */
const char *verdict_word(unsigned int verdict);

/* SMTPWARD_DENY, _AUDIT or _ALLOW; -1 for another word. */
int verdict_from_word(const char *word);

#endif /* SMTPWARD_VERDICT_WORD_H */
