// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the first load to the unload: what status answers in between, what a reload
 * changes and when, who may read, and that nothing stays behind.
 */
#include "fixture.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define ENFORCING 0
#define NOT_ENFORCING 3
#define DEGRADED 4

#define REFUSE_WEB "allow unit mail.service\n"
#define REFUSE_MAIL "allow unit web.service\n"

static int status(void)
{
	return smtpward("status", "--pins", fixture.pins, NULL);
}

static void make_cgroups(void)
{
	cgroup_make("mail.service");
	cgroup_make("web.service");
}

/* Whether the policy REFUSE_WEB is what decides, on both hooks. */
static void assert_refuses_web(void)
{
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE4, 25), EPERM);
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE6, 25), EPERM);
	assert_int_equal(attempt_in("mail.service", NET_OUTSIDE4, 25), 0);
	assert_int_equal(attempt_in("mail.service", NET_OUTSIDE6, 25), 0);
}

static void assert_refuses_mail(void)
{
	assert_int_equal(attempt_in("mail.service", NET_OUTSIDE4, 25), EPERM);
	assert_int_equal(attempt_in("mail.service", NET_OUTSIDE6, 25), EPERM);
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE4, 25), 0);
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE6, 25), 0);
}

static void assert_refuses_nothing(void)
{
	assert_int_equal(attempt_in("mail.service", NET_OUTSIDE4, 25), 0);
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE4, 25), 0);
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE6, 25), 0);
}

static void test_load_and_unload(void **state)
{
	make_cgroups();
	assert_int_equal(status(), NOT_ENFORCING);
	assert_non_null(strstr(run.out, "nothing is loaded"));
	assert_refuses_nothing();
	policy_load(REFUSE_WEB);
	assert_int_equal(status(), ENFORCING);
	assert_refuses_web();
	policy_unload();
	assert_int_equal(status(), NOT_ENFORCING);
	assert_refuses_nothing();
	assert_int_equal(smtpward("unload", "--pins", fixture.pins, NULL), 0);
}

static void test_load_over_load(void **state)
{
	json_auto_t *json = NULL;

	make_cgroups();
	policy_load(REFUSE_WEB);
	assert_refuses_web();
	policy_load(REFUSE_MAIL);
	assert_refuses_mail();
	assert_int_equal(status(), ENFORCING);
	json = status_json();
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(json, "policy"), "generation")),
		2);
	assert_int_equal(status_counter("denied"), 4);
}

/* What is not UTF-8 is quoted as in lines, and nothing is left out for it. */
static void test_json_of_odd_text(void **state)
{
	json_auto_t *json = NULL;
	const char *text;
	char file[160];
	json_t *rules;

	snprintf(file, sizeof(file), "%s/caf\xc3\xa9\xff.conf", fixture.dir);
	assert_int_equal(rename(policy_write("allow cgroup /\xff\xfe\n"
					     "allow unit caf\xc3\xa9.service\n"),
				file),
			 0);
	assert_int_equal(policy_load_file(file), 0);
	json = status_json();
	rules = json_object_get(json, "rules");
	assert_int_equal(json_array_size(rules), 2);
	text = json_string_value(json_object_get(json_array_get(rules, 0), "text"));
	assert_string_equal(text, "allow cgroup /\\xff\\xfe");
	text = json_string_value(json_object_get(json_array_get(rules, 1), "text"));
	assert_string_equal(text, "allow unit caf\\xc3\\xa9.service");
	text = json_string_value(json_object_get(json_array_get(rules, 1), "file"));
	assert_non_null(strstr(text, "/caf\\xc3\\xa9\\xff.conf"));
	text = json_string_value(json_object_get(json_object_get(json, "policy"), "config"));
	assert_non_null(strstr(text, "/caf\\xc3\\xa9\\xff.conf"));
	assert_int_equal(smtpward("status", "--pins", fixture.pins, NULL), 0);
	assert_null(strstr(run.out, "\xff.conf"));
	assert_non_null(strstr(run.out, "/caf\\xc3\\xa9\\xff.conf: 2 rules"));
	assert_non_null(strstr(run.out, "/caf\\xc3\\xa9\\xff.conf:2\n"));
	unlink(file);
}

