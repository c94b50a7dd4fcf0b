// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rules that are suggested: the narrowest, where they have to stand, what is doubted; and that a
 * policy takes what is written, whatever the names are.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ask/suggest.h"
#include "base/cleanup.h"
#include "base/macro.h"
#include "base/mapped.h"
#include "cli/say_suggest.h"

/* A report as long as one test. */
static struct {
	struct report_tenant tenants[8];
	struct report_row rows[64];
	struct report report;
	struct policy *policy;
	struct smtpward_rule_info infos[8];
	struct suggest suggest;
} given;

static const struct report_tenant *tenant(const char *unit, const char *cgroup)
{
	struct report_tenant *added = &given.tenants[given.report.n_tenants++];

	assert_in_range(given.report.n_tenants, 1, ARRAY_SIZE(given.tenants));
	*added = (struct report_tenant){
		.cgroup_id = given.report.n_tenants,
		.unit = (char *)unit,
		.cgroup = (char *)cgroup,
	};
	return added;
}

static struct report_row *row(const struct report_tenant *of, uint32_t euid, const char *user,
			      const char *to, uint16_t port, uint64_t attempts)
{
	struct report_row *added = &given.rows[given.report.n_rows++];

	assert_in_range(given.report.n_rows, 1, ARRAY_SIZE(given.rows));
	*added = (struct report_row){
		.kind = REPORT_ROW,
		.tenant = of,
		.euid = euid,
		.user = (char *)user,
		.rule = REPORT_RULE_DEFAULT,
		.port = port,
		.attempts[SMTPWARD_AUDIT] = attempts,
		.total = attempts,
		.first = attempts * 1000000000,
		.last = 2 * attempts * 1000000000,
		.exe = (char *)"/usr/sbin/exim4",
		.cwd = (char *)"/",
	};
	if (inet_pton(AF_INET6, to, added->address) != 1) {
		mapped_begin(added->address);
		assert_int_equal(inet_pton(AF_INET, to, added->address + MAPPED_BYTES), 1);
	}
	return added;
}

/* Of users: what lies below a folder of theirs, by its name. */
static enum writable writable(void *userdata, const char *path, uint32_t uid)
{
	char home[32];

	snprintf(home, sizeof(home), "/srv/%u/", uid);
	if (!strncmp(path, home, strlen(home)))
		return WRITABLE_USER;
	if (!strncmp(path, "/gone/", 6))
		return WRITABLE_UNKNOWN;
	return strncmp(path, "/srv/", 5) ? WRITABLE_ROOT : WRITABLE_OTHERS;
}

static bool unit_is_roots(void *userdata, const char *unit)
{
	return strcmp(unit, "strange.service") != 0;
}

/* Every user is there. */
static int user_of(void *userdata, const char *name, uint32_t *ret_id)
{
	*ret_id = 1;
	return 0;
}

static struct policy *parse(const char *text)
{
	static const struct policy_source users = { .user = user_of };
	struct policy_errors errors = { 0 };
	struct policy *policy = NULL;

	if (policy_parse_text("p", text, strlen(text), &users, &policy, &errors))
		fail_msg("%s: %s", text, errors.n_items ? errors.items[0].text : "no memory");
	return policy;
}

/* A file behind the settings of a policy. */
static struct policy *parse_behind(const char *policy, const char *text)
{
	_cleanup_free_ char *both = NULL;

	assert_true(asprintf(&both, "%.*s\n%s", (int)strcspn(policy, "\n"), policy, text) > 0);
	return parse(both);
}

