// SPDX-License-Identifier: GPL-2.0-only
/*
 * A policy on trial: the kernel goes back by itself, to what was in force or to nothing, unless
 * it was confirmed; over all else that comes meanwhile. Nothing of smtpward runs here but what a
 * test starts.
 */
#include "fixture.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "build.h"

#define DONE 0
#define FAILED 1
#define BAD_USAGE 2
#define NO 3
#define DEGRADED 4

#define KEPT_DIRECTORY SMTPWARD_LOCALSTATEDIR "/lib/smtpward"

#define REFUSE_WEB "allow unit mail.service\n"
#define REFUSE_MAIL "allow unit web.service\n"
#define REFUSE_BOTH "deny\n"

/* The shortest there is; where loading may take as long, longer. */
#define TRY_SECONDS (fixture_slow() > 1 ? 30 : 10)

static const char *try_time(void)
{
	static char time[16];

	snprintf(time, sizeof(time), "%ds", TRY_SECONDS);
	return time;
}

static int try_for(const char *time, const char *policy)
{
	return smtpward("load", "--try", time, "-c", policy_write("%s", policy), "--cgroup",
			fixture.attached, "--pins", fixture.pins, NULL);
}

static void try(const char *policy)
{
	if (try_for(try_time(), policy))
		fail_msg("load --try: status %d: %s", run.status, run.err);
}

static int status(void)
{
	return smtpward("status", "--pins", fixture.pins, NULL);
}

static int confirm(const char *hash)
{
	return smtpward("confirm", "--pins", fixture.pins, hash, NULL);
}

