// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the cgroup v2 hierarchy is, from texts of mountinfo, and the kernel's ids of
 * its directories, where this machine has one: looked at, nothing made.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "host/cgroupfs.h"

#define PROC "22 29 0:21 / /proc rw,nosuid shared:5 - proc proc rw\n"
#define TMPFS "25 29 0:22 / /sys/fs/cgroup ro shared:7 - tmpfs tmpfs ro,mode=755\n"
#define LEGACY                                                                        \
	"31 25 0:27 / /sys/fs/cgroup/memory rw shared:11 - cgroup cgroup rw,memory\n" \
	"32 25 0:28 / /sys/fs/cgroup/systemd rw shared:12 - cgroup systemd rw,name=systemd\n"
#define HYBRID "26 25 0:23 / /sys/fs/cgroup/unified rw shared:8 - cgroup2 cgroup2 rw\n"
#define WHOLE "40 29 0:23 / /whole rw - cgroup2 cgroup2 rw\n"
#define PART "41 29 0:23 /a.slice /part rw - cgroup2 cgroup2 rw\n"
#define ABOVE "42 29 0:23 /../.. /above rw - cgroup2 cgroup2 rw\n"

static int parse_sized(const char *text, size_t size, char **ret_path)
{
	_cleanup_fclose_ FILE *in = fmemopen((void *)text, size, "r");

	assert_non_null(in);
	return cgroupfs_parse_mountinfo(in, ret_path);
}

static void assert_found(const char *text, const char *expected)
{
	_cleanup_free_ char *path = NULL;

	if (parse_sized(text, strlen(text), &path))
		fail_msg("nothing in:\n%s", text);
	assert_string_equal(path, expected);
}

static void assert_none(const char *text)
{
	char untouched, *path = &untouched;

	assert_int_equal(parse_sized(text, strlen(text), &path), -ENOENT);
	assert_ptr_equal(path, &untouched);
}

static void test_layouts(void **state __attribute__((unused)))
{
	assert_found(PROC "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 "
			  "rw,nsdelegate\n",
		     "/sys/fs/cgroup");
	assert_found(PROC TMPFS LEGACY HYBRID, "/sys/fs/cgroup/unified");
	assert_found(PROC TMPFS HYBRID LEGACY, "/sys/fs/cgroup/unified");
	assert_found("30 23 0:26 / / rw - cgroup2 none rw", "/"); /* without a newline */
	assert_none(PROC TMPFS LEGACY);
	assert_none(PROC);
	assert_none("\n");
}

static void test_empty(void **state __attribute__((unused)))
{
	_cleanup_fclose_ FILE *empty = fopen("/dev/null", "re");
	char *path = NULL;

	assert_non_null(empty);
	assert_int_equal(cgroupfs_parse_mountinfo(empty, &path), -ENOENT);
	assert_null(path);
}

static void test_several(void **state __attribute__((unused)))
{
	assert_found(WHOLE HYBRID, "/whole");
	assert_found(HYBRID WHOLE, "/sys/fs/cgroup/unified");
	assert_found(PART WHOLE, "/whole");
	assert_found(WHOLE PART, "/whole");
	assert_found(PART ABOVE WHOLE HYBRID, "/whole");
	assert_found(PART, "/part");
	assert_found(PART ABOVE, "/part");
	/* A cgroup namespace whose root is elsewhere. */
	assert_found(ABOVE, "/above");
	assert_found(ABOVE PART, "/above");
	assert_found(ABOVE WHOLE, "/whole");
	assert_found("41 29 0:23 // /double rw - cgroup2 cgroup2 rw\n" WHOLE, "/whole");
}

static void test_escapes(void **state __attribute__((unused)))
{
	static const struct {
		const char *escaped, *path;
	} cases[] = {
		{ "/a\\040b", "/a b" },
		{ "/a\\011\\012b\\134", "/a\t\nb\\" },
		{ "/\\134040", "/\\040" }, /* once, not twice */
		{ "/\\043", "/#" },
		{ "/\\303\\251\xc3\xa9", "/\xc3\xa9\xc3\xa9" },
		{ "/\\377", "/\xff" },
		{ "/\\400", "/\\400" },
		{ "/\\048\\080\\04", "/\\048\\080\\04" },
		{ "/\\", "/\\" },
		{ "/\\0", "/\\0" },
		{ "/\\\\040", "/\\ " },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char line[256];

		snprintf(line, sizeof(line), "40 29 0:23 / %s rw - cgroup2 cgroup2 rw\n",
			 cases[i].escaped);
		assert_found(line, cases[i].path);
		snprintf(line, sizeof(line), "40 29 0:23 /x %s rw - cgroup2 cgroup2 rw\n",
			 cases[i].escaped);
		assert_found(line, cases[i].path);
	}
}

