// SPDX-License-Identifier: GPL-2.0-only
/*
 * report: each attempt in the row of its tenant, user, rule and destination, whatever the limit on
 * lines, through reloads and kills; bounds that no tenant moves for another; who may look.
 */
#include "fixture.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>

#include <smtpward/rows.h>

#define ATTEMPTS 3000

/* report --json with two more words, which may be NULL. */
static json_t *report_as(child_fn become, const char *option, const char *value)
{
	const char *argv[] = { "smtpward",   "report", "--json", "--pins",
			       fixture.pins, option,   value,	 NULL };
	json_t *json;

	if (smtpward_child(argv, become, NULL))
		fail_msg("status %d: %s%s", run.status, run.out, run.err);
	json = json_loads(run.out, 0, NULL);
	if (!json)
		fail_msg("no JSON: %s", run.out);
	return json;
}

static json_t *report(void)
{
	return report_as(NULL, NULL, NULL);
}

static const char *text_of(const json_t *row, const char *name)
{
	return json_string_value(json_object_get(row, name)) ?: "";
}

static int64_t number_of(const json_t *row, const char *name)
{
	const json_t *value = json_object_get(row, name);

	return json_is_integer(value) ? (int64_t)json_integer_value(value) : -1;
}

static const char *unit_of(const json_t *row)
{
	return text_of(json_object_get(row, "tenant"), "unit");
}

static size_t rows_of(const json_t *json)
{
	return json_array_size(json_object_get(json, "rows"));
}

/* The row of that unit, kind and destination (NULL: any); NULL: there is none. */
static const json_t *find_row(const json_t *json, const char *unit, const char *kind,
			      const char *to)
{
	const json_t *row;
	size_t i;

	json_array_foreach(json_object_get(json, "rows"), i,
			   row) if (!strcmp(unit_of(row), unit) &&
				    !strcmp(text_of(row, "kind"), kind) &&
				    (!to || !strcmp(text_of(row, "dst"), to))) return row;
	return NULL;
}

static const json_t *row_of(const json_t *json, const char *unit, const char *to)
{
	const json_t *row = find_row(json, unit, "row", to);

	if (!row)
		fail_msg("no row of %s to %s: %s", unit, to, run.out);
	return row;
}

static void assert_row(const json_t *json, const char *unit, const char *to, const char *verdict,
		       int64_t attempts)
{
	const json_t *row = row_of(json, unit, to);

	assert_int_equal(number_of(row, "attempts"), attempts);
	assert_int_equal(number_of(row, verdict), attempts);
}

struct burst {
	const char *to;
	unsigned int n;
	int error;
};

static int burst(void *arg)
{
	const struct burst *burst = arg;
	struct sockaddr_storage to;
	socklen_t size = net_address(burst->to, 25, (struct sockaddr *)&to);

	for (unsigned int i = 0; i < burst->n; i++) {
		int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		int error = connect(fd, (struct sockaddr *)&to, size) ? errno : 0;

		net_close_at_once(fd);
		if (error != burst->error)
			return error ?: -1;
	}
	return 0;
}

static void burst_in(const char *cgroup, const char *to, unsigned int n, int error)
{
	struct burst what = { to, n, error };

	cgroup_make(cgroup);
	assert_int_equal(child_run(CHILD_IN(cgroup), burst, &what), 0);
}

static void test_two_rows(void **state)
{
	json_t *json;

	policy_load("limit 10/s burst 10\n");
	burst_in("a.service", NET_OUTSIDE4, ATTEMPTS, EPERM);
	burst_in("a.service", NET_OUTSIDE6, 1, EPERM);
	json = report();
	assert_int_equal(rows_of(json), 2);
	assert_row(json, "a.service", NET_OUTSIDE4, "deny", ATTEMPTS);
	assert_row(json, "a.service", NET_OUTSIDE6, "deny", 1);
	assert_int_equal(number_of(row_of(json, "a.service", NET_OUTSIDE4), "rule"), 0);
	assert_int_equal(number_of(row_of(json, "a.service", NET_OUTSIDE4), "dport"), 25);
	assert_int_equal(number_of(json, "attempts"), ATTEMPTS + 1);
	json_decref(json);
}

