// SPDX-License-Identifier: GPL-2.0-only
/*
 * Only unload lifts: pins that are removed, covered, renamed, replaced; another's
 * programs; a trial's end; a lock that is held. At each instant what is refused is
 * compared with what status says.
 */
#include "fixture_trial.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define ENFORCING 0
#define NOT_ENFORCING 3

#define KEEP "/run/smtpward/keep"

static int status(void)
{
	return smtpward("status", "--pins", fixture.pins, NULL);
}

static void make_cgroups(void)
{
	cgroup_make("mail.service");
	cgroup_make("web.service");
}

static void assert_refuses_web(void)
{
	assert_refuses("web.service", "mail.service");
}

static void assert_refuses_nothing(void)
{
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE4, 25), 0);
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE6, 25), 0);
	assert_int_equal(bpf_count_attached(fixture.attached_fd, false), 0);
	assert_int_equal(bpf_count_attached(fixture.attached_fd, true), 0);
}

static void assert_one_each(void)
{
	assert_int_equal(bpf_count_attached(fixture.attached_fd, false), 1);
	assert_int_equal(bpf_count_attached(fixture.attached_fd, true), 1);
}

/* In force, and status says so, and what is amiss. */
static void assert_degraded(const char *what)
{
	assert_int_equal(status(), DEGRADED);
	if (!strstr(run.out, what))
		fail_msg("status does not say '%s': %s", what, run.out);
	assert_refuses_web();
}

static void assert_whole(void)
{
	if (status() != ENFORCING)
		fail_msg("status %d: %s%s", run.status, run.out, run.err);
	assert_refuses_web();
	assert_one_each();
}

static void remove_keep(void)
{
	assert_int_equal(umount2(KEEP, MNT_DETACH), 0);
}

static void pin_path(const char *name, char path[static 256])
{
	snprintf(path, 256, "%s/%s", fixture.pins, name);
}

static void rename_pin(const char *name)
{
	char from[256], to[256];

	pin_path(name, from);
	pin_path("other", to);
	assert_int_equal(rename(from, to), 0);
}

/* What is wiped by whoever cleans up /sys/fs/bpf: nothing is lifted, and it is said. */
static void test_wiped_pins(void **state)
{
	make_cgroups();
	policy_load(REFUSE_WEB);
	bpf_wipe("");
	assert_degraded("pins");
	assert_one_each();
	policy_load(REFUSE_WEB);
	assert_whole();
	/* A reload goes on with what is attached, and does not put its own beside it. */
	bpf_wipe("");
	policy_load(REFUSE_MAIL);
	assert_int_equal(status(), ENFORCING);
	assert_refuses("mail.service", "web.service");
	assert_one_each();
	policy_unload();
	assert_refuses_nothing();
}

/* With a reader there is an iterator more, and it may read again afterwards. */
static void test_wiped_pins_of_a_reader(void **state)
{
	struct stat st;

	make_cgroups();
	assert_int_equal(smtpward("load", "-c", policy_write(REFUSE_WEB), "--cgroup",
				  fixture.attached, "--pins", fixture.pins, "--reader", "nobody",
				  NULL),
			 0);
	bpf_wipe("");
	assert_degraded("pins");
	policy_load(REFUSE_WEB);
	assert_whole();
	assert_int_equal(stat(fixture.pins, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(st.st_gid, 65534);
	rename_pin("policy/iter_hooks");
	assert_degraded("pins");
	policy_load(REFUSE_WEB);
	assert_whole();
}

static void test_status_json_of_wiped_pins(void **state)
{
	json_t *json = NULL;

	make_cgroups();
	policy_load(REFUSE_WEB);
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE4, 25), EPERM);
	bpf_wipe("");
	json = status_json();
	assert_true(json_is_true(json_object_get(json, "enforcing")));
	assert_true(json_array_size(json_object_get(json, "degraded")) > 0);
	assert_int_equal(json_array_size(json_object_get(json, "rules")), 1);
	json_decref(json);
	assert_int_equal(status_counter("denied"), 1);
}

