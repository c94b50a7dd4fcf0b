// SPDX-License-Identifier: GPL-2.0-only
/* Rules that are hardly meant as written; see policy_doubts.h. */
#include "policy/policy_doubts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/macro.h"
#include "policy/policy_covers.h"
#include "policy/policy_lex.h"

int policy_doubt(struct policy_errors *doubts, const struct policy_place *place, const char *format,
		 ...)
{
	_cleanup_free_ char *file = strdup(place->file);
	_cleanup_free_ char *text = NULL;
	struct policy_error *added;
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	if (len < 0)
		text = NULL; /* undefined after a failure */
	added = file && text ? array_add(&doubts->items, &doubts->n_items, sizeof(*added)) : NULL;
	if (!added)
		return -ENOMEM;
	*added = (struct policy_error){
		.file = TAKE_PTR(file),
		.line = place->line,
		.column = place->column,
		.text = TAKE_PTR(text),
	};
	return 0;
}

/*
 * Adds a doubt to a rule that an earlier rule hides or equals. Several earlier rules that hide the
 * rule only together are not looked for.
 */
static int doubts_order(const struct policy *policy, size_t index, struct policy_errors *doubts)
{
	const struct policy_rule *rule = &policy->rules[index];

	for (size_t i = 0; i < index; i++) {
		const struct policy_rule *earlier = &policy->rules[i];

		if (!policy_rule_covers(policy, earlier, rule))
			continue;
		if (earlier->verdict == rule->verdict && policy_rule_covers(policy, rule, earlier))
			return policy_doubt(doubts, &rule->place,
					    "this rule stands at %s:%u already",
					    policy_shown(earlier->place.file).text,
					    earlier->place.line);
		return policy_doubt(
			doubts, &rule->place,
			"no %s gets here: the rule at %s:%u matches all that this one would",
			rule->values[SMTPWARD_GUEST].n ? "packet" : "connect",
			policy_shown(earlier->place.file).text, earlier->place.line);
	}
	return 0;
}

/* MTAs that run the commands of a ~/.forward, by the beginning of their units' names. */
static const struct {
	const char *name, *user; /* NULL: not the same everywhere */
} mtas[] = {
	{ "postfix", "postfix" }, { "exim", "Debian-exim" }, { "sendmail", NULL },
	{ "opensmtpd", NULL },	  { "courier", NULL },	     { "qmail", NULL },
	{ "dovecot", NULL },
};

static int doubts_mta(const struct policy_rule *rule, const char *unit,
		      struct policy_errors *doubts)
{
	if (rule->verdict != SMTPWARD_ALLOW || rule->values[SMTPWARD_USER].n ||
	    rule->values[SMTPWARD_GROUP].n)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(mtas); i++) {
		if (strncmp(unit, mtas[i].name, strlen(mtas[i].name)) != 0)
			continue;
		return policy_doubt(
			doubts, &rule->place,
			"a pipe in a ~/.forward runs in '%s' as well, as the user whose it "
			"is: name the MTA's user too%s%s%s",
			policy_shown(unit).text, mtas[i].user ? " (user " : "", mtas[i].user ?: "",
			mtas[i].user ? ")" : "");
	}
	return 0;
}

/*
 * The length of a container's ID in Docker, Podman, containerd and CRI-O, and of the short ID that
 * they show, which a policy may have with a star behind.
 */
#define CONTAINER_ID_LEN 64
#define CONTAINER_SHORT_ID_LEN 12

/* A short ID counts only behind an engine's prefix: 12 digits alone may be anything. */
static bool doubts_is_short_id(const char *text, const char *id)
{
	static const char *const before[] = { "docker-",	 "libpod-", "/docker/",
					      "cri-containerd-", "crio-",   "libpod-payload-" };

	for (size_t i = 0; i < ARRAY_SIZE(before); i++) {
		const size_t len = strlen(before[i]);

		if ((size_t)(id - text) >= len && !strncmp(id - len, before[i], len))
			return true;
	}
	return false;
}

static int doubts_container_id(const struct policy_rule *rule, const char *text,
			       struct policy_errors *doubts)
{
	bool found = false;
	size_t len;

	for (const char *at = text; *at && !found; at += len ? len : 1) {
		len = strspn(at, "0123456789abcdef");
		found = len == CONTAINER_ID_LEN ||
			(len >= CONTAINER_SHORT_ID_LEN && len < CONTAINER_ID_LEN &&
			 doubts_is_short_id(text, at));
	}
	if (!found)
		return 0;
	return policy_doubt(doubts, &rule->place,
			    "'%s' has the ID of a container in it, and the next one will have "
			    "another: put the container into a cgroup of its own (--cgroup-parent) "
			    "and name that",
			    policy_shown(text).text);
}