static void test_audit(void **state)
{
	json_t *json;

	policy_load("mode audit\nlimit 10/s burst 10\nlog deny, audit, allow\n"
		    "allow to " NET_OUTSIDE4_OTHER "\n");
	burst_in("a.service", NET_OUTSIDE4, ATTEMPTS, 0);
	burst_in("a.service", NET_OUTSIDE4_OTHER, 20, 0);
	json = report();
	assert_int_equal(rows_of(json), 2);
	assert_row(json, "a.service", NET_OUTSIDE4, "audit", ATTEMPTS);
	assert_row(json, "a.service", NET_OUTSIDE4_OTHER, "allow", 20);
	assert_int_equal(number_of(row_of(json, "a.service", NET_OUTSIDE4_OTHER), "rule"), 1);
	assert_int_equal(number_of(row_of(json, "a.service", NET_OUTSIDE4_OTHER), "line"), 4);
	json_decref(json);
}

/* What is not logged is not counted by destination; hits of its rule are. */
static void test_hits(void **state)
{
	const json_t *rules;
	json_t *json;

	policy_load("deny unit never.service\nallow to " NET_OUTSIDE4_OTHER "\n");
	burst_in("a.service", NET_OUTSIDE4_OTHER, 7, 0);
	burst_in("a.service", NET_OUTSIDE4, 2, EPERM);
	json = report();
	assert_int_equal(rows_of(json), 1);
	rules = json_object_get(json, "rules");
	assert_int_equal(json_array_size(rules), 3);
	assert_int_equal(number_of(json_array_get(rules, 0), "hits"), 0);
	assert_string_equal(text_of(json_array_get(rules, 0), "text"), "deny unit never.service");
	assert_int_equal(number_of(json_array_get(rules, 1), "hits"), 7);
	assert_int_equal(number_of(json_array_get(rules, 1), "line"), 2);
	assert_int_equal(number_of(json_array_get(rules, 2), "hits"), 2);
	assert_int_equal(number_of(json_array_get(rules, 2), "rule"), 0);
	json_decref(json);
}

/* A rule keeps its count where it stands now, and one that is gone keeps it without a number. */
static void test_goes_on(void **state)
{
	struct log log;
	json_t *json;
	char first[64];

	policy_load("limit 10/s burst 10\ndeny to " NET_OUTSIDE4 "\ndeny to " NET_OUTSIDE6 "\n");
	burst_in("a.service", NET_OUTSIDE4, 500, EPERM);
	burst_in("a.service", NET_OUTSIDE6, 3, EPERM);
	json = report();
	snprintf(first, sizeof(first), "%s",
		 text_of(row_of(json, "a.service", NET_OUTSIDE4), "first"));
	json_decref(json);
	log_start(&log, LOG_FILE);
	burst_in("a.service", NET_OUTSIDE4, 500, EPERM);
	log_end(&log, SIGKILL);
	log_close(&log);
	policy_load("limit 10/s burst 10\nallow unit b.service\ndeny to " NET_OUTSIDE4 "\n");
	burst_in("a.service", NET_OUTSIDE4, 500, EPERM);
	json = report();
	assert_int_equal(rows_of(json), 2);
	assert_row(json, "a.service", NET_OUTSIDE4, "deny", 1500);
	/* To the second: what makes UTC of the kernel's clock is asked for each time. */
	assert_memory_equal(text_of(row_of(json, "a.service", NET_OUTSIDE4), "first"), first,
			    strlen("2026-01-31T12:00:00"));
	assert_true(strcmp(text_of(row_of(json, "a.service", NET_OUTSIDE4), "last"), first) > 0);
	assert_int_equal(number_of(row_of(json, "a.service", NET_OUTSIDE4), "rule"), 2);
	assert_int_equal(number_of(row_of(json, "a.service", NET_OUTSIDE4), "line"), 3);
	assert_row(json, "a.service", NET_OUTSIDE6, "deny", 3);
	assert_true(json_is_null(json_object_get(row_of(json, "a.service", NET_OUTSIDE6), "rule")));
	json_decref(json);
	policy_unload();
	policy_load("ports 25\n");
	json = report();
	assert_int_equal(rows_of(json), 0);
	json_decref(json);
}

static int attempt_as(void *arg)
{
	struct attempt try = { .to = NET_OUTSIDE4, .port = 25 };

	return attempt(&try);
}

