// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who it was, said by the kernel at the time of the call: the process is gone, its
 * cgroup is gone, and the logger starts only then. Every field exactly, whatever
 * names the culprit gave itself, through each sink.
 *
 * The culprit is this program again, as a copy that lies where a test wants it.
 */
#include "fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

static int connect_outside(void)
{
	struct attempt connect = { WAY_CONNECT, NET_OUTSIDE4, 25 };

	return attempt(&connect);
}

/* The culprit's main(). */
static int culprit_main(const char *deed, const char *path)
{
	if (!strcmp(deed, "unlink") && unlink(path))
		return 255;
	if (!strcmp(deed, "chroot") && chroot(path))
		return 255;
	return connect_outside();
}

/* What is known of it from outside. Shared with the processes in between. */
struct facts {
	pid_t pid, ppid;
	uint64_t netns, cgid;
	bool auid_set;
	time_t when;
};

struct crime {
	struct facts *facts;
	const char *cgroup; /* where; made for it and removed after it */
	const char *parent; /* comm of the parent */
	const char *comm;   /* its own, where it does not exec */
	const char *exe;    /* what it execs, or NULL */
	int exe_fd;	    /* in place of it, where over 0 */
	const char *deed;
	const char *deed_path;
	uid_t uid, euid;
	gid_t egid;
	bool own_netns;
};

static uint64_t netns_number(void)
{
	struct stat st;

	return stat("/proc/self/ns/net", &st) ? 0 : st.st_ino;
}

static bool set_auid(const char *auid)
{
	_cleanup_close_ int fd = open("/proc/self/loginuid", O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, auid, strlen(auid)) > 0;
}

static int commit(const struct crime *crime, int cgroup_fd)
{
	const char *argv[] = { "culprit", "--culprit", crime->deed ?: "", crime->deed_path ?: "",
			       NULL };

	if (cgroup_enter_fd(cgroup_fd) || (crime->own_netns && unshare(CLONE_NEWNET)))
		return 255;
	crime->facts->pid = getpid();
	crime->facts->ppid = getppid();
	crime->facts->netns = netns_number();
	crime->facts->auid_set = set_auid("1000");
	if (crime->comm && prctl(PR_SET_NAME, crime->comm))
		return 255;
	if (setregid(-1, crime->egid) || setresuid(crime->uid, crime->euid, crime->uid))
		return 255;
	if (crime->exe_fd > 0)
		fexecve(crime->exe_fd, (char *const *)argv, environ);
	else if (crime->exe)
		execv(crime->exe, (char *const *)argv);
	else
		return connect_outside();
	return 254;
}

/* The parent in between, which lives as short. */
static int be_the_parent(void *userdata)
{
	const struct crime *crime = userdata;
	_cleanup_close_ int cgroup_fd = cgroup_open(crime->cgroup, false);
	pid_t pid;
	int status;

	if (cgroup_fd < 0 || prctl(PR_SET_NAME, crime->parent ?: "parent"))
		return 255;
	pid = fork();
	if (!pid)
		_exit(commit(crime, cgroup_fd));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 255;
	return WEXITSTATUS(status);
}

static struct facts *shared_facts(void)
{
	static struct facts *facts;

	if (!facts)
		facts = mmap(NULL, sizeof(*facts), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(facts != MAP_FAILED);
	return facts;
}

/* In a cgroup that is there for this alone. */
static void commit_and_vanish(struct crime *crime)
{
	crime->facts = shared_facts();
	crime->facts->when = time(NULL);
	cgroup_make(crime->cgroup);
	crime->facts->cgid = cgroup_id(crime->cgroup);
	assert_int_equal(child_run(CHILD(0), be_the_parent, crime), EPERM);
	cgroup_remove("");
}

static void read_one_line(enum log_sink sink, struct line *line)
{
	_cleanup_(log_close) struct log log;
	const char *text;

	log_start(&log, sink);
	text = log_line(&log, "verdict", 0);
	if (sink == LOG_JSON)
		line_parse_json(text, line);
	else
		line_parse(text, line);
	log_end(&log, SIGTERM);
	assert_int_equal(log_count(&log, "\n"), 0);
	assert_int_equal(log_count(&log, "verdict"), 1);
}

static void copy_self_to(int to)
{
	_cleanup_close_ int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct stat st;

	assert_int_equal(fstat(from, &st), 0);
	for (off_t at = 0; at < st.st_size;)
		assert_true(sendfile(to, from, &at, (size_t)(st.st_size - at)) > 0);
	assert_int_equal(fchmod(to, 0755), 0);
}

static void copy_self(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);

	assert_true(fd >= 0);
	copy_self_to(fd);
	close(fd);
}

/* A path below our directory; each call has a buffer of its own, four times. */
static const char *below_dir(const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned int next;
	char *path = paths[next++ % 4];

	snprintf(path, PATH_MAX, "%s/%s", fixture.dir, name);
	return path;
}

