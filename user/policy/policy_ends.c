// SPDX-License-Identifier: GPL-2.0-only
/* Rules that end; see policy_ends.h. */
#include "policy/policy_ends.h"

#include <string.h>

#include "policy/policy_covers.h"
#include "policy/policy_doubts.h"
#include "policy/policy_lex.h"
#include "policy/policy_until.h"

/* Whether other lasts longer than rule. Of two rules that end together, the later one counts. */
static bool ends_lasts_longer(const struct policy_rule *other, const struct policy_rule *rule)
{
	return !other->until || other->until > rule->until ||
	       (other->until == rule->until && other > rule);
}

/*
 * Whether a rule's units and paths cover a value, which is a unit or a path. A rule also names a
 * unit if the rule's units and paths lie inside the unit.
 */
static bool ends_names(const struct policy *policy, const struct policy_rule *rule, int condition,
		       char **value)
{
	const struct policy_rule who = {
		.values = { [SMTPWARD_UNIT] = rule->values[SMTPWARD_UNIT],
			    [SMTPWARD_CGROUP] = rule->values[SMTPWARD_CGROUP] },
	};
	struct policy_rule one = { 0 };

	one.values[condition] = (struct policy_values){ .texts = value, .n = 1 };
	if (!who.values[SMTPWARD_UNIT].n && !who.values[SMTPWARD_CGROUP].n)
		return false;
	return policy_rule_covers(policy, &who, &one) ||
	       (condition == SMTPWARD_UNIT && !strchr(*value, '*') &&
		policy_rule_covers(policy, &one, &who));
}

static bool ends_is_last(const struct policy *policy, const struct policy_rule *rule, int condition,
			 char **value)
{
	for (size_t i = 0; i < policy->n_rules; i++) {
		const struct policy_rule *other = &policy->rules[i];

		if (other != rule && other->verdict != SMTPWARD_DENY &&
		    ends_lasts_longer(other, rule) && ends_names(policy, other, condition, value))
			return false;
	}
	return true;
}

/*
 * Adds a note for each unit and path that the rule is the last one to name; *ret_any: whether
 * there is such a note.
 */
static int ends_tell_last(const struct policy *policy, const struct policy_rule *rule, int64_t now,
			  struct policy_errors *left, bool *ret_any)
{
	static const enum smtpward_condition who[] = { SMTPWARD_UNIT, SMTPWARD_CGROUP };

	*ret_any = false;
	for (size_t i = 0; i < 2; i++) {
		const struct policy_values *values = &rule->values[who[i]];

		for (size_t k = 0; k < values->n; k++) {
			int r;

			if (!ends_is_last(policy, rule, (int)who[i], &values->texts[k]))
				continue;
			*ret_any = true;
			r = policy_doubt(
				left, &rule->place,
				"%s, and no allow or audit that names the %s '%s' lasts longer",
				policy_left_text(rule->until, now).text,
				policy_condition_names[who[i]],
				policy_shown(values->texts[k]).text);
			if (r)
				return r;
		}
	}
	return 0;
}

static int ends_tell(const struct policy *policy, const struct policy_rule *rule, int64_t now,
		     struct policy_errors *over, struct policy_errors *left)
{
	bool any;
	int r;

	if (!rule->until)
		return 0;
	if (rule->until <= now)
		return policy_doubt(over, &rule->place, "this rule ended at %s: it matches nothing",
				    policy_until_text(rule->until).text);
	r = ends_tell_last(policy, rule, now, left, &any);
	if (r || any)
		return r;
	return policy_doubt(left, &rule->place, "%s", policy_left_text(rule->until, now).text);
}

int policy_find_ends(const struct policy *policy, int64_t now, struct policy_errors *over,
		     struct policy_errors *left)
{
	for (size_t i = 0; i < policy->n_rules; i++) {
		int r = ends_tell(policy, &policy->rules[i], now, over, left);

		if (r)
			return r;
	}
	return 0;
}
