// SPDX-License-Identifier: GPL-2.0-only
/*
 * The canonical form: one way to write each policy, so that two policies are the
 * same exactly where their texts are, and a printed policy can be loaded.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/quote.h"
#include "base/verdict_word.h"
#include "policy/policy.h"
#include "policy/policy_lex.h"
#include "policy/policy_until.h"
#include "policy/policy_value.h"

/*
 * A text as it grows; once memory was out, failed stays. Not open_memstream(3): with
 * glibc 2.36 a stream that could not grow says nothing of it, and the text is cut.
 */
struct text {
	char *data;
	size_t used, size;
	bool failed;
	bool numbers; /* beside the names of users and groups */
};

static void print_free(struct text *text)
{
	free(text->data);
}

static void print_add(struct text *out, const char *more)
{
	const size_t len = strlen(more) + 1;

	if (!out->failed && out->size - out->used < len) {
		const size_t size = 2 * out->size + len;
		char *grown = realloc(out->data, size);

		out->failed = !grown;
		if (grown) {
			out->data = grown;
			out->size = size;
		}
	}
	if (out->failed)
		return;
	memcpy(out->data + out->used, more, len);
	out->used += len - 1;
}

/* For numbers and words of ours, which are short. */
__attribute__((format(printf, 2, 3))) static void print_format(struct text *out, const char *format,
							       ...)
{
	char short_text[128];
	va_list args;

	va_start(args, format);
	vsnprintf(short_text, sizeof(short_text), format, args);
	va_end(args);
	print_add(out, short_text);
}

/*
 * In quotes as the violation line has them, so that a path can go either way. What is
 * behind the value needs none.
 */
static void print_value_and(struct text *out, const char *value, const char *behind)
{
	char byte[QUOTE_SIZE(1)];

	if (policy_lex_plain(value)) {
		print_add(out, value);
		print_add(out, behind);
		return;
	}
	print_add(out, "\"");
	for (const char *p = value; *p; p++) {
		quote_text(p, 1, byte, sizeof(byte));
		print_add(out, byte);
	}
	print_add(out, behind);
	print_add(out, "\"");
}

static void print_value(struct text *out, const char *value)
{
	print_value_and(out, value, "");
}

static void print_id(struct text *out, const struct policy_id *id)
{
	char number[16] = "";

	if (out->numbers)
		snprintf(number, sizeof(number), ":%u", id->id);
	if (id->name)
		print_value_and(out, id->name, number);
	else
		print_format(out, "%u", id->id);
}

static void print_mac(struct text *out, const struct policy_mac *mac)
{
	for (size_t i = 0; i < ARRAY_SIZE(mac->bytes); i++)
		print_format(out, "%s%02x", i ? ":" : "", mac->bytes[i]);
}

static void print_item(struct text *out, enum policy_kind kind, const struct policy_values *values,
		       size_t i)
{
	switch (kind) {
	case POLICY_TEXT:
		print_value(out, values->texts[i]);
		break;
	case POLICY_ID:
		print_id(out, &values->ids[i]);
		break;
	case POLICY_PREFIX:
		print_add(out, policy_prefix_text(&values->prefixes[i]).text);
		break;
	case POLICY_PORT:
		print_format(out, "%u", values->ports[i]);
		break;
	case POLICY_DEVICE:
		print_value(out, values->devices[i].text);
		break;
	case POLICY_MAC:
		print_mac(out, &values->macs[i]);
		break;
	case POLICY_VLAN:
		print_format(out, "%u", values->vlans[i]);
		break;
	}
}

static void print_rule(struct text *out, const struct policy_rule *rule)
{
	print_add(out, verdict_word(rule->verdict));
	for (int i = 0; i < SMTPWARD_CONDITIONS_N; i++) {
		/* The conditions on guests stand first. */
		const int condition = (i + SMTPWARD_GUEST) % SMTPWARD_CONDITIONS_N;
		const struct policy_values *values = &rule->values[condition];

		if (values->n)
			print_format(out, " %s ", policy_condition_names[condition]);
		for (size_t at = 0; at < values->n; at++) {
			print_add(out, at ? ", " : "");
			print_item(out, policy_kinds[condition], values, at);
		}
	}
	if (rule->until)
		print_format(out, " " POLICY_UNTIL_WORD " %s", policy_until_text(rule->until).text);
}

