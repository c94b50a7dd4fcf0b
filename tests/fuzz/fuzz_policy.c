// SPDX-License-Identifier: GPL-2.0-only
/*
 * The policy language. The input is a policy, and behind each SEPARATOR a file that
 * it may include: 01, 02 and so on. What is refused names places that exist, in
 * words that can be shown; what is accepted prints to a text that says the same,
 * and compiles.
 */
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>

#include "base/cleanup.h"
#include "fuzz.h"
#include "policy/policy.h"
#include "policy/policy_parse.h"
#include "ruleset/ruleset.h"

#define _cleanup_policy_ _cleanup_(policy_freep)
#define _cleanup_errors_ _cleanup_(policy_errors_clear)
#define _cleanup_ruleset_ _cleanup_(ruleset_freep)

#define SEPARATOR "\n%%\n"
#define SEPARATOR_SIZE (sizeof(SEPARATOR) - 1)
#define FILES_MAX 80 /* more than a policy can have */

struct file {
	char name[4];
	const char *text;
	size_t size;
	unsigned int depth; /* at most: of the shortest way of includes to it, the first is 1 */
	bool was_read;
};

struct world {
	struct file files[FILES_MAX];
	size_t n_files;
	bool no_memory; /* -ENOMEM was returned to the parser */
};

static void world_fill(struct world *world, const char *text, size_t size)
{
	*world = (struct world){ .n_files = 0 };
	while (world->n_files < FILES_MAX) {
		struct file *file = &world->files[world->n_files];
		const char *end = memmem(text, size, SEPARATOR, SEPARATOR_SIZE);

		snprintf(file->name, sizeof(file->name), "%02u",
			 (unsigned int)world->n_files % 100);
		file->text = text;
		file->depth = world->n_files ? UINT_MAX : 1;
		file->was_read = !world->n_files;
		file->size = end ? (size_t)(end - text) : size;
		world->n_files++;
		if (!end)
			return;
		text += file->size + SEPARATOR_SIZE;
		size -= file->size + SEPARATOR_SIZE;
	}
}

/* One file by more than one name. */
static const char *plain_name(const char *path)
{
	while (!strncmp(path, "./", 2))
		path += 2;
	return path;
}

static struct file *world_find(struct world *world, const char *path)
{
	for (size_t i = 0; i < world->n_files; i++)
		if (!strcmp(world->files[i].name, plain_name(path)))
			return &world->files[i];
	return NULL;
}

static int world_read(void *userdata, const char *path, char **ret_text, size_t *ret_size,
		      char **reterr_why)
{
	struct world *world = userdata;
	struct file *file = world_find(world, path);

	if (!strcmp(path, "nomem")) {
		world->no_memory = true;
		return -ENOMEM;
	}
	if (!strcmp(path, "why")) {
		*reterr_why = strdup("because");
		return -EPERM;
	}
	if (!strcmp(path, "big")) { /* and nobody reads so far */
		*ret_text = malloc(1);
		*ret_size = POLICY_FILE_MAX + 1;
		return 0;
	}
	if (!file)
		return -ENOENT;
	fuzz_assert(!file->was_read && file->depth <= POLICY_LEVELS_MAX);
	file->was_read = true;
	*ret_text = fuzz_copy(file->text, file->size);
	*ret_size = file->size;
	return 0;
}

static int world_expand(void *userdata, const char *includer, const char *pattern,
			char ***ret_paths, size_t *ret_n, char **reterr_why)
{
	struct world *world = userdata;
	const struct file *from = world_find(world, includer);
	bool glob = strpbrk(pattern, "*?[");
	char **paths;
	size_t n = 0;

	fuzz_assert(from && from->was_read);
	if (!strcmp(pattern, "closed*"))
		return -EACCES;
	paths = calloc(FILES_MAX, sizeof(*paths));
	if (!glob)
		paths[n++] = strdup(pattern);
	for (size_t i = 1; glob && i < world->n_files; i++)
		if (!fnmatch(plain_name(pattern), world->files[i].name, 0))
			paths[n++] = strdup(world->files[i].name);
	for (size_t i = 0; i < n; i++) {
		struct file *file = world_find(world, paths[i]);

		if (file && file->depth > from->depth)
			file->depth = from->depth + 1;
	}
	*ret_paths = paths;
	*ret_n = n;
	return 0;
}

