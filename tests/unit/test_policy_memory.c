// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory runs out at every place where a policy is read, printed and compiled: each
 * allocation fails in its turn, and then all after it as well. What comes of it is
 * -ENOMEM and nothing else; all that was allocated is let go, and outputs are as
 * they were.
 *
 * The allocator's functions are defined here, in the program, which puts them before
 * libc's and the sanitizer's: those do the work, as RTLD_NEXT finds them.
 */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleanup.h"
#include "policy.h"
#include "ruleset.h"

/*
 * The allocator. The compiler knows malloc(3) and that it changes nothing of ours:
 * volatile, because here it does.
 */

static volatile struct {
	bool armed;
	bool for_good;
	unsigned long calls;
	unsigned long fail_at; /* 0: never */
	unsigned long failed;
	long blocks; /* allocated and not freed while armed */
} memory;

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* dlsym(3) itself may ask for memory, before malloc(3) is found: it gets some from here. */
static union {
	max_align_t align;
	char bytes[4096];
} first_memory;
static size_t first_memory_used;

static void *first_alloc(size_t size)
{
	size_t at = first_memory_used;

	if (size > sizeof(first_memory) - at)
		return NULL;
	first_memory_used += (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
	return first_memory.bytes + at;
}

static bool is_first(const void *p)
{
	uintptr_t at = (uintptr_t)p, start = (uintptr_t)&first_memory;

	return at >= start && at < start + sizeof(first_memory);
}

static struct {
	__typeof__(&malloc) malloc;
	__typeof__(&calloc) calloc;
	__typeof__(&realloc) realloc;
	__typeof__(&free) free;
	bool looking;
} next;

/* False while they are looked up. */
static bool next_ready(void)
{
	if (next.free)
		return true;
	if (next.looking)
		return false;
	next.looking = true;
	next.malloc = NEXT(malloc);
	next.calloc = NEXT(calloc);
	next.realloc = NEXT(realloc);
	next.free = NEXT(free);
	return true;
}

static bool fails(void)
{
	bool failing;

	if (!memory.armed)
		return false;
	memory.calls++;
	failing = memory.fail_at && (memory.for_good ? memory.calls >= memory.fail_at
						     : memory.calls == memory.fail_at);
	if (failing) {
		memory.failed++;
		errno = ENOMEM;
	}
	return failing;
}

static void *count(void *p)
{
	if (memory.armed && p)
		memory.blocks++;
	return p;
}

void *malloc(size_t size)
{
	if (!next_ready())
		return first_alloc(size);
	return fails() ? NULL : count(next.malloc(size));
}

void *calloc(size_t n, size_t size)
{
	if (!next_ready())
		return first_alloc(n * size);
	return fails() ? NULL : count(next.calloc(n, size));
}

void *realloc(void *p, size_t size)
{
	if (!next_ready() || is_first(p))
		abort();
	if (fails())
		return NULL;
	return p ? next.realloc(p, size) : count(next.realloc(p, size));
}

/* The sanitizer's own would not come by here. */
void *reallocarray(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(p, bytes);
}

char *strndup(const char *text, size_t max)
{
	size_t len = strnlen(text, max);
	char *copy = malloc(len + 1);

	if (!copy)
		return NULL;
	copy[len] = '\0';
	return memcpy(copy, text, len);
}

char *strdup(const char *text)
{
	return strndup(text, strlen(text));
}

void free(void *p)
{
	if (!p || is_first(p) || !next_ready())
		return;
	if (memory.armed)
		memory.blocks--;
	next.free(p);
}

static void arm(unsigned long fail_at, bool for_good)
{
	memory.calls = memory.failed = 0;
	memory.fail_at = fail_at;
	memory.for_good = for_good;
	memory.blocks = 0;
	memory.armed = true;
}

static void disarm(void)
{
	memory.armed = false;
}

/* A world of two files and of every name. */

static int world_read(void *userdata __attribute__((unused)), const char *path, char **ret_text,
		      size_t *ret_size, char **reterr_why)
{
	static const char text[] = "deny to 10.0.0.0/8\n";
	char *copy;

	if (strcmp(path, "included")) {
		*reterr_why = strdup("it is not for you");
		return *reterr_why ? -EACCES : -ENOMEM;
	}
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	*ret_text = copy;
	*ret_size = strlen(text);
	return 0;
}

static int world_expand(void *userdata __attribute__((unused)),
			const char *includer __attribute__((unused)), const char *pattern,
			char ***ret_paths, size_t *ret_n)
{
	_cleanup_free_ char **paths = calloc(1, sizeof(*paths));

	if (!paths)
		return -ENOMEM;
	paths[0] = strdup(pattern);
	if (!paths[0])
		return -ENOMEM;
	*ret_paths = TAKE_PTR(paths);
	*ret_n = 1;
	return 0;
}

static int world_same(void *userdata __attribute__((unused)), const char *a, const char *b)
{
	return !strcmp(a, b);
}

static int world_id(void *userdata __attribute__((unused)), const char *name, uint32_t *ret_id)
{
	if (!strcmp(name, "nobody-here"))
		return -ENOENT;
	*ret_id = (uint32_t)name[0];
	return 0;
}

static const struct policy_source source = {
	.read = world_read,
	.expand = world_expand,
	.same = world_same,
	.user = world_id,
	.group = world_id,
};

/*
 * The work that is done while memory runs out: 0 or -errno, with nothing kept;
 * -EBADE where an output was touched by what failed. Outputs begin as `untouched`.
 */

static const char *policy_text;
static struct policy *policy;
static void *const untouched = (void *)&memory;

static int parse(void)
{
	struct policy *parsed = untouched;
	struct policy_errors errors = { 0 };
	int r = policy_parse_text("p", policy_text, strlen(policy_text), &source, &parsed, &errors);
	size_t n_errors = errors.n_items;

	policy_errors_clear(&errors);
	if (!r)
		policy_free(parsed);
	else if (parsed != untouched)
		return -EBADE;
	/* Errors and -EINVAL come together; -ENOMEM may come with those found before. */
	return (!r && n_errors) || (r == -EINVAL && !n_errors) ? -EBADE : r;
}

static int print(void)
{
	char *text = untouched;
	int r = policy_print(policy, &text);

	if (!r)
		free(text);
	return r && text != untouched ? -EBADE : r;
}

static int print_rule(void)
{
	char *text = untouched;
	int r = policy_print_rule(&policy->rules[policy->n_rules - 1], &text);

	if (!r)
		free(text);
	return r && text != untouched ? -EBADE : r;
}

static int compile(void)
{
	struct ruleset *ruleset = untouched;
	size_t rule = 4711;
	int r = ruleset_compile(policy, &ruleset, &rule);

	if (!r)
		ruleset_free(ruleset);
	return (r && ruleset != untouched) || rule != 4711 ? -EBADE : r;
}

/* Runs work with its allocation number `at` failing, and returns what it returned. */
static int run_out_at(int (*work)(void), unsigned long at, bool for_good)
{
	int r;

	arm(at, for_good);
	r = work();
	disarm();
	return r;
}

static void check_run_out(int (*work)(void), unsigned long at, bool for_good, int expected)
{
	const char *after = for_good ? " and all after it" : "";
	int r = run_out_at(work, at, for_good);

	if (!memory.failed)
		fail_msg("allocation %lu did not come", at);
	/* libc has its way around some; a policy that is wrong is found wrong all the same. */
	if (r != -ENOMEM && r != expected)
		fail_msg("%d when allocation %lu failed%s", r, at, after);
	if (memory.blocks)
		fail_msg("%ld blocks lost when allocation %lu failed%s", memory.blocks, at, after);
}

static void run_out(const char *what, int (*work)(void), int expected)
{
	unsigned long allocations;

	assert_int_equal(run_out_at(work, 0, false), expected);
	assert_int_equal(memory.blocks, 0);
	allocations = memory.calls;
	assert_true(allocations > 0);
	for (unsigned long at = 1; at <= allocations; at++) {
		check_run_out(work, at, false, expected);
		check_run_out(work, at, true, expected);
	}
	print_message("%s: %lu allocations\n", what, allocations);
}

static const char good[] =
	"ports 25, 465, 587\n"
	"mode audit\n"
	"reject ECONNREFUSED\n"
	"log deny, allow\n"
	"limit 7/m burst 3\n"
	"include included\n"
	"allow to 127.0.0.0/8, ::1, 192.0.2.25 port 25, 587\n"
	"deny unit a.service, b@*.service, \"c \\x22*.scope\" user root, 33, mail\n"
	"audit cgroup /, /a, /a/b*/*, \"/\\x5c#\" user root group mail, 8, 9\n"
	"deny cgroup /a/b*/*, /c unit *.scope group 8 to 0.0.0.0/0, 2001:db8::/32, ::/0\n"
	"allow\n";

static const char bad[] =
	"ports 25, 0\n"
	"mode x\n"
	"include elsewhere\n"
	"include included\n"
	"deny user nobody-here, root, root, 33 cgroup a, /b, /b\n"
	"deny cgroup /c/d unit a.service, x to ::1, 10.0.0.1/8 port 587\n"
	"deny \x01\n"
	"deny unit \"x\n"
	"deni\n";

static void test_parse(void **state __attribute__((unused)))
{
	policy_text = good;
	run_out("a policy", parse, 0);
	policy_text = bad;
	run_out("a wrong policy", parse, -EINVAL);
	policy_text = policy_builtin_text;
	run_out("the built-in policy", parse, 0);
	policy_text = "";
	run_out("no policy", parse, 0);
}

/* So many that tables grow and move, and the printed text as well. */
#define MANY_RULES 90

static char *many_rules(void)
{
	char *text = calloc(MANY_RULES, 256), *at = text;

	assert_non_null(text);
	for (int i = 0; i < MANY_RULES; i++)
		at += sprintf(at, "deny unit a%d*.service, b%d.service cgroup /c%d/d, /e%d* user %d, %d "
				  "group %d to 10.0.%d.0/24, 2001:db8:%d::/48\n",
			      i, i, i, i, i, i + 1, i, i, i);
	return text;
}

static struct policy *read_policy(const char *text)
{
	struct policy_errors errors = { 0 };
	struct policy *parsed = NULL;

	if (policy_parse_text("p", text, strlen(text), &source, &parsed, &errors))
		fail_msg("%s", errors.n_items ? errors.items[0].text : "no memory");
	return parsed;
}

static void for_each_policy(const char *what, int (*work)(void))
{
	_cleanup_free_ char *many = many_rules();
	const char *const texts[] = { good, policy_builtin_text, many };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		policy = read_policy(texts[i]);
		run_out(what, work, 0);
		policy_free(TAKE_PTR(policy));
	}
}

static void test_print(void **state __attribute__((unused)))
{
	for_each_policy("print", print);
	for_each_policy("print a rule", print_rule);
}

static void test_compile(void **state __attribute__((unused)))
{
	for_each_policy("compile", compile);
}

/* That the allocator of this file is the one in use, by libc as well, and that it counts. */
static void test_allocator(void **state __attribute__((unused)))
{
	char *text = NULL;
	size_t size = 0;
	FILE *out;

	arm(0, false);
	text = strdup("x");
	disarm();
	assert_non_null(text);
	assert_int_equal(memory.calls, 1);
	assert_int_equal(memory.blocks, 1);
	free(text);

	arm(1, false);
	out = open_memstream(&text, &size);
	disarm();
	assert_null(out);
	assert_int_equal(memory.failed, 1);
	assert_int_equal(memory.blocks, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_allocator),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_compile),
	};

	return cmocka_run_group_tests_name("policy memory", tests, NULL, NULL);
}
