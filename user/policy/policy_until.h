/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The instant that a rule ends at: reads it from a word, and writes it for a person. Instants are
 * seconds since 1970, UTC. A time without a zone is refused, as it would be another instant on
 * each machine.
 */
#ifndef SMTPWARD_POLICY_UNTIL_H
#define SMTPWARD_POLICY_UNTIL_H

#include <stdint.h>

#include "base/reason.h"

/* The instants that a rule can name: from the year 2000 to the end of 2099. */
#define POLICY_UNTIL_FIRST 946684800U
#define POLICY_UNTIL_LAST 4102444799U

/* 0, or -EINVAL with a reason that says what to write instead. */
int policy_value_until(const char *word, uint32_t *ret_until, struct reason *reterr);

/* The instant in canonical form: UTC, with seconds only if they are not 0. */
struct policy_until_text {
	char text[32];
};

struct policy_until_text policy_until_text(uint32_t until);

/* "ends in 3 h", "ended". now is in seconds since 1970, too. */
struct policy_left_text {
	char text[32];
};

struct policy_left_text policy_left_text(uint32_t until, int64_t now);

#endif /* SMTPWARD_POLICY_UNTIL_H */
