// SPDX-License-Identifier: GPL-2.0-only
/*
 * The policy that is kept, and what the service's load does with it: what is in force and
 * whole is left alone, what cannot be read is replaced, and is tried again.
 */
#include "fixture.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "build.h"

#define KEPT_DIRECTORY SMTPWARD_LOCALSTATEDIR "/lib/smtpward"

#define BILLING 4242

/* The tests' policy file: one name, whatever stands in it. */
static char file[128];

static void write_at(const char *path, const char *text)
{
	FILE *out = fopen(path, "we");

	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
}

static void write_file(const char *text)
{
	snprintf(file, sizeof(file), "%s/policy.conf", fixture.dir);
	write_at(file, text);
}

static const char *kept_path(const char *suffix)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s%s", KEPT_DIRECTORY, fixture_instance(), suffix);
	return path;
}

static bool is_kept(void)
{
	return !access(kept_path(".conf"), F_OK);
}

static char *read_kept(void)
{
	static char text[65536];
	FILE *in = fopen(kept_path(".conf"), "re");

	assert_non_null(in);
	text[fread(text, 1, sizeof(text) - 1, in)] = '\0';
	fclose(in);
	return text;
}

static int load(const char *option, const char *value)
{
	return smtpward("load", "-c", file, "--cgroup", fixture.attached, "--pins", fixture.pins,
			option, value, NULL);
}

static void assert_loads(const char *option)
{
	if (load(option, NULL))
		fail_msg("load %s: status %d: %s", option ?: "", run.status, run.err);
}

