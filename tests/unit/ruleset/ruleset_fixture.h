/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Policies in memory, what they compile to, and a second opinion on which cgroup a
 * rule covers: the manual's words as code, slow and simple, with none of the
 * product's in it. Included after cmocka.h.
 */
#ifndef SMTPWARD_TEST_RULESET_FIXTURE_H
#define SMTPWARD_TEST_RULESET_FIXTURE_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <smtpward/match.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "policy/policy.h"
#include "ruleset/ruleset.h"

#define _cleanup_policy_ _cleanup_(policy_freep)
#define _cleanup_ruleset_ _cleanup_(ruleset_freep)

/* The longest pattern that the compiler takes: a star, and as many bytes as a name has. */
#define PATTERN_SIZE (SMTPWARD_NAME_MAX + 2)

/* Policies, from text ... */

static inline int no_id(void *userdata __attribute__((unused)),
			const char *name __attribute__((unused)),
			uint32_t *ret_id __attribute__((unused)))
{
	return -ENOENT;
}

static inline struct policy *policy_of(const char *text)
{
	static const struct policy_source source = { .user = no_id, .group = no_id };
	struct policy_errors errors = { 0 };
	struct policy *policy = NULL;

	if (policy_parse_text("p", text, strlen(text), &source, &policy, &errors))
		fail_msg("%s: %s", text, errors.n_items ? errors.items[0].text : "no memory");
	return policy;
}

/* ... or put together, to have what no text can say as well. */

static inline struct policy *policy_new(void)
{
	struct policy *policy = calloc(1, sizeof(*policy));

	assert_non_null(policy);
	*policy = (struct policy){
		.ports = { 25 },
		.n_ports = 1,
		.reject = EPERM,
		.limit_lines = 10,
		.limit_period = 1,
		.limit_burst = 100,
	};
	return policy;
}

/* Room for one more in an array that a rule or a policy owns. */
static inline void *fixture_grow(void *array, size_t *n, size_t size)
{
	void **items = array;

	*items = reallocarray(*items, *n + 1, size);
	assert_non_null(*items);
	memset((char *)*items + *n * size, 0, size);
	return (char *)*items + (*n)++ * size;
}

static inline struct policy_rule *add_rule(struct policy *policy, uint8_t verdict)
{
	struct policy_rule *rule = fixture_grow(&policy->rules, &policy->n_rules, sizeof(*rule));

	rule->verdict = verdict;
	return rule;
}

static inline void *add_value(struct policy_rule *rule, enum smtpward_condition condition,
			      size_t size)
{
	return fixture_grow(&rule->values[condition].items, &rule->values[condition].n, size);
}

static inline void add_unit(struct policy_rule *rule, const char *unit)
{
	char **item = add_value(rule, SMTPWARD_UNIT, sizeof(*item));

	*item = strdup(unit);
	assert_non_null(*item);
}

static inline void add_cgroup(struct policy_rule *rule, const char *path)
{
	char **item = add_value(rule, SMTPWARD_CGROUP, sizeof(*item));

	*item = strdup(path);
	assert_non_null(*item);
}

static inline struct ruleset *compile(const struct policy *policy)
{
	struct ruleset *ruleset = NULL;
	size_t rule = 4711;

	assert_int_equal(ruleset_compile(policy, &ruleset, &rule), 0);
	assert_int_equal(rule, 4711);
	assert_non_null(ruleset);
	return ruleset;
}

static inline struct ruleset *compile_text(const char *text)
{
	_cleanup_policy_ struct policy *policy = policy_of(text);

	return compile(policy);
}

/* Sets of rules. */

static inline bool set_has(const struct smtpward_rules *set, size_t rule)
{
	return set->words[rule / 64] >> rule % 64 & 1;
}

static inline void set_add(struct smtpward_rules *set, size_t rule)
{
	set->words[rule / 64] |= (uint64_t)1 << rule % 64;
}

