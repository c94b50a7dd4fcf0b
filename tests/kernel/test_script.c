// SPDX-License-Identifier: GPL-2.0-only
/*
 * What leads to the script: the working directory, the command line and the processes above, as
 * the kernel had them at the call. The process is gone when its line is written.
 */
#include "fixture_culprit.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <bpf/bpf.h>

#define POLICY "allow to 127.0.0.1\nlimit 1000000/s burst 1000000\n"

static void load_policy(void)
{
	policy_load(POLICY);
}

static void commit_and_read(struct crime *crime, struct line *line)
{
	crime->cgroup = "x.service";
	commit_and_vanish(crime);
	read_one_line(LOG_FILE, line);
}

/* The working directory. */

static void assert_cwd(struct crime *crime, const char *expected)
{
	struct line line;

	commit_and_read(crime, &line);
	line_assert(&line, "cwd", expected);
}

static void make_dir(const char *path)
{
	assert_int_equal(mkdir(path, 0755), 0);
}

/* The program and the directory, where they are not there yet. */
static void make_scene(const struct crime *crime)
{
	if (access(crime->exe, F_OK))
		copy_self(crime->exe);
	if (access(crime->cwd, F_OK))
		make_dir(crime->cwd);
}

static void test_cwd(void **state)
{
	struct crime crime = { .cwd = below_dir("plugins/x \"y\n") };

	load_policy();
	make_dir(below_dir("plugins"));
	make_dir(crime.cwd);
	assert_cwd(&crime, crime.cwd);
	/* It is the directory, whatever name led to it. */
	assert_int_equal(symlink("plugins", below_dir("link")), 0);
	crime.cwd = below_dir("link");
	assert_cwd(&crime, below_dir("plugins"));
	crime.cwd = "/";
	assert_cwd(&crime, "/");
}

static void test_cwd_deleted(void **state)
{
	struct crime crime = { .exe = below_dir("php"), .deed = "rmdir" };
	char expected[PATH_MAX];

	load_policy();
	copy_self(crime.exe);
	crime.cwd = crime.deed_path = below_dir("gone");
	make_dir(crime.cwd);
	snprintf(expected, sizeof(expected), "%s (deleted)", crime.cwd);
	assert_cwd(&crime, expected);
	/* And one that only says so of itself. */
	crime = (struct crime){ .cwd = below_dir("there (deleted)") };
	make_dir(crime.cwd);
	assert_cwd(&crime, crime.cwd);
}

static void test_cwd_in_a_chroot(void **state)
{
	struct crime crime = { .exe = below_dir("php"), .deed = "chroot" };

	load_policy();
	make_dir(below_dir("jail"));
	make_dir(below_dir("jail/www"));
	crime.deed_path = below_dir("jail");
	crime.cwd = below_dir("jail/www");
	if (access(crime.exe, F_OK))
		copy_self(crime.exe);
	assert_cwd(&crime, crime.cwd);
}

static void test_cwd_in_mounts(void **state)
{
	struct crime crime = { .cwd = below_dir("seen/www") };

	load_policy();
	make_dir(below_dir("true"));
	make_dir(below_dir("true/www"));
	make_dir(below_dir("seen"));
	assert_int_equal(mount(below_dir("true"), below_dir("seen"), NULL, MS_BIND, NULL), 0);
	assert_cwd(&crime, crime.cwd);
	/* The root of a mount, and what lies below a second one. */
	crime.cwd = below_dir("seen");
	assert_cwd(&crime, crime.cwd);
	assert_int_equal(mount("tmpfs", below_dir("seen/www"), "tmpfs", 0, "mode=755"), 0);
	make_dir(below_dir("seen/www/forum"));
	crime.cwd = below_dir("seen/www");
	assert_cwd(&crime, crime.cwd);
	crime.cwd = below_dir("seen/www/forum");
	assert_cwd(&crime, crime.cwd);
	assert_int_equal(umount(below_dir("seen/www")), 0);
	assert_int_equal(umount(below_dir("seen")), 0);
}

