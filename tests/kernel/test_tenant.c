// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which cgroups share one limit on lines: who makes them without end makes one tenant, and
 * what root's managers make is told apart. By what the kernel's table says, and by the lines.
 */
#include "fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>

#include <bpf/bpf.h>

#define USER 1234
#define SLICE "user.slice/user-1234.slice"
#define MANAGER SLICE "/user@1234.service"

/* The lines are not what these are about. */
#define LIMIT "limit 1/h burst 1\n"

/* In a child: a cgroup with all above it, made by whoever that is. */
static int make(void *arg)
{
	_cleanup_close_ int fd = cgroup_open(arg, true);

	return fd < 0;
}

static void made_by(const char *maker, const char *path)
{
	assert_int_equal(child_run(CHILD_IN(maker), make, (void *)path), 0);
}

static unsigned int entries(const char *map)
{
	_cleanup_close_ int fd = bpf_pin_open(map);
	struct smtpward_caller_key key;
	unsigned int n = 0;

	for (void *at = NULL; !bpf_map_get_next_key(fd, at, &key); at = &key)
		n++;
	return n;
}

/* Of ours: others make cgroups of their own meanwhile. */
static unsigned int tenants(void)
{
	_cleanup_close_ int fd = bpf_pin_open("map_tenants");
	struct smtpward_tenant tenant;
	unsigned int n = 0;
	uint64_t id;

	for (void *at = NULL; !bpf_map_get_next_key(fd, at, &id); at = &id)
		if (!bpf_map_lookup_elem(fd, &id, &tenant) &&
		    memmem(tenant.shared.cgroup, tenant.shared.cgroup_len, fixture.name,
			   strlen(fixture.name) + 1))
			n++;
	return n;
}

static bool has_entry(uint64_t id)
{
	_cleanup_close_ int fd = bpf_pin_open("map_tenants");
	struct smtpward_tenant tenant;

	return !bpf_map_lookup_elem(fd, &id, &tenant);
}

#define assert_tenant(path) assert_true(has_entry(cgroup_id(path)))
#define assert_none(path) assert_false(has_entry(cgroup_id(path)))

struct flood {
	unsigned int n;
	bool users; /* each attempt as another one */
};

static int flood(void *arg)
{
	const struct flood *attempts = arg;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(25) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), wrong = fd < 0;

	to.sin_addr.s_addr = inet_addr(NET_OUTSIDE4);
	for (unsigned int i = 0; i < attempts->n; i++) {
		if (attempts->users && (seteuid(0) || seteuid(100000 + i)))
			wrong++;
		if (!connect(fd, (struct sockaddr *)&to, sizeof(to)) || errno != EPERM)
			wrong++;
	}
	return wrong;
}

static void attempts_from(const char *cgroup, unsigned int n)
{
	assert_int_equal(child_run(CHILD_IN(cgroup), flood, &(struct flood){ .n = n }), 0);
}

/* What the log says now, to its end. */
static void read_log(struct log *log)
{
	log_start(log, LOG_FILE);
	log_end(log, SIGTERM);
}

/* Sums that hold this, which says whose they are; how many attempts they are about. */
static uint64_t suppressed(const struct log *log, const char *needle)
{
	_cleanup_free_ char *copy = strdup(log->text);
	char *rest = copy, *text;
	uint64_t sum = 0;

	assert_non_null(copy);
	while ((text = strsep(&rest, "\n"))) {
		struct line line;

		if (!strstr(text, " suppressed=") || !strstr(text, needle))
			continue;
		line_read(text, &line);
		sum += line_number(&line, "suppressed");
	}
	return sum;
}

/* What a line calls a cgroup of ours. */
static const char *named(const char *path)
{
	static char text[PATH_MAX];

	snprintf(text, sizeof(text), " cgroup=\"/%s/%s\"", fixture.name, path);
	return text;
}

