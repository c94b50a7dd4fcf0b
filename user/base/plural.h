/* SPDX-License-Identifier: GPL-2.0-only */
/* The word that goes with a number: 1 rule, 2 rules. */
#ifndef SMTPWARD_PLURAL_H
#define SMTPWARD_PLURAL_H

#include <stdint.h>

static inline const char *plural(uint64_t n, const char *one, const char *many)
{
	return n == 1 ? one : many;
}

#endif /* SMTPWARD_PLURAL_H */