static int world_same(void *userdata, const char *a, const char *b)
{
	return !strcmp(plain_name(a), plain_name(b));
}

/* A few by name, and every odd one, so that each byte comes to stand in a name. */
static int world_id(void *userdata, const char *name, uint32_t *ret_id)
{
	struct world *world = userdata;

	if (!strcmp(name, "root"))
		*ret_id = 0;
	else if (!strcmp(name, "daemon") || !strcmp(name, "unit"))
		*ret_id = 1;
	else if (!strcmp(name, "nobody"))
		*ret_id = UINT32_MAX;
	else if (!strcmp(name, "broken"))
		return -EIO;
	else if (!strcmp(name, "nomem"))
		return world->no_memory = true, -ENOMEM;
	else if (strpbrk(name, "@#, \"\\\x01\x7f\x80\xff"))
		*ret_id = 1000 + (unsigned char)*name + (uint32_t)strlen(name);
	else
		return -ENOENT;
	return 0;
}

/* A kept copy asks by number. "gone" is a name whose number is another's by now. */
static int world_kept_id(void *userdata, uint32_t id, const char *name)
{
	struct world *world = userdata;

	fuzz_assert(id != POLICY_ID_NONE && *name);
	if (!strcmp(name, "nomem"))
		return world->no_memory = true, -ENOMEM;
	return strcmp(name, "gone") ? 1 : 0;
}

/* Whether the file has the line; its length. */
static bool find_line(const struct file *file, unsigned int line, size_t *ret_len)
{
	const char *text = file->text, *end = text + file->size;

	for (; text < end; line--) {
		const char *newline = memchr(text, '\n', end - text);
		size_t len = newline ? newline - text : end - text;

		if (line == 1) {
			*ret_len = len;
			return true;
		}
		text += len + !!newline;
	}
	return false;
}

static void check_place(struct world *world, const char *name, unsigned int line,
			unsigned int column)
{
	const struct file *file = world_find(world, name);
	size_t len;

	if (!line) {
		fuzz_assert(!column);
		return;
	}
	fuzz_assert(file);
	fuzz_assert(find_line(file, line, &len));
	fuzz_assert(column <= len);
}

static void check_errors(struct world *world, const struct policy_errors *errors)
{
	for (size_t i = 0; i < errors->n_items; i++) {
		const struct policy_error *error = &errors->items[i];

		check_place(world, error->file, error->line, error->column);
		fuzz_assert(*error->text);
		for (const char *byte = error->text; *byte; byte++)
			fuzz_assert(*byte >= 0x20 && *byte <= 0x7e);
	}
}

static void check_rules(struct world *world, const struct policy *policy)
{
	fuzz_assert(policy->n_rules <= SMTPWARD_RULES_MAX);
	fuzz_assert(policy->n_ports >= 1 && policy->n_ports <= SMTPWARD_PORTS_MAX);
	fuzz_assert(policy->n_files >= 1 && policy->n_files <= POLICY_FILES_MAX);
	for (size_t i = 0; i < policy->n_rules; i++) {
		const struct policy_place *place = &policy->rules[i].place;

		fuzz_assert(place->line && place->column);
		fuzz_assert(!policy->rules[i].until || policy->rules[i].verdict != SMTPWARD_DENY);
		check_place(world, place->file, place->line, place->column);
	}
}

/* The policy, or NULL if the text is none. */
static struct policy *parse(struct world *world, const char *text, size_t size, bool kept)
{
	const struct policy_source source = { .read = world_read,
					      .expand = world_expand,
					      .same = world_same,
					      .user = world_id,
					      .group = world_id,
					      .kept_user = world_kept_id,
					      .kept_group = world_kept_id,
					      .userdata = world };
	_cleanup_errors_ struct policy_errors errors = { 0 };
	_cleanup_free_ char *copy = fuzz_copy(text, size);
	struct policy *policy = NULL;
	int r = (kept ? policy_parse_kept : policy_parse_text)("00", copy, size, &source, &policy,
							       &errors);

	check_errors(world, &errors);
	if (r < 0) {
		fuzz_assert(!policy);
		fuzz_assert(r == -ENOMEM ? world->no_memory : r == -EINVAL && errors.n_items);
		return NULL;
	}
	fuzz_assert(!r && policy && !errors.n_items && !world->no_memory);
	check_rules(world, policy);
	return policy;
}