static void assert_says(const char *text, const char *words)
{
	if (!strstr(text, words))
		fail_msg("'%s' is not in: %s", words, text);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int begin(void **state)
{
	cgroup_make("mail.service");
	cgroup_make("web.service");
	if (!access(KEPT_DIRECTORY, F_OK))
		assert_int_equal(nftw(KEPT_DIRECTORY, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
	return 0;
}

static bool refuses(const char *cgroup)
{
	const int four = attempt_in(cgroup, NET_OUTSIDE4, 25);
	const int six = attempt_in(cgroup, NET_OUTSIDE6, 25);

	assert_true(four == 0 || four == EPERM);
	assert_true(six == 0 || six == EPERM);
	return four == EPERM && six == EPERM;
}

static void assert_refuses(const char *refused, const char *allowed)
{
	assert_true(refuses(refused));
	assert_int_equal(attempt_in(allowed, NET_OUTSIDE4, 25), 0);
	assert_int_equal(attempt_in(allowed, NET_OUTSIDE6, 25), 0);
}

/* Connects alone bring it about, and it is not early. */
static void wait_until_back(const char *passes)
{
	const int64_t deadline = clock_ms() + FIXTURE_PATIENCE;

	while (attempt_in(passes, NET_OUTSIDE4, 25))
		assert_true(pause_until(deadline));
	assert_int_equal(attempt_in(passes, NET_OUTSIDE6, 25), 0);
}

static int64_t boot_ns(void)
{
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &now), 0);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void read_map(const char *name, void *value)
{
	_cleanup_close_ int fd = bpf_pin_open(name);
	const uint32_t zero = 0;

	assert_true(fd >= 0);
	assert_int_equal(bpf_map_lookup_elem(fd, &zero, value), 0);
}

static int64_t trial_ends_ns(void)
{
	struct smtpward_origin origin;

	read_map("policy/map_origin", &origin);
	return (int64_t)origin.trial_ends_ns;
}

static void wait_until_over(void)
{
	const int64_t ends = trial_ends_ns();
	const int64_t deadline = clock_ms() + FIXTURE_PATIENCE;

	while (boot_ns() < ends)
		assert_true(pause_until(deadline));
}

/* What the first connect behind the deadline does; root alone can. */
static void end_trial(void)
{
	const struct smtpward_trial over = { .word = 1 };
	_cleanup_close_ int fd = bpf_pin_open("policy/map_trial");
	const uint32_t zero = 0;

	assert_true(fd >= 0);
	assert_int_equal(bpf_map_update_elem(fd, &zero, &over, BPF_ANY), 0);
}

static unsigned int count_generations(void)
{
	DIR *dir = opendir(fixture.pins);
	unsigned int n = 0;
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		n += !strncmp(entry->d_name, "generation-", strlen("generation-"));
	closedir(dir);
	return n;
}

static const char *hash_of(json_t *json)
{
	return json_string_value(json_object_get(json_object_get(json, "policy"), "hash"));
}

/* Back to the one before: with its cgroups, those too that were made meanwhile. */
static void test_goes_back(void **state)
{
	struct bpf_ids ids;
	json_t *json, *trial;
	int64_t ends;

	policy_load(REFUSE_WEB);
	try(REFUSE_MAIL);
	assert_says(run.err, "on trial for ");
	assert_refuses("mail.service", "web.service");
	cgroup_make("late.slice/mail.service");
	cgroup_make("late.slice/web.service");
	assert_refuses("late.slice/mail.service", "late.slice/web.service");
	assert_int_equal(status(), DONE);
	assert_says(run.out, "\ntrial     ");
	assert_says(run.out, "policy.conf, generation 1 is in force");
	json = status_json();
	trial = json_object_get(json, "trial");
	assert_true(json_is_false(json_object_get(trial, "over")));
	assert_in_range(json_integer_value(json_object_get(trial, "seconds_left")), 1, TRY_SECONDS);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(trial, "then"), "generation")),
		1);
	json_decref(json);
	ends = trial_ends_ns();
	wait_until_back("mail.service");
	assert_true(boot_ns() >= ends);
	assert_refuses("web.service", "mail.service");
	assert_refuses("late.slice/web.service", "late.slice/mail.service");
	assert_int_equal(status(), DEGRADED);
	assert_says(run.out, "degraded  the trial is over");
	assert_says(run.out, "rule 1    allow unit mail.service");
	json = status_json();
	trial = json_object_get(json, "trial");
	assert_true(json_is_true(json_object_get(trial, "over")));
	json_decref(json);
	/* What clears up makes no difference. */
	bpf_ids_of_pins(fixture.pins, &ids);
	policy_load(REFUSE_WEB);
	assert_refuses("web.service", "mail.service");
	assert_int_equal(status(), DONE);
	assert_int_equal(count_generations(), 1);
	policy_unload();
	assert_int_equal(bpf_ids_wait_dead(&ids), 0);
}

static void test_goes_back_to_nothing(void **state)
{
	struct bpf_ids ids;

	try(REFUSE_MAIL);
	assert_says(run.err, "then nothing is in force");
	assert_refuses("mail.service", "web.service");
	assert_int_equal(status(), DONE);
	assert_says(run.out, "then nothing is in force");
	wait_until_back("mail.service");
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE6, 25), 0);
	assert_int_equal(status(), NO);
	assert_says(run.out, "not enforcing: the trial is over");
	bpf_ids_of_pins(fixture.pins, &ids);
	assert_int_equal(confirm(NULL), NO);
	assert_says(run.err, "too late");
	assert_int_not_equal(access(fixture.pins, F_OK), 0);
	assert_int_equal(bpf_count_attached(fixture.attached_fd, false), 0);
	assert_int_equal(bpf_ids_wait_dead(&ids), 0);
	/* The next one finds it over, too. */
	try(REFUSE_MAIL);
	wait_until_over();
	policy_load(REFUSE_WEB);
	assert_refuses("web.service", "mail.service");
	assert_int_equal(status(), DONE);
	assert_int_equal(count_generations(), 1);
}

static bool kept_has(const char *text)
{
	static char copy[65536];
	char path[PATH_MAX];
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s.conf", KEPT_DIRECTORY, fixture_instance());
	in = fopen(path, "re");
	if (!in)
		return false;
	copy[fread(copy, 1, sizeof(copy) - 1, in)] = '\0';
	fclose(in);
	return strstr(copy, text);
}