static int status(void)
{
	return smtpward("status", "--pins", fixture.pins, NULL);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

/* What a reboot does to pins, and hooks with them. */
static void reboot(void)
{
	const int64_t deadline = clock_ms() + FIXTURE_PATIENCE;

	if (access(fixture.pins, F_OK))
		return;
	assert_int_equal(umount2("/run/smtpward/keep", MNT_DETACH), 0);
	assert_int_equal(nftw(fixture.pins, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
	while (bpf_count_attached(fixture.attached_fd, false) ||
	       bpf_count_attached(fixture.attached_fd, true))
		assert_true(pause_until(deadline));
}

static void assert_err(const char *words)
{
	if (!strstr(run.err, words))
		fail_msg("'%s' is not in: %s", words, run.err);
}

static void assert_no_err(const char *words)
{
	if (strstr(run.err, words))
		fail_msg("'%s' is in: %s", words, run.err);
}

#define ALLOW_MAIL "allow unit mail.service\n"
#define HALF_EDITED "allow unit mail.service\nallow everything\n\nlimit x\n"

static void assert_refuses(const char *service)
{
	assert_int_equal(attempt_in(service, NET_OUTSIDE4, 25), EPERM);
}

static void assert_allows(const char *service)
{
	assert_int_equal(attempt_in(service, NET_OUTSIDE4, 25), 0);
}

static int begin(void **state)
{
	cgroup_make("mail.service");
	cgroup_make("web.service");
	if (!access(KEPT_DIRECTORY, F_OK))
		assert_int_equal(nftw(KEPT_DIRECTORY, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
	return 0;
}

/* The copy itself. */

static void test_kept(void **state)
{
	struct stat st;
	const char *text;

	write_file("# mine\nallow unit mail.service user root, 33 # both\n");
	assert_loads(NULL);
	assert_string_equal(run.err + strlen(run.err) - 1, "\n");
	assert_no_err("kept");
	assert_int_equal(stat(KEPT_DIRECTORY, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	assert_int_equal(stat(kept_path(".conf"), &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_not_equal(access(kept_path(".conf.new"), F_OK), 0);
	text = read_kept();
	assert_non_null(strstr(text, "\nallow unit mail.service user root:0, 33\n"));
	assert_non_null(strstr(text, "\nlimit 10/s burst 100\nargs script\nalert off\n"));
	assert_non_null(strstr(text, "\n# from "));
	assert_non_null(strstr(text, file));
	/* The next one takes its place. */
	write_file("deny\n");
	assert_loads(NULL);
	assert_non_null(strstr(read_kept(), "\ndeny\n"));
	assert_null(strstr(read_kept(), "mail.service"));
}

static void start_run(struct log *log, const char *trial)
{
	const char *argv[] = { "smtpward",	 "run",	   "-c",	 file,	"--cgroup",
			       fixture.attached, "--pins", fixture.pins, trial, NULL };

	log_start_run(log, argv, NULL);
	log_line(log, "to see one", 0);
}

static int empty_dev(void *arg)
{
	syslog_make_dev();
	return 0;
}

static void test_trial_is_not_kept(void **state)
{
	_cleanup_(log_close) struct log log, other;

	/* No line into this machine's syslog. */
	assert_int_equal(empty_dev(NULL), 0);
	write_file(ALLOW_MAIL);
	start_run(&log, "--trial");
	assert_refuses("web.service");
	assert_false(is_kept());
	log_end(&log, SIGTERM);
	assert_false(is_kept());
	start_run(&other, NULL);
	assert_true(is_kept());
	log_end(&other, SIGTERM);
	assert_true(is_kept());
}

static void test_lifted(void **state)
{
	write_file(ALLOW_MAIL);
	assert_loads(NULL);
	policy_unload();
	assert_false(is_kept());
	assert_int_equal(access(kept_path(".conf.lifted"), F_OK), 0);
	write_file(HALF_EDITED);
	assert_int_equal(load("--boot", NULL), 2);
	assert_err("lifted by 'smtpward unload'");
	assert_int_equal(status(), 3);
	write_file(ALLOW_MAIL);
	assert_loads(NULL);
	assert_true(is_kept());
	assert_int_not_equal(access(kept_path(".conf.lifted"), F_OK), 0);
}

/* The policy is in force all the same, and what is missing has a name. */
static void test_cannot_be_kept(void **state)
{
	const char *lib = SMTPWARD_LOCALSTATEDIR "/lib";

	write_file(ALLOW_MAIL);
	assert_int_equal(mkdir(KEPT_DIRECTORY, 0700), 0);
	assert_int_equal(mount(NULL, lib, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	load(NULL, NULL);
	assert_int_equal(mount(NULL, lib, NULL, MS_REMOUNT, NULL), 0);
	assert_int_equal(run.status, 0);
	assert_err("warning: no copy of the policy is kept");
	assert_err(kept_path(".conf"));
	assert_refuses("web.service");
	assert_int_equal(chmod(KEPT_DIRECTORY, 0777), 0);
	assert_loads(NULL);
	assert_err(KEPT_DIRECTORY " is not used");
	assert_false(is_kept());
	assert_int_equal(chmod(KEPT_DIRECTORY, 0700), 0);
	assert_loads(NULL);
	/* One that others could have written is none. */
	assert_int_equal(chmod(kept_path(".conf"), 0622), 0);
	reboot();
	write_file(HALF_EDITED);
	assert_int_equal(load("--boot", NULL), 2);
	assert_err("root alone");
	assert_int_equal(status(), 3);
}

/* At boot. */

static void test_boot_loads(void **state)
{
	write_file(ALLOW_MAIL);
	assert_loads("--boot");
	assert_refuses("web.service");
	assert_allows("mail.service");
	assert_int_equal(status(), 0);
	assert_true(is_kept());
}

static void test_boot_has_nothing(void **state)
{
	write_file(HALF_EDITED);
	assert_int_equal(load("--boot", NULL), 2);
	assert_err("policy.conf:2:7: error: unknown condition");
	assert_err("policy.conf:4:");
	assert_err("no policy was kept");
	assert_int_equal(status(), 3);
	assert_int_not_equal(access(fixture.pins, F_OK), 0);
}

static uint64_t generation(void)
{
	json_t *json = status_json();
	const uint64_t number = (uint64_t)json_integer_value(
		json_object_get(json_object_get(json, "policy"), "generation"));

	json_decref(json);
	return number;
}

/* A log that starts again, an upgrade: no file is read, whether it is bad or good. */
static void test_boot_leaves_what_is_whole(void **state)
{
	uint64_t before;

	write_file(ALLOW_MAIL);
	assert_loads(NULL);
	before = generation();
	write_file(HALF_EDITED);
	assert_loads("--boot");
	assert_no_err("error:");
	write_file("allow unit web.service\n");
	assert_loads("--boot");
	assert_int_equal(unlink(file), 0);
	assert_loads("--boot");
	assert_int_equal(generation(), before);
	assert_refuses("web.service");
	assert_int_equal(status(), 0);
}

/* What ended before the boot is kept, and is over after it; what has not ended goes on. */
static void test_boot_keeps_ends(void **state)
{
	write_file("allow unit mail.service until 2020-01-01T00:00Z\n"
		   "allow unit web.service until 2099-01-01T01:00+01:00\n");
	assert_loads(NULL);
	assert_non_null(strstr(read_kept(), "\nallow unit mail.service until 2020-01-01T00:00Z\n"));
	assert_non_null(strstr(read_kept(), "\nallow unit web.service until 2099-01-01T00:00Z\n"));
	reboot();
	write_file(HALF_EDITED);
	assert_loads("--boot");
	assert_err("degraded: the policy that was kept is in force");
	assert_err("warning: this rule ended at 2020-01-01T00:00Z");
	assert_refuses("mail.service");
	assert_allows("web.service");
}

static const char *degraded_text(json_t *json)
{
	return json_string_value(json_array_get(json_object_get(json, "degraded"), 0));
}

static void test_boot_falls_back(void **state)
{
	char kept[65536], words[256];
	json_t *json;

	write_file(ALLOW_MAIL);
	assert_loads(NULL);
	assert_int_equal(status(), 0);
	json = status_json();
	assert_int_equal(json_array_size(json_object_get(json, "degraded")), 0);
	assert_true(json_is_array(json_object_get(json, "degraded")));
	json_decref(json);
	reboot();
	write_file(HALF_EDITED);
	/* A person is told, and that is all. */
	assert_int_equal(load(NULL, NULL), 2);
	assert_int_equal(status(), 3);
	assert_loads("--boot");
	assert_err("policy.conf:2:7: error: unknown condition");
	assert_err("policy.conf:4:7: error:");
	assert_err("degraded: the policy that was kept is in force");
	assert_refuses("web.service");
	assert_allows("mail.service");
	assert_int_equal(status(), 4);
	snprintf(words, sizeof(words),
		 "degraded  the policy that was kept is in force: %s:2:7: unknown condition", file);
	assert_non_null(strstr(run.out, words));
	assert_non_null(strstr(run.out, "enforcing, and degraded\n"));
	json = status_json();
	assert_non_null(strstr(degraded_text(json), "policy.conf:2:7: unknown condition"));
	assert_true(json_is_true(json_object_get(json, "enforcing")));
	json_decref(json);
	/* It stays the one to fall back to, and stays in force. */
	snprintf(kept, sizeof(kept), "%s", read_kept());
	assert_loads("--boot");
	assert_err("stays in force");
	assert_string_equal(read_kept(), kept);
	reboot();
	assert_loads("--boot");
	assert_int_equal(status(), 4);
	assert_refuses("web.service");
	/* Mended. */
	write_file("allow unit web.service\n");
	assert_loads("--boot");
	assert_int_equal(status(), 0);
	assert_null(strstr(run.out, "degraded"));
	assert_allows("web.service");
	assert_non_null(strstr(read_kept(), "allow unit web.service"));
}

static void test_boot_without_a_file(void **state)
{
	write_file("include gone/not-mounted.conf\n" ALLOW_MAIL);
	assert_int_equal(load("--boot", NULL), 2);
	write_file(ALLOW_MAIL);
	assert_loads(NULL);
	reboot();
	write_file("include gone/not-mounted.conf\n" ALLOW_MAIL);
	assert_loads("--boot");
	assert_int_equal(status(), 4);
	assert_non_null(strstr(run.out, "/gone/not-mounted.conf': there is no such file"));
	reboot();
	assert_int_equal(unlink(file), 0);
	assert_loads("--boot");
	assert_int_equal(status(), 4);
	assert_refuses("web.service");
}

/* The exit status is about what is refused first. */
static void test_degraded_audit(void **state)
{
	write_file("mode audit\n");
	assert_loads(NULL);
	assert_int_equal(status(), 3);
	reboot();
	write_file(HALF_EDITED);
	assert_loads("--boot");
	assert_int_equal(status(), 3);
	assert_non_null(strstr(run.out, "degraded  the policy that was kept"));
}

/* Our own accounts, which are nobody else's. */
static void set_accounts(const char *passwd)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/passwd", fixture.dir);
	write_at(path, passwd);
	umount2("/etc/passwd", MNT_DETACH);
	assert_int_equal(mount(path, "/etc/passwd", NULL, MS_BIND, NULL), 0);
}

#define ROOT_ACCOUNT "root:x:0:0::/root:/bin/sh\n"

static int attempt_as_billing(void)
{
	struct attempt connect = { WAY_CONNECT, NET_OUTSIDE4, 25 };

	return child_run(CHILD(.cgroup = "web.service", .uid = BILLING, .euid = BILLING,
			       .egid = BILLING),
			 attempt, &connect);
}

static void test_accounts(void **state)
{
	set_accounts(ROOT_ACCOUNT "billing:x:4242:4242::/:/bin/sh\n");
	write_file("allow user billing\nallow unit mail.service\n");
	assert_loads(NULL);
	assert_non_null(strstr(read_kept(), "allow user billing:4242\n"));
	assert_int_equal(attempt_as_billing(), 0);
	/* userdel, reboot: the number is nobody's, and what runs with it may go on. */
	set_accounts(ROOT_ACCOUNT);
	reboot();
	assert_loads("--boot");
	assert_err("there is no user 'billing'");
	assert_int_equal(status(), 4);
	assert_int_equal(attempt_as_billing(), 0);
	/* useradd with the same number: it is another's. */
	set_accounts(ROOT_ACCOUNT "other:x:4242:4242::/:/bin/sh\n");
	reboot();
	assert_loads("--boot");
	assert_err("the number of the user 'billing' is another's");
	assert_int_equal(attempt_as_billing(), EPERM);
	assert_allows("mail.service");
	/* Two names of one number, of which one is his. */
	set_accounts(ROOT_ACCOUNT "other:x:4242:4242::/:/bin/sh\nbilling:x:4242:1::/:/bin/sh\n");
	reboot();
	write_file(HALF_EDITED);
	assert_loads("--boot");
	assert_no_err("another's");
	assert_int_equal(attempt_as_billing(), 0);
	assert_int_equal(umount2("/etc/passwd", MNT_DETACH), 0);
}

/* A number that stands in the policy is whoever has it. */
static void test_plain_number(void **state)
{
	set_accounts(ROOT_ACCOUNT);
	write_file("allow user 4242\n");
	assert_loads(NULL);
	set_accounts(ROOT_ACCOUNT "other:x:4242:4242::/:/bin/sh\n");
	reboot();
	write_file(HALF_EDITED);
	assert_loads("--boot");
	assert_int_equal(attempt_as_billing(), 0);
	assert_int_equal(umount2("/etc/passwd", MNT_DETACH), 0);
}

/* In force, and not whole. */

/* In both sets, so that it is gone. */
static void unpin(const char *name)
{
	assert_int_equal(umount2("/run/smtpward/keep", MNT_DETACH), 0);
	bpf_link_unpin(name);
}

static void test_boot_heals(void **state)
{
	_cleanup_close_ int fd = -1;
	uint64_t before;

	write_file(ALLOW_MAIL);
	assert_loads(NULL);
	before = generation();
	fd = bpf_pin_open("link_connect4");
	assert_int_equal(bpf_link_detach(fd), 0);
	assert_allows("web.service");
	write_file(HALF_EDITED);
	assert_loads("--boot");
	assert_no_err("error:");
	assert_refuses("web.service");
	assert_int_equal(status(), 0);
	assert_int_equal(generation(), before);
}

/* The same policy again, not what the file has by now. */
static void test_boot_repairs(void **state)
{
	write_file(ALLOW_MAIL);
	assert_loads(NULL);
	unpin("policy/link_cgroup_mkdir");
	assert_int_equal(status(), 3);
	write_file("allow unit web.service\n");
	assert_loads("--boot");
	assert_int_equal(status(), 0);
	assert_non_null(strstr(run.out, file));
	assert_refuses("web.service");
	assert_allows("mail.service");
	/* Its copy goes on with it: once more. */
	unpin("policy/link_cgroup_rmdir");
	assert_loads("--boot");
	assert_int_equal(status(), 0);
	assert_refuses("web.service");
	/* Degraded before, degraded after. */
	reboot();
	write_file(HALF_EDITED);
	assert_loads("--boot");
	assert_int_equal(status(), 4);
	unpin("policy/link_cgroup_mkdir");
	assert_loads("--boot");
	assert_int_equal(status(), 4);
	assert_non_null(strstr(run.out, "policy.conf:2:7:"));
}

/* A copy of an earlier policy does not stand for the one in force: then it is the file. */
static void test_boot_repairs_from_the_file(void **state)
{
	char kept[65536];

	write_file("allow unit old.service\n");
	assert_loads(NULL);
	snprintf(kept, sizeof(kept), "%s", read_kept());
	write_file(ALLOW_MAIL);
	assert_loads(NULL);
	write_at(kept_path(".conf"), kept);
	unpin("policy/link_cgroup_mkdir");
	assert_loads("--boot");
	assert_int_equal(status(), 0);
	assert_allows("mail.service");
	assert_non_null(strstr(read_kept(), ALLOW_MAIL));
}

static void test_boot_reader(void **state)
{
	struct stat st;

	set_accounts(ROOT_ACCOUNT "reader:x:4242:4243::/:/bin/sh\n");
	write_file(ALLOW_MAIL);
	assert_loads(NULL);
	reboot();
	write_file(HALF_EDITED);
	assert_int_equal(load("--boot", NULL) || smtpward("load", "-c", file, "--cgroup",
							  fixture.attached, "--pins", fixture.pins,
							  "--boot", "--reader", "reader", NULL),
			 0);
	reboot();
	assert_int_equal(smtpward("load", "-c", file, "--cgroup", fixture.attached, "--pins",
				  fixture.pins, "--boot", "--reader", "reader", NULL),
			 0);
	assert_int_equal(stat(fixture.pins, &st), 0);
	assert_int_equal(st.st_gid, 4243);
	/* Without one that there is, the policy is in force all the same. */
	reboot();
	assert_int_equal(smtpward("load", "-c", file, "--cgroup", fixture.attached, "--pins",
				  fixture.pins, "--boot", "--reader", "gone", NULL),
			 0);
	assert_err("has no user 'gone'");
	assert_int_equal(status(), 4);
	assert_int_equal(umount2("/etc/passwd", MNT_DETACH), 0);
}

/* The log. */

static void start_log(struct log *log, const char *option)
{
	const char *argv[] = { "smtpward", "log",	 "--to", "stderr",
			       "--pins",   fixture.pins, option, NULL };

	log_start_run(log, argv, NULL);
}

/* Said once; and it ends nothing. */
static void test_log_says_degraded(void **state)
{
	_cleanup_(log_close) struct log log;

	write_file(ALLOW_MAIL);
	assert_loads(NULL);
	reboot();
	write_file(HALF_EDITED);
	assert_loads("--boot");
	start_log(&log, "--until-alert");
	log_line(&log, "alert=\"degraded: the policy that was kept is in force: ", 0);
	/* Some looks later. */
	for (int64_t deadline = clock_ms() + 7000; pause_until(deadline);)
		;
	assert_refuses("web.service");
	log_line(&log, "verdict=deny", 0);
	log_end(&log, SIGTERM);
	assert_int_equal(log_count(&log, "alert="), 1);
}

static void test_log_of_nothing(void **state)
{
	assert_int_equal(smtpward("log", "--to", "stderr", "--pins", fixture.pins, NULL), 1);
	assert_int_equal(smtpward("log", "--to", "stderr", "--until-alert", "--pins", fixture.pins,
				  NULL),
			 3);
	/* What a service's view of the pins leaves behind. */
	assert_int_equal(smtpward("log", "--to", "stderr", "--until-alert", "--pins", "/run", NULL),
			 3);
}

/* What a load could not put right is no reason to start anew every few seconds. */
static void test_log_is_patient(void **state)
{
	_cleanup_(log_close) struct log log;
	int64_t begun;

	write_file(ALLOW_MAIL);
	assert_loads(NULL);
	unpin("policy/link_cgroup_mkdir");
	begun = clock_ms();
	start_log(&log, "--until-alert");
	log_line(&log, "alert=\"not enforcing: the cgroup tracker is gone", 0);
	assert_int_equal(log_wait_exit(&log), 1);
	assert_true(clock_ms() - begun >= 55000);
}

static void test_log_ends_at_a_new_alert(void **state)
{
	_cleanup_(log_close) struct log log;
	int64_t begun;

	write_file(ALLOW_MAIL);
	assert_loads(NULL);
	start_log(&log, "--until-alert");
	assert_refuses("web.service");
	log_line(&log, "verdict=deny", 0);
	log_pass_first_look();
	begun = clock_ms();
	unpin("policy/link_cgroup_mkdir");
	assert_int_equal(log_wait_exit(&log), 1);
	assert_true(clock_ms() - begun < 30000 * fixture_slow());
}

/* Trying again. */

#define PROMISED 10000

static int retry(void *arg)
{
	return load("--retry", NULL);
}

static void assert_retries(int expected)
{
	struct child_handle child = child_start(CHILD(0), retry, NULL);
	const int64_t begun = clock_ms();

	write_file("allow unit web.service\n");
	assert_int_equal(child_wait(&child), expected);
	assert_true(clock_ms() - begun < 3 * PROMISED * fixture_slow());
}

static void test_retry(void **state)
{
	/* Nothing to do. */
	write_file(ALLOW_MAIL);
	assert_loads(NULL);
	assert_int_equal(load("--retry", NULL), 3);
	/* Degraded. */
	reboot();
	write_file(HALF_EDITED);
	assert_loads("--boot");
	assert_retries(0);
	assert_int_equal(status(), 0);
	assert_allows("web.service");
	/* Nothing in force. */
	policy_unload();
	write_file(HALF_EDITED);
	assert_int_equal(load("--boot", NULL), 2);
	assert_retries(0);
	assert_int_equal(status(), 0);
}

/* An unload is the last word. */
static void test_retry_is_lifted(void **state)
{
	struct child_handle child;
	int64_t begun;

	write_file(HALF_EDITED);
	assert_int_equal(load("--boot", NULL), 2);
	begun = clock_ms();
	child = child_start(CHILD(0), retry, NULL);
	/* It is asleep until 10 s are over: by now it has looked what was lifted before. */
	while (pause_until(begun + 4000))
		;
	/* Nothing is in force, and nothing was kept: it is said all the same. */
	assert_int_equal(smtpward("unload", "--pins", fixture.pins, NULL), 0);
	write_file(ALLOW_MAIL);
	assert_int_equal(child_wait(&child), 3);
	assert_true(clock_ms() - begun < 3 * PROMISED * fixture_slow());
	assert_int_equal(status(), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, fixture_tidy)

static int tests(void)
{
	const struct CMUnitTest all[] = {
		TEST(test_kept),
		TEST(test_trial_is_not_kept),
		TEST(test_lifted),
		TEST(test_cannot_be_kept),
		TEST(test_boot_loads),
		TEST(test_boot_has_nothing),
		TEST(test_boot_leaves_what_is_whole),
		TEST(test_boot_keeps_ends),
		TEST(test_boot_falls_back),
		TEST(test_boot_without_a_file),
		TEST(test_degraded_audit),
		TEST(test_accounts),
		TEST(test_plain_number),
		TEST(test_boot_heals),
		TEST(test_boot_repairs),
		TEST(test_boot_repairs_from_the_file),
		TEST(test_boot_reader),
		TEST(test_log_says_degraded),
		TEST(test_log_of_nothing),
		TEST(test_log_is_patient),
		TEST(test_log_ends_at_a_new_alert),
		TEST(test_retry),
		TEST(test_retry_is_lifted),
	};

	return cmocka_run_group_tests_name("kept", all, fixture_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
