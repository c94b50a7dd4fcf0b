/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Policies at random, and cgroups that their patterns match or just fail to match.
 * The same on every run: the dice are seeded. Included after ruleset_fixture.h.
 */
#ifndef SMTPWARD_TEST_RULESET_RANDOM_H
#define SMTPWARD_TEST_RULESET_RANDOM_H

#include "ruleset/ruleset_fixture.h"

/* xorshift64*, by Marsaglia and Vigna. */
static uint64_t dice_state;

static inline void dice_seed(uint64_t seed)
{
	print_message("seed %llu\n", (unsigned long long)seed);
	dice_state = seed;
}

static inline uint64_t dice_word(void)
{
	dice_state ^= dice_state >> 12;
	dice_state ^= dice_state << 25;
	dice_state ^= dice_state >> 27;
	return dice_state * 0x2545f4914f6cdd1dULL;
}

/* 0 to sides - 1. */
static inline size_t dice(size_t sides)
{
	return (dice_word() >> 32) % sides;
}

static inline bool chance(size_t percent)
{
	return dice(100) < percent;
}

/* Patterns: few different bytes, so that they overlap, contain and repeat one another. */

/* At most max bytes more at the end of text. */
static inline void append_text(char *text, size_t max, const char *bytes)
{
	size_t len = strlen(text), more = dice(max + 1);

	for (size_t i = 0; i < more; i++)
		text[len + i] = bytes[dice(strlen(bytes))];
	text[len + more] = '\0';
}

#define PATTERN_BYTES "aaaabbbb-.\x80\xff"
#define NAME_BYTES PATTERN_BYTES "*"

static inline void append_ending(char *text)
{
	static const char *const endings[] = { ".slice", ".service", ".slic", "slice", "e" };

	strcat(text, chance(70) ? "" : chance(60) ? ".slice" : endings[dice(ARRAY_SIZE(endings))]);
}

/* Makes text longer where it has no star in it, until a name can just be that long. */
static inline void stretch(char *text, size_t len)
{
	size_t now = strlen(text);

	while (now < len)
		text[now++] = dice(2) ? 'a' : 'b';
	text[now] = '\0';
}

static inline void random_pattern(char pattern[PATTERN_SIZE])
{
	bool starred = chance(60);

	*pattern = '\0';
	if (chance(8)) {
		strcpy(pattern, "*");
		return;
	}
	append_text(pattern, starred ? 3 : 4, PATTERN_BYTES);
	if (starred) {
		strcat(pattern, "*");
		append_text(pattern, 3, PATTERN_BYTES);
	}
	append_ending(pattern);
	if (chance(2))
		stretch(pattern, SMTPWARD_NAME_MAX - dice(2) + starred);
	if (!*pattern)
		strcpy(pattern, "a");
}

/* Names. */

static inline void trim(char *name, size_t from)
{
	memmove(name, name + from, strlen(name + from) + 1);
	name[SMTPWARD_NAME_MAX] = '\0';
	if (!*name)
		strcpy(name, "b");
}

/* One byte off: changed, lost at either end, or one too many. */
static inline void spoil(char *name)
{
	size_t len = strlen(name);

	switch (dice(4)) {
	case 0:
		name[dice(len)] = NAME_BYTES[dice(strlen(NAME_BYTES))];
		break;
	case 1:
		name[len - 1] = '\0';
		break;
	case 2:
		trim(name, 1);
		break;
	case 3:
		append_text(name, 1, NAME_BYTES);
		break;
	}
}

/*
 * A name that a pattern of len bytes matches, or one a byte away; for a starred one
 * also with the texts before and behind the star on top of each other.
 */
static inline void random_name_for(const char *pattern, size_t len, char name[SMTPWARD_NAME_SIZE])
{
	char text[4 * SMTPWARD_NAME_SIZE] = "";
	const char *star = memchr(pattern, '*', len);
	size_t before = star ? (size_t)(star - pattern) : len;
	size_t behind = star ? len - before - 1 : 0;
	size_t shorter = before < behind ? before : behind;

	memcpy(text, pattern, before);
	if (star && chance(20))
		text[before - (shorter ? 1 + dice(shorter) : 0)] = '\0';
	else if (star && chance(60))
		append_text(text, 3, NAME_BYTES);
	else if (star && chance(5))
		stretch(text, SMTPWARD_NAME_MAX - behind);
	if (star)
		strncat(text, star + 1, behind);
	trim(text, 0);
	if (chance(15))
		spoil(text);
	trim(text, 0);
	memcpy(name, text, SMTPWARD_NAME_SIZE);
}

static inline void random_name(char name[SMTPWARD_NAME_SIZE])
{
	char text[4 * SMTPWARD_NAME_SIZE] = "";

	append_text(text, 5, NAME_BYTES);
	append_ending(text);
	trim(text, 0);
	memcpy(name, text, SMTPWARD_NAME_SIZE);
}

/* Paths. */