/* All pins between two looks of the log, which share this lock: of a part it would say so. */
static void wipe_unseen(void)
{
	_cleanup_close_ int fd = open(lock_path(), O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	bpf_wipe("");
}

/* The log that may heal puts them back, and goes on. */
static void test_log_heals_wiped_pins(void **state)
{
	_cleanup_(log_close) struct log log;

	make_cgroups();
	policy_load(REFUSE_WEB);
	log_start(&log, LOG_FILE);
	assert_refuses_web();
	log_line(&log, "verdict=", 0);
	wipe_unseen();
	log_line(&log, "healed=yes", 0);
	assert_int_equal(log_count(&log, "no unload removed it"), 1);
	assert_whole();
	log_line(&log, "dst=" NET_OUTSIDE6 " ", 1);
	wipe_unseen();
	log_line(&log, "healed=yes", 1);
	log_end(&log, SIGTERM);
}

/* Both sets: the kernel detaches. The log says so, and does not end as after an unload. */
static void test_both_sets_wiped(void **state)
{
	_cleanup_(log_close) struct log log;

	make_cgroups();
	policy_load(REFUSE_WEB);
	log_start(&log, LOG_FILE);
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE4, 25), EPERM);
	log_line(&log, "verdict=", 0);
	/* It would put back the one set while the other is wiped. */
	assert_int_equal(kill(log.pid, SIGSTOP), 0);
	remove_keep();
	bpf_wipe("");
	assert_int_equal(kill(log.pid, SIGCONT), 0);
	assert_int_equal(log_wait_exit(&log), FAILED);
	/* The kernel detaches them one by one: the first look may see a part of it. */
	assert_true(log_count(&log, "healed=no") >= 1);
	for (int64_t deadline = clock_ms() + FIXTURE_PATIENCE; status() == DEGRADED;)
		assert_true(pause_until(deadline));
	assert_int_equal(run.status, NOT_ENFORCING);
	assert_refuses_nothing();
	policy_load(REFUSE_WEB);
	assert_whole();
}

/* The second set alone: said, and made again. */
static void test_wiped_keep(void **state)
{
	make_cgroups();
	policy_load(REFUSE_WEB);
	remove_keep();
	assert_degraded("second set of pins");
	policy_load(REFUSE_WEB);
	assert_whole();
}

/* A bpffs over ours: what is there refuses on, and load and unload deal with that. */
static void cover(void)
{
	char bpffs[128];

	snprintf(bpffs, sizeof(bpffs), "%s/bpf", fixture.dir);
	assert_int_equal(mount("bpf", bpffs, "bpf", 0, NULL), 0);
}

static void uncover(void)
{
	char bpffs[128];

	snprintf(bpffs, sizeof(bpffs), "%s/bpf", fixture.dir);
	assert_int_equal(umount2(bpffs, MNT_DETACH), 0);
}

static void test_covered_bpffs(void **state)
{
	make_cgroups();
	policy_load(REFUSE_WEB);
	cover();
	assert_degraded("pins");
	policy_load(REFUSE_MAIL);
	assert_int_equal(status(), ENFORCING);
	assert_refuses("mail.service", "web.service");
	assert_one_each();
	policy_unload();
	assert_refuses_nothing();
	uncover();
	/* What the covered pins held is lifted, too. */
	assert_int_equal(status(), NOT_ENFORCING);
	assert_refuses_nothing();
	policy_load(REFUSE_WEB);
	assert_whole();
}

static void test_unload_of_covered_bpffs(void **state)
{
	make_cgroups();
	policy_load(REFUSE_WEB);
	cover();
	policy_unload();
	assert_refuses_nothing();
	uncover();
	assert_int_equal(smtpward("unload", "--pins", fixture.pins, NULL), 0);
	assert_int_not_equal(access(fixture.pins, F_OK), 0);
	assert_refuses_nothing();
}

static int without_admin(void *arg)
{
	return prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0) ? -errno : 0;
}