/* Wherever the text of a rule is cut, the last escape in it is whole. */
static void test_cut_rule(void **state)
{
	json_auto_t *json = NULL;
	char rules[4 * 900] = "";
	size_t used = 0;

	for (int pad = 0; pad < 4; pad++) {
		used += snprintf(rules + used, sizeof(rules) - used, "allow cgroup \"/%.*s", pad,
				 "aaa");
		for (int i = 0; i < 180; i++)
			used += snprintf(rules + used, sizeof(rules) - used, "\\x01");
		used += snprintf(rules + used, sizeof(rules) - used, "\"\n");
	}
	policy_load("%s", rules);
	json = status_json();
	for (size_t i = 0; i < 4; i++) {
		json_t *rule = json_array_get(json_object_get(json, "rules"), i);
		const char *text = json_string_value(json_object_get(rule, "text"));
		const char *last = strrchr(text, '\\');

		assert_true(json_is_true(json_object_get(rule, "truncated")));
		assert_non_null(last);
		assert_string_equal(last, "\\x5cx01");
	}
}

/* The number of a thing, and its word. */
static void test_one_rule(void **state)
{
	policy_load("allow to 127.0.0.1\n");
	assert_non_null(strstr(run.err, ": 1 rule, in force until"));
	assert_int_equal(smtpward("status", "--pins", fixture.pins, NULL), 0);
	assert_non_null(strstr(run.out, ": 1 rule, port 25, mode enforce"));
	policy_load("ports 25, 26\nallow to 127.0.0.1\nallow to ::1\n");
	assert_non_null(strstr(run.err, ": 2 rules, in force until"));
	assert_int_equal(smtpward("status", "--pins", fixture.pins, NULL), 0);
	assert_non_null(strstr(run.out, ": 2 rules, ports 25, 26, mode enforce"));
}

/* The exit status is all that is asked for, and all that there is. */
static void assert_quiet(int status, const char *argument)
{
	assert_int_equal(smtpward("status", "-q", "--pins", fixture.pins, argument, NULL), status);
	assert_string_equal(run.out, "");
	assert_string_equal(run.err, "");
}

static void test_quiet(void **state)
{
	assert_quiet(3, NULL);
	assert_quiet(3, "--json");
	policy_load("allow to 127.0.0.1\n");
	assert_quiet(0, NULL);
	assert_quiet(0, "--json");
	policy_load("mode audit\n");
	assert_quiet(3, NULL);
	assert_quiet(0, "--expect=audit");
}

/* A wrong policy changes nothing, and says where it is wrong. */
static int go_to(void *folder)
{
	return chdir(folder) ? -errno : 0;
}

/* status is asked from anywhere: what it names is there from any directory. */
static void assert_loads_from(char *folder, const char *file)
{
	const char *const argv[] = { "smtpward",       "load",	 "-c",	       file, "--cgroup",
				     fixture.attached, "--pins", fixture.pins, NULL };
	json_auto_t *json = NULL;
	json_t *rules;
	char path[160];

	if (smtpward_child(argv, go_to, folder))
		fail_msg("load -c %s in %s: %s", file, folder, run.err);
	json = status_json();
	snprintf(path, sizeof(path), "%s/policy.conf", fixture.dir);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(json, "policy"), "config")),
		path);
	rules = json_object_get(json, "rules");
	assert_int_equal(json_array_size(rules), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(rules, 1), "file")),
			    path);
	snprintf(path, sizeof(path), "%s/more.conf", fixture.dir);
	assert_string_equal(json_string_value(json_object_get(json_array_get(rules, 0), "file")),
			    path);
}

