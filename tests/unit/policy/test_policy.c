// SPDX-License-Identifier: GPL-2.0-only
/*
 * The policy language: what each line means, what each mistake is answered with and
 * where, and that the canonical form is a fixed point. All in memory; what needs
 * real files is in tests/golden and in test_system() below.
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
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "policy/policy.h"

struct file {
	const char *path;
	const char *text;
	size_t size; /* 0: of the text */
	int error;
	const char *why;
};

/* Files end with one that has no path. calls counts down to the call that fails. */
struct world {
	const struct file *files;
	int fail_call;
	int fail_error;
};

static int count_call(struct world *world)
{
	return world->fail_call && !--world->fail_call ? world->fail_error : 0;
}

static int world_read(void *userdata, const char *path, char **ret_text, size_t *ret_size,
		      char **reterr_why)
{
	struct world *world = userdata;
	int r = count_call(world);

	if (r < 0)
		return r;
	for (const struct file *file = world->files; file && file->path; file++) {
		size_t size = file->size ? file->size : file->text ? strlen(file->text) : 0;

		if (strcmp(file->path, path))
			continue;
		if (file->why)
			*reterr_why = strdup(file->why);
		if (file->error)
			return file->error;
		/* No NUL behind it: what reads over the end is seen. */
		*ret_text = malloc(size ? size : 1);
		assert_non_null(*ret_text);
		memcpy(*ret_text, file->text, size);
		*ret_size = size;
		return 0;
	}
	return -ENOENT;
}

/* "dir/" followed by a star: all files in there, in the order of the table. */
static int world_expand(void *userdata, const char *includer, const char *pattern,
			char ***ret_paths, size_t *ret_n, char **reterr_why)
{
	struct world *world = userdata;
	char **paths = calloc(100, sizeof(*paths));
	const char *star = strchr(pattern, '*');
	int r = count_call(world);
	size_t n = 0;

	assert_non_null(includer);
	assert_non_null(paths);
	if (!strcmp(pattern, "unreadable/*"))
		r = -EACCES;
	if (r < 0) {
		free(paths);
		return r;
	}
	if (!star)
		paths[n++] = strdup(pattern);
	for (const struct file *file = world->files; star && file && file->path; file++) {
		if (!strncmp(file->path, pattern, (size_t)(star - pattern)))
			paths[n++] = strdup(file->path);
	}
	*ret_paths = paths;
	*ret_n = n;
	return 0;
}

static int world_same(void *userdata, const char *a, const char *b)
{
	assert_non_null(userdata);
	a += strncmp(a, "./", 2) ? 0 : 2;
	b += strncmp(b, "./", 2) ? 0 : 2;
	return !strcmp(a, b);
}

static int world_user(void *userdata, const char *name, uint32_t *ret_uid)
{
	static const struct {
		const char *name;
		uint32_t id;
	} users[] = {
		{ "root", 0 },	{ "toor", 0 },	      { "Debian-exim", 101 },	{ "user", 1000 },
		{ "to", 1001 }, { "a,\"b\\\x01", 7 }, { "nobody", UINT32_MAX },
	};
	int r = count_call(userdata);

	if (!strcmp(name, "broken"))
		return -EIO;
	for (size_t i = 0; !r && i < ARRAY_SIZE(users); i++) {
		if (strcmp(users[i].name, name))
			continue;
		*ret_uid = users[i].id;
		return 0;
	}
	return r < 0 ? r : -ENOENT;
}

static int world_group(void *userdata, const char *name, uint32_t *ret_gid)
{
	int r = count_call(userdata);

	if (r < 0)
		return r;
	if (strcmp(name, "mail"))
		return -ENOENT;
	*ret_gid = 8;
	return 0;
}

static struct policy_source source_of(struct world *world)
{
	return (struct policy_source){
		.read = world_read,
		.expand = world_expand,
		.same = world_same,
		.user = world_user,
		.group = world_group,
		.userdata = world,
	};
}

/* Every error as "FILE:LINE:COLUMN: TEXT\n"; FILE is left out where it is "p". */
static char *errors_text(const struct policy_errors *errors)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	for (size_t i = 0; i < errors->n_items; i++) {
		const struct policy_error *error = &errors->items[i];

		fprintf(out, "%s%s%u:%u: %s\n", strcmp(error->file, "p") ? error->file : "",
			strcmp(error->file, "p") ? ":" : "", error->line, error->column,
			error->text);
	}
	assert_int_equal(fclose(out), 0);
	return text;
}

static struct policy *parse_sized(const char *text, size_t size, const struct file *files)
{
	struct world world = { .files = files };
	const struct policy_source source = source_of(&world);
	struct policy_errors errors = { 0 };
	struct policy *policy = NULL;
	char *copy = malloc(size ? size : 1);
	int r;

	assert_non_null(copy);
	memcpy(copy, text, size);
	r = policy_parse_text("p", copy, size, &source, &policy, &errors);
	free(copy);
	if (r) {
		_cleanup_free_ char *list = errors_text(&errors);

		policy_errors_clear(&errors);
		fail_msg("%d:\n%s", r, list);
	}
	assert_int_equal(errors.n_items, 0);
	assert_non_null(policy);
	return policy;
}

static struct policy *parse(const char *text)
{
	return parse_sized(text, strlen(text), NULL);
}

/* The rules as they are printed; the settings too where settings is set. */
static void assert_prints(const char *text, const struct file *files, bool settings,
			  const char *expected)
{
	_cleanup_(policy_freep) struct policy *policy = parse_sized(text, strlen(text), files);
	_cleanup_(policy_freep) struct policy *again = NULL;
	_cleanup_free_ char *printed = NULL, *reprinted = NULL;
	const char *rules;

	assert_int_equal(policy_print(policy, &printed), 0);
	rules = strstr(printed, "\n\n");
	assert_string_equal(settings ? printed : rules ? rules + 2 : "", expected);
	again = parse(printed);
	assert_int_equal(policy_print(again, &reprinted), 0);
	assert_string_equal(reprinted, printed);
}

static void assert_fails_sized(const char *text, size_t size, const struct file *files,
			       const char *expected)
{
	struct world world = { .files = files };
	const struct policy_source source = source_of(&world);
	struct policy *const untouched = (struct policy *)&world;
	struct policy *policy = untouched;
	struct policy_errors errors = { 0 };
	_cleanup_free_ char *list = NULL;
	char *copy = malloc(size ? size : 1);
	int r;

	assert_non_null(copy);
	memcpy(copy, text, size);
	r = policy_parse_text("p", copy, size, &source, &policy, &errors);
	free(copy);
	if (!r)
		fail_msg("no error in: %s", text);
	assert_int_equal(r, -EINVAL);
	assert_ptr_equal(policy, untouched);
	list = errors_text(&errors);
	policy_errors_clear(&errors);
	assert_string_equal(list, expected);
}

static void assert_fails(const char *text, const char *expected)
{
	assert_fails_sized(text, strlen(text), NULL, expected);
}

#define DEFAULTS                                                                        \
	"ports 25\nmode enforce\nreject EPERM\nlog deny, audit\nlimit 10/s burst 100\n" \
	"args script\nalert off\n"