/* What is written of the report, with this policy in force. */
static const char *suggest(const char *policy)
{
	static const struct suggest_source source = { writable, unit_is_roots, NULL };
	static char text[65536];
	FILE *out = fmemopen(text, sizeof(text), "w");

	assert_non_null(out);
	policy_free(given.policy);
	given.policy = parse(policy);
	for (size_t i = 0; i < given.policy->n_rules; i++)
		snprintf(given.infos[i].file, sizeof(given.infos[i].file), "/etc/p.conf");
	given.report.rows = given.rows;
	given.report.tenants = given.tenants;
	suggest_clear(&given.suggest);
	assert_int_equal(suggest_build(&given.report, given.policy, &source, &given.suggest), 0);
	say_suggest(&given.suggest, given.infos, given.policy->n_rules, out);
	assert_int_equal(fclose(out), 0);
	policy_free(parse_behind(policy, text));
	return text;
}

static int tidy(void **state)
{
	suggest_clear(&given.suggest);
	policy_free(given.policy);
	memset(&given, 0, sizeof(given));
	return 0;
}

static void assert_rule(size_t i, const char *rule, unsigned int doubts)
{
	assert_in_range(i, 0, given.suggest.n_items - 1);
	assert_string_equal(given.suggest.items[i].rule, rule);
	assert_int_equal(given.suggest.items[i].doubts, doubts);
}

static void test_narrowest(void **state)
{
	const struct report_tenant *exim = tenant("exim4.service", "/system.slice/exim4.service");
	const struct report_tenant *lxc = tenant("lxc", "/lxc/101");
	const struct report_tenant *login =
		tenant("user-1000.slice", "/user.slice/user-1000.slice");

	row(exim, 101, "Debian-exim", "192.0.2.2", 25, 3);
	row(exim, 101, "Debian-exim", "192.0.2.1", 25, 4);
	row(exim, 101, "Debian-exim", "2001:db8::1", 25, 5);
	row(lxc, 100000, NULL, "192.0.2.9", 25, 2);
	row(login, 1000, "me", "192.0.2.9", 25, 1);
	suggest("ports 25\n");
	assert_int_equal(given.suggest.n_items, 3);
	assert_rule(
		0, "allow unit exim4.service user Debian-exim to 192.0.2.1, 192.0.2.2, 2001:db8::1",
		0);
	assert_int_equal(given.suggest.items[0].attempts, 12);
	assert_int_equal(given.suggest.items[0].destinations, 3);
	assert_int_equal(given.suggest.items[0].first, 3000000000);
	assert_int_equal(given.suggest.items[0].last, 10000000000);
	assert_rule(1, "allow cgroup /lxc/101 user 100000 to 192.0.2.9", 0);
	assert_rule(2, "allow cgroup /user.slice/user-1000.slice user me to 192.0.2.9",
		    SUGGEST_LOGIN);
}

/* Destinations with the same ports share a rule; a port that is guarded no more needs none. */
static void test_ports(void **state)
{
	const struct report_tenant *of = tenant("a.service", "/system.slice/a.service");

	row(of, 1, "u", "192.0.2.1", 25, 9);
	row(of, 1, "u", "192.0.2.1", 587, 1);
	row(of, 1, "u", "192.0.2.2", 25, 7);
	row(of, 1, "u", "192.0.2.3", 587, 1);
	row(of, 1, "u", "192.0.2.3", 25, 1);
	row(of, 1, "u", "192.0.2.4", 2525, 1);
	suggest("ports 25, 587\n");
	assert_int_equal(given.suggest.n_items, 2);
	assert_rule(0, "allow unit a.service user u to 192.0.2.1, 192.0.2.3 port 25, 587", 0);
	assert_rule(1, "allow unit a.service user u to 192.0.2.2 port 25", 0);
}

static void many(const struct report_tenant *of, const char *exe, size_t n)
{
	char to[32];

	for (size_t i = 0; i < n; i++) {
		snprintf(to, sizeof(to), "192.0.2.%zu", i);
		row(of, 101, "Debian-exim", to, 25, 1)->exe = (char *)exe;
	}
}