static void test_tags(void **state __attribute__((unused)))
{
	assert_found("40 29 0:23 / /x rw - cgroup2 cgroup2 rw\n", "/x");
	assert_found("40 29 0:23 / /x rw shared:1 - cgroup2 cgroup2 rw\n", "/x");
	assert_found("40 29 0:23 / /x rw shared:1 master:2 - cgroup2 cgroup2 rw\n", "/x");
	assert_found("40 29 0:23 / /x rw shared:1 master:2 propagate_from:3 unbindable new - "
		     "cgroup2 cgroup2 rw\n",
		     "/x");
	assert_found("40 29 0:23 / /x rw - cgroup2 any\\040source rw\n", "/x");
	assert_found("40 29 0:23 / /x rw - cgroup2  rw\n", "/x");
}

/* Lines of other file systems and of none, however much they look like cgroup2's. */
static void test_others(void **state __attribute__((unused)))
{
	static const char *const lines[] = {
		"40 29 0:23 / /x rw - cgroup cgroup2 rw\n",
		"40 29 0:23 / /x rw - cgroup2x cgroup2 rw\n",
		"40 29 0:23 / /x rw - xcgroup2 cgroup2 rw\n",
		"40 29 0:23 / /x rw - tmpfs cgroup2 rw\n",
		"40 29 0:23 / /x rw - tmpfs - cgroup2 cgroup2 rw\n",
		"40 29 0:23 / /cgroup2\\040-\\040cgroup2 rw - ext4 /dev/sda rw\n",
		"40 29 0:23 / /x rw -cgroup2 cgroup2 rw\n",
		"40 29 0:23 / /x rw cgroup2 cgroup2 rw\n",
		"40 29 0:23 / /x rw - cgroup2\n",
		"40 29 0:23 / /x rw -\n",
		" - cgroup2 \n",
		"cgroup2\n",
		"\\\n\n \n-\n",
		"\xff\xfe\x01\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		char text[512];

		assert_none(lines[i]);
		snprintf(text, sizeof(text), "%s%s%s", lines[i], PART, lines[i]);
		assert_found(text, "/part");
	}
	/* A NUL is nothing that the kernel writes; what stands behind it in the line is lost. */
	assert_int_equal(parse_sized("40\0" WHOLE, 3 + strlen(WHOLE), &(char *){ NULL }), -ENOENT);
}

static void test_long_lines(void **state __attribute__((unused)))
{
	enum { LONG = 1 << 20, PATH = 4095 };
	_cleanup_free_ char *tags = malloc(LONG + 1), *text = NULL, *path = malloc(PATH + 1);

	assert_non_null(tags);
	assert_non_null(path);
	memset(tags, 't', LONG);
	tags[LONG] = '\0';
	memset(path, 'p', PATH);
	path[0] = '/';
	path[PATH] = '\0';
	assert_true(asprintf(&text,
			     "1 2 0:1 / /x rw %s - ext4 %s rw\n"
			     "40 29 0:23 / %s rw %s - cgroup2 %s rw\n",
			     tags, tags, path, tags, tags) > LONG);
	assert_found(text, path);
}

static ssize_t read_fails(void *cookie __attribute__((unused)),
			  char *buffer __attribute__((unused)), size_t size __attribute__((unused)))
{
	errno = EIO;
	return -1;
}

static void test_read_error(void **state __attribute__((unused)))
{
	const cookie_io_functions_t functions = { .read = read_fails };
	_cleanup_fclose_ FILE *in = fopencookie(NULL, "r", functions);
	char *path = NULL;

	assert_non_null(in);
	assert_int_equal(cgroupfs_parse_mountinfo(in, &path), -EIO);
	assert_null(path);
}

/* The file system itself. */

static void test_no_cgroup(void **state __attribute__((unused)))
{
	_cleanup_close_ int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t id = 4711;
	int fd = -4711;

	assert_true(proc >= 0);
	assert_int_equal(cgroupfs_open("/proc", &fd), -EMEDIUMTYPE);
	assert_int_equal(cgroupfs_open("/proc/self/status", &fd), -ENOTDIR);
	assert_int_equal(cgroupfs_open("/no/such/directory", &fd), -ENOENT);
	assert_int_equal(cgroupfs_open("", &fd), -ENOENT);
	assert_int_equal(fd, -4711);

	/* Other file systems have no handles, shorter or longer ones, or of another type. */
	assert_true(cgroupfs_id(AT_FDCWD, "/", &id) < 0);
	assert_true(cgroupfs_id(AT_FDCWD, "/tmp", &id) < 0);
	assert_true(cgroupfs_id(proc, "", &id) < 0);
	assert_true(cgroupfs_id(proc, "self", &id) < 0);
	assert_int_equal(cgroupfs_id(proc, "no-such-entry", &id), -ENOENT);
	assert_int_equal(cgroupfs_id(-1, "", &id), -EBADF);
	assert_int_equal(cgroupfs_count(proc, &id), -ENOENT);
	assert_int_equal(id, 4711);
}