static void test_filters(void **state)
{
	const struct {
		const char *option, *value;
		size_t rows;
	} filters[] = {
		{ "--unit", "a.service", 3 },
		{ "--unit", "*.service", 4 },
		{ "--unit", "b.*", 1 },
		{ "--unit", "c.service", 0 },
		{ "--user", "nobody", 1 },
		{ "--user", "65534", 1 },
		{ "--user", "root", 3 },
		{ "--verdict", "deny", 3 },
		{ "--verdict", "audit", 1 },
		{ "--verdict", "allow", 0 },
		{ "--to", NET_OUTSIDE4, 3 },
		{ "--to", "192.0.2.0/24", 3 },
		{ "--to", "192.0.2.1:26", 0 },
		{ "--to", "192.0.2.1:25", 3 },
		{ "--to", "[2001:db8::/32]:25", 1 },
		{ "--to", "2001:db8::1", 1 },
		{ "--since", "1h", 4 },
		{ "--since", "2099-01-01T00:00Z", 0 },
	};

	policy_load("audit unit b.service\n");
	burst_in("a.service", NET_OUTSIDE4, 1, EPERM);
	burst_in("a.service", NET_OUTSIDE6, 2, EPERM);
	burst_in("b.service", NET_OUTSIDE4, 3, 0);
	assert_int_equal(child_run(CHILD(.cgroup = "a.service", .uid = READER_ID, .euid = READER_ID,
					 .egid = READER_ID),
				   attempt_as, NULL),
			 EPERM);
	for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
		json_t *json = report_as(NULL, filters[i].option, filters[i].value);

		if (rows_of(json) != filters[i].rows)
			fail_msg("%s %s: %zu rows: %s", filters[i].option, filters[i].value,
				 rows_of(json), run.out);
		json_decref(json);
	}
}

static int map_fd(const char *name)
{
	char pin[64];

	snprintf(pin, sizeof(pin), "policy/%s", name);
	return bpf_pin_open(pin);
}

static void set_used(uint64_t rows)
{
	_cleanup_close_ int fd = map_fd("map_rows_used");
	struct smtpward_rows_used used;
	const uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &used), 0);
	used.rows = rows;
	assert_int_equal(bpf_map_update_elem(fd, &zero, &used, BPF_ANY), 0);
}

/* To N addresses, 2001:db8:: and the number, each once. */
static int spread(void *arg)
{
	const unsigned int *n = arg;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	for (unsigned int i = 0; i < *n; i++) {
		struct sockaddr_in6 to = tally_address(0, i);

		if (!connect(fd, (struct sockaddr *)&to, sizeof(to)) || errno != EPERM)
			return errno ?: -1;
	}
	return 0;
}

static void spread_in(const char *cgroup, unsigned int n)
{
	cgroup_make(cgroup);
	assert_int_equal(child_run(CHILD_IN(cgroup), spread, &n), 0);
}

/* Where what is shared is full, each tenant has its own rows, and what is over is one row more. */
static void test_bounds(void **state)
{
	json_t *json;

	policy_load("ports 25\n");
	set_used(SMTPWARD_ROWS_SHARED);
	spread_in("a.service", 20);
	spread_in("b.service", SMTPWARD_ROWS_KEPT);
	json = report();
	assert_int_equal(rows_of(json), 2 * SMTPWARD_ROWS_KEPT + 1);
	assert_int_equal(number_of(find_row(json, "a.service", "other", NULL), "attempts"), 4);
	assert_int_equal(number_of(find_row(json, "a.service", "other", NULL), "deny"), 4);
	assert_null(find_row(json, "b.service", "other", NULL));
	assert_int_equal(number_of(json, "attempts"), 20 + SMTPWARD_ROWS_KEPT);
	json_decref(json);
	/* A load counts what is used. */
	policy_load("ports 25\n");
	spread_in("c.service", 20);
	json = report_as(NULL, "--unit", "c.service");
	assert_int_equal(rows_of(json), 20);
	json_decref(json);
}

/* One tenant takes its part of what is shared and no more, from both CPUs; another has its row. */
static void test_hostile(void **state)
{
	unsigned int n = SMTPWARD_ROWS_A_TENANT + 3000;
	struct child_handle children[2];
	json_t *json;

	cgroup_make("evil.service/x");
	policy_load("limit 10/s burst 10\n");
	for (size_t i = 0; i < ARRAY_SIZE(children); i++)
		children[i] =
			child_start(CHILD_IN(i ? "evil.service/x" : "evil.service"), spread, &n);
	burst_in("good.service", NET_OUTSIDE4, 100, EPERM);
	for (size_t i = 0; i < ARRAY_SIZE(children); i++)
		assert_int_equal(child_wait(&children[i]), 0);
	burst_in("good.service", NET_OUTSIDE6, 100, EPERM);
	json = report_as(NULL, "--unit", "good.service");
	assert_int_equal(rows_of(json), 2);
	assert_row(json, "good.service", NET_OUTSIDE4, "deny", 100);
	assert_row(json, "good.service", NET_OUTSIDE6, "deny", 100);
	json_decref(json);
	/* Not the buffer of the fixture, which has no room for them all. */
	assert_int_equal(smtpward("report", "--pins", fixture.pins, "--unit", "evil.service",
				  "--to", "203.0.113.1", NULL),
			 0);
	{
		_cleanup_close_ int fd = map_fd("map_row_tenants");
		const uint64_t id = cgroup_id("evil.service");
		struct smtpward_row_tenant tenant;

		assert_int_equal(bpf_map_lookup_elem(fd, &id, &tenant), 0);
		assert_in_range(tenant.rows, SMTPWARD_ROWS_KEPT + SMTPWARD_ROWS_A_TENANT,
				SMTPWARD_ROWS_KEPT + SMTPWARD_ROWS_A_TENANT + 2);
		/* Both went to the same addresses: what has no row is here, twice. */
		assert_int_equal(tenant.other.attempts[SMTPWARD_DENY], 2 * (n - tenant.rows));
	}
}

