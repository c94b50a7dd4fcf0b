/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connects: decided over a ruleset's tables as the kernel looks things up, and a
 * second time by the policy's own words; and policies and connects at random.
 */
#ifndef SMTPWARD_TEST_RULESET_CONNECT_H
#define SMTPWARD_TEST_RULESET_CONNECT_H

#include <smtpward/verdict.h>

#include "ruleset/ruleset_random.h"

#define CONNECT_FLOOR (1800000000 * NS_PER_SECOND)
#define NS_PER_SECOND 1000000000ULL

struct connect {
	uint8_t address[16]; /* network byte order, IPv4 as ::ffff:a.b.c.d */
	uint16_t port;
	uint32_t euid, egid;
	uint64_t now; /* nanoseconds since 1970, UTC; before CONNECT_FLOOR the clock is not set */
	bool local; /* the host has the address, as far as the kernel knows */
	struct names names;
	struct tracked tracked; /* the cgroup of these names */
};

/* Bit by bit. */
static inline bool begins_with(const uint8_t *address, const uint8_t *prefix, uint32_t bits)
{
	for (uint32_t bit = 0; bit < bits; bit++)
		if ((address[bit / 8] ^ prefix[bit / 8]) & 0x80 >> bit % 8)
			return false;
	return true;
}

/* As the kernel: a hash table; a trie, where the longest prefix answers; sets. */

static inline const struct smtpward_rules *ids_find(const struct ruleset *ruleset,
						    enum smtpward_condition condition, uint32_t id)
{
	const struct ruleset_ids *ids = &ruleset->ids[condition];

	for (size_t i = 0; i < ids->n_items; i++)
		if (ids->items[i].id == id)
			return &ids->items[i].rules;
	return &ruleset->any[condition];
}

static inline const struct smtpward_rules *addresses_find(const struct ruleset *ruleset,
							  const uint8_t *address)
{
	const struct ruleset_address *longest = NULL;

	for (size_t i = 0; i < ruleset->n_addresses; i++) {
		const struct ruleset_address *entry = &ruleset->addresses[i];

		if (begins_with(address, entry->prefix.address, entry->prefix.bits) &&
		    (!longest || entry->prefix.bits > longest->prefix.bits))
			longest = entry;
	}
	return longest ? &longest->rules : &ruleset->any[SMTPWARD_TO];
}

/* The port's rules, but for those that are over. */
static inline void ends_narrow(const struct ruleset *ruleset, uint64_t now,
			       struct smtpward_satisfied *satisfied,
			       struct smtpward_rules *narrowed)
{
	const struct smtpward_rules *alive = &ruleset->alive[smtpward_alive_index(
		ruleset->ends, ruleset->n_ends, CONNECT_FLOOR, now)];

	for (int i = 0; i < SMTPWARD_RULE_WORDS; i++)
		narrowed->words[i] = satisfied->by[SMTPWARD_PORT]->words[i] & alive->words[i];
	satisfied->by[SMTPWARD_PORT] = narrowed;
}

static inline uint32_t first_by_tables(const struct ruleset *ruleset, const struct connect *connect)
{
	struct smtpward_satisfied satisfied = { 0 };
	const struct smtpward_rules **by = satisfied.by;
	struct smtpward_rules united, narrowed;

	for (uint32_t i = 0; i < ruleset->n_ports; i++)
		if (ruleset->ports[i] == connect->port)
			by[SMTPWARD_PORT] = &ruleset->port_rules[i];
	assert_non_null(by[SMTPWARD_PORT]);
	by[SMTPWARD_CGROUP] = ruleset->asks_cgroup ? tracked_rules(ruleset, &connect->tracked)
						   : &ruleset->any_cgroup;
	by[SMTPWARD_UNIT] = by[SMTPWARD_CGROUP];
	for (int condition = 0; condition < SMTPWARD_CONNECT_CONDITIONS_N; condition++)
		if (!by[condition])
			by[condition] = &ruleset->any[condition];
	if (ruleset->asks[SMTPWARD_USER])
		by[SMTPWARD_USER] = ids_find(ruleset, SMTPWARD_USER, connect->euid);
	if (ruleset->asks[SMTPWARD_GROUP])
		by[SMTPWARD_GROUP] = ids_find(ruleset, SMTPWARD_GROUP, connect->egid);
	if (ruleset->asks[SMTPWARD_TO])
		by[SMTPWARD_TO] = addresses_find(ruleset, connect->address);
	if (ruleset->asks_local && connect->local) {
		united = *by[SMTPWARD_TO];
		smtpward_rules_unite(&united, &ruleset->local);
		by[SMTPWARD_TO] = &united;
	}
	if (ruleset->asks_until)
		ends_narrow(ruleset, connect->now, &satisfied, &narrowed);
	return smtpward_first_rule(&satisfied, ruleset->rule_words);
}