/* A directory that is no longer below what its mount shows: as far as its file system goes. */
static void test_cwd_moved_out_of_its_mount(void **state)
{
	struct crime crime = { .exe = below_dir("php"), .deed = "move-out" };

	load_policy();
	make_dir(below_dir("disk"));
	make_dir(below_dir("shown"));
	assert_int_equal(mount("tmpfs", below_dir("disk"), "tmpfs", 0, "mode=755"), 0);
	make_dir(below_dir("disk/part"));
	make_dir(below_dir("disk/part/inner"));
	assert_int_equal(mount(below_dir("disk/part"), below_dir("shown"), NULL, MS_BIND, NULL), 0);
	if (access(crime.exe, F_OK))
		copy_self(crime.exe);
	crime.cwd = below_dir("shown/inner");
	crime.deed_path = below_dir("disk/part/inner");
	assert_cwd(&crime, "/out");
	assert_int_equal(umount(below_dir("shown")), 0);
	assert_int_equal(umount(below_dir("disk")), 0);
}

/* From inside of a container with that file system, and from outside. */
static void assert_cwd_of_container(const char *root)
{
	struct crime crime = { .exe = below_dir("php"), .deed = "container", .deed_path = root };
	char path[PATH_MAX];

	if (access(crime.exe, F_OK))
		copy_self(crime.exe);
	assert_cwd(&crime, "/srv/www");
	snprintf(path, sizeof(path), "%s/srv/www", root);
	crime = (struct crime){ .cwd = path };
	assert_cwd(&crime, path);
}

static void test_cwd_in_a_container(void **state)
{
	load_policy();
	make_dir(below_dir("rootfs"));
	assert_int_equal(mount("tmpfs", below_dir("rootfs"), "tmpfs", 0, "mode=755"), 0);
	make_dir(below_dir("rootfs/srv"));
	make_dir(below_dir("rootfs/srv/www"));
	assert_cwd_of_container(below_dir("rootfs"));
	assert_int_equal(umount(below_dir("rootfs")), 0);
}

static void test_cwd_in_an_overlay(void **state)
{
	char options[3 * PATH_MAX];

	load_policy();
	make_dir(below_dir("layers"));
	assert_int_equal(mount("tmpfs", below_dir("layers"), "tmpfs", 0, "mode=755"), 0);
	make_dir(below_dir("layers/lower"));
	make_dir(below_dir("layers/lower/srv"));
	make_dir(below_dir("layers/lower/srv/www"));
	make_dir(below_dir("layers/upper"));
	make_dir(below_dir("layers/work"));
	make_dir(below_dir("layers/merged"));
	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s",
		 below_dir("layers/lower"), below_dir("layers/upper"), below_dir("layers/work"));
	if (mount("overlay", below_dir("layers/merged"), "overlay", 0, options)) {
		assert_int_equal(umount(below_dir("layers")), 0);
		fixture_skip("this kernel has no overlayfs");
	}
	assert_cwd_of_container(below_dir("layers/merged"));
	assert_int_equal(umount(below_dir("layers/merged")), 0);
	assert_int_equal(umount(below_dir("layers")), 0);
}

static void make_deep(char path[PATH_MAX], const char *name, int n, size_t len)
{
	char *end = path + snprintf(path, PATH_MAX, "%s", below_dir(name));

	make_dir(path);
	for (int i = 0; i < n; i++) {
		*end++ = '/';
		memset(end, 'a' + i % 26, len);
		end += len;
		*end = '\0';
		make_dir(path);
	}
}