static void test_confirmed(void **state)
{
	char hash[65], short_hash[13];
	int64_t ends;
	json_t *json;

	assert_int_equal(confirm(NULL), NO);
	assert_says(run.err, "nothing is on trial");
	policy_load(REFUSE_WEB);
	assert_int_equal(confirm(NULL), NO);
	assert_says(run.err, "nothing is on trial");
	json = status_json();
	snprintf(hash, sizeof(hash), "%s", hash_of(json));
	json_decref(json);
	assert_int_equal(strlen(hash), 64);
	try(REFUSE_MAIL);
	assert_true(kept_has("mail.service"));
	ends = trial_ends_ns();
	assert_int_equal(confirm("no hash"), BAD_USAGE);
	assert_int_equal(confirm("abc"), BAD_USAGE);
	assert_int_equal(confirm(hash), NO);
	assert_says(run.err, "another policy is on trial");
	json = status_json();
	assert_string_not_equal(hash_of(json), hash);
	snprintf(hash, sizeof(hash), "%s", hash_of(json));
	json_decref(json);
	snprintf(short_hash, sizeof(short_hash), "%.12s", hash);
	if (confirm(short_hash))
		fail_msg("confirm: status %d: %s", run.status, run.err);
	assert_true(kept_has("web.service"));
	assert_int_equal(count_generations(), 1);
	assert_int_equal(status(), DONE);
	assert_null(strstr(run.out, "trial "));
	assert_says(run.out, hash);
	assert_int_equal(confirm(NULL), DONE);
	assert_says(run.err, "already");
	for (int64_t deadline = clock_ms() + FIXTURE_PATIENCE; boot_ns() < ends + 100000000;)
		assert_true(pause_until(deadline));
	assert_refuses("mail.service", "web.service");
	assert_int_equal(status(), DONE);
	assert_int_equal(confirm(hash), DONE);
	/* What is confirmed is as good as loaded. */
	policy_load(REFUSE_WEB);
	assert_refuses("web.service", "mail.service");
}

/* The hash is what anybody can tell of the file. */
static void test_hash(void **state)
{
	const char *file = policy_write(REFUSE_WEB);
	char command[256], sum[65] = "";
	json_t *json;
	FILE *out;

	policy_load(REFUSE_WEB);
	snprintf(command, sizeof(command), "%s check -q %s | sha256sum", fixture.binary, file);
	out = popen(command, "re");
	assert_non_null(out);
	assert_int_equal(fread(sum, 1, 64, out), 64);
	pclose(out);
	json = status_json();
	assert_string_equal(hash_of(json), sum);
	json_decref(json);
}

static int load_with(const char *option)
{
	return smtpward("load", "-c", policy_write(REFUSE_WEB), "--cgroup", fixture.attached,
			"--pins", fixture.pins, option, NULL);
}

static void test_other_loads(void **state)
{
	policy_load(REFUSE_WEB);
	/* Longer than all of this takes. */
	assert_int_equal(try_for("1h", REFUSE_MAIL), 0);
	assert_int_equal(load_with(NULL), FAILED);
	assert_says(run.err, "'smtpward confirm'");
	assert_says(run.err, "'smtpward unload'");
	assert_int_equal(load_with("--boot"), DONE);
	assert_says(run.err, "left alone");
	assert_refuses("mail.service", "web.service");
	assert_int_equal(count_generations(), 2);
	policy_unload();
	assert_int_equal(attempt_in("mail.service", NET_OUTSIDE4, 25), 0);
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE6, 25), 0);
	assert_int_not_equal(access(fixture.pins, F_OK), 0);
	assert_false(kept_has("service"));
}

static void test_bad_times(void **state)
{
	static const char *const bad[] = { "9s", "25h", "5", "m", "5x", "-5m", "1m1h", "60" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(try_for(bad[i], REFUSE_WEB), BAD_USAGE);
		assert_says(run.err, "--try takes a time from 10s to 24h");
	}
	assert_int_equal(try_for("10s", "allow everything\n"), BAD_USAGE);
	assert_int_not_equal(access(fixture.pins, F_OK), 0);
	assert_int_equal(smtpward("load", "--boot", "--try", "10s", NULL), BAD_USAGE);
}

