// SPDX-License-Identifier: GPL-2.0-only
/* Finds units that this machine does not have; see unit_doubts.h. */
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

/* A unit of systemd's that has a file. Scopes and containers exist only while they run. */
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

/* A cgroup that a container engine makes with its first container, and that is no service. */
static bool unit_doubts_is_engines(const char *name)
{
	static const char *const names[] = { "docker", "libpod_parent", "lxc" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

/* Not for a deny with a star: it names a kind of units, of which the machine may have none yet. */
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
			doubts, &rule->place,
			"there is no cgroup '%s' on this machine: a service is named with "
			"its suffix, '%s.service'",
			policy_shown(name).text, policy_shown(name).text);
	return policy_doubt(doubts, &rule->place, "this machine knows no unit '%s'",
			    policy_shown(name).text);
}

static int unit_doubts_tell_template(const struct policy_rule *rule, const char *name,
				     struct policy_errors *doubts)
{
	const int before = (int)(strchr(name, '@') + 1 - name);

	return policy_doubt(
		doubts, &rule->place,
		"'%s' is a template, and no process is in it: name an instance, or all, "
		"'%.*s*%s'",
		policy_shown(name).text, before, policy_shown(name).text,
		policy_shown(name + before).text);
}

/* enough: another unit of the rule is known. */
static int unit_doubts_one(const struct policy_rule *rule, const char *name, bool enough,
			   struct policy_errors *doubts)
{
	_cleanup_free_ char *real = NULL;
	enum unit_kind kind;
	int r = unit_find(name, &kind, &real);

	if (r)
		return r;
	switch (kind) {
	case UNIT_KNOWN:
		return 0;
	case UNIT_UNKNOWN:
		return enough ? 0 : unit_doubts_tell(rule, name, doubts);
	case UNIT_MASKED:
		return enough ? 0
			      : policy_doubt(doubts, &rule->place,
					     "'%s' is masked on this machine, and nothing starts "
					     "it: take it out, or unmask it",
					     policy_shown(name).text);
	case UNIT_TEMPLATE:
		return unit_doubts_tell_template(rule, name, doubts);
	case UNIT_ALIAS:
		return policy_doubt(
			doubts, &rule->place,
			"'%s' is another name of '%s', which its cgroup has: write that",
			policy_shown(name).text, policy_shown(real).text);
	}
	return 0;
}

/*
 * In an allow or audit, one known unit is enough: the other units are the service's names on other
 * machines, and the log shows a mistake among them. A mistake in a deny shows nowhere.
 */
static int unit_doubts_enough(const struct policy_rule *rule, bool *ret_enough)
{
	const struct policy_values *units = &rule->values[SMTPWARD_UNIT];

	*ret_enough = false;
	for (size_t i = 0; i < units->n && rule->verdict != SMTPWARD_DENY && !*ret_enough; i++) {
		_cleanup_free_ char *real = NULL;
		enum unit_kind kind;
		int r;

		if (units->n == 1 || !unit_doubts_is_asked(rule, units->texts[i]))
			continue;
		r = unit_find(units->texts[i], &kind, &real);
		if (r)
			return r;
		*ret_enough = kind == UNIT_KNOWN;
	}
	return 0;
}

static int unit_doubts_rule(const struct policy_rule *rule, struct policy_errors *doubts)
{
	const struct policy_values *units = &rule->values[SMTPWARD_UNIT];
	bool enough = false;
	int r = unit_doubts_enough(rule, &enough);

	for (size_t i = 0; i < units->n && !r; i++)
		if (unit_doubts_is_asked(rule, units->texts[i]))
			r = unit_doubts_one(rule, units->texts[i], enough, doubts);
	return r;
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