/* A unit is a tenant with all that it makes; what root's managers make is another's. */
static void test_units(void **state)
{
	policy_load(LIMIT);
	cgroup_make("system.slice/a.service");
	cgroup_make("system.slice/system-b.slice/b@1.service");
	assert_none("");
	assert_none("system.slice");
	assert_none("system.slice/system-b.slice");
	assert_tenant("system.slice/a.service");
	assert_tenant("system.slice/system-b.slice/b@1.service");
	made_by("system.slice/a.service", "system.slice/a.service/own/below");
	assert_none("system.slice/a.service/own");
	assert_none("system.slice/a.service/own/below");
	made_by("system.slice/system-b.slice/b@1.service", "system.slice/a.service/other");
	assert_tenant("system.slice/a.service/other");
}

static void give(const char *path, uid_t user)
{
	static const char *const files[] = { ".", "cgroup.procs", "cgroup.subtree_control" };
	_cleanup_close_ int fd = cgroup_open(path, false);

	assert_true(fd >= 0);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		assert_int_equal(fchownat(fd, files[i], user, user, 0), 0);
}

/* All that a user has is one, whoever makes it: sessions, the manager, what it delegates. */
static void test_user_sessions(void **state)
{
	policy_load(LIMIT);
	cgroup_make(SLICE "/session-1.scope");
	cgroup_make(MANAGER);
	give(MANAGER, USER);
	cgroup_make(MANAGER "/app.slice/a.service");
	cgroup_make("user.slice/user-0.slice/session-2.scope");
	cgroup_make("user.slice/user-x.slice/x.service");
	assert_none("user.slice");
	assert_tenant(SLICE);
	assert_none(SLICE "/session-1.scope");
	assert_none(MANAGER);
	assert_none(MANAGER "/app.slice/a.service");
	assert_tenant("user.slice/user-0.slice");
	assert_none("user.slice/user-0.slice/session-2.scope");
	assert_none("user.slice/user-x.slice");
	assert_tenant("user.slice/user-x.slice/x.service");
}

/* As containers without systemd have them: managers make each, and its init what is inside. */
static void test_containers(void **state)
{
	char deep[256] = "lxc/101/ns/init.scope";

	policy_load(LIMIT);
	cgroup_make("pve.service");
	made_by("pve.service", "lxc/101/ns");
	made_by("pve.service", "lxc/102/ns");
	assert_tenant("lxc/101/ns");
	assert_tenant("lxc/102/ns");
	made_by("lxc/101/ns", deep);
	assert_none("lxc/101/ns/init.scope");
	made_by("lxc/101/ns/init.scope", "lxc/101/ns/system.slice/web.service");
	assert_none("lxc/101/ns/system.slice");
	assert_none("lxc/101/ns/system.slice/web.service");
	/* Users of a container of another user namespace: root's own by then. */
	give("lxc/102/ns", 100000);
	made_by("pve.service", "lxc/102/ns/init.scope");
	assert_none("lxc/102/ns/init.scope");
	while (strlen(deep) < sizeof(deep) - 3)
		strcat(deep, "/d");
	made_by("lxc/101/ns", deep);
	assert_none(deep);
	attempts_from(deep, 10);
	attempts_from("lxc/101/ns/system.slice/web.service", 10);
	assert_int_equal(status_counter("recorded"), 1);
}

/* A tenant lies no deeper than a connect looks. */
static void test_too_deep(void **state)
{
	char path[128] = "d.service";

	policy_load(LIMIT);
	for (int i = 0; i < 20; i++)
		strcat(path, "/d");
	cgroup_make(path);
	assert_none(path);
	assert_tenant("d.service/d/d/d");
}

/* Into a cgroup namespace of its own, as the first process of a container: that is its root. */
static int become_container(void *arg)
{
	_cleanup_close_ int fd = cgroup_open(arg, false);
	char path[128];

	snprintf(path, sizeof(path), "%s/cgroups", fixture.dir);
	if (fd < 0 || cgroup_enter_fd(fd) || unshare(CLONE_NEWCGROUP | CLONE_NEWNS))
		return -errno;
	if ((mkdir(path, 0755) && errno != EEXIST) || mount("cgroup2", path, "cgroup2", 0, NULL))
		return -errno;
	return 0;
}

