// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a person is told of a trial, by load, confirm, status and the log, is so: in time, and
 * whatever else goes on meanwhile.
 */
#include "fixture_trial.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <bpf/bpf.h>

#include "build.h"

static int begin(void **state)
{
	cgroup_make("mail.service");
	cgroup_make("web.service");
	return 0;
}

static void try(const char *policy)
{
	if (try_for("1h", policy))
		fail_msg("load --try: status %d: %s", run.status, run.err);
}

static void kept(void)
{
	if (confirm(NULL))
		fail_msg("confirm: status %d: %s", run.status, run.err);
}

static int status(void)
{
	return smtpward("status", "--pins", fixture.pins, NULL);
}

static bool is_alive(pid_t pid)
{
	return !waitpid(pid, NULL, WNOHANG);
}

/* The load of another instance, which is held in its middle with all of its locks. */
struct held {
	char pins[160], file[128];
	struct trace_end end;
	struct child_handle child;
};

static int load_held(void *arg)
{
	struct held *held = arg;
	const char *argv[] = { "smtpward",	 "load",   "-c",       held->file, "--cgroup",
			       fixture.attached, "--pins", held->pins, NULL };

	if (trace_killed(&held->end))
		return 127;
	execv(fixture.binary, (char *const *)argv);
	return 127;
}

static void held_start(struct held *held)
{
	*held = (struct held){ .end = { BPF_OBJ_PIN, 1, 0, 8000 * (unsigned)fixture_slow() } };
	snprintf(held->pins, sizeof(held->pins), "%s-other", fixture.pins);
	snprintf(held->file, sizeof(held->file), "%s/held.conf", fixture.dir);
	assert_int_equal(rename(policy_write(REFUSE_BOTH), held->file), 0);
	held->child = child_start(CHILD(0), load_held, held);
}

/* Until it has made its first pin. */
static void held_wait(const struct held *held)
{
	const int64_t deadline = clock_ms() + FIXTURE_PATIENCE;
	char path[256];

	snprintf(path, sizeof(path), "%s/map_gate", held->pins);
	while (access(path, F_OK))
		assert_true(pause_until(deadline));
}

static void held_kill(struct held *held)
{
	int ended;

	assert_int_equal(kill(held->child.pid, SIGKILL), 0);
	assert_int_equal(child_reap(held->child.pid, clock_ms() + FIXTURE_PATIENCE, &ended), 0);
	child_forget(held->child.pid);
	close(held->child.fd);
}

/* Instances do not know of each other: what another one's load takes holds up nobody. */
static void test_another_instance(void **state)
{
	struct held other;

	policy_load(REFUSE_WEB);
	try(REFUSE_MAIL);
	held_start(&other);
	held_wait(&other);
	kept();
	assert_null(strstr(run.err, "waiting"));
	policy_load(REFUSE_WEB);
	policy_unload();
	assert_true(is_alive(other.child.pid));
	held_kill(&other);
	assert_int_equal(smtpward("unload", "--pins", other.pins, NULL), DONE);
}

static bool kept_has(const char *text)
{
	static char copy[65536];
	char path[PATH_MAX];
	FILE *in;

	snprintf(path, sizeof(path), SMTPWARD_LOCALSTATEDIR "/lib/smtpward/%s.conf",
		 fixture_instance());
	in = fopen(path, "re");
	if (!in)
		return false;
	copy[fread(copy, 1, sizeof(copy) - 1, in)] = '\0';
	fclose(in);
	return strstr(copy, text);
}

static int confirm_child(void *arg)
{
	return confirm(NULL);
}

static uint64_t trial_word(void)
{
	_cleanup_close_ int fd = bpf_pin_open("policy/map_trial");
	struct smtpward_trial trial;
	const uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &trial), 0);
	return trial.word;
}

/* The clock does not wait for the copy: first it is kept, then it is copied. */
static void test_kept_before_the_copy(void **state)
{
	const int64_t deadline = clock_ms() + FIXTURE_PATIENCE;
	struct child_handle child;
	char path[PATH_MAX];
	int fd;

	policy_load(REFUSE_WEB);
	try(REFUSE_MAIL);
	snprintf(path, sizeof(path), "%s.kept", lock_path());
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	child = child_start(CHILD(0), confirm_child, NULL);
	while (trial_word() != SMTPWARD_TRIAL_KEPT)
		assert_true(pause_until(deadline));
	assert_true(kept_has("mail.service"));
	/* The child has it, too. */
	assert_int_equal(flock(fd, LOCK_UN), 0);
	close(fd);
	assert_int_equal(child_wait(&child), DONE);
	assert_true(kept_has("web.service"));
}