/* A load that may not ask by ids does not see what is covered: then two decide. */
static void test_two_of_one_directory(void **state)
{
	const char *argv[] = { "smtpward",	 "load",   "-c",	 NULL, "--cgroup",
			       fixture.attached, "--pins", fixture.pins, NULL };

	make_cgroups();
	policy_load(REFUSE_WEB);
	cover();
	argv[3] = policy_write(REFUSE_MAIL);
	assert_int_equal(smtpward_child(argv, without_admin, NULL), 0);
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE4, 25), EPERM);
	assert_int_equal(attempt_in("mail.service", NET_OUTSIDE4, 25), EPERM);
	assert_int_equal(status(), DEGRADED);
	assert_non_null(strstr(run.out, "decides too"));
	policy_load(REFUSE_MAIL);
	assert_int_equal(status(), ENFORCING);
	assert_refuses("mail.service", "web.service");
	assert_one_each();
	policy_unload();
	uncover();
	policy_unload();
	assert_refuses_nothing();
}

static void test_unload_without_pins(void **state)
{
	make_cgroups();
	policy_load(REFUSE_WEB);
	bpf_wipe("");
	policy_unload();
	assert_refuses_nothing();
	assert_int_equal(status(), NOT_ENFORCING);
}

/* Pins that are renamed, are something else, or cannot be opened. */

