// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reader that is not root: what load --reader gives it and what it keeps from it,
 * and the log that it writes as a service manager runs it. It has CAP_BPF as the
 * service has, which is more than it needs on most kernels.
 */
#include "fixture_service.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define POLICY "allow unit mail.service\n"

static int load_for(const char *reader)
{
	return smtpward("load", "-c", policy_write(POLICY), "--cgroup", fixture.attached, "--pins",
			fixture.pins, reader ? "--reader" : NULL, reader, NULL);
}

static int as_reader(const char *command, child_fn become)
{
	const char *argv[] = { "smtpward", command, "--pins", fixture.pins, NULL };

	return smtpward_child(argv, become, NULL);
}

static void load_for_reader(void)
{
	cgroup_make("log.service");
	cgroup_make("web.service");
	if (load_for(READER))
		fail_msg("load --reader: status %d: %s", run.status, run.err);
}

static void test_unknown_reader(void **state)
{
	assert_int_equal(load_for("no-such-user"), 2);
	assert_non_null(strstr(run.err, "'no-such-user': there is no such user"));
	assert_int_not_equal(access(fixture.pins, F_OK), 0);
}

static void test_status(void **state)
{
	load_for_reader();
	if (as_reader("status", reader_enter_and_become))
		fail_msg("status %d: %s%s", run.status, run.out, run.err);
	assert_non_null(strstr(run.out, "connect6  in force"));
	if (fixture.attached == fixture.root) {
		assert_int_equal(as_reader("status", reader_become), 0);
		return;
	}
	/* The hooks are not on its own cgroup, nor above: it can not tell, and says so. */
	assert_int_equal(as_reader("status", reader_become), 1);
	assert_non_null(strstr(run.err, "--reader"));
}

static void detach(const char *name)
{
	_cleanup_close_ int fd = bpf_pin_open(name);

	assert_int_equal(bpf_link_detach(fd), 0);
}

static void unpin(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", fixture.pins, name);
	assert_int_equal(unlink(path), 0);
}

static void assert_sees(const char *words)
{
	assert_int_equal(as_reader("status", reader_enter_and_become), 3);
	if (!strstr(run.out, words))
		fail_msg("no '%s' in: %s", words, run.out);
}

/* What root sees by the links, it sees too. */
static void test_status_without_a_hook(void **state)
{
	load_for_reader();
	detach("link_connect6");
	assert_sees("connect6 is not in force");
	assert_int_equal(load_for(NULL), 0);
	assert_int_equal(as_reader("status", reader_enter_and_become), 0);
	unpin("link_connect4");
	assert_sees("connect4 is not in force");
	assert_int_equal(load_for(NULL), 0);
	unpin("policy/link_cgroup_mkdir");
	assert_sees("tracker is gone");
}

/* Other programs on the same hook are not taken for ours. */
static void test_status_among_others(void **state)
{
	_cleanup_close_ int other = -1, program = -1;

	load_for_reader();
	program = bpf_pin_open("policy/prog_connect4");
	other = bpf_link_create(program, fixture.attached_fd, BPF_CGROUP_INET6_CONNECT, NULL);
	assert_true(other < 0); /* connect4's program is not for connect6 */
	other = bpf_link_create(program, fixture.attached_fd, BPF_CGROUP_INET4_CONNECT, NULL);
	assert_true(other >= 0);
	assert_int_equal(as_reader("status", reader_enter_and_become), 0);
	detach("link_connect6");
	assert_sees("connect6 is not in force");
}

/* What it is kept from. Names are collected by root, tried by the reader. */

static char names[64][96];
static size_t n_names;

static int collect(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	if (type != FTW_F)
		return 0;
	assert_true(n_names < ARRAY_SIZE(names));
	snprintf(names[n_names++], sizeof(names[0]), "%s", path + strlen(fixture.pins) + 1);
	return 0;
}

static int open_pin(const char *name, uint32_t flags)
{
	LIBBPF_OPTS(bpf_obj_get_opts, options, .file_flags = flags);
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", fixture.pins, name);
	fd = bpf_obj_get_opts(path, &options);
	return fd < 0 ? -errno : fd;
}