/* The script's own folder is there whatever the program, its cgroup and the folder are called. */
static void test_long_parts(void **state)
{
	char path[PATH_MAX], cgroup[1100] = "", *end = cgroup;
	struct crime crime = { .exe = below_dir("perl"), .cwd = path };
	const char *const words[] = { "perl", "x.pl", NULL };
	const struct line_field *cwd;
	struct line line;

	load_policy();
	make_deep(path, "long", 8, 200);
	if (access(crime.exe, F_OK))
		copy_self(crime.exe);
	crime.words = words;
	commit_and_read(&crime, &line);
	cwd = line_field(&line, "cwd");
	assert_memory_equal(cwd->value, "/.../", 5);
	assert_in_range(cwd->len, 1000, 2000);
	assert_non_null(strstr(path, cwd->value + 4));
	assert_string_equal(strrchr(cwd->value, '/'), strrchr(path, '/'));
	line_assert_list(&line, "args", "perl\0x.pl", 9);
	line_assert(&line, "exe", below_dir("perl"));

	/* With the longest names in the cgroup as well: the last name, and argv[0]. */
	for (int i = 0; i < 4; i++)
		end += sprintf(end, "%s%c%0240d", i ? "/" : "", "wxyz"[i], i);
	crime.cgroup = cgroup;
	commit_and_vanish(&crime);
	read_one_line(LOG_FILE, &line);
	cwd = line_field(&line, "cwd");
	assert_memory_equal(cwd->value, "/.../", 5);
	assert_string_equal(strrchr(cwd->value, '/'), strrchr(path, '/'));
	assert_int_equal(strncmp(line_field(&line, "args")->value, "perl", 4), 0);
	assert_string_equal(strrchr(line_field(&line, "exe")->value, '/'), "/perl");
}

static void test_long_last_name(void **state)
{
	char path[PATH_MAX];
	struct crime crime = { .cwd = path };
	struct line line;

	load_policy();
	snprintf(path, sizeof(path), "%s/%0255d", fixture.dir, 7);
	make_dir(path);
	commit_and_read(&crime, &line);
	line_assert(&line, "cwd", path);
}

static void test_many_levels(void **state)
{
	char path[PATH_MAX];
	struct crime crime = { .cwd = path };
	const struct line_field *cwd;
	struct line line;

	load_policy();
	make_deep(path, "deep", 60, 3);
	commit_and_read(&crime, &line);
	cwd = line_field(&line, "cwd");
	assert_memory_equal(cwd->value, "/.../", 5);
	assert_in_range(cwd->len, 100, 2000);
	assert_non_null(strstr(path, cwd->value + 4));
	assert_string_equal(cwd->value + cwd->len - 8, path + strlen(path) - 8);
}

/* The command line. */

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define LIST(literal) literal, sizeof(literal) - 1

struct args_case {
	const char *exe;
	const char *const *words;
	const char *expected;
	size_t len;
};

static void assert_args(const struct args_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct crime crime = { .exe = below_dir(cases[i].exe), .words = cases[i].words };
		struct line line;

		if (access(crime.exe, F_OK))
			copy_self(crime.exe);
		commit_and_read(&crime, &line);
		line_assert_list(&line, "args", cases[i].expected, cases[i].len);
	}
}