/* A directory with a cgroup.stat of this text. */
static int count_in(const char *text, uint64_t *ret_count)
{
	char dir[] = "/tmp/smtpward-test-XXXXXX";
	_cleanup_close_ int dir_fd = -1, fd = -1;
	int r;

	assert_non_null(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir_fd >= 0);
	fd = openat(dir_fd, "cgroup.stat", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	r = cgroupfs_count(dir_fd, ret_count);
	assert_int_equal(unlinkat(dir_fd, "cgroup.stat", 0), 0);
	assert_int_equal(rmdir(dir), 0);
	return r;
}

static void test_count(void **state __attribute__((unused)))
{
	uint64_t count = 4711;

	assert_int_equal(count_in("", &count), -EBADMSG);
	assert_int_equal(count_in("nr_dying_descendants 3\n", &count), -EBADMSG);
	assert_int_equal(count_in("nr_descendants \n", &count), -EBADMSG);
	assert_int_equal(count, 4711);
	assert_int_equal(count_in("nr_descendants 5\nnr_dying_descendants 3\n", &count), 0);
	assert_int_equal(count, 5);
	assert_int_equal(count_in("nr_descendants 18446744073709551615\n", &count), 0);
	assert_true(count == UINT64_MAX);
}

static void test_real(void **state __attribute__((unused)))
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int root = -1, again = -1, proc = -1;
	uint64_t id = UINT64_MAX, other = UINT64_MAX, count = 0; /* so that half an id shows */
	struct stat st, child;
	int r = cgroupfs_find_root(&path);

	if (r == -ENOENT) {
		print_message("SKIP: no cgroup v2 hierarchy is mounted\n");
		skip();
	}
	assert_int_equal(r, 0);
	assert_int_equal(cgroupfs_open(path, &root), 0);
	assert_int_equal(fcntl(root, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fstat(root, &st), 0);
	assert_int_equal(cgroupfs_id(root, "", &id), 0);
	assert_true(id == st.st_ino);
	proc = openat(root, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	assert_true(proc >= 0);
	assert_int_equal(fstat(proc, &child), 0);
	assert_int_equal(cgroupfs_id(root, "cgroup.procs", &other), 0);
	assert_true(other == child.st_ino);
	assert_int_equal(cgroupfs_id(root, "no-such-cgroup", &other), -ENOENT);
	assert_int_equal(cgroupfs_count(root, &count), 0);

	r = cgroupfs_open_id(root, id, &again);
	if (r == -EPERM) {
		print_message("SKIP: opening by id takes CAP_DAC_READ_SEARCH\n");
		skip();
	}
	assert_int_equal(r, 0);
	assert_int_equal(fcntl(again, F_GETFD), FD_CLOEXEC);
	assert_int_equal(cgroupfs_id(again, "", &other), 0);
	assert_true(other == id);
	/* Ids are given out from 1 on: this one has not been. */
	assert_int_equal(cgroupfs_open_id(root, UINT64_MAX - 1, &(int){ -1 }), -ESTALE);
}

static bool parse(int (*fn)(FILE *in, bool *ret), const char *text)
{
	_cleanup_fclose_ FILE *in = fmemopen((void *)text, strlen(text), "r");
	bool answer = false;

	assert_non_null(in);
	assert_int_equal(fn(in, &answer), 0);
	return answer;
}

static void test_v1(void **state __attribute__((unused)))
{
	assert_true(parse(cgroupfs_parse_v1, PROC TMPFS LEGACY));
	assert_true(parse(cgroupfs_parse_v1, PROC TMPFS HYBRID LEGACY));
	assert_false(parse(cgroupfs_parse_v1, PROC TMPFS HYBRID));
	assert_false(parse(cgroupfs_parse_v1, WHOLE PART));
}

/* As /proc/1/cgroup is with systemd on each layout, and without it. */
static void test_v1_services(void **state __attribute__((unused)))
{
#define MEMORY "9:memory:/init.scope\n"
	/* Legacy, and v2 mounted by hand; the same with no v2 at all. */
	assert_true(parse(cgroupfs_parse_v1_services, MEMORY "1:name=systemd:/init.scope\n0::/\n"));
	assert_true(parse(cgroupfs_parse_v1_services, MEMORY "1:name=systemd:/init.scope\n"));
	/* Hybrid and unified. */
	assert_false(parse(cgroupfs_parse_v1_services,
			   MEMORY "1:name=systemd:/init.scope\n0::/init.scope\n"));
	assert_false(parse(cgroupfs_parse_v1_services, "0::/init.scope\n"));
	/* Another init; systemd in a container with a cgroup namespace of its own. */
	assert_false(parse(cgroupfs_parse_v1_services, MEMORY "0::/\n"));
	assert_false(parse(cgroupfs_parse_v1_services, "9:name=systemd:/\n0::/\n"));
	assert_false(parse(cgroupfs_parse_v1_services, "0::/\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layouts),	    cmocka_unit_test(test_empty),
		cmocka_unit_test(test_several),	    cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_tags),	    cmocka_unit_test(test_others),
		cmocka_unit_test(test_long_lines),  cmocka_unit_test(test_read_error),
		cmocka_unit_test(test_no_cgroup),   cmocka_unit_test(test_count),
		cmocka_unit_test(test_real),	    cmocka_unit_test(test_v1),
		cmocka_unit_test(test_v1_services),
	};

	return cmocka_run_group_tests_name("cgroupfs", tests, NULL, NULL);
}
