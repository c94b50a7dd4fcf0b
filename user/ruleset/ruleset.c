// SPDX-License-Identifier: GPL-2.0-only
/*
 * The compiler from a policy to bit sets. Each table's values are complete: what a
 * lookup finds needs no second lookup, so a longest-prefix table has the rules of
 * the shorter prefixes in the entries of the longer ones.
 */
#include "ruleset/ruleset.h"

#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/macro.h"
#include "base/mapped.h"
#include "policy/policy_hash.h"
#include "ruleset/ruleset_table.h"

/* Settings, verdicts and ports. */

static void ruleset_compile_limit(const struct policy *policy, struct ruleset *ruleset)
{
	ruleset->limit_interval_ns = policy->limit_period * 1000000000ULL / policy->limit_lines;
	ruleset->limit_window_ns = ruleset->limit_interval_ns * (policy->limit_burst - 1);
	ruleset->tenant_interval_ns = ruleset->limit_interval_ns / SMTPWARD_TENANT_TIMES;
	ruleset->tenant_window_ns =
		ruleset->tenant_interval_ns * (policy->limit_burst * SMTPWARD_TENANT_TIMES - 1);
}

static void ruleset_compile_settings(const struct policy *policy, struct ruleset *ruleset)
{
	ruleset->n_ports = policy->n_ports;
	memcpy(ruleset->ports, policy->ports, sizeof(ruleset->ports));
	ruleset->n_rules = policy->n_rules;
	ruleset->first_to = SMTPWARD_RULE_NONE + 1;
	ruleset->rule_words = ruleset_words(policy->n_rules);
	ruleset->audit_mode = policy->mode == POLICY_AUDIT;
	ruleset->reject = policy->reject;
	ruleset->log = policy->log;
	ruleset->args = policy->args;
	ruleset_compile_limit(policy, ruleset);
}

static bool ruleset_rule_has_port(const struct policy_rule *rule, uint16_t port)
{
	const struct policy_values *values = &rule->values[SMTPWARD_PORT];

	if (!values->n)
		return true;
	for (size_t i = 0; i < values->n; i++)
		if (values->ports[i] == port)
			return true;
	return false;
}

static int ruleset_compile_rule(const struct policy_rule *rule, size_t index,
				struct ruleset *ruleset)
{
	bool asks_cgroup = rule->values[SMTPWARD_UNIT].n || rule->values[SMTPWARD_CGROUP].n;

	ruleset->verdicts[index] = rule->verdict;
	if (rule->verdict == SMTPWARD_DENY)
		ruleset_rules_add(&ruleset->denying, index);
	for (size_t i = 0; i < ruleset->n_ports; i++)
		if (ruleset_rule_has_port(rule, ruleset->ports[i]))
			ruleset_rules_add(rule->values[SMTPWARD_GUEST].n ? &ruleset->guest_rules[i]
									 : &ruleset->port_rules[i],
					  index);
	for (int condition = 0; condition < SMTPWARD_CONDITIONS_N; condition++) {
		if (rule->values[condition].n)
			ruleset->asks[condition] = true;
		else
			ruleset_rules_add(&ruleset->any[condition], index);
	}
	if (rule->values[SMTPWARD_TO].n && !rule->values[SMTPWARD_GUEST].n &&
	    ruleset->first_to > index)
		ruleset->first_to = index;
	if (asks_cgroup)
		ruleset->asks_cgroup = true;
	else
		ruleset_rules_add(&ruleset->any_cgroup, index);
	return policy_hash_rule(rule, &ruleset->hashes[index]);
}

/* Ids: users and groups. */

static int ruleset_ids_add(struct ruleset_ids *ids, uint32_t id, size_t rule,
			   const struct smtpward_rules *any)
{
	struct ruleset_id *entry = array_add(&ids->items, &ids->n_items, sizeof(*entry));

	if (!entry)
		return -ENOMEM;
	entry->id = id;
	entry->rules = *any;
	ruleset_rules_add(&entry->rules, rule);
	return 0;
}

static int ruleset_ids_compare(const void *a, const void *b)
{
	const struct ruleset_id *left = a, *right = b;

	return (left->id > right->id) - (left->id < right->id);
}

static void ruleset_ids_unite(void *into, const void *more)
{
	smtpward_rules_unite(&((struct ruleset_id *)into)->rules,
			     &((const struct ruleset_id *)more)->rules);
}