/* The second candidate goes back to what the first one would have. */
static void test_second_try(void **state)
{
	policy_load(REFUSE_WEB);
	if (try_for("1h", REFUSE_MAIL))
		fail_msg("load --try: %s", run.err);
	if (try_for("1h", REFUSE_BOTH))
		fail_msg("load --try: %s", run.err);
	assert_true(refuses("web.service") && refuses("mail.service"));
	assert_int_equal(count_generations(), 2);
	assert_int_equal(status(), DONE);
	assert_says(run.out, "generation 1 is in force");
	end_trial();
	assert_refuses("web.service", "mail.service");
	policy_unload();
	/* Nothing stays nothing. */
	if (try_for("1h", REFUSE_WEB))
		fail_msg("load --try: %s", run.err);
	if (try_for("1h", REFUSE_BOTH))
		fail_msg("load --try: %s", run.err);
	assert_int_equal(count_generations(), 1);
	end_trial();
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE4, 25), 0);
	assert_int_equal(attempt_in("mail.service", NET_OUTSIDE6, 25), 0);
}

static void wipe_pins(void)
{
	assert_int_equal(nftw(fixture.pins, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* What removes the pins takes away neither the trial nor what it goes back to. */
static void test_wiped_pins(void **state)
{
	policy_load(REFUSE_WEB);
	try(REFUSE_MAIL);
	wipe_pins();
	assert_refuses("mail.service", "web.service");
	assert_int_equal(status(), DEGRADED);
	cgroup_make("late.slice/mail.service");
	wait_until_back("mail.service");
	assert_refuses("web.service", "late.slice/mail.service");
	assert_int_equal(status(), DEGRADED);
	assert_says(run.out, "degraded  the trial is over");
	assert_says(run.out, "rule 1    allow unit mail.service");
	policy_load(REFUSE_WEB);
	assert_int_equal(status(), DONE);
	assert_refuses("web.service", "late.slice/mail.service");
	/* Wiped, and confirmed. */
	try(REFUSE_MAIL);
	wipe_pins();
	if (confirm(NULL))
		fail_msg("confirm: status %d: %s", run.status, run.err);
	assert_int_equal(status(), DONE);
	assert_int_equal(count_generations(), 1);
	assert_refuses("mail.service", "web.service");
}

/* Who reads sees it, and that is all. */

/* It sees the hooks of its own cgroup, and of those above. */
static int become_reader_below(void *arg)
{
	_cleanup_close_ int fd = cgroup_open("web.service", false);
	int r = fd < 0 ? fd : cgroup_enter_fd(fd);

	return r ? r : reader_become(NULL);
}

static int open_as_reader(void *arg)
{
	LIBBPF_OPTS(bpf_obj_get_opts, options, .file_flags = BPF_F_RDONLY);
	char path[256];
	int fd, r = reader_become(NULL);

	if (r)
		return r;
	snprintf(path, sizeof(path), "%s/%s", fixture.pins, (const char *)arg);
	fd = bpf_obj_get_opts(path, &options);
	return fd < 0 ? errno : 0;
}

static int open_as_reader_to_write(void *arg)
{
	char path[256];
	int fd, r = reader_become(NULL);

	if (r)
		return r;
	snprintf(path, sizeof(path), "%s/%s", fixture.pins, (const char *)arg);
	fd = bpf_obj_get(path);
	return fd < 0 ? errno : 0;
}

static int unlink_as_reader(void *arg)
{
	char path[256];
	int r = reader_become(NULL);

	if (r)
		return r;
	snprintf(path, sizeof(path), "%s/%s", fixture.pins, (const char *)arg);
	return unlink(path) ? errno : 0;
}

static void test_reader(void **state)
{
	static const char *const roots_own[] = { "policy/map_trial", "policy/map_before4",
						 "policy/map_before6", "link_connect4",
						 "generation-1/prog_connect4" };
	const char *argv[] = { "smtpward", "status", "--pins", fixture.pins, NULL };
	const char *confirms[] = { "smtpward", "confirm", "--pins", fixture.pins, NULL };
	const char *file = policy_write(REFUSE_WEB);

	assert_int_equal(smtpward("load", "-c", file, "--cgroup", fixture.attached, "--pins",
				  fixture.pins, "--reader", READER, NULL),
			 0);
	try(REFUSE_MAIL);
	for (size_t i = 0; i < ARRAY_SIZE(roots_own); i++)
		assert_int_equal(child_run(CHILD(0), open_as_reader, (void *)roots_own[i]), EACCES);
	assert_int_equal(child_run(CHILD(0), open_as_reader, "map_gate"), 0);
	assert_int_equal(child_run(CHILD(0), open_as_reader_to_write, "map_gate"), EACCES);
	assert_int_equal(child_run(CHILD(0), open_as_reader_to_write, "policy/map_origin"), EACCES);
	assert_int_equal(child_run(CHILD(0), unlink_as_reader, "trial"), EACCES);
	assert_int_equal(smtpward_child(confirms, reader_become, NULL), FAILED);
	assert_int_equal(smtpward_child(argv, become_reader_below, NULL), DONE);
	assert_says(run.out, "generation 1 is in force");
	wait_until_back("mail.service");
	assert_int_equal(smtpward_child(argv, become_reader_below, NULL), DEGRADED);
	assert_says(run.out, "degraded  the trial is over");
	assert_says(run.out, "rule 1    allow unit mail.service");
	assert_int_equal(load_with("--boot"), DONE);
	assert_int_equal(smtpward_child(argv, become_reader_below, NULL), DONE);
	try(REFUSE_MAIL);
	assert_int_equal(confirm(NULL), DONE);
	assert_int_equal(smtpward_child(argv, become_reader_below, NULL), DONE);
	assert_null(strstr(run.out, "trial "));
}

/* A log says how it begins, that it ends, and which way it went. */

static void test_log_says_so(void **state)
{
	_cleanup_(log_close) struct log log;

	policy_load(REFUSE_WEB);
	log_start(&log, LOG_FILE);
	if (try_for("70s", REFUSE_MAIL))
		fail_msg("load --try: %s", run.err);
	assert_says(log_line(&log, "is on trial for another", 0), "back to generation 1");
	log_line(&log, "ends within a minute", 0);
	assert_int_equal(confirm(NULL), DONE);
	assert_says(log_line(&log, "is over: it was confirmed", 0), "healed=yes");
	assert_int_equal(log_count(&log, "degraded"), 0);
	/* It clears up behind one that went back. */
	try(REFUSE_WEB);
	log_line(&log, "is on trial for another", 1);
	end_trial();
	assert_says(log_line(&log, "it went back to generation", 0), "healed=yes");
	for (int64_t deadline = clock_ms() + FIXTURE_PATIENCE; status() != DONE;)
		assert_true(pause_until(deadline));
	assert_refuses("mail.service", "web.service");
	assert_int_equal(count_generations(), 1);
	try(REFUSE_WEB);
	log_line(&log, "is on trial for another", 2);
	assert_int_equal(log_count(&log, "ends within a minute"), 1);
	policy_unload();
	assert_int_equal(log_wait_exit(&log), 0);
	log_line(&log, "is over: it was unloaded", 0);
}

/* The log of the service: a load clears up, and where nothing is in force it ends for good. */
static void test_readers_log(void **state)
{
	const char *argv[] = { "smtpward", "log",  "--pins",	    fixture.pins,
			       "--to",	   "json", "--until-alert", NULL };
	const char *file = policy_write(REFUSE_WEB);
	_cleanup_(log_close) struct log log = { 0 }, other = { 0 };

	assert_int_equal(smtpward("load", "-c", file, "--cgroup", fixture.attached, "--pins",
				  fixture.pins, "--reader", READER, NULL),
			 0);
	try(REFUSE_MAIL);
	log_start_run(&log, argv, become_reader_below);
	log_line(&log, "is on trial for another", 0);
	log_line(&log, "it went back to generation 1", 0);
	assert_int_equal(log_wait_exit(&log), FAILED);
	assert_int_equal(load_with("--boot"), DONE);
	assert_int_equal(status(), DONE);
	policy_unload();
	file = policy_write(REFUSE_WEB);
	assert_int_equal(smtpward("load", "-c", file, "--cgroup", fixture.attached, "--pins",
				  fixture.pins, "--reader", READER, "--try", try_time(), NULL),
			 0);
	log_start_run(&other, argv, become_reader_below);
	log_line(&other, "it went back to nothing", 0);
	assert_int_equal(log_wait_exit(&other), DONE);
}

/*
 * The programs go by the clock of the kernel, which goes on while the machine sleeps, and which no
 * time namespace moves; so smtpward does in one that has moved its own.
 */
static int in_another_time(void *arg)
{
	static const char offsets[] = "boottime 864000 0\n";
	_cleanup_close_ int fd = -1;
	int status = 0;
	pid_t pid;

	if (unshare(CLONE_NEWTIME))
		return -errno;
	fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, offsets, strlen(offsets)) < 0)
		return -errno;
	pid = fork();
	if (!pid)
		return 0;
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 127);
}