/* By the last part of a name. */
static bool is_one_of(const char *name, const char *const *among, size_t n)
{
	const char *base = strrchr(name, '/');

	for (size_t i = 0; i < n; i++)
		if (!strcmp(base ? base + 1 : name, among[i]))
			return true;
	return false;
}

static bool may_write(const char *name)
{
	static const char *const writable[] = { "map_events", "map_callers", "map_reported",
						"map_note", "map_tenants" };

	return is_one_of(name, writable, ARRAY_SIZE(writable));
}

static bool may_read(const char *name)
{
	static const char *const readable[] = {
		"map_callers_rest", "map_counters",    "map_gate",	"map_policy",
		"map_origin",	    "map_rules",       "map_tracker",	"map_cgroups",
		"map_clock",	    "map_host",	       "map_local",	"map_attempts",
		"map_rows",	    "map_row_tenants", "map_row_names", "map_row_lasts",
		"map_rows_used",
	};

	return is_one_of(name, readable, ARRAY_SIZE(readable)) || may_write(name);
}

static int try_pins(void *arg)
{
	int wrong = reader_become(NULL);

	for (size_t i = 0; i < n_names; i++) {
		_cleanup_close_ int writer = open_pin(names[i], 0);
		_cleanup_close_ int reader = open_pin(names[i], BPF_F_RDONLY);

		if ((writer >= 0) == may_write(names[i]) && (reader >= 0) == may_read(names[i]))
			continue;
		fprintf(stderr, "%s: for writing %d, for reading %d\n", names[i], writer, reader);
		wrong++;
	}
	return wrong;
}

static void test_pins(void **state)
{
	load_for_reader();
	n_names = 0;
	assert_int_equal(nftw(fixture.pins, collect, 8, FTW_PHYS), 0);
	assert_true(n_names > 20);
	assert_int_equal(child_run(CHILD(0), try_pins, NULL), 0);
}

/* With what it may open, and with the directory. */
static int try_to_lift(void *arg)
{
	const struct smtpward_gate gone = { .generation = SMTPWARD_GATE_OPEN };
	_cleanup_close_ int dir = -1, gate = -1, callers = -1;
	const uint32_t zero = 0;

	if (reader_become(NULL))
		return 1;
	gate = open_pin("map_gate", BPF_F_RDONLY);
	if (gate < 0 || !bpf_map_update_elem(gate, &zero, &gone, BPF_ANY) || errno != EPERM)
		return 2;
	dir = open(fixture.pins, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return 3;
	if (!unlinkat(dir, "link_connect4", 0) || !unlinkat(dir, "map_gate", 0) ||
	    !mkdirat(dir, "generation-9", 0700) || !renameat(dir, "policy", dir, "policy_new") ||
	    !fchmodat(dir, "link_connect4", 0666, 0) || !fchmod(dir, 0777))
		return 4;
	if (open_pin("iter_hooks", 0) != -EACCES && open_pin("policy/iter_hooks", 0) != -EACCES)
		return 5;
	return 0;
}

static void test_lifts_nothing(void **state)
{
	load_for_reader();
	assert_int_equal(child_run(CHILD(0), try_to_lift, NULL), 0);
	assert_int_equal(as_reader("unload", reader_enter_and_become), 1);
	assert_non_null(strstr(run.err, "root"));
	assert_int_equal(smtpward_child((const char *const[]){ "smtpward", "load", "-c",
							       policy_write("mode audit\n"),
							       "--cgroup", fixture.attached,
							       "--pins", fixture.pins, NULL },
					reader_enter_and_become, NULL),
			 1);
	assert_non_null(strstr(run.err, "root"));
	assert_int_equal(smtpward("status", "--pins", fixture.pins, NULL), 0);
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE4, 25), EPERM);
}

static int enter_pins(void *arg)
{
	return reader_become(NULL) ?: access(fixture.pins, X_OK) ? errno : 0;
}

