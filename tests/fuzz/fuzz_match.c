// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which rules cover a cgroup: the automaton, walked as the kernel walks it, against
 * the second opinion of tests/unit/ruleset_fixture.h. The input chooses, byte by
 * byte, a policy of units and cgroup paths and then names that they match or just
 * fail to match.
 */
#include "fuzz.h"

/* What the fixture has from cmocka. */
#define fail_msg fuzz_fail
#define assert_true(condition) fuzz_assert(condition)
#define assert_non_null(pointer) fuzz_assert((pointer) != NULL)
#define assert_int_equal(a, b) fuzz_assert((a) == (b))
#define assert_string_equal(a, b) fuzz_assert(!strcmp(a, b))

#include "ruleset/ruleset_fixture.h"

/* Texts out of few pieces, so that they overlap, contain and repeat one another. */

struct text {
	char bytes[2048];
	size_t len;
};

static void text_add(struct text *text, const char *bytes, size_t len)
{
	fuzz_assert(len < sizeof(text->bytes) - text->len);
	memcpy(text->bytes + text->len, bytes, len);
	text->len += len;
}

static void text_cut(struct text *text, size_t max)
{
	if (text->len > max)
		text->len = max;
}

static void text_repeat(struct text *text, char byte, size_t n)
{
	while (n--)
		text_add(text, &byte, 1);
}

/* The last one in names only; an empty one is a run of one byte. */
/* clang-format off */
static const char *const pieces[] = {
	"a", "b", "ab", "ba", "aa", ".", "-", "\x80", "\xff", ".slice", "slice", ".slic",
	".service", "e", "\n", "", "*",
};
/* clang-format on */

static void add_pieces(struct input *input, struct text *text, bool stars)
{
	for (size_t n = input_below(input, 4); n; n--) {
		const char *piece = pieces[input_below(input, ARRAY_SIZE(pieces) - !stars)];

		if (*piece)
			text_add(text, piece, strlen(piece));
		else
			text_repeat(text, 'a', input_below(input, SMTPWARD_NAME_SIZE));
	}
}

/* What the compiler takes: one star at most, and not counting it a name's length. */
static struct text take_pattern(struct input *input)
{
	size_t shape = input_below(input, 8);
	struct text text = { .len = 0 };

	if (shape)
		add_pieces(input, &text, false);
	text_cut(&text, SMTPWARD_NAME_MAX);
	if (shape < 4) {
		text_add(&text, "*", 1);
		if (shape)
			add_pieces(input, &text, false);
		text_cut(&text, SMTPWARD_NAME_MAX + 1);
	}
	if (!text.len)
		text_add(&text, "a", 1);
	return text;
}

/* The policy, and its patterns for names to be made of. */

#define POOL_PATHS 40

struct pool {
	char *paths[POOL_PATHS]; /* a unit as a path of one segment */
	size_t n_paths;
	size_t n_segments;
};

static void pool_clear(struct pool *pool)
{
	for (size_t i = 0; i < pool->n_paths; i++)
		free(pool->paths[i]);
}

static bool pool_add(struct pool *pool, const char *path)
{
	size_t n = 0;

	for (const char *at = path; *at; at++)
		n += *at == '/';
	if (pool->n_paths == POOL_PATHS || pool->n_segments + n > SMTPWARD_SEGMENTS_MAX)
		return false;
	pool->paths[pool->n_paths] = strdup(path);
	fuzz_assert(pool->paths[pool->n_paths++]);
	pool->n_segments += n;
	return true;
}

/* The start of the path, as many of its segments as there are. */
static void copy_start(const char *path, size_t segments, char *dst)
{
	const char *end = path;

	while (*end && segments--)
		end += 1 + strcspn(end + 1, "/");
	memcpy(dst, path, end - path);
	dst[end - path] = '\0';
}

#define SEGMENTS_MAX 6 /* of a path that names are made for */

static void take_cgroup(struct input *input, struct pool *pool, struct policy_rule *rule)
{
	char path[SEGMENTS_MAX * (PATTERN_SIZE + 1)] = "";
	size_t shape = input_below(input, 16);

	if (!shape) {
		add_cgroup(rule, "/");
		return;
	}
	if (shape & 8 && pool->n_paths)
		copy_start(pool->paths[input_below(input, pool->n_paths)], 1 + shape % 2, path);
	for (size_t n = shape / 2 % 4 + !*path; n; n--) {
		struct text pattern = take_pattern(input);

		sprintf(path + strlen(path), "/%.*s", (int)pattern.len, pattern.bytes);
	}
	if (pool_add(pool, path))
		add_cgroup(rule, path);
}

static void take_unit(struct input *input, struct pool *pool, struct policy_rule *rule)
{
	struct text pattern = take_pattern(input);
	char path[PATTERN_SIZE + 1];

	sprintf(path, "/%.*s", (int)pattern.len, pattern.bytes);
	if (pool_add(pool, path))
		add_unit(rule, path + 1);
}

/* n times 64 and a little less: what comes next lies on both sides of a word's end. */
static size_t take_filling(struct input *input, size_t words, size_t less)
{
	size_t n = 64 * input_below(input, words);

	less = input_below(input, less);
	return n > less ? n - less : 0;
}

/* test_match.c has a path over each word's end; it takes ASan long to grow that far. */
#define FILLING_WORDS 3