static inline bool set_equal(const struct smtpward_rules *a, const struct smtpward_rules *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* "0 2 5". Good until the eighth call after this one. */
static inline const char *set_text(const struct smtpward_rules *set)
{
	static char texts[8][5 * SMTPWARD_RULES_MAX];
	static unsigned int turn;
	char *text = texts[turn++ % 8], *at = text;

	*text = '\0';
	for (size_t rule = 0; rule < SMTPWARD_RULES_MAX; rule++)
		if (set_has(set, rule))
			at += sprintf(at, "%s%zu", at == text ? "" : " ", rule);
	return text;
}

#define assert_set(set, expected) assert_string_equal(set_text(set), expected)

/* A path of names from the root, which itself is the path without any. */

#define PATH_NAMES_MAX 16

struct names {
	char items[PATH_NAMES_MAX][SMTPWARD_NAME_SIZE];
	size_t n;
};

/* With every byte that is not printable as \xNN, and each slash a separator. */
static inline const char *names_text(const struct names *names)
{
	static char text[PATH_NAMES_MAX * (4 * SMTPWARD_NAME_SIZE + 1) + 2];
	char *at = text;

	strcpy(text, "/");
	for (size_t i = 0; i < names->n; i++) {
		*at++ = '/';
		for (const char *byte = names->items[i]; *byte; byte++)
			at += sprintf(at, *byte > ' ' && *byte < 127 ? "%c" : "\\x%02x",
				      (unsigned char)*byte);
	}
	return text;
}

static inline struct names names_of(const char *path)
{
	struct names names = { .n = 0 };

	for (path += 1; *path; path += *path == '/') {
		size_t len = strcspn(path, "/");

		assert_true(names.n < PATH_NAMES_MAX && len && len <= SMTPWARD_NAME_MAX);
		memcpy(names.items[names.n++], path, len);
		path += len;
	}
	return names;
}

/* The second opinion. */

/* pattern is len bytes; its stars stand for any text, the name's for themselves. */
static inline bool glob(const char *pattern, size_t len, const char *name)
{
	if (!len)
		return !*name;
	if (*pattern == '*')
		return glob(pattern + 1, len - 1, name) || (*name && glob(pattern, len, name + 1));
	return *pattern == *name && glob(pattern + 1, len - 1, name + 1);
}

/*
 * How many segments of the pattern "/a/b*" the names satisfy from the root on;
 * *ret_all is how many it has.
 */
static inline size_t satisfied_segments(const char *pattern, const struct names *names,
					size_t *ret_all)
{
	size_t satisfied = 0, all = 0;

	if (!strcmp(pattern, "/"))
		pattern = "";
	while (*pattern) {
		size_t len = strcspn(pattern + 1, "/");

		if (satisfied == all && all < names->n && glob(pattern + 1, len, names->items[all]))
			satisfied++;
		all++;
		pattern += 1 + len;
	}
	*ret_all = all;
	return satisfied;
}

static inline bool path_covers(const char *pattern, const struct names *names)
{
	size_t all;

	return satisfied_segments(pattern, names, &all) == all;
}

/* Whether a cgroup that is not there yet, below these names, can be what pattern names. */
static inline bool path_goes_on(const char *pattern, const struct names *names)
{
	size_t all, satisfied = satisfied_segments(pattern, names, &all);

	return satisfied == names->n && satisfied < all;
}

static inline bool is_slice(const char *name)
{
	return glob("*.slice", strlen("*.slice"), name);
}

/* The first name that is no slice is the unit's. */
static inline bool unit_covers(const char *unit, const struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		if (!is_slice(names->items[i]))
			return glob(unit, strlen(unit), names->items[i]);
	return false;
}

static inline bool unit_goes_on(const struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		if (!is_slice(names->items[i]))
			return false;
	return true;
}

static inline bool some_unit_covers(const struct policy_rule *rule, const struct names *names)
{
	for (size_t i = 0; i < rule->values[SMTPWARD_UNIT].n; i++)
		if (unit_covers(rule->values[SMTPWARD_UNIT].texts[i], names))
			return true;
	return false;
}

static inline bool some_path_covers(const struct policy_rule *rule, const struct names *names)
{
	for (size_t i = 0; i < rule->values[SMTPWARD_CGROUP].n; i++)
		if (path_covers(rule->values[SMTPWARD_CGROUP].texts[i], names))
			return true;
	return false;
}

/* Of a rule with both, both have to hold. */
static inline bool rule_covers(const struct policy_rule *rule, const struct names *names)
{
	return (!rule->values[SMTPWARD_UNIT].n || some_unit_covers(rule, names)) &&
	       (!rule->values[SMTPWARD_CGROUP].n || some_path_covers(rule, names));
}

/* Whether a unit or a path of the rule holds here, or may for one below that is to come. */
static inline bool rule_tracks(const struct policy_rule *rule, const struct names *names)
{
	for (size_t i = 0; i < rule->values[SMTPWARD_CGROUP].n; i++)
		if (path_goes_on(rule->values[SMTPWARD_CGROUP].texts[i], names))
			return true;
	return (rule->values[SMTPWARD_UNIT].n && unit_goes_on(names)) ||
	       some_unit_covers(rule, names) || some_path_covers(rule, names);
}

/* What the kernel has for a cgroup: its entry, in which of the two maps, or none. */

struct tracked {
	struct smtpward_cgroup cgroup;
	bool entry;
	bool inherits; /* all but the rules of cgroup is unknown then */
};

/*
 * The child of a cgroup that has no entry has none, and that of one that inherits has
 * the same rules, whatever its name is.
 */
static inline struct tracked tracked_child(const struct ruleset *ruleset,
					   const struct tracked *parent, const char *name)
{
	struct tracked child = { .entry = false };

	if (parent->inherits)
		return *parent;
	if (!parent->entry)
		return child;
	child.entry = ruleset_enter(ruleset, &parent->cgroup, name, &child.cgroup);
	child.inherits = child.entry && smtpward_match_inherits(&parent->cgroup, &child.cgroup);
	return child;
}

static inline struct tracked tracked_root(const struct ruleset *ruleset)
{
	return (struct tracked){ .cgroup = ruleset->root, .entry = true };
}

static inline struct tracked tracked_path(const struct ruleset *ruleset, const struct names *names)
{
	struct tracked at = tracked_root(ruleset);

	for (size_t i = 0; i < names->n; i++)
		at = tracked_child(ruleset, &at, names->items[i]);
	return at;
}

static inline const struct smtpward_rules *tracked_rules(const struct ruleset *ruleset,
							 const struct tracked *tracked)
{
	return tracked->entry ? &tracked->cgroup.rules : &ruleset->any_cgroup;
}

#endif /* SMTPWARD_TEST_RULESET_FIXTURE_H */
