// SPDX-License-Identifier: GPL-2.0-only
/* The map writer; see fill.h. */
#include "load/fill.h"

#include <string.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "base/macro.h"

static int fill_map(const struct loader *loader, const char *name, const void *key,
		    const void *value, struct reason *reason)
{
	int r = bpf_map_update_elem(loader_map(loader, name), key, value, BPF_ANY);

	if (r)
		return reason_errno(reason, r, "cannot fill %s", name);
	return 0;
}

static int fill_condition_ids(const struct loader *loader, const char *name,
			      const struct ruleset_ids *ids, struct reason *reason)
{
	for (size_t i = 0; i < ids->n_items; i++) {
		int r = fill_map(loader, name, &ids->items[i].id, &ids->items[i].rules, reason);

		if (r)
			return r;
	}
	return 0;
}

static int fill_ids(const struct loader *loader, const struct ruleset *ruleset,
		    struct reason *reason)
{
	static const struct {
		enum smtpward_condition condition;
		const char *map;
	} maps[] = {
#define MAP(name, map, member) { SMTPWARD_##name, #map },
		SMTPWARD_ID_CONDITIONS(MAP)
#undef MAP
	};

	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		int r = fill_condition_ids(loader, maps[i].map, &ruleset->ids[maps[i].condition],
					   reason);

		if (r)
			return r;
	}
	return 0;
}

static int fill_affixes(const struct loader *loader, const char *name,
			const struct ruleset_affix *affixes, size_t n, struct reason *reason)
{
	for (size_t i = 0; i < n; i++) {
		int r = fill_map(loader, name, &affixes[i].affix, &affixes[i].segments, reason);

		if (r)
			return r;
	}
	return 0;
}

static int fill_names(const struct loader *loader, const struct ruleset *ruleset,
		      struct reason *reason)
{
	int r;

	for (size_t i = 0; i < ruleset->n_names; i++) {
		r = fill_map(loader, "map_names", &ruleset->names[i].name,
			     &ruleset->names[i].segments, reason);
		if (r)
			return r;
	}
	for (uint32_t i = 0; i < ruleset->n_segments; i++) {
		r = fill_map(loader, "map_paths", &i, &ruleset->paths[i], reason);
		if (r)
			return r;
	}
	if (!ruleset->asks_star)
		return 0;
	for (uint32_t i = 0; i < SMTPWARD_NAME_SIZE; i++) {
		r = fill_map(loader, "map_lengths", &i, &ruleset->lengths[i], reason);
		if (r)
			return r;
	}
	return 0;
}

static int fill_prefixes(const struct loader *loader, const char *name,
			 const struct ruleset_address *addresses, size_t n, struct reason *reason)
{
	for (size_t i = 0; i < n; i++) {
		int r = fill_map(loader, name, &addresses[i].prefix, &addresses[i].rules, reason);

		if (r)
			return r;
	}
	return 0;
}

int fill_policy(const struct loader *loader, const struct ruleset *ruleset, struct reason *reason)
{
	int r = fill_ids(loader, ruleset, reason);

	if (r)
		return r;
	r = fill_prefixes(loader, "map_addresses", ruleset->addresses, ruleset->n_addresses,
			  reason);
	if (r)
		return r;
	r = fill_names(loader, ruleset, reason);
	if (r)
		return r;
	r = fill_affixes(loader, "map_prefixes", ruleset->prefixes, ruleset->n_prefixes, reason);
	if (r)
		return r;
	return fill_affixes(loader, "map_suffixes", ruleset->suffixes, ruleset->n_suffixes, reason);
}

/* Text that was cut, not in the middle of an escape, \xNN. */
static void fill_end_text(char *text)
{
	char *escape = strrchr(text, '\\');

	if (escape && strlen(escape) < strlen("\\xNN"))
		*escape = '\0';
}

static int fill_rule(const struct loader *loader, const struct policy_rule *rule, uint32_t index,
		     uint64_t hash, struct reason *reason)
{
	struct smtpward_rule_info info = {
		.hash = hash,
		.verdict = rule->verdict,
		.line = rule->place.line,
		.until = rule->until,
	};
	_cleanup_free_ char *text = NULL;
	int r = policy_print_rule(rule, &text);

	if (r)
		return reason_errno(reason, r, "cannot print rule %u", index + 1);
	info.truncated = strlen(text) >= sizeof(info.text);
	snprintf(info.file, sizeof(info.file), "%s", rule->place.file);
	snprintf(info.text, sizeof(info.text), "%s", text);
	if (info.truncated)
		fill_end_text(info.text);
	return fill_map(loader, "map_rules", &index, &info, reason);
}

static int fill_guests(const struct loader *loader, const struct ruleset *ruleset,
		       struct reason *reason)
{
	int r = fill_prefixes(loader, "map_guests", ruleset->guests, ruleset->n_guests, reason);

	if (r)
		return r;
	r = fill_prefixes(loader, "map_sources", ruleset->sources, ruleset->n_sources, reason);
	if (r)
		return r;
	for (size_t i = 0; i < ruleset->n_macs; i++) {
		r = fill_map(loader, "map_macs", &ruleset->macs[i].mac, &ruleset->macs[i].rules,
			     reason);
		if (r)
			return r;
	}
	return fill_condition_ids(loader, "map_vlans", &ruleset->vlans, reason);
}

int fill_layer(const struct loader *loader, const struct ruleset *ruleset, uint64_t generation,
	       const struct smtpward_layer *layer, struct reason *reason)
{
	const uint32_t zero = 0;
	int r;

	if (!layer->programs)
		return 0;
	r = layer->programs & SMTPWARD_PART_GATE ? fill_guests(loader, ruleset, reason) : 0;
	if (r)
		return r;
	r = fill_map(loader, "map_layer", &zero, layer, reason);
	return r ? r : fill_map(loader, "map_layers", &generation, &layer->programs, reason);
}

int fill_host(const struct loader *loader, const struct smtpward_host *host, struct reason *reason)
{
	const uint32_t zero = 0;

	return fill_map(loader, "map_host", &zero, host, reason);
}

int fill_description(const struct loader *loader, const struct policy *policy,
		     const struct ruleset *ruleset, const struct smtpward_policy_info *info,
		     const struct smtpward_origin *origin, struct reason *reason)
{
	const uint32_t zero = 0;
	int r = fill_map(loader, "map_policy", &zero, info, reason);

	if (r)
		return r;
	r = fill_map(loader, "map_origin", &zero, origin, reason);
	if (r)
		return r;
	for (size_t i = 0; i < policy->n_rules; i++) {
		r = fill_rule(loader, &policy->rules[i], i, ruleset->hashes[i], reason);
		if (r)
			return r;
	}
	return 0;
}