static void test_args_script(void **state)
{
	const struct args_case cases[] = {
		{ "perl", WORDS("perl"), LIST("perl") },
		{ "perl", WORDS("perl", "x.pl", "secret"), LIST("perl\0x.pl") },
		{ "perl", WORDS("perl", "-w", "x.pl", "secret"), LIST("perl\0-w\0x.pl") },
		{ "perl", WORDS("perl", "-wT", "/srv/x", "secret"), LIST("perl\0-w\0/srv/x") },
		{ "perl", WORDS("perl", "-w", "secret"), LIST("perl\0-w") },
		{ "perl", WORDS("perl", "-e", "connect(secret)"), LIST("perl\0-e") },
		{ "perl", WORDS("perl", "-esecret"), LIST("perl\0-e") },
		{ "perl", WORDS("perl", "-we", "code", "-p", "/secret"), LIST("perl\0-w") },
		{ "php8.2", WORDS("php", "-r", "code();", "--", "/secret"), LIST("php\0-r") },
		{ "python3.11", WORDS("python3", "-m", "mailer", "-p", "/secret"),
		  LIST("python3\0-m") },
		{ "perl", WORDS("perl", "-w", "-"), LIST("perl\0-w\0-") },
		{ "perl", WORDS("perl", "--", "x.pl"), LIST("perl\0--\0x.pl") },
		{ "perl", WORDS("perl", "-w", "", "x.pl"), LIST("perl\0-w") },
		{ "perl", WORDS("perl", "-E", "code", "/secret"), LIST("perl\0-E") },
		{ "bash", WORDS("bash", "-cx", "code", "/secret"), LIST("bash\0-c") },
		{ "bash", WORDS("bash", "-euo", "pipefail", "./x"), LIST("bash\0-e\0./x") },
		{ "node", WORDS("node", "--eval", "code", "/secret"), LIST("node\0--eval") },
		{ "perl", WORDS("perl", "", "secret"), LIST("perl") },
		{ "sh", WORDS("sh", "-c", "/bin/x -p secret"), LIST("sh\0-c") },
		{ "sh", WORDS("sh", "-c", "x -p secret /srv/x.sh"), LIST("sh\0-c") },
		{ "bash", WORDS("-bash"), LIST("-bash") },
		{ "bash", WORDS("bash", "-e", "./x"), LIST("bash\0-e\0./x") },
		{ "bash", WORDS("bash", "-e", "../x"), LIST("bash\0-e\0../x") },
		{ "php8.2", WORDS("php", "-d", "k=secret", "-d", "a=b", "/srv/x.php", "secret"),
		  LIST("php\0-d\0-d\0/srv/x.php") },
		{ "php8.2", WORDS("php", "-f", "x.php"), LIST("php\0-f\0x.php") },
		{ "python3.11", WORDS("python3", "-u", "app.py", "--password=secret"),
		  LIST("python3\0-u\0app.py") },
		{ "python3.11", WORDS("python3", "-c", "import secret"), LIST("python3\0-c") },
		{ "ruby3.1", WORDS("ruby", "-I", "lib=secret", "x.rb"), LIST("ruby\0-I\0x.rb") },
		{ "node", WORDS("node", "--inspect=secret", "x.js"),
		  LIST("node\0--inspect\0x.js") },
		/* who is no interpreter shows no word that may be the value of an option */
		{ "mysql", WORDS("mysql", "-psecret"), LIST("mysql\0-p") },
		{ "mysql", WORDS("mysql", "-p", "secret"), LIST("mysql\0-p") },
		{ "mysql", WORDS("mysql", "-p", "/secret/x.pl"), LIST("mysql\0-p") },
		{ "mysql", WORDS("mysql", "--password=secret", "-u", "root"),
		  LIST("mysql\0--password\0-u") },
		{ "mysql", WORDS("mysql", "--password", "secret", "--x"),
		  LIST("mysql\0--password") },
		{ "mysql", WORDS("mysql", "--password:secret"), LIST("mysql\0--password") },
		{ "mysql", WORDS("mysql", "--password secret"), LIST("mysql\0--password") },
		{ "curl", WORDS("curl", "-u", "user:secret", "https://x/"), LIST("curl\0-u") },
		{ "perly", WORDS("perl", "--a-name-of-an-option-that-is-long"),
		  LIST("perl\0--a-name-of-an-option-t") },
		{ "sendmail", WORDS("/usr/sbin/sendmail", "-t", "-i", "-f", "a@b"),
		  LIST("/usr/sbin/sendmail\0-t\0-i\0-f") },
		{ "swaks", WORDS("swaks", "to", "secret"), LIST("swaks\0to") },
		{ "perl", WORDS("a b", "c\"\n\\x20 d"), LIST("a b\0c\"\n\\x20 d") },
		{ "perl",
		  WORDS("perl", "-1", "-2", "-3", "-4", "-5", "-6", "-7", "-8", "-9", "-0", "-x",
			"x.pl"),
		  LIST("perl\0-1\0-2\0-3\0-4\0-5\0-6\0-7\0-8\0-9\0-0\0...") },
	};

	load_policy();
	assert_args(cases, ARRAY_SIZE(cases));
}

