// SPDX-License-Identifier: GPL-2.0-only
/* Metrics of the policy in force; see say_metrics.h. */
#include "cli/say_metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/macro.h"
#include "base/quote.h"
#include "base/verdict_word.h"
#include "host/boottime.h"
#include "pins/counter.h"
#include "pins/hook.h"
#include "pins/layer.h"

#define NS_PER_SECOND 1000000000ULL

struct metrics {
	const struct state *state; /* NULL: nothing is loaded */
	const struct figures *figures;
	const char *hash;
};

/* A metric: its name behind "smtpward_", and the function that prints its samples. */
struct metrics_row {
	const char *name, *type, *help;
	void (*print)(const struct metrics_row *row, const struct metrics *metrics);
	bool always; /* also if nothing is loaded */
};

static void metrics_head(const char *name, const char *suffix, const char *type, const char *help)
{
	printf("# HELP smtpward_%s%s %s\n# TYPE smtpward_%s%s %s\n", name, suffix, help, name,
	       suffix, type);
}

/* One sample without a label. */
static void metrics_number(const struct metrics_row *row, uint64_t number)
{
	metrics_head(row->name, "", row->type, row->help);
	printf("smtpward_%s %" PRIu64 "\n", row->name, number);
}

/*
 * A label whose text somebody else chose: \xNN as in a line, with the backslash doubled, as the
 * format asks.
 */
static void metrics_label(const char *name, const char *text, size_t size)
{
	char quoted[QUOTE_SIZE(sizeof(((struct smtpward_policy_info *)0)->config))];

	printf("%s=\"", name);
	if (quote_text(text, strnlen(text, size), quoted, sizeof(quoted)) < 0)
		*quoted = '\0';
	for (const char *at = quoted; *at; at++)
		printf(*at == '\\' ? "\\%c" : "%c", *at);
	putchar('"');
}

static void metrics_enforcing(const struct metrics_row *row, const struct metrics *metrics)
{
	metrics_number(row, metrics->state && metrics->state->enforcing);
}

static void metrics_loaded(const struct metrics_row *row, const struct metrics *metrics)
{
	metrics_number(row, metrics->state != NULL);
}

static void metrics_degraded(const struct metrics_row *row, const struct metrics *metrics)
{
	metrics_head(row->name, "", row->type, row->help);
	for (int i = 0; i < STATE_TROUBLES; i++)
		printf("smtpward_%s{reason=\"%s\"} %d\n", row->name, state_trouble_names[i],
		       (metrics->state->troubles & 1U << i) != 0);
}

static void metrics_hooks(const struct metrics_row *row, const struct metrics *metrics)
{
	metrics_head(row->name, "", row->type, row->help);
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++)
		if (metrics->state->hooks[hook] != STATE_UNUSED)
			printf("smtpward_%s{hook=\"%s\"} %d\n", row->name, hook_infos[hook].name,
			       metrics->state->hooks[hook] == STATE_IN_FORCE);
}

static void metrics_tracker(const struct metrics_row *row, const struct metrics *metrics)
{
	metrics_number(row, metrics->state->tracker);
}

static void metrics_missing(const struct metrics_row *row, const struct metrics *metrics)
{
	metrics_number(row, metrics->state->missing[SMTPWARD_TRACKER_CGROUPS]);
}

static void metrics_unlisted(const struct metrics_row *row, const struct metrics *metrics)
{
	metrics_number(row, metrics->state->missing[SMTPWARD_TRACKER_INHERITED]);
}

static void metrics_policy(const struct metrics_row *row, const struct metrics *metrics)
{
	const struct smtpward_policy_info *policy = &metrics->state->policy;

	metrics_head(row->name, "", row->type, row->help);
	printf("smtpward_%s{", row->name);
	metrics_label("config", policy->config, sizeof(policy->config));
	printf(",hash=\"%s\",mode=\"%s\",", metrics->hash,
	       policy->mode == SMTPWARD_AUDIT ? "audit" : "enforce");
	metrics_label("version", policy->version, sizeof(policy->version));
	printf("} 1\n");
}