static void test_settings(void **state __attribute__((unused)))
{
	assert_prints("", NULL, true, DEFAULTS);
	assert_prints("\n \t\n# only comments\n   # one more", NULL, true, DEFAULTS);
	assert_prints("deny\n", NULL, true, DEFAULTS "\ndeny\n");
	assert_prints("limit 5/h burst 7", NULL, true,
		      "ports 25\nmode enforce\nreject EPERM\nlog deny, audit\nlimit 5/h burst 7\n"
		      "args script\nalert off\n");
	assert_prints(
		"limit\t1000000/m burst 1000000 #x\nlog allow ,audit,deny\nreject EACCES # x\n"
		"mode audit\nports 65535,1 , 25\nargs\tall\nalert 1000000/h",
		NULL, true,
		"ports 1, 25, 65535\nmode audit\nreject EACCES\nlog deny, audit, allow\n"
		"limit 1000000/m burst 1000000\nargs all\nalert 1000000/h\n");
	assert_prints("args none", NULL, true,
		      "ports 25\nmode enforce\nreject EPERM\nlog deny, audit\n"
		      "limit 10/s burst 100\nargs none\nalert off\n");
	assert_prints("args all\nreplace args script", NULL, true, DEFAULTS);
	assert_prints("alert 1/m", NULL, true,
		      "ports 25\nmode enforce\nreject EPERM\nlog deny, audit\n"
		      "limit 10/s burst 100\nargs script\nalert 1/m\n");
	assert_prints("alert 100/h\nreplace alert off", NULL, true, DEFAULTS);
}

static void test_model(void **state __attribute__((unused)))
{
	_cleanup_(policy_freep) struct policy *policy =
		parse("ports 587, 25\nlog allow\nlimit 5/h burst 7\nreject ETIMEDOUT\n"
		      "\n  audit user Debian-exim, 33 port 25 to 192.0.2.0/24, 2001:db8::/32\n");
	const struct policy_rule *rule = policy->rules;
	static const uint8_t v4[16] = { [10] = 255, 255, 192, 0, 2, 0 };
	static const uint8_t v6[16] = { 0x20, 0x01, 0x0d, 0xb8 };
	_cleanup_free_ char *text = NULL;

	assert_int_equal(policy->n_ports, 2);
	assert_int_equal(policy->ports[0], 587);
	assert_int_equal(policy->ports[1], 25);
	assert_int_equal(policy->mode, POLICY_ENFORCE);
	assert_int_equal(policy->reject, ETIMEDOUT);
	assert_int_equal(policy->log, 1 << SMTPWARD_ALLOW);
	assert_int_equal(policy->limit_lines, 5);
	assert_int_equal(policy->limit_period, 3600);
	assert_int_equal(policy->limit_burst, 7);
	assert_int_equal(policy->args, SMTPWARD_ARGS_SCRIPT);
	assert_int_equal(policy->n_files, 1);
	assert_string_equal(policy->files[0], "p");

	assert_int_equal(policy->n_rules, 1);
	assert_int_equal(rule->verdict, SMTPWARD_AUDIT);
	assert_ptr_equal(rule->place.file, policy->files[0]);
	assert_int_equal(rule->place.line, 6);
	assert_int_equal(rule->place.column, 3);
	assert_int_equal(rule->values[SMTPWARD_USER].n, 2);
	assert_string_equal(rule->values[SMTPWARD_USER].ids[0].name, "Debian-exim");
	assert_int_equal(rule->values[SMTPWARD_USER].ids[0].id, 101);
	assert_null(rule->values[SMTPWARD_USER].ids[1].name);
	assert_int_equal(rule->values[SMTPWARD_USER].ids[1].id, 33);
	assert_int_equal(rule->values[SMTPWARD_TO].n, 2);
	assert_memory_equal(rule->values[SMTPWARD_TO].prefixes[0].address, v4, 16);
	assert_int_equal(rule->values[SMTPWARD_TO].prefixes[0].bits, 120);
	assert_memory_equal(rule->values[SMTPWARD_TO].prefixes[1].address, v6, 16);
	assert_int_equal(rule->values[SMTPWARD_TO].prefixes[1].bits, 32);
	assert_int_equal(rule->values[SMTPWARD_PORT].n, 1);
	assert_int_equal(rule->values[SMTPWARD_PORT].ports[0], 25);
	assert_int_equal(rule->values[SMTPWARD_UNIT].n + rule->values[SMTPWARD_CGROUP].n +
				 rule->values[SMTPWARD_GROUP].n,
			 0);
	assert_int_equal(policy_print_rule(rule, &text), 0);
	assert_string_equal(text,
			    "audit user Debian-exim, 33 to 192.0.2.0/24, 2001:db8::/32 port 25");
}

struct print_case {
	const char *text;
	const char *rules;
};