static int print_compare_ports(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

static void print_ports(struct text *out, const struct policy *policy)
{
	uint16_t ports[SMTPWARD_PORTS_MAX];

	memcpy(ports, policy->ports, sizeof(ports));
	qsort(ports, policy->n_ports, sizeof(*ports), print_compare_ports);
	for (size_t i = 0; i < policy->n_ports; i++)
		print_format(out, "%s%u", i ? ", " : "ports ", ports[i]);
	print_add(out, "\n");
}

static void print_log(struct text *out, uint32_t log)
{
	const char *before = "log ";

	for (unsigned int verdict = 0; verdict <= SMTPWARD_ALLOW; verdict++) {
		if (!(log & 1U << verdict))
			continue;
		print_format(out, "%s%s", before, verdict_word(verdict));
		before = ", ";
	}
	print_add(out, "\n");
}

static char print_period_letter(uint64_t period)
{
	return period == 1 ? 's' : period == 60 ? 'm' : 'h';
}

static void print_alert(struct text *out, const struct policy *policy)
{
	if (policy->alert_attempts)
		print_format(out, "alert %llu/%c\n", (unsigned long long)policy->alert_attempts,
			     print_period_letter(policy->alert_period));
	else
		print_add(out, "alert " POLICY_ALERT_OFF "\n");
}

/* A policy without the second layer has the text that it had before there was one. */
static void print_packets(struct text *out, const struct policy *policy)
{
	if (!policy->packets && !policy->raw_set && policy->uplink == POLICY_UPLINK_NONE)
		return;
	print_format(out, "packets %s\n", policy->packets ? "on" : "off");
	print_add(out, policy->uplink == POLICY_UPLINK_AUTO   ? "uplink auto"
		       : policy->uplink == POLICY_UPLINK_NONE ? "uplink none"
							      : "");
	for (size_t i = 0; i < policy->n_uplinks; i++) {
		print_add(out, i ? ", " : "uplink ");
		print_value(out, policy->uplinks[i].text);
	}
	print_format(out, "\nraw %s\n", policy_allows_raw(policy) ? "allow" : "deny");
}

static void print_policy(struct text *out, const struct policy *policy)
{
	print_ports(out, policy);
	print_format(out, "mode %s\n", policy->mode == POLICY_AUDIT ? "audit" : "enforce");
	print_format(out, "reject %s\n", policy_reject_name(policy->reject));
	print_log(out, policy->log);
	print_format(out, "limit %llu/%c burst %llu\n", (unsigned long long)policy->limit_lines,
		     print_period_letter(policy->limit_period),
		     (unsigned long long)policy->limit_burst);
	print_format(out, "args %s\n", policy_args_name(policy->args));
	print_alert(out, policy);
	print_packets(out, policy);
	if (policy->n_rules)
		print_add(out, "\n");
	for (size_t i = 0; i < policy->n_rules; i++) {
		print_rule(out, &policy->rules[i]);
		print_add(out, "\n");
	}
}

static int print_take(struct text *out, char **ret_text)
{
	/* Even what says nothing is a text. */
	print_add(out, "");
	if (out->failed)
		return -ENOMEM;
	*ret_text = TAKE_PTR(out->data);
	return 0;
}

int policy_print(const struct policy *policy, char **ret_text)
{
	_cleanup_(print_free) struct text out = { 0 };

	print_policy(&out, policy);
	return print_take(&out, ret_text);
}

int policy_print_kept(const struct policy *policy, char **ret_text)
{
	_cleanup_(print_free) struct text out = { .numbers = true };

	print_policy(&out, policy);
	return print_take(&out, ret_text);
}

int policy_print_rule(const struct policy_rule *rule, char **ret_text)
{
	_cleanup_(print_free) struct text out = { 0 };

	print_rule(&out, rule);
	return print_take(&out, ret_text);
}
