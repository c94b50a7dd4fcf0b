// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who it was, said by the kernel at the time of the call: the process is gone, its
 * cgroup is gone, and the logger starts only then. Every field exactly, through each
 * sink.
 */
#include "fixture_culprit.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

static const char all_fields[] = "v time verdict rule unit euid dst dport uid gid auid pid ppid "
				 "netns cgid exe cwd args ancestors comm cgroup";

static void assert_order(const struct line *line, const char *expected)
{
	char names[256] = "";

	for (size_t i = 0; i < line->n; i++)
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", i ? " " : "",
			 line->fields[i].name);
	assert_string_equal(names, expected);
}

static void assert_every_field(const struct line *line, const struct crime *crime)
{
	line_assert(line, "v", "2");
	line_assert(line, "verdict", "deny");
	line_assert(line, "dst", NET_OUTSIDE4);
	line_assert(line, "dport", "25");
	line_assert_number(line, "uid", crime->uid);
	line_assert_number(line, "euid", crime->euid);
	line_assert_number(line, "gid", crime->egid);
	line_assert_number(line, "pid", (uint64_t)crime->facts->pid);
	line_assert_number(line, "ppid", (uint64_t)crime->facts->ppid);
	line_assert_number(line, "netns", crime->facts->netns);
	line_assert_number(line, "cgid", crime->facts->cgid);
	line_assert(line, "unit", "apache2.service");
	line_assert(line, "cgroup", below_base("system.slice/apache2.service/worker"));
	line_assert(line, "exe", below_dir("php8.2"));
	line_assert(line, "cwd", below_dir("where"));
	/* Its first word is not the program's name, and what follows the option is its value. */
	line_assert_list(line, "args", "culprit\0--culprit", sizeof("culprit\0--culprit") - 1);
	assert_string_equal(line_field(line, "ancestors")->value, "apache2");
	line_assert(line, "comm", "php8.2");
}

/* What text has a word for and JSON another value; and the kind, which text has no field for. */
static void assert_by_form(const struct line *line, const struct crime *crime, bool json)
{
	char names[256];

	line_assert(line, "rule", json ? "0" : "default");
	line_assert(line, "auid", crime->facts->auid_set ? "1000" : json ? "null" : "-");
	if (json)
		line_assert(line, "kind", "attempt");
	snprintf(names, sizeof(names), "%s%s", json ? "kind " : "", all_fields);
	assert_order(line, names);
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
		.above = { "apache2" },
		.exe = below_dir("php8.2"),
		.uid = 33,
		.euid = 34,
		.egid = 44,
		.own_netns = true,
		.cwd = below_dir("where"),
	};
	struct line line;

	assert_int_equal(mkdir(crime.cwd, 0755), 0);
	copy_self(crime.exe);
	load_policy();
	for (size_t i = 0; i < ARRAY_SIZE(sinks); i++) {
		commit_and_vanish(&crime);
		assert_int_not_equal(crime.facts->netns, netns_number());
		read_one_line(sinks[i], &line);
		assert_every_field(&line, &crime);
		assert_by_form(&line, &crime, sinks[i] == LOG_JSON);
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

/* For children: the clock that records have is ten days ahead of the kernel's. */
static void move_clock(void)
{
	static const char offset[] = "boottime 864000 0";
	_cleanup_close_ int fd = -1;

	if (unshare(CLONE_NEWTIME))
		fixture_skip("this kernel has no time namespaces");
	fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, offset, strlen(offset)), strlen(offset));
}

static uint64_t micro_of(const char *time)
{
	struct tm tm = { 0 };
	const char *fraction = strptime(time, "%Y-%m-%dT%H:%M:%S.", &tm);

	assert_non_null(fraction);
	return (uint64_t)timegm(&tm) * 1000000 + strtoul(fraction, NULL, 10);
}

static uint64_t micro_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* To the microsecond, also if the log is in a time namespace of its own. */
static void assert_time_in(const char *by, uint64_t before)
{
	const uint64_t after = micro_now();
	struct line line;
	uint64_t said;

	read_one_line(LOG_FILE, &line);
	said = micro_of(line_field(&line, "time")->value);
	/* The two clocks are compared while others may run. */
	if (said + 50000 < before || said > after + 50000)
		fail_msg("%s: %s is not within %llu to %llu us", by,
			 line_field(&line, "time")->value, (unsigned long long)before,
			 (unsigned long long)after);
}

static void test_time_namespace(void **state)
{
	_cleanup_close_ int own = open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC);
	struct crime crime = { .cgroup = "x" };
	uint64_t before = micro_now();

	load_policy();
	commit_and_vanish(&crime);
	assert_time_in("here", before);
	if (own < 0)
		fixture_skip("this kernel has no time namespaces");
	before = micro_now();
	commit_and_vanish(&crime);
	move_clock();
	assert_time_in("in a time namespace", before);
	assert_int_equal(setns(own, CLONE_NEWTIME), 0);
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
	struct crime crime = { .exe = below_dir("gone"),
			       .deed = "unlink",
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

/*
 * A program out of shared memory that nobody named: the kernel's own name for that has a slash,
 * and its record is kept all the same.
 */
static void test_exe_shared_memory(void **state)
{
	_cleanup_close_ int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	const unsigned long page = (unsigned long)sysconf(_SC_PAGESIZE);
	char path[64];
	struct crime crime = { .exe = path };
	unsigned long size;
	struct stat st;
	char *memory;

	load_policy();
	assert_int_equal(fstat(self, &st), 0);
	size = ((unsigned long)st.st_size + page - 1) / page * page;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	for (ssize_t at = 0, got; at < st.st_size; at += got) {
		got = pread(self, memory + at, (size_t)(st.st_size - at), at);
		assert_true(got > 0);
	}
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)memory,
		 (unsigned long)memory + size);
	assert_exe(&crime, "/dev/zero (deleted)");
	munmap(memory, size);
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
	crime = (struct crime){ .exe = below_dir("real/inner"),
				.deed = "chroot",
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
		cmocka_unit_test_teardown(test_time_namespace, fixture_tidy),
		cmocka_unit_test_teardown(test_destinations, fixture_tidy),
		cmocka_unit_test_teardown(test_exe_deleted, fixture_tidy),
		cmocka_unit_test_teardown(test_exe_memfd, fixture_tidy),
		cmocka_unit_test_teardown(test_exe_shared_memory, fixture_tidy),
		cmocka_unit_test_teardown(test_exe_in_mounts, fixture_tidy),
		cmocka_unit_test_teardown(test_exe_too_long, fixture_tidy),
	};

	return cmocka_run_group_tests_name("culprit", tests, fixture_setup, fixture_teardown);
}

int main(int argc, char **argv)
{
	return culprit_main(argc, argv, tests);
}