static void test_relative_path(void **state)
{
	_cleanup_fclose_ FILE *more = NULL;
	const char *policy;
	char path[160];

	make_cgroups();
	snprintf(path, sizeof(path), "%s/more.conf", fixture.dir);
	more = fopen(path, "we");
	assert_non_null(more);
	assert_true(fputs(REFUSE_WEB, more) >= 0 && fflush(more) == 0);
	policy = policy_write("include more.conf\n" REFUSE_MAIL);
	assert_loads_from(fixture.dir, "policy.conf");
	assert_loads_from(fixture.dir, "./policy.conf");
	assert_loads_from("/", policy + 1);
	assert_int_equal(unlink(path), 0);
}

static void test_load_of_a_wrong_policy(void **state)
{
	char place[160];

	make_cgroups();
	policy_load(REFUSE_WEB);
	policy_write("allow unit mail.service\nallow everything\n\nports 0\n");
	assert_int_equal(policy_load_file(policy_write("ports 25\nallow everything\n\nports 0\n")),
			 2);
	snprintf(place, sizeof(place), "%s/policy.conf:2:7: error: ", fixture.dir);
	assert_non_null(strstr(run.err, place));
	snprintf(place, sizeof(place), "%s/policy.conf:4:1: error: ", fixture.dir);
	assert_non_null(strstr(run.err, place));
	assert_int_equal(policy_load_file("/nonexistent/policy.conf"), 2);
	assert_refuses_web();
	assert_int_equal(status(), ENFORCING);
}

static void test_mode_audit_is_not_enforcing(void **state)
{
	make_cgroups();
	policy_load("mode audit\n");
	assert_int_equal(status(), NOT_ENFORCING);
	assert_non_null(strstr(run.out, "audit"));
	assert_refuses_nothing();
	policy_load(REFUSE_WEB);
	assert_int_equal(status(), ENFORCING);
	assert_refuses_web();
}

static bool hook_in_force(const char *hook)
{
	json_auto_t *json = status_json();

	return json_is_true(
		json_object_get(json_object_get(json_object_get(json, "hooks"), hook), "in_force"));
}

static void detach_link(const char *name)
{
	_cleanup_close_ int fd = bpf_pin_open(name);

	assert_int_equal(bpf_link_detach(fd), 0);
}

static void test_detached_link(void **state)
{
	make_cgroups();
	policy_load(REFUSE_WEB);
	detach_link("link_connect4");
	assert_int_equal(status(), NOT_ENFORCING);
	assert_false(hook_in_force("connect4"));
	assert_true(hook_in_force("connect6"));
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE4, 25), 0);
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE6, 25), EPERM);
	policy_load(REFUSE_WEB);
	assert_int_equal(status(), ENFORCING);
	assert_refuses_web();
	detach_link("link_connect6");
	assert_int_equal(status(), NOT_ENFORCING);
	policy_unload();
	assert_refuses_nothing();
}

static void remove_pin(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", fixture.pins, name);
	if (unlink(path))
		fail_msg("cannot remove %s: %s", path, strerror(errno));
}

static void test_removed_pins(void **state)
{
	static const char *const names[] = {
		"link_connect4",
		"link_connect6",
		"policy/link_cgroup_mkdir",
		"policy/link_cgroup_rmdir",
		"policy/prog_connect4",
		"policy/map_cgroups",
		"policy/map_tracker",
		"policy/map_policy",
		"policy/map_host",
		"policy/map_local",
	};

	make_cgroups();
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		policy_load(REFUSE_WEB);
		remove_pin(names[i]);
		if (status() != DEGRADED)
			fail_msg("%s was removed: status %d, %s", names[i], run.status, run.out);
		assert_refuses_web();
		policy_load(REFUSE_WEB);
		assert_int_equal(status(), ENFORCING);
		assert_refuses_web();
	}
}