static void set_gone(uint64_t id, uint64_t gone_ns)
{
	_cleanup_close_ int fd = map_fd("map_row_tenants");
	struct smtpward_row_tenant tenant;

	assert_int_equal(bpf_map_lookup_elem(fd, &id, &tenant), 0);
	assert_true(tenant.gone_ns);
	tenant.gone_ns = gone_ns;
	assert_int_equal(bpf_map_update_elem(fd, &id, &tenant, BPF_EXIST), 0);
}

static unsigned int count_entries(const char *map)
{
	_cleanup_close_ int fd = map_fd(map);
	char key[64], *at = NULL;
	unsigned int n = 0;

	while (!bpf_map_get_next_key(fd, at, key)) {
		at = key;
		n++;
	}
	return n;
}

/* What it tried stays, with its name, for a week or until its room is needed. */
static void test_gone(void **state)
{
	const json_t *row;
	uint64_t id;
	json_t *json;

	policy_load("ports 25\n");
	burst_in("a.service", NET_OUTSIDE4, 5, EPERM);
	burst_in("b.service", NET_OUTSIDE4, 5, EPERM);
	id = cgroup_id("a.service");
	cgroup_remove("a.service");
	json = report();
	row = row_of(json, "a.service", NET_OUTSIDE4);
	assert_int_equal(number_of(row, "attempts"), 5);
	assert_true(json_is_string(json_object_get(json_object_get(row, "tenant"), "gone")));
	assert_true(json_is_null(json_object_get(
		json_object_get(row_of(json, "b.service", NET_OUTSIDE4), "tenant"), "gone")));
	json_decref(json);
	policy_load("ports 25\n");
	json = report();
	assert_int_equal(rows_of(json), 2);
	json_decref(json);
	set_gone(id, 1);
	policy_load("ports 25\n");
	json = report();
	assert_int_equal(rows_of(json), 2);
	json_decref(json);
	cgroup_make("a.service");
	burst_in("a.service", NET_OUTSIDE6, 1, EPERM);
	json = report();
	assert_int_equal(rows_of(json), 3);
	json_decref(json);
}

/* Once three quarters of what is shared are used, a load takes away what is gone. */
static void test_room(void **state)
{
	json_t *json;

	policy_load("ports 25\n");
	burst_in("a.service", NET_OUTSIDE4, 5, EPERM);
	burst_in("b.service", NET_OUTSIDE4, 5, EPERM);
	cgroup_remove("a.service");
	set_used(SMTPWARD_ROWS_SHARED / 4 * 3);
	assert_int_equal(smtpward("status", "--pins", fixture.pins, NULL), 4);
	assert_non_null(strstr(run.out, "degraded  "));
	policy_load("ports 25\n");
	assert_int_equal(smtpward("status", "--pins", fixture.pins, NULL), 0);
	json = report();
	assert_int_equal(rows_of(json), 1);
	assert_row(json, "b.service", NET_OUTSIDE4, "deny", 5);
	assert_int_equal(count_entries("map_row_names"), 1);
	assert_int_equal(count_entries("map_row_lasts"), 1);
	assert_int_equal(count_entries("map_rows"), 1);
	json_decref(json);
}

/* However many records there are: what the last one says is copied once a millisecond. */
static void test_last_of_a_flood(void **state)
{
	struct smtpward_row_last last = { 0 };
	struct smtpward_caller_key key;
	int64_t begin;
	int fd;

	policy_load("ports 25\nlimit 100000/s burst 100000\n");
	fd = map_fd("map_row_lasts");
	begin = clock_ms();
	burst_in("a.service", NET_OUTSIDE4, 20000, EPERM);
	assert_int_equal(bpf_map_get_next_key(fd, NULL, &key), 0);
	assert_int_equal(bpf_map_lookup_elem(fd, &key, &last), 0);
	close(fd);
	assert_in_range(last.writes, 1, clock_ms() - begin + 1);
}

