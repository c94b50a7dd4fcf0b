// SPDX-License-Identifier: GPL-2.0-only
/*
 * The part of the compiler that makes the tables of units and cgroup paths, and the step from a
 * cgroup to its child that user space takes with these tables.
 */
#include <string.h>

#include <smtpward/match.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "ruleset/ruleset_table.h"

static void cgroups_segments_add(struct smtpward_segments *segments, size_t segment)
{
	segments->words[segment / 64] |= 1ULL << segment % 64;
}

/* A starred pattern, while the tables are made. */
struct star {
	char prefix[SMTPWARD_NAME_SIZE];
	char suffix[SMTPWARD_NAME_SIZE]; /* reversed */
	size_t prefix_len, suffix_len;
	size_t segment;
};

struct stars {
	struct star *items;
	size_t n_items;
};

static void cgroups_stars_free(struct stars *stars)
{
	free(stars->items);
}

static void cgroups_reverse(char *dst, const char *src, size_t len)
{
	for (size_t i = 0; i < len; i++)
		dst[i] = src[len - 1 - i];
}

static int cgroups_stars_add(struct stars *stars, const char *pattern, size_t len, const char *star,
			     size_t segment)
{
	struct star *item = array_add(&stars->items, &stars->n_items, sizeof(*item));

	if (!item)
		return -ENOMEM;
	item->prefix_len = star - pattern;
	item->suffix_len = len - item->prefix_len - 1;
	memcpy(item->prefix, pattern, item->prefix_len);
	cgroups_reverse(item->suffix, star + 1, item->suffix_len);
	item->segment = segment;
	return 0;
}

static int cgroups_names_add(struct ruleset *ruleset, const char *name, size_t len, size_t segment)
{
	struct ruleset_name *entry = array_add(&ruleset->names, &ruleset->n_names, sizeof(*entry));

	if (!entry)
		return -ENOMEM;
	memcpy(entry->name.text, name, len);
	cgroups_segments_add(&entry->segments, segment);
	return 0;
}

static int cgroups_names_compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct smtpward_name));
}

static void cgroups_names_unite(void *into, const void *more)
{
	smtpward_segments_unite(&((struct ruleset_name *)into)->segments,
				&((const struct ruleset_name *)more)->segments);
}

/* Gives the next free segment to a name or a starred pattern. */
static int cgroups_segment_add(struct ruleset *ruleset, struct stars *stars, const char *pattern,
			       size_t len)
{
	const char *star = memchr(pattern, '*', len);
	size_t segment = ruleset->n_segments++;

	/* The star may match no byte, so "*" and SMTPWARD_NAME_MAX other bytes still fit. */
	if (len - !!star > SMTPWARD_NAME_MAX)
		return -EINVAL;
	if (star)
		return cgroups_stars_add(stars, pattern, len, star, segment);
	return cgroups_names_add(ruleset, pattern, len, segment);
}

/* text: a unit's name, or a path, which begins with a slash. last: the last segment of text. */
struct path {
	const char *text;
	size_t last;
};

struct paths {
	struct path *items;
	size_t n_items;
};

static void cgroups_paths_free(struct paths *paths)
{
	free(paths->items);
}

static size_t cgroups_count_segments(const char *text)
{
	size_t n = *text != '/';

	for (; *text; text++)
		n += text[0] == '/' && text[1] != '\0';
	return n;
}

/* Adds the segments of a path, which are neighbours, or the one segment of a unit. */
static int cgroups_path_add_segments(struct ruleset *ruleset, struct stars *stars, const char *text)
{
	if (*text == '/')
		cgroups_segments_add(&ruleset->root.next, ruleset->n_segments);
	else
		cgroups_segments_add(&ruleset->unit_segments, ruleset->n_segments);
	while (*text) {
		const char *name = text + (*text == '/');
		size_t len = strcspn(name, "/");
		int r = cgroups_segment_add(ruleset, stars, name, len);

		if (r)
			return r;
		text = name + len;
	}
	cgroups_segments_add(&ruleset->last_segments, ruleset->n_segments - 1);
	return 0;
}

