// SPDX-License-Identifier: GPL-2.0-only
/*
 * The compiler from a policy to bit sets. Each table's values are complete: what a
 * lookup finds needs no second lookup, so a longest-prefix table has the rules of
 * the shorter prefixes in the entries of the longer ones.
 */
#include "ruleset.h"

#include <string.h>

#include <smtpward/match.h>

#include "cleanup.h"

static const uint8_t ipv4_mapped[12] = { [10] = 0xff, [11] = 0xff };

static void rules_add(struct smtpward_rules *rules, size_t rule)
{
	rules->words[rule / 64] |= 1ULL << rule % 64;
}

static void rules_unite(struct smtpward_rules *rules, const struct smtpward_rules *more)
{
	for (int i = 0; i < SMTPWARD_RULE_WORDS; i++)
		rules->words[i] |= more->words[i];
}

static void segments_add(struct smtpward_segments *segments, size_t segment)
{
	segments->words[segment / 64] |= 1ULL << segment % 64;
}

static void match_unite(struct smtpward_match *match, const struct smtpward_match *more)
{
	rules_unite(&match->units, &more->units);
	for (int i = 0; i < SMTPWARD_SEGMENT_WORDS; i++)
		match->segments.words[i] |= more->segments.words[i];
}

/* Grows *array by one zeroed item and returns it; NULL where memory is out. */
static void *array_add(void *array, size_t *n, size_t size)
{
	void **items = array;
	char *grown = reallocarray(*items, *n + 1, size);

	if (!grown)
		return NULL;
	*items = grown;
	memset(grown + *n * size, 0, size);
	return grown + (*n)++ * size;
}

static uint32_t words_for(size_t bits)
{
	return (bits + 63) / 64;
}

/* Settings, verdicts and ports. */

static void compile_limit(const struct policy *policy, struct ruleset *ruleset)
{
	ruleset->limit_interval_ns = policy->limit_period * 1000000000ULL / policy->limit_lines;
	ruleset->limit_window_ns = ruleset->limit_interval_ns * (policy->limit_burst - 1);
}

static void compile_settings(const struct policy *policy, struct ruleset *ruleset)
{
	ruleset->n_ports = policy->n_ports;
	memcpy(ruleset->ports, policy->ports, sizeof(ruleset->ports));
	ruleset->n_rules = policy->n_rules;
	ruleset->rule_words = words_for(policy->n_rules);
	ruleset->audit_mode = policy->mode == POLICY_AUDIT;
	ruleset->reject = policy->reject;
	ruleset->log = policy->log;
	compile_limit(policy, ruleset);
}

static bool rule_has_port(const struct policy_rule *rule, uint16_t port)
{
	if (!rule->n_ports)
		return true;
	for (size_t i = 0; i < rule->n_ports; i++)
		if (rule->ports[i] == port)
			return true;
	return false;
}

static void compile_rule(const struct policy_rule *rule, size_t index, struct ruleset *ruleset)
{
	ruleset->verdicts[index] = rule->verdict;
	if (rule->verdict == SMTPWARD_DENY)
		rules_add(&ruleset->denying, index);
	for (size_t i = 0; i < ruleset->n_ports; i++)
		if (rule_has_port(rule, ruleset->ports[i]))
			rules_add(&ruleset->port_rules[i], index);
	if (!rule->n_units && !rule->n_cgroups)
		rules_add(&ruleset->any_cgroup, index);
	if (!rule->n_users)
		rules_add(&ruleset->any_user, index);
	if (!rule->n_groups)
		rules_add(&ruleset->any_group, index);
	if (!rule->n_to)
		rules_add(&ruleset->any_address, index);
	ruleset->asks_cgroup |= rule->n_units || rule->n_cgroups;
	ruleset->asks_user |= rule->n_users > 0;
	ruleset->asks_group |= rule->n_groups > 0;
	ruleset->asks_address |= rule->n_to > 0;
}