/* All of a policy's paths and units, each of them once. */
struct path_pool {
	char *items[SMTPWARD_SEGMENTS_MAX]; /* paths */
	size_t n;
	char *units[SMTPWARD_SEGMENTS_MAX];
	size_t n_units;
	size_t segments; /* of both */
};

static inline void path_pool_clear(struct path_pool *pool)
{
	for (size_t i = 0; i < pool->n; i++)
		free(pool->items[i]);
	for (size_t i = 0; i < pool->n_units; i++)
		free(pool->units[i]);
}

#define _cleanup_path_pool_ _cleanup_(path_pool_clear)

static inline const char *pool_pick(const struct path_pool *pool)
{
	return pool->items[dice(pool->n)];
}

static inline size_t segments_of(const char *path)
{
	size_t n = 0;

	for (; *path; path++)
		n += *path == '/';
	return n;
}

/* The segment with this index, or NULL if the path is too short. */
static inline const char *segment_of(const char *path, size_t index, size_t *ret_len)
{
	for (; path && index; index--)
		path = strchr(path + 1, '/');
	if (!path || !path[1])
		return NULL;
	*ret_len = strcspn(path + 1, "/");
	return path + 1;
}

/* Another path's first segments. */
static inline void copy_start(const char *path, size_t segments, char *dst)
{
	const char *end = path;

	for (; end && segments; segments--)
		end = strchr(end + 1, '/');
	sprintf(dst, "%.*s", end ? (int)(end - path) : (int)strlen(path), path);
}

static inline const char *pool_add(struct path_pool *pool, const char *path)
{
	for (size_t i = 0; i < pool->n; i++)
		if (!strcmp(pool->items[i], path))
			return pool->items[i];
	pool->items[pool->n] = strdup(path);
	assert_non_null(pool->items[pool->n]);
	pool->segments += segments_of(path);
	return pool->items[pool->n++];
}

/* False if there is no room for one more. */
static inline bool pool_add_unit(struct path_pool *pool, const char *unit)
{
	for (size_t i = 0; i < pool->n_units; i++)
		if (!strcmp(pool->units[i], unit))
			return true;
	if (pool->segments == SMTPWARD_SEGMENTS_MAX)
		return false;
	pool->units[pool->n_units] = strdup(unit);
	assert_non_null(pool->units[pool->n_units]);
	pool->n_units++;
	pool->segments++;
	return true;
}

#define RANDOM_SEGMENTS_MAX 6

/* A new path, often one that begins like an old one. One that is too long: "/". */
static inline const char *random_path(struct path_pool *pool)
{
	char path[2 * RANDOM_SEGMENTS_MAX * (PATTERN_SIZE + 1)] = "";
	size_t segments = 1 + dice(RANDOM_SEGMENTS_MAX);

	if (pool->n && chance(15))
		return pool_pick(pool);
	if (pool->n && chance(50))
		copy_start(pool_pick(pool), 1 + dice(3), path);
	if (!strcmp(path, "/"))
		*path = '\0';
	if (chance(50))
		segments = 1 + dice(2);
	while (segments--) {
		strcat(path, "/");
		random_pattern(path + strlen(path));
	}
	if (chance(3) || segments_of(path) + pool->segments > SMTPWARD_SEGMENTS_MAX)
		return "/";
	return pool_add(pool, path);
}

/* A rule's conditions on cgroups, if any, with lists of at most so many values. */
static inline void random_cgroups(struct policy_rule *rule, struct path_pool *pool, size_t lists)
{
	if (chance(50))
		for (size_t n = 1 + dice(lists); n; n--)
			add_cgroup(rule, random_path(pool));
	if (chance(40)) {
		for (size_t n = 1 + dice(lists); n; n--) {
			char unit[PATTERN_SIZE];

			random_pattern(unit);
			if (pool_add_unit(pool, unit))
				add_unit(rule, unit);
		}
	}
}

/* A name for a cgroup with so many above it: the guide's next one, a unit's, a slice, any. */
static inline void random_step(const struct policy *policy, const char *guide, size_t depth,
			       char name[SMTPWARD_NAME_SIZE])
{
	const struct policy_rule *rule = &policy->rules[dice(policy->n_rules)];
	const char *segment = NULL;
	size_t len = 0;

	if (guide)
		segment = segment_of(guide, depth, &len);
	if (segment && chance(75)) {
		random_name_for(segment, len, name);
	} else if (rule->values[SMTPWARD_UNIT].n && chance(60)) {
		segment = rule->values[SMTPWARD_UNIT].texts[dice(rule->values[SMTPWARD_UNIT].n)];
		random_name_for(segment, strlen(segment), name);
	} else if (chance(40)) {
		strcpy(name, chance(20) ? ".slice" : chance(50) ? "a.slice" : "-b\xff.slice");
	} else {
		random_name(name);
	}
}

#endif /* SMTPWARD_TEST_RULESET_RANDOM_H */