/* A mail service may have many destinations: program and unit are root's, the account its own. */
static void test_many(void **state)
{
	static const struct {
		const char *unit, *cgroup, *exe;
		enum container_engine engine;
		size_t n;
		unsigned int doubts;
	} rows[] = {
		{ "x.service", "/system.slice/x.service", "/usr/sbin/exim4", 0, 16, 0 },
		{ "x.service", "/system.slice/x.service", "/usr/sbin/exim4", 0, 17, 0 },
		{ "x.service", "/system.slice/x.service", "/usr/bin/php8.2", 0, 16, 0 },
		{ "x.service", "/system.slice/x.service", "/usr/bin/php8.2", 0, 17, SUGGEST_MANY },
		{ "x.service", "/system.slice/x.service", "/usr/sbin/apache2", 0, 17,
		  SUGGEST_MANY },
		{ "x.service", "/system.slice/x.service", "/usr/bin/python3.11", 0, 17,
		  SUGGEST_MANY },
		{ "x.service", "/system.slice/x.service", "/srv/2/x", 0, 17, SUGGEST_MANY },
		{ "x.service", "/system.slice/x.service", NULL, 0, 17,
		  SUGGEST_MANY | SUGGEST_EXE_UNKNOWN },
		{ "x.service", "/system.slice/x.service", "/usr/sbin/exim4", CONTAINER_PODMAN, 17,
		  SUGGEST_MANY },
		{ "strange.service", "/system.slice/strange.service", "/usr/sbin/exim4", 0, 17,
		  SUGGEST_MANY },
		{ "lxc", "/lxc/7", "/usr/sbin/exim4", 0, 17, SUGGEST_MANY },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char with_to[] = " to ";

		many(tenant(rows[i].unit, rows[i].cgroup), rows[i].exe, rows[i].n);
		given.tenants[0].container.engine = rows[i].engine;
		suggest("ports 25\n");
		assert_int_equal(given.suggest.n_items, 1);
		if (given.suggest.items[0].doubts != rows[i].doubts)
			fail_msg("%zu: %#x", i, given.suggest.items[0].doubts);
		assert_int_equal(!strstr(given.suggest.items[0].rule, with_to), rows[i].n > 16);
		assert_int_equal(given.suggest.items[0].destinations, rows[i].n);
		tidy(NULL);
	}
}

static void test_doubts(void **state)
{
	const struct report_tenant *php = tenant("php.service", "/system.slice/php.service");
	const struct report_tenant *docker =
		tenant("docker-0123.scope", "/system.slice/docker-0123.scope");
	const struct report_tenant *root = tenant("", "/");
	struct report_row *one = row(php, 1003, "forum", "192.0.2.1", 25, 9);
	const char *text;

	one->exe = (char *)"/usr/sbin/php-fpm8.2";
	one->cwd = (char *)"/srv/1003/plugins/x\n#allow user root";
	one = row(php, 1004, "shop", "192.0.2.1", 25, 8);
	one->exe = (char *)"/srv/1004/bin/mailer";
	one->cwd = (char *)"/";
	one = row(php, 1005, "gone", "192.0.2.1", 25, 7);
	one->exe_deleted = one->cwd_deleted = true;
	row(docker, 1, "u", "192.0.2.1", 25, 6);
	row(root, 0, "root", "192.0.2.1", 25, 5);
	text = suggest("ports 25\n");
	assert_int_equal(given.suggest.n_items, 5);
	assert_rule(0, "allow unit php.service user forum to 192.0.2.1", SUGGEST_CWD_WRITABLE);
	assert_rule(1, "allow unit php.service user shop to 192.0.2.1", SUGGEST_EXE_WRITABLE);
	assert_rule(2, "allow unit php.service user gone to 192.0.2.1",
		    SUGGEST_EXE_DELETED | SUGGEST_CWD_DELETED);
	assert_rule(3, "allow unit docker-0123.scope user u to 192.0.2.1", SUGGEST_TRANSIENT);
	assert_rule(4, "allow cgroup / user root to 192.0.2.1", SUGGEST_ROOT);
	assert_non_null(strstr(text, "in \"/srv/1003/plugins/x\\x0a#allow user root\"\n"));
	assert_non_null(strstr(text, "\n#allow unit php.service user forum to 192.0.2.1\n"));
	assert_null(strstr(text, "\nallow"));
}