static const char *below_base(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "/%s/%s", fixture.name, name);
	return path;
}

static const char all_fields[] = "v verdict rule dst dport uid euid gid auid pid ppid netns cgid "
				 "unit cgroup exe parent comm";

static void assert_order(const struct line *line, const char *expected)
{
	char names[256] = "";

	for (size_t i = 0; i < line->n; i++)
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s",
			 i ? " " : "", line->fields[i].name);
	assert_string_equal(names, expected);
}

static void assert_every_field(const struct line *line, const struct crime *crime)
{
	line_assert(line, "v", "1");
	line_assert(line, "verdict", "deny");
	line_assert(line, "rule", "default");
	line_assert(line, "dst", NET_OUTSIDE4);
	line_assert(line, "dport", "25");
	line_assert_number(line, "uid", crime->uid);
	line_assert_number(line, "euid", crime->euid);
	line_assert_number(line, "gid", crime->egid);
	line_assert(line, "auid", crime->facts->auid_set ? "1000" : "4294967295");
	line_assert_number(line, "pid", (uint64_t)crime->facts->pid);
	line_assert_number(line, "ppid", (uint64_t)crime->facts->ppid);
	line_assert_number(line, "netns", crime->facts->netns);
	line_assert_number(line, "cgid", crime->facts->cgid);
	line_assert(line, "unit", "apache2.service");
	line_assert(line, "cgroup", below_base("system.slice/apache2.service/worker"));
	line_assert(line, "exe", below_dir("php8.2"));
	line_assert(line, "parent", "apache2");
	line_assert(line, "comm", "php8.2");
}

static void load_policy(void)
{
	policy_load("allow to 127.0.0.1\nlimit 1000000/s burst 1000000\n");
}

static void test_every_field(void **state)
{
	static const enum log_sink sinks[] = { LOG_FILE, LOG_STDERR, LOG_JSON };
	struct crime crime = {
		.cgroup = "system.slice/apache2.service/worker",
		.parent = "apache2",
		.exe = below_dir("php8.2"),
		.uid = 33, .euid = 34, .egid = 44,
		.own_netns = true,
	};
	struct line line;

	copy_self(crime.exe);
	load_policy();
	for (size_t i = 0; i < ARRAY_SIZE(sinks); i++) {
		commit_and_vanish(&crime);
		assert_int_not_equal(crime.facts->netns, netns_number());
		read_one_line(sinks[i], &line);
		assert_every_field(&line, &crime);
		if (sinks[i] != LOG_JSON)
			assert_order(&line, all_fields);
	}
	unlink(crime.exe);
}

/* The time is that of the call and not that of the reading. */
static void test_time(void **state)
{
	struct crime crime = { .cgroup = "x" };
	struct tm tm = { 0 };
	struct line line;
	time_t said;

	load_policy();
	commit_and_vanish(&crime);
	while (time(NULL) < crime.facts->when + 3)
		pause_until(INT64_MAX);
	read_one_line(LOG_JSON, &line);
	assert_non_null(strptime(line_field(&line, "time")->value, "%Y-%m-%dT%H:%M:%S", &tm));
	said = timegm(&tm);
	if (said < crime.facts->when - 1 || said > crime.facts->when + 1)
		fail_msg("%s is %d s off", line_field(&line, "time")->value,
			 (int)(said - crime.facts->when));
}

static void assert_exe(struct crime *crime, const char *expected)
{
	struct line line;

	crime->cgroup = "x.service";
	commit_and_vanish(crime);
	read_one_line(LOG_FILE, &line);
	line_assert(&line, "exe", expected);
}

static void test_exe_deleted(void **state)
{
	struct crime crime = { .exe = below_dir("gone"), .deed = "unlink",
			       .deed_path = below_dir("gone") };
	char expected[PATH_MAX];

	load_policy();
	copy_self(crime.exe);
	snprintf(expected, sizeof(expected), "%s (deleted)", below_dir("gone"));
	assert_exe(&crime, expected);
	/* And one that only says so of itself. */
	crime = (struct crime){ .exe = below_dir("there (deleted)") };
	copy_self(crime.exe);
	assert_exe(&crime, below_dir("there (deleted)"));
	unlink(below_dir("there (deleted)"));
}

static void assert_memfd_exe(const char *name, const char *expected)
{
	struct crime crime = { .exe_fd = memfd_create(name, MFD_CLOEXEC) };

	assert_true(crime.exe_fd > 0);
	copy_self_to(crime.exe_fd);
	assert_exe(&crime, expected);
	close(crime.exe_fd);
}

