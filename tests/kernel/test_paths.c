// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which cgroups a path or a unit name covers, as the kernel's tracker and the walk
 * at load see it: each name once made before the load and once after it.
 */
#include "fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

#define TEN "0123456789"
#define FIFTY TEN TEN TEN TEN TEN
#define LONG_240 FIFTY FIFTY FIFTY FIFTY TEN TEN TEN TEN

#define PATHS_MAX 12

struct row {
	const char *name;
	const char *rule; /* %1$s is our cgroup's name */
	const char *allowed[PATHS_MAX];
	const char *denied[PATHS_MAX];
};

static const struct row rows[] = {
	{ "unit below nested slices",
	  "allow unit mail.service",
	  { "mail.service", "a.slice/mail.service", "a.slice/a-b.slice/a-b-c.slice/mail.service",
	    "a.slice/mail.service/worker/deeper" },
	  { "mail.servic", "mail.service2", "xmail.service", "a.slice", "other.service" } },
	{ "unit name that a user can make",
	  "allow unit mail.service",
	  { "mail.service" },
	  { "user.slice/user-1000.slice/user@1000.service/mail.service",
	    "user.slice/user-1000.slice/user@1000.service/app.slice/mail.service",
	    "user.slice/user-1000.slice/user@1000.service/mail.service/mail.service",
	    "user.slice/user-1000.slice/session-1.scope/mail.service",
	    "plain/mail.service", "a.slicex/mail.service", "slice/mail.service" } },
	{ "unit with a star",
	  "allow unit postfix@*.service, docker-*.scope",
	  { "postfix@-.service", "postfix@.service", "b.slice/docker-1a2b.scope" },
	  { "postfix.service", "postfix@-.servicex", "docker.scope", "docker-1.scope2",
	    "x/docker-1.scope" } },
	{ "unit, a star alone",
	  "allow unit *",
	  { "anything", "a.slice/b.service", "anything/below" },
	  { NULL } },
	{ "unit with a star that a slice's name has as well",
	  "allow unit a*",
	  { "abc", "a.slice/a.service" },
	  { "a.slice", "a.slice/b.service", "a.slice/a-b.slice/b.service" } },
	{ "unit in one part of the tree",
	  "allow unit mail.service cgroup /%1$s/a.slice",
	  { "a.slice/mail.service", "a.slice/a-b.slice/mail.service/below" },
	  { "mail.service", "a.slice", "a.slice/x.service", "b.slice/mail.service" } },
	{ "unit by a part of it",
	  "allow unit mail.service cgroup /%1$s/mail.service/worker-*",
	  { "mail.service/worker-1", "mail.service/worker-1/below" },
	  { "mail.service", "mail.service/master", "web.service/worker-1" } },
	{ "path, a prefix",
	  "allow cgroup /%1$s/mail-*",
	  { "mail-a", "mail-", "mail-" LONG_240, "mail-a/below" },
	  { "mail", "xmail-a", "x/mail-a", "Mail-a" } },
	{ "path, a suffix",
	  "allow cgroup /%1$s/*-mail",
	  { "a-mail", "-mail", LONG_240 "-mail", "a-mail/below" },
	  { "mail", "a-mailx", "x/a-mail", "a-mai" } },
	{ "path, a star in the middle",
	  "allow cgroup /%1$s/ab*ba",
	  { "abba", "abxba", "ab" LONG_240 "ba" },
	  { "aba", "ab", "ba", "abb", "bba", "abbax", "xabba" } },
	{ "path, halves that overlap in every way",
	  "allow cgroup /%1$s/aa*aaa",
	  { "aaaaa", "aaaaaa" },
	  { "a", "aa", "aaa", "aaaa" } },
	{ "path, a star alone",
	  "allow cgroup /%1$s/*",
	  { "x", "x/y", "other.service" },
	  { "" } },
	{ "path, a star as a middle segment",
	  "allow cgroup /%1$s/*/task",
	  { "x/task", "y/task", "x/task/below" },
	  { "task", "x", "x/y/task", "x/tasks" } },
	{ "path, stars in two segments",
	  "allow cgroup /%1$s/m*/*k/exact",
	  { "m/k/exact", "mm/task/exact" },
	  { "m/k", "x/task/exact", "m/x/exact", "m/k/exac", "m/k/x/exact" } },
	{ "path, the whole name and no more",
	  "allow cgroup /%1$s/system.slice/mail.service",
	  { "system.slice/mail.service", "system.slice/mail.service/below" },
	  { "system.slice", "system.slice/mail.servic", "system.slice/mail.service2",
	    "system.slice/system.slice/mail.service", "mail.service" } },
	{ "paths that begin alike",
	  "allow cgroup /%1$s/a/b/c, /%1$s/a/d",
	  { "a/b/c", "a/d" },
	  { "a", "a/b", "a/c", "a/b/d", "d", "b/c" } },
	{ "several patterns for one name: the shorter one matches",
	  "deny cgroup /%1$s/postfix-x*y\nallow cgroup /%1$s/post*, /%1$s/*-z",
	  { "postfix-xz", "poster", "a-z", "postfix-z" },
	  { "postfix-xy", "postfix-x-y", "pos", "z" } },
	{ "several rules for one cgroup",
	  "deny cgroup /%1$s/a/*\nallow cgroup /%1$s/a",
	  { "a" },
	  { "a/b", "a/b/c", "b" } },
	{ "a name as long as a name can be",
	  "allow cgroup /%1$s/" LONG_240 "0123456789abcde",
	  { LONG_240 "0123456789abcde" },
	  { LONG_240 "0123456789abcdf", LONG_240 "0123456789abcd", LONG_240 } },
	{ "a cgroup with bytes that need quotes",
	  "allow cgroup \"/%1$s/a b\\x22\\x5c\\xff\"",
	  { "a b\"\\\xff" },
	  { "a b\"\\", "a b\"\\\xfe" } },
};