/* A load that takes so long once the programs have the trial's end. */
static int try_slowly(const char *time, unsigned int ms)
{
	const char *file = policy_write(REFUSE_MAIL);
	const char *argv[] = { "smtpward", "load",	     "--try",  time,	     "-c", file,
			       "--cgroup", fixture.attached, "--pins", fixture.pins, NULL };
	struct trace_end end = { BPF_OBJ_PIN, 1, 0, ms };

	return smtpward_child(argv, trace_killed, &end);
}

/* What is left for a trial is said, and is no less than a second. */
static void test_time_of_the_load(void **state)
{
	policy_load(REFUSE_WEB);
	assert_int_equal(try_slowly("10s", 9200), FAILED);
	assert_says(run.err, "loading has taken the 10s of the trial");
	assert_says(run.err, "--try");
	assert_refuses("web.service", "mail.service");
	assert_int_equal(status(), DONE);
	assert_null(strstr(run.out, "\ntrial "));
	assert_int_equal(bpf_count_generations(), 1);
	assert_int_equal(try_slowly("20m", 1100), DONE);
	assert_says(run.err, "on trial for 20m, of which 19m ");
	assert_refuses("mail.service", "web.service");
	try(REFUSE_MAIL);
	assert_says(run.err, "on trial for 1h");
}

/* What decides from then on, and the whole command. */
static void test_too_late(void **state)
{
	char hint[512];

	snprintf(hint, sizeof(hint), "'smtpward load -c %s/policy.conf --pins %s' loads it anew",
		 fixture.dir, fixture.pins);
	policy_load(REFUSE_WEB);
	try(REFUSE_MAIL);
	end_trial();
	assert_int_equal(confirm(NULL), NO);
	assert_says(run.err, "too late");
	assert_says(run.err, "generation 1 is in force again");
	assert_says(run.err, hint);
	policy_unload();
	try(REFUSE_MAIL);
	end_trial();
	assert_int_equal(confirm(NULL), NO);
	assert_says(run.err, "too late");
	assert_says(run.err, "nothing is in force, as nothing was before it");
	assert_says(run.err, hint);
}

static void test_commands_name_the_pins(void **state)
{
	const char *const file = policy_write(REFUSE_WEB);
	char text[256];

	assert_int_equal(confirm(NULL), NO);
	snprintf(text, sizeof(text), "'smtpward load --try TIME --pins %s'", fixture.pins);
	assert_says(run.err, text);
	assert_int_equal(smtpward("load", "-c", file, "--cgroup", fixture.attached, "--pins",
				  fixture.pins, NULL),
			 DONE);
	snprintf(text, sizeof(text), "'smtpward unload --pins %s'", fixture.pins);
	assert_says(run.err, text);
	try(REFUSE_MAIL);
	assert_int_equal(smtpward("load", "-c", policy_write(REFUSE_WEB), "--cgroup",
				  fixture.attached, "--pins", fixture.pins, NULL),
			 FAILED);
	assert_says(run.err, text);
	snprintf(text, sizeof(text), "'smtpward confirm --pins %s' keeps", fixture.pins);
	assert_says(run.err, text);
	assert_int_equal(status(), DONE);
	assert_says(run.out, text);
}

/* Another one than is meant: on trial, kept, or over. */
static void test_another_hash(void **state)
{
	static const char hash[] = "0123456789abcdef";

	policy_load(REFUSE_WEB);
	try(REFUSE_MAIL);
	assert_int_equal(confirm(hash), NO);
	assert_says(run.err, "another policy is on trial at ");
	kept();
	assert_int_equal(confirm(hash), NO);
	assert_says(run.err, "nothing is on trial at ");
	assert_says(run.err, "is kept already: ");
	try(REFUSE_WEB);
	end_trial();
	assert_int_equal(confirm(hash), NO);
	assert_says(run.err, "nothing is on trial at ");
	assert_says(run.err, "its trial is over; generation 2 is in force again");
	/* It clears up, as the one who is too late does. */
	assert_int_equal(bpf_count_generations(), 1);
	assert_int_equal(status(), DONE);
	assert_refuses("mail.service", "web.service");
}