/* By the policy's words. */

/* In whole seconds, by division where the tables multiply. */
static inline bool until_holds(const struct policy_rule *rule, uint64_t now)
{
	if (!rule->until)
		return true;
	return (int64_t)now >= (int64_t)CONNECT_FLOOR && now / NS_PER_SECOND < rule->until;
}

static const uint8_t all_of_ipv4[16] = { [10] = 0xff, [11] = 0xff };

static inline bool to_covers(const struct policy_prefix *prefix, const uint8_t *address)
{
	bool of_ipv4 = prefix->bits >= 96 && begins_with(prefix->address, all_of_ipv4, 96);

	return of_ipv4 == begins_with(address, all_of_ipv4, 96) &&
	       begins_with(address, prefix->address, prefix->bits);
}

static inline bool ids_name(const struct policy_values *values, uint32_t id)
{
	for (size_t i = 0; i < values->n; i++)
		if (values->ids[i].id == id)
			return true;
	return !values->n;
}

static inline bool to_names(const struct policy_rule *rule, const struct connect *connect)
{
	for (size_t i = 0; i < rule->values[SMTPWARD_TO].n; i++) {
		const struct policy_prefix *prefix = &rule->values[SMTPWARD_TO].prefixes[i];

		if (prefix->bits == POLICY_PREFIX_LOCAL ? connect->local
							: to_covers(prefix, connect->address))
			return true;
	}
	return !rule->values[SMTPWARD_TO].n;
}

static inline bool ports_name(const struct policy_rule *rule, uint16_t port)
{
	for (size_t i = 0; i < rule->values[SMTPWARD_PORT].n; i++)
		if (rule->values[SMTPWARD_PORT].ports[i] == port)
			return true;
	return !rule->values[SMTPWARD_PORT].n;
}

static inline uint32_t first_by_words(const struct policy *policy, const struct connect *connect)
{
	for (size_t i = 0; i < policy->n_rules; i++) {
		const struct policy_rule *rule = &policy->rules[i];

		if (until_holds(rule, connect->now) && ports_name(rule, connect->port) &&
		    to_names(rule, connect) &&
		    ids_name(&rule->values[SMTPWARD_USER], connect->euid) &&
		    ids_name(&rule->values[SMTPWARD_GROUP], connect->egid) &&
		    rule_covers(rule, &connect->names))
			return (uint32_t)i;
	}
	return SMTPWARD_RULE_NONE;
}

/* At random. */

static const uint32_t some_ids[] = { 0, 1, 8, 33, 256, 65536, 16777216, 4294967294 };
#define SOME_ID some_ids[dice(ARRAY_SIZE(some_ids))]

