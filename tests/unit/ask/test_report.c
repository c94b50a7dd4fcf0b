// SPDX-License-Identifier: GPL-2.0-only
/*
 * The report as it is printed, to the byte: the table and JSON, of rows that a kernel could have
 * and of those that only damage explains.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "cli/say_report.h"
#include "pins/figures.h"
#include "pins/rows.h"
#include "pins/state.h"

#define SECOND 1000000000ULL

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static uint64_t tenant_ids[] = { 8, 7, 9 };
static struct smtpward_row_tenant tenants[] = {
	{ .gone_ns = 90 * SECOND },
	{ .other = { .attempts = { 5 }, .last_ns = 70 * SECOND } },
	{ .rows = 1 },
};
static uint64_t name_ids[] = { 7, 8, 9 };
static struct smtpward_row_names names[ARRAY_SIZE(name_ids)];

static struct smtpward_row_key keys[] = {
	{ .tenant = 7,
	  .rule = 0x22,
	  .address = { [10] = 255, 255, 192, 0, 2, 1 },
	  .euid = 33,
	  .port = 25 },
	{ .tenant = 8,
	  .rule = SMTPWARD_ROW_DEFAULT,
	  .address = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 },
	  .euid = 1003,
	  .port = 2525 },
	{ .tenant = 9, .rule = 0x99, .address = { [10] = 255, 255, 203, 0, 113, 9 }, .port = 25 },
	/* Not counted in yet; of a tenant that is not there. */
	{ .tenant = 9, .rule = 0x22, .port = 25 },
	{ .tenant = 6, .rule = 0x22, .port = 25 },
};
static struct smtpward_row values[] = {
	{ .attempts = { 3000 }, .first_ns = 10 * SECOND, .last_ns = 3610 * SECOND },
	{ .attempts = { 1, 2 }, .first_ns = 20 * SECOND, .last_ns = 30 * SECOND },
	{ .attempts = { 0, 0, 3 }, .first_ns = 20 * SECOND, .last_ns = 40 * SECOND },
	{ .first_ns = 20 * SECOND },
	{ .attempts = { 1 } },
};

static struct smtpward_caller_key last_keys[] = {
	{ .cgroup_id = 7, .euid = 33 },
	{ .cgroup_id = 8, .euid = 1003 },
};
static struct smtpward_row_last lasts[] = {
	{ .time_ns = 3600 * SECOND,
	  .flags = SMTPWARD_CWD_KNOWN,
	  .exe_len = 13,
	  .cwd_len = 11,
	  .text = "php\"8.2\0sbin\0plugin\0www" },
	{ .time_ns = 30 * SECOND, .flags = SMTPWARD_EXE_DELETED, .exe_len = 6, .text = "a\0tmp" },
};

static struct rows rows = {
	.known = true,
	.rows = { keys, values, ARRAY_SIZE(keys) },
	.tenants = { tenant_ids, tenants, ARRAY_SIZE(tenants) },
	.names = { name_ids, names, ARRAY_SIZE(names) },
	.lasts = { last_keys, lasts, ARRAY_SIZE(lasts) },
	.used = { .rest = { .attempts = { 0, 4 }, .last_ns = 50 * SECOND } },
};

static struct smtpward_rule_info rules[] = {
	{ .hash = 0x11,
	  .verdict = SMTPWARD_ALLOW,
	  .line = 3,
	  .file = "/etc/a.conf",
	  .text = "allow user postfix" },
	{ .hash = 0x22,
	  .verdict = SMTPWARD_DENY,
	  .line = 4,
	  .file = "/etc/a b.conf",
	  .text = "deny unit web.service" },
};

static uint64_t attempts[2 * SMTPWARD_ATTEMPTS_A_PORT];
static const struct figures figures = { .attempts = attempts };
static struct state state_of_test = {
	.policy = { .rules = ARRAY_SIZE(rules), .ports = 2, .loaded_at = 5 },
	.rules = rules,
};

static void set_names(struct smtpward_row_names *caller, const char *list, uint32_t len)
{
	caller->flags = SMTPWARD_CALLER_NAMED;
	caller->cgroup_len = len;
	memcpy(caller->cgroup, list, len);
}