static int cgroups_path_add(struct ruleset *ruleset, struct stars *stars, struct paths *paths,
			    const char *text, struct smtpward_path **ret)
{
	struct path *path;
	int r;

	for (size_t i = 0; i < paths->n_items; i++) {
		if (!strcmp(paths->items[i].text, text)) {
			*ret = &ruleset->paths[paths->items[i].last];
			return 0;
		}
	}
	if (ruleset->n_segments + cgroups_count_segments(text) > SMTPWARD_SEGMENTS_MAX)
		return -E2BIG;
	path = array_add(&paths->items, &paths->n_items, sizeof(*path));
	if (!path)
		return -ENOMEM;
	r = cgroups_path_add_segments(ruleset, stars, text);
	if (r)
		return r;
	path->text = text;
	path->last = ruleset->n_segments - 1;
	*ret = &ruleset->paths[path->last];
	return 0;
}

static int cgroups_affix_add(struct ruleset_affix **affixes, size_t *n_affixes, const char *text,
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

static bool cgroups_affix_begins_with(const struct smtpward_affix *affix, const char *text,
				      size_t len)
{
	return affix->bits >= len * 8 && !memcmp(affix->text, text, len);
}

static int cgroups_compile_stars(const struct stars *stars, struct ruleset *ruleset)
{
	for (size_t i = 0; i < stars->n_items; i++) {
		const struct star *star = &stars->items[i];
		int r = cgroups_affix_add(&ruleset->prefixes, &ruleset->n_prefixes, star->prefix,
					  star->prefix_len);

		if (r)
			return r;
		r = cgroups_affix_add(&ruleset->suffixes, &ruleset->n_suffixes, star->suffix,
				      star->suffix_len);
		if (r)
			return r;
	}
	for (size_t i = 0; i < stars->n_items; i++) {
		const struct star *star = &stars->items[i];

		for (size_t k = 0; k < ruleset->n_prefixes; k++)
			if (cgroups_affix_begins_with(&ruleset->prefixes[k].affix, star->prefix,
						      star->prefix_len))
				cgroups_segments_add(&ruleset->prefixes[k].segments, star->segment);
		for (size_t k = 0; k < ruleset->n_suffixes; k++)
			if (cgroups_affix_begins_with(&ruleset->suffixes[k].affix, star->suffix,
						      star->suffix_len))
				cgroups_segments_add(&ruleset->suffixes[k].segments, star->segment);
		for (size_t len = 1; len <= SMTPWARD_NAME_MAX; len++)
			if (star->prefix_len + star->suffix_len <= len)
				cgroups_segments_add(&ruleset->lengths[len], star->segment);
	}
	ruleset->asks_star = stars->n_items > 0;
	return 0;
}

static int cgroups_compile_rule(const struct policy_rule *from, size_t rule,
				struct ruleset *ruleset, struct stars *stars, struct paths *paths)
{
	const struct policy_values *units = &from->values[SMTPWARD_UNIT];
	const struct policy_values *cgroups = &from->values[SMTPWARD_CGROUP];
	struct smtpward_path *path;
	int r;

	for (size_t i = 0; i < units->n; i++) {
		r = cgroups_path_add(ruleset, stars, paths, units->texts[i], &path);
		if (r)
			return r;
		ruleset_rules_add(&path->by_unit, rule);
		ruleset->root.slices = 1;
	}
	for (size_t i = 0; i < cgroups->n; i++) {
		if (!strcmp(cgroups->texts[i], "/")) {
			ruleset_rules_add(&ruleset->root.by_path, rule);
			continue;
		}
		r = cgroups_path_add(ruleset, stars, paths, cgroups->texts[i], &path);
		if (r)
			return r;
		ruleset_rules_add(&path->by_path, rule);
	}
	return 0;
}

int ruleset_compile_cgroups(const struct policy *policy, struct ruleset *ruleset,
			    size_t *reterr_rule)
{
	_cleanup_(cgroups_stars_free) struct stars stars = { 0 };
	_cleanup_(cgroups_paths_free) struct paths paths = { 0 };

	ruleset->root.by_unit = ruleset->any[SMTPWARD_UNIT];
	ruleset->root.by_path = ruleset->any[SMTPWARD_CGROUP];
	for (size_t rule = 0; rule < policy->n_rules; rule++) {
		int r = cgroups_compile_rule(&policy->rules[rule], rule, ruleset, &stars, &paths);

		if (r) {
			*reterr_rule = rule;
			return r;
		}
	}
	ruleset->segment_words = ruleset_words(ruleset->n_segments);
	ruleset_table_unite(ruleset->names, &ruleset->n_names, sizeof(*ruleset->names),
			    cgroups_names_compare, cgroups_names_unite);
	smtpward_match_finish(&ruleset->root, &ruleset->any[SMTPWARD_UNIT],
			      &ruleset->any[SMTPWARD_CGROUP]);
	return cgroups_compile_stars(&stars, ruleset);
}

/* The answers of the kernel's maps, computed from the tables that fill the maps. */

static const struct smtpward_segments no_segments;

static const struct smtpward_segments *cgroups_names_find(const struct ruleset *ruleset,
							  const char *text, size_t len)
{
	struct smtpward_name key = { 0 };
	const struct ruleset_name *found;

	if (!ruleset->n_names)
		return &no_segments;
	memcpy(key.text, text, len);
	found = bsearch(&key, ruleset->names, ruleset->n_names, sizeof(*ruleset->names),
			cgroups_names_compare);
	return found ? &found->segments : &no_segments;
}

static const struct smtpward_segments *cgroups_affixes_find(const struct ruleset_affix *affixes,
							    size_t n, const char *text, size_t len)
{
	const struct ruleset_affix *longest = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct smtpward_affix *affix = &affixes[i].affix;

		if (affix->bits <= len * 8 && !memcmp(affix->text, text, affix->bits / 8) &&
		    (!longest || affix->bits > longest->affix.bits))
			longest = &affixes[i];
	}
	return longest ? &longest->segments : &no_segments;
}

