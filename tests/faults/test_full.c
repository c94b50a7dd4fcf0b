// SPDX-License-Identifier: GPL-2.0-only
/*
 * More cgroups than the tracker holds: nothing passes that did not, other ports are
 * never touched, and status says what is full.
 */
#include "fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <bpf/bpf.h>

static unsigned int max_entries(const char *pin)
{
	_cleanup_close_ int fd = bpf_pin_open(pin);
	struct bpf_map_info info = { 0 };
	__u32 size = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
	return info.max_entries;
}

static void make_many(int parent_fd, unsigned int from, unsigned int to)
{
	for (unsigned int i = from; i < to; i++) {
		char name[32];

		snprintf(name, sizeof(name), "bad-%u", i);
		if (mkdirat(parent_fd, name, 0755))
			fail_msg("cannot make cgroup %s: %s", name, strerror(errno));
	}
}

static void test_more_cgroups_than_fit(void **state)
{
	_cleanup_close_ int many = -1;
	unsigned int room;
	char last[64];

	cgroup_make("many");
	cgroup_make("other");
	policy_load("deny cgroup /%s/many/bad-*\nallow user 0\n", fixture.name);
	assert_int_equal(attempt_in("other", "192.0.2.1", 25), 0);
	room = max_entries("policy/map_cgroups") - bpf_count_cgroups();
	many = cgroup_open("many", false);
	make_many(many, 0, room + 10);
	snprintf(last, sizeof(last), "many/bad-%u", room + 9);

	assert_true(status_counter("cgroups_full") >= 10);
	/* It has an entry, it has none, it never needed one: the rule may be about each. */
	assert_int_equal(attempt_in("many/bad-0", "192.0.2.1", 25), EPERM);
	assert_int_equal(attempt_in(last, "192.0.2.1", 25), EPERM);
	assert_int_equal(attempt_in(last, "2001:db8::1", 25), EPERM);
	assert_int_equal(attempt_in("other", "192.0.2.1", 25), EPERM);
	assert_int_equal(status_counter("cgroup_unsure"), 3);
	assert_int_equal(attempt_in(last, "192.0.2.1", 26), 0);
	assert_int_equal(attempt_in("other", "2001:db8::1", 587), 0);

	/* The next load makes the room that is needed now. */
	policy_load("deny cgroup /%s/many/bad-*\nallow user 0\n", fixture.name);
	assert_int_equal(attempt_in(last, "192.0.2.1", 25), EPERM);
	assert_int_equal(attempt_in("other", "192.0.2.1", 25), 0);
	cgroup_remove("many");
	assert_int_equal(bpf_stale_cgroups(), 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, fixture_tidy)

static int tests(void)
{
	const struct CMUnitTest all[] = {
		TEST(test_more_cgroups_than_fit),
	};

	return cmocka_run_group_tests_name("full tables", all, fixture_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