static int set_up(void **state __attribute__((unused)))
{
	set_names(&names[0], "web.service\0system.slice", 25);
	set_names(&names[1], "docker-" ID ".scope\0system.slice", 7 + 64 + 6 + 1 + 13);
	set_names(&names[2], "", 0);
	attempts[1] = 3000;
	attempts[SMTPWARD_ATTEMPTS_A_PORT + 1] = 1;
	attempts[SMTPWARD_RULE_NONE] = 7;
	return 0;
}

static char *user_of(void *userdata, uint32_t uid)
{
	return uid == 33 ? strdup("www-data") : uid ? NULL : strdup("root");
}

static void container_of(void *userdata, struct container *container)
{
	snprintf(container->name, sizeof(container->name), "shop");
	snprintf(container->image, sizeof(container->image), "php:8");
}

static const struct report_source source = {
	.user = user_of,
	.container = container_of,
	.utc_offset = 1000 * SECOND,
};

static char *note = (char *)"/var/lib is gone";
static const struct report_names report_names_of_test = {
	.notes = &note,
	.n_notes = 1,
	.looked_up = 7200,
};

static void build(const struct report_filter *filter, struct report *ret)
{
	assert_int_equal(report_build(&rows, rules, ARRAY_SIZE(rules), &source, filter, ret), 0);
}

static struct say_report say_of(const struct report *report)
{
	return (struct say_report){
		.report = report,
		.names = &report_names_of_test,
		.state = &state_of_test,
		.figures = &figures,
		.known = true,
	};
}

static void assert_text(const struct report *report, size_t max_rows, const char *want)
{
	_cleanup_fclose_ FILE *file = tmpfile();
	const struct say_report say = say_of(report);
	char text[8192] = "";

	assert_non_null(file);
	say_report_text(&say, max_rows, file);
	rewind(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) < sizeof(text) - 1);
	assert_string_equal(text, want);
}

#define TAIL                                                              \
	"\n"                                                              \
	"Hits since the load, 1970-01-01T00:00:05Z:\n"                    \
	"RULE           HITS  TEXT\n"                                     \
	"1                 0  allow user postfix  # /etc/a.conf:3\n"      \
	"2              3001  deny unit web.service  # /etc/a b.conf:4\n" \
	"default           7  deny\n"                                     \
	"\n"                                                              \
	"containers were looked up at 1970-01-01T02:00:00Z\n"             \
	"no name: /var/lib is gone\n"

/* clang-format off */
#define SCOPE "docker-" ID ".scope"
#define TABLE \
	"UNIT                                                                                  CONTAINER            USER          RULE               TO                  ATTEMPTS  DENY  AUDIT  ALLOW  FIRST                 LAST                  LAST EXE          LAST CWD\n" \
	"web.service                                                                           -                    www-data(33)  2 /etc/a b.conf:4  192.0.2.1:25            3000  3000      0      0  1970-01-01T00:16:50Z  1970-01-01T01:16:50Z  /sbin/php\\x228.2  /www/plugin\n" \
	"web.service                                                                           -                    -             -                  (others)                   5     5      0      0  -                     1970-01-01T00:17:50Z  -                 -\n" \
	"(other tenants)                                                                       -                    -             -                  (others)                   4     0      4      0  -                     1970-01-01T00:17:30Z  -                 -\n" \
	"/                                                                                     -                    root(0)       -                  203.0.113.9:25             3     0      0      3  1970-01-01T00:17:00Z  1970-01-01T00:17:20Z  -                 -\n" \
	SCOPE " (gone)  docker:shop (php:8)  1003          default            [2001:db8::1]:2525         3     1      2      0  1970-01-01T00:17:00Z  1970-01-01T00:17:10Z  /tmp/a (deleted)  -\n"
/* clang-format on */

static void test_table(void **state __attribute__((unused)))
{
	_cleanup_(report_clear) struct report report = { 0 };

	build(&(const struct report_filter){ 0 }, &report);
	assert_int_equal(report.attempts, 3015);
	assert_text(&report, 0, TABLE TAIL);
}