static int ruleset_compile_condition_ids(const struct policy *policy,
					 enum smtpward_condition condition, struct ruleset *ruleset)
{
	struct ruleset_ids *ids = &ruleset->ids[condition];

	for (size_t rule = 0; rule < policy->n_rules; rule++) {
		const struct policy_values *values = &policy->rules[rule].values[condition];

		for (size_t i = 0; i < values->n; i++) {
			int r = ruleset_ids_add(ids, values->ids[i].id, rule,
						&ruleset->any[condition]);

			if (r)
				return r;
		}
	}
	ruleset_table_unite(ids->items, &ids->n_items, sizeof(*ids->items), ruleset_ids_compare,
			    ruleset_ids_unite);
	return 0;
}

static int ruleset_compile_ids(const struct policy *policy, struct ruleset *ruleset)
{
	for (int condition = 0; condition < SMTPWARD_CONDITIONS_N; condition++) {
		int r;

		if (policy_kinds[condition] != POLICY_ID)
			continue;
		r = ruleset_compile_condition_ids(policy, (enum smtpward_condition)condition,
						  ruleset);
		if (r)
			return r;
	}
	return 0;
}

/* Addresses. */

static bool ruleset_prefix_is_ipv4(const struct smtpward_prefix *prefix)
{
	return prefix->bits >= MAPPED_BITS && mapped_is_ipv4(prefix->address);
}

/* Whether the prefix covers the other one; IPv6 prefixes never cover IPv4. */
static bool ruleset_prefix_covers(const struct smtpward_prefix *prefix,
				  const struct smtpward_prefix *other)
{
	uint32_t bytes = prefix->bits / 8, rest = prefix->bits % 8;

	if (prefix->bits > other->bits ||
	    ruleset_prefix_is_ipv4(prefix) != ruleset_prefix_is_ipv4(other))
		return false;
	if (memcmp(prefix->address, other->address, bytes))
		return false;
	return !rest || (prefix->address[bytes] ^ other->address[bytes]) >> (8 - rest) == 0;
}

static int ruleset_addresses_add(struct ruleset_address **addresses, size_t *n,
				 const uint8_t *address, uint32_t bits,
				 const struct smtpward_rules *rules)
{
	struct ruleset_address *entry = array_add(addresses, n, sizeof(*entry));

	if (!entry)
		return -ENOMEM;
	entry->prefix.bits = bits;
	memcpy(entry->prefix.address, address, 16);
	entry->rules = *rules;
	return 0;
}

/* A prefix comes before all that it covers, and nothing else in between. */
static int ruleset_addresses_compare(const void *a, const void *b)
{
	const struct smtpward_prefix *left = &((const struct ruleset_address *)a)->prefix;
	const struct smtpward_prefix *right = &((const struct ruleset_address *)b)->prefix;
	int order = (int)ruleset_prefix_is_ipv4(left) - (int)ruleset_prefix_is_ipv4(right);

	if (!order)
		order = memcmp(left->address, right->address, 16);
	return order ? order : (left->bits > right->bits) - (left->bits < right->bits);
}

static void ruleset_addresses_unite(void *into, const void *more)
{
	smtpward_rules_unite(&((struct ruleset_address *)into)->rules,
			     &((const struct ruleset_address *)more)->rules);
}

/* Gives each prefix, of those in order, the rules of those that cover it, the shortest first. */
static void ruleset_addresses_inherit(struct ruleset_address *addresses, size_t n)
{
	size_t covering[129], depth = 0; /* a prefix has 128 shorter ones at most */

	for (size_t i = 0; i < n; i++) {
		struct ruleset_address *entry = &addresses[i];

		while (depth && !ruleset_prefix_covers(&addresses[covering[depth - 1]].prefix,
						       &entry->prefix))
			depth--;
		if (depth)
			smtpward_rules_unite(&entry->rules, &addresses[covering[depth - 1]].rules);
		covering[depth++] = i;
	}
}

static void ruleset_addresses_finish(struct ruleset_address *addresses, size_t *n)
{
	ruleset_table_unite(addresses, n, sizeof(*addresses), ruleset_addresses_compare,
			    ruleset_addresses_unite);
	ruleset_addresses_inherit(addresses, *n);
}