static void test_last(void **state)
{
	char self[PATH_MAX] = "", copy[128], cwd[PATH_MAX];
	const json_t *row;
	json_t *json;

	assert_non_null(getcwd(cwd, sizeof(cwd)));
	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	policy_load("ports 25\n");
	burst_in("a.service", NET_OUTSIDE4, 1, EPERM);
	json = report();
	row = row_of(json, "a.service", NET_OUTSIDE4);
	snprintf(copy, sizeof(copy), "%s", strrchr(self, '/'));
	assert_string_equal(strrchr(text_of(row, "exe"), '/'), copy);
	assert_string_equal(text_of(row, "cwd"), cwd);
	assert_true(strcmp(text_of(row, "exe_time"), text_of(row, "last")) <= 0);
	json_decref(json);
}

#define SITE_USER 61184 /* no account has it */

static int burst_of_site(void *arg)
{
	if (chdir(arg) || setgid(SITE_USER) || setuid(SITE_USER))
		return errno;
	return burst(&(struct burst){ NET_OUTSIDE4_OTHER, 2, 0 });
}

static int burst_once(void *arg)
{
	return burst(&(struct burst){ arg, 1, EPERM });
}

/* From mode audit to a policy of what is suggested: what it has allows, what is in doubt does not.
 */
static void test_suggest(void **state)
{
	char site[] = "/run/smtpward-site-XXXXXX", text[sizeof(run.out)];

	assert_non_null(mkdtemp(site));
	assert_int_equal(chown(site, SITE_USER, SITE_USER), 0);
	policy_load("mode audit\nallow unit c.service\n");
	burst_in("a.service", NET_OUTSIDE4, 3, 0);
	burst_in("a.service", NET_OUTSIDE6, 1, 0);
	burst_in("c.service", NET_OUTSIDE4, 1, 0);
	cgroup_make("site.service");
	assert_int_equal(child_run(CHILD_IN("site.service"), burst_of_site, site), 0);
	assert_int_equal(smtpward("report", "--suggest", "--pins", fixture.pins, NULL), 0);
	assert_non_null(strstr(run.out, "\n# 4 attempts, 2 destinations, from 20"));
	assert_non_null(strstr(run.out, "\nallow unit a.service user root to " NET_OUTSIDE4 ", "));
	assert_non_null(strstr(run.out, "\n# in doubt: its user can write to the directory"));
	assert_non_null(strstr(run.out, "\n#allow unit site.service user 61184 to "));
	assert_null(strstr(run.out, "c.service"));
	snprintf(text, sizeof(text), "%s", run.out);
	policy_load("%s", text);
	burst_in("a.service", NET_OUTSIDE4, 1, 0);
	burst_in("a.service", NET_OUTSIDE6, 1, 0);
	burst_in("a.service", NET_OUTSIDE4_OTHER, 1, EPERM);
	assert_int_equal(child_run(CHILD_IN("site.service"), burst_once, NET_OUTSIDE4_OTHER), 0);
	/* All that was seen has its rule: there is nothing more to suggest. */
	assert_int_equal(
		smtpward("report", "--suggest", "--pins", fixture.pins, "--user", "root", NULL), 0);
	assert_non_null(strstr(run.out, "# There is nothing to allow.\n"));
	assert_int_equal(rmdir(site), 0);
}

static void test_suggest_bad_input(void **state)
{
	assert_int_equal(smtpward("report", "--suggest", "--json", NULL), 2);
	assert_non_null(strstr(run.err, "--suggest writes rules"));
	assert_int_equal(smtpward("report", "--suggest", "--watch", NULL), 2);
	assert_int_equal(smtpward("report", "--to", "[::1", NULL), 2);
	assert_string_equal(run.err, "smtpward: --to: '[::1' has no ']'\n");
	assert_int_equal(smtpward("report", "--suggest", "--pins", fixture.pins, NULL), 1);
	assert_non_null(strstr(run.err, "nothing is loaded at"));
}

#define CONTAINER "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define STORE "/var/lib/docker/containers/" CONTAINER

/* In our mount namespace; the machine's stays as it is. */
static void make_store(const char *text)
{
	_cleanup_fclose_ FILE *file = NULL;

	assert_int_equal(mount("tmpfs", "/var/lib", "tmpfs", 0, "mode=0755"), 0);
	assert_int_equal(mkdir("/var/lib/docker", 0710), 0);
	assert_int_equal(mkdir("/var/lib/docker/containers", 0710), 0);
	assert_int_equal(mkdir(STORE, 0710), 0);
	file = fopen(STORE "/config.v2.json", "we");
	assert_non_null(file);
	fputs(text, file);
}