/* The cgroup that it is attached to goes: nothing is enforced, and that is said. */
static void test_removed_cgroup(void **state)
{
	char cgroup[PATH_MAX + 80];

	cgroup_make("attached");
	snprintf(cgroup, sizeof(cgroup), "%s/attached", fixture.base);
	assert_int_equal(smtpward("load", "-c", policy_write(REFUSE_WEB), "--cgroup", cgroup,
				  "--pins", fixture.pins, NULL),
			 0);
	assert_int_equal(status(), ENFORCING);
	assert_int_equal(attempt_in("attached", NET_OUTSIDE4, 25), EPERM);
	cgroup_remove("attached");
	for (int64_t deadline = clock_ms() + FIXTURE_PATIENCE; status() == ENFORCING;)
		assert_true(pause_until(deadline));
	assert_int_equal(run.status, NOT_ENFORCING);
	make_cgroups();
	policy_load(REFUSE_WEB);
	assert_int_equal(status(), ENFORCING);
	assert_refuses_web();
}

static void test_second_reader(void **state)
{
	_cleanup_(log_close) struct log log;
	char pid[32];

	policy_load(REFUSE_WEB);
	log_start(&log, LOG_FILE);
	make_cgroups();
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE4, 25), EPERM);
	log_line(&log, "verdict=", 0);
	assert_int_equal(smtpward("log", "--pins", fixture.pins, "--to", "stderr", NULL), 1);
	snprintf(pid, sizeof(pid), " %d\n", (int)log.pid);
	if (!strstr(run.err, pid))
		fail_msg("process%s is not named: %s", pid, run.err);
	log_end(&log, SIGTERM);
	log_close(&log);
	log_start(&log, LOG_STDERR);
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE6, 25), EPERM);
	log_line(&log, "verdict=", 0);
	log_end(&log, SIGTERM);
}

/* The policy outlives its logger, and a logger goes on where the killed one was. */
static void test_killed_logger(void **state)
{
	_cleanup_(log_close) struct log first, second;

	make_cgroups();
	policy_load(REFUSE_WEB);
	log_start(&first, LOG_FILE);
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE4, 25), EPERM);
	log_line(&first, "dst=" NET_OUTSIDE4 " ", 0);
	log_end(&first, SIGKILL);
	assert_refuses_web();
	assert_int_equal(status(), ENFORCING);
	log_start(&second, LOG_STDERR);
	log_line(&second, "dst=" NET_OUTSIDE6 " ", 0);
	log_end(&second, SIGTERM);
	assert_in_range(log_count(&second, "verdict="), 2, 3);
}

/* Somebody unloads: the logger says so and ends by itself. */
static void test_logger_ends_with_the_policy(void **state)
{
	_cleanup_(log_close) struct log log;

	make_cgroups();
	policy_load(REFUSE_WEB);
	log_start(&log, LOG_STDERR);
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE4, 25), EPERM);
	policy_unload();
	assert_int_equal(log_wait_exit(&log), 0);
	assert_int_equal(log_count(&log, "verdict="), 1);
	assert_int_equal(log_count(&log, "unloaded"), 1);
}

static int load_at(const char *cgroup, const char *pins, const char *policy)
{
	char path[PATH_MAX + 80];

	snprintf(path, sizeof(path), "%s/%s", fixture.base, cgroup);
	return smtpward("load", "-c", policy_write("%s", policy), "--cgroup", path, "--pins", pins,
			NULL);
}

