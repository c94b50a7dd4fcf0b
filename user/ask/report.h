/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Report of attempts, with who tried, how often and where to: joins the kernel's count with the
 * policy and the names of tenants and users. Pure: names that a machine has to be asked for come
 * from a source.
 */
#ifndef SMTPWARD_REPORT_H
#define SMTPWARD_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <smtpward/abi.h>
#include <smtpward/rows.h>

#include "ask/container.h"
#include "policy/policy.h"

struct rows;

/* A tenant that has rows. Texts may have any bytes, and are never NULL. */
struct report_tenant {
	uint64_t cgroup_id; /* or, of a guest, with SMTPWARD_GUEST_BIT */
	char *guest;	    /* the guest's device; empty: the tenant is a cgroup */
	char *unit;	    /* empty: the root, or a name that is missing */
	char *cgroup;	    /* empty: it is not known */
	uint64_t gone;	    /* UTC, in ns: since when the cgroup is gone; 0: it is there */
	struct smtpward_row_tenant counts;
	struct container container; /* of CONTAINER_NONE: it is none */
};

enum report_kind {
	REPORT_ROW,   /* of a guest, without a user */
	REPORT_OTHER, /* what found no room for a row of its own: all but tenant and counts is 0 */
	REPORT_REST,  /* the same of tenants that found no room: no tenant either */
};

/* A rule's index, or one of these. */
#define REPORT_RULE_DEFAULT (-1)
#define REPORT_RULE_FORMER (-2) /* of an earlier policy, and not in this one */

struct report_row {
	enum report_kind kind;
	const struct report_tenant *tenant; /* NULL: of REPORT_REST */
	uint32_t euid;
	char *user; /* NULL: the number has no name */
	int rule;
	uint8_t address[16];
	uint16_t port;
	uint64_t attempts[SMTPWARD_ALLOW + 1]; /* by verdict */
	uint64_t total;
	uint64_t first, last; /* UTC, in ns; 0: not known */
	char *exe;	      /* of the user's last line; NULL: not known */
	char *cwd;	      /* the same */
	bool exe_deleted, cwd_deleted;
	uint64_t exe_at; /* UTC, in ns */
};

/* Conditions that a row has to meet to be shown. Zeroed: every row meets them. */
struct report_filter {
	/* A name, with * for any part of it: of a unit, a cgroup, a container or a guest. */
	const char *unit;
	bool has_user;
	uint32_t user;
	bool has_verdict;
	unsigned int verdict;
	bool has_to;
	struct policy_prefix to;
	uint16_t port;	/* 0: any */
	uint64_t since; /* UTC, in ns; 0: ever */
};

struct report_source {
	/* The name of a user, allocated; NULL: none. */
	char *(*user)(void *userdata, uint32_t uid);
	/* Name and image of a container that a cgroup is. */
	void (*container)(void *userdata, struct container *container);
	void *userdata;
	uint64_t utc_offset; /* makes UTC of CLOCK_BOOTTIME, modulo 2^64 */
};

struct report {
	struct report_tenant *tenants;
	size_t n_tenants;
	struct report_row *rows; /* most attempts first, of those the latest first */
	size_t n_rows;
	uint64_t attempts; /* of these rows */
	uint64_t rowless;  /* attempts without a row that --user or --to may be about */
};

/*
 * rules: of the policy in force. Filters apply. 0 or -ENOMEM; report_clear() frees it. Numbers that
 * only a damaged map can have make odd rows and nothing worse.
 */
int report_build(const struct rows *rows, const struct smtpward_rule_info *rules, size_t n_rules,
		 const struct report_source *source, const struct report_filter *filter,
		 struct report *ret_report);
void report_clear(struct report *report);

/* A guest has no user. */
bool report_is_of_guest(const struct report_row *row);

#endif /* SMTPWARD_REPORT_H */
