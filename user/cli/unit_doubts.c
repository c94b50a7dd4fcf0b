// SPDX-License-Identifier: GPL-2.0-only
/* Units that this machine does not have; see unit_doubts.h. */
#include "cli/unit_doubts.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "host/unit.h"
#include "policy/policy_doubts.h"
#include "policy/policy_lex.h"

/* A unit of systemd's that has a file. Scopes and containers are there while they run. */
static bool unit_doubts_has_file(const char *name)
{
	static const char *const suffixes[] = { ".service", ".socket", ".mount",  ".timer",
						".path",    ".target", ".device", ".swap" };
	const size_t len = strlen(name);

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		const size_t suffix = strlen(suffixes[i]);

		if (len > suffix && !strcmp(name + len - suffix, suffixes[i]))
			return true;
	}
	return false;
}

static bool unit_doubts_is_bare(const char *name)
{
	return !strpbrk(name, ".*");
}

/* What a container engine makes with its first container, and is no service. */
static bool unit_doubts_is_engines(const char *name)
{
	static const char *const names[] = { "docker", "libpod_parent", "lxc" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

/* A deny with a star is about a kind of units, of which there may be none yet. */
static bool unit_doubts_is_asked(const struct policy_rule *rule, const char *name)
{
	if (unit_doubts_is_bare(name))
		return !unit_doubts_is_engines(name);
	return unit_doubts_has_file(name) && !(rule->verdict == SMTPWARD_DENY && strchr(name, '*'));
}

static int unit_doubts_tell(const struct policy_rule *rule, const char *name,
			    struct policy_errors *doubts)
{
	if (unit_doubts_is_bare(name))
		return policy_doubt(
			doubts, rule,
			"there is no cgroup '%s' on this machine: a service is named with "
			"its suffix, '%s.service'",
			policy_shown(name).text, policy_shown(name).text);
	return policy_doubt(doubts, rule, "this machine knows no unit '%s'",
			    policy_shown(name).text);
}

/*
 * Of a list that lets through, one that is known will do: the others are what the same service
 * is called elsewhere, and a mistake among them shows in the log. A mistake in a deny does not.
 */
static int unit_doubts_rule(const struct policy_rule *rule, struct policy_errors *doubts)
{
	const struct policy_values *units = &rule->values[SMTPWARD_UNIT];
	_cleanup_free_ bool *unknown = calloc(units->n + 1, sizeof(*unknown));

	if (!unknown)
		return -ENOMEM;
	for (size_t i = 0; i < units->n; i++) {
		bool known = false;
		int r = 0;

		if (!unit_doubts_is_asked(rule, units->texts[i]))
			continue;
		r = unit_is_known(units->texts[i], &known);
		if (r)
			return r;
		if (known && rule->verdict != SMTPWARD_DENY)
			return 0;
		unknown[i] = !known;
	}
	for (size_t i = 0; i < units->n; i++) {
		int r = unknown[i] ? unit_doubts_tell(rule, units->texts[i], doubts) : 0;

		if (r)
			return r;
	}
	return 0;
}

int unit_find_doubts(const struct policy *policy, struct policy_errors *doubts)
{
	for (size_t i = 0; i < policy->n_rules; i++) {
		int r = unit_doubts_rule(&policy->rules[i], doubts);

		if (r)
			return r;
	}
	return 0;
}