static void replace_pin(const char *name)
{
	_cleanup_close_ int fd = bpf_foreign_map();
	char path[256];

	pin_path(name, path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(bpf_obj_pin(fd, path), 0);
}

static void shut_pin(const char *name)
{
	char path[256];

	pin_path(name, path);
	assert_int_equal(chmod(path, 0), 0);
}

static const char *const pin_names[] = {
	"map_gate",	     "link_connect4",	"link_connect6",	"policy/map_policy",
	"policy/map_events", "policy/map_note", "policy/prog_connect6",
};

/* The name that people find the policy by. */
static void test_removed_name(void **state)
{
	make_cgroups();
	policy_load(REFUSE_WEB);
	rename_pin("policy");
	assert_degraded("pins");
	policy_load(REFUSE_WEB);
	assert_whole();
}

static void test_odd_pins(void **state)
{
	static void (*const spoil[])(const char *name) = { rename_pin, replace_pin, shut_pin };

	make_cgroups();
	for (size_t i = 0; i < ARRAY_SIZE(pin_names); i++) {
		for (size_t how = 0; how < ARRAY_SIZE(spoil); how++) {
			policy_load(REFUSE_WEB);
			spoil[how](pin_names[i]);
			assert_refuses_web();
			if (status() != DEGRADED && (spoil[how] != shut_pin || run.status))
				fail_msg("%s, %zu: status %d, %s%s", pin_names[i], how, run.status,
					 run.out, run.err);
			policy_load(REFUSE_WEB);
			assert_whole();
			spoil[how](pin_names[i]);
			policy_unload();
			assert_refuses_nothing();
			assert_int_not_equal(access(fixture.pins, F_OK), 0);
		}
	}
}

/* What unload does not know goes with the rest, and is named. */
static void test_unload_names_what_is_odd(void **state)
{
	char path[256];

	make_cgroups();
	policy_load(REFUSE_WEB);
	replace_pin("link_connect4");
	pin_path("extra", path);
	assert_int_equal(mkdir(path, 0700), 0);
	policy_unload();
	assert_non_null(strstr(run.err, "link_connect4"));
	assert_refuses_nothing();
}

static void test_read_only_bpffs(void **state)
{
	char bpffs[128];

	make_cgroups();
	policy_load(REFUSE_WEB);
	snprintf(bpffs, sizeof(bpffs), "%s/bpf", fixture.dir);
	assert_int_equal(mount(NULL, bpffs, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), 0);
	assert_whole();
	assert_int_equal(smtpward("load", "-c", policy_write(REFUSE_MAIL), "--cgroup",
				  fixture.attached, "--pins", fixture.pins, NULL),
			 FAILED);
	assert_whole();
	assert_int_equal(smtpward("unload", "--pins", fixture.pins, NULL), FAILED);
	assert_non_null(strstr(run.err, "enforcement is lifted"));
	assert_refuses_nothing();
	assert_int_equal(mount(NULL, bpffs, NULL, MS_REMOUNT | MS_BIND, NULL), 0);
	policy_unload();
}

/* Another's program, before ours and after it, is left alone, and ours is found. */
static void remount(unsigned long flags)
{
	char bpffs[256];

	snprintf(bpffs, sizeof(bpffs), "%s/..", fixture.pins);
	assert_int_equal(mount(NULL, bpffs, NULL, MS_REMOUNT | flags, NULL), 0);
}

/* All of the file system, and not one mount of it: no link of it can be opened. */
static void test_read_only_file_system(void **state)
{
	make_cgroups();
	policy_load(REFUSE_WEB);
	remount(MS_RDONLY);
	assert_degraded("pins");
	assert_int_not_equal(smtpward("unload", "--pins", fixture.pins, NULL), 0);
	assert_non_null(strstr(run.err, "enforcement is lifted, but "));
	assert_refuses_nothing();
	remount(0);
	policy_load(REFUSE_WEB);
	assert_whole();
	policy_unload();
	assert_refuses_nothing();
}

/* A directory that is another's, or that others can write to, is root's with the next load. */
static void test_loose_directory(void **state)
{
	struct stat st;

	make_cgroups();
	policy_load(REFUSE_WEB);
	assert_int_equal(chmod(fixture.pins, 0777), 0);
	assert_degraded("pins");
	policy_load(REFUSE_WEB);
	assert_whole();
	assert_int_equal(stat(fixture.pins, &st), 0);
	assert_int_equal(st.st_mode & (S_IWGRP | S_IWOTH), 0);
	assert_int_equal(chown(fixture.pins, READER_ID, READER_ID), 0);
	assert_degraded("pins");
	policy_load(REFUSE_WEB);
	assert_whole();
	assert_int_equal(chmod(fixture.pins, 0777), 0);
	policy_unload();
	assert_refuses_nothing();
	assert_int_equal(access(fixture.pins, F_OK), -1);
}

/* What nobody wrote into the gate: the programs decide for themselves, until a load. */
static void test_gate_of_zero(void **state)
{
	const struct smtpward_gate zero = { 0 };
	_cleanup_close_ int fd = -1;

	make_cgroups();
	policy_load(REFUSE_WEB);
	fd = bpf_pin_open("map_gate");
	assert_int_equal(bpf_map_update_elem(fd, &(const uint32_t){ 0 }, &zero, BPF_ANY), 0);
	assert_refuses_web();
	policy_load(REFUSE_WEB);
	assert_whole();
	policy_unload();
	assert_refuses_nothing();
}

static void test_foreign_programs(void **state)
{
	const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_CGROUP_INET4_CONNECT);
	/* Of our program's name, but without a gate. */
	_cleanup_close_ int program = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
						    "smtpward_conn4", "GPL", pass, ARRAY_SIZE(pass),
						    &options);
	_cleanup_close_ int before = -1, after = -1;

	make_cgroups();
	before = bpf_link_create(program, fixture.attached_fd, BPF_CGROUP_INET4_CONNECT, NULL);
	assert_true(before >= 0);
	policy_load(REFUSE_WEB);
	after = bpf_link_create(program, fixture.attached_fd, BPF_CGROUP_INET4_CONNECT, NULL);
	assert_true(after >= 0);
	assert_int_equal(status(), ENFORCING);
	assert_refuses_web();
	bpf_wipe("");
	assert_degraded("pins");
	policy_load(REFUSE_WEB);
	assert_int_equal(bpf_count_attached(fixture.attached_fd, false), 3);
	policy_unload();
	assert_int_equal(bpf_count_attached(fixture.attached_fd, false), 2);
}