static void test_short_table(void **state __attribute__((unused)))
{
	_cleanup_(report_clear) struct report report = { 0 };

	build(&(const struct report_filter){ .has_user = true, .user = 33 }, &report);
	assert_text(&report, 1,
		    "UNIT         USER          RULE               TO            ATTEMPTS  DENY  "
		    "AUDIT  ALLOW  FIRST                 LAST                  LAST EXE          "
		    "LAST CWD\n"
		    "web.service  www-data(33)  2 /etc/a b.conf:4  192.0.2.1:25      3000  3000  "
		    "    0      0  1970-01-01T00:16:50Z  1970-01-01T01:16:50Z  "
		    "/sbin/php\\x228.2  /www/plugin\n"
		    "9 more attempts have no row of their own: user and destination are not "
		    "known\n" TAIL);
	report_clear(&report);
	build(&(const struct report_filter){ .has_verdict = true, .verdict = SMTPWARD_ALLOW },
	      &report);
	assert_int_equal(report.n_rows, 1);
	report_clear(&report);
	build(&(const struct report_filter){ .since = 1e12 + 41 * SECOND }, &report);
	assert_int_equal(report.n_rows, 3);
	report_clear(&report);
	build(&(const struct report_filter){ .unit = "shop" }, &report);
	assert_int_equal(report.n_rows, 1);
	report_clear(&report);
	/* As in a policy: ::/0 is all of IPv6 and nothing of IPv4. */
	build(&(const struct report_filter){ .has_to = true, .to = { .bits = 0 } }, &report);
	assert_int_equal(report.n_rows, 1);
	assert_int_equal(report.rows[0].address[0], 0x20);
	assert_int_equal(report.rowless, 9);
	report_clear(&report);
	build(&(const struct report_filter){ .unit = "web.service", .has_user = true, .user = 1 },
	      &report);
	assert_int_equal(report.n_rows, 0);
	assert_int_equal(report.rowless, 5);
	report_clear(&report);
	build(&(const struct report_filter){ .unit = "nothing" }, &report);
	assert_text(&report, 1, "no attempts\n" TAIL);
}