/* Users and groups. */

static int ids_add(struct ruleset_id **ids, size_t *n_ids, uint32_t id, size_t rule,
		   const struct smtpward_rules *any)
{
	struct ruleset_id *entry;

	for (size_t i = 0; i < *n_ids; i++) {
		if ((*ids)[i].id == id) {
			rules_add(&(*ids)[i].rules, rule);
			return 0;
		}
	}
	entry = array_add(ids, n_ids, sizeof(**ids));
	if (!entry)
		return -ENOMEM;
	entry->id = id;
	entry->rules = *any;
	rules_add(&entry->rules, rule);
	return 0;
}

static int compile_ids(const struct policy *policy, struct ruleset *ruleset)
{
	int err = 0;

	for (size_t rule = 0; rule < policy->n_rules && !err; rule++) {
		const struct policy_rule *from = &policy->rules[rule];

		for (size_t i = 0; i < from->n_users && !err; i++)
			err = ids_add(&ruleset->users, &ruleset->n_users, from->users[i].id, rule,
				      &ruleset->any_user);
		for (size_t i = 0; i < from->n_groups && !err; i++)
			err = ids_add(&ruleset->groups, &ruleset->n_groups, from->groups[i].id,
				      rule, &ruleset->any_group);
	}
	return err;
}

/* Addresses. */

static bool prefix_is_ipv4(const uint8_t *address, uint32_t bits)
{
	return bits >= 96 && !memcmp(address, ipv4_mapped, sizeof(ipv4_mapped));
}

/* Whether the prefix of bits covers the address; IPv6 prefixes never cover IPv4. */
static bool prefix_covers(const uint8_t *prefix, uint32_t bits, const struct smtpward_prefix *other)
{
	uint32_t bytes = bits / 8, rest = bits % 8;

	if (bits > other->bits ||
	    prefix_is_ipv4(prefix, bits) != prefix_is_ipv4(other->address, other->bits))
		return false;
	if (memcmp(prefix, other->address, bytes))
		return false;
	return !rest || (prefix[bytes] ^ other->address[bytes]) >> (8 - rest) == 0;
}