/* One rule a line behind the first blank one, and no byte that a terminal acts on. */
static char *print(const struct policy *policy)
{
	char *text = NULL, *at;

	fuzz_assert(!policy_print(policy, &text));
	for (at = text; *at; at++)
		fuzz_assert(*at == '\n' || ((unsigned char)*at >= 0x20 && *at != 0x7f));
	at = strstr(text, "\n\n");
	fuzz_assert(!at == !policy->n_rules);
	for (size_t i = 0; i < policy->n_rules; i++) {
		_cleanup_free_ char *rule = NULL;

		fuzz_assert(!policy_print_rule(&policy->rules[i], &rule));
		at += i ? 1 : 2;
		fuzz_assert(!strncmp(at, rule, strlen(rule)));
		at += strlen(rule);
		fuzz_assert(*at == '\n');
	}
	fuzz_assert(!at || !at[1]);
	return text;
}

/* What the compiled tables have to say, out of the policy's own lists. */

static void set_add(struct smtpward_rules *set, size_t rule)
{
	set->words[rule / 64] |= (uint64_t)1 << rule % 64;
}

static bool has_id(const struct policy_id *ids, size_t n, uint32_t id)
{
	for (size_t i = 0; i < n; i++)
		if (ids[i].id == id)
			return true;
	return false;
}

static void check_id(const struct policy *policy, const struct ruleset_id *entry,
		     enum smtpward_condition condition)
{
	struct smtpward_rules expected = { 0 };

	for (size_t i = 0; i < policy->n_rules; i++) {
		const struct policy_values *values = &policy->rules[i].values[condition];

		if (!values->n || has_id(values->ids, values->n, entry->id))
			set_add(&expected, i);
	}
	fuzz_assert(!memcmp(&expected, &entry->rules, sizeof(expected)));
}

static bool is_ipv4(const uint8_t *address, uint32_t bits)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return bits >= 96 && !memcmp(address, mapped, sizeof(mapped));
}

/* No IPv6 prefix covers IPv4, however short it is. */
static bool covers(const struct policy_prefix *prefix, const struct smtpward_prefix *other)
{
	if (prefix->bits > other->bits ||
	    is_ipv4(prefix->address, prefix->bits) != is_ipv4(other->address, other->bits))
		return false;
	for (int bit = 0; bit < prefix->bits; bit++)
		if ((prefix->address[bit / 8] ^ other->address[bit / 8]) >> (7 - bit % 8) & 1)
			return false;
	return true;
}

static void check_address(const struct policy *policy, const struct ruleset_address *entry)
{
	struct smtpward_rules expected = { 0 };

	for (size_t i = 0; i < policy->n_rules; i++) {
		const struct policy_rule *rule = &policy->rules[i];
		bool covered = !rule->values[SMTPWARD_TO].n;

		for (size_t k = 0; k < rule->values[SMTPWARD_TO].n && !covered; k++)
			covered = covers(&rule->values[SMTPWARD_TO].prefixes[k], &entry->prefix);
		if (covered)
			set_add(&expected, i);
	}
	fuzz_assert(!memcmp(&expected, &entry->rules, sizeof(expected)));
}

/* Each instant once, in order, and with it the rules that are not over. */
static void check_ends(const struct policy *policy, const struct ruleset *ruleset)
{
	for (uint32_t end = 0; end < ruleset->n_ends; end++) {
		const uint64_t instant = ruleset->ends[end];
		struct smtpward_rules expected = { 0 };

		fuzz_assert(!end || ruleset->ends[end - 1] < instant);
		for (size_t i = 0; i < policy->n_rules; i++)
			if (!policy->rules[i].until ||
			    policy->rules[i].until * 1000000000ULL > instant)
				set_add(&expected, i);
		fuzz_assert(!memcmp(&expected, &ruleset->alive[end + 2], sizeof(expected)));
	}
}