static void test_reload_keeps_the_reader(void **state)
{
	load_for_reader();
	for (int i = 0; i < 3; i++) {
		assert_int_equal(load_for(NULL), 0);
		assert_int_equal(as_reader("status", reader_enter_and_become), 0);
		n_names = 0;
		assert_int_equal(nftw(fixture.pins, collect, 8, FTW_PHYS), 0);
		assert_int_equal(child_run(CHILD(0), try_pins, NULL), 0);
	}
	assert_int_equal(load_for("root"), 0);
	assert_int_equal(child_run(CHILD(0), enter_pins, NULL), EACCES);
	assert_int_equal(load_for(NULL), 0);
	assert_int_equal(child_run(CHILD(0), enter_pins, NULL), EACCES);
	policy_unload();
	assert_int_equal(load_for(NULL), 0);
	assert_int_equal(child_run(CHILD(0), enter_pins, NULL), EACCES);
}

/* It had its rights from a load that was killed before it came to an end. */
static void test_reader_of_a_killed_load(void **state)
{
	char path[128];

	load_for_reader();
	snprintf(path, sizeof(path), "%s/policy/map_events", fixture.pins);
	assert_int_equal(chown(path, 0, 0), 0);
	assert_int_equal(chown(fixture.pins, 0, 0), 0);
	assert_int_equal(load_for(NULL), 0);
	assert_int_equal(as_reader("status", reader_enter_and_become), 0);
}

/* Its log, as a service. */

static int kernel_wants_capability(void *arg)
{
	struct bpf_map_info info;
	uint32_t size = sizeof(info);

	return reader_become(NULL) || reader_set_capabilities(0) ||
	       (bpf_obj_get_info_by_fd(-1, &info, &size) && errno == EPERM);
}

static void test_log(void **state)
{
	_cleanup_(service_close) struct service service = { 0 };
	uint64_t capabilities = 0;
	struct line line;

	load_for_reader();
	if (child_run(CHILD(0), kernel_wants_capability, NULL))
		capabilities = 1ULL << CAP_BPF;
	service_start(&service, NULL);
	service_wait(service.manager, "READY=1");
	assert_true(process_status(service.log.pid, "CapEff", 16) == capabilities);
	assert_true(process_status(service.log.pid, "CapPrm", 16) == capabilities);
	assert_int_equal(process_status(service.log.pid, "NoNewPrivs", 10), 1);
	assert_int_equal(process_status(service.log.pid, "Seccomp", 10), 2);
	service_wait(service.manager, "WATCHDOG=1");
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE4, 25), EPERM);
	line_read(service_wait(service.syslog, "verdict=deny"), &line);
	line_assert(&line, "unit", "web.service");
	assert_non_null(strstr(service_wait(service.manager, "1 line to"), "STATUS=enforcing; "));
	/* A second generation, which is its own to read as the first one was. */
	assert_int_equal(load_for(NULL), 0);
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE6, 25), EPERM);
	line_read(service_wait(service.syslog, "verdict=deny"), &line);
	line_assert(&line, "dst", NET_OUTSIDE6);
	service_wait(service.manager, "2 lines");
	log_end(&service.log, SIGTERM);
	service_wait(service.manager, "STOPPING=1");
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE4, 25), EPERM);
}

/* From too few for a start up to enough. */
#define FILES_MIN 4
#define FILES_MAX 64

/* With a SIGTERM that waits for it: whatever it comes to, it ends. */
static int become_service_with_few_files(void *arg)
{
	const struct rlimit *limit = arg;
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	return service_become(NULL) || setrlimit(RLIMIT_NOFILE, limit) ||
	       sigprocmask(SIG_BLOCK, &term, NULL) || raise(SIGTERM);
}

static bool said_ready(int manager)
{
	char text[4096];
	bool ready = false;
	ssize_t size;

	while ((size = recv(manager, text, sizeof(text) - 1, MSG_DONTWAIT)) > 0) {
		text[size] = '\0';
		ready = ready || strstr(text, "READY=1");
	}
	return ready;
}