static void test_exe_memfd(void **state)
{
	load_policy();
	assert_memfd_exe("kworker", "/memfd:kworker (deleted)");
	assert_memfd_exe("/usr/sbin/postfix", "/memfd:/usr/sbin/postfix (deleted)");
	assert_memfd_exe("a b\" comm=\"postfix\n", "/memfd:a b\" comm=\"postfix\n (deleted)");
}

static void test_exe_in_mounts(void **state)
{
	struct crime crime = { .exe = below_dir("bound/mail\x1b\"er") };

	load_policy();
	assert_int_equal(mkdir(below_dir("real"), 0755), 0);
	assert_int_equal(mkdir(below_dir("bound"), 0755), 0);
	copy_self(below_dir("real/mail\x1b\"er"));
	assert_int_equal(mount(below_dir("real"), below_dir("bound"), NULL, MS_BIND, NULL), 0);
	assert_exe(&crime, below_dir("bound/mail\x1b\"er"));
	assert_int_equal(mount("tmpfs", below_dir("real"), "tmpfs", 0, "mode=755"), 0);
	crime = (struct crime){ .exe = below_dir("real/inner") };
	copy_self(crime.exe);
	assert_exe(&crime, below_dir("real/inner"));
	/* A file bound over a file: the name where it is and not the one that it has. */
	copy_self(below_dir("cover"));
	assert_int_equal(mount(below_dir("real/inner"), below_dir("cover"), NULL, MS_BIND, NULL),
			 0);
	crime = (struct crime){ .exe = below_dir("cover") };
	assert_exe(&crime, below_dir("cover"));
	/* What a chroot hides of the path is said all the same. */
	crime = (struct crime){ .exe = below_dir("real/inner"), .deed = "chroot",
				.deed_path = below_dir("real") };
	assert_exe(&crime, below_dir("real/inner"));
	assert_int_equal(umount(below_dir("cover")), 0);
	assert_int_equal(umount(below_dir("bound")), 0);
	assert_int_equal(umount(below_dir("real")), 0);
}

/* Its end is what is known: the names nearest to it. */
static void test_exe_too_long(void **state)
{
	char path[PATH_MAX], *end = path + snprintf(path, sizeof(path), "%s", fixture.dir);
	struct crime crime = { .cgroup = "x.service", .exe = path };
	struct line line;

	load_policy();
	for (int i = 0; i < 5; i++) {
		*end++ = '/';
		memset(end, 'a' + i, 250);
		end += 250;
		*end = '\0';
		assert_int_equal(mkdir(path, 0755), 0);
	}
	strcpy(end, "/evil");
	copy_self(path);
	commit_and_vanish(&crime);
	read_one_line(LOG_FILE, &line);
	assert_memory_equal(line_field(&line, "exe")->value, "/.../", 5);
	assert_non_null(strstr(line_field(&line, "exe")->value, "eeee/evil"));
	assert_true(strstr(path, line_field(&line, "exe")->value + 4) != NULL);
}

static const char *const hostile_names[] = {
	"a\"b", "a\\b", "\\x22", "=", "a=b c", "\x1b[2J\x1b]0;x\a", "\x7f\x80\xff", "\xc3\xa9\xe2\x80\xa8",
	"x\" comm=\"ok", " verdict=allow", "\r\t\v\f\b", "%s%n%d", "$(reboot)`id`", "{\"v\":2}",
};

static void assert_bytes(const struct line *line, const char *field, const char *bytes)
{
	const struct line_field *found = line_field(line, field);

	if (found->len != strlen(bytes) || memcmp(found->value, bytes, found->len))
		fail_msg("%s came back as '%s'", field, found->value);
}

/* comm has 15 bytes; a cgroup all that mkdir(2) takes. */
static void assert_name(enum log_sink sink, const char *name)
{
	char comm[16];
	struct crime crime = { .cgroup = name, .parent = comm, .comm = comm };
	struct line line;

	snprintf(comm, sizeof(comm), "%s", name);
	commit_and_vanish(&crime);
	read_one_line(sink, &line);
	line_assert(&line, "verdict", "deny");
	assert_bytes(&line, "comm", comm);
	assert_bytes(&line, "parent", comm);
	assert_bytes(&line, "unit", name);
	assert_bytes(&line, "cgroup", below_base(name));
}

static void test_hostile_names(void **state)
{
	load_policy();
	for (size_t i = 0; i < ARRAY_SIZE(hostile_names); i++) {
		assert_name(LOG_FILE, hostile_names[i]);
		assert_name(LOG_JSON, hostile_names[i]);
	}
}