/* Of two policies unload lifts one, and says that the other refuses on. */
static void test_unload_tells_of_others(void **state)
{
	char other[128];

	make_cgroups();
	policy_load(REFUSE_WEB);
	snprintf(other, sizeof(other), "%s/bpf/other", fixture.dir);
	assert_int_equal(smtpward("load", "-c", policy_write(REFUSE_WEB), "--cgroup",
				  fixture.attached, "--pins", other, NULL),
			 0);
	assert_int_equal(smtpward("unload", "--pins", other, NULL), 0);
	assert_non_null(strstr(run.err, fixture.pins));
	assert_null(strstr(run.err, "nothing is refused"));
	assert_whole();
	assert_int_equal(smtpward("unload", "--pins", other, NULL), 0);
	assert_non_null(strstr(run.err, fixture.pins));
	assert_whole();
}

/* A trial ends its own policy and no other. */

static int without_syslog(void *arg)
{
	return unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	       mount("tmpfs", "/dev", "tmpfs", 0, NULL);
}

static void start_trial(struct log *log)
{
	const char *argv[] = { "smtpward", "run",
			       "-c",	   policy_write(REFUSE_MAIL),
			       "--cgroup", fixture.attached,
			       "--pins",   fixture.pins,
			       "--trial",  NULL };

	log_start_run(log, argv, without_syslog);
	log_line(log, "to see one", 0);
	/* A line says that it has begun to read: from here on it ends well, whatever is loaded. */
	assert_int_equal(attempt_in("mail.service", NET_OUTSIDE4, 25), EPERM);
	log_line(log, " verdict=deny ", 0);
}

static void test_trial_leaves_what_came_after_it(void **state)
{
	_cleanup_(log_close) struct log log;

	make_cgroups();
	start_trial(&log);
	policy_load(REFUSE_WEB);
	log_end(&log, SIGINT);
	assert_int_equal(log_count(&log, "another policy was loaded"), 1);
	assert_whole();
}

/* Unloaded and loaded anew: the number of the generation may be the same one. */
static void test_trial_leaves_what_was_loaded_anew(void **state)
{
	_cleanup_(log_close) struct log log;

	make_cgroups();
	start_trial(&log);
	log_stop_between_looks(log.pid);
	policy_unload();
	policy_load(REFUSE_WEB);
	assert_int_equal(kill(log.pid, SIGINT), 0);
	log_end(&log, SIGCONT);
	assert_whole();
}

static void test_trial_over_a_policy(void **state)
{
	make_cgroups();
	policy_load(REFUSE_WEB);
	assert_int_equal(smtpward("run", "-c", policy_write(REFUSE_MAIL), "--cgroup",
				  fixture.attached, "--pins", fixture.pins, "--trial", NULL),
			 FAILED);
	assert_non_null(strstr(run.err, "a policy is loaded"));
	assert_whole();
	/* Without a pin it is loaded all the same. */
	bpf_wipe("");
	assert_int_equal(smtpward("run", "-c", policy_write(REFUSE_MAIL), "--cgroup",
				  fixture.attached, "--pins", fixture.pins, "--trial", NULL),
			 FAILED);
	assert_refuses_web();
}

/* Whoever was to lift it would have ended by the time that a trial went back to it. */
static void test_trial_is_not_tried_over(void **state)
{
	_cleanup_(log_close) struct log log;

	make_cgroups();
	start_trial(&log);
	assert_int_equal(try_for("1h", REFUSE_WEB), FAILED);
	assert_says(run.err, "a 'smtpward run --trial', which lifts it at its end");
	assert_refuses("mail.service", "web.service");
	assert_int_equal(bpf_count_generations(), 1);
	log_end(&log, SIGINT);
	assert_refuses_nothing();
	assert_int_not_equal(access(fixture.pins, F_OK), 0);
	/* What a load has put in its place is the load's. */
	policy_load(REFUSE_MAIL);
	if (try_for("1h", REFUSE_WEB))
		fail_msg("load --try: status %d: %s", run.status, run.err);
	assert_refuses_web();
}

/* The lock. */

struct lock_holder {
	const char *path;
	int operation;
	int told[2];
};