static void test_time_namespace(void **state)
{
	const char *file = policy_write(REFUSE_MAIL);
	const char *tries[] = { "smtpward", "load",	      "--try",	"10s",	      "-c", file,
				"--cgroup", fixture.attached, "--pins", fixture.pins, NULL };
	const char *confirms[] = { "smtpward", "confirm", "--pins", fixture.pins, NULL };
	const char *asks[] = { "smtpward", "status", "--pins", fixture.pins, NULL };
	const int64_t before = boot_ns();

	if (access("/proc/self/timens_offsets", F_OK))
		fixture_skip("this kernel has no time namespaces");
	assert_int_equal(smtpward_child(tries, in_another_time, NULL), DONE);
	assert_true(trial_ends_ns() > before);
	assert_true(trial_ends_ns() <= boot_ns() + 10000000000LL);
	assert_int_equal(smtpward_child(asks, in_another_time, NULL), DONE);
	assert_says(run.out, "s left, until");
	assert_int_equal(smtpward_child(confirms, in_another_time, NULL), DONE);
	assert_int_equal(status(), DONE);
}

/* What status is asked for, and what a second instance is for. */
static void test_expect(void **state)
{
	char pins[128];
	const char *file;

	assert_int_equal(smtpward("status", "--pins", fixture.pins, "--expect", "audit", NULL), NO);
	assert_int_equal(smtpward("status", "--expect", "none", NULL), BAD_USAGE);
	policy_load(REFUSE_WEB);
	assert_int_equal(smtpward("status", "--pins", fixture.pins, "--expect", "enforce", NULL),
			 DONE);
	assert_int_equal(smtpward("status", "--pins", fixture.pins, "--expect", "audit", NULL), NO);
	/* A dry run beside it: what it would refuse is seen, and not refused. */
	snprintf(pins, sizeof(pins), "%s-dry", fixture.pins);
	file = policy_write(REFUSE_MAIL);
	assert_int_equal(smtpward("load", "--audit", "-c", file, "--cgroup", fixture.attached,
				  "--pins", pins, NULL),
			 DONE);
	assert_says(run.err, "mode audit: nothing is refused");
	assert_int_equal(smtpward("status", "--pins", pins, "--expect", "audit", NULL), DONE);
	assert_int_equal(smtpward("status", "--pins", pins, "--expect", "enforce", NULL), NO);
	assert_int_equal(smtpward("status", "--pins", pins, NULL), NO);
	assert_refuses("web.service", "mail.service");
	assert_int_equal(smtpward("status", "--json", "--pins", pins, NULL), NO);
	assert_says(run.out, "\"audited\": 2");
	assert_int_equal(smtpward("unload", "--pins", pins, NULL), DONE);
	assert_refuses("web.service", "mail.service");
}