/*
 * Whether the policy refuses a connect of a rule that comes from place instead: the rule itself, a
 * rule before it, or a rule behind it, up to the first rule that lets connects through.
 */
static bool doubts_is_refused(const struct policy *policy, size_t index,
			      enum smtpward_condition condition, char *place)
{
	struct policy_rule instead = policy->rules[index];

	instead.values[condition] = (struct policy_values){ .texts = &place, .n = 1 };
	for (size_t i = 0; i < policy->n_rules; i++) {
		const struct policy_rule *rule = &policy->rules[i];

		if (rule->verdict == SMTPWARD_DENY && policy_rule_covers(policy, rule, &instead))
			return true;
		if (i > index && rule->verdict != SMTPWARD_DENY)
			return false;
	}
	return true;
}

/*
 * LXC starts payload.NAME as payload.NAME-1, or with any number up to 999, if the cgroup of a
 * container that was not stopped in order is still there. A deny that lets payload.NAME-999
 * through lets all of these through.
 */
static int doubts_payload(const struct policy *policy, size_t index,
			  enum smtpward_condition condition, const char *text,
			  struct policy_errors *doubts)
{
	static const char payload[] = "lxc.payload.";
	const struct policy_rule *rule = &policy->rules[index];
	const char *slash = strrchr(text, '/'), *last = slash ? slash + 1 : text;
	_cleanup_free_ char *next = NULL;

	if (rule->verdict != SMTPWARD_DENY || strncmp(last, payload, strlen(payload)) != 0 ||
	    strchr(last, '*'))
		return 0;
	if (asprintf(&next, "%s-999", text) < 0) {
		next = NULL; /* undefined after a failure */
		return -ENOMEM;
	}
	if (doubts_is_refused(policy, index, condition, next))
		return 0;
	return policy_doubt(doubts, &rule->place,
			    "LXC runs a container that was not stopped in order in '%s-1', which "
			    "this does not refuse: add '%s-*'",
			    policy_shown(text).text, policy_shown(text).text);
}

static int doubts_text(const struct policy *policy, size_t index, enum smtpward_condition condition,
		       const char *text, struct policy_errors *doubts)
{
	const struct policy_rule *rule = &policy->rules[index];
	const char *slash = strrchr(text, '/');
	int r = doubts_mta(rule, slash ? slash + 1 : text, doubts);

	if (!r)
		r = doubts_container_id(rule, text, doubts);
	return r ? r : doubts_payload(policy, index, condition, text, doubts);
}

static int doubts_texts(const struct policy *policy, size_t index, struct policy_errors *doubts)
{
	for (int condition = 0; condition < SMTPWARD_CONDITIONS_N; condition++) {
		const struct policy_values *values = &policy->rules[index].values[condition];

		if (policy_kinds[condition] != POLICY_TEXT)
			continue;
		for (size_t i = 0; i < values->n; i++) {
			int r = doubts_text(policy, index, (enum smtpward_condition)condition,
					    values->texts[i], doubts);

			if (r)
				return r;
		}
	}
	return 0;
}

/* A guest is met at the gate on an uplink, and nowhere else. */
static int doubts_guest(const struct policy *policy, size_t index, struct policy_errors *doubts)
{
	const struct policy_rule *rule = &policy->rules[index];

	if (!rule->values[SMTPWARD_GUEST].n ||
	    (policy->packets && policy->uplink != POLICY_UPLINK_NONE))
		return 0;
	return policy_doubt(doubts, &rule->place,
			    "no packet gets here: guests are looked at on uplinks, and this policy "
			    "has no %s",
			    policy->packets ? "'uplink'" : "'packets on'");
}

/* Without 'packets on' nothing is done of what these settings say. */
static int doubts_layer(const struct policy *policy, struct policy_errors *doubts)
{
	if (policy->packets ||
	    (policy->uplink == POLICY_UPLINK_NONE && (!policy->raw_set || policy->raw_allowed)))
		return 0;
	return policy_doubt(doubts, &policy->layer_place,
			    "nothing looks at packets: this policy has no 'packets on'");
}

int policy_find_doubts(const struct policy *policy, struct policy_errors *doubts)
{
	int r = doubts_layer(policy, doubts);

	for (size_t i = 0; !r && i < policy->n_rules; i++) {
		r = doubts_order(policy, i, doubts);
		if (!r)
			r = doubts_texts(policy, i, doubts);
		if (!r)
			r = doubts_guest(policy, i, doubts);
	}
	return r;
}