static const json_t *container_of(const json_t *json)
{
	const json_t *row = row_of(json, "docker-" CONTAINER ".scope", NET_OUTSIDE4);

	return json_object_get(json_object_get(row, "tenant"), "container");
}

/* By docker's own file; one that is cut is said, and costs the name alone. */
static void test_container(void **state)
{
	json_t *json;

	policy_load("ports 25\n");
	burst_in("docker-" CONTAINER ".scope", NET_OUTSIDE4, 2, EPERM);
	make_store("{\"Name\":\"/web\",\"Config\":{\"Image\":\"nginx:1.25\"}}");
	json = report_as(NULL, "--unit", "web");
	assert_string_equal(text_of(container_of(json), "name"), "web");
	assert_string_equal(text_of(container_of(json), "image"), "nginx:1.25");
	assert_string_equal(text_of(container_of(json), "engine"), "docker");
	assert_true(json_is_string(json_object_get(container_of(json), "looked_up")));
	assert_int_equal(json_array_size(json_object_get(json, "notes")), 0);
	json_decref(json);
	assert_int_equal(umount("/var/lib"), 0);
	make_store("{\"Name\":\"/we");
	json = report();
	assert_true(json_is_null(json_object_get(container_of(json), "name")));
	assert_string_equal(text_of(container_of(json), "id"), CONTAINER);
	assert_non_null(strstr(json_string_value(json_array_get(json_object_get(json, "notes"), 0)),
			       "is cut"));
	json_decref(json);
	assert_int_equal(umount("/var/lib"), 0);
}

static void load_for_reader(const char *policy)
{
	cgroup_make("log.service");
	if (smtpward("load", "-c", policy_write("%s", policy), "--cgroup", fixture.attached,
		     "--pins", fixture.pins, "--reader", READER, "-v", NULL))
		fail_msg("status %d: %s", run.status, run.err);
}

static void test_reader(void **state)
{
	json_t *json;

	load_for_reader("limit 10/s burst 10\n");
	burst_in("a.service", NET_OUTSIDE4, 100, EPERM);
	json = report_as(reader_enter_and_become, NULL, NULL);
	assert_row(json, "a.service", NET_OUTSIDE4, "deny", 100);
	json_decref(json);
}

static const char *const row_maps[] = { "map_rows", "map_row_tenants", "map_row_names",
					"map_row_lasts", "map_rows_used" };

/* A child_fn: what the reader's group gets of the count is to look at. 0: it could change none. */
static int reader_writes(void *arg)
{
	int r = reader_enter_and_become(NULL);

	for (size_t i = 0; !r && i < ARRAY_SIZE(row_maps); i++) {
		LIBBPF_OPTS(bpf_obj_get_opts, reads, .file_flags = BPF_F_RDONLY);
		_cleanup_close_ int fd = -1, reading = -1;
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/policy/%s", fixture.pins, row_maps[i]);
		fd = bpf_obj_get(path);
		reading = bpf_obj_get_opts(path, &reads);
		if (fd >= 0 || reading < 0)
			return (int)i + 1;
	}
	return r;
}

static void test_reader_harmless(void **state)
{
	load_for_reader("ports 25\n");
	assert_int_equal(child_run(CHILD_IN("log.service"), reader_writes, NULL), 0);
}

static void test_nobody(void **state)
{
	const char *argv[] = { "smtpward", "report", "--pins", fixture.pins, NULL };

	policy_load("ports 25\n");
	assert_int_equal(smtpward_child(argv, reader_become, NULL), 1);
	assert_non_null(strstr(run.err, "cannot open"));
	assert_string_equal(run.out, "");
}

static void test_nothing(void **state)
{
	assert_int_equal(smtpward("report", "--pins", fixture.pins, NULL), 1);
	assert_non_null(strstr(run.err, "nothing is loaded"));
	assert_non_null(strstr(run.err, "smtpward load"));
	assert_string_equal(run.out, "");
}

/* Where each word of a line begins that follows two blanks. */
static size_t columns_of(const char *line, size_t *columns, size_t most)
{
	size_t n = 0;

	for (size_t i = 0; line[i] && line[i] != '\n' && n < most; i++)
		if (line[i] != ' ' && (!i || (i > 1 && line[i - 1] == ' ' && line[i - 2] == ' ')))
			columns[n++] = i;
	return n;
}

static const char *line_of(const char *needle)
{
	const char *at = strstr(run.out, needle);

	if (!at)
		fail_msg("no '%s' in: %s", needle, run.out);
	while (at > run.out && at[-1] != '\n')
		at--;
	return at;
}