/* As what a container has for the machine: with no cgroup of others in it. */
static void load_in(const char *root, const char *policy)
{
	const char *argv[] = { "smtpward", "load",	 "-c", policy_write("%s", policy),
			       "--pins",   fixture.pins, NULL };

	if (smtpward_child(argv, become_container, (void *)root))
		fail_msg("load: %s", run.err);
}

static void mark_delegated(const char *path)
{
	_cleanup_close_ int fd = cgroup_open(path, false);

	assert_true(fd >= 0);
	assert_int_equal(fsetxattr(fd, "trusted.delegate", "1", 1, 0), 0);
}

static const char said[] = "share the limit on lines";

/* Nobody knows who made these: what may be one tenant's counts as one, and that is said. */
static void test_there_before(void **state)
{
	cgroup_make("system.slice/a.service");
	cgroup_make(SLICE "/session-1.scope/x");
	load_in("", LIMIT);
	assert_null(strstr(run.err, said));
	assert_none("system.slice");
	assert_tenant("system.slice/a.service");
	assert_tenant(SLICE);
	assert_none(SLICE "/session-1.scope");
	policy_unload();

	cgroup_make("system.slice/delegated.service/payload");
	mark_delegated("system.slice/delegated.service");
	load_in("", LIMIT);
	assert_null(strstr(run.err, said));
	assert_tenant("system.slice/delegated.service");
	assert_none("system.slice/delegated.service/payload");
	policy_unload();

	cgroup_make("lxc/101/ns");
	cgroup_make("lxc/102/ns");
	load_in("", LIMIT);
	assert_non_null(strstr(run.err, "2 cgroups that were there before the load share the limit "
					"on lines of 1 tenant, /lxc: who made them is not "
					"known"));
	assert_tenant("lxc");
	assert_none("lxc/101");
	assert_none("lxc/102/ns");
	/* What comes after it is told apart. */
	cgroup_make("lxc/103");
	assert_tenant("lxc/103");
	made_by("lxc/101/ns", "lxc/101/ns/own");
	assert_none("lxc/101/ns/own");
	attempts_from("lxc/101/ns", 5);
	attempts_from("lxc/102/ns", 5);
	attempts_from("lxc/103", 5);
	assert_int_equal(status_counter("recorded"), 2);
}

/* What is said of them is on one line, whatever they are called. */
static void test_odd_name_before(void **state)
{
	cgroup_make("odd\x1b/a");
	load_in("", LIMIT);
	assert_non_null(strstr(run.err,
			       "1 cgroup that was there before the load shares the limit "
			       "on lines of 1 tenant, /odd\\x1b: who made it is not known"));
}

/* Longer than an entry has room for: names in the middle make room, as in a record. */
static void test_long_names_before(void **state)
{
	char path[5 * 256] = "", expected[5 * 256], name[256];
	_cleanup_(log_close) struct log log;

	for (int i = 0; i < 5; i++) {
		memset(name, 'a' + i, 240);
		strcpy(name + 240, i < 4 ? ".slice/" : ".scope");
		strcat(path, name);
	}
	cgroup_make(path);
	load_in("", LIMIT);
	assert_tenant(path);
	attempts_from(path, 5);
	read_log(&log);
	snprintf(expected, sizeof(expected), " cgroup=\"/%.*s/.../%s\"", 2 * 247 - 1, path,
		 path + 3 * 247);
	assert_int_equal(suppressed(&log, expected), 4);
}

/* A load goes on with what is known, though it could no longer tell. */
static void test_reload(void **state)
{
	unsigned int n;

	policy_load(LIMIT);
	cgroup_make("docker.service");
	made_by("docker.service", "docker/1");
	made_by("docker/1", "docker/1/own");
	n = tenants();
	policy_load(LIMIT "allow unit x.service\n");
	assert_null(strstr(run.err, said));
	assert_int_equal(tenants(), n);
	assert_tenant("docker/1");
	made_by("docker/1", "docker/1/more");
	assert_none("docker/1/more");
	made_by("docker.service", "docker/2");
	assert_tenant("docker/2");
}