static int hold_lock(void *arg)
{
	const struct lock_holder *holder = arg;
	int fd = open(holder->path, O_RDONLY);

	if (fd < 0 || flock(fd, holder->operation))
		return -errno;
	if (write(holder->told[1], "", 1) != 1)
		return -errno;
	for (;;)
		pause();
}

static struct child_handle start_holder(struct lock_holder *holder, const struct child *child)
{
	struct child_handle handle;
	char told;

	assert_int_equal(pipe2(holder->told, O_CLOEXEC), 0);
	handle = child_start(child, hold_lock, holder);
	assert_int_equal(read(holder->told[0], &told, 1), 1);
	close(holder->told[0]);
	close(holder->told[1]);
	return handle;
}

static void end_holder(struct child_handle *handle)
{
	int ended;

	assert_int_equal(kill(handle->pid, SIGKILL), 0);
	assert_int_equal(child_reap(handle->pid, clock_ms() + FIXTURE_PATIENCE, &ended), 0);
	child_forget(handle->pid);
	close(handle->fd);
}

/* What the reader may lock holds up nobody. */
static void test_reader_locks_the_directory(void **state)
{
	struct lock_holder holder = { .path = fixture.pins, .operation = LOCK_EX };
	struct child_handle handle;

	make_cgroups();
	policy_load(REFUSE_WEB);
	assert_int_equal(chown(fixture.pins, 0, 65534), 0);
	assert_int_equal(chmod(fixture.pins, 0750), 0);
	handle = start_holder(&holder, CHILD(.uid = 65534, .euid = 65534, .egid = 65534));
	policy_load(REFUSE_MAIL);
	assert_int_equal(status(), ENFORCING);
	policy_unload();
	end_holder(&handle);
	assert_refuses_nothing();
}

/* Root's own: who waits says for whom, and a signal ends the waiting. */
static void test_lock_is_waited_for(void **state)
{
	_cleanup_(log_close) struct log log;
	struct lock_holder holder = { .operation = LOCK_EX };
	struct child_handle handle;
	char pid[32];

	make_cgroups();
	policy_load(REFUSE_WEB);
	holder.path = lock_path();
	handle = start_holder(&holder, CHILD(0));
	{
		const char *argv[] = { "smtpward", "run",
				       "-c",	   policy_write(REFUSE_MAIL),
				       "--cgroup", fixture.attached,
				       "--pins",   fixture.pins,
				       NULL };

		log_start_run(&log, argv, without_syslog);
	}
	log_line(&log, "waiting for process", 0);
	snprintf(pid, sizeof(pid), "process %d,", (int)handle.pid);
	assert_int_equal(log_count(&log, pid), 1);
	assert_int_equal(kill(log.pid, SIGINT), 0);
	assert_int_equal(log_wait_exit(&log), FAILED);
	assert_int_equal(log_count(&log, "nothing has changed"), 1);
	end_holder(&handle);
	assert_whole();
}