static void test_more_rows(void **state __attribute__((unused)))
{
	_cleanup_(report_clear) struct report report = { 0 };
	_cleanup_fclose_ FILE *file = tmpfile();
	struct say_report say;
	char text[8192] = "";

	build(&(const struct report_filter){ 0 }, &report);
	say = say_of(&report);
	say_report_text(&say, 2, file);
	rewind(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	assert_non_null(strstr(text, "\nand 3 more\n"));
	assert_null(strstr(text, "203.0.113.9"));
}

#define JSON_WEB                                                                         \
	"\"tenant\":{\"unit\":\"web.service\",\"cgroup\":\"/system.slice/web.service\"," \
	"\"cgid\":7,\"guest\":null,\"gone\":null,\"container\":null}"

static void test_json(void **state __attribute__((unused)))
{
	static const char want[] =
		"{\"counted\":true,\"rows\":["
		"{\"kind\":\"row\"," JSON_WEB ",\"euid\":33,\"user\":\"www-data\",\"rule\":2,"
		"\"file\":\"/etc/a b.conf\",\"line\":4,\"dst\":\"192.0.2.1\",\"dport\":25,"
		"\"attempts\":3000,\"deny\":3000,\"audit\":0,\"allow\":0,"
		"\"first\":\"1970-01-01T00:16:50.000000Z\","
		"\"last\":\"1970-01-01T01:16:50.000000Z\",\"exe\":\"/sbin/php\\\\x228.2\","
		"\"cwd\":\"/www/plugin\","
		"\"exe_time\":\"1970-01-01T01:16:40.000000Z\"},"
		"{\"kind\":\"other\"," JSON_WEB ",\"euid\":null,\"user\":null,\"rule\":null,"
		"\"file\":null,\"line\":null,\"dst\":null,\"dport\":null,"
		"\"attempts\":5,\"deny\":5,\"audit\":0,\"allow\":0,\"first\":null,"
		"\"last\":\"1970-01-01T00:17:50.000000Z\",\"exe\":null,\"cwd\":null,\"exe_time\":"
		"null},"
		"{\"kind\":\"rest\",\"tenant\":null,\"euid\":null,\"user\":null,\"rule\":null,"
		"\"file\":null,\"line\":null,\"dst\":null,\"dport\":null,"
		"\"attempts\":4,\"deny\":0,\"audit\":4,\"allow\":0,\"first\":null,"
		"\"last\":\"1970-01-01T00:17:30.000000Z\",\"exe\":null,\"cwd\":null,\"exe_time\":"
		"null},"
		"{\"kind\":\"row\",\"tenant\":{\"unit\":null,\"cgroup\":\"/\",\"cgid\":9,\"guest\":null,"
		"\"gone\":null,\"container\":null},\"euid\":0,\"user\":\"root\",\"rule\":null,"
		"\"file\":null,\"line\":null,\"dst\":\"203.0.113.9\",\"dport\":25,"
		"\"attempts\":3,\"deny\":0,\"audit\":0,\"allow\":3,"
		"\"first\":\"1970-01-01T00:17:00.000000Z\","
		"\"last\":\"1970-01-01T00:17:20.000000Z\",\"exe\":null,\"cwd\":null,\"exe_time\":"
		"null},"
		"{\"kind\":\"row\",\"tenant\":{\"unit\":\"docker-" ID ".scope\","
		"\"cgroup\":\"/system.slice/docker-" ID ".scope\",\"cgid\":8,\"guest\":null,"
		"\"gone\":\"1970-01-01T00:18:10.000000Z\",\"container\":{\"engine\":\"docker\","
		"\"id\":\"" ID "\",\"name\":\"shop\",\"image\":\"php:8\","
		"\"looked_up\":\"1970-01-01T02:00:00.000000Z\"}},\"euid\":1003,\"user\":null,"
		"\"rule\":0,\"file\":null,\"line\":null,\"dst\":\"2001:db8::1\",\"dport\":2525,"
		"\"attempts\":3,\"deny\":1,\"audit\":2,\"allow\":0,"
		"\"first\":\"1970-01-01T00:17:00.000000Z\","
		"\"last\":\"1970-01-01T00:17:10.000000Z\",\"exe\":\"/tmp/a "
		"(deleted)\",\"cwd\":null,"
		"\"exe_time\":\"1970-01-01T00:17:10.000000Z\"}],"
		"\"attempts\":3015,\"rowless\":0,\"loaded_at\":\"1970-01-01T00:00:05.000000Z\","
		"\"rules\":["
		"{\"rule\":1,\"verdict\":\"allow\",\"text\":\"allow user postfix\","
		"\"truncated\":false,\"file\":\"/etc/a.conf\",\"line\":3,\"hits\":0},"
		"{\"rule\":2,\"verdict\":\"deny\",\"text\":\"deny unit web.service\","
		"\"truncated\":false,\"file\":\"/etc/a b.conf\",\"line\":4,\"hits\":3001},"
		"{\"rule\":0,\"verdict\":\"deny\",\"text\":null,\"truncated\":false,"
		"\"file\":null,\"line\":null,\"hits\":7}],"
		"\"notes\":[\"/var/lib is gone\"]}";
	_cleanup_(report_clear) struct report report = { 0 };
	_cleanup_free_ char *text = NULL;
	struct say_report say;
	json_t *json;

	build(&(const struct report_filter){ 0 }, &report);
	say = say_of(&report);
	json = say_report_json(&say);
	text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	assert_non_null(text);
	assert_string_equal(text, want);
}

/* A version that counts no rows: said in words, and in JSON. */
static void test_uncounted(void **state __attribute__((unused)))
{
	_cleanup_(report_clear) struct report report = { 0 };
	_cleanup_fclose_ FILE *file = tmpfile();
	struct rows none = { .known = false };
	struct say_report say;
	char text[4096] = "";
	json_t *json;

	assert_int_equal(report_build(&none, rules, ARRAY_SIZE(rules), &source,
				      &(const struct report_filter){ 0 }, &report),
			 0);
	say = say_of(&report);
	say.known = false;
	say_report_text(&say, 0, file);
	rewind(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	assert_int_equal(strncmp(text, "no attempts: ", strlen("no attempts: ")), 0);
	assert_non_null(strstr(text, "'smtpward load'"));
	json = say_report_json(&say);
	assert_true(json_is_false(json_object_get(json, "counted")));
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),	  cmocka_unit_test(test_short_table),
		cmocka_unit_test(test_more_rows), cmocka_unit_test(test_json),
		cmocka_unit_test(test_uncounted),
	};

	return cmocka_run_group_tests_name("report", tests, set_up, NULL);
}
