// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a policy says, against what the kernel then does: every condition where it
 * holds and where it does not, the order of rules, every errno, the limits of size,
 * the modes, and whose ids count.
 */
#include "fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

#define MAIL "mail.service"
#define WEB "web.service"
#define NESTED "app.slice/app-one.slice/mail.service"
#define PLAIN "docker"
#define NOT_A_UNIT "web.service/mail.service"

#define NOBODY 65534
#define UID 1234
#define GID 4321

static const char *const cgroups[] = { MAIL, WEB, MAIL "/worker", NESTED, NOT_A_UNIT,
					PLAIN "/0123", WEB "/" PLAIN };

/* One connect under the policy of its row. */
struct check {
	const char *cgroup;
	uid_t uid;
	gid_t gid;
	enum way way;
	const char *to;
	uint16_t port;
	int result;
};

#define ROOT_CONNECTS(cgroup, to, port, result) { cgroup, 0, 0, WAY_CONNECT, to, port, result }
#define CHECKS_MAX 10

struct row {
	const char *name;
	const char *policy; /* %1$s is our cgroup's name */
	struct check checks[CHECKS_MAX];
};

static const struct row rows[] = {
	{ "unit",
	  "allow unit mail.service",
	  {
		  ROOT_CONNECTS(MAIL, NET_OUTSIDE4, 25, 0),
		  ROOT_CONNECTS(MAIL, NET_OUTSIDE6, 25, 0),
		  ROOT_CONNECTS(MAIL "/worker", NET_OUTSIDE4, 25, 0),
		  ROOT_CONNECTS(NESTED, NET_OUTSIDE4, 25, 0),
		  ROOT_CONNECTS(WEB, NET_OUTSIDE4, 25, EPERM),
		  ROOT_CONNECTS(NOT_A_UNIT, NET_OUTSIDE4, 25, EPERM),
		  ROOT_CONNECTS("", NET_OUTSIDE4, 25, EPERM),
	  } },
	{ "unit that is no unit of systemd's",
	  "allow unit docker",
	  {
		  ROOT_CONNECTS(PLAIN, NET_OUTSIDE4, 25, 0),
		  ROOT_CONNECTS(PLAIN "/0123", NET_OUTSIDE6, 25, 0),
		  ROOT_CONNECTS(WEB "/" PLAIN, NET_OUTSIDE4, 25, EPERM),
		  ROOT_CONNECTS(WEB, NET_OUTSIDE4, 25, EPERM),
		  ROOT_CONNECTS("", NET_OUTSIDE4, 25, EPERM),
	  } },
	{ "cgroup",
	  "allow cgroup /%1$s/mail.service",
	  {
		  ROOT_CONNECTS(MAIL, NET_OUTSIDE4, 25, 0),
		  ROOT_CONNECTS(MAIL, NET_OUTSIDE6, 25, 0),
		  ROOT_CONNECTS(MAIL "/worker", NET_OUTSIDE4, 25, 0),
		  ROOT_CONNECTS(NESTED, NET_OUTSIDE4, 25, EPERM),
		  ROOT_CONNECTS(WEB, NET_OUTSIDE4, 25, EPERM),
		  ROOT_CONNECTS(NOT_A_UNIT, NET_OUTSIDE4, 25, EPERM),
		  ROOT_CONNECTS("", NET_OUTSIDE4, 25, EPERM),
	  } },
	{ "cgroup /",
	  "allow cgroup /",
	  {
		  ROOT_CONNECTS("", NET_OUTSIDE4, 25, 0),
		  ROOT_CONNECTS(WEB, NET_OUTSIDE6, 25, 0),
	  } },
	{ "user",
	  "allow user 1234",
	  {
		  { WEB, UID, 0, WAY_CONNECT, NET_OUTSIDE4, 25, 0 },
		  { WEB, UID, 0, WAY_CONNECT, NET_OUTSIDE6, 25, 0 },
		  { WEB, UID + 1, 0, WAY_CONNECT, NET_OUTSIDE4, 25, EPERM },
		  { WEB, 0, UID, WAY_CONNECT, NET_OUTSIDE4, 25, EPERM },
		  { WEB, 0, 0, WAY_CONNECT, NET_OUTSIDE4, 25, EPERM },
	  } },
	{ "group",
	  "allow group 4321",
	  {
		  { WEB, 0, GID, WAY_CONNECT, NET_OUTSIDE4, 25, 0 },
		  { WEB, UID, GID, WAY_CONNECT, NET_OUTSIDE6, 25, 0 },
		  { WEB, 0, GID + 1, WAY_CONNECT, NET_OUTSIDE4, 25, EPERM },
		  { WEB, GID, 0, WAY_CONNECT, NET_OUTSIDE4, 25, EPERM },
	  } },
	{ "to, addresses",
	  "allow to 192.0.2.1, 2001:db8::1",
	  {
		  ROOT_CONNECTS(WEB, NET_OUTSIDE4, 25, 0),
		  ROOT_CONNECTS(WEB, "::ffff:" NET_OUTSIDE4, 25, 0),
		  ROOT_CONNECTS(WEB, NET_OUTSIDE6, 25, 0),
		  ROOT_CONNECTS(WEB, NET_OUTSIDE4_OTHER, 25, EPERM),
		  ROOT_CONNECTS(WEB, "::ffff:" NET_OUTSIDE4_OTHER, 25, EPERM),
		  ROOT_CONNECTS(WEB, "2001:db8::2", 25, EPERM),
	  } },
	{ "to, prefixes",
	  "allow to 203.0.113.8/31, 2001:db8::/64",
	  {
		  ROOT_CONNECTS(WEB, NET_OUTSIDE4_OTHER, 25, 0),
		  ROOT_CONNECTS(WEB, NET_OUTSIDE6, 25, 0),
		  ROOT_CONNECTS(WEB, "203.0.113.10", 25, EPERM),
		  ROOT_CONNECTS(WEB, "203.0.113.7", 25, EPERM),
		  ROOT_CONNECTS(WEB, "2001:db8:1::9", 25, EPERM),
	  } },
	{ "to, one prefix in the other",
	  "allow to 192.0.2.1\ndeny to 192.0.2.0/24\nallow to 0.0.0.0/0",
	  {
		  ROOT_CONNECTS(WEB, NET_OUTSIDE4, 25, 0),
		  ROOT_CONNECTS(WEB, "192.0.2.77", 25, EPERM),
		  ROOT_CONNECTS(WEB, NET_OUTSIDE4_OTHER, 25, 0),
		  ROOT_CONNECTS(WEB, NET_OUTSIDE6, 25, EPERM),
	  } },
	{ "to, a shorter prefix that is named first",
	  "deny to 192.0.2.0/24\nallow to 192.0.2.1, 203.0.113.9",
	  {
		  ROOT_CONNECTS(WEB, NET_OUTSIDE4, 25, EPERM),
		  ROOT_CONNECTS(WEB, NET_OUTSIDE4_OTHER, 25, 0),
	  } },
	{ "::/0 is IPv6 alone",
	  "allow to ::/0",
	  {
		  ROOT_CONNECTS(WEB, NET_OUTSIDE6, 25, 0),
		  ROOT_CONNECTS(WEB, "::1", 25, 0),
		  ROOT_CONNECTS(WEB, NET_OUTSIDE4, 25, EPERM),
		  ROOT_CONNECTS(WEB, "::ffff:" NET_OUTSIDE4, 25, EPERM),
		  ROOT_CONNECTS(WEB, "127.0.0.1", 25, EPERM),
	  } },
	{ "0.0.0.0/0 is IPv4 alone",
	  "allow to 0.0.0.0/0",
	  {
		  ROOT_CONNECTS(WEB, NET_OUTSIDE4, 25, 0),
		  ROOT_CONNECTS(WEB, "::ffff:" NET_OUTSIDE4, 25, 0),
		  ROOT_CONNECTS(WEB, NET_OUTSIDE6, 25, EPERM),
		  ROOT_CONNECTS(WEB, "::1", 25, EPERM),
	  } },
	{ "0.0.0.0 and :: are this host",
	  "allow to 127.0.0.1",
	  {
		  ROOT_CONNECTS(WEB, "127.0.0.1", 25, 0),
		  ROOT_CONNECTS(WEB, "0.0.0.0", 25, 0),
		  ROOT_CONNECTS(WEB, "::ffff:0.0.0.0", 25, 0),
		  ROOT_CONNECTS(WEB, "127.0.0.2", 25, EPERM),
		  ROOT_CONNECTS(WEB, "::1", 25, EPERM),
		  ROOT_CONNECTS(WEB, "::", 25, EPERM),
		  { WEB, 0, 0, WAY_BOUND_MAPPED, "::", 25, 0 },
	  } },
	{ ":: is ::1",
	  "allow to ::1",
	  {
		  ROOT_CONNECTS(WEB, "::1", 25, 0),
		  ROOT_CONNECTS(WEB, "::", 25, 0),
		  ROOT_CONNECTS(WEB, "0.0.0.0", 25, EPERM),
		  { WEB, 0, 0, WAY_BOUND_MAPPED, "::", 25, EPERM },
	  } },
	{ "port",
	  "ports 25, 2500, 2501\nallow port 2500",
	  {
		  ROOT_CONNECTS(WEB, NET_OUTSIDE4, 2500, 0),
		  ROOT_CONNECTS(WEB, NET_OUTSIDE6, 2500, 0),
		  ROOT_CONNECTS(WEB, NET_OUTSIDE4, 25, EPERM),
		  ROOT_CONNECTS(WEB, NET_OUTSIDE6, 2501, EPERM),
		  ROOT_CONNECTS(WEB, NET_OUTSIDE4, 2502, 0),
	  } },
	{ "five conditions together, each of them failing once: unit",
	  "ports 25, 2500\n"
	  "allow unit mail.service user 1234 group 4321 to 192.0.2.1 port 25",
	  {
		  { MAIL, UID, GID, WAY_CONNECT, NET_OUTSIDE4, 25, 0 },
		  { WEB, UID, GID, WAY_CONNECT, NET_OUTSIDE4, 25, EPERM },
		  { MAIL, UID + 1, GID, WAY_CONNECT, NET_OUTSIDE4, 25, EPERM },
		  { MAIL, UID, GID + 1, WAY_CONNECT, NET_OUTSIDE4, 25, EPERM },
		  { MAIL, UID, GID, WAY_CONNECT, NET_OUTSIDE4_OTHER, 25, EPERM },
		  { MAIL, UID, GID, WAY_CONNECT, NET_OUTSIDE4, 2500, EPERM },
	  } },
	{ "five conditions together, each of them failing once: cgroup",
	  "ports 25, 2500\n"
	  "allow port 25 to 2001:db8::/32 group 4321 user 1234 cgroup /%1$s/mail.service",
	  {
		  { MAIL, UID, GID, WAY_CONNECT, NET_OUTSIDE6, 25, 0 },
		  { NESTED, UID, GID, WAY_CONNECT, NET_OUTSIDE6, 25, EPERM },
		  { MAIL, UID + 1, GID, WAY_CONNECT, NET_OUTSIDE6, 25, EPERM },
		  { MAIL, UID, GID + 1, WAY_CONNECT, NET_OUTSIDE6, 25, EPERM },
		  { MAIL, UID, GID, WAY_CONNECT, NET_OUTSIDE4, 25, EPERM },
		  { MAIL, UID, GID, WAY_CONNECT, NET_OUTSIDE6, 2500, EPERM },
	  } },
	{ "unit and cgroup: both must hold",
	  "allow unit mail.service cgroup /%1$s/app.slice",
	  {
		  ROOT_CONNECTS(NESTED, NET_OUTSIDE4, 25, 0),
		  ROOT_CONNECTS(MAIL, NET_OUTSIDE4, 25, EPERM),
		  ROOT_CONNECTS(WEB, NET_OUTSIDE4, 25, EPERM),
	  } },
	{ "the first rule wins: deny",
	  "deny unit mail.service\nallow",
	  {
		  ROOT_CONNECTS(MAIL, NET_OUTSIDE4, 25, EPERM),
		  ROOT_CONNECTS(WEB, NET_OUTSIDE4, 25, 0),
	  } },
	{ "the first rule wins: allow",
	  "allow unit mail.service\ndeny cgroup /%1$s\nallow",
	  {
		  ROOT_CONNECTS(MAIL, NET_OUTSIDE4, 25, 0),
		  ROOT_CONNECTS(WEB, NET_OUTSIDE4, 25, EPERM),
	  } },
	{ "no rule at all",
	  "ports 25",
	  {
		  ROOT_CONNECTS(MAIL, NET_OUTSIDE4, 25, EPERM),
		  ROOT_CONNECTS(MAIL, "127.0.0.1", 25, EPERM),
		  ROOT_CONNECTS(MAIL, NET_OUTSIDE4, 26, 0),
	  } },
#define REJECT(name)                                                             \
	{ "reject " #name,                                                       \
	  "reject " #name "\nallow unit mail.service",                           \
	  {                                                                      \
		  ROOT_CONNECTS(WEB, NET_OUTSIDE4, 25, name),                    \
		  ROOT_CONNECTS(WEB, NET_OUTSIDE6, 25, name),                    \
		  ROOT_CONNECTS(WEB, "::ffff:" NET_OUTSIDE4, 25, name),          \
		  { WEB, 0, 0, WAY_AGAIN, NET_OUTSIDE4, 25, name },              \
		  { WEB, 0, 0, WAY_NONBLOCK, NET_OUTSIDE4, 25, name },           \
		  { WEB, 0, 0, WAY_FASTOPEN, NET_OUTSIDE4, 25, name },           \
		  { WEB, 0, 0, WAY_URING, NET_OUTSIDE6, 25, name },              \
		  ROOT_CONNECTS(WEB, NET_OUTSIDE4, 26, 0),                       \
		  ROOT_CONNECTS(MAIL, NET_OUTSIDE4, 25, 0),                      \
	  } }
	REJECT(EPERM),	      REJECT(EACCES),	   REJECT(ECONNREFUSED),
	REJECT(EHOSTUNREACH), REJECT(ENETUNREACH), REJECT(ETIMEDOUT),
};