static inline struct policy_prefix random_prefix(void)
{
	static const uint8_t bits[] = { 0, 1, 8, 64, 80, 88, 95, 96, 97, 104, 127, 128, 128, 128 };
	static const struct policy_prefix starts[] = {
		{ { 0 }, 0 },
		{ { [10] = 0xff, 0xff, 10, 0, 0, 1 }, 0 },
		{ { [10] = 0xff, 0xff, 192, 0, 2, 25 }, 0 },
		{ { [10] = 0xff, 0xff, 192, 0, 3, 0 }, 0 },
		{ { [8] = 0xff, 0xff, 0, 0, 10, 0, 0, 1 }, 0 },
		{ { [10] = 0xff, 0xfe, 10, 0, 0, 1 }, 0 },
		{ { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 }, 0 },
		{ { 0x20, 0x01, 0x0d, 0xb8, [8] = 1, [15] = 2 }, 0 },
	};
	struct policy_prefix prefix = starts[dice(ARRAY_SIZE(starts))];

	if (chance(15))
		return (struct policy_prefix){ .bits = POLICY_PREFIX_LOCAL };
	prefix.bits = (uint8_t)(chance(50) ? bits[dice(ARRAY_SIZE(bits))] : dice(129));
	if (chance(30))
		prefix.address[dice(16)] ^= (uint8_t)(1 << dice(8));
	for (uint32_t bit = prefix.bits; bit < 128; bit++)
		prefix.address[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return prefix;
}

static inline void random_ids(struct policy_rule *rule, enum smtpward_condition condition)
{
	for (size_t n = 1 + dice(3); n; n--)
		*(struct policy_id *)add_value(rule, condition, sizeof(struct policy_id)) =
			(struct policy_id){ .id = SOME_ID };
}

static const uint32_t some_ends[] = { 946684800,  1799999999, 1800000000, 1800000001,
				      1900000000, 1900000001, 4102444799 };

/* At an end, a nanosecond before it, and long before any of them. */
static inline uint64_t random_now(const struct policy_rule *rule)
{
	const uint32_t end = rule->until ?: some_ends[dice(ARRAY_SIZE(some_ends))];

	if (chance(5))
		return chance(50) ? 0 : -(uint64_t)dice(100) * NS_PER_SECOND;
	return end * NS_PER_SECOND - dice(2) + (chance(20) ? 0 : dice(2));
}

static inline void random_rule(struct policy *policy, struct path_pool *pool)
{
	struct policy_rule *rule = add_rule(policy, (uint8_t)dice(3));

	if (rule->verdict != SMTPWARD_DENY && chance(25))
		rule->until = chance(30) ? (uint32_t)(1800000000 + dice(1000))
					 : some_ends[dice(ARRAY_SIZE(some_ends))];
	if (chance(60))
		random_cgroups(rule, pool, 2);
	if (chance(30))
		random_ids(rule, SMTPWARD_USER);
	if (chance(30))
		random_ids(rule, SMTPWARD_GROUP);
	if (chance(50))
		for (size_t n = 1 + dice(3); n; n--)
			*(struct policy_prefix *)add_value(
				rule, SMTPWARD_TO, sizeof(struct policy_prefix)) = random_prefix();
	if (chance(30))
		for (size_t n = 1 + dice(2); n; n--)
			*(uint16_t *)add_value(rule, SMTPWARD_PORT, sizeof(uint16_t)) =
				policy->ports[dice(policy->n_ports)];
}

static inline void random_policy(struct policy *policy, struct path_pool *pool)
{
	policy->n_ports = 1 + dice(SMTPWARD_PORTS_MAX);
	for (size_t i = 0; i < policy->n_ports; i++)
		policy->ports[i] = (uint16_t)(25 + 255 * i);
	for (size_t rules = chance(2) ? SMTPWARD_RULES_MAX : 1 + dice(16); rules; rules--)
		random_rule(policy, pool);
}

/* One that a prefix covers, or just not; for "local", any. */
static inline void random_address(const struct policy_prefix *prefix, uint8_t address[16])
{
	const uint32_t bits = prefix->bits == POLICY_PREFIX_LOCAL ? 0 : prefix->bits;

	memcpy(address, prefix->address, 16);
	for (uint32_t bit = bits; bit < 128; bit++)
		if (chance(50))
			address[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	/* A short prefix covers the addresses of IPv4 by its bits alone. */
	if (chance(25) && begins_with(all_of_ipv4, prefix->address, bits))
		memcpy(address, all_of_ipv4, 12);
	if (chance(20))
		address[dice(16)] ^= (uint8_t)(1 << dice(8));
}

/* All but the cgroup: what some rule asks for, in part. */
static inline uint32_t random_id(const struct policy_rule *rule, enum smtpward_condition condition)
{
	const struct policy_values *values = &rule->values[condition];

	return values->n && chance(80) ? values->ids[dice(values->n)].id : SOME_ID;
}

static inline void random_connect(const struct policy *policy, struct connect *connect)
{
	const struct policy_rule *rule = &policy->rules[dice(policy->n_rules)];
	const struct policy_values *to = &rule->values[SMTPWARD_TO];
	const struct policy_values *ports = &rule->values[SMTPWARD_PORT];
	const struct policy_prefix other = random_prefix();

	random_address(to->n ? &to->prefixes[dice(to->n)] : &other, connect->address);
	connect->local = chance(30);
	connect->port = ports->n ? ports->ports[dice(ports->n)]
				 : policy->ports[dice(policy->n_ports)];
	connect->now = random_now(rule);
	connect->euid = random_id(rule, SMTPWARD_USER);
	connect->egid = random_id(rule, SMTPWARD_GROUP);
}

/* A cgroup up to so many levels down. */
static inline void random_caller(const struct policy *policy, const struct ruleset *ruleset,
				 const struct path_pool *pool, struct connect *connect)
{
	const char *guide = pool->n ? pool_pick(pool) : NULL;

	connect->names.n = 0;
	connect->tracked = tracked_root(ruleset);
	for (size_t depth = dice(6); depth; depth--) {
		char *name = connect->names.items[connect->names.n];

		random_step(policy, guide, connect->names.n++, name);
		connect->tracked = tracked_child(ruleset, &connect->tracked, name);
	}
}

#endif /* SMTPWARD_TEST_RULESET_CONNECT_H */