static void make_all(const struct row *row)
{
	for (size_t i = 0; i < PATHS_MAX; i++) {
		if (row->allowed[i])
			cgroup_make(row->allowed[i]);
		if (row->denied[i])
			cgroup_make(row->denied[i]);
	}
}

static void assert_verdict(const char *path, int expected, const char *when)
{
	int result = attempt_in(path, NET_OUTSIDE4, 25);

	if (result != expected)
		fail_msg("%s, made %s: %s, not %s", path, when, strerror(result),
			 strerror(expected));
}

static void assert_all(const struct row *row, const char *when)
{
	for (size_t i = 0; i < PATHS_MAX; i++) {
		if (row->allowed[i])
			assert_verdict(row->allowed[i], 0, when);
		if (row->denied[i])
			assert_verdict(row->denied[i], EPERM, when);
	}
}

static void test_row(void **state)
{
	const struct row *row = *state;

	make_all(row);
	policy_load(row->rule, fixture.name);
	assert_all(row, "before the load");
	cgroup_remove("");
	make_all(row);
	assert_all(row, "after the load");
	assert_int_equal(bpf_stale_cgroups(), 0);
}

/* A service that was never there is allowed from its first instruction. */
static void test_comes_later(void **state)
{
	policy_load("allow unit late.service\nallow cgroup /%s/not/yet/there\n", fixture.name);
	cgroup_make("late.service");
	cgroup_make("not/yet/there");
	assert_verdict("late.service", 0, "after the load");
	assert_verdict("not/yet/there", 0, "after the load");
	assert_verdict("not/yet", EPERM, "after the load");
}

#define DEEP_LEVELS 200
#define DEEP_NAME 200

static void deep_path(char *path, const char *top)
{
	size_t used = strlen(top);

	memcpy(path, top, used);
	for (int level = 0; level < DEEP_LEVELS; level++) {
		path[used++] = '/';
		memset(path + used, 'a' + level % 26, DEEP_NAME);
		used += DEEP_NAME;
	}
	path[used] = '\0';
}