/*
 * Over the deadline, with confirms at that instant: each connect is judged by one policy or by
 * the other, none by neither; none by the candidate behind one by the fallback; and what confirm
 * says is what decides from then on.
 */

#define RACERS 10

struct racer {
	char name[32], path[PATH_MAX + 128], pins[160];
	int64_t ends;
	pid_t pids[3];
	int results[3];
	struct child_handle child;
};

struct race {
	bool stop;
	struct verdicts {
		uint64_t connects, neither, returned;
		bool back;
	} of[RACERS];
};

static struct race *race;
static struct racer racers[RACERS];

#define TO_BOTH_REFUSE "192.0.2.1"
#define TO_FALLBACK_ALLOWS "203.0.113.9"
#define FALLBACK "allow to 203.0.113.9\nallow to 2001:db8::1\n"
#define CANDIDATE "allow to 2001:db8::1\n"

static int connect_on(void *arg)
{
	struct verdicts *of = &race->of[(intptr_t)arg];
	struct attempt refused = { WAY_CONNECT, TO_BOTH_REFUSE, 25 };
	struct attempt allowed = { WAY_CONNECT, NET_OUTSIDE6, 25 };
	struct attempt either = { WAY_CONNECT, TO_FALLBACK_ALLOWS, 25 };

	alarm(600);
	while (!__atomic_load_n(&race->stop, __ATOMIC_RELAXED)) {
		const int err = attempt(&either);

		if (attempt(&refused) != EPERM || attempt(&allowed) || (err && err != EPERM))
			of->neither++;
		if (!err)
			of->back = true;
		else if (of->back)
			of->returned++;
		__atomic_fetch_add(&of->connects, 1, __ATOMIC_RELAXED);
		nanosleep(&(const struct timespec){ .tv_nsec = 500000 }, NULL);
	}
	return 0;
}