static void metrics_loaded_at(const struct metrics_row *row, const struct metrics *metrics)
{
	metrics_number(row, state_loaded_at(metrics->state));
}

static void metrics_rules(const struct metrics_row *row, const struct metrics *metrics)
{
	metrics_number(row, metrics->state->policy.rules);
}

static void metrics_trial(const struct metrics_row *row, const struct metrics *metrics)
{
	metrics_number(row, metrics->state->trial.phase == TRIAL_RUNS);
}

static void metrics_reader(const struct metrics_row *row, const struct metrics *metrics)
{
	metrics_number(row, metrics->state->reader != 0);
}

static void metrics_buffer_size(const struct metrics_row *row, const struct metrics *metrics)
{
	if (metrics->figures->buffer_size)
		metrics_number(row, metrics->figures->buffer_size);
}

static void metrics_buffer_used(const struct metrics_row *row, const struct metrics *metrics)
{
	if (metrics->figures->buffer_size)
		metrics_number(row, metrics->figures->buffer_used);
}

static void metrics_buffer_read(const struct metrics_row *row, const struct metrics *metrics)
{
	if (metrics->figures->buffer_size)
		metrics_number(row, metrics->figures->buffer_read);
}

/* Prints no sample before the first record, as 0 would be a time. */
static void metrics_last_record(const struct metrics_row *row, const struct metrics *metrics)
{
	const uint64_t ns = metrics->figures->last_record_ns;

	if (ns)
		metrics_number(row, (ns + boottime_to_utc()) / NS_PER_SECOND);
}

static void metrics_tenants(const struct metrics_row *row, const struct metrics *metrics)
{
	metrics_number(row, metrics->figures->tenants);
}

static void metrics_tenants_max(const struct metrics_row *row, const struct metrics *metrics)
{
	metrics_number(row, metrics->figures->tenants_max);
}

static void metrics_local(const struct metrics_row *row, const struct metrics *metrics)
{
	if (metrics->state->asks_local)
		metrics_number(row, metrics->state->local);
}

/* Prints nothing for a policy without the second layer. */
static void metrics_packets(const struct metrics_row *row, const struct metrics *metrics)
{
	if (!metrics->state->layer.parts)
		return;
	metrics_head(row->name, "", row->type, row->help);
	for (size_t i = 0; i < LAYER_COUNTERS; i++)
		printf("smtpward_%s{what=\"%s\"} %" PRIu64 "\n", row->name, layer_counters[i].name,
		       layer_count(&metrics->state->packets, i));
}

static void metrics_uplinks(const struct metrics_row *row, const struct metrics *metrics)
{
	const struct uplink_names *names = &metrics->state->uplink_names;

	/* Gates are known of all uplinks, or of none: see STATE_UPLINK_UNKNOWN. */
	if (!names->n || metrics->state->uplinks[0] == STATE_UPLINK_UNKNOWN)
		return;
	metrics_head(row->name, "", row->type, row->help);
	for (size_t i = 0; i < names->n; i++) {
		printf("smtpward_%s{", row->name);
		metrics_label("device", names->text[i], sizeof(names->text[i]));
		printf("} %d\n", metrics->state->uplinks[i] == STATE_UPLINK_HELD);
	}
}

/* The verdict of a rule: in mode audit nothing is refused. */
static const char *metrics_verdict(const struct state *state, uint32_t rule)
{
	const uint32_t verdict = rule < state->policy.rules ? state->rules[rule].verdict
							    : SMTPWARD_DENY;

	if (state->policy.mode == SMTPWARD_AUDIT && verdict == SMTPWARD_DENY)
		return verdict_word(SMTPWARD_AUDIT);
	return verdict_word(verdict);
}

static void metrics_attempts_of_port(const struct metrics_row *row, const struct metrics *metrics,
				     uint32_t port)
{
	const struct state *state = metrics->state;

	for (uint32_t rule = 0; rule <= state->policy.rules; rule++) {
		const bool none = rule == state->policy.rules;
		char number[] = "4294967295";

		snprintf(number, sizeof(number), "%" PRIu32, rule + 1);
		printf("smtpward_%s{verdict=\"%s\",rule=\"%s\",port=\"%u\"} %" PRIu64 "\n",
		       row->name, metrics_verdict(state, rule), none ? "default" : number,
		       state->policy.port[port],
		       figures_attempts(metrics->figures, port, none ? SMTPWARD_RULE_NONE : rule));
	}
}