static void test_two_instances(void **state)
{
	const int reject = reject_or_eperm(EACCES);
	char other[128], policy[64];

	snprintf(other, sizeof(other), "%s/bpf/other", fixture.dir);
	cgroup_make("a.slice/mail.service");
	cgroup_make("b.slice/mail.service");
	assert_int_equal(load_at("a.slice", fixture.pins, "deny\n"), 0);
	snprintf(policy, sizeof(policy), "ports 26\nreject %s\n", strerrorname_np(reject));
	assert_int_equal(load_at("b.slice", other, policy), 0);
	assert_int_equal(attempt_in("a.slice/mail.service", NET_OUTSIDE4, 25), EPERM);
	assert_int_equal(attempt_in("a.slice/mail.service", NET_OUTSIDE4, 26), 0);
	assert_int_equal(attempt_in("b.slice/mail.service", NET_OUTSIDE4, 25), 0);
	assert_int_equal(attempt_in("b.slice/mail.service", NET_OUTSIDE4, 26), reject);
	assert_int_equal(status_counter("denied"), 1);
	/* One cgroup's policy is not replaced by another's. */
	assert_int_equal(load_at("b.slice", fixture.pins, "deny\n"), 1);
	assert_non_null(strstr(run.err, "attached to another cgroup"));
	assert_int_equal(attempt_in("a.slice/mail.service", NET_OUTSIDE4, 25), EPERM);
	assert_int_equal(smtpward("unload", "--pins", other, NULL), 0);
	assert_int_equal(attempt_in("b.slice/mail.service", NET_OUTSIDE4, 26), 0);
	assert_int_equal(attempt_in("a.slice/mail.service", NET_OUTSIDE4, 25), EPERM);
	assert_int_equal(status(), ENFORCING);
}

/* An empty /dev: no line of a test may come into this machine's own syslog. */
static int without_syslog(void *arg)
{
	return unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	       mount("tmpfs", "/dev", "tmpfs", 0, NULL);
}

static void start_run(struct log *log, const char *policy, const char *trial)
{
	const char *argv[] = { "smtpward", "run",
			       "-c",	   policy_write("%s", policy),
			       "--cgroup", fixture.attached,
			       "--pins",   fixture.pins,
			       trial,	   NULL };

	log_start_run(log, argv, without_syslog);
	log_line(log, "loaded", 0);
}

static void test_run(void **state)
{
	_cleanup_(log_close) struct log log;

	make_cgroups();
	start_run(&log, REFUSE_WEB, NULL);
	assert_refuses_web();
	log_line(&log, "verdict=", 1);
	log_end(&log, SIGTERM);
	assert_int_equal(log_count(&log, "stays in force: 'smtpward unload --pins"), 1);
	assert_refuses_web();
	assert_int_equal(status(), ENFORCING);
}

/* How often it slept, by its end. What is not freed while it lives it would look at so often. */
#define SLEEPS_MAX 500

static uint64_t sleeps_of(pid_t pid)
{
	siginfo_t info;

	assert_int_equal(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), 0);
	return process_status(pid, "voluntary_ctxt_switches", 10);
}

/* It ends at once: what it holds itself is not waited for. */
static void test_run_trial(void **state)
{
	_cleanup_(log_close) struct log log;

	make_cgroups();
	start_run(&log, REFUSE_WEB, "--trial");
	assert_int_equal(log_count(&log, "in force until this trial ends"), 1);
	assert_refuses_web();
	log_line(&log, "verdict=", 1);
	assert_int_equal(status(), ENFORCING);
	assert_int_equal(kill(log.pid, SIGTERM), 0);
	assert_true(sleeps_of(log.pid) < SLEEPS_MAX);
	assert_int_equal(log_wait_exit(&log), 0);
	assert_int_equal(status(), NOT_ENFORCING);
	assert_int_not_equal(access(fixture.pins, F_OK), 0);
	assert_refuses_nothing();
}

/* They fit the ring buffer of a machine with 512 MiB. */
#define TRIAL_ATTEMPTS 500

static int try_often(void *arg)
{
	struct attempt refused = { WAY_CONNECT, NET_OUTSIDE4, 25 };

	for (int i = 0; i < TRIAL_ATTEMPTS; i++)
		if (attempt(&refused) != EPERM)
			return 1;
	return 0;
}

