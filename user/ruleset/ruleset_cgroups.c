// SPDX-License-Identifier: GPL-2.0-only
/*
 * The part of the compiler that makes the tables of units and cgroup paths, and the
 * step from a cgroup to its child that user space takes with them.
 */
#include <string.h>

#include <smtpward/match.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "ruleset/ruleset_table.h"

static void segments_add(struct smtpward_segments *segments, size_t segment)
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
		     size_t segment)
{
	struct star *item = array_add(&stars->items, &stars->n_items, sizeof(*item));

	if (!item)
		return -ENOMEM;
	item->prefix_len = star - pattern;
	item->suffix_len = len - item->prefix_len - 1;
	memcpy(item->prefix, pattern, item->prefix_len);
	reverse(item->suffix, star + 1, item->suffix_len);
	item->segment = segment;
	return 0;
}

static int names_add(struct ruleset *ruleset, const char *name, size_t len, size_t segment)
{
	struct ruleset_name *entry = array_add(&ruleset->names, &ruleset->n_names, sizeof(*entry));

	if (!entry)
		return -ENOMEM;
	memcpy(entry->name.text, name, len);
	segments_add(&entry->segments, segment);
	return 0;
}

static int names_compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct smtpward_name));
}

static void names_unite(void *into, const void *more)
{
	smtpward_segments_unite(&((struct ruleset_name *)into)->segments,
				&((const struct ruleset_name *)more)->segments);
}

/* The next free segment gets a name or a starred pattern. */
static int segment_add(struct ruleset *ruleset, struct stars *stars, const char *pattern,
		       size_t len)
{
	const char *star = memchr(pattern, '*', len);
	size_t segment = ruleset->n_segments++;

	/* The star itself stands for no byte: "*" and 255 others still fit. */
	if (len - !!star > SMTPWARD_NAME_MAX)
		return -EINVAL;
	if (star)
		return stars_add(stars, pattern, len, star, segment);
	return names_add(ruleset, pattern, len, segment);
}

/* A unit, or a path: it alone begins with a slash. And the last of its segments. */
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

static size_t count_segments(const char *text)
{
	size_t n = *text != '/';

	for (; *text; text++)
		n += text[0] == '/' && text[1] != '\0';
	return n;
}

/* All segments of a path, in a row; of a unit the one. */
static int path_add_segments(struct ruleset *ruleset, struct stars *stars, const char *text)
{
	int err = 0;

	if (*text == '/')
		segments_add(&ruleset->root.next, ruleset->n_segments);
	else
		segments_add(&ruleset->unit_segments, ruleset->n_segments);
	while (*text && !err) {
		const char *name = text + (*text == '/');
		size_t len = strcspn(name, "/");

		err = segment_add(ruleset, stars, name, len);
		text = name + len;
	}
	segments_add(&ruleset->last_segments, ruleset->n_segments - 1);
	return err;
}

static int path_add(struct ruleset *ruleset, struct stars *stars, struct paths *paths,
		    const char *text, struct smtpward_path **ret)
{
	struct path *path;
	int err;

	for (size_t i = 0; i < paths->n_items; i++) {
		if (!strcmp(paths->items[i].text, text)) {
			*ret = &ruleset->paths[paths->items[i].last];
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
	*ret = &ruleset->paths[path->last];
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
				segments_add(&ruleset->prefixes[k].segments, star->segment);
		for (size_t k = 0; k < ruleset->n_suffixes; k++)
			if (affix_begins_with(&ruleset->suffixes[k].affix, star->suffix,
					      star->suffix_len))
				segments_add(&ruleset->suffixes[k].segments, star->segment);
		for (size_t len = 1; len <= SMTPWARD_NAME_MAX; len++)
			if (star->prefix_len + star->suffix_len <= len)
				segments_add(&ruleset->lengths[len], star->segment);
	}
	ruleset->asks_star = stars->n_items > 0;
	return 0;
}

static int compile_rule(const struct policy_rule *from, size_t rule, struct ruleset *ruleset,
			struct stars *stars, struct paths *paths)
{
	const struct policy_values *units = &from->values[SMTPWARD_UNIT];
	const struct policy_values *cgroups = &from->values[SMTPWARD_CGROUP];
	struct smtpward_path *path;
	int r;

	for (size_t i = 0; i < units->n; i++) {
		r = path_add(ruleset, stars, paths, units->texts[i], &path);
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
		r = path_add(ruleset, stars, paths, cgroups->texts[i], &path);
		if (r)
			return r;
		ruleset_rules_add(&path->by_path, rule);
	}
	return 0;
}

int ruleset_compile_cgroups(const struct policy *policy, struct ruleset *ruleset,
			    size_t *reterr_rule)
{
	_cleanup_(stars_free) struct stars stars = { 0 };
	_cleanup_(paths_free) struct paths paths = { 0 };

	ruleset->root.by_unit = ruleset->any[SMTPWARD_UNIT];
	ruleset->root.by_path = ruleset->any[SMTPWARD_CGROUP];
	for (size_t rule = 0; rule < policy->n_rules; rule++) {
		int err = compile_rule(&policy->rules[rule], rule, ruleset, &stars, &paths);

		if (err) {
			*reterr_rule = rule;
			return err;
		}
	}
	ruleset->segment_words = ruleset_words(ruleset->n_segments);
	ruleset_table_unite(ruleset->names, &ruleset->n_names, sizeof(*ruleset->names),
			    names_compare, names_unite);
	smtpward_match_finish(&ruleset->root, &ruleset->any[SMTPWARD_UNIT],
			      &ruleset->any[SMTPWARD_CGROUP]);
	return compile_stars(&stars, ruleset);
}

/* What the kernel's maps answer, from the tables they are filled with. */

static const struct smtpward_segments no_segments;

static const struct smtpward_segments *names_find(const struct ruleset *ruleset, const char *text,
						  size_t len)
{
	struct smtpward_name key = { 0 };
	const struct ruleset_name *found;

	if (!ruleset->n_names)
		return &no_segments;
	memcpy(key.text, text, len);
	found = bsearch(&key, ruleset->names, ruleset->n_names, sizeof(*ruleset->names),
			names_compare);
	return found ? &found->segments : &no_segments;
}

static const struct smtpward_segments *affixes_find(const struct ruleset_affix *affixes, size_t n,
						    const char *text, size_t len)
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

	reverse(backward, name, len);
	smtpward_match_name(names_find(ruleset, name, len),
			    affixes_find(ruleset->prefixes, ruleset->n_prefixes, name, len),
			    affixes_find(ruleset->suffixes, ruleset->n_suffixes, backward, len),
			    &ruleset->lengths[len], &match);
	is_slice = len >= SMTPWARD_SLICE_SUFFIX_LEN &&
		   !memcmp(name + len - SMTPWARD_SLICE_SUFFIX_LEN, SMTPWARD_SLICE_SUFFIX,
			   SMTPWARD_SLICE_SUFFIX_LEN);
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
