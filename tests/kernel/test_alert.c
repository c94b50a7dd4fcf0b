// SPDX-License-Identifier: GPL-2.0-only
/*
 * The setting `alert`: one alert about a user of a tenant who made more attempts than it allows,
 * with the sum, the destination of most of them and the script; one when that is over.
 */
#include "fixture.h"
#include "fixture_service.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#define MORE "alert=\"more than "

/* An alert comes at most 5 s after the attempt, and its test fails at three times that. */
#define IN_TIME (15000 * fixture_slow())

struct mail {
	const char *cwd; /* NULL: where it is */
	const char *to;
	unsigned int n;
};

static int send_mail(void *arg)
{
	const struct mail *mail = arg;
	const struct attempt what = { WAY_CONNECT, mail->to, 25 };

	if (mail->cwd && chdir(mail->cwd))
		return -errno;
	for (unsigned int i = 0; i < mail->n; i++) {
		int error = attempt((void *)&what);

		if (error != EPERM)
			return error ?: -1;
	}
	return 0;
}

static void send_as(uid_t uid, const char *cgroup, const char *to, unsigned int n)
{
	struct mail mail = { NULL, to, n };

	cgroup_make(cgroup);
	assert_int_equal(child_run(CHILD(.cgroup = cgroup, .euid = uid), send_mail, &mail), 0);
}

/* Until the log has looked at what was there: twice as long as between two looks. */
static void let_it_look(void)
{
	sleep(4 * fixture_slow());
}

static void test_passed(void **state)
{
	_cleanup_(log_close) struct log log = { 0 };
	char site[PATH_MAX], words[PATH_MAX + 64];
	struct mail mail = { site, NET_OUTSIDE4, 4 };
	const char *alert;
	int64_t begin;

	snprintf(site, sizeof(site), "%s/forum", fixture.dir);
	assert_int_equal(mkdir(site, 0755), 0);
	policy_load("alert 5/m\n");
	log_start(&log, LOG_FILE);
	cgroup_make("web.service");
	send_as(0, "other.service", NET_OUTSIDE4, 5);
	assert_int_equal(child_run(CHILD_IN("web.service"), send_mail, &mail), 0);
	mail = (struct mail){ site, NET_OUTSIDE4_OTHER, 2 };
	begin = clock_ms();
	assert_int_equal(child_run(CHILD_IN("web.service"), send_mail, &mail), 0);
	alert = log_line(&log, MORE, 0);
	assert_in_range(clock_ms() - begin, 0, IN_TIME);
	assert_non_null(strstr(alert, MORE "5 attempts within 1m: 6 by euid 0 of web.service, most "
					   "to 192.0.2.1 port 25 (4 since the count began); the "
					   "last by /"));
	snprintf(words, sizeof(words), " in %s as ", site);
	assert_non_null(strstr(alert, words));
	assert_non_null(strstr(alert, "test_alert\" healed=no"));
	/* Once: not again for more of them, and not for five. */
	mail.n = 20;
	assert_int_equal(child_run(CHILD_IN("web.service"), send_mail, &mail), 0);
	let_it_look();
	log_end(&log, SIGTERM);
	assert_int_equal(log_count(&log, "alert="), 1);
}

/* What the limit held back counts, and each user for himself. */
static void test_over_the_limit(void **state)
{
	_cleanup_(log_close) struct log log = { 0 };

	policy_load("limit 1/h burst 1\nalert 50/h\n");
	log_start(&log, LOG_FILE);
	send_as(1000, "web.service", NET_OUTSIDE6, 50);
	send_as(1001, "web.service", NET_OUTSIDE6, 51);
	log_line(&log,
		 MORE "50 attempts within 1h: 51 by euid 1001 of web.service, most to "
		      "2001:db8::1 port 25 (51 since the count began)",
		 0);
	let_it_look();
	log_end(&log, SIGTERM);
	assert_int_equal(log_count(&log, "alert="), 1);
}

/* The setting of the policy that is in force holds: no log has to begin anew. */
static void test_reload(void **state)
{
	_cleanup_(log_close) struct log log = { 0 };

	policy_load("alert off\n");
	log_start(&log, LOG_FILE);
	send_as(0, "web.service", NET_OUTSIDE4, 20);
	let_it_look();
	policy_load("alert 10/h\n");
	log_line(&log, MORE "10 attempts within 1h: 20 by euid 0 of web.service", 0);
	policy_load("alert 1000/h\n");
	log_line(&log,
		 "alert=\"the setting alert is another one: 1 alert about attempts has no end\" "
		 "healed=yes",
		 0);
	send_as(0, "web.service", NET_OUTSIDE4, 20);
	let_it_look();
	log_end(&log, SIGTERM);
	assert_int_equal(log_count(&log, "alert="), 2);
}