static void test_args_all(void **state)
{
	const struct args_case cases[] = {
		{ "perl", WORDS("perl", "-w", "x.pl", "word", "-psecret"),
		  LIST("perl\0-w\0x.pl\0word\0-psecret") },
		{ "mysql", WORDS("mysql", "", "a b", ""), LIST("mysql\0\0a b") },
		{ "mysql", WORDS("php-fpm: pool forum"), LIST("php-fpm:\0pool\0forum") },
	};
	char word[2000];
	struct args_case long_case = { "mysql", WORDS("mysql", word), NULL, 512 + 3 };
	char expected[512 + 4] = "mysql";

	policy_load(POLICY "args all\n");
	assert_args(cases, ARRAY_SIZE(cases));
	memset(word, '"', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	memset(expected + 6, '"', 512 - 6);
	strcpy(expected + 512, "...");
	long_case.expected = expected;
	assert_args(&long_case, 1);
}

static void test_args_none(void **state)
{
	const struct args_case cases[] = {
		{ "perl", WORDS("perl", "-w", "x.pl"), "", 0 },
	};

	policy_load(POLICY "args none\n");
	assert_args(cases, ARRAY_SIZE(cases));
}

/* 100 KB in one word, wherever it stands: what comes before it is there, and the cut shows. */
static void test_args_long(void **state)
{
	static char words[3][100 * 1024];
	char expected[1024];
	size_t len;

	load_policy();
	for (int i = 0; i < 3; i++)
		memset(words[i], "x\n\""[i], sizeof(words[i]) - 1);
	memset(expected, 'x', 255);
	strcpy(expected + 255, "...");
	assert_args(&(struct args_case){ "perl", WORDS(words[0], "x.pl"), expected, 255 + 4 - 1 },
		    1);
	memcpy(expected, "perl", 5);
	memset(expected + 5, '\n', 255);
	strcpy(expected + 5 + 255, "...");
	assert_args(&(struct args_case){ "perl", WORDS("perl", words[1], "x.pl"), expected,
					 5 + 255 + 3 },
		    1);
	/* Nothing of what may be a password, nor of what follows. */
	words[2][0] = '-';
	words[2][1] = 'p';
	len = sizeof("perl\0-p\0...") - 1;
	assert_args(&(struct args_case){ "perl", WORDS("perl", words[2], "x.pl"), "perl\0-p\0...",
					 len },
		    1);
	memcpy(words[2], "--", 2);
	memcpy(words[2] + sizeof(words[2]) - 16, "/secret/secret", 14);
	len = sizeof("perl\0--\0...") - 1;
	assert_args(&(struct args_case){ "perl", WORDS("perl", words[2], "x.pl"), "perl\0--\0...",
					 len },
		    1);
}

/* A word that is as long as the least room for words is whole if there is more room. */
static void test_args_of_that_length(void **state)
{
	char word[SMTPWARD_ARGS_LEAST], expected[SMTPWARD_ARGS_LEAST + 8] = "";

	load_policy();
	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	memcpy(expected, word, sizeof(word));
	memcpy(expected + sizeof(word), "x.pl", 4);
	assert_args(&(struct args_case){ "perl", WORDS(word, "x.pl", "secret"), expected,
					 sizeof(word) + 4 },
		    1);
}

/* Nothing that `script` leaves out is in the ring buffer, where the reader's group could see it. */
static void test_nothing_left_in_the_buffer(void **state)
{
	static const char *const all[][6] = {
		{ "mysql", "-pSECRET", NULL },
		{ "mysql", "--password=SECRET", NULL },
		{ "mysql", "-p", "SECRETSECRET", NULL },
		{ "perl", "-e", "SECRET SECRET SECRET SECRET SECRET SECRET SECRET", NULL },
		{ "perl", "-e", "/SECRET SECRET SECRET", NULL },
		{ "perl", "-e", "SECRET SECRET SECRET SECRET", "x.pl", NULL },
	};
	char path[256];
	uint8_t *ring;
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size;
	struct bpf_map_info info = { 0 };
	__u32 info_size = sizeof(info);
	int fd;

	load_policy();
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct crime crime = { .cgroup = "x.service",
				       .exe = below_dir(i < 3 ? "mysql" : "perl"),
				       .words = all[i] };

		if (access(crime.exe, F_OK))
			copy_self(crime.exe);
		commit_and_vanish(&crime);
	}
	snprintf(path, sizeof(path), "%s/map_events", fixture.pins);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &info_size), 0);
	size = info.max_entries;
	ring = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, (off_t)(2 * page));
	assert_ptr_not_equal(ring, MAP_FAILED);
	assert_non_null(memmem(ring, size, "mysql\0-p", 9));
	if (memmem(ring, size, "SECRET", 6) || memmem(ring, size, "ECRET", 5))
		fail_msg("what is left out of the line is in the ring buffer");
	munmap(ring, size);
	close(fd);
}

