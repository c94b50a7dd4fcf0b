// SPDX-License-Identifier: GPL-2.0-only
/* Connects without pause, while one policy replaces another; see fixture.h. */
#include "fixture.h"

#include <sys/mman.h>

/* The time limit of an attacker, longer than other children's. */
#define FIRE_SECONDS 7200

struct fire *fire;

static struct child_handle children[FIRE_ATTACKERS + 1];
static size_t n_children;

static void count(int err, bool to_be_refused)
{
	uint64_t *counter = &fire->failed;

	if (err == EPERM)
		counter = to_be_refused ? &fire->refused_right : &fire->refused_wrong;
	else if (!err)
		counter = to_be_refused ? &fire->passed_wrong : &fire->passed_right;
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static bool stopped(void)
{
	return __atomic_load_n(&fire->stop, __ATOMIC_RELAXED);
}

/* Connects in a tight loop: refused targets on IPv4 and IPv6, and an allowed one. */
static int attack(void *arg)
{
	struct attempt refused4 = { WAY_CONNECT, NET_OUTSIDE4, 25 };
	struct attempt refused6 = { WAY_CONNECT, NET_OUTSIDE6, 25 };
	struct attempt allowed = { WAY_CONNECT, NET_OUTSIDE4_OTHER, 25 };

	alarm(FIRE_SECONDS);
	while (!stopped()) {
		for (int i = 0; i < 8; i++) {
			count(attempt(&refused4), true);
			count(attempt(&refused6), true);
		}
		count(attempt(&allowed), false);
	}
	return 0;
}

/*
 * Makes, enters and removes cgroups, an allowed one and another one in turn, with a connect from
 * each.
 */
static int churn(void *arg)
{
	struct attempt connect = { WAY_CONNECT, NET_OUTSIDE4, 25 };
	_cleanup_close_ int parent = cgroup_open("churn", false);

	alarm(FIRE_SECONDS);
	for (unsigned int i = 0; !stopped(); i++) {
		const bool to_be_refused = i & 1;
		_cleanup_close_ int fd = -1;
		char name[64], path[80];

		snprintf(name, sizeof(name), "%s-%u", to_be_refused ? "denied" : "allowed", i);
		snprintf(path, sizeof(path), "churn/%s", name);
		fd = cgroup_open(path, true);
		if (fd < 0 || cgroup_enter_fd(fd))
			return 1;
		count(attempt(&connect), to_be_refused);
		if (cgroup_enter_fd(parent) ||
		    cgroup_rmdir(parent, name, clock_ms() + FIXTURE_PATIENCE))
			return 1;
	}
	return 0;
}

void fire_setup(void)
{
	fire = mmap(NULL, sizeof(*fire), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(fire, MAP_FAILED);
}

void fire_start(unsigned int attackers, bool churns)
{
	int64_t deadline = clock_ms() + FIXTURE_PATIENCE;

	assert_true(attackers && attackers <= FIRE_ATTACKERS);
	memset(fire, 0, sizeof(*fire));
	cgroup_make("other");
	cgroup_make("churn");
	n_children = 0;
	while (n_children < attackers)
		children[n_children++] = child_start(CHILD_IN("other"), attack, NULL);
	if (churns)
		children[n_children++] = child_start(CHILD_IN("churn"), churn, NULL);
	while (!__atomic_load_n(&fire->refused_right, __ATOMIC_RELAXED))
		assert_true(pause_until(deadline));
}

void fire_end(void)
{
	__atomic_store_n(&fire->stop, true, __ATOMIC_RELAXED);
	for (size_t i = 0; i < n_children; i++)
		assert_int_equal(child_wait(&children[i]), 0);
	assert_int_equal(fire->passed_wrong, 0);
	assert_int_equal(fire->refused_wrong, 0);
	assert_int_equal(fire->failed, 0);
	assert_true(fire->passed_right > 0);
}