struct mint {
	const char *below;
	unsigned int n;
};

static int become_user(void)
{
	return setgroups(0, NULL) || setresgid(USER, USER, USER) || setresuid(USER, USER, USER);
}

/* Wide and deep, each entered. */
static int mint(void *arg)
{
	const struct mint *what = arg;
	_cleanup_close_ int fd = cgroup_open(what->below, false);

	for (unsigned int i = 0; i < what->n; i++) {
		struct flood one = { .n = 1 };
		char name[32];
		int below;

		snprintf(name, sizeof(name), "c%u%s", i, i % 3 ? ".service" : ".slice");
		if (mkdirat(fd, name, 0755))
			return __LINE__;
		below = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (below < 0 || cgroup_enter_fd(below) || flood(&one))
			return __LINE__;
		if (i % 100) {
			close(below);
			continue;
		}
		close(fd);
		fd = below;
	}
	return 0;
}

static int mint_as_user(void *arg)
{
	return become_user() ? __LINE__ : mint(arg);
}

/* Cgroups without end, and user ids without end, are one limit and fill no table. */
static void test_minted(void **state)
{
	struct mint of_user = { MANAGER, 1500 }, of_container = { "docker/1", 1500 };
	struct flood ids = { .n = 3000, .users = true };
	_cleanup_(log_close) struct log log;
	unsigned int before;

	policy_load("limit 1/h burst 2\n");
	cgroup_make("manager.service");
	cgroup_make(MANAGER "/init.scope");
	give(SLICE, USER);
	give(MANAGER, USER);
	give(MANAGER "/init.scope", USER);
	made_by("manager.service", "docker/1");
	before = tenants();
	assert_int_equal(child_run(CHILD_IN(MANAGER "/init.scope"), mint_as_user, &of_user), 0);
	assert_int_equal(child_run(CHILD_IN("docker/1"), mint, &of_container), 0);
	assert_int_equal(tenants(), before);
	assert_int_equal(entries("map_callers"), 2);
	assert_int_equal(status_counter("recorded"), 4);
	assert_int_equal(child_run(CHILD_IN("docker/1"), flood, &ids), 0);
	assert_int_equal(tenants(), before);
	/* root's, and as many as a tenant has in all: the others share one. */
	assert_int_equal(entries("map_callers"), 1 + SMTPWARD_TENANT_USERS);
	assert_int_equal(status_counter("callers_full"), ids.n - (SMTPWARD_TENANT_USERS - 1));
	/* ten times a user's for all of a tenant */
	assert_int_equal(status_counter("recorded"), 2 + 20);
	read_log(&log);
	assert_int_equal(log_count(&log, " verdict="), 22);
	assert_int_equal(suppressed(&log, named(SLICE)), of_user.n - 2);
	assert_int_equal(suppressed(&log, named("docker/1")), of_container.n + ids.n - 20);
	assert_int_equal(log_count(&log, " cgroup=\"\""), 0);
	assert_int_equal(status_counter("cgroups_full"), 0);
}

struct move {
	const char *to;
	unsigned int n;
};

static int move_and_flood(void *arg)
{
	const struct move *move = arg;
	_cleanup_close_ int fd = cgroup_open(move->to, false);
	struct flood attempts = { .n = move->n };

	if (flood(&attempts) || cgroup_enter_fd(fd))
		return __LINE__;
	return flood(&attempts);
}