/* Wherever it fails on its way to reading, it has not said that it reads. */
static void test_ready(void **state)
{
	const char *argv[] = { "smtpward", "log", "--pins", fixture.pins, NULL };
	struct rlimit limit = { FILES_MIN, FILES_MAX };
	_cleanup_(service_close) struct service service = { .log = { .fd = -1, .notify = -1 } };
	int status;

	load_for_reader();
	service_listen(&service);
	do {
		assert_true(++limit.rlim_cur <= FILES_MAX);
		status = smtpward_child(argv, become_service_with_few_files, &limit);
		assert_int_equal(said_ready(service.manager), !status);
	} while (status);
	assert_true(limit.rlim_cur > FILES_MIN + 1);
}

static void start_by_hand(struct log *log)
{
	load_for_reader();
	log_start(log, LOG_STDERR);
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE4, 25), EPERM);
	log_line(log, "verdict=deny", 0);
}

/* Before the service is started: that says so, and goes on once it can. */
static void test_log_by_hand(void **state)
{
	_cleanup_(service_close) struct service service = { 0 };
	_cleanup_(log_close) struct log log;
	char words[64];

	start_by_hand(&log);
	service_start(&service, "--until-alert");
	snprintf(words, sizeof(words), "is being read already: by process %d", (int)log.pid);
	assert_non_null(strstr(service_wait(service.manager, "READY=1"), words));
	service_wait(service.manager, "WATCHDOG=1");
	log_end(&log, SIGTERM);
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE4, 25), EPERM);
	service_wait(service.syslog, "verdict=deny");
	service_wait(service.manager, "1 line to");
	log_end(&service.log, SIGTERM);
	assert_int_equal(log_count(&service.log, words), 1);
}

/* Nor does it keep a service manager waiting that stops it meanwhile, or for what is lifted. */
static void test_log_by_hand_goes_on(void **state)
{
	_cleanup_(service_close) struct service stopped = { 0 }, unloaded = { 0 };
	_cleanup_(log_close) struct log log;

	start_by_hand(&log);
	service_start(&stopped, "--until-alert");
	service_wait(stopped.manager, "READY=1");
	log_end(&stopped.log, SIGTERM);
	service_wait(stopped.manager, "STOPPING=1");
	service_start(&unloaded, "--until-alert");
	service_wait(unloaded.manager, "READY=1");
	policy_unload();
	assert_int_equal(log_wait_exit(&log), 0);
	/* As a log that reads: no manager starts it again, and none says that it failed. */
	assert_int_equal(log_wait_exit(&unloaded.log), 0);
	assert_int_equal(log_count(&unloaded.log, "was unloaded"), 1);
	service_wait(unloaded.manager, "STATUS=unloaded");
}

/* What nobody has unloaded is to be started again, which loads it. */
static void test_log_by_hand_is_bereft(void **state)
{
	_cleanup_(service_close) struct service service = { 0 };
	_cleanup_(log_close) struct log log;

	start_by_hand(&log);
	service_start(&service, "--until-alert");
	service_wait(service.manager, "READY=1");
	/* Root's puts the pins back. */
	assert_int_equal(kill(log.pid, SIGSTOP), 0);
	bpf_wipe("");
	assert_int_equal(log_wait_exit(&service.log), 1);
	assert_int_equal(log_count(&service.log, "no unload removed it"), 1);
	log_end(&log, SIGKILL);
}

/* It goes as it is unloaded, with the status that no manager starts it again for. */
static void test_log_of_what_is_unloaded(void **state)
{
	_cleanup_(service_close) struct service service = { 0 };

	load_for_reader();
	service_start(&service, "--until-alert");
	service_wait(service.manager, "READY=1");
	policy_unload();
	assert_int_equal(log_wait_exit(&service.log), 0);
	assert_non_null(strstr(service_wait(service.manager, "STOPPING=1"), "unloaded"));
	assert_int_equal(log_count(&service.log, "was unloaded"), 1);
}