static int addresses_add(struct ruleset *ruleset, const uint8_t *address, uint32_t bits)
{
	struct ruleset_address *entry;

	for (size_t i = 0; i < ruleset->n_addresses; i++) {
		const struct smtpward_prefix *prefix = &ruleset->addresses[i].prefix;

		if (prefix->bits == bits && !memcmp(prefix->address, address, 16))
			return 0;
	}
	entry = array_add(&ruleset->addresses, &ruleset->n_addresses, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	entry->prefix.bits = bits;
	memcpy(entry->prefix.address, address, 16);
	entry->rules = ruleset->any_address;
	return 0;
}

static void address_collect(struct ruleset_address *entry, const struct policy *policy)
{
	for (size_t rule = 0; rule < policy->n_rules; rule++) {
		const struct policy_rule *from = &policy->rules[rule];

		for (size_t i = 0; i < from->n_to; i++)
			if (prefix_covers(from->to[i].address, from->to[i].bits, &entry->prefix))
				rules_add(&entry->rules, rule);
	}
}

static int compile_addresses(const struct policy *policy, struct ruleset *ruleset)
{
	uint8_t all_ipv4[16] = { 0 };
	int err = 0;

	if (!ruleset->asks_address)
		return 0;
	/* All of IPv4 has an entry, so that no short IPv6 prefix is the longest for it. */
	memcpy(all_ipv4, ipv4_mapped, sizeof(ipv4_mapped));
	err = addresses_add(ruleset, all_ipv4, 96);
	for (size_t rule = 0; rule < policy->n_rules && !err; rule++) {
		const struct policy_rule *from = &policy->rules[rule];

		for (size_t i = 0; i < from->n_to && !err; i++)
			err = addresses_add(ruleset, from->to[i].address, from->to[i].bits);
	}
	for (size_t i = 0; i < ruleset->n_addresses && !err; i++)
		address_collect(&ruleset->addresses[i], policy);
	return err;
}

/* Names of cgroups: units, and the segments of paths. */

/* A starred pattern, while the tables are made. */
struct star {
	char prefix[SMTPWARD_NAME_SIZE];
	char suffix[SMTPWARD_NAME_SIZE]; /* reversed */
	size_t prefix_len, suffix_len;
	struct smtpward_match match;
};

struct stars {
	struct star *items;
	size_t n_items;
};

static void stars_free(struct stars *stars)
{
	free(stars->items);
}

static void reverse(char *dst, const char *src, size_t len)
{
	for (size_t i = 0; i < len; i++)
		dst[i] = src[len - 1 - i];
}

static int stars_add(struct stars *stars, const char *pattern, size_t len, const char *star,
		     const struct smtpward_match *match)
{
	struct star *item = array_add(&stars->items, &stars->n_items, sizeof(*item));

	if (!item)
		return -ENOMEM;
	item->prefix_len = star - pattern;
	item->suffix_len = len - item->prefix_len - 1;
	memcpy(item->prefix, pattern, item->prefix_len);
	reverse(item->suffix, star + 1, item->suffix_len);
	item->match = *match;
	return 0;
}

static int names_add(struct ruleset *ruleset, const char *name, size_t len,
		     const struct smtpward_match *match)
{
	struct ruleset_name *entry;

	for (size_t i = 0; i < ruleset->n_names; i++) {
		entry = &ruleset->names[i];
		if (strnlen(entry->name.text, SMTPWARD_NAME_SIZE) == len &&
		    !memcmp(entry->name.text, name, len)) {
			match_unite(&entry->match, match);
			return 0;
		}
	}
	entry = array_add(&ruleset->names, &ruleset->n_names, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	memcpy(entry->name.text, name, len);
	entry->match = *match;
	return 0;
}

/* One name or starred pattern of at most SMTPWARD_NAME_MAX bytes, and what it stands for. */
static int pattern_add(struct ruleset *ruleset, struct stars *stars, const char *pattern,
		       size_t len, const struct smtpward_match *match)
{
	const char *star = memchr(pattern, '*', len);

	/* The star itself stands for no byte: "*" and 255 others still fit. */
	if (len - !!star > SMTPWARD_NAME_MAX)
		return -EINVAL;
	if (star)
		return stars_add(stars, pattern, len, star, match);
	return names_add(ruleset, pattern, len, match);
}

static size_t count_segments(const char *path)
{
	size_t n = 0;

	for (; *path; path++)
		n += path[0] == '/' && path[1] != '\0';
	return n;
}

/* A path's segments get the next free bits; its rules hang on the last one. */
static int path_add_segments(struct ruleset *ruleset, struct stars *stars, const char *path)
{
	int err = 0;

	segments_add(&ruleset->root.next, ruleset->n_segments);
	while (*path && !err) {
		struct smtpward_match match = { 0 };
		size_t len = strcspn(path + 1, "/");

		segments_add(&match.segments, ruleset->n_segments++);
		err = pattern_add(ruleset, stars, path + 1, len, &match);
		path += 1 + len;
	}
	segments_add(&ruleset->last_segments, ruleset->n_segments - 1);
	return err;
}

/* A path, and the last of its segments. */
struct path {
	const char *text;
	size_t last;
};

struct paths {
	struct path *items;
	size_t n_items;
};

static void paths_free(struct paths *paths)
{
	free(paths->items);
}

static int path_add(struct ruleset *ruleset, struct stars *stars, struct paths *paths,
		    const char *text, size_t rule)
{
	struct path *path;
	int err;

	if (!strcmp(text, "/")) {
		rules_add(&ruleset->root.rules, rule);
		return 0;
	}
	for (size_t i = 0; i < paths->n_items; i++) {
		if (!strcmp(paths->items[i].text, text)) {
			rules_add(&ruleset->paths[paths->items[i].last], rule);
			return 0;
		}
	}
	if (ruleset->n_segments + count_segments(text) > SMTPWARD_SEGMENTS_MAX)
		return -E2BIG;
	path = array_add(&paths->items, &paths->n_items, sizeof(*path));
	if (!path)
		return -ENOMEM;
	err = path_add_segments(ruleset, stars, text);
	if (err)
		return err;
	path->text = text;
	path->last = ruleset->n_segments - 1;
	rules_add(&ruleset->paths[path->last], rule);
	return 0;
}

static int affix_add(struct ruleset_affix **affixes, size_t *n_affixes, const char *text,
		     size_t len)
{
	struct ruleset_affix *entry;

	for (size_t i = 0; i < *n_affixes; i++) {
		entry = &(*affixes)[i];
		if (entry->affix.bits == len * 8 && !memcmp(entry->affix.text, text, len))
			return 0;
	}
	entry = array_add(affixes, n_affixes, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	entry->affix.bits = len * 8;
	memcpy(entry->affix.text, text, len);
	return 0;
}

static bool affix_begins_with(const struct smtpward_affix *affix, const char *text, size_t len)
{
	return affix->bits >= len * 8 && !memcmp(affix->text, text, len);
}

static int compile_stars(const struct stars *stars, struct ruleset *ruleset)
{
	int err = 0;

	for (size_t i = 0; i < stars->n_items && !err; i++) {
		const struct star *star = &stars->items[i];

		err = affix_add(&ruleset->prefixes, &ruleset->n_prefixes, star->prefix,
				star->prefix_len);
		if (!err)
			err = affix_add(&ruleset->suffixes, &ruleset->n_suffixes, star->suffix,
					star->suffix_len);
	}
	if (err)
		return err;
	for (size_t i = 0; i < stars->n_items; i++) {
		const struct star *star = &stars->items[i];

		for (size_t k = 0; k < ruleset->n_prefixes; k++)
			if (affix_begins_with(&ruleset->prefixes[k].affix, star->prefix,
					      star->prefix_len))
				match_unite(&ruleset->prefixes[k].match, &star->match);
		for (size_t k = 0; k < ruleset->n_suffixes; k++)
			if (affix_begins_with(&ruleset->suffixes[k].affix, star->suffix,
					      star->suffix_len))
				match_unite(&ruleset->suffixes[k].match, &star->match);
		for (size_t len = 1; len <= SMTPWARD_NAME_MAX; len++)
			if (star->prefix_len + star->suffix_len <= len)
				match_unite(&ruleset->lengths[len], &star->match);
	}
	ruleset->asks_star = stars->n_items > 0;
	return 0;
}

static int name_compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct smtpward_name));
}