static void run_check(const char *name, const struct check *check)
{
	struct attempt connect = { check->way, check->to, check->port };
	int result = child_run(CHILD(.cgroup = check->cgroup, .uid = check->uid,
				     .egid = check->gid, .groups = (gid_t[]){ NOBODY },
				     .n_groups = 1),
			       attempt, &connect);

	if (result < 0)
		fixture_skip_as(name, "this kernel has no such way: %s", strerror(-result));
	if (result != check->result)
		fail_msg("%s: '%s' as %u:%u to %s port %u: %s, not %s", name, check->cgroup,
			 check->uid, check->gid, check->to, check->port, strerror(result),
			 strerror(check->result));
}

static void make_cgroups(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(cgroups); i++)
		cgroup_make(cgroups[i]);
}

static bool asks_reject(const char *policy)
{
	return !strncmp(policy, "reject ", 7) && strncmp(policy, "reject EPERM\n", 13) != 0;
}

/* What a kernel without it is promised: the load says so, and changes nothing. */
static void assert_reject_is_refused(const char *policy)
{
	policy_load("deny\n");
	assert_int_equal(policy_load_file(policy_write("%s", policy)), 1);
	assert_non_null(strstr(run.err, "needs Linux 5.18 or newer"));
	assert_int_equal(smtpward("status", "--pins", fixture.pins, NULL), 0);
	assert_int_equal(attempt_in(MAIL, NET_OUTSIDE4, 25), EPERM);
	assert_int_equal(attempt_in(MAIL, NET_OUTSIDE6, 25), EPERM);
}