static void racer_load(struct racer *racer, const char *file, const char *time)
{
	const char *argv[] = { "smtpward", "load",	"-c",
			       file,	   "--cgroup",	racer->path,
			       "--pins",   racer->pins, time ? "--try" : NULL,
			       time,	   NULL };

	if (smtpward_child(argv, NULL, NULL))
		fail_msg("load: status %d: %s", run.status, run.err);
}

static void racer_start(int i, const char *fallback, const char *candidate)
{
	struct racer *racer = &racers[i];
	struct smtpward_origin origin;
	const uint32_t zero = 0;
	char path[256];
	int fd;

	snprintf(racer->name, sizeof(racer->name), "racer-%d", i);
	snprintf(racer->path, sizeof(racer->path), "%s/racer-%d", fixture.base, i);
	snprintf(racer->pins, sizeof(racer->pins), "%s-racer-%d", fixture.pins, i);
	cgroup_make(racer->name);
	racer_load(racer, fallback, NULL);
	racer_load(racer, candidate, "15s");
	snprintf(path, sizeof(path), "%s/policy/map_origin", racer->pins);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &origin), 0);
	close(fd);
	racer->ends = (int64_t)origin.trial_ends_ns;
	racer->child = child_start(CHILD_IN(racer->name), connect_on, (void *)(intptr_t)i);
}

/* Two at once, and one of another policy, about as long before the deadline as they take. */
static int64_t race_lead = 100000000;

static void racer_confirm(int i)
{
	struct racer *racer = &racers[i];
	const char *argv[] = { "smtpward", "confirm", "-q", "--pins", racer->pins, NULL, NULL };
	const int64_t deadline = clock_ms() + FIXTURE_PATIENCE;

	while (boot_ns() < racer->ends - race_lead)
		assert_true(clock_ms() < deadline);
	for (int k = 0; k < 3; k++) {
		argv[5] = k == 1 ? "0123456789abcdef" : NULL;
		racer->pids[k] = fork();
		if (!racer->pids[k]) {
			const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

			dup2(null, STDERR_FILENO);
			execv(fixture.binary, (char *const *)argv);
			_exit(127);
		}
		assert_true(racer->pids[k] > 0);
		child_register(racer->pids[k]);
	}
}