static int compile_cgroups(const struct policy *policy, struct ruleset *ruleset,
			   size_t *reterr_rule)
{
	_cleanup_(stars_free) struct stars stars = { 0 };
	_cleanup_(paths_free) struct paths paths = { 0 };
	int err = 0;

	ruleset->root.rules = ruleset->any_cgroup;
	for (size_t rule = 0; rule < policy->n_rules; rule++) {
		const struct policy_rule *from = &policy->rules[rule];

		for (size_t i = 0; i < from->n_units && !err; i++) {
			struct smtpward_match match = { 0 };

			rules_add(&match.units, rule);
			ruleset->root.slices = 1;
			err = pattern_add(ruleset, &stars, from->units[i], strlen(from->units[i]),
					  &match);
		}
		for (size_t i = 0; i < from->n_cgroups && !err; i++)
			err = path_add(ruleset, &stars, &paths, from->cgroups[i], rule);
		if (err) {
			*reterr_rule = rule;
			return err;
		}
	}
	ruleset->segment_words = words_for(ruleset->n_segments);
	if (ruleset->n_names)
		qsort(ruleset->names, ruleset->n_names, sizeof(*ruleset->names), name_compare);
	return compile_stars(&stars, ruleset);
}

int ruleset_compile(const struct policy *policy, struct ruleset **ret_ruleset,
		    size_t *reterr_rule)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = calloc(1, sizeof(*ruleset));
	size_t rule = 0;
	int err;

	if (!ruleset)
		return -ENOMEM;
	compile_settings(policy, ruleset);
	for (size_t i = 0; i < policy->n_rules; i++)
		compile_rule(&policy->rules[i], i, ruleset);
	err = compile_ids(policy, ruleset);
	if (!err)
		err = compile_addresses(policy, ruleset);
	if (!err)
		err = compile_cgroups(policy, ruleset, &rule);
	if (err) {
		if (err == -E2BIG)
			*reterr_rule = rule;
		return err;
	}
	*ret_ruleset = TAKE_PTR(ruleset);
	return 0;
}