bool ruleset_enter(const struct ruleset *ruleset, const struct smtpward_cgroup *parent,
		   const char *name, struct smtpward_cgroup *ret_child)
{
	size_t len = strnlen(name, SMTPWARD_NAME_MAX);
	struct smtpward_segments completed;
	char backward[SMTPWARD_NAME_SIZE];
	struct smtpward_segments match;
	bool is_slice;

	cgroups_reverse(backward, name, len);
	smtpward_match_name(cgroups_names_find(ruleset, name, len),
			    cgroups_affixes_find(ruleset->prefixes, ruleset->n_prefixes, name, len),
			    cgroups_affixes_find(ruleset->suffixes, ruleset->n_suffixes, backward,
						 len),
			    &ruleset->lengths[len], &match);
	is_slice = smtpward_is_slice(name, len);
	smtpward_match_step(parent, &match, &ruleset->unit_segments, &ruleset->last_segments,
			    is_slice, ret_child, &completed);
	for (uint32_t segment = 0; segment < ruleset->n_segments; segment++) {
		if (!(completed.words[segment / 64] >> segment % 64 & 1))
			continue;
		smtpward_rules_unite(&ret_child->by_unit, &ruleset->paths[segment].by_unit);
		smtpward_rules_unite(&ret_child->by_path, &ruleset->paths[segment].by_path);
	}
	return smtpward_match_finish(ret_child, &ruleset->any[SMTPWARD_UNIT],
				     &ruleset->any[SMTPWARD_CGROUP]);
}