static void test_rules(void **state __attribute__((unused)))
{
	static const struct print_case cases[] = {
		{ "allow\naudit\ndeny\n", "allow\naudit\ndeny\n" },
		{ "deny port 25 to ::1 group mail user root cgroup / unit *\n",
		  "deny unit * cgroup / user root group mail to ::1 port 25\n" },
		{ "deny unit a.service,b.scope , c*\t,d.e",
		  "deny unit a.service, b.scope, c*, d.e\n" },
		{ "deny unit postfix@-.service, *.service, docker-*.scope, x.slice*",
		  "deny unit postfix@-.service, *.service, docker-*.scope, x.slice*\n" },
		{ "deny cgroup /, /*, /a*/b*c/*.slice, /..., /.a",
		  "deny cgroup /, /*, /a*/b*c/*.slice, /..., /.a\n" },
		{ "deny cgroup /a\\x2db, /a#b, /#", "deny cgroup /a\\x2db, /a#b, /#\n" },
		{ "deny cgroup /a # comment, /b", "deny cgroup /a\n" },
		{ "deny cgroup \"/a\",\"/b\" #", "deny cgroup /a, /b\n" },
		{ "deny cgroup \"/\\x61\\x5C\\x22\\x0d\", \"/\ta\", \"/ä ö\", /ä",
		  "deny cgroup \"/a\\x5c\\x22\\x0d\", \"/\\x09a\", \"/\\xc3\\xa4 \\xc3\\xb6\", "
		  "/ä\n" },
		{ "deny unit \"#.a\", \"a#.b\", \"a,.b\"", "deny unit \"#.a\", a#.b, \"a,.b\"\n" },
		{ "deny unit \"a\\x22.b\"", "deny unit \"a\\x22.b\"\n" },
		{ "deny user 0, 4294967294 group 4294967294",
		  "deny user 0, 4294967294 group 4294967294\n" },
		{ "deny user \"user\", \"to\", \"root\", \"33\"",
		  "deny user \"user\", \"to\", root, 33\n" },
		{ "deny user \"a,\\x22b\\x5c\\x01\"", "deny user \"a,\\x22b\\x5c\\x01\"\n" },
		{ "deny to 192.0.2.1/32, 192.0.2.0/31, 0.0.0.0/0, 128.0.0.0/1",
		  "deny to 192.0.2.1, 192.0.2.0/31, 0.0.0.0/0, 128.0.0.0/1\n" },
		{ "deny to 2001:DB8::1/128, ::/0, 8000::/1, ::/96, ::1:0:0/96",
		  "deny to 2001:db8::1, ::/0, 8000::/1, ::/96, ::1:0:0/96\n" },
		{ "deny to ::ffff:192.0.2.1, ::ffff:0:0/96, ::ffff:10.0.0.0/104, ::fffe:0:0/95",
		  "deny to 192.0.2.1, 0.0.0.0/0, 10.0.0.0/8, ::fffe:0:0/95\n" },
		{ "deny to 0.0.0.0, ::", "deny to 127.0.0.1, ::1\n" },
		{ "deny to 0.0.0.0/32, ::/128", "deny to 127.0.0.1, ::1\n" },
		{ "deny to ::ffff:0.0.0.0", "deny to 127.0.0.1\n" },
		{ "deny to 0.0.0.0/8, ::/8, 0.0.0.0/31", "deny to 0.0.0.0/8, ::/8, 0.0.0.0/31\n" },
		{ "allow port 587,25\nports 25,587", "allow port 587, 25\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_prints(cases[i].text, NULL, false, cases[i].rules);
}

struct fail_case {
	const char *text;
	const char *errors;
};

static void assert_cases(const struct fail_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_fails(cases[i].text, cases[i].errors);
}

#define KEYWORDS                                                                        \
	"expected ports, mode, reject, log, limit, args, alert, packets, uplink, raw, " \
	"replace, include, allow, audit or deny\n"
#define REPLACE(name) "write 'replace " name "' where a later one is to hold\n"
#define CONDITIONS "expected unit, cgroup, user, group, to, port, guest, mac, vlan, from or until"
#define MORE CONDITIONS ", or a comma before one more value\n"
#define THRESHOLD "is no threshold: expected N/m or N/h with N from 1 to 1000000, or off\n"
#define RATE "is not a rate: expected N/s, N/m or N/h with N from 1 to 1000000\n"
#define BURST "is not a burst: expected a number from 1 to 1000000"
#define PORT "is not a port: expected a number from 1 to 65535"
#define TWICE "stands twice in this list\n"
#define MISSING_AFTER "a value is missing after this comma: a list ends with its line\n"
#define NO_ADDRESS "is not an IPv4 or IPv6 address, nor 'local' (names are not looked up)\n"
#define ESCAPE \
	"in quotes a backslash begins \\xNN with two hex digits: write \\x5c for a backslash\n"
#define AFTER_QUOTE "a closing quote must be followed by a blank, a comma or the end of the line\n"

static void test_words(void **state __attribute__((unused)))
{
	static const struct fail_case cases[] = {
		{ "alow", "1:1: unknown setting or rule 'alow': " KEYWORDS },
		{ "\n \tALLOW unit x", "2:3: unknown setting or rule 'ALLOW': " KEYWORDS },
		{ "\"deny\"", "1:1: unknown setting or rule '\"deny\"': " KEYWORDS },
		{ ",", "1:1: unknown setting or rule ',': " KEYWORDS },
		{ "x\\\xc3\xa9", "1:1: unknown setting or rule 'x\\\\xc3\\xa9': " KEYWORDS },
		{ "deny,", "1:5: unknown condition ',': " CONDITIONS "\n" },
		{ "deny uid 0", "1:6: unknown condition 'uid': " CONDITIONS "\n" },
		{ "deny to ::1 ::2", "1:13: unknown condition '::2': " MORE },
		{ "deny to ::1 \"user\" root", "1:13: unknown condition '\"user\"': " MORE },
		{ "deny to ::1 to ::2 user x",
		  "1:13: 'to' stands twice in this rule: give it one list\n" },
		{ "deny to", "1:6: 'to' needs a value\n" },
		{ "deny to # ::1", "1:6: 'to' needs a value\n" },
		{ "deny to ::1,", "1:12: " MISSING_AFTER },
		{ "deny to ::1 ,# ::2", "1:13: " MISSING_AFTER },
		{ "deny to ::1,, ::2", "1:13: a value is missing before this comma\n" },
		{ "deny to ,::1", "1:9: a value is missing before this comma\n" },
		{ "deny to user root", "1:9: expected a value, found the condition 'user' "
				       "(in quotes it is a value)\n" },
		{ "deny to ::1, user root", "1:14: expected a value, found the condition 'user' "
					    "(in quotes it is a value)\n" },
		/* A list that goes on in the next lines is one mistake, if it is indented as one.
		 */
		{ "deny to ::1,\n\t::2,\n\n  ::3\ndeni",
		  "1:12: " MISSING_AFTER "5:1: unknown setting or rule 'deni': " KEYWORDS },
		{ "deny to ::1,\ndeni",
		  "1:12: " MISSING_AFTER "2:1: unknown setting or rule 'deni': " KEYWORDS },
		{ "deny to ::1,\n  deny to x\n ::1",
		  "1:12: " MISSING_AFTER "2:11: 'x' " NO_ADDRESS
		  "3:2: unknown setting or rule '::1': " KEYWORDS },
	};

	assert_cases(cases, ARRAY_SIZE(cases));
}

static void test_quotes(void **state __attribute__((unused)))
{
	static const struct fail_case cases[] = {
		{ "deny unit \"a.b",
		  "1:11: unterminated quote: the closing quote must stand in this line\n" },
		{ "deny unit \"\nmode x",
		  "1:11: unterminated quote: the closing quote must stand in "
		  "this line\n2:6: unknown mode 'x': expected enforce or audit\n" },
		{ "deny unit \"a.b\\x22",
		  "1:11: unterminated quote: the closing quote must stand in this line\n" },
		{ "deny unit \"a\\n.b\"", "1:13: " ESCAPE },
		{ "deny unit \"a\\\"", "1:13: " ESCAPE },
		{ "deny unit \"a\\x2", "1:13: " ESCAPE },
		{ "deny unit \"a\\x2g\"", "1:13: " ESCAPE },
		{ "deny unit \"a\\xg2\"", "1:13: " ESCAPE },
		{ "deny unit \"a\\X22\"", "1:13: " ESCAPE },
		{ "deny unit \"a\\\\.b\"", "1:13: " ESCAPE },
		{ "deny unit \"a\\x00.b\"",
		  "1:13: \\x00 in a value: no name can hold a NUL byte\n" },
		{ "deny unit a\".b\"", "1:12: quote inside a word: put the whole value in quotes, "
				       "with \\x22 for a quote in it\n" },
		{ "deny unit \"a.b\"c", "1:16: " AFTER_QUOTE },
		{ "deny unit \"a.b\"\"c.d\"", "1:16: " AFTER_QUOTE },
		{ "deny unit \"a.b\"# c", "1:16: " AFTER_QUOTE },
	};

	assert_cases(cases, ARRAY_SIZE(cases));
}

static void test_bytes(void **state __attribute__((unused)))
{
	static const char nul[] = "mode audit\0\n# \0 \0\n\0\0\ndeny";
	static const struct fail_case cases[] = {
		{ "deny\r\n", "1:5: carriage return \\x0d: a Windows line end, save the file with "
			      "Unix line ends\n" },
		{ "# \r", "1:3: carriage return \\x0d: a Windows line end, save the file with "
			  "Unix line ends\n" },
		{ "deny unit \"\x1b\x07", "1:12: control byte \\x1b: a policy is plain text\n" },
		{ "#\x7f\n\x01", "1:2: control byte \\x7f: a policy is plain text\n"
				 "2:1: control byte \\x01: a policy is plain text\n" },
		{ "\f", "1:1: control byte \\x0c: a policy is plain text\n" },
		{ "\xef\xbb\xbfmode x", "1:1: UTF-8 byte order mark: save the file without it\n"
					"1:9: unknown mode 'x': expected enforce or audit\n" },
		{ "\xef\xbb\xbf#\nmode x", "1:1: UTF-8 byte order mark: save the file without it\n"
					   "2:6: unknown mode 'x': expected enforce or audit\n" },
		{ "\xef\xbb\xbf", "1:1: UTF-8 byte order mark: save the file without it\n" },
		{ "\xef\xbb", "1:1: unknown setting or rule '\\xef\\xbb': " KEYWORDS },
	};

	assert_cases(cases, ARRAY_SIZE(cases));
	assert_fails_sized(nul, sizeof(nul) - 1, NULL,
			   "1:11: NUL byte \\x00: a policy is plain text\n"
			   "2:3: NUL byte \\x00: a policy is plain text\n"
			   "3:1: NUL byte \\x00: a policy is plain text\n");
	for (int byte = 0; byte < 256; byte++) {
		char text[] = { '#', (char)byte, '\n', '#' };
		bool bad = (byte < 0x20 && byte != '\t' && byte != '\n') || byte == 0x7f;
		char expected[64];

		if (!bad) {
			policy_free(parse_sized(text, sizeof(text), NULL));
			continue;
		}
		snprintf(expected, sizeof(expected),
			 "1:2: %s byte \\x%02x: a policy is plain text\n", byte ? "control" : "NUL",
			 byte);
		if (byte != '\r')
			assert_fails_sized(text, sizeof(text), NULL, expected);
	}
}

static void test_bad_settings(void **state __attribute__((unused)))
{
	static const struct fail_case cases[] = {
		{ "ports", "1:1: 'ports' needs a value\n" },
		{ "ports 0, 65536, 025, -1, +1, 0x19, smtp, 18446744073709551641, \"\"",
		  "1:7: '0' " PORT "\n1:10: '65536' " PORT "\n1:17: '025' " PORT
		  " without leading zeros\n1:22: '-1' " PORT "\n1:26: '+1' " PORT
		  "\n1:30: '0x19' " PORT "\n1:36: 'smtp' " PORT
		  "\n1:42: '18446744073709551641' " PORT "\n1:64: '' " PORT "\n" },
		{ "ports 25 587", "1:10: expected a comma or the end of the line, found '587'\n" },
		{ "ports 0 587", "1:7: '0' " PORT "\n"
				 "1:9: expected a comma or the end of the line, found '587'\n" },
		{ "ports 25, 26, 25", "1:15: '25' " TWICE },
		{ "ports 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,0",
		  "1:46: too many ports: at most 16 can be guarded\n" },
		{ "mode", "1:1: 'mode' needs a value\n" },
		{ "mode ,", "1:6: 'mode' needs a value, found ','\n" },
		{ "mode Audit", "1:6: unknown mode 'Audit': expected enforce or audit\n" },
		{ "mode audit, enforce", "1:11: expected the end of the line, found ','\n" },
		{ "mode audit \"x\"", "1:12: expected the end of the line, found '\"x\"'\n" },
		{ "reject eperm",
		  "1:8: unknown error 'eperm': expected EPERM, EACCES, ECONNREFUSED, "
		  "EHOSTUNREACH, ENETUNREACH or ETIMEDOUT\n" },
		{ "reject 1 x", "1:8: unknown error '1': expected EPERM, EACCES, ECONNREFUSED, "
				"EHOSTUNREACH, ENETUNREACH or ETIMEDOUT\n"
				"1:10: expected the end of the line, found 'x'\n" },
		{ "log deny, all, deny",
		  "1:11: unknown verdict 'all': expected deny, audit or allow\n"
		  "1:16: 'deny' " TWICE },
		{ "log deny audit",
		  "1:10: expected a comma or the end of the line, found 'audit'\n" },
		{ "args", "1:1: 'args' needs a value\n" },
		{ "args Script",
		  "1:6: unknown amount of args 'Script': expected none, script or all\n" },
		{ "args \"\" x", "1:6: unknown amount of args '': expected none, script or all\n"
				 "1:9: expected the end of the line, found 'x'\n" },
		{ "args all, none", "1:9: expected the end of the line, found ','\n" },
		{ "alert", "1:1: 'alert' needs a value\n" },
		{ "alert 100", "1:7: '100' " THRESHOLD },
		{ "alert Off", "1:7: 'Off' " THRESHOLD },
		{ "alert 0/h", "1:7: '0/h' " THRESHOLD },
		{ "alert 10/s", "1:7: '10/s' " THRESHOLD },
		{ "alert 1000001/h", "1:7: '1000001/h' " THRESHOLD },
		{ "alert 100/h burst 1", "1:13: expected the end of the line, found 'burst'\n" },
		{ "alert off 1", "1:11: expected the end of the line, found '1'\n" },
		{ "limit", "1:1: 'limit' needs a value\n" },
		{ "limit 10", "1:7: '10' " RATE },
		{ "limit 10/s", "1:7: a limit has two parts: write 'limit N/s burst M'\n" },
		{ "limit 10/s 100", "1:12: a limit has two parts: write 'limit N/s burst M'\n" },
		{ "limit 10/s \"burst\" 1",
		  "1:12: a limit has two parts: write 'limit N/s burst M'\n" },
		{ "limit 10/s burst", "1:12: 'burst' needs a value\n" },
		{ "limit burst 100",
		  "1:7: 'burst' " RATE "1:13: a limit has two parts: write 'limit N/s burst M'\n" },
		{ "limit 0/s burst 0", "1:7: '0/s' " RATE "1:17: '0' " BURST "\n" },
		{ "limit 1000001/s burst 1000001",
		  "1:7: '1000001/s' " RATE "1:23: '1000001' " BURST "\n" },
		{ "limit 10/d burst 1", "1:7: '10/d' " RATE },
		{ "limit /s burst 1", "1:7: '/s' " RATE },
		{ "limit 01/s burst 01",
		  "1:7: '01/s' " RATE "1:18: '01' " BURST " without leading zeros\n" },
		{ "limit 18446744073709551617/s burst 1", "1:7: '18446744073709551617/s' " RATE },
		{ "limit 1/s burst 1 x", "1:19: expected the end of the line, found 'x'\n" },
		{ "mode audit\nmode audit\nmode x",
		  "2:1: 'mode' was set already at p:1: " REPLACE(
			  "mode") "3:1: 'mode' was set already at p:1: " REPLACE("mode") },
	};

	assert_cases(cases, ARRAY_SIZE(cases));
}

/* A later one that says so, in whichever file, holds; which it replaces need not be there. */
static void test_replace(void **state __attribute__((unused)))
{
#define FIND                                                                                       \
	"'replace' goes before a setting: expected ports, mode, reject, log, limit, args, alert, " \
	"packets, uplink or raw\n"
	static const struct fail_case cases[] = {
		{ "replace", "1:1: " FIND },
		{ "replace # mode audit", "1:1: " FIND },
		{ "replace modes audit", "1:9: " FIND },
		{ "replace \"mode\" audit", "1:9: " FIND },
		{ "replace replace mode audit", "1:9: " FIND },
		{ "replace allow", "1:9: " FIND },
		{ "replace mode x", "1:14: unknown mode 'x': expected enforce or audit\n" },
		{ "replace mode audit\nmode audit",
		  "2:1: 'mode' was set already at p:1: " REPLACE("mode") },
		{ "ports 25\nreplace ports 587\nallow port 25",
		  "3:12: port 25 is not guarded: add it to 'ports' or leave it out here\n" },
	};
	static const struct file files[] = {
		{ .path = "i", .text = "replace mode enforce\nreplace ports 587, 465" },
		{ 0 },
	};

	assert_cases(cases, ARRAY_SIZE(cases));
	assert_prints("mode audit\nports 25, 26\ninclude i\nallow port 587\n", files, true,
		      "ports 465, 587\nmode enforce\nreject EPERM\nlog deny, audit\n"
		      "limit 10/s burst 100\nargs script\nalert off\n\nallow port 587\n");
	assert_prints("replace log allow\nreplace log deny\nreplace limit 1/h burst 2", files, true,
		      "ports 25\nmode enforce\nreject EPERM\nlog deny\nlimit 1/h burst 2\n"
		      "args script\nalert off\n");
}

static void test_bad_names(void **state __attribute__((unused)))
{
	static const struct fail_case cases[] = {
		{ "deny unit a.slice, *.slice, .slice",
		  "1:11: 'a.slice' is a slice, which 'unit' never matches: use 'cgroup /path'\n"
		  "1:20: '*.slice' is a slice, which 'unit' never matches: use 'cgroup /path'\n"
		  "1:29: '.slice' is a slice, which 'unit' never matches: use 'cgroup /path'\n" },
		{ "deny unit /a.service, a/b.service",
		  "1:11: '/a.service' is a path, not a unit name: use 'cgroup' for it\n"
		  "1:23: 'a/b.service' holds a slash: a unit is a name, not a path\n" },
		{ "deny unit *.*, **, \"\", ., ..",
		  "1:11: '*.*' has more than one '*': a name may hold one\n"
		  "1:16: '**' has more than one '*': a name may hold one\n"
		  "1:20: a unit name cannot be empty\n1:24: no cgroup is called '.'\n"
		  "1:27: no cgroup is called '..'\n" },
		{ "deny unit \"a\\x0a.b\"",
		  "1:11: 'a\\x0a.b' holds a newline: no cgroup is called that\n" },
		{ "deny unit a.b, c.d, a.b, a.b", "1:21: 'a.b' " TWICE "1:26: 'a.b' " TWICE },
		{ "deny cgroup a/b, \"\"",
		  "1:13: 'a/b' is relative: write '/a/b', from the cgroup v2 "
		  "root on\n1:18: a cgroup path cannot be empty\n" },
		{ "deny cgroup //, /a//b, /a/",
		  "1:13: '//' has an empty segment: write one '/' between names\n"
		  "1:17: '/a//b' has an empty segment: write one '/' between names\n"
		  "1:24: '/a/' ends in a slash: leave that out\n" },
		{ "deny cgroup /., /a/../b", "1:13: no cgroup is called '.'\n"
					     "1:17: no cgroup is called '..'\n" },
		{ "deny cgroup /a*b*/c, /*/**",
		  "1:13: 'a*b*' has more than one '*': a name may hold one\n"
		  "1:22: '**' has more than one '*': a name may hold one\n" },
		{ "deny cgroup \"/a/b\\x0a\"",
		  "1:13: 'b\\x0a' holds a newline: no cgroup is called that\n" },
		{ "deny cgroup /a, \"/a\"", "1:17: '/a' " TWICE },
		{ "deny user nosuch, group1", "1:11: there is no user 'nosuch' on this machine\n"
					      "1:19: there is no user 'group1' on this machine\n" },
		{ "deny group root", "1:12: there is no group 'root' on this machine\n" },
		{ "deny user broken",
		  "1:11: cannot look up the user 'broken': Input/output error\n" },
		{ "deny user nobody",
		  "1:11: the user 'nobody' has the id 4294967295, which is nobody's\n" },
		{ "deny user 4294967295, 18446744073709551616",
		  "1:11: '4294967295' is not a user id: expected a number from 0 to 4294967294\n"
		  "1:23: '18446744073709551616' is not a user id: expected a number from 0 to "
		  "4294967294\n" },
		{ "deny group 00, 010, +1, -1, \"\"",
		  "1:12: '00' has leading zeros: write the number without them\n"
		  "1:16: '010' has leading zeros: write the number without them\n"
		  "1:21: '+1' is neither a group name nor a number\n"
		  "1:25: '-1' is neither a group name nor a number\n"
		  "1:29: a group name cannot be empty\n" },
		{ "deny user root, 0, toor", "1:17: '0' is the same as 'root' in this list\n"
					     "1:20: 'toor' is the same as 'root' in this list\n" },
	};

	assert_cases(cases, ARRAY_SIZE(cases));
}

static void test_name_length(void **state __attribute__((unused)))
{
	char name[512], text[2048], expected[512];

	memset(name, 'x', sizeof(name));
	name[255] = '\0';
	memcpy(name + 247, ".service", 8);
	snprintf(text, sizeof(text), "deny unit %s cgroup /a/%s/b", name, name);
	policy_free(parse(text));

	memset(name, 'x', sizeof(name));
	name[256] = '\0';
	memcpy(name + 248, ".service", 8);
	snprintf(text, sizeof(text), "deny unit %s cgroup /a/%s/b", name, name);
	snprintf(expected, sizeof(expected),
		 "1:11: '%.119s...' is 256 bytes long: a cgroup name has at most 255\n"
		 "1:275: '%.119s...' is 256 bytes long: a cgroup name has at most 255\n",
		 name, name);
	assert_fails(text, expected);
}

static void test_bad_addresses(void **state __attribute__((unused)))
{
	static const struct fail_case cases[] = {
		{ "deny to 192.0.2, 192.0.2.256, 192.0.2.01, mx.example, \"\", /8",
		  "1:9: '192.0.2' " NO_ADDRESS "1:18: '192.0.2.256' " NO_ADDRESS
		  "1:31: '192.0.2.01' " NO_ADDRESS "1:43: 'mx.example' " NO_ADDRESS
		  "1:55: '' " NO_ADDRESS "1:59: '/8' " NO_ADDRESS },
		{ "deny to :::, 1:2, 2001:db8::g",
		  "1:9: ':::' " NO_ADDRESS "1:14: '1:2' " NO_ADDRESS
		  "1:19: '2001:db8::g' " NO_ADDRESS },
		{ "deny to 0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
		  "1:9: '0000:0000:0000:0000:0000:0000:0000:0000:0000:0000' " NO_ADDRESS },
		{ "deny to fe80::1%eth0, fe80::%eth0/64",
		  "1:9: 'fe80::1%eth0' names a zone: write the address without '%'\n"
		  "1:23: 'fe80::%eth0/64' names a zone: write the address without '%'\n" },
		{ "deny to 10.0.0.0/, 10.0.0.0/08, 10.0.0.0/33, 10.0.0.0/8/8",
		  "1:9: '10.0.0.0/': expected a prefix length from 0 to 32 after the slash\n"
		  "1:20: '10.0.0.0/08': expected a prefix length from 0 to 32 after the slash\n"
		  "1:33: '10.0.0.0/33': expected a prefix length from 0 to 32 after the slash\n"
		  "1:46: '10.0.0.0/8/8': expected a prefix length from 0 to 32 after the slash\n" },
		{ "deny to ::/129, ::ffff:10.0.0.0/129",
		  "1:9: '::/129': expected a prefix length from 0 to 128 after the slash\n"
		  "1:17: '::ffff:10.0.0.0/129': expected a prefix length from 0 to 128 after the "
		  "slash\n" },
		{ "deny to 192.0.2.1/24, 192.0.2.1/31, 1.0.0.0/0, 2001:db8::1/127",
		  "1:9: host bits are set: write 192.0.2.0/24\n"
		  "1:23: host bits are set: write 192.0.2.0/31\n"
		  "1:37: host bits are set: write 0.0.0.0/0\n"
		  "1:48: host bits are set: write 2001:db8::/127\n" },
		{ "deny to ::ffff:192.0.2.1/120, ::ffff:0:0/90, ::1/0",
		  "1:9: host bits are set: write 192.0.2.0/24\n"
		  "1:31: host bits are set: write ::ffc0:0:0/90\n"
		  "1:46: host bits are set: write ::/0\n" },
		{ "deny to 192.0.2.1, ::ffff:192.0.2.1, 192.0.2.1",
		  "1:20: '::ffff:192.0.2.1' is the same as '192.0.2.1' in this list\n"
		  "1:38: '192.0.2.1' " TWICE },
		{ "deny to ::1, ::, 127.0.0.1, 0.0.0.0",
		  "1:14: '::' is the same as '::1' in this list\n"
		  "1:29: '0.0.0.0' is the same as "
		  "'127.0.0.1' in this list\n" },
	};

	assert_cases(cases, ARRAY_SIZE(cases));
}

#define UNGUARDED "is not guarded: add it to 'ports' or leave it out here\n"

static void test_guarded(void **state __attribute__((unused)))
{
	static const struct fail_case cases[] = {
		{ "deny port 0, 70000, x",
		  "1:11: '0' " PORT "\n1:14: '70000' " PORT "\n1:21: 'x' " PORT "\n" },
		{ "deny port 587, 25", "1:11: port 587 " UNGUARDED },
		{ "deny port 25\nports 587\ndeny port 587, 465\nmode x",
		  "4:6: unknown mode 'x': expected enforce or audit\n"
		  "1:11: port 25 " UNGUARDED "3:16: port 465 " UNGUARDED },
		/* No text is no number. */
		{ "alow ,\ndeny port 587", "1:1: unknown setting or rule 'alow': " KEYWORDS
					   "2:11: port 587 is not guarded: add it to 'ports' or "
					   "leave it out here\n" },
		{ "alow \"\"\ndeny port 587", "1:1: unknown setting or rule 'alow': " KEYWORDS
					      "2:11: port 587 is not guarded: add it to 'ports' "
					      "or leave it out here\n" },
		{ "alow to ::1\ndeny port 587",
		  "1:1: unknown setting or rule 'alow': " KEYWORDS "2:11: port 587 " UNGUARDED },
		/* What 'ports' says is not known after these. */
		{ "ports 25, 587,\ndeny port 587", "1:14: " MISSING_AFTER },
		{ "prots 587\ndeny port 587", "1:1: unknown setting or rule 'prots': " KEYWORDS },
		{ "ports 25\nports 587\ndeny port 587",
		  "2:1: 'ports' was set already at p:1: " REPLACE("ports") },
		{ "ports 587\x01\ndeny port 587",
		  "1:10: control byte \\x01: a policy is plain text\n" },
		{ "include x\ndeny port 587", "1:9: cannot include 'x': there is no such file\n" },
		{ "allow \x01\ndeny port 587", "1:7: control byte \\x01: a policy is plain text\n"
					       "2:11: port 587 " UNGUARDED },
	};

	assert_cases(cases, ARRAY_SIZE(cases));
}

static void test_include(void **state __attribute__((unused)))
{
	static const struct file files[] = {
		{ .path = "a", .text = "deny unit a.a\ninclude d/*" },
		{ .path = "d/1", .text = "deny unit d.1\nports 587" },
		{ .path = "d/2", .text = "deny unit d.2" },
		{ .path = "empty", .text = "" },
		{ 0 },
	};
	struct world world = { .files = files };
	const struct policy_source source = source_of(&world);
	_cleanup_(policy_freep) struct policy *policy = NULL;
	struct policy_errors errors = { 0 };

	assert_prints(
		"deny unit p.1 port 587\ninclude a\ninclude none/*\ninclude empty\n"
		"deny unit p.2",
		files, true,
		"ports 587\nmode enforce\nreject EPERM\nlog deny, audit\nlimit 10/s burst 100\n"
		"args script\nalert off\n\n"
		"deny unit p.1 port 587\ndeny unit a.a\ndeny unit d.1\ndeny unit d.2\n"
		"deny unit p.2\n");
	assert_int_equal(policy_parse("a", &source, &policy, &errors), 0);
	assert_int_equal(policy->n_files, 3);
	assert_int_equal(policy->n_rules, 3);
	assert_string_equal(policy->rules[2].place.file, "d/2");
	assert_int_equal(policy->rules[2].place.line, 1);
}

static void test_bad_include(void **state __attribute__((unused)))
{
	static char large[(1 << 20) + 2];
	const struct file files[] = {
		{ .path = "self", .text = "\n include ./self" },
		{ .path = "loop", .text = "include pool" },
		{ .path = "pool", .text = "include loop" },
		{ .path = "bad", .text = "deny\nmode x\nmode y" },
		{ .path = "g/1", .text = "log x" },
		{ .path = "g/2", .error = -EISDIR, .why = "it is a directory" },
		{ .path = "g/3", .error = -EIO },
		{ .path = "g/4", .text = "log y" },
		{ .path = "large", .text = large, .size = (1 << 20) + 1 },
		{ .path = "comma", .text = "deny to ::1," },
		{ 0 },
	};
	static const struct fail_case cases[] = {
		{ "include", "1:1: 'include' needs a value\n" },
		{ "include \"\"", "1:9: cannot include '': the name is empty\n" },
		{ "include a b", "1:11: expected the end of the line, found 'b'\n" },
		{ "include none\ninclude none",
		  "1:9: cannot include 'none': there is no such file\n"
		  "2:9: cannot include 'none': there is no such file\n" },
		{ "include p", "1:9: cannot include 'p': a file cannot include itself\n" },
		{ "include self",
		  "self:2:10: cannot include './self': a file cannot include itself\n" },
		{ "include loop",
		  "pool:1:9: cannot include 'loop': it was read already, and a file is "
		  "read once\n" },
		{ "include bad\ninclude bad\nmode z",
		  "bad:2:6: unknown mode 'x': expected enforce or audit\n"
		  "bad:3:1: 'mode' was set already at bad:2: " REPLACE(
			  "mode") "2:9: cannot include 'bad': it was read already, and a file is "
				  "read once\n"
				  "3:1: 'mode' was set already at bad:2: " REPLACE("mode") },
		{ "include g/*", "g/1:1:5: unknown verdict 'x': expected deny, audit or allow\n"
				 "1:9: cannot include 'g/2': it is a directory\n"
				 "1:9: cannot include 'g/3': Input/output error\n"
				 "g/4:1:1: 'log' was set already at g/1:1: " REPLACE("log") },
		{ "include unreadable/*",
		  "1:9: cannot include 'unreadable/*': Permission denied\n" },
		{ "include large", "1:9: cannot include 'large': it is over 1 MiB\n" },
		{ "include comma\n  x",
		  "comma:1:12: " MISSING_AFTER "2:3: unknown setting or rule 'x': " KEYWORDS },
	};

	memset(large, '#', sizeof(large));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_fails_sized(cases[i].text, strlen(cases[i].text), files, cases[i].errors);
	policy_free(parse_sized(large, 1 << 20, NULL));
	assert_fails_sized(large, (1 << 20) + 1, NULL, "0:0: cannot read it: it is over 1 MiB\n");
}

/* Names and texts of files that include one another. */
static struct file *make_files(size_t n, bool chain, const char *last)
{
	struct file *files = calloc(n + 1, sizeof(*files));

	assert_non_null(files);
	for (size_t i = 0; i < n; i++) {
		char *path = NULL, *text = NULL;

		assert_true(asprintf(&path, "n/%zu", i + 1) > 0);
		assert_true(asprintf(&text, "include n/%zu", i + 2) > 0);
		if (!chain || i + 1 == n)
			strcpy(text, last);
		files[i] = (struct file){ .path = path, .text = text };
	}
	return files;
}

static void free_files(struct file *files)
{
	for (struct file *file = files; file->path; file++) {
		free((char *)file->path);
		free((char *)file->text);
	}
	free(files);
}

static void test_include_limits(void **state __attribute__((unused)))
{
	struct file *files = make_files(15, true, "deny");

	assert_prints("include n/1", files, false, "deny\n");
	free_files(files);

	files = make_files(16, true, "deny");
	assert_fails_sized(
		"include n/1", 11, files,
		"n/15:1:9: cannot include 'n/16': files can include files to a depth of 16\n");
	free_files(files);

	files = make_files(63, false, "");
	assert_prints("include n/*", files, false, "");
	free_files(files);

	files = make_files(66, false, "x");
	files[0].error = -EISDIR;
	for (int i = 1; i < 66; i++)
		memset((char *)files[i].text, 0, 1);
	assert_fails_sized("include n/*\ninclude n/66", 24, files,
			   "1:9: cannot include 'n/1': Is a directory\n"
			   "1:9: cannot include 'n/65': a policy can have 64 files\n");
	free_files(files);
}

static void test_no_main_file(void **state __attribute__((unused)))
{
	static const struct file files[] = {
		{ .path = "p", .error = -EPERM, .why = "anyone can write to it" },
		{ 0 },
	};
	struct world world = { .files = files };
	const struct policy_source source = source_of(&world);
	struct policy_errors errors = { 0 };
	struct policy *policy = NULL;
	_cleanup_free_ char *list = NULL;

	assert_int_equal(policy_parse("p", &source, &policy, &errors), -EINVAL);
	assert_int_equal(policy_parse("gone", &source, &policy, &errors), -EINVAL);
	assert_null(policy);
	list = errors_text(&errors);
	policy_errors_clear(&errors);
	assert_string_equal(list, "0:0: cannot read it: anyone can write to it\n"
				  "gone:0:0: cannot read it: there is no such file\n");
}

/* n times the format, with a running number. */
static char *repeat(const char *start, const char *format, int n, const char *end)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	fputs(start, out);
	for (int i = 0; i < n; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		fprintf(out, format, i);
#pragma GCC diagnostic pop
	}
	fputs(end, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void test_limits(void **state __attribute__((unused)))
{
	_cleanup_free_ char *rules = repeat("", "deny user %d\n", 256, "");
	_cleanup_free_ char *more = repeat("", " deny user %d\n", 260, "deny user x\nmode audit");
	_cleanup_free_ char *wrong = repeat("", "deny x%d\n", 256, "deny\n");
	_cleanup_free_ char *paths = repeat("deny cgroup /a/x, /", ", /a/%d", 511, "");
	_cleanup_free_ char *same = repeat("", "deny user %d cgroup /a/b/c/d/e\n", 256, "");
	_cleanup_free_ char *over = repeat("deny cgroup /a/x", ", /a/%d", 512, ", /b, /c/d");
	_cleanup_(policy_freep) struct policy *policy = parse(rules);
	struct world world = { 0 };
	const struct policy_source source = source_of(&world);
	struct policy_errors errors = { 0 };

	assert_int_equal(policy->n_rules, 256);
	for (size_t i = 0; i < 256; i++)
		assert_int_equal(policy->rules[i].values[SMTPWARD_USER].ids[0].id, i);
	policy_free(parse(paths));
	policy_free(parse(same));
	assert_fails(more, "257:2: too many rules: a policy can have 256\n"
			   "261:11: there is no user 'x' on this machine\n");
	assert_fails(over,
		     "1:3997: too many names: units and the segments of cgroup paths can be 1024 "
		     "together\n");

	/* Wrong rules are rules too. */
	policy_freep(&policy);
	policy = NULL;
	assert_int_equal(policy_parse_text("p", wrong, strlen(wrong), &source, &policy, &errors),
			 -EINVAL);
	assert_int_equal(errors.n_items, 257);
	assert_int_equal(errors.items[256].line, 257);
	assert_string_equal(errors.items[256].text, "too many rules: a policy can have 256");
	policy_errors_clear(&errors);
}

static void test_many_values(void **state __attribute__((unused)))
{
	_cleanup_free_ char *text = repeat("deny user 1000000", ", %d", 100000, "");
	_cleanup_(policy_freep) struct policy *policy = parse(text);

	assert_int_equal(policy->rules[0].values[SMTPWARD_USER].n, 100001);
	assert_int_equal(policy->rules[0].values[SMTPWARD_USER].ids[100000].id, 99999);
}

static void test_all_errors(void **state __attribute__((unused)))
{
	static const struct file files[] = {
		{ .path = "i", .text = "deny user nosuch\nreject EPERM" },
		{ 0 },
	};
	static const char text[] = "ports 25, 0\nreject no\nallow unit /x port 99999 prot\n"
				   "include i # here\n\tallw\nallow cgroup \"/a\ninclude j\n"
				   "audit to 10.0.0.1/8, 10.0.0.0/8, 10.0.0.0/8\nmode audit\n"
				   "deny to ::1 port";

	assert_fails_sized(
		text, strlen(text), files,
		"1:11: '0' " PORT "\n"
		"2:8: unknown error 'no': expected EPERM, EACCES, ECONNREFUSED, EHOSTUNREACH, "
		"ENETUNREACH or ETIMEDOUT\n"
		"3:12: '/x' is a path, not a unit name: use 'cgroup' for it\n"
		"3:20: '99999' " PORT "\n"
		"3:26: unknown condition 'prot': " MORE
		"i:1:11: there is no user 'nosuch' on this machine\n"
		"i:2:1: 'reject' was set already at p:2: " REPLACE(
			"reject") "5:2: unknown setting or rule 'allw': " KEYWORDS
				  "6:14: unterminated quote: the closing quote must stand in this "
				  "line\n"
				  "7:9: cannot include 'j': there is no such file\n"
				  "8:10: host bits are set: write 10.0.0.0/8\n"
				  "8:34: '10.0.0.0/8' " TWICE "10:13: 'port' needs a value\n");
}

/* Every call into the world fails with -ENOMEM once: that ends the parse, and says so. */
static void test_no_memory(void **state __attribute__((unused)))
{
	static const struct file files[] = {
		{ .path = "p", .text = "deny user root\ninclude i/*\ndeny group mail\ndeny x" },
		{ .path = "i/1", .text = "deny user toor group mail" },
		{ 0 },
	};
	int call, r = -ENOMEM;

	for (call = 1; r == -ENOMEM; call++) {
		struct world world = { files, call, -ENOMEM };
		const struct policy_source source = source_of(&world);
		struct policy *policy = NULL;
		struct policy_errors errors = { 0 };

		r = policy_parse("p", &source, &policy, &errors);
		assert_null(policy);
		policy_errors_clear(&errors);
	}
	assert_int_equal(r, -EINVAL);
	assert_int_equal(call, 9);
}

static void test_reject_names(void **state __attribute__((unused)))
{
	static const int numbers[] = { EPERM,	     EACCES,	  ECONNREFUSED,
				       EHOSTUNREACH, ENETUNREACH, ETIMEDOUT };
	static const char *const names[] = { "EPERM",	     "EACCES",	    "ECONNREFUSED",
					     "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT" };

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		_cleanup_(policy_freep) struct policy *policy = NULL;
		char text[64];

		assert_string_equal(policy_reject_name(numbers[i]), names[i]);
		snprintf(text, sizeof(text), "reject %s", names[i]);
		policy = parse(text);
		assert_int_equal(policy->reject, numbers[i]);
	}
	assert_null(policy_reject_name(0));
	assert_null(policy_reject_name(-EPERM));
	assert_null(policy_reject_name(EINVAL));
}

static void test_builtin(void **state __attribute__((unused)))
{
	assert_prints(policy_builtin_text, NULL, true, DEFAULTS "\nallow to 127.0.0.0/8, ::1\n");
}

static const char *pick(const char *const *items, size_t n)
{
	return items[(size_t)random() % n];
}

/* A comma list of up to 4 of items, no two the same: each takes the next of a stride. */
static void random_list(FILE *out, const char *name, const char *const *items, size_t n)
{
	size_t count = 1 + (size_t)random() % 4, at = (size_t)random() % n;

	fprintf(out, " %s%s", name, random() % 2 ? " " : "\t");
	for (size_t i = 0; i < count && i < n; i++, at = (at + 1) % n)
		fprintf(out, "%s%s", !i ? "" : random() % 2 ? " ," : ", ", items[at]);
}

static void random_rule(FILE *out)
{
	static const char *const verdicts[] = { "allow", "audit", "deny" };
	static const struct {
		const char *name;
		const char *items[6];
	} conditions[] = {
		{ "unit", { "a.service", "\"b \\x22.scope\"", "*", "c*.d", "\"#.e\"", "\xff.f" } },
		{ "cgroup", { "/", "/a\\x2d", "\"/\\x5c\"", "/*/b", "/a#", "\"/\\x7f \xff\"" } },
		{ "user",
		  { "root", "33", "\"to\"", "\"a,\\x22b\\x5c\\x01\"", "4294967294", "toor" } },
		{ "group", { "mail", "0", "1", "2", "3", "4" } },
		{ "to",
		  { "10.0.0.0/8", "::ffff:192.0.2.1", "::", "0.0.0.0/0", "::/0", "fe80::/10" } },
		{ "port", { "25", "587", "465", "2525", "26", "24" } },
	};
	size_t first = (size_t)random() % ARRAY_SIZE(conditions);

	fputs(pick(verdicts, ARRAY_SIZE(verdicts)), out);
	for (size_t i = 0; i < ARRAY_SIZE(conditions); i++) {
		size_t c = (first + i) % ARRAY_SIZE(conditions);

		if (random() % 2)
			random_list(out, conditions[c].name, conditions[c].items,
				    c == 2 ? 5 : ARRAY_SIZE(conditions[c].items));
	}
	fputs(random() % 2 ? " # , \"\n" : "\n", out);
}

static void random_guest_rule(FILE *out)
{
	static const struct {
		const char *name;
		const char *items[6];
	} conditions[] = {
		{ "mac", { "52:54:00:ab:cd:01", "00:00:00:00:00:00", "FF:ff:0a:A0:00:01" } },
		{ "vlan", { "1", "4094", "7", "70" } },
		{ "from", { "10.0.0.0/8", "::", "::ffff:192.0.2.1", "fe80::/10" } },
		{ "to", { "192.0.2.25", "::/0", "local" } },
		{ "guest", { "tap1*", "eth0.7", "*", "guest", "\"#\"", "\xff" } },
	};
	static const size_t n[] = { 3, 4, 4, 3, 6 };

	fputs("audit", out);
	for (size_t i = 0; i < ARRAY_SIZE(conditions); i++)
		if (i == ARRAY_SIZE(conditions) - 1 || random() % 2)
			random_list(out, conditions[i].name, conditions[i].items, n[i]);
	fputs("\n", out);
}

static void test_random(void **state __attribute__((unused)))
{
	static const char *const settings[] = {
		"mode audit\n",
		"log allow\n",
		"log deny, allow\n",
		"limit 7/m burst 3\n",
		"reject EACCES\n",
		"packets on\nraw allow\nuplink wan0, \"a,b\", eth0.7\n",
		"raw deny\n",
		"uplink auto\npackets on\n",
		"uplink eth0\n",
		"packets on\n",
		"uplink none\nraw allow\n",
		"#\n",
	};

	srandom(587);
	for (int round = 0; round < 2000; round++) {
		_cleanup_(policy_freep) struct policy *policy = NULL, *again = NULL;
		_cleanup_free_ char *text = NULL, *printed = NULL, *reprinted = NULL;
		size_t size = 0;
		FILE *out = open_memstream(&text, &size);

		assert_non_null(out);
		fputs(pick(settings, ARRAY_SIZE(settings)), out);
		for (long rules = random() % 8; rules >= 0; rules--)
			(random() % 4 ? random_rule : random_guest_rule)(out);
		fputs("ports 25, 26, 465 ,2525, 587 , 24", out);
		assert_int_equal(fclose(out), 0);
		policy = parse(text);
		assert_int_equal(policy_print(policy, &printed), 0);
		again = parse(printed);
		assert_int_equal(policy_print(again, &reprinted), 0);
		assert_string_equal(printed, reprinted);
		assert_int_equal(policy->n_rules, again->n_rules);
		assert_int_equal(policy->packets, again->packets);
		assert_int_equal(policy->uplink, again->uplink);
		assert_int_equal(policy->n_uplinks, again->n_uplinks);
		assert_int_equal(policy_allows_raw(policy), policy_allows_raw(again));
	}
}

/* No input may crash or be accepted in part; with the sanitizers this is a small fuzzer. */
static void test_mutations(void **state __attribute__((unused)))
{
	static const char seed[] =
		"ports 25, 587\nlog deny\nlimit 10/s burst 100\n"
		"allow to 10.0.0.0/8, ::1 user root port 587\n"
		"deny cgroup \"/a\\x2d b\", /c* unit d.service group mail\ninclude i\n";
	static const char bytes[] = "\0\n\r\t ,#\"\\/*x09:.%-\xef\xff";
	static const struct file files[] = { { .path = "i", .text = "mode audit" }, { 0 } };
	struct world world = { .files = files };
	const struct policy_source source = source_of(&world);

	srandom(25);
	for (int round = 0; round < 20000; round++) {
		_cleanup_(policy_freep) struct policy *policy = NULL;
		struct policy_errors errors = { 0 };
		size_t size = sizeof(seed) - 1 - (size_t)random() % 40;
		_cleanup_free_ char *text = malloc(size), *printed = NULL;
		int r;

		assert_non_null(text);
		memcpy(text, seed, size);
		for (long n = random() % 4; n >= 0; n--)
			text[(size_t)random() % size] =
				bytes[(size_t)random() % (sizeof(bytes) - 1)];
		r = policy_parse_text("p", text, size, &source, &policy, &errors);
		assert_int_equal(r, errors.n_items ? -EINVAL : 0);
		if (!r)
			assert_int_equal(policy_print(policy, &printed), 0);
		if (printed) {
			_cleanup_(policy_freep) struct policy *again = parse(printed);
			_cleanup_free_ char *reprinted = NULL;

			assert_int_equal(policy_print(again, &reprinted), 0);
			assert_string_equal(printed, reprinted);
		}
		policy_errors_clear(&errors);
	}
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	fputs(text, out);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(chmod(path, mode), 0);
}

/* What reads real files; the folder's own name is one that glob(3) would misread. */
static void test_system(void **state __attribute__((unused)))
{
	char folder[] = "/tmp/smtpward-[a]\\*-XXXXXX", path[128], include[128], fifo[128];
	const struct policy_source *source = &policy_source_system;
	struct policy_errors errors = { 0 };
	struct policy *policy = NULL;
	char **paths = NULL, *text = NULL, *why = NULL;
	size_t n = 0, size = 0;
	uint32_t id = 1;

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/main.conf", folder);
	snprintf(include, sizeof(include), "%s/2.inc", folder);
	snprintf(fifo, sizeof(fifo), "%s/10.inc", folder);
	write_file(path, "include [0-9]*.inc\ndeny user root group 0\n", 0600);
	write_file(include, "deny unit a.service\n", 0640);
	assert_int_equal(policy_parse(path, source, &policy, &errors), 0);
	assert_int_equal(policy->n_rules, 2);
	assert_string_equal(policy->rules[0].place.file, include);
	policy_free(policy);

	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(source->expand(NULL, path, "*.inc", &paths, &n, &why), 0);
	assert_int_equal(n, 2);
	assert_string_equal(paths[0], fifo);
	assert_string_equal(paths[1], include);
	free(paths[0]);
	free(paths[1]);
	free(paths);
	assert_int_equal(source->read(NULL, fifo, &text, &size, &why), -EINVAL);
	assert_string_equal(why, "it is not a regular file");
	free(why);
	why = NULL;
	assert_int_equal(source->read(NULL, folder, &text, &size, &why), -EISDIR);
	free(why);
	why = NULL;
	assert_int_equal(chmod(include, 0642), 0);
	assert_int_equal(source->read(NULL, include, &text, &size, &why), -EPERM);
	assert_non_null(why);
	assert_null(text);
	free(why);
	assert_int_equal(source->user(NULL, "root", &id), 0);
	assert_int_equal(id, 0);
	assert_int_equal(source->user(NULL, "no-such-user-here", &id), -ENOENT);
	assert_int_equal(source->group(NULL, "no-such-group-here", &id), -ENOENT);
	assert_int_equal(source->expand(NULL, "policy", "a.conf", &paths, &n, &why), 0);
	assert_int_equal(n, 1);
	assert_string_equal(paths[0], "a.conf");
	free(paths[0]);
	free(paths);
	assert_int_equal(unlink(path) | unlink(include) | unlink(fifo) | rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settings),       cmocka_unit_test(test_model),
		cmocka_unit_test(test_rules),	       cmocka_unit_test(test_words),
		cmocka_unit_test(test_quotes),	       cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_bad_settings),   cmocka_unit_test(test_replace),
		cmocka_unit_test(test_bad_names),      cmocka_unit_test(test_name_length),
		cmocka_unit_test(test_bad_addresses),  cmocka_unit_test(test_guarded),
		cmocka_unit_test(test_include),	       cmocka_unit_test(test_bad_include),
		cmocka_unit_test(test_include_limits), cmocka_unit_test(test_no_main_file),
		cmocka_unit_test(test_limits),	       cmocka_unit_test(test_many_values),
		cmocka_unit_test(test_all_errors),     cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_reject_names),   cmocka_unit_test(test_builtin),
		cmocka_unit_test(test_random),	       cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_system),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
