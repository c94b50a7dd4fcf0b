// SPDX-License-Identifier: GPL-2.0-only
/* Prints how the policy in force stands; see say_status.h. */
#include "cli/say_status.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/macro.h"
#include "base/plural.h"
#include "base/quote.h"
#include "base/span.h"
#include "base/verdict_word.h"
#include "cli/msg.h"
#include "cli/say_json.h"
#include "host/cgroupfs.h"
#include "host/feature.h"
#include "pins/counter.h"
#include "pins/hook.h"
#include "pins/instance.h"
#include "pins/layer.h"
#include "policy/policy.h"
#include "policy/policy_until.h"

static const char *const hook_words[] = {
	[STATE_IN_FORCE] = "in force",
	[STATE_NO_LINK] = "not attached: its pin is gone",
	[STATE_DETACHED] = "not attached: somebody detached it, or its cgroup is gone",
	[STATE_OTHER_PROGRAM] = "attached, with a program that is not this policy's",
};

static const char *const uplink_words[] = {
	[STATE_UPLINK_HELD] = "in force",
	[STATE_UPLINK_BEHIND] = "in force, behind another program that sees packets first",
	[STATE_UPLINK_OPEN] = "open: it has no gate of this policy",
	[STATE_UPLINK_MISSING] = "missing: there is no such device",
	[STATE_UPLINK_UNKNOWN] = "not known: only root sees its gate",
};