/* Once for cgroups that were there before the policy, once for ones that come later. */
static void test_row(void **state)
{
	const struct row *row = *state;

	make_cgroups();
	if (asks_reject(row->policy) && !reject_is_there()) {
		assert_reject_is_refused(row->policy);
		return;
	}
	policy_load(row->policy, fixture.name);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < CHECKS_MAX && row->checks[i].to; i++)
			run_check(row->name, &row->checks[i]);
		cgroup_remove("");
		make_cgroups();
	}
}

static void test_256_rules(void **state)
{
	static char text[32768];
	int used = 0;

	make_cgroups();
	for (int i = 0; i < 255; i++)
		used += snprintf(text + used, sizeof(text) - (size_t)used,
				 "deny unit u%d.service to 198.18.0.%d user %d\n", i, i, 5000 + i);
	snprintf(text + used, sizeof(text) - (size_t)used,
		 "allow unit mail.service to 192.0.2.1\nlog deny, allow\n");
	policy_load("%s", text);
	assert_int_equal(attempt_in(MAIL, NET_OUTSIDE4, 25), 0);
	assert_int_equal(attempt_in(MAIL, NET_OUTSIDE4_OTHER, 25), EPERM);
	assert_int_equal(attempt_in(WEB, NET_OUTSIDE4, 25), EPERM);
	policy_load("%sdeny\n", strchr(text, '\n') + 1);
	assert_int_equal(attempt_in(MAIL, NET_OUTSIDE4, 25), 0);
}