/* 40,000 bytes of path: more than any buffer for a path. */
static void test_deep(void **state)
{
	static char allowed[DEEP_LEVELS * (DEEP_NAME + 1) + 16], denied[sizeof(allowed)];

	deep_path(allowed, "deep.service");
	deep_path(denied, "denied");
	for (int round = 0; round < 2; round++) {
		if (round)
			policy_load("allow unit deep.service\n");
		cgroup_make(allowed);
		cgroup_make(denied);
		if (!round)
			policy_load("allow unit deep.service\n");
		assert_int_equal(attempt_in(allowed, NET_OUTSIDE4, 25), 0);
		assert_int_equal(attempt_in(denied, NET_OUTSIDE4, 25), EPERM);
		cgroup_remove("");
	}
	assert_int_equal(bpf_stale_cgroups(), 0);
	assert_int_equal(status_counter("cgroups_full"), 0);
}

/* Every cgroup of a level at once, and each of them tracked. */
static void test_wide(void **state)
{
	char name[64];

	policy_load("allow cgroup /%s/wide/n*7\n", fixture.name);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 1000; i++) {
			snprintf(name, sizeof(name), "wide/n%d", i);
			cgroup_make(name);
		}
		assert_verdict("wide/n997", 0, "with many others");
		assert_verdict("wide/n7", 0, "with many others");
		assert_verdict("wide/n998", EPERM, "with many others");
		policy_load("allow cgroup /%s/wide/n*7\n", fixture.name);
		assert_verdict("wide/n997", 0, "before a load");
		assert_verdict("wide/n998", EPERM, "before a load");
		cgroup_remove("");
	}
}

/* Moves to a cgroup of a v1 hierarchy, then connects. */
static int connect_from_v1(void *userdata)
{
	int err = cgroup_enter_fd(*(const int *)userdata);
	struct attempt connect = { WAY_CONNECT, NET_OUTSIDE4, 25 };

	return err ? err : attempt(&connect);
}

/* The supervisor removes what is called like our cgroup from every hierarchy. */
static int make_v1(const char *mount)
{
	char path[PATH_MAX + 128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", mount, fixture.name);
	assert_true(!mkdir(path, 0755) || errno == EEXIST);
	strncat(path, "/only.service", sizeof(path) - strlen(path) - 1);
	assert_int_equal(mkdir(path, 0755), 0);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void test_v1_does_not_count(void **state)
{
	static const char *const hierarchies[] = { "name=systemd", "pids", "freezer" };
	_cleanup_close_ int v1 = -1, mount = -1;
	char path[PATH_MAX];
	size_t i = 0;

	while (i < ARRAY_SIZE(hierarchies) &&
	       !cgroup_find_mount("cgroup", hierarchies[i], path, sizeof(path)))
		i++;
	if (i == ARRAY_SIZE(hierarchies))
		fixture_skip("no v1 hierarchy is mounted");
	policy_load("allow unit only.service\nallow cgroup /%s/only.service\n", fixture.name);
	cgroup_make("plain");
	v1 = make_v1(path);
	assert_int_equal(child_run(CHILD_IN("plain"), connect_from_v1, &v1), EPERM);
	assert_int_equal(bpf_stale_cgroups(), 0);
	cgroup_make("only.service");
	assert_int_equal(attempt_in("only.service", NET_OUTSIDE4, 25), 0);
	mount = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(cgroup_empty_tree(mount, fixture.name), 0);
	assert_int_equal(attempt_in("only.service", NET_OUTSIDE4, 25), 0);
}

static int tests(void)
{
	const struct CMUnitTest others[] = {
		cmocka_unit_test_teardown(test_comes_later, fixture_tidy),
		cmocka_unit_test_teardown(test_deep, fixture_tidy),
		cmocka_unit_test_teardown(test_wide, fixture_tidy),
		cmocka_unit_test_teardown(test_v1_does_not_count, fixture_tidy),
	};
	struct CMUnitTest tests[ARRAY_SIZE(rows) + ARRAY_SIZE(others)] = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		tests[i] = (struct CMUnitTest){
			.name = rows[i].name,
			.test_func = test_row,
			.teardown_func = fixture_tidy,
			.initial_state = (void *)&rows[i],
		};
	memcpy(tests + ARRAY_SIZE(rows), others, sizeof(others));
	return cmocka_run_group_tests_name("paths", tests, fixture_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