static void test_every_byte(void **state)
{
	char name[256], comm[16] = "";
	struct crime crime = { .cgroup = "x", .parent = comm, .comm = comm };
	struct line line;
	size_t n = 0;

	load_policy();
	for (int byte = 1; byte < 256; byte++)
		if (byte != '/' && byte != '\n')
			name[n++] = (char)byte;
	name[n] = '\0';
	assert_name(LOG_FILE, name);
	assert_name(LOG_JSON, name);
	for (int byte = 1; byte < 256; byte += 15) {
		for (int i = 0; i < 15; i++)
			comm[i] = (char)(byte + i < 256 ? byte + i : 'x');
		commit_and_vanish(&crime);
		read_one_line(byte % 2 ? LOG_FILE : LOG_JSON, &line);
		assert_bytes(&line, "comm", comm);
		assert_bytes(&line, "parent", comm);
	}
}

static void test_newline_in_a_cgroup(void **state)
{
	assert_int_equal(mkdirat(fixture.base_fd, "a\nb", 0755), -1);
	assert_int_equal(errno, EINVAL);
}

static void test_long_names(void **state)
{
	char name[256] = "", path[600];
	struct crime crime = { .cgroup = path };
	struct line line;

	load_policy();
	memset(name, 'n', 255);
	assert_name(LOG_FILE, name);
	snprintf(path, sizeof(path), "%s/%s", name, name);
	commit_and_vanish(&crime);
	read_one_line(LOG_FILE, &line);
	/* Names are cut out of the middle where they do not fit, never these two. */
	assert_bytes(&line, "unit", name);
	assert_memory_equal(line_field(&line, "cgroup")->value, below_base(name),
			    strlen(below_base(name)));
}

/* So deep that most of the path is left out: whose it is still stands there. */
static void assert_deep(unsigned int levels, unsigned int name_size)
{
	_cleanup_free_ char *path = calloc(levels + 2, name_size + 2);
	char *end = path + sprintf(path, "hider.service");
	struct crime crime = { .cgroup = path };
	const char *expected;
	struct line line;

	for (unsigned int i = 0; i < levels; i++) {
		*end++ = '/';
		memset(end, 'a' + (int)(i % 26), name_size);
		end += name_size;
	}
	commit_and_vanish(&crime);
	read_one_line(LOG_FILE, &line);
	expected = below_base("hider.service/.../");
	line_assert_number(&line, "cgid", crime.facts->cgid);
	if (strncmp(line_field(&line, "cgroup")->value, expected, strlen(expected)))
		fail_msg("%u levels: cgroup is '%s'", levels, line_field(&line, "cgroup")->value);
	line_assert(&line, "unit", "hider.service");
	assert_string_equal(line_field(&line, "cgroup")->value +
				    line_field(&line, "cgroup")->len - name_size,
			    end - name_size);
}

static void test_deep(void **state)
{
	load_policy();
	assert_deep(40, 1);
	assert_deep(200, 200);
	assert_deep(500, 1);
}

static void test_deeper_than_it_looks(void **state)
{
	load_policy();
	assert_deep(700, 1);
}

static void test_destinations(void **state)
{
	static const struct {
		const char *to, *dst;
	} rows[] = {
		{ NET_OUTSIDE6, NET_OUTSIDE6 },
		{ "::ffff:" NET_OUTSIDE4, NET_OUTSIDE4 },
		{ "2001:db8:1::9", "2001:db8:1::9" },
		{ "255.255.255.254", "255.255.255.254" },
	};
	struct line line;

	policy_load("ports 2515, 65535, 1\n");
	cgroup_make("x");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static const uint16_t ports[] = { 2515, 65535, 1 };

		assert_int_equal(attempt_in("x", rows[i].to, ports[i % 3]), EPERM);
		read_one_line(LOG_FILE, &line);
		line_assert(&line, "dst", rows[i].dst);
		line_assert_number(&line, "dport", ports[i % 3]);
	}
}

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_every_field, fixture_tidy),
		cmocka_unit_test_teardown(test_time, fixture_tidy),
		cmocka_unit_test_teardown(test_destinations, fixture_tidy),
		cmocka_unit_test_teardown(test_exe_deleted, fixture_tidy),
		cmocka_unit_test_teardown(test_exe_memfd, fixture_tidy),
		cmocka_unit_test_teardown(test_exe_in_mounts, fixture_tidy),
		cmocka_unit_test_teardown(test_exe_too_long, fixture_tidy),
		cmocka_unit_test_teardown(test_hostile_names, fixture_tidy),
		cmocka_unit_test_teardown(test_every_byte, fixture_tidy),
		cmocka_unit_test_teardown(test_newline_in_a_cgroup, fixture_tidy),
		cmocka_unit_test_teardown(test_long_names, fixture_tidy),
		cmocka_unit_test_teardown(test_deep, fixture_tidy),
		cmocka_unit_test_teardown(test_deeper_than_it_looks, fixture_tidy),
	};

	return cmocka_run_group_tests_name("culprit", tests, fixture_setup, fixture_teardown);
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "--culprit"))
		return culprit_main(argv[2], argv[3]);
	return fixture_main(tests);
}