static int enter_namespace(void)
{
	if (unshare(CLONE_NEWCGROUP | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    umount2(fixture.root, MNT_DETACH) || mount("cgroup2", fixture.root, "cgroup2", 0, NULL))
		return -errno;
	return 0;
}

/* A root that is not the machine's is told of, where nobody named it. */
static int load_in_namespace(void *arg)
{
	const char *argv[] = { "smtpward", "load", "-c", arg, "--pins", fixture.pins, NULL };

	return enter_namespace() ?: smtpward_child(argv, NULL, NULL);
}

static void test_cgroup_namespace(void **state)
{
	json_t *json = NULL;

	make_cgroups();
	assert_int_equal(
		child_run(CHILD_IN(""), load_in_namespace, (void *)policy_write(REFUSE_WEB)), 0);
	assert_int_equal(attempt_in("web.service", NET_OUTSIDE4, 25), EPERM);
	assert_int_equal(status(), DEGRADED);
	assert_non_null(strstr(run.out, "scope "));
	json = status_json();
	assert_true(json_is_false(json_object_get(json_object_get(json, "policy"), "root")));
	assert_int_equal(json_array_size(json_object_get(json, "degraded")), 1);
	json_decref(json);
}

static int use_in_container(void *command)
{
	const char *argv[] = { "smtpward", command, "--pins", fixture.pins, NULL };
	int r = enter_namespace();

	if (r)
		return r;
	if (mount("tmpfs", "/run", "tmpfs", 0, "mode=755"))
		return -errno;
	cover();
	return smtpward_child(argv, NULL, NULL);
}

/* A container's pin directory of the same name, on a bpffs of its own, is another one. */
static void test_container_with_the_same_pins(void **state)
{
	make_cgroups();
	policy_load(REFUSE_WEB);
	assert_int_equal(child_run(CHILD_IN(""), use_in_container, "status"), NOT_ENFORCING);
	child_run(CHILD_IN(""), use_in_container, "unload");
	assert_whole();
}

/* As the service's loads are run; a /run of its own, where nothing was made yet. */
static int make_run_dir(void *arg)
{
	struct stat st;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", "/run", "tmpfs", 0, "mode=755"))
		return -errno;
	umask(0077);
	smtpward("unload", "--pins", fixture.pins, NULL);
	return stat("/run/smtpward", &st) ? -errno : (int)(st.st_mode & ALLPERMS);
}

/* The reader goes through it to its view of the pins, also where nothing could be loaded. */
static void test_run_dir_is_for_all(void **state)
{
	assert_int_equal(child_run(CHILD(0), make_run_dir, NULL), 0755);
}

static int tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_wiped_pins, fixture_tidy),
		cmocka_unit_test_teardown(test_wiped_pins_of_a_reader, fixture_tidy),
		cmocka_unit_test_teardown(test_status_json_of_wiped_pins, fixture_tidy),
		cmocka_unit_test_teardown(test_log_heals_wiped_pins, fixture_tidy),
		cmocka_unit_test_teardown(test_both_sets_wiped, fixture_tidy),
		cmocka_unit_test_teardown(test_wiped_keep, fixture_tidy),
		cmocka_unit_test_teardown(test_covered_bpffs, fixture_tidy),
		cmocka_unit_test_teardown(test_unload_of_covered_bpffs, fixture_tidy),
		cmocka_unit_test_teardown(test_two_of_one_directory, fixture_tidy),
		cmocka_unit_test_teardown(test_unload_without_pins, fixture_tidy),
		cmocka_unit_test_teardown(test_removed_name, fixture_tidy),
		cmocka_unit_test_teardown(test_odd_pins, fixture_tidy),
		cmocka_unit_test_teardown(test_unload_names_what_is_odd, fixture_tidy),
		cmocka_unit_test_teardown(test_read_only_bpffs, fixture_tidy),
		cmocka_unit_test_teardown(test_read_only_file_system, fixture_tidy),
		cmocka_unit_test_teardown(test_loose_directory, fixture_tidy),
		cmocka_unit_test_teardown(test_gate_of_zero, fixture_tidy),
		cmocka_unit_test_teardown(test_foreign_programs, fixture_tidy),
		cmocka_unit_test_teardown(test_unload_tells_of_others, fixture_tidy),
		cmocka_unit_test_teardown(test_trial_leaves_what_came_after_it, fixture_tidy),
		cmocka_unit_test_teardown(test_trial_leaves_what_was_loaded_anew, fixture_tidy),
		cmocka_unit_test_teardown(test_trial_over_a_policy, fixture_tidy),
		cmocka_unit_test_teardown(test_trial_is_not_tried_over, fixture_tidy),
		cmocka_unit_test_teardown(test_run_dir_is_for_all, fixture_tidy),
		cmocka_unit_test_teardown(test_reader_locks_the_directory, fixture_tidy),
		cmocka_unit_test_teardown(test_lock_is_waited_for, fixture_tidy),
		cmocka_unit_test_teardown(test_cgroup_namespace, fixture_tidy),
		cmocka_unit_test_teardown(test_container_with_the_same_pins, fixture_tidy),
	};

	return cmocka_run_group_tests_name("lifting", tests, fixture_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