static void test_args_overwritten(void **state)
{
	struct crime crime = {
		.exe = below_dir("php-fpm8.2"),
		.words = WORDS("php-fpm8.2", "--nodaemonize", "--fpm-config",
			       "/etc/php/php-fpm.conf"),
		.deed = "title",
		.deed_path = "php-fpm: pool forum",
	};
	struct line line;

	load_policy();
	copy_self(crime.exe);
	commit_and_read(&crime, &line);
	line_assert_list(&line, "args", LIST("php-fpm:\0pool\0forum"));
}

/* Without words, and with words that are not in memory: all else is there. */
static void test_args_not_there(void **state)
{
	static const char *const deeds[] = { "unmap", "page-out" };
	struct crime crime = {
		.exe = below_dir("perl"),
		.words = WORDS("perl", "x.pl"),
		.cwd = below_dir("plugins"),
	};
	struct line line;

	load_policy();
	make_scene(&crime);
	for (size_t i = 0; i < ARRAY_SIZE(deeds); i++) {
		crime.deed = deeds[i];
		commit_and_read(&crime, &line);
		line_assert(&line, "args", "");
		line_assert(&line, "exe", crime.exe);
		line_assert(&line, "cwd", crime.cwd);
	}
	crime.deed = NULL;
	crime.words = (const char *const[]){ NULL };
	commit_and_read(&crime, &line);
	line_assert(&line, "args", "");
	line_assert(&line, "cwd", crime.cwd);
}

/*
 * Words that the process had the kernel look for elsewhere, by prctl(2). What can be read at once
 * is there, and forges nothing; for the rest nobody waits.
 */
static void test_args_elsewhere(void **state)
{
	static const struct {
		const char *how;
		const char *expected;
		size_t len;
	} cases[] = {
		{ "there", LIST(ELSEWHERE_WORD "\0" ELSEWHERE_SCRIPT) },
		{ "dropped", LIST(ELSEWHERE_WORD) },
		{ "unmapped", LIST(ELSEWHERE_WORD) },
		{ "forbidden", LIST(ELSEWHERE_WORD) },
		{ "never brought", LIST(ELSEWHERE_WORD) },
		{ "across", LIST(ELSEWHERE_WORD) },
		{ "all forbidden", "", 0 },
		{ "all never brought", "", 0 },
	};
	struct crime crime = {
		.exe = below_dir("perl"),
		.words = WORDS("perl", "-e", "secret"),
		.cwd = below_dir("plugins"),
		.deed = "elsewhere",
	};
	struct line line;

	load_policy();
	make_scene(&crime);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		crime.deed_path = cases[i].how;
		commit_and_read(&crime, &line);
		line_assert_list(&line, "args", cases[i].expected, cases[i].len);
		line_assert(&line, "exe", crime.exe);
		line_assert(&line, "cwd", crime.cwd);
		line_assert(&line, "comm", "perl");
	}
}

/* Ancestors. */

static void read_comm(pid_t pid, char comm[16], pid_t *ret_parent)
{
	_cleanup_fclose_ FILE *file = NULL;
	char path[64], text[512] = "";
	const char *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	end = strrchr(text, ')');
	assert_non_null(end);
	snprintf(comm, 16, "%.*s", (int)(end - strchr(text, '(') - 1), strchr(text, '(') + 1);
	assert_int_equal(sscanf(end, ") %*c %d", ret_parent), 1);
}