void ruleset_free(struct ruleset *ruleset)
{
	if (!ruleset)
		return;
	free(ruleset->users);
	free(ruleset->groups);
	free(ruleset->addresses);
	free(ruleset->names);
	free(ruleset->prefixes);
	free(ruleset->suffixes);
	free(ruleset);
}

void ruleset_freep(struct ruleset **ruleset)
{
	ruleset_free(*ruleset);
}

/* What the kernel's maps answer, from the tables they are filled with. */

static const struct smtpward_match match_nothing;

static const struct smtpward_match *names_find(const struct ruleset *ruleset, const char *text,
					       size_t len)
{
	struct smtpward_name key = { 0 };
	const struct ruleset_name *found;

	if (!ruleset->n_names)
		return &match_nothing;
	memcpy(key.text, text, len);
	found = bsearch(&key, ruleset->names, ruleset->n_names, sizeof(*ruleset->names),
			name_compare);
	return found ? &found->match : &match_nothing;
}

static const struct smtpward_match *affixes_find(const struct ruleset_affix *affixes, size_t n,
						 const char *text, size_t len)
{
	const struct ruleset_affix *longest = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct smtpward_affix *affix = &affixes[i].affix;

		if (affix->bits <= len * 8 && !memcmp(affix->text, text, affix->bits / 8) &&
		    (!longest || affix->bits > longest->affix.bits))
			longest = &affixes[i];
	}
	return longest ? &longest->match : &match_nothing;
}

bool ruleset_enter(const struct ruleset *ruleset, const struct smtpward_cgroup *parent,
		   const char *name, struct smtpward_cgroup *ret_child)
{
	size_t len = strnlen(name, SMTPWARD_NAME_MAX);
	struct smtpward_segments completed;
	char backward[SMTPWARD_NAME_SIZE];
	struct smtpward_match match;
	bool is_slice;

	reverse(backward, name, len);
	smtpward_match_name(names_find(ruleset, name, len),
			    affixes_find(ruleset->prefixes, ruleset->n_prefixes, name, len),
			    affixes_find(ruleset->suffixes, ruleset->n_suffixes, backward, len),
			    &ruleset->lengths[len], &match);
	is_slice = len >= SMTPWARD_SLICE_SUFFIX_LEN &&
		   !memcmp(name + len - SMTPWARD_SLICE_SUFFIX_LEN, SMTPWARD_SLICE_SUFFIX,
			   SMTPWARD_SLICE_SUFFIX_LEN);
	smtpward_match_step(parent, &match, &ruleset->last_segments, is_slice, ret_child,
			    &completed);
	for (uint32_t segment = 0; segment < ruleset->n_segments; segment++)
		if (completed.words[segment / 64] >> segment % 64 & 1)
			rules_unite(&ret_child->rules, &ruleset->paths[segment]);
	return smtpward_match_alive(ret_child, &ruleset->any_cgroup);
}