static void status_format_time(uint64_t seconds, char *dst, size_t size)
{
	time_t when = (time_t)seconds;
	struct tm tm;

	gmtime_r(&when, &tm);
	strftime(dst, size, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

void say_status_hash(const struct state *state, char dst[static POLICY_HASH_TEXT_SIZE])
{
	*dst = '\0';
	if (state->origin.flags & SMTPWARD_ORIGIN_HASHED)
		policy_hash_text(state->origin.hash, dst);
}

struct status_name {
	char text[QUOTE_SIZE(sizeof(((struct smtpward_policy_info *)0)->config))];
};

_Static_assert(sizeof(((struct smtpward_rule_info *)0)->file) <=
		       sizeof(((struct smtpward_policy_info *)0)->config),
	       "there is room for each name");

/* A file's name, quoted as in a line: it may have any byte in it, and goes to a terminal. */
static struct status_name status_name(const char *file)
{
	const size_t most = sizeof(((struct smtpward_rule_info *)0)->file);
	struct status_name name = { "" };

	quote_text(file, strnlen(file, most), name.text, sizeof(name.text));
	return name;
}

/* The other generation of a trial: "FILE, generation 3". */
static void status_format_other(const struct state *state, char *dst, size_t size)
{
	if (!state->trial.fallback)
		snprintf(dst, size, "nothing");
	else
		snprintf(dst, size, "%s%sgeneration %" PRIu64,
			 status_name(state->other.config).text, *state->other.config ? ", " : "",
			 (uint64_t)state->other.generation);
}

static uint64_t status_trial_ends_at(const struct state *state)
{
	return (uint64_t)time(NULL) + trial_seconds_left(&state->trial);
}

static void status_print_trial(const struct state *state)
{
	char other[sizeof(struct status_name) + 64], left[SPAN_SIZE], ends[32];

	if (state->trial.phase != TRIAL_RUNS)
		return;
	status_format_other(state, other, sizeof(other));
	span_text(trial_seconds_left(&state->trial), left);
	status_format_time(status_trial_ends_at(state), ends, sizeof(ends));
	printf("trial     %s left, until %s: then %s is in force; 'smtpward confirm%s' keeps "
	       "this\n",
	       left, ends, other, pins_option(state->origin.pins).text);
}

static void status_print_policy(const struct state *state)
{
	const struct smtpward_policy_info *policy = &state->policy;
	char since[32], hash[POLICY_HASH_TEXT_SIZE];

	status_format_time(state_loaded_at(state), since, sizeof(since));
	printf("policy    %s: %" PRIu32 " %s, %s ", status_name(policy->config).text, policy->rules,
	       plural(policy->rules, "rule", "rules"), plural(policy->ports, "port", "ports"));
	for (uint32_t i = 0; i < policy->ports && i < SMTPWARD_PORTS_MAX; i++)
		printf("%s%u", i ? ", " : "", policy->port[i]);
	printf(", mode %s, reject %s\n", policy->mode == SMTPWARD_AUDIT ? "audit" : "enforce",
	       policy_reject_name((int)policy->reject) ?: "?");
	printf("since     %s, loaded by smtpward %s, generation %" PRIu64 "\n", since,
	       policy->version, (uint64_t)policy->generation);
	say_status_hash(state, hash);
	if (*hash)
		printf("hash      %s\n", hash);
	if (policy->attached_to != CGROUPFS_ROOT_ID)
		printf("scope     cgroup %" PRIu64
		       " and below, not the machine's root: sockets made outside are not seen\n",
		       (uint64_t)policy->attached_to);
}

/* Whether the policy in force needs the feature. */
static bool status_uses_feature(const struct state *state, enum feature feature)
{
	if (feature == FEATURE_REJECT)
		return state->policy.reject != EPERM;
	if (feature == FEATURE_TAI)
		return state->clock.floor_ns && state->clock.source == SMTPWARD_CLOCK_TAI;
	if (feature == FEATURE_AUID)
		return state->policy.log != 0;
	return true;
}

/* Only with -v: asking for features loads programs, too much for a status every minute. */
static bool status_lists_features(void)
{
	return msg_get_level() >= MSG_DEBUG;
}

/* state: NULL if nothing is loaded. */
static void status_print_features(const struct state *state)
{
	int answers[FEATURES];

	if (!status_lists_features())
		return;
	features_ask_all(answers);
	for (int i = 0; i < FEATURES; i++) {
		const char *word = "not there";

		if (answers[i] < 0)
			word = "not known";
		else if (answers[i] && state && status_uses_feature(state, (enum feature)i))
			word = "in use";
		else if (answers[i])
			word = "there, not in use";
		printf("feature %-8s %-18s %s\n", feature_infos[i].name, word,
		       feature_infos[i].use);
	}
}

static void status_print_troubles(const struct state *state)
{
	char text[STATE_TROUBLE_SIZE];

	for (int i = 0; i < STATE_TROUBLES; i++) {
		if (!(state->troubles & 1U << i))
			continue;
		state_describe_trouble(state, i, text, sizeof(text));
		printf("degraded  %s\n", text);
	}
}

/* now: from state_now(). */
static void status_print_left(const struct smtpward_rule_info *rule, int64_t now)
{
	if (!rule->until)
		return;
	if (now == -ENODATA)
		printf(": matches nothing while the clock is not set");
	else if (now < 0)
		printf(": %s", strerror((int)-now));
	else
		printf(": %s", policy_left_text(rule->until, now).text);
}

static void status_print_rules(const struct state *state)
{
	const int64_t now = state_now(state);

	for (uint32_t i = 0; i < state->policy.rules; i++) {
		const struct smtpward_rule_info *rule = &state->rules[i];

		printf("rule %-3u  %s%s  # %s:%u", i + 1, rule->text, rule->truncated ? "..." : "",
		       status_name(rule->file).text, rule->line);
		status_print_left(rule, now);
		putchar('\n');
	}
}

void say_status(const struct state *state)
{
	printf("%s\n", state_headline(state));
	status_print_troubles(state);
	status_print_trial(state);
	status_print_policy(state);
	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++)
		if (state->hooks[hook] != STATE_UNUSED)
			printf("%-8s  %s\n", hook_infos[hook].name, hook_words[state->hooks[hook]]);
	for (size_t i = 0; i < state->uplink_names.n; i++)
		printf("uplink    %s: %s\n", status_name(state->uplink_names.text[i]).text,
		       uplink_words[state->uplinks[i]]);
	if (state->layer.parts) {
		printf("packets  ");
		for (size_t i = 0; i < LAYER_COUNTERS; i++)
			printf(" %s=%" PRIu64, layer_counters[i].name,
			       layer_count(&state->packets, i));
		putchar('\n');
	}
	printf("tracker   %s\n", state->tracker ? "in force" : "not attached");
	if (state->asks_local)
		printf("local     %" PRIu64 " %s\n", state->local,
		       plural(state->local, "address or prefix", "addresses and prefixes"));
	if (state->reader)
		printf("log       locked by process %d\n", (int)state->reader);
	else
		printf("log       nobody writes it: 'smtpward log%s' does\n",
		       pins_option(state->origin.pins).text);
	for (int i = 0; i < COUNTERS; i++)
		if (!counter_infos[i].trouble || counter_value(&state->counters, i))
			printf("%-13s %" PRIu64 "\n", counter_infos[i].name,
			       counter_value(&state->counters, i));
	if (state->missing[SMTPWARD_TRACKER_CGROUPS])
		printf("missing       %" PRIu64 " %s that the tracker has no room for\n",
		       state->missing[SMTPWARD_TRACKER_CGROUPS],
		       plural(state->missing[SMTPWARD_TRACKER_CGROUPS], "cgroup", "cgroups"));
	if (state->missing[SMTPWARD_TRACKER_INHERITED])
		printf("unlisted      %" PRIu64 " %s\n", state->missing[SMTPWARD_TRACKER_INHERITED],
		       plural(state->missing[SMTPWARD_TRACKER_INHERITED],
			      "cgroup that is covered as those above it",
			      "cgroups that are covered as those above them"));
	status_print_rules(state);
	status_print_features(state);
}

_Static_assert(SAY_JSON_TEXT_SIZE >= STATE_TROUBLE_SIZE &&
		       SAY_JSON_TEXT_SIZE >= sizeof(((struct reason *)0)->text) &&
		       SAY_JSON_TEXT_SIZE >= sizeof(((struct smtpward_rule_info *)0)->text) &&
		       SAY_JSON_TEXT_SIZE >= sizeof(((struct smtpward_policy_info *)0)->config),
	       "there is room for each text");

static json_t *status_json_of_features(const struct state *state)
{
	json_t *features;
	int answers[FEATURES];

	if (!status_lists_features())
		return json_null();
	features = json_object();
	features_ask_all(answers);
	for (int i = 0; i < FEATURES; i++) {
		bool used = answers[i] > 0 && state && status_uses_feature(state, (enum feature)i);
		json_t *available = answers[i] < 0 ? json_null() : json_boolean(answers[i]);

		features = say_json_set(features, feature_infos[i].name,
					json_pack("{s:o, s:b}", "available", available, "in_use",
						  used));
	}
	return features;
}

static json_t *status_json_of_until(const struct smtpward_rule_info *rule)
{
	return rule->until ? json_string(policy_until_text(rule->until).text) : json_null();
}

/* The seconds that are left; null for a rule without an end, and if the time is not known. */
static json_t *status_json_of_left(const struct smtpward_rule_info *rule, int64_t now)
{
	if (!rule->until || now < 0)
		return json_null();
	return json_integer(rule->until > now ? rule->until - now : 0);
}

static json_t *status_json_of_rules(const struct state *state)
{
	const int64_t now = state_now(state);
	json_t *rules = json_array();

	for (uint32_t i = 0; i < state->policy.rules; i++) {
		const struct smtpward_rule_info *rule = &state->rules[i];

		rules = say_json_append(
			rules, json_pack("{s:i, s:s, s:o, s:b, s:o, s:i, s:o, s:o}", "rule", i + 1,
					 "verdict", verdict_word(rule->verdict), "text",
					 say_json_text(rule->text), "truncated",
					 rule->truncated != 0, "file", say_json_text(rule->file),
					 "line", rule->line, "until", status_json_of_until(rule),
					 "left", status_json_of_left(rule, now)));
	}
	return rules;
}

/* null if an older version loaded the policy. */
static json_t *status_json_of_hash(const struct state *state)
{
	char hash[POLICY_HASH_TEXT_SIZE];

	say_status_hash(state, hash);
	return *hash ? json_string(hash) : json_null();
}

/* A trial that went back to nothing has no other generation: state->policy is the one tried. */
static json_t *status_json_of_other(const struct state *state)
{
	const struct smtpward_policy_info *other = state_is_lifted(state) ? &state->policy
									  : &state->other;

	if (!state->trial.fallback && !state_is_lifted(state))
		return json_null();
	return json_pack("{s:o, s:I}", "config", say_json_text(other->config), "generation",
			 (json_int_t)other->generation);
}

/* null if nothing is on trial. */
static json_t *status_json_of_trial(const struct state *state)
{
	json_t *other;
	char ends[32];

	if (state->trial.phase == TRIAL_NONE)
		return json_null();
	other = status_json_of_other(state);
	status_format_time(status_trial_ends_at(state), ends, sizeof(ends));
	if (state->trial.phase == TRIAL_RUNS)
		return json_pack("{s:b, s:s, s:I, s:o}", "over", false, "until", ends,
				 "seconds_left", (json_int_t)trial_seconds_left(&state->trial),
				 "then", other);
	return json_pack("{s:b, s:n, s:i, s:o}", "over", true, "until", "seconds_left", 0, "tried",
			 other);
}

static json_t *status_json_of_policy(const struct state *state)
{
	const struct smtpward_policy_info *policy = &state->policy;
	json_t *ports = json_array();
	char since[32];

	status_format_time(state_loaded_at(state), since, sizeof(since));
	for (uint32_t i = 0; i < policy->ports && i < SMTPWARD_PORTS_MAX; i++)
		ports = say_json_append(ports, json_integer(policy->port[i]));
	return json_pack("{s:o, s:o, s:s, s:o, s:I, s:o, s:s, s:s, s:I, s:b}", "config",
			 say_json_text(policy->config), "hash", status_json_of_hash(state),
			 "loaded_at", since, "version", say_json_text(policy->version),
			 "generation", (json_int_t)policy->generation, "ports", ports, "mode",
			 policy->mode == SMTPWARD_AUDIT ? "audit" : "enforce", "reject",
			 policy_reject_name((int)policy->reject) ?: "?", "cgroup",
			 (json_int_t)policy->attached_to, "root",
			 policy->attached_to == CGROUPFS_ROOT_ID);
}

static json_t *status_json_of_troubles(const struct state *state)
{
	char text[STATE_TROUBLE_SIZE];
	json_t *troubles = json_array();

	for (int i = 0; state && i < STATE_TROUBLES; i++) {
		if (!(state->troubles & 1U << i))
			continue;
		state_describe_trouble(state, i, text, sizeof(text));
		troubles = say_json_append(troubles, say_json_text(text));
	}
	return troubles;
}

/* null for a policy without the second layer. */
static json_t *status_json_of_packets(const struct state *state)
{
	json_t *uplinks, *counts;

	if (!state->layer.parts)
		return json_null();
	uplinks = json_object();
	counts = json_object();
	for (size_t i = 0; i < state->uplink_names.n; i++)
		uplinks = say_json_set(uplinks, status_name(state->uplink_names.text[i]).text,
				       json_string(uplink_words[state->uplinks[i]]));
	for (size_t i = 0; i < LAYER_COUNTERS; i++)
		counts = say_json_set(counts, layer_counters[i].name,
				      json_integer((json_int_t)layer_count(&state->packets, i)));
	return json_pack("{s:o, s:o}", "uplinks", uplinks, "counts", counts);
}

static json_t *status_json_of_state(const struct state *state)
{
	json_t *hooks = json_object(), *counts = json_object();

	for (int hook = 0; hook < SMTPWARD_HOOKS; hook++) {
		if (state->hooks[hook] == STATE_UNUSED)
			continue;
		hooks = say_json_set(hooks, hook_infos[hook].name,
				     json_pack("{s:b, s:s, s:i, s:I}", "in_force",
					       state->hooks[hook] == STATE_IN_FORCE, "state",
					       hook_words[state->hooks[hook]], "program",
					       (int)state->links[hook].program_id, "cgroup",
					       (json_int_t)state->links[hook].cgroup_id));
	}
	for (int i = 0; i < COUNTERS; i++)
		counts = say_json_set(counts, counter_infos[i].name,
				      json_integer((json_int_t)counter_value(&state->counters, i)));
	return json_pack(
		"{s:b, s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:I, s:I, s:o, s:i, s:o, s:o, s:o}",
		"enforcing", state->enforcing, "summary", state_headline(state), "degraded",
		status_json_of_troubles(state), "policy", status_json_of_policy(state), "trial",
		status_json_of_trial(state), "hooks", hooks, "packets",
		status_json_of_packets(state), "tracker", state->tracker, "cgroups_missing",
		(json_int_t)state->missing[SMTPWARD_TRACKER_CGROUPS], "cgroups_unlisted",
		(json_int_t)state->missing[SMTPWARD_TRACKER_INHERITED], "local_addresses",
		state->asks_local ? json_integer((json_int_t)state->local) : json_null(), "reader",
		(int)state->reader, "counters", counts, "rules", status_json_of_rules(state),
		"features", status_json_of_features(state));
}

static enum command_result status_print_json(json_t *json)
{
	int failed = !json || json_dumpf(json, stdout, JSON_INDENT(2)) || putchar('\n') == EOF;

	json_decref(json);
	if (!failed)
		return COMMAND_DONE;
	msg_error("cannot print JSON");
	return COMMAND_FAILED;
}

enum command_result say_status_json(const struct state *state)
{
	return status_print_json(status_json_of_state(state));
}

void say_status_of_nothing(const char *why)
{
	printf("not enforcing: %s\n", why);
	status_print_features(NULL);
}

enum command_result say_status_json_of_nothing(const char *why)
{
	return status_print_json(json_pack("{s:b, s:o, s:o, s:o}", "enforcing", false, "summary",
					   say_json_text(why), "degraded",
					   status_json_of_troubles(NULL), "features",
					   status_json_of_features(NULL)));
}

void say_status_left(const char *pins, const struct uplink_names *left, struct reason *ret_text)
{
	char devices[UPLINK_NAMES_MAX * (QUOTE_SIZE(SMTPWARD_DEVICE_SIZE) + 2)] = "";
	const bool one = left->n == 1;
	size_t used = 0;

	for (size_t i = 0; i < left->n; i++)
		used += (size_t)snprintf(devices + used, sizeof(devices) - used, "%s%s",
					 i ? ", " : "", status_name(left->text[i]).text);
	reason_set(ret_text, 0,
		   "nothing is loaded, but %s left on %s, and without mode audit %s every "
		   "connection to a guarded port: 'smtpward unload%s' takes %s away",
		   one ? "a gate is" : "gates are", devices, one ? "it refuses" : "they refuse",
		   pins_option(pins).text, one ? "it" : "them");
}