/* As the kernel has them: of the crime, then this process, and those above. */
static size_t expect_ancestors(const struct crime *crime, char *dst)
{
	pid_t pid = getpid();
	size_t len = 0, n = 0;

	for (; n < SMTPWARD_ANCESTORS && crime->above[n]; n++)
		len += (size_t)sprintf(dst + len, "%s", crime->above[n]) + 1;
	for (; n < SMTPWARD_ANCESTORS && pid; n++) {
		char comm[16];

		read_comm(pid, comm, &pid);
		len += (size_t)sprintf(dst + len, "%s", comm) + 1;
	}
	return len - 1;
}

static void test_ancestors(void **state)
{
	static const char *const names[] = { "one",	 "two<three", "\" comm=\"exim4",
					     "\n\xff\\", "five",      "six",
					     "seven" };
	char expected[256];
	struct line line;

	load_policy();
	for (int n = 1; n <= CULPRIT_ABOVE; n++) {
		struct crime crime = { 0 };

		memcpy(crime.above, names, (size_t)n * sizeof(*names));
		commit_and_read(&crime, &line);
		line_assert_list(&line, "ancestors", expected, expect_ancestors(&crime, expected));
	}
	/* One that calls itself nothing is one all the same. */
	commit_and_read(&(struct crime){ .above = { "one", "", "three", "four", "five" } }, &line);
	line_assert_list(&line, "ancestors", LIST("one\0\0three\0four\0five"));
}

/* Whoever asks on behalf of a process is that process. */
static void test_uring_worker(void **state)
{
	struct crime crime = {
		.exe = below_dir("perl"),
		.words = WORDS("perl", "x.pl", "secret"),
		.cwd = below_dir("plugins"),
		.above = { "one", "two", "three", "four", "five" },
		.deed = "sqpoll",
	};
	struct attempt probe = { WAY_URING_SQPOLL, NET_OUTSIDE4, 26 };
	struct line line;
	int r;

	load_policy();
	r = child_run(CHILD(0), attempt, &probe);
	if (r < 0)
		fixture_skip("this kernel has no io_uring for us");
	if (access(crime.exe, F_OK))
		copy_self(crime.exe);
	if (access(crime.cwd, F_OK))
		make_dir(crime.cwd);
	commit_and_read(&crime, &line);
	line_assert(&line, "exe", crime.exe);
	line_assert(&line, "cwd", crime.cwd);
	line_assert_list(&line, "args", LIST("perl\0x.pl"));
	line_assert_list(&line, "ancestors", LIST("one\0two\0three\0four\0five"));
}

/* Real interpreters, each from a folder of its own. */

static const char *write_script(const char *name, const char *text)
{
	const char *path = below_dir(name);
	_cleanup_fclose_ FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	return path;
}

#define PERL_CONNECTS                                                \
	"use Socket; socket(my $s, AF_INET, SOCK_STREAM, 0) or die;" \
	"connect($s, pack_sockaddr_in(25, inet_aton('" NET_OUTSIDE4  \
	"'))); exit($!{EPERM} ? 1 : 99);\n"

#define run_script(...) run_script_in(__func__, __VA_ARGS__)

static void run_script_in(const char *test, const char *exe, const char *const *words,
			  const char *cwd, struct line *line)
{
	struct crime crime = { .exe = exe, .words = words, .cwd = cwd };

	if (access(exe, X_OK))
		fixture_skip_as(test, "there is no %s", exe);
	commit_and_read(&crime, line);
	line_assert(line, "cwd", cwd);
}

static const char *own_dir(const char *name)
{
	const char *path = below_dir(name);

	if (access(path, F_OK))
		make_dir(path);
	return path;
}

static void test_perl(void **state)
{
	const char *cwd = own_dir("forum");
	struct line line;

	load_policy();
	write_script("forum/x.pl", "use Errno; " PERL_CONNECTS);
	run_script("/usr/bin/perl", WORDS("perl", "-w", "x.pl", "secret"), cwd, &line);
	line_assert_list(&line, "args", LIST("perl\0-w\0x.pl"));
	line_assert(&line, "comm", "perl");
	/* It changes what it is called, which the kernel's own words survive. */
	write_script("forum/y.pl", "use Errno; $0 = '/usr/sbin/exim4 -bd'; " PERL_CONNECTS);
	run_script("/usr/bin/perl", WORDS("perl", "y.pl"), cwd, &line);
	line_assert(&line, "exe", "/usr/bin/perl");
	line_assert(&line, "comm", "/usr/sbin/exim4");
	line_assert_list(&line, "args", LIST("/usr/sbin/exim4 -bd"));
}