static void check_tables(const struct policy *policy, const struct ruleset *ruleset)
{
	check_ends(policy, ruleset);
	for (int condition = 0; condition < SMTPWARD_CONDITIONS_N; condition++)
		for (size_t i = 0; i < ruleset->ids[condition].n_items; i++)
			check_id(policy, &ruleset->ids[condition].items[i],
				 (enum smtpward_condition)condition);
	for (size_t i = 0; i < ruleset->n_addresses; i++)
		check_address(policy, &ruleset->addresses[i]);
}

static struct ruleset *compile(const struct policy *policy)
{
	struct ruleset *ruleset = NULL;
	size_t rule = 4711;

	/* The parser has counted what there may be too much of. */
	fuzz_assert(!ruleset_compile(policy, &ruleset, &rule));
	fuzz_assert(ruleset && rule == 4711);
	return ruleset;
}

#define assert_same_table(a, b, table)                  \
	fuzz_assert((a)->n_##table == (b)->n_##table && \
		    (!(a)->n_##table ||                 \
		     !memcmp((a)->table, (b)->table, (a)->n_##table * sizeof(*(a)->table))))

#define assert_same(a, b, member) \
	fuzz_assert(!memcmp(&(a)->member, &(b)->member, sizeof((a)->member)))

/* But for the order of the ports, which the canonical form sorts. */
static void check_same_ruleset(const struct policy *policy, const struct policy *again)
{
	_cleanup_ruleset_ struct ruleset *a = compile(policy), *b = compile(again);

	check_tables(policy, a);
	fuzz_assert(a->n_ports == b->n_ports);
	for (int condition = 0; condition < SMTPWARD_CONDITIONS_N; condition++)
		assert_same_table(&a->ids[condition], &b->ids[condition], items);
	assert_same_table(a, b, addresses);
	assert_same_table(a, b, names);
	assert_same_table(a, b, prefixes);
	assert_same_table(a, b, suffixes);
	assert_same(a, b, any_cgroup);
	assert_same(a, b, ends);
	assert_same(a, b, alive);
	assert_same(a, b, verdicts);
	assert_same(a, b, root);
	assert_same(a, b, paths);
	assert_same(a, b, lengths);
	assert_same(a, b, audit_mode);
	assert_same(a, b, reject);
	assert_same(a, b, log);
	assert_same(a, b, limit_interval_ns);
	assert_same(a, b, limit_window_ns);
	assert_same(a, b, tenant_interval_ns);
	assert_same(a, b, tenant_window_ns);
}

/* What is kept of a policy says the same as it, and is kept the same. */
static void check_kept(const struct policy *policy)
{
	_cleanup_policy_ struct policy *again = NULL;
	_cleanup_free_ char *first = NULL, *second = NULL;
	struct world alone;

	fuzz_assert(!policy_print_kept(policy, &first));
	world_fill(&alone, first, strlen(first));
	again = parse(&alone, first, strlen(first), true);
	if (!again)
		fuzz_fail("what is kept is not taken:\n%s", first);
	fuzz_assert(!policy_print_kept(again, &second));
	if (strcmp(first, second))
		fuzz_fail("kept as\n%s\nand then as\n%s", first, second);
	check_same_ruleset(policy, again);
}

/* Any text for a kept copy: what is taken compiles. */
static void check_kept_text(const char *text, size_t size)
{
	_cleanup_policy_ struct policy *policy = NULL;
	_cleanup_ruleset_ struct ruleset *ruleset = NULL;
	struct world world;

	world_fill(&world, text, size);
	policy = parse(&world, world.files[0].text, world.files[0].size, true);
	if (!policy)
		return;
	fuzz_assert(policy->n_files == 1);
	ruleset = compile(policy);
	check_tables(policy, ruleset);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_policy_ struct policy *policy = NULL, *again = NULL;
	_cleanup_free_ char *first = NULL, *second = NULL;
	struct world world, alone;

	check_kept_text((const char *)data, size);
	world_fill(&world, (const char *)data, size);
	policy = parse(&world, world.files[0].text, world.files[0].size, false);
	if (!policy)
		return 0;
	first = print(policy);
	world_fill(&alone, first, strlen(first));
	again = parse(&alone, first, strlen(first), false);
	if (!again)
		fuzz_fail("what it prints it does not take:\n%s", first);
	second = print(again);
	if (strcmp(first, second))
		fuzz_fail("printed as\n%s\nand then as\n%s", first, second);
	check_same_ruleset(policy, again);
	check_kept(policy);
	return 0;
}