/* What cannot be looked at is not clean, nor is what may have destinations without a row. */
static void test_unknown(void **state)
{
	const struct report_tenant *php = tenant("php.service", "/system.slice/php.service");
	struct report_row *one = row(php, 1003, "forum", "192.0.2.1", 25, 9);
	const char *text;

	one->exe = (char *)"/gone/x";
	one = row(php, 1004, "shop", "192.0.2.1", 25, 8);
	one->cwd = (char *)"/gone/y";
	suggest("ports 25\n");
	assert_rule(0, "allow unit php.service user forum to 192.0.2.1", SUGGEST_EXE_UNKNOWN);
	assert_rule(1, "allow unit php.service user shop to 192.0.2.1", SUGGEST_CWD_UNKNOWN);
	given.tenants[0].counts.other.attempts[SMTPWARD_AUDIT] = 1;
	given.report.rowless = 7;
	text = suggest("ports 25\n");
	assert_rule(1, "allow unit php.service user shop to 192.0.2.1",
		    SUGGEST_CWD_UNKNOWN | SUGGEST_ROWLESS);
	assert_non_null(strstr(text, "\n# 7 more attempts had no row of their own: "));
}

/* An MTA's spool is its own; a person's folder is not a service's. */
static void test_spool(void **state)
{
	static const struct {
		const char *exe;
		uint32_t euid;
		const char *user;
		unsigned int doubts;
	} rows[] = {
		{ "/usr/sbin/exim4", 101, "Debian-exim", 0 },
		{ "/usr/lib/postfix/sbin/smtp", 999, "postfix", 0 },
		{ "/usr/sbin/exim4", 1000, "Debian-exim", SUGGEST_CWD_WRITABLE },
		{ "/usr/sbin/exim4", 33, "www-data", SUGGEST_CWD_WRITABLE },
		{ "/usr/sbin/exim4", 101, NULL, SUGGEST_CWD_WRITABLE },
		{ "/usr/bin/php8.2", 101, "Debian-exim", SUGGEST_CWD_WRITABLE },
		{ "/usr/sbin/apache2", 33, "www-data", SUGGEST_CWD_WRITABLE },
		{ "/srv/2/exim4", 101, "Debian-exim", SUGGEST_CWD_WRITABLE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char cwd[32];
		struct report_row *one = row(tenant("x.service", "/system.slice/x.service"),
					     rows[i].euid, rows[i].user, "192.0.2.1", 25, 9);

		snprintf(cwd, sizeof(cwd), "/srv/%u/spool", rows[i].euid);
		one->exe = (char *)rows[i].exe;
		one->cwd = cwd;
		suggest("ports 25\n");
		if (given.suggest.items[0].doubts != rows[i].doubts)
			fail_msg("%zu: %#x", i, given.suggest.items[0].doubts);
		tidy(NULL);
	}
}

/* What matched decides where a rule has to stand; what is allowed by now needs none. */
static void test_order(void **state)
{
	const struct report_tenant *a = tenant("a.service", "/system.slice/a.service");
	const struct report_tenant *b = tenant("b.service", "/system.slice/b.service");
	const char *text;

	row(a, 1, "u", "192.0.2.1", 25, 9);
	row(a, 1, "u", "192.0.2.2", 25, 1)->rule = 2;
	row(b, 1, "u", "192.0.2.3", 25, 8)->rule = 1;
	row(b, 2, "v", "192.0.2.4", 25, 50);
	/* The last rule allows it, and the deny rule matches before. */
	row(b, 3, "w", "192.0.2.5", 25, 2)->rule = 1;
	text = suggest("ports 25\nallow to 192.0.2.4\ndeny unit b.service\naudit to 192.0.2.0/24\n"
		       "allow user 3\n");
	assert_int_equal(given.suggest.n_items, 4);
	assert_rule(0, "allow unit b.service user u to 192.0.2.3", SUGGEST_DENIED);
	assert_int_equal(given.suggest.items[0].before, 1);
	assert_rule(1, "allow unit b.service user w to 192.0.2.5", SUGGEST_DENIED);
	assert_rule(2, "allow unit a.service user u to 192.0.2.2", 0);
	assert_int_equal(given.suggest.items[2].before, 2);
	assert_rule(3, "allow unit a.service user u to 192.0.2.1", 0);
	assert_int_equal(given.suggest.items[3].before, REPORT_RULE_DEFAULT);
	assert_non_null(strstr(text, "# Before rule 2, which matches first, \"/etc/p.conf\":0"));
	assert_non_null(strstr(text, "# Behind all rules.\n"));
}

/* No rule of a name that would mean more, and none of what has no row of its own. */
static void test_unnamed(void **state)
{
	const char *text;

	row(tenant("a*.service", "/system.slice/a*.service"), 1, "u", "192.0.2.1", 25, 9);
	row(tenant("", "/a/.../b"), 1, "u", "192.0.2.1", 25, 8);
	row(tenant("c.service", "/system.slice/c.service"), 1, "u", "192.0.2.1", 25, 7)->kind =
		REPORT_OTHER;
	row(&given.tenants[2], 1, "u", "192.0.2.1", 25, 6)->rule = REPORT_RULE_FORMER;
	row(&given.tenants[2], 1, "u", "192.0.2.1", 25, 0)->attempts[SMTPWARD_DENY] = 5;
	text = suggest("ports 25\n");
	assert_int_equal(given.suggest.n_items, 2);
	assert_null(given.suggest.items[0].rule);
	assert_null(given.suggest.items[1].rule);
	assert_non_null(
		strstr(text, "# no rule can name the cgroup \"/system.slice/a*.service\"\n"));
	assert_non_null(strstr(text, "# 7 more attempts had no row of their own"));
}

static void test_nothing(void **state)
{
	assert_non_null(strstr(suggest("ports 25\n"), "# There is nothing to allow.\n"));
	assert_int_equal(given.suggest.n_items, 0);
}

/* Units with spaces, quotes and the signs of comments are quoted as a policy takes them. */
static void test_odd_names(void **state)
{
	const struct report_tenant *odd =
		tenant("a b\"#,\t.service", "/system.slice/a b\"#,\t.service");

	row(odd, 7, NULL, "192.0.2.1", 25, 9);
	suggest("ports 25\n");
	assert_rule(0, "allow unit \"a b\\x22#,\\x09.service\" user 7 to 192.0.2.1", 0);
}

/* A rule on a guest is for a person to write: its attempts are said, and are no lost rows. */
static void test_guests(void **state)
{
	struct report_tenant *guest = (struct report_tenant *)tenant("", "");
	const char *text;

	guest->cgroup_id |= SMTPWARD_GUEST_BIT;
	row(guest, 0, NULL, "192.0.2.1", 25, 9);
	text = suggest("ports 25\n");
	assert_non_null(strstr(text, "\n# There is nothing to allow.\n"));
	assert_non_null(strstr(text, "\n# 9 attempts more, of guests: "));
	assert_null(strstr(text, "row of their own"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_narrowest, tidy),
		cmocka_unit_test_teardown(test_ports, tidy),
		cmocka_unit_test_teardown(test_many, tidy),
		cmocka_unit_test_teardown(test_doubts, tidy),
		cmocka_unit_test_teardown(test_unknown, tidy),
		cmocka_unit_test_teardown(test_spool, tidy),
		cmocka_unit_test_teardown(test_order, tidy),
		cmocka_unit_test_teardown(test_unnamed, tidy),
		cmocka_unit_test_teardown(test_nothing, tidy),
		cmocka_unit_test_teardown(test_guests, tidy),
		cmocka_unit_test_teardown(test_odd_names, tidy),
	};

	return cmocka_run_group_tests_name("suggest", tests, NULL, NULL);
}
