// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frees what a policy owns; has the policy that is built in, and the errors that a refused
 * connect(2) may return.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "policy/policy.h"
#include "policy/policy_parse.h"

const char policy_builtin_text[] =
	"# Used where there is no policy file: what no rule allows is refused.\n"
	"ports 25\n"
	"mode enforce\n"
	"allow to 127.0.0.0/8, ::1    # handing mail to the local MTA\n";

static const struct {
	const char *name;
	int number;
} rejects[] = {
	{ "EPERM", EPERM },
	{ "EACCES", EACCES },
	{ "ECONNREFUSED", ECONNREFUSED },
	{ "EHOSTUNREACH", EHOSTUNREACH },
	{ "ENETUNREACH", ENETUNREACH },
	{ "ETIMEDOUT", ETIMEDOUT },
};

const char *policy_reject_name(int error)
{
	for (size_t i = 0; i < ARRAY_SIZE(rejects); i++) {
		if (rejects[i].number == error)
			return rejects[i].name;
	}
	return NULL;
}

int policy_reject_number(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(rejects); i++) {
		if (!strcmp(rejects[i].name, name))
			return rejects[i].number;
	}
	return 0;
}

bool policy_allows_raw(const struct policy *policy)
{
	return policy->raw_set ? policy->raw_allowed : policy->uplink == POLICY_UPLINK_NONE;
}

static const char *const policy_args_names[] = {
	[SMTPWARD_ARGS_NONE] = "none",
	[SMTPWARD_ARGS_SCRIPT] = "script",
	[SMTPWARD_ARGS_ALL] = "all",
};

const char *policy_args_name(uint32_t args)
{
	return args < ARRAY_SIZE(policy_args_names) ? policy_args_names[args] : NULL;
}

int policy_args_number(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(policy_args_names); i++)
		if (!strcmp(policy_args_names[i], name))
			return (int)i;
	return -1;
}

const enum policy_kind policy_kinds[SMTPWARD_CONDITIONS_N] = {
#define KIND(name, word, kind) [SMTPWARD_##name] = POLICY_##kind,
	SMTPWARD_CONDITIONS(KIND) SMTPWARD_GUEST_CONDITIONS(KIND)
#undef KIND
};

static void policy_free_strings(char **strings, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(strings[i]);
	free(strings);
}

static void policy_free_ids(struct policy_id *ids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(ids[i].name);
	free(ids);
}

void policy_rule_clear(struct policy_rule *rule)
{
	for (int condition = 0; condition < SMTPWARD_CONDITIONS_N; condition++) {
		const struct policy_values *values = &rule->values[condition];

		if (policy_kinds[condition] == POLICY_TEXT)
			policy_free_strings(values->texts, values->n);
		else if (policy_kinds[condition] == POLICY_ID)
			policy_free_ids(values->ids, values->n);
		else
			free(values->items);
	}
	*rule = (struct policy_rule){ 0 };
}

void policy_free(struct policy *policy)
{
	if (!policy)
		return;
	for (size_t i = 0; i < policy->n_rules; i++)
		policy_rule_clear(&policy->rules[i]);
	free(policy->rules);
	policy_free_strings(policy->files, policy->n_files);
	free(policy);
}

void policy_freep(struct policy **policy)
{
	policy_free(*policy);
}

void policy_errors_clear(struct policy_errors *errors)
{
	for (size_t i = 0; i < errors->n_items; i++) {
		free(errors->items[i].file);
		free(errors->items[i].text);
	}
	free(errors->items);
	*errors = (struct policy_errors){ 0 };
}