static void test_256th_rule_in_the_line(void **state)
{
	_cleanup_(log_close) struct log log;
	static char text[8192];
	struct line line;
	int used = 0;

	make_cgroups();
	for (int i = 0; i < 255; i++)
		used += snprintf(text + used, sizeof(text) - (size_t)used, "allow user %d\n",
				 5000 + i);
	policy_load("%sdeny unit web.service\n", text);
	assert_int_equal(attempt_in(WEB, NET_OUTSIDE4, 25), EPERM);
	assert_int_equal(attempt_in(MAIL, NET_OUTSIDE4, 25), EPERM);
	log_start(&log, LOG_STDERR);
	line_read(log_line(&log, "verdict=", 0), &line);
	line_assert(&line, "rule", "256");
	line_read(log_line(&log, "verdict=", 1), &line);
	line_assert(&line, "rule", "default");
	log_end(&log, SIGTERM);
}

static void test_16_ports(void **state)
{
	make_cgroups();
	policy_load("ports 25, 2501, 2502, 2503, 2504, 2505, 2506, 2507, 2508, 2509, 2510, 2511, "
		    "2512, 2513, 2514, 2515\nallow unit mail.service\nallow port 2515, 2508\n");
	for (uint16_t port = 2500; port <= 2515; port++) {
		bool open = port == 2500 || port == 2508 || port == 2515;

		assert_int_equal(attempt_in(WEB, NET_OUTSIDE4, port), open ? 0 : EPERM);
		assert_int_equal(attempt_in(WEB, NET_OUTSIDE6, port), open ? 0 : EPERM);
		assert_int_equal(attempt_in(MAIL, NET_OUTSIDE4, port), 0);
	}
	assert_int_equal(attempt_in(WEB, NET_OUTSIDE4, 25), EPERM);
}

