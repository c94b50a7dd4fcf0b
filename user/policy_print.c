// SPDX-License-Identifier: GPL-2.0-only
/*
 * The canonical form: one way to write each policy, so that two policies are the
 * same exactly where their texts are, and a printed policy can be loaded.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "policy.h"
#include "policy_lex.h"
#include "policy_value.h"
#include "quote.h"

static const char *const verdict_names[] = {
	[SMTPWARD_DENY] = "deny",
	[SMTPWARD_AUDIT] = "audit",
	[SMTPWARD_ALLOW] = "allow",
};

/* In quotes as the violation line has them, so that a path can go either way. */
static void print_value(FILE *out, const char *value)
{
	char byte[QUOTE_SIZE(1)];

	if (policy_lex_plain(value)) {
		fputs(value, out);
		return;
	}
	fputc('"', out);
	for (const char *p = value; *p; p++) {
		quote_text(p, 1, byte, sizeof(byte));
		fputs(byte, out);
	}
	fputc('"', out);
}

static void print_start(FILE *out, enum policy_condition condition, size_t i)
{
	if (i)
		fputs(", ", out);
	else
		fprintf(out, " %s ", policy_condition_names[condition]);
}

static void print_strings(FILE *out, enum policy_condition condition, char *const *items, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		print_start(out, condition, i);
		print_value(out, items[i]);
	}
}

static void print_ids(FILE *out, enum policy_condition condition, const struct policy_id *items,
		      size_t n)
{
	for (size_t i = 0; i < n; i++) {
		print_start(out, condition, i);
		if (items[i].name)
			print_value(out, items[i].name);
		else
			fprintf(out, "%u", items[i].id);
	}
}

static void print_rule(FILE *out, const struct policy_rule *rule)
{
	fputs(verdict_names[rule->verdict], out);
	print_strings(out, POLICY_UNIT, rule->units, rule->n_units);
	print_strings(out, POLICY_CGROUP, rule->cgroups, rule->n_cgroups);
	print_ids(out, POLICY_USER, rule->users, rule->n_users);
	print_ids(out, POLICY_GROUP, rule->groups, rule->n_groups);
	for (size_t i = 0; i < rule->n_to; i++) {
		print_start(out, POLICY_TO, i);
		fputs(policy_prefix_text(&rule->to[i]).text, out);
	}
	for (size_t i = 0; i < rule->n_ports; i++) {
		print_start(out, POLICY_PORT, i);
		fprintf(out, "%u", rule->ports[i]);
	}
}

static int compare_ports(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

static void print_ports(FILE *out, const struct policy *policy)
{
	uint16_t ports[SMTPWARD_PORTS_MAX];

	memcpy(ports, policy->ports, sizeof(ports));
	qsort(ports, policy->n_ports, sizeof(*ports), compare_ports);
	for (size_t i = 0; i < policy->n_ports; i++)
		fprintf(out, "%s%u", i ? ", " : "ports ", ports[i]);
	fputc('\n', out);
}

static void print_log(FILE *out, uint32_t log)
{
	const char *before = "log ";

	for (unsigned int verdict = 0; verdict < ARRAY_SIZE(verdict_names); verdict++) {
		if (!(log & 1U << verdict))
			continue;
		fprintf(out, "%s%s", before, verdict_names[verdict]);
		before = ", ";
	}
	fputc('\n', out);
}

static char period_letter(uint64_t period)
{
	return period == 1 ? 's' : period == 60 ? 'm' : 'h';
}

static void print_policy(FILE *out, const struct policy *policy)
{
	print_ports(out, policy);
	fprintf(out, "mode %s\n", policy->mode == POLICY_AUDIT ? "audit" : "enforce");
	fprintf(out, "reject %s\n", policy_reject_name(policy->reject));
	print_log(out, policy->log);
	fprintf(out, "limit %llu/%c burst %llu\n", (unsigned long long)policy->limit_lines,
		period_letter(policy->limit_period), (unsigned long long)policy->limit_burst);
	if (policy->n_rules)
		fputc('\n', out);
	for (size_t i = 0; i < policy->n_rules; i++) {
		print_rule(out, &policy->rules[i]);
		fputc('\n', out);
	}
}

/* Only one of the two is there. */
static int print_text(const struct policy *policy, const struct policy_rule *rule, char **ret_text)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	bool failed;

	if (!out)
		return -ENOMEM;
	if (policy)
		print_policy(out, policy);
	else
		print_rule(out, rule);
	failed = ferror(out);
	if (fclose(out) || failed || !text)
		return -ENOMEM;
	*ret_text = TAKE_PTR(text);
	return 0;
}

int policy_print(const struct policy *policy, char **ret_text)
{
	return print_text(policy, NULL, ret_text);
}

int policy_print_rule(const struct policy_rule *rule, char **ret_text)
{
	return print_text(NULL, rule, ret_text);
}