/* Who makes users makes 16 alerts at most, and takes none of another tenant's. */
static void test_users_without_end(void **state)
{
	_cleanup_(log_close) struct log log = { 0 };

	policy_load("alert 1/h\n");
	log_start(&log, LOG_FILE);
	for (uid_t uid = 2000; uid < 2040; uid++)
		send_as(uid, "bad.service", NET_OUTSIDE4, 2);
	send_as(33, "web.service", NET_OUTSIDE4, 2);
	log_line(&log, "euid 33 of web.service", 0);
	log_line(&log, "; no alert about more of its users until one of the 16 is over", 0);
	let_it_look();
	log_end(&log, SIGTERM);
	assert_int_equal(log_count(&log, MORE), 17);
	assert_int_equal(log_count(&log, "; no alert about more"), 1);
}

/* A thousand users, each once; the next one has no count of his own. */
static int send_as_many(void *arg)
{
	struct mail mail = { NULL, NET_OUTSIDE6, 1 };

	for (uid_t uid = 3000; uid <= 3000 + SMTPWARD_TENANT_USERS; uid++) {
		int r;

		if (uid == 3000 + SMTPWARD_TENANT_USERS)
			mail = (struct mail){ NULL, NET_OUTSIDE4, 4 };
		if (seteuid(0) || seteuid(uid))
			return -errno;
		r = send_mail(&mail);
		if (r)
			return r;
	}
	return 0;
}

/* Where to: of the users without a count alone, not of all the others. */
static void test_shared_count(void **state)
{
	_cleanup_(log_close) struct log log = { 0 };

	policy_load("limit 1/h burst 1\nalert 3/h\n");
	log_start(&log, LOG_FILE);
	cgroup_make("web.service");
	assert_int_equal(child_run(CHILD_IN("web.service"), send_as_many, NULL), 0);
	log_line(&log,
		 MORE "3 attempts within 1h: 4 by users without a count of their own of "
		      "web.service, most to 192.0.2.1 port 25 (4 since the count began)\"",
		 0);
	log_end(&log, SIGTERM);
	assert_int_equal(log_count(&log, "alert="), 1);
}

/* A log that is not root reads destination and program as well. */
static void test_reader(void **state)
{
	const char *load[] = { "smtpward", "load", "--pins", fixture.pins, "--cgroup", fixture.base,
			       "--reader", READER, "-c",     NULL,	   NULL };
	_cleanup_(service_close) struct service service = { 0 };

	cgroup_make("log.service");
	load[9] = policy_write("alert 3/h\n");
	if (smtpward_child(load, NULL, NULL))
		fail_msg("load: %s", run.err);
	service_start(&service, NULL);
	service_wait(service.manager, "READY=1");
	send_as(33, "web.service", NET_OUTSIDE4, 4);
	assert_non_null(strstr(service_wait(service.syslog, MORE),
			       "most to 192.0.2.1 port 25 (4 since the count began); the last "
			       "by /"));
	log_end(&service.log, SIGTERM);
}

static void test_end(void **state)
{
	_cleanup_(log_close) struct log log = { 0 };

	policy_load("alert 5/m\n");
	log_start(&log, LOG_FILE);
	send_as(0, "web.service", NET_OUTSIDE4, 6);
	log_line(&log, MORE, 0);
	send_as(0, "web.service", NET_OUTSIDE4, 2);
	assert_non_null(strstr(log_line(&log,
					"alert=\"no more than 2 attempts within 1m again: euid 0 "
					"of web.service, after 8 attempts\"",
					0),
			       "healed=yes"));
	/* It is over, and can begin again. */
	send_as(0, "web.service", NET_OUTSIDE4, 6);
	log_line(&log, MORE, 1);
	log_end(&log, SIGTERM);
}

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_passed, fixture_tidy),
		cmocka_unit_test_teardown(test_over_the_limit, fixture_tidy),
		cmocka_unit_test_teardown(test_reload, fixture_tidy),
		cmocka_unit_test_teardown(test_users_without_end, fixture_tidy),
		cmocka_unit_test_teardown(test_shared_count, fixture_tidy),
		cmocka_unit_test_teardown(test_reader, fixture_tidy),
		cmocka_unit_test_teardown(test_end, fixture_tidy),
	};

	return cmocka_run_group_tests_name("alert", tests, fixture_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