static void test_audit_rule(void **state)
{
	_cleanup_(log_close) struct log log;
	struct line line;

	make_cgroups();
	policy_load("audit unit web.service\nallow unit mail.service\n");
	assert_int_equal(attempt_in(WEB, NET_OUTSIDE4, 25), 0);
	assert_int_equal(attempt_in(MAIL, NET_OUTSIDE4, 25), 0);
	assert_int_equal(attempt_in("", NET_OUTSIDE4, 25), EPERM);
	assert_int_equal(status_counter("audited"), 1);
	assert_int_equal(status_counter("allowed"), 1);
	assert_int_equal(status_counter("denied"), 1);
	log_start(&log, LOG_STDERR);
	line_read(log_line(&log, "verdict=", 0), &line);
	line_assert(&line, "verdict", "audit");
	line_assert(&line, "rule", "1");
	line_assert(&line, "unit", WEB);
	line_read(log_line(&log, "verdict=", 1), &line);
	line_assert(&line, "verdict", "deny");
	log_end(&log, SIGTERM);
	assert_int_equal(log_count(&log, "verdict="), 2);
}

static void test_mode_audit(void **state)
{
	_cleanup_(log_close) struct log log;
	struct line line;

	make_cgroups();
	policy_load("mode audit\nallow unit mail.service\ndeny unit web.service\n");
	assert_int_equal(attempt_in(WEB, NET_OUTSIDE4, 25), 0);
	assert_int_equal(attempt_in("", NET_OUTSIDE6, 25), 0);
	assert_int_equal(attempt_in(MAIL, NET_OUTSIDE4, 25), 0);
	assert_int_equal(status_counter("audited"), 2);
	assert_int_equal(status_counter("denied"), 0);
	log_start(&log, LOG_STDERR);
	line_read(log_line(&log, "verdict=", 0), &line);
	line_assert(&line, "verdict", "audit");
	line_assert(&line, "rule", "2");
	line_read(log_line(&log, "verdict=", 1), &line);
	line_assert(&line, "verdict", "audit");
	line_assert(&line, "rule", "default");
	line_assert(&line, "dst", NET_OUTSIDE6);
	log_end(&log, SIGTERM);
	assert_int_equal(log_count(&log, "verdict="), 2);
}

