// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names that somebody chose: whatever bytes they have and however long and deep they
 * are, they come back as they were, break no line and forge no field.
 */
#include "fixture_culprit.h"

#include <inttypes.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <bpf/btf.h>

static void load_policy(void)
{
	policy_load("allow to 127.0.0.1\nlimit 1000000/s burst 1000000\n");
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

/* The first of the ancestors, which ends with a NUL here. */
static void assert_parent(const struct line *line, const char *comm)
{
	const struct line_field *found = line_field(line, "ancestors");

	if (strcmp(found->value, comm) != 0)
		fail_msg("the parent came back as '%s'", found->value);
}

/* comm has 15 bytes; a cgroup all that mkdir(2) takes. */
static void assert_name(enum log_sink sink, const char *name)
{
	char comm[16];
	struct crime crime = { .cgroup = name, .above = { comm }, .comm = comm };
	struct line line;

	snprintf(comm, sizeof(comm), "%s", name);
	commit_and_vanish(&crime);
	read_one_line(sink, &line);
	line_assert(&line, "verdict", "deny");
	assert_bytes(&line, "comm", comm);
	assert_parent(&line, comm);
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
	struct crime crime = { .cgroup = "x", .above = { comm }, .comm = comm };
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
		assert_parent(&line, comm);
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
	name[120] = '\0';
	snprintf(path, sizeof(path), "%s/%s", name, name);
	commit_and_vanish(&crime);
	read_one_line(LOG_FILE, &line);
	assert_bytes(&line, "unit", name);
	assert_bytes(&line, "cgroup", below_base(path));
}

/*
 * Names that are too long in all: whatever is left out, the two next to the root are
 * there. One row for each level at which there may be no room any more.
 */
static void test_too_long_names(void **state)
{
	static const unsigned int rows[][4] = {
		{ 255, 10, 0, 0 },     { 10, 255, 0, 0 },      { 255, 255, 0, 0 },
		{ 200, 100, 0, 0 },    { 100, 100, 100, 0 },   { 255, 255, 255, 0 },
		{ 10, 128, 128, 0 },   { 10, 255, 255, 255 },  { 255, 255, 255, 255 },
		{ 128, 128, 128, 128 },
	};
	char path[4 * 256 + 1], top[256];
	struct crime crime = { .cgroup = path };
	struct line line;

	load_policy();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *end = path;

		for (int level = 0; level < 4 && rows[i][level]; level++) {
			end += sprintf(end, "%s%0*d", level ? "/" : "", (int)rows[i][level], level);
			if (!level)
				strcpy(top, path);
		}
		commit_and_vanish(&crime);
		read_one_line(LOG_FILE, &line);
		if (strncmp(line_field(&line, "cgroup")->value, below_base(top),
			    strlen(below_base(top))))
			fail_msg("row %zu: cgroup is '%s'", i, line_field(&line, "cgroup")->value);
		assert_bytes(&line, "unit", top);
	}
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

/*
 * Below slices, whoever owns the unit makes what hides it: the unit stays in the line, and all
 * above it. So does the container's own name where the unit is its engine's cgroup.
 */
static void test_unit_is_kept(void **state)
{
	static const struct {
		const char *top; /* below the base, which is a slice */
		const char *unit;
	} rows[] = {
		{ "user-1000.slice/user@1000.service", "user@1000.service" },
		{ "a.slice/a-b.slice/cri-1.scope", "cri-1.scope" },
		{ "a.slice/b.slice/c.slice/d.slice/e.slice/f.slice/g.service", "g.service" },
		{ "x.service", "x.service" },
	};
	static const unsigned int nested[][2] = { { 2, 240 }, { 5, 255 }, { 31, 3 }, { 200, 20 } };
	char path[8192], expected[256];
	struct crime crime = { .cgroup = path };
	struct line line;

	load_policy();
	for (size_t i = 0; i < ARRAY_SIZE(rows) * ARRAY_SIZE(nested); i++) {
		const unsigned int *below = nested[i % ARRAY_SIZE(nested)];
		const char *top = rows[i / ARRAY_SIZE(nested)].top;
		char *end = stpcpy(path, top);

		for (unsigned int level = 0; level < below[0]; level++)
			end += sprintf(end, "/%0*u", (int)below[1], level);
		commit_and_vanish(&crime);
		read_one_line(LOG_FILE, &line);
		strcpy(expected, below_base(top));
		if (strncmp(line_field(&line, "cgroup")->value, expected, strlen(expected)))
			fail_msg("row %zu: cgroup is '%s'", i, line_field(&line, "cgroup")->value);
		line_assert(&line, "unit", rows[i / ARRAY_SIZE(nested)].unit);
	}
}

/* Slices of one who owns a slice: there is no unit, and the path is one all the same. */
static void test_long_slices(void **state)
{
	char path[8 * 256], expected[512];
	struct crime crime = { .cgroup = path };
	struct line line;

	load_policy();
	for (unsigned int levels = 4; levels <= 7; levels++) {
		char *end = path;

		for (unsigned int level = 0; level < levels; level++)
			end += sprintf(end, "%s%0*u.slice", level ? "/" : "", 240, level);
		commit_and_vanish(&crime);
		read_one_line(LOG_FILE, &line);
		snprintf(expected, sizeof(expected), "%s/...", below_base(path));
		*strchr(strchr(expected + 1, '/') + 1, '/') = '\0';
		if (strncmp(line_field(&line, "cgroup")->value, expected, strlen(expected)))
			fail_msg("%u: cgroup is '%s'", levels, line_field(&line, "cgroup")->value);
		line_assert(&line, "unit", "");
	}
}

/* Whether it may point into the kernel; a word half of which is an id that there is not does not. */
static bool is_kernel_address(uint64_t word)
{
	return word >> 48 == 0xffff && word >> 32 != UINT32_MAX;
}

/* What lies behind the names in a record is for the reader's group to see, too. */
static void test_no_addresses(void **state)
{
	static const unsigned int nested[][2] = { { 0, 0 }, { 5, 255 }, { 40, 1 } };
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	_cleanup_close_ int events = -1;
	const uint64_t *ring;
	uint64_t end;

	load_policy();
	for (size_t i = 0; i < ARRAY_SIZE(nested); i++) {
		char path[2048];
		struct crime crime = { .cgroup = path };
		char *tail = stpcpy(path, "a.slice/b.slice/c.service");

		for (unsigned int level = 0; level < nested[i][0]; level++)
			tail += sprintf(tail, "/%0*u", (int)nested[i][1], level % 10);
		commit_and_vanish(&crime);
	}
	events = bpf_pin_open("policy/map_events");
	ring = mmap(NULL, 16 * page, PROT_READ, MAP_SHARED, events, (off_t)page);
	assert_ptr_not_equal(ring, MAP_FAILED);
	end = page + *ring;
	assert_in_range(*ring, 3 * sizeof(struct smtpward_event), 15 * page);
	for (size_t i = page / sizeof(*ring); i < end / sizeof(*ring); i++)
		if (is_kernel_address(ring[i]))
			fail_msg("at %zu: 0x%" PRIx64, i * sizeof(*ring) - page, ring[i]);
	munmap((void *)ring, 16 * page);
}

/* In the struct itself, or in one without a name that is in it. */
static bool has_member(const struct btf *btf, __u32 id, const char *name)
{
	const struct btf_type *type = btf__type_by_id(btf, id);

	if (!btf_is_composite(type))
		return false;
	for (__u16 i = 0; i < btf_vlen(type); i++) {
		const struct btf_member *member = &btf_members(type)[i];

		if (member->name_off ? !strcmp(btf__name_by_offset(btf, member->name_off), name)
				     : has_member(btf, member->type, name))
			return true;
	}
	return false;
}

/* Whether a cgroup has a list of all that are above it: since Linux 6.1. */
static bool kernel_lists_ancestors(void)
{
	struct btf *kernel = btf__load_vmlinux_btf();
	bool found;
	int id;

	assert_non_null(kernel);
	id = btf__find_by_name_kind(kernel, "cgroup", BTF_KIND_STRUCT);
	assert_true(id > 0);
	found = has_member(kernel, (__u32)id, "ancestors");
	btf__free(kernel);
	return found;
}

/* Without that list no program can look so far up: then the line says that it does not know. */
static void test_too_deep(void **state)
{
	char path[2 * 700] = "hider.service";
	struct crime crime = { .cgroup = path };
	struct line line;

	load_policy();
	if (kernel_lists_ancestors()) {
		assert_deep(690, 1);
		return;
	}
	while (strlen(path) < sizeof(path) - 2)
		strcat(path, "/x");
	commit_and_vanish(&crime);
	read_one_line(LOG_FILE, &line);
	line_assert_number(&line, "cgid", crime.facts->cgid);
	assert_memory_equal(line_field(&line, "cgroup")->value, "/.../x/", 7);
	line_assert(&line, "unit", "");
}

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_hostile_names, fixture_tidy),
		cmocka_unit_test_teardown(test_every_byte, fixture_tidy),
		cmocka_unit_test_teardown(test_newline_in_a_cgroup, fixture_tidy),
		cmocka_unit_test_teardown(test_long_names, fixture_tidy),
		cmocka_unit_test_teardown(test_too_long_names, fixture_tidy),
		cmocka_unit_test_teardown(test_deep, fixture_tidy),
		cmocka_unit_test_teardown(test_unit_is_kept, fixture_tidy),
		cmocka_unit_test_teardown(test_long_slices, fixture_tidy),
		cmocka_unit_test_teardown(test_no_addresses, fixture_tidy),
		cmocka_unit_test_teardown(test_too_deep, fixture_tidy),
	};

	return cmocka_run_group_tests_name("names", tests, fixture_setup, fixture_teardown);
}

int main(int argc, char **argv)
{
	return culprit_main(argc, argv, tests);
}