static void test_table(void **state)
{
	size_t title[16], row[16];

	policy_load("deny unit a-name-that-is-long.service\n");
	burst_in("a-name-that-is-long.service", NET_OUTSIDE6, 3, EPERM);
	burst_in("b.service", NET_OUTSIDE4, 2, EPERM);
	assert_int_equal(smtpward("report", "--pins", fixture.pins, NULL), 0);
	assert_int_equal(columns_of(line_of("UNIT"), title, 16), 12);
	assert_int_equal(columns_of(line_of("b.service "), row, 16), 12);
	for (size_t i = 0; i < 12; i++)
		if (i < 4 || i > 7)
			assert_int_equal(title[i], row[i]);
	assert_non_null(strstr(run.out, "[2001:db8::1]:25 "));
	assert_non_null(strstr(run.out, "192.0.2.1:25 "));
	assert_non_null(strstr(run.out, "root(0) "));
	assert_non_null(strstr(run.out, " default "));
	/* Most attempts first. */
	assert_true(line_of("a-name-that-is-long.service ") < line_of("b.service "));
	assert_non_null(strstr(run.out, "\nRULE           HITS  TEXT\n"));
	assert_non_null(strstr(run.out, "\n1                 3  deny unit a-name"));
	assert_non_null(strstr(run.out, "\ndefault           2  deny\n"));
	assert_null(strstr(run.out, " \n"));
}

static void test_no_attempts(void **state)
{
	policy_load("ports 25\n");
	assert_int_equal(smtpward("report", "--pins", fixture.pins, NULL), 0);
	assert_int_equal(strncmp(run.out, "no attempts\n", strlen("no attempts\n")), 0);
}

/* A terminal, and report --watch in it. */
struct screen {
	int master, slave;
	pid_t pid;
	struct termios before;
	char text[65536]; /* all that was drawn */
	size_t used;
};

static void screen_open(struct screen *screen)
{
	const struct winsize size = { .ws_row = 24, .ws_col = 80 };

	*screen = (struct screen){ .master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC) };
	assert_true(screen->master >= 0);
	assert_int_equal(grantpt(screen->master), 0);
	assert_int_equal(unlockpt(screen->master), 0);
	screen->slave = open(ptsname(screen->master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(screen->slave >= 0);
	assert_int_equal(ioctl(screen->slave, TIOCSWINSZ, &size), 0);
	assert_int_equal(tcgetattr(screen->slave, &screen->before), 0);
	screen->pid = fork();
	assert_true(screen->pid >= 0);
	if (!screen->pid) {
		setsid();
		ioctl(screen->slave, TIOCSCTTY, 0);
		for (int fd = 0; fd <= STDERR_FILENO; fd++)
			dup2(screen->slave, fd);
		execl(fixture.binary, "smtpward", "report", "--watch", "--pins", fixture.pins,
		      NULL);
		_exit(127);
	}
	child_register(screen->pid);
}

/* Until this was drawn, behind what was there already. */
static void screen_wait(struct screen *screen, const char *needle)
{
	const size_t from = screen->used;
	const int64_t deadline = clock_ms() + FIXTURE_PATIENCE;

	while (!strstr(screen->text + from, needle)) {
		struct pollfd poll_fd = { .fd = screen->master, .events = POLLIN };
		ssize_t len;

		if (clock_ms() > deadline)
			fail_msg("no '%s' in: %s", needle, screen->text + from);
		if (poll(&poll_fd, 1, 100) <= 0)
			continue;
		len = read(screen->master, screen->text + screen->used,
			   sizeof(screen->text) - 1 - screen->used);
		assert_true(len > 0);
		screen->used += (size_t)len;
	}
}

#define SCREEN_LEAVES "\033[?7h\033[?25h\033[?1049l"

/* It ended well, and the terminal is as it was. */
static void screen_close(struct screen *screen)
{
	struct termios now;
	int status = -1;

	screen_wait(screen, SCREEN_LEAVES);
	assert_int_equal(child_reap(screen->pid, clock_ms() + FIXTURE_PATIENCE, &status), 0);
	child_forget(screen->pid);
	assert_int_equal(status, 0);
	assert_int_equal(tcgetattr(screen->slave, &now), 0);
	assert_int_equal(now.c_lflag, screen->before.c_lflag);
	assert_string_equal(screen->text + screen->used - strlen(SCREEN_LEAVES), SCREEN_LEAVES);
	close(screen->master);
	close(screen->slave);
}

static void test_watch(void **state)
{
	static const int signals[] = { SIGTERM, SIGHUP, SIGINT, SIGQUIT };
	struct screen screen;

	policy_load("ports 25\n");
	screen_open(&screen);
	screen_wait(&screen, "no attempts");
	burst_in("a.service", NET_OUTSIDE4, 3, EPERM);
	screen_wait(&screen, "a.service");
	/* What is unloaded meanwhile is said, and comes back. */
	policy_unload();
	screen_wait(&screen, "nothing is loaded");
	policy_load("ports 25\n");
	screen_wait(&screen, "no attempts");
	assert_int_equal(write(screen.master, "xq", 2), 2);
	screen_close(&screen);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		screen_open(&screen);
		screen_wait(&screen, "no attempts");
		kill(screen.pid, signals[i]);
		screen_close(&screen);
	}
	/* ^C of the terminal itself. */
	screen_open(&screen);
	screen_wait(&screen, "no attempts");
	assert_int_equal(write(screen.master, "\003", 1), 1);
	screen_close(&screen);
}

