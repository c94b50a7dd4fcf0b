/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The narrowest rules that would allow what mode audit let through, of the rows of a report. A rule
 * that looks like abuse has doubts, and is for a human to accept. Pure: a machine is asked through
 * struct suggest_source.
 */
#ifndef SMTPWARD_SUGGEST_H
#define SMTPWARD_SUGGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ask/report.h"
#include "host/writable.h"
#include "policy/policy.h"

/* A rule for more destinations than this names none. */
#define SUGGEST_DESTINATIONS 16

/* User numbers below are system accounts, by adduser.conf(5) and login.defs(5). */
#define SUGGEST_FIRST_PERSON 1000

/* Reasons to doubt a suggestion: bits. */
enum suggest_doubt {
	SUGGEST_MANY = 1 << 0,	       /* destinations, and it is no mail service's delivery */
	SUGGEST_EXE_WRITABLE = 1 << 1, /* the user can write to the executable, or replace it */
	SUGGEST_EXE_DELETED = 1 << 2,
	SUGGEST_CWD_WRITABLE = 1 << 3, /* the user can write to the working directory; not asked
					  of a mail service, which runs in its spool */
	SUGGEST_CWD_DELETED = 1 << 4,
	SUGGEST_DENIED = 1 << 5,    /* a deny rule of the policy refuses it */
	SUGGEST_TRANSIENT = 1 << 6, /* the cgroup has another name when it is made again */
	SUGGEST_ROOT = 1 << 7,	    /* in no service: the rule covers every cgroup */
	/* The path is not there any more, or this process cannot look at it. */
	SUGGEST_EXE_UNKNOWN = 1 << 8,
	SUGGEST_CWD_UNKNOWN = 1 << 9,
	SUGGEST_ROWLESS = 1 << 10, /* there may be destinations that have no row */
	SUGGEST_LOGIN = 1 << 11,   /* the cgroup is that of a user's sessions */
};

#define SUGGEST_DOUBTS_N 12

struct suggestion {
	char *rule; /* canonical; NULL: no rule can name the cgroup */
	const struct report_row
		*row; /* of those that the rule covers, the one with most attempts */
	uint64_t attempts;
	uint64_t first, last; /* UTC, in ns */
	size_t destinations;  /* addresses */
	bool mta;	      /* it is a mail service's own delivery */
	unsigned int doubts;
	int before; /* index of the rule that matched: this one has to stand before; or
		       REPORT_RULE_DEFAULT: behind all rules will do */
};

struct suggest_source {
	enum writable (*writable)(void *userdata, const char *path, uint32_t uid);
	/* Whether the unit is one of root's files. */
	bool (*unit_is_roots)(void *userdata, const char *unit);
	void *userdata;
};

struct suggest {
	struct suggestion *items; /* in the order in which the rules are to stand */
	size_t n_items;
	/* Attempts of which no rule is made: those that have no row of their own, and guests'. */
	uint64_t not_covered, of_guests;
};

/*
 * Makes suggestions of the rows that have attempts with the verdict audit. policy: the one in
 * force; what its allow rules cover needs no other rule. 0 or -ENOMEM; suggest_clear() frees the
 * suggestions. The report has to live as long as the suggestions.
 */
int suggest_build(const struct report *report, const struct policy *policy,
		  const struct suggest_source *source, struct suggest *ret_suggest);
void suggest_clear(struct suggest *suggest);

#endif /* SMTPWARD_SUGGEST_H */