static void take_policy(struct input *input, struct pool *pool, struct policy *policy)
{
	size_t rules = take_filling(input, SMTPWARD_RULE_WORDS, 4);
	size_t segments = take_filling(input, FILLING_WORDS, 8);
	char filling[2 * 64 * FILLING_WORDS] = "";

	while (rules--)
		add_rule(policy, SMTPWARD_DENY);
	pool->n_segments = segments;
	for (size_t i = 0; i < segments; i++)
		memcpy(filling + 2 * i, "/f", 3);
	if (segments)
		add_cgroup(add_rule(policy, SMTPWARD_DENY), filling);

	for (size_t n = 1 + input_below(input, 12); n; n--) {
		struct policy_rule *rule = add_rule(policy, SMTPWARD_DENY);
		size_t shape = input_below(input, 16);

		for (size_t i = 0; i < shape % 4; i++)
			take_unit(input, pool, rule);
		for (size_t i = 0; i < shape / 4; i++)
			take_cgroup(input, pool, rule);
	}
}

/* A name that the pattern matches or, by a byte or a star's length, just does not. */
static void name_for(struct input *input, const char *pattern, size_t len, size_t shape,
		     struct text *name)
{
	const char *star = memchr(pattern, '*', len);
	size_t before = star ? (size_t)(star - pattern) : len;
	size_t behind = star ? len - before - 1 : 0;
	size_t most = before < behind ? before : behind;

	/* The texts before and behind the star may lie on top of each other. */
	text_add(name, pattern, shape == 1 ? before - input_below(input, most + 1) : before);
	if (star && shape == 2)
		add_pieces(input, name, true);
	if (star && shape == 3 && before + behind < SMTPWARD_NAME_MAX)
		text_repeat(name, 'b',
			    SMTPWARD_NAME_MAX + 1 - before - behind - input_below(input, 3));
	if (star && shape == 4)
		text_add(name, "*", 1);
	text_add(name, pattern + len - behind, behind);
	if (shape == 5 && name->len)
		name->bytes[input_below(input, name->len)] ^= 4; /* and none becomes a slash */
	if (shape == 6)
		add_pieces(input, name, true);
	if (shape == 7 && name->len)
		name->len--;
}

/* The name of a cgroup with so many above it. */
static void take_name(struct input *input, const struct pool *pool, const char *guide, size_t depth,
		      char ret_name[SMTPWARD_NAME_SIZE])
{
	size_t shape = input_below(input, 32);
	struct text text = { .len = 0 };
	const char *at = "";

	/* The next one of the path that is followed, or any pattern's last. */
	if (shape / 8 < 2 && guide)
		for (at = guide; *at && depth; depth--)
			at += 1 + strcspn(at + 1, "/");
	else if (shape / 8 == 2 && pool->n_paths)
		at = strrchr(pool->paths[input_below(input, pool->n_paths)], '/');
	if (*at)
		name_for(input, at + 1, strcspn(at + 1, "/"), shape % 8, &text);
	else
		add_pieces(input, &text, true);
	text_cut(&text, SMTPWARD_NAME_MAX);
	if (!text.len)
		text_add(&text, "b.slice", 7);
	memcpy(ret_name, text.bytes, text.len);
	ret_name[text.len] = '\0';
}

/* What the second opinion has on this cgroup; whether it needs an entry. */
static bool second_opinion(const struct policy *policy, const struct names *names,
			   struct smtpward_rules *ret_rules)
{
	bool needs_entry = false;

	*ret_rules = (struct smtpward_rules){ 0 };
	for (size_t i = 0; i < policy->n_rules; i++) {
		const struct policy_rule *rule = &policy->rules[i];

		if (rule_covers(rule, names))
			set_add(ret_rules, i);
		needs_entry |= rule_tracks(rule, names);
	}
	return needs_entry;
}

static void compare(const struct policy *policy, const struct ruleset *ruleset,
		    const struct names *names, const struct tracked *at)
{
	const struct smtpward_rules *found = tracked_rules(ruleset, at);
	struct smtpward_rules expected;
	bool needs_entry = second_opinion(policy, names, &expected);
	char *text = NULL;

	if (set_equal(found, &expected) && (!names->n || needs_entry == at->entry))
		return;
	policy_print(policy, &text);
	fuzz_fail("at %s: rules '%s' with%s entry, not '%s' with%s, of\n%s", names_text(names),
		  set_text(found), at->entry ? " an" : "out", set_text(&expected),
		  needs_entry ? "" : "out", text);
}

#define WALKS_MAX 8
#define DEPTH_MAX 10

static void walk(struct input *input, const struct policy *policy, const struct ruleset *ruleset,
		 const struct pool *pool)
{
	struct tracked at = tracked_root(ruleset);
	struct names names = { .n = 0 };
	const char *guide = NULL;

	if (pool->n_paths)
		guide = pool->paths[input_below(input, pool->n_paths)];
	compare(policy, ruleset, &names, &at);
	for (size_t depth = 1 + input_below(input, DEPTH_MAX); depth; depth--) {
		char *name = names.items[names.n];

		take_name(input, pool, guide, names.n, name);
		at = tracked_child(ruleset, &at, name);
		names.n++;
		compare(policy, ruleset, &names, &at);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	_cleanup_(pool_clear) struct pool pool = { .n_paths = 0 };
	_cleanup_policy_ struct policy *policy = policy_new();
	_cleanup_ruleset_ struct ruleset *ruleset = NULL;

	take_policy(&input, &pool, policy);
	ruleset = compile(policy);
	for (size_t walks = 0; walks < WALKS_MAX && (input.size || !walks); walks++)
		walk(&input, policy, ruleset, &pool);
	return 0;
}