/* A process is of the tenant that it is in as it calls. */
static void test_moved(void **state)
{
	struct move move = { "system.slice/b.service/part", 30 };
	_cleanup_(log_close) struct log log;

	policy_load(LIMIT);
	cgroup_make("system.slice/a.service");
	cgroup_make("system.slice/b.service");
	made_by("system.slice/b.service", "system.slice/b.service/part");
	assert_int_equal(child_run(CHILD_IN("system.slice/a.service"), move_and_flood, &move), 0);
	read_log(&log);
	assert_int_equal(log_count(&log, named("system.slice/b.service/part")), 1);
	assert_int_equal(suppressed(&log, named("system.slice/a.service")), 29);
	assert_int_equal(suppressed(&log, named("system.slice/b.service")), 29);
}

/* Whoever is in no tenant is the root's. */
static void test_no_tenant(void **state)
{
	_cleanup_(log_close) struct log log;

	policy_load(LIMIT);
	cgroup_make("system.slice");
	attempts_from("system.slice", 5);
	read_log(&log);
	assert_int_equal(log_count(&log, named("system.slice")), 1);
	assert_int_equal(suppressed(&log, " unit=\"\" euid=0 cgid=1 cgroup=\"/\""), 4);
}

/*
 * What root puts into a container, as lxc-attach does, is told apart; but whoever is inside can
 * go there, and so makes nothing that is: not there, nor beside it, nor from there.
 */
static void test_put_inside(void **state)
{
	policy_load(LIMIT);
	cgroup_make("lxc.payload.web");
	cgroup_make("lxc.payload.web/.lxc");
	cgroup_make("lxc.payload.web/.lxc-1");
	assert_tenant("lxc.payload.web");
	assert_tenant("lxc.payload.web/.lxc");
	assert_tenant("lxc.payload.web/.lxc-1");
	made_by("lxc.payload.web/.lxc", "lxc.payload.web/beside");
	assert_none("lxc.payload.web/beside");
	made_by("lxc.payload.web", "lxc.payload.web/.lxc/in");
	assert_none("lxc.payload.web/.lxc/in");
	made_by("lxc.payload.web/.lxc", "lxc.payload.web/.lxc-1/other");
	assert_none("lxc.payload.web/.lxc-1/other");
	made_by("lxc.payload.web/beside", "lxc.payload.web/further");
	assert_none("lxc.payload.web/further");
	cgroup_make("lxc.payload.mail");
	made_by("lxc.payload.web", "lxc.payload.mail/of-another");
	assert_tenant("lxc.payload.mail/of-another");
}

/* Behind the time that a program may still be at the counts. */
static void wait_gone(void)
{
	const int64_t deadline = clock_ms() + 1100;

	while (pause_until(deadline))
		;
}

/* What counted nothing goes with its cgroup, the rest once it is summed up, by the name it had. */
static void test_gone(void **state)
{
	struct flood ids = { .n = 1500, .users = true };
	_cleanup_(log_close) struct log log, again;
	uint64_t id;

	policy_load(LIMIT);
	cgroup_make("idle.service");
	id = cgroup_id("idle.service");
	assert_true(has_entry(id));
	cgroup_remove("idle.service");
	assert_false(has_entry(id));
	cgroup_make("busy.service");
	id = cgroup_id("busy.service");
	assert_int_equal(child_run(CHILD_IN("busy.service"), flood, &ids), 0);
	cgroup_remove("busy.service");
	assert_true(has_entry(id));
	wait_gone();
	read_log(&log);
	assert_int_equal(suppressed(&log, named("busy.service")), ids.n - 10);
	assert_false(has_entry(id));
	assert_int_equal(entries("map_callers"), 0);
	assert_int_equal(entries("map_reported"), 0);
	read_log(&again);
	assert_int_equal(log_count(&again, ""), 0);
}

/* Of a file that only grows, as it says how far a log that was killed has come. */
static unsigned int count_lines(const char *path)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	unsigned int n = 0;
	int byte;

	while (file && (byte = fgetc(file)) != EOF)
		n += byte == '\n';
	return n;
}

static void tally_file(struct tally *tally, const char *path)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	ssize_t len;

	assert_non_null(file);
	while ((len = getline(&line, &size, file)) > 0) {
		line[strcspn(line, "\n")] = '\0';
		tally_line(tally, line);
	}
}