static void test_python(void **state)
{
	const char *cwd = own_dir("shop");
	struct line line;

	load_policy();
	write_script("shop/app.py", "import socket, sys\n"
				    "try:\n    socket.create_connection(('" NET_OUTSIDE4 "', 25))\n"
				    "except PermissionError:\n    sys.exit(1)\n");
	run_script("/usr/bin/python3", WORDS("python3", "-u", "app.py", "--password=secret"), cwd,
		   &line);
	line_assert_list(&line, "args", LIST("python3\0-u\0app.py"));
}

static void test_shell(void **state)
{
	const char *cwd = own_dir("jobs");
	const char *path = write_script("jobs/x.sh",
					"#!/bin/bash\n: </dev/tcp/" NET_OUTSIDE4 "/25 || exit 1\n");
	char expected[PATH_MAX];
	struct line line;

	load_policy();
	assert_int_equal(chmod(path, 0755), 0);
	run_script("/bin/bash", WORDS("bash", "-c", ": </dev/tcp/" NET_OUTSIDE4 "/25; exit 1"), cwd,
		   &line);
	line_assert_list(&line, "args", LIST("bash\0-c"));
	/* By its first line: the kernel puts the script's path behind the interpreter's. */
	run_script(path, WORDS("x.sh", "secret"), cwd, &line);
	memcpy(expected, "/bin/bash", 10);
	strcpy(expected + 10, path);
	line_assert_list(&line, "args", expected, 10 + strlen(path));
}

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_cwd, fixture_tidy),
		cmocka_unit_test_teardown(test_cwd_deleted, fixture_tidy),
		cmocka_unit_test_teardown(test_cwd_in_a_chroot, fixture_tidy),
		cmocka_unit_test_teardown(test_cwd_in_mounts, fixture_tidy),
		cmocka_unit_test_teardown(test_cwd_moved_out_of_its_mount, fixture_tidy),
		cmocka_unit_test_teardown(test_cwd_in_a_container, fixture_tidy),
		cmocka_unit_test_teardown(test_cwd_in_an_overlay, fixture_tidy),
		cmocka_unit_test_teardown(test_long_parts, fixture_tidy),
		cmocka_unit_test_teardown(test_long_last_name, fixture_tidy),
		cmocka_unit_test_teardown(test_many_levels, fixture_tidy),
		cmocka_unit_test_teardown(test_args_script, fixture_tidy),
		cmocka_unit_test_teardown(test_args_all, fixture_tidy),
		cmocka_unit_test_teardown(test_args_none, fixture_tidy),
		cmocka_unit_test_teardown(test_args_long, fixture_tidy),
		cmocka_unit_test_teardown(test_args_of_that_length, fixture_tidy),
		cmocka_unit_test_teardown(test_nothing_left_in_the_buffer, fixture_tidy),
		cmocka_unit_test_teardown(test_args_overwritten, fixture_tidy),
		cmocka_unit_test_teardown(test_args_not_there, fixture_tidy),
		cmocka_unit_test_teardown(test_args_elsewhere, fixture_tidy),
		cmocka_unit_test_teardown(test_ancestors, fixture_tidy),
		cmocka_unit_test_teardown(test_uring_worker, fixture_tidy),
		cmocka_unit_test_teardown(test_perl, fixture_tidy),
		cmocka_unit_test_teardown(test_python, fixture_tidy),
		cmocka_unit_test_teardown(test_shell, fixture_tidy),
	};

	return cmocka_run_group_tests_name("script", tests, fixture_setup, fixture_teardown);
}

int main(int argc, char **argv)
{
	return culprit_main(argc, argv, tests);
}
