/* SPDX-License-Identifier: GPL-2.0-only */
/* Suggested rules as a piece of a policy, each with its evidence. */
#ifndef SMTPWARD_SAY_SUGGEST_H
#define SMTPWARD_SAY_SUGGEST_H

#include <stdio.h>

#include "ask/suggest.h"

struct smtpward_rule_info;

/*
 * A policy can include what is written: every line is a rule or a comment, whatever the names in it
 * are. rules: those in force, which suggestions go by.
 */
void say_suggest(const struct suggest *suggest, const struct smtpward_rule_info *rules,
		 size_t n_rules, FILE *out);

#endif /* SMTPWARD_SAY_SUGGEST_H */