/* The prefixes of `to` or `from`. */
static int ruleset_compile_prefixes(const struct policy *policy, enum smtpward_condition condition,
				    struct ruleset *ruleset, struct ruleset_address **ret_items,
				    size_t *ret_n)
{
	const struct smtpward_rules *any = &ruleset->any[condition];
	uint8_t all_ipv4[16] = { 0 };
	int r;

	if (!ruleset->asks[condition])
		return 0;
	/* All of IPv4 has an entry, so that no short IPv6 prefix is the longest for it. */
	mapped_begin(all_ipv4);
	r = ruleset_addresses_add(ret_items, ret_n, all_ipv4, MAPPED_BITS, any);
	if (r)
		return r;
	for (size_t rule = 0; rule < policy->n_rules; rule++) {
		const struct policy_values *values = &policy->rules[rule].values[condition];
		struct smtpward_rules rules = *any;

		ruleset_rules_add(&rules, rule);
		for (size_t i = 0; i < values->n; i++) {
			const struct policy_prefix *prefix = &values->prefixes[i];

			if (prefix->bits == POLICY_PREFIX_LOCAL) {
				ruleset_rules_add(&ruleset->local, rule);
				ruleset->asks_local = true;
				continue;
			}
			r = ruleset_addresses_add(ret_items, ret_n, prefix->address, prefix->bits,
						  &rules);
			if (r)
				return r;
		}
	}
	ruleset_addresses_finish(*ret_items, ret_n);
	return 0;
}

static int ruleset_compile_addresses(const struct policy *policy, struct ruleset *ruleset)
{
	int r = ruleset_compile_prefixes(policy, SMTPWARD_TO, ruleset, &ruleset->addresses,
					 &ruleset->n_addresses);

	return r ? r
		 : ruleset_compile_prefixes(policy, SMTPWARD_FROM, ruleset, &ruleset->sources,
					    &ruleset->n_sources);
}

/* Guests. */

static int ruleset_add_device(struct ruleset *ruleset, const struct policy_device *device,
			      size_t rule)
{
	const size_t before = strcspn(device->text, "*");
	uint8_t name[16] = { 0 };
	struct smtpward_rules rules = { { 0 } };

	_Static_assert(sizeof(name) == sizeof(device->text), "a name is as long as an address");
	memcpy(name, device->text, before);
	ruleset_rules_add(&rules, rule);
	return ruleset_addresses_add(&ruleset->guests, &ruleset->n_guests, name,
				     device->text[before] ? before * 8 : 128, &rules);
}

static int ruleset_compile_devices(const struct policy *policy, struct ruleset *ruleset)
{
	for (size_t rule = 0; rule < policy->n_rules; rule++) {
		const struct policy_values *values = &policy->rules[rule].values[SMTPWARD_GUEST];

		for (size_t i = 0; i < values->n; i++) {
			int r = ruleset_add_device(ruleset, &values->devices[i], rule);

			if (r)
				return r;
		}
	}
	ruleset_addresses_finish(ruleset->guests, &ruleset->n_guests);
	return 0;
}

static int ruleset_add_mac(struct ruleset *ruleset, const struct policy_mac *mac, size_t rule)
{
	struct ruleset_mac *entry = array_add(&ruleset->macs, &ruleset->n_macs, sizeof(*entry));

	if (!entry)
		return -ENOMEM;
	*entry = (struct ruleset_mac){ .rules = ruleset->any[SMTPWARD_MAC] };
	for (size_t i = 0; i < ARRAY_SIZE(mac->bytes); i++)
		entry->mac = entry->mac << 8 | mac->bytes[i];
	ruleset_rules_add(&entry->rules, rule);
	return 0;
}

static int ruleset_macs_compare(const void *a, const void *b)
{
	const struct ruleset_mac *left = a, *right = b;

	return (left->mac > right->mac) - (left->mac < right->mac);
}

static void ruleset_macs_unite(void *into, const void *more)
{
	smtpward_rules_unite(&((struct ruleset_mac *)into)->rules,
			     &((const struct ruleset_mac *)more)->rules);
}