/* On 24 lines of 80 columns: no more than fits, nothing over the edge, the first line stays. */
static void test_watch_small(void **state)
{
	struct screen screen;
	char to[32], *at;
	size_t lines = 0;

	policy_load("ports 25\n");
	for (int i = 1; i <= 40; i++) {
		snprintf(to, sizeof(to), "203.0.113.%d", i);
		burst_in("a-service-with-a-name-that-takes-much-of-a-line.service", to, 2, EPERM);
	}
	screen_open(&screen);
	screen_wait(&screen, "more\r\n");
	at = strstr(screen.text, "\033[2J");
	assert_non_null(at);
	at += strlen("\033[2J");
	assert_true(*at >= '0' && *at <= '9');
	for (char *line = strtok(at, "\r\n"); line; line = strtok(NULL, "\r\n")) {
		if (*line == '\033')
			break;
		lines++;
		assert_in_range(strlen(line), 1, 80);
		if (strstr(line, "a-service"))
			assert_int_equal(line[79], '>');
	}
	assert_in_range(lines, 12, 24);
	assert_int_equal(write(screen.master, "q", 1), 1);
	screen_close(&screen);
}

/* ^Z: stopped with the terminal as it was, and drawn again once it goes on. */
static void test_watch_stopped(void **state)
{
	struct screen screen;
	struct termios now;
	int status;

	policy_load("ports 25\n");
	screen_open(&screen);
	screen_wait(&screen, "no attempts");
	kill(screen.pid, SIGTSTP);
	screen_wait(&screen, SCREEN_LEAVES);
	assert_int_equal(waitpid(screen.pid, &status, WUNTRACED), screen.pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(tcgetattr(screen.slave, &now), 0);
	assert_int_equal(now.c_lflag, screen.before.c_lflag);
	kill(screen.pid, SIGCONT);
	screen_wait(&screen, "no attempts");
	assert_int_equal(write(screen.master, "q", 1), 1);
	screen_close(&screen);
}

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_two_rows, fixture_tidy),
		cmocka_unit_test_teardown(test_audit, fixture_tidy),
		cmocka_unit_test_teardown(test_hits, fixture_tidy),
		cmocka_unit_test_teardown(test_goes_on, fixture_tidy),
		cmocka_unit_test_teardown(test_filters, fixture_tidy),
		cmocka_unit_test_teardown(test_bounds, fixture_tidy),
		cmocka_unit_test_teardown(test_hostile, fixture_tidy),
		cmocka_unit_test_teardown(test_gone, fixture_tidy),
		cmocka_unit_test_teardown(test_room, fixture_tidy),
		cmocka_unit_test_teardown(test_last_of_a_flood, fixture_tidy),
		cmocka_unit_test_teardown(test_last, fixture_tidy),
		cmocka_unit_test_teardown(test_suggest, fixture_tidy),
		cmocka_unit_test_teardown(test_suggest_bad_input, fixture_tidy),
		cmocka_unit_test_teardown(test_container, fixture_tidy),
		cmocka_unit_test_teardown(test_reader, fixture_tidy),
		cmocka_unit_test_teardown(test_reader_harmless, fixture_tidy),
		cmocka_unit_test_teardown(test_nobody, fixture_tidy),
		cmocka_unit_test_teardown(test_nothing, fixture_tidy),
		cmocka_unit_test_teardown(test_table, fixture_tidy),
		cmocka_unit_test_teardown(test_no_attempts, fixture_tidy),
		cmocka_unit_test_teardown(test_watch, fixture_tidy),
		cmocka_unit_test_teardown(test_watch_small, fixture_tidy),
		cmocka_unit_test_teardown(test_watch_stopped, fixture_tidy),
	};

	return cmocka_run_group_tests_name("report", tests, fixture_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