/* What waits in the ring buffer when a trial is ended has its lines before it is gone. */
static void test_run_trial_writes_all(void **state)
{
	_cleanup_(log_close) struct log log;

	make_cgroups();
	start_run(&log, "limit 1000000/s burst 1000000\n", "--trial");
	log_line(&log, "to see one", 0);
	assert_int_equal(kill(log.pid, SIGSTOP), 0);
	assert_int_equal(child_run(CHILD_IN("web.service"), try_often, NULL), 0);
	assert_int_equal(kill(log.pid, SIGTERM), 0);
	log_end(&log, SIGCONT);
	assert_int_equal(log_count(&log, "verdict=deny"), TRIAL_ATTEMPTS);
}

static int load_in_child(void *arg)
{
	const char *argv[] = { "smtpward", "load",	     "-q",     "-c",	     arg,
			       "--cgroup", fixture.attached, "--pins", fixture.pins, NULL };

	return smtpward_child(argv, NULL, NULL);
}

static void test_loads_at_once(void **state)
{
	const char *policy = policy_write(REFUSE_WEB);
	struct child_handle handles[6];

	make_cgroups();
	for (size_t i = 0; i < ARRAY_SIZE(handles); i++)
		handles[i] = child_start(CHILD(0), load_in_child, (void *)policy);
	for (size_t i = 0; i < ARRAY_SIZE(handles); i++)
		assert_int_equal(child_wait(&handles[i]), 0);
	assert_int_equal(status(), ENFORCING);
	assert_int_equal(bpf_count_generations(), 1);
	assert_refuses_web();
}

/* Connects until SIGTERM would end it; how many were not refused. */
static int flood(void *arg)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(25) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), wrong = fd < 0;
	int64_t deadline = clock_ms() + 1500;

	to.sin_addr.s_addr = inet_addr(NET_OUTSIDE4);
	while (clock_ms() < deadline)
		wrong += !connect(fd, (struct sockaddr *)&to, sizeof(to)) || errno != EPERM;
	return wrong;
}

static void test_no_gap_in_a_swap(void **state)
{
	struct child_handle handle;
	unsigned int loads = 0;

	make_cgroups();
	policy_load(REFUSE_WEB);
	handle = child_start(CHILD_IN("web.service"), flood, NULL);
	for (int64_t deadline = clock_ms() + 1200; loads < 2 || clock_ms() < deadline; loads++)
		policy_load(loads % 2 ? REFUSE_WEB : "allow unit other.service\n");
	assert_int_equal(child_wait(&handle), 0);
	assert_true(loads > 1);
	assert_true(status_counter("denied") > 1000);
}

static void test_nothing_stays(void **state)
{
	static struct bpf_ids first, second;

	make_cgroups();
	policy_load(REFUSE_WEB "allow user 1 to 192.0.2.9 group 3\n");
	bpf_ids_of_pins(fixture.pins, &first);
	assert_true(first.n[0] >= 2 && first.n[1] >= 10 && first.n[2] >= 4);
	policy_load(REFUSE_MAIL);
	bpf_ids_of_pins(fixture.pins, &second);
	policy_unload();
	assert_int_equal(bpf_ids_wait_dead(&second), 0);
	assert_int_equal(bpf_ids_wait_dead(&first), 0);
	assert_int_equal(bpf_count_attached(fixture.attached_fd, false), 0);
	assert_int_equal(bpf_count_attached(fixture.attached_fd, true), 0);
	assert_int_not_equal(access(fixture.pins, F_OK), 0);
}

/* Once unload is back, it is over: the hooks are not on their way off, they are off. */
static void test_unload_has_happened(void **state)
{
	for (int i = 0; i < 5; i++) {
		policy_load(REFUSE_WEB);
		assert_int_equal(bpf_count_attached(fixture.attached_fd, false), 1);
		policy_unload();
		assert_int_equal(bpf_count_attached(fixture.attached_fd, false), 0);
		assert_int_equal(bpf_count_attached(fixture.attached_fd, true), 0);
	}
}

