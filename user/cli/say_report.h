/* SPDX-License-Identifier: GPL-2.0-only */
/* A report as a table and as JSON. */
#ifndef SMTPWARD_SAY_REPORT_H
#define SMTPWARD_SAY_REPORT_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

#include "ask/report.h"
#include "cli/report_names.h"

struct state;
struct figures;

struct say_report {
	const struct report *report;
	const struct report_names *names;
	const struct state *state;
	const struct figures *figures;
	bool known; /* false: the version that loaded the policy counts no rows */
};

/* Columns are as wide as their widest cell. max_rows: more are said to be there; 0: all. */
void say_report_text(const struct say_report *say, size_t max_rows, FILE *out);

/* The caller owns it; NULL if memory is out. */
json_t *say_report_json(const struct say_report *say);

#endif /* SMTPWARD_SAY_REPORT_H */