#define KILLS 6

/* Killed as it sums up: each attempt is in one line or one sum, and no entry stays. */
static void test_gone_and_killed(void **state)
{
	const char *argv[] = { "smtpward", "log", "--pins", fixture.pins, "--to", NULL, NULL };
	struct flood ids = { .n = 300, .users = true };
	_cleanup_(log_close) struct log last;
	static struct tally tally;
	char path[128];

	snprintf(path, sizeof(path), "%s/grows", fixture.dir);
	argv[5] = path;
	policy_load(LIMIT);
	for (unsigned int i = 0; i < KILLS; i++) {
		int64_t deadline = clock_ms() + FIXTURE_PATIENCE;
		unsigned int before = count_lines(path);
		_cleanup_(log_close) struct log log;

		cgroup_make("s.service");
		assert_int_equal(child_run(CHILD_IN("s.service"), flood, &ids), 0);
		cgroup_remove("s.service");
		if (i == KILLS / 2)
			wait_gone();
		log_start_run(&log, argv, NULL);
		assert_int_equal(kill(log.pid, SIGTERM), 0);
		while (count_lines(path) <= before + i * 20)
			assert_true(pause_until(deadline));
		kill(log.pid, SIGKILL);
		log_wait_exit(&log);
	}
	wait_gone();
	log_start_run(&last, argv, NULL);
	log_end(&last, SIGTERM);
	tally_init(&tally);
	tally_file(&tally, path);
	assert_int_equal(tally_sum(&tally), KILLS * ids.n);
	tally_free(&tally);
	assert_int_equal(entries("map_callers"), 0);
	assert_int_equal(unlink(path), 0);
}

#define INSIDE "machine.slice/box.service/payload"

/* Names begin at the root that the policy's paths begin at, wherever it lies. */
static void test_names_in_a_container(void **state)
{
	_cleanup_(log_close) struct log log;
	struct line line;
	char deep[256] = INSIDE "/system.slice/web.service";

	cgroup_make(INSIDE);
	load_in(INSIDE, LIMIT "allow unit mail.service\nallow cgroup /system.slice/m2.service\n");
	cgroup_make(INSIDE "/system.slice/mail.service");
	cgroup_make(INSIDE "/system.slice/m2.service");
	for (int i = 0; i < 35; i++)
		strcat(deep, "/d");
	cgroup_make(deep);
	assert_int_equal(attempt_in(INSIDE "/system.slice/mail.service", NET_OUTSIDE4, 25), 0);
	assert_int_equal(attempt_in(INSIDE "/system.slice/m2.service", NET_OUTSIDE4, 25), 0);
	attempts_from(INSIDE "/system.slice/web.service", 5);
	attempts_from(deep, 1);
	read_log(&log);
	line_read(log_line(&log, " verdict=deny ", 0), &line);
	line_assert(&line, "unit", "web.service");
	line_assert(&line, "cgroup", "/system.slice/web.service");
	line_read(log_line(&log, " verdict=deny ", 1), &line);
	line_assert(&line, "unit", "web.service");
	assert_memory_equal(line_field(&line, "cgroup")->value, "/system.slice/web.service/.../d/",
			    32);
	assert_int_equal(log_count(&log, " verdict=deny "), 2);
	assert_int_equal(suppressed(&log, " cgroup=\"/system.slice/web.service\""), 4);
}

#define TEST(name) cmocka_unit_test_teardown(name, fixture_tidy)

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_units),
		TEST(test_user_sessions),
		TEST(test_containers),
		TEST(test_too_deep),
		TEST(test_there_before),
		TEST(test_odd_name_before),
		TEST(test_long_names_before),
		TEST(test_reload),
		TEST(test_minted),
		TEST(test_moved),
		TEST(test_put_inside),
		TEST(test_no_tenant),
		TEST(test_gone),
		TEST(test_gone_and_killed),
		TEST(test_names_in_a_container),
	};

	return cmocka_run_group_tests_name("tenant", tests, fixture_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