/*
 * A kernel refuses a program that it has to go through a million instructions of, and takes long
 * for half of them, at every load. What it goes through doubles with a value too many that lives
 * on in a loop, and with each lookup whose two answers live on. Linux before 5.16 does not tell.
 */
static void test_is_soon_verified(void **state)
{
	struct bpf_ids ids;

	policy_load("allow to local\nallow unit a*.service until 2099-01-01T00:00Z\n");
	bpf_ids_of_pins(fixture.pins, &ids);
	assert_in_range(bpf_ids_most_verified(&ids), 0, 150000);
}

/* What a rule more costs is its entries in maps; to go through the programs costs the same. */
static void test_largest_is_soon_verified(void **state)
{
	char policy[32768], *end = policy;
	struct bpf_ids ids;

	end += sprintf(end, "ports 25");
	for (int port = 2501; port < 2501 + SMTPWARD_PORTS_MAX - 1; port++)
		end += sprintf(end, ", %d", port);
	end += sprintf(end, "\nlog deny, audit, allow\nallow to local\n");
	for (int i = 0; i < SMTPWARD_RULES_MAX - 1; i += 3)
		end += sprintf(
			end,
			"allow unit a%d*.service user %d group %d to 192.0.2.%d, local port 25 "
			"until 2099-01-01T00:%02dZ\n"
			"audit cgroup /x%d/*y/z* user %d\n"
			"deny cgroup /b/c%d to 2001:db8:%x::/48\n",
			i, i, i, i, i % 60, i, i, i, i);
	policy_load("%s", policy);
	bpf_ids_of_pins(fixture.pins, &ids);
	assert_in_range(bpf_ids_most_verified(&ids), 0, 150000);
}

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_cut_rule, fixture_tidy),
		cmocka_unit_test_teardown(test_load_and_unload, fixture_tidy),
		cmocka_unit_test_teardown(test_load_over_load, fixture_tidy),
		cmocka_unit_test_teardown(test_json_of_odd_text, fixture_tidy),
		cmocka_unit_test_teardown(test_one_rule, fixture_tidy),
		cmocka_unit_test_teardown(test_quiet, fixture_tidy),
		cmocka_unit_test_teardown(test_relative_path, fixture_tidy),
		cmocka_unit_test_teardown(test_load_of_a_wrong_policy, fixture_tidy),
		cmocka_unit_test_teardown(test_mode_audit_is_not_enforcing, fixture_tidy),
		cmocka_unit_test_teardown(test_detached_link, fixture_tidy),
		cmocka_unit_test_teardown(test_removed_pins, fixture_tidy),
		cmocka_unit_test_teardown(test_removed_cgroup, fixture_tidy),
		cmocka_unit_test_teardown(test_second_reader, fixture_tidy),
		cmocka_unit_test_teardown(test_killed_logger, fixture_tidy),
		cmocka_unit_test_teardown(test_logger_ends_with_the_policy, fixture_tidy),
		cmocka_unit_test_teardown(test_two_instances, fixture_tidy),
		cmocka_unit_test_teardown(test_run, fixture_tidy),
		cmocka_unit_test_teardown(test_run_trial, fixture_tidy),
		cmocka_unit_test_teardown(test_run_trial_writes_all, fixture_tidy),
		cmocka_unit_test_teardown(test_loads_at_once, fixture_tidy),
		cmocka_unit_test_teardown(test_no_gap_in_a_swap, fixture_tidy),
		cmocka_unit_test_teardown(test_nothing_stays, fixture_tidy),
		cmocka_unit_test_teardown(test_unload_has_happened, fixture_tidy),
		cmocka_unit_test_teardown(test_is_soon_verified, fixture_tidy),
		cmocka_unit_test_teardown(test_largest_is_soon_verified, fixture_tidy),
	};

	return cmocka_run_group_tests_name("lifecycle", tests, fixture_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