static void metrics_attempts(const struct metrics_row *row, const struct metrics *metrics)
{
	if (!metrics->figures->attempts)
		return;
	metrics_head(row->name, "", row->type, row->help);
	for (uint32_t i = 0; i < metrics->state->policy.ports && i < SMTPWARD_PORTS_MAX; i++)
		metrics_attempts_of_port(row, metrics, i);
}

static const struct metrics_row metrics_rows[] = {
	{ "loaded", "gauge", "Whether a policy is loaded.", metrics_loaded, true },
	{ "enforcing", "gauge", "Whether a policy is enforced on every hook.", metrics_enforcing,
	  true },
	{ "degraded", "gauge", "What is not as it should be, by the reason.", metrics_degraded,
	  false },
	{ "hook_in_force", "gauge", "Whether the hook runs the policy's program.", metrics_hooks,
	  false },
	{ "uplink_in_force", "gauge", "Whether the uplink has its gate, ahead of all others.",
	  metrics_uplinks, false },
	{ "tracker_in_force", "gauge", "Whether new cgroups get their rules.", metrics_tracker,
	  false },
	{ "cgroups_missing", "gauge", "Cgroups whose rules the tracker has no room for.",
	  metrics_missing, false },
	{ "cgroups_unlisted", "gauge", "Cgroups whose rules are looked for further up.",
	  metrics_unlisted, false },
	{ "local_addresses", "gauge", "Addresses and prefixes that are local.", metrics_local,
	  false },
	{ "policy_info", "gauge", "The policy that decides.", metrics_policy, false },
	{ "policy_loaded_timestamp_seconds", "gauge", "When the policy was loaded.",
	  metrics_loaded_at, false },
	{ "policy_rules", "gauge", "Rules of the policy.", metrics_rules, false },
	{ "policy_on_trial", "gauge", "Whether the policy is on trial.", metrics_trial, false },
	{ "reader_active", "gauge", "Whether somebody has the lock of the log.", metrics_reader,
	  false },
	{ "buffer_size_bytes", "gauge", "Room for records in the kernel.", metrics_buffer_size,
	  false },
	{ "buffer_used_bytes", "gauge", "Records in the kernel that nobody has read.",
	  metrics_buffer_used, false },
	{ "buffer_read_bytes_total", "counter", "Records that a log has read.", metrics_buffer_read,
	  false },
	{ "last_record_timestamp_seconds", "gauge", "When the last record was made.",
	  metrics_last_record, false },
	{ "tenants", "gauge", "Cgroups that have a limit on lines.", metrics_tenants, false },
	{ "tenants_max", "gauge", "How many of them there is room for.", metrics_tenants_max,
	  false },
	{ "packets_total", "counter", "Packets that begin a connection to a guarded port.",
	  metrics_packets, false },
	{ "attempts_total", "counter",
	  "Connects to guarded ports since the policy was loaded, by its rules.", metrics_attempts,
	  false },
};

static void metrics_print(const struct metrics *metrics)
{
	for (size_t i = 0; i < ARRAY_SIZE(metrics_rows); i++)
		if (metrics->state || metrics_rows[i].always)
			metrics_rows[i].print(&metrics_rows[i], metrics);
	for (int i = 0; metrics->state && i < COUNTERS; i++) {
		const char *name = counter_infos[i].name;

		metrics_head(name, "_total", "counter", counter_infos[i].help);
		printf("smtpward_%s_total %" PRIu64 "\n", name,
		       counter_value(&metrics->state->counters, i));
	}
}

void say_metrics(const struct state *state, const struct figures *figures, const char *hash)
{
	metrics_print(&(const struct metrics){ state, figures, hash });
}

void say_metrics_of_nothing(void)
{
	metrics_print(&(const struct metrics){ NULL, NULL, "" });
}