static void detach(void)
{
	_cleanup_close_ int fd = bpf_pin_open("link_connect4");

	assert_int_equal(bpf_link_detach(fd), 0);
}

/* What it says is in force is: it is put back, or said not to be. */
static void test_confirm_of_what_is_detached(void **state)
{
	policy_load(REFUSE_WEB);
	try(REFUSE_MAIL);
	detach();
	assert_int_equal(attempt_in("mail.service", NET_OUTSIDE4, 25), 0);
	kept();
	assert_refuses("mail.service", "web.service");
	assert_int_equal(status(), DONE);
	detach();
	kept();
	assert_says(run.err, "kept already");
	assert_refuses("mail.service", "web.service");
	/* What takes a load. */
	try(REFUSE_WEB);
	assert_int_equal(umount2("/run/smtpward/keep", MNT_DETACH), 0);
	bpf_link_unpin("policy/link_cgroup_mkdir");
	assert_int_equal(confirm(NULL), DEGRADED);
	assert_says(run.err, "is kept, and is not in force as a whole: not enforcing: the cgroup "
			     "tracker is gone");
	assert_int_equal(status(), NO);
}

/* A hook that was detached before is back, with the trial and behind it. */
static void test_try_over_what_is_detached(void **state)
{
	policy_load(REFUSE_WEB);
	detach();
	try(REFUSE_MAIL);
	assert_refuses("mail.service", "web.service");
	end_trial();
	assert_refuses("web.service", "mail.service");
}

/* What went back to nothing was tried all the same. */
static void test_json_of_nothing(void **state)
{
	json_auto_t *json = NULL;
	json_t *tried;

	try(REFUSE_MAIL);
	end_trial();
	json = status_json();
	tried = json_object_get(json_object_get(json, "trial"), "tried");
	assert_int_equal(json_integer_value(json_object_get(tried, "generation")), 1);
	assert_says(json_string_value(json_object_get(tried, "config")), "/policy.conf");
}

/* The log. */

/* What comes between two of its looks. */
static void log_go_on(const struct log *log)
{
	assert_int_equal(kill(log->pid, SIGCONT), 0);
}

static void test_log_between_looks(void **state)
{
	_cleanup_(log_close) struct log log;

	policy_load(REFUSE_WEB);
	log_start(&log, LOG_FILE);
	try(REFUSE_MAIL);
	log_line(&log, "is on trial for another", 0);
	log_stop_between_looks(log.pid);
	kept();
	try(REFUSE_BOTH);
	log_go_on(&log);
	log_line(&log, "is over: it was confirmed", 0);
	log_line(&log, "is on trial for another", 1);
	try(REFUSE_WEB);
	log_line(&log, "is over: another policy is on trial in its place", 0);
	log_line(&log, "is on trial for another", 2);
	log_stop_between_looks(log.pid);
	kept();
	policy_load(REFUSE_WEB);
	log_go_on(&log);
	log_line(&log, "this log cannot tell whether the one on trial had been confirmed", 0);
	assert_int_equal(log_count(&log, "healed=no"), 3);
}

static void test_log_of_nothing(void **state)
{
	_cleanup_(log_close) struct log log;

	try(REFUSE_MAIL);
	log_start(&log, LOG_FILE);
	log_line(&log, "is on trial for another", 0);
	end_trial();
	assert_says(log_line(&log, "it went back to nothing, and nothing is refused", 0),
		    "healed=no");
	assert_int_equal(log_wait_exit(&log), DONE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, fixture_tidy)

static int tests(void)
{
	const struct CMUnitTest all[] = {
		TEST(test_another_instance),
		TEST(test_kept_before_the_copy),
		TEST(test_time_of_the_load),
		TEST(test_too_late),
		TEST(test_commands_name_the_pins),
		TEST(test_another_hash),
		TEST(test_confirm_of_what_is_detached),
		TEST(test_try_over_what_is_detached),
		TEST(test_json_of_nothing),
		TEST(test_log_between_looks),
		TEST(test_log_of_nothing),
	};

	return cmocka_run_group_tests_name("trial_told", all, fixture_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