static void test_log_setting(void **state)
{
	_cleanup_(log_close) struct log log;
	struct line line;

	make_cgroups();
	policy_load("log allow\nallow unit mail.service\naudit unit web.service\n");
	assert_int_equal(attempt_in(WEB, NET_OUTSIDE4, 25), 0);
	assert_int_equal(attempt_in("", NET_OUTSIDE4, 25), EPERM);
	assert_int_equal(attempt_in(MAIL, NET_OUTSIDE4, 25), 0);
	log_start(&log, LOG_STDERR);
	line_read(log_line(&log, "verdict=", 0), &line);
	line_assert(&line, "verdict", "allow");
	line_assert(&line, "rule", "1");
	log_end(&log, SIGTERM);
	assert_int_equal(log_count(&log, "verdict="), 1);
}

/* The effective id decides, not the real one. */
static void test_effective_user(void **state)
{
	struct attempt connect = { WAY_CONNECT, NET_OUTSIDE4, 25 };
	const struct child *child = CHILD(.cgroup = WEB, .euid = UID);

	make_cgroups();
	policy_load("allow user %d\n", UID);
	assert_int_equal(child_run(child, attempt, &connect), 0);
	policy_load("allow user 0\n");
	assert_int_equal(child_run(child, attempt, &connect), EPERM);
	assert_int_equal(child_run(CHILD_IN(WEB), attempt, &connect), 0);
}

static void test_supplementary_group(void **state)
{
	struct attempt connect = { WAY_CONNECT, NET_OUTSIDE4, 25 };
	const gid_t groups[] = { GID };

	make_cgroups();
	policy_load("allow group %d\n", GID);
	assert_int_equal(child_run(CHILD(.cgroup = WEB, .egid = NOBODY, .groups = groups,
					 .n_groups = 1),
				   attempt, &connect),
			 EPERM);
	assert_int_equal(child_run(CHILD(.cgroup = WEB, .egid = GID), attempt, &connect), 0);
}

/* As uid 1234 of the host it becomes root of a user namespace of its own. */
static int connect_as_contained_root(void *userdata)
{
	_cleanup_close_ int fd = -1;

	/* Who changed its ids is not dumpable, and its files in /proc are root's. */
	prctl(PR_SET_DUMPABLE, 1);
	if (unshare(CLONE_NEWUSER))
		return -errno;
	fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0 1234 1", 8) != 8)
		return -errno;
	return geteuid() ? EBADE : attempt(userdata);
}

static void test_contained_root(void **state)
{
	struct attempt connect = { WAY_CONNECT, NET_OUTSIDE4, 25 };
	const struct child *child = CHILD(.cgroup = WEB, .uid = UID, .egid = GID);
	int result;

	make_cgroups();
	policy_load("allow user 0\n");
	result = child_run(child, connect_as_contained_root, &connect);
	if (result < 0)
		fixture_skip("no user namespace: %s", strerror(-result));
	assert_int_equal(result, EPERM);
	policy_load("allow user %d\n", UID);
	assert_int_equal(child_run(child, connect_as_contained_root, &connect), 0);
}

static int tests(void)
{
	const struct CMUnitTest others[] = {
		cmocka_unit_test_teardown(test_256_rules, fixture_tidy),
		cmocka_unit_test_teardown(test_256th_rule_in_the_line, fixture_tidy),
		cmocka_unit_test_teardown(test_16_ports, fixture_tidy),
		cmocka_unit_test_teardown(test_audit_rule, fixture_tidy),
		cmocka_unit_test_teardown(test_mode_audit, fixture_tidy),
		cmocka_unit_test_teardown(test_log_setting, fixture_tidy),
		cmocka_unit_test_teardown(test_effective_user, fixture_tidy),
		cmocka_unit_test_teardown(test_supplementary_group, fixture_tidy),
		cmocka_unit_test_teardown(test_contained_root, fixture_tidy),
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
	return cmocka_run_group_tests_name("conditions", tests, fixture_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