static int ruleset_compile_frames(const struct policy *policy, struct ruleset *ruleset)
{
	for (size_t rule = 0; rule < policy->n_rules; rule++) {
		const struct policy_values *macs = &policy->rules[rule].values[SMTPWARD_MAC];
		const struct policy_values *vlans = &policy->rules[rule].values[SMTPWARD_VLAN];
		int r = 0;

		for (size_t i = 0; i < macs->n && !r; i++)
			r = ruleset_add_mac(ruleset, &macs->macs[i], rule);
		for (size_t i = 0; i < vlans->n && !r; i++)
			r = ruleset_ids_add(&ruleset->vlans, vlans->vlans[i], rule,
					    &ruleset->any[SMTPWARD_VLAN]);
		if (r)
			return r;
	}
	ruleset_table_unite(ruleset->macs, &ruleset->n_macs, sizeof(*ruleset->macs),
			    ruleset_macs_compare, ruleset_macs_unite);
	ruleset_table_unite(ruleset->vlans.items, &ruleset->vlans.n_items,
			    sizeof(*ruleset->vlans.items), ruleset_ids_compare, ruleset_ids_unite);
	return 0;
}

/* Ends. */

#define NS_PER_SECOND 1000000000ULL

static int ruleset_ends_compare(const void *a, const void *b)
{
	const __u64 *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static void ruleset_ends_unite(void *into, const void *more)
{
	(void)into; /* the same instant */
	(void)more;
}

/* The rules that have no end, or one after this instant. */
static void ruleset_fill_alive(const struct policy *policy, uint64_t instant,
			       struct smtpward_rules *alive)
{
	for (size_t rule = 0; rule < policy->n_rules; rule++) {
		const uint64_t until = policy->rules[rule].until * NS_PER_SECOND;

		if (!until || until > instant)
			ruleset_rules_add(alive, rule);
	}
}

static void ruleset_compile_ends(const struct policy *policy, struct ruleset *ruleset)
{
	size_t n = 0;

	for (size_t rule = 0; rule < policy->n_rules; rule++)
		if (policy->rules[rule].until)
			ruleset->ends[n++] = policy->rules[rule].until * NS_PER_SECOND;
	ruleset_table_unite(ruleset->ends, &n, sizeof(*ruleset->ends), ruleset_ends_compare,
			    ruleset_ends_unite);
	ruleset->asks_until = n;
	ruleset->n_ends = (uint32_t)n;
	ruleset_fill_alive(policy, SMTPWARD_NEVER, &ruleset->alive[0]);
	ruleset_fill_alive(policy, 0, &ruleset->alive[1]);
	for (size_t i = 0; i < n; i++)
		ruleset_fill_alive(policy, ruleset->ends[i], &ruleset->alive[i + 2]);
	for (size_t i = n; i < ARRAY_SIZE(ruleset->ends); i++)
		ruleset->ends[i] = SMTPWARD_NEVER;
}

int ruleset_compile(const struct policy *policy, struct ruleset **ret_ruleset, size_t *reterr_rule)
{
	_cleanup_(ruleset_freep) struct ruleset *ruleset = calloc(1, sizeof(*ruleset));
	size_t rule = 0;
	int r;

	if (!ruleset)
		return -ENOMEM;
	ruleset_compile_settings(policy, ruleset);
	for (size_t i = 0; i < policy->n_rules; i++) {
		r = ruleset_compile_rule(&policy->rules[i], i, ruleset);
		if (r)
			return r;
	}
	ruleset_compile_ends(policy, ruleset);
	r = ruleset_compile_ids(policy, ruleset);
	if (r)
		return r;
	r = ruleset_compile_addresses(policy, ruleset);
	if (r)
		return r;
	r = ruleset_compile_devices(policy, ruleset);
	if (r)
		return r;
	r = ruleset_compile_frames(policy, ruleset);
	if (r)
		return r;
	r = ruleset_compile_cgroups(policy, ruleset, &rule);
	if (r == -E2BIG)
		*reterr_rule = rule;
	if (r)
		return r;
	*ret_ruleset = TAKE_PTR(ruleset);
	return 0;
}

void ruleset_free(struct ruleset *ruleset)
{
	if (!ruleset)
		return;
	for (int condition = 0; condition < SMTPWARD_CONDITIONS_N; condition++)
		free(ruleset->ids[condition].items);
	free(ruleset->vlans.items);
	free(ruleset->addresses);
	free(ruleset->guests);
	free(ruleset->sources);
	free(ruleset->macs);
	free(ruleset->names);
	free(ruleset->prefixes);
	free(ruleset->suffixes);
	free(ruleset);
}

void ruleset_freep(struct ruleset **ruleset)
{
	ruleset_free(*ruleset);
}