static void racer_end(int i)
{
	struct racer *racer = &racers[i];
	const int64_t deadline = clock_ms() + FIXTURE_PATIENCE;

	for (int k = 0; k < 3; k++) {
		int status;

		assert_int_equal(child_reap(racer->pids[k], deadline, &status), 0);
		assert_true(WIFEXITED(status));
		racer->results[k] = WEXITSTATUS(status);
	}
	race_lead = racer->results[0] == DONE ? race_lead * 4 / 5 : race_lead * 3 / 2;
}

static void wait_for_more(int i)
{
	const int64_t deadline = clock_ms() + FIXTURE_PATIENCE;
	const uint64_t now = __atomic_load_n(&race->of[i].connects, __ATOMIC_RELAXED);

	while (__atomic_load_n(&race->of[i].connects, __ATOMIC_RELAXED) < now + 4)
		assert_true(pause_until(deadline));
}

static unsigned int racer_check(int i)
{
	struct racer *racer = &racers[i];
	const struct verdicts *of = &race->of[i];
	const bool kept = racer->results[0] == DONE;

	print_message("# racer %d: confirms %d %d, %llu connects\n", i, racer->results[0],
		      racer->results[2], (unsigned long long)of->connects);
	/* Behind one that was too late there may be nothing any more to be late for. */
	assert_true(racer->results[0] == DONE || racer->results[0] == NO);
	assert_int_equal(racer->results[1], NO);
	assert_int_equal(racer->results[2], racer->results[0]);
	assert_int_equal(of->neither, 0);
	assert_int_equal(of->returned, 0);
	assert_int_equal(of->back, !kept);
	return kept;
}

static void test_confirm_against_deadline(void **state)
{
	const int rounds = fixture_rounds(3);
	char fallback[128], candidate[128];
	unsigned int kept = 0;

	snprintf(fallback, sizeof(fallback), "%s/fallback.conf", fixture.dir);
	snprintf(candidate, sizeof(candidate), "%s/candidate.conf", fixture.dir);
	assert_int_equal(rename(policy_write(FALLBACK), fallback), 0);
	assert_int_equal(rename(policy_write(CANDIDATE), candidate), 0);
	race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(race != MAP_FAILED);
	for (int round = 0; round < rounds; round++) {
		memset(race, 0, sizeof(*race));
		for (int i = 0; i < RACERS; i++)
			racer_start(i, fallback, candidate);
		for (int i = 0; i < RACERS; i++) {
			racer_confirm(i);
			racer_end(i);
		}
		for (int i = 0; i < RACERS; i++)
			wait_for_more(i);
		__atomic_store_n(&race->stop, true, __ATOMIC_RELAXED);
		for (int i = 0; i < RACERS; i++)
			assert_int_equal(child_wait(&racers[i].child), 0);
		for (int i = 0; i < RACERS; i++)
			kept += racer_check(i);
		for (int i = 0; i < RACERS; i++)
			assert_int_equal(smtpward("unload", "--pins", racers[i].pins, NULL), 0);
	}
	print_message("# %u of %d were kept\n", kept, RACERS * rounds);
	/* A machine that is too slow for it is no race. */
	if (fixture_slow() == 1) {
		assert_true(kept > 0);
		assert_true(kept < (unsigned int)(RACERS * rounds));
	}
	munmap(race, sizeof(*race));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, fixture_tidy)

static int tests(void)
{
	const struct CMUnitTest all[] = {
		TEST(test_goes_back),	TEST(test_goes_back_to_nothing),
		TEST(test_confirmed),	TEST(test_hash),
		TEST(test_other_loads), TEST(test_bad_times),
		TEST(test_second_try),	TEST(test_wiped_pins),
		TEST(test_reader),	TEST(test_log_says_so),
		TEST(test_readers_log), TEST(test_time_namespace),
		TEST(test_expect),	TEST(test_confirm_against_deadline),
	};

	return cmocka_run_group_tests_name("trial", all, fixture_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