/* What it cannot put right ends it, with the alert in the log; the next load does. */
static void test_until_alert(void **state)
{
	_cleanup_(service_close) struct service service = { 0 };

	load_for_reader();
	service_start(&service, "--until-alert");
	service_wait(service.manager, "READY=1");
	log_pass_first_look();
	detach("link_connect4");
	service_wait(service.syslog, "connect4 is not in force; 'smtpward load' puts it back\" "
				     "healed=no");
	assert_int_equal(log_wait_exit(&service.log), 1);
	assert_int_equal(log_count(&service.log, "cannot put this right"), 1);
	assert_int_equal(load_for(NULL), 0);
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE4, 25), EPERM);
}

/* ... and also where nobody takes the line. */
static void test_until_alert_without_syslog(void **state)
{
	_cleanup_(service_close) struct service service = { 0 };

	load_for_reader();
	service_start(&service, "--until-alert");
	service_wait(service.manager, "READY=1");
	cleanup_close(&service.syslog);
	service.syslog = -1;
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE4, 25), EPERM);
	log_line(&service.log, "cannot write to syslog", 0);
	log_pass_first_look();
	detach("link_connect6");
	assert_int_equal(log_wait_exit(&service.log), 1);
	assert_int_equal(log_count(&service.log, "cannot put this right"), 1);
}

/*
 * An unload while nobody takes the last lines: it ends with the status that no manager starts it
 * again for, and not with one that would bring a load of what was lifted.
 */
static void test_unload_without_syslog(void **state)
{
	_cleanup_(service_close) struct service service = { 0 };

	load_for_reader();
	service_start(&service, "--until-alert");
	service_wait(service.manager, "READY=1");
	cleanup_close(&service.syslog);
	service.syslog = -1;
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE4, 25), EPERM);
	log_line(&service.log, "cannot write to syslog", 0);
	policy_unload();
	assert_int_equal(log_wait_exit(&service.log), 3);
	assert_int_equal(log_count(&service.log, "the last records have no line"), 1);
}

/* Without the option it says so, and stays. */
static void test_alert(void **state)
{
	_cleanup_(service_close) struct service service = { 0 };

	load_for_reader();
	service_start(&service, NULL);
	service_wait(service.manager, "READY=1");
	detach("link_connect4");
	service_wait(service.syslog, "healed=no");
	assert_int_equal(load_for(NULL), 0);
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE4, 25), EPERM);
	service_wait(service.syslog, "verdict=deny");
	log_end(&service.log, SIGTERM);
}

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_unknown_reader, fixture_tidy),
		cmocka_unit_test_teardown(test_status, fixture_tidy),
		cmocka_unit_test_teardown(test_status_without_a_hook, fixture_tidy),
		cmocka_unit_test_teardown(test_status_among_others, fixture_tidy),
		cmocka_unit_test_teardown(test_pins, fixture_tidy),
		cmocka_unit_test_teardown(test_lifts_nothing, fixture_tidy),
		cmocka_unit_test_teardown(test_reload_keeps_the_reader, fixture_tidy),
		cmocka_unit_test_teardown(test_reader_of_a_killed_load, fixture_tidy),
		cmocka_unit_test_teardown(test_log, fixture_tidy),
		cmocka_unit_test_teardown(test_ready, fixture_tidy),
		cmocka_unit_test_teardown(test_log_by_hand, fixture_tidy),
		cmocka_unit_test_teardown(test_log_by_hand_goes_on, fixture_tidy),
		cmocka_unit_test_teardown(test_log_by_hand_is_bereft, fixture_tidy),
		cmocka_unit_test_teardown(test_log_of_what_is_unloaded, fixture_tidy),
		cmocka_unit_test_teardown(test_until_alert, fixture_tidy),
		cmocka_unit_test_teardown(test_until_alert_without_syslog, fixture_tidy),
		cmocka_unit_test_teardown(test_unload_without_syslog, fixture_tidy),
		cmocka_unit_test_teardown(test_alert, fixture_tidy),
	};

	return cmocka_run_group_tests_name("reader", tests, fixture_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
