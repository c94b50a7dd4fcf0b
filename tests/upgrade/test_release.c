// SPDX-License-Identifier: GPL-2.0-only
/*
 * From release 0.1.0 to this version and back, while connects go on: what both policies
 * refuse never passes, what both allow is never refused, and each attempt is in one line
 * or in one sum. Each version says something true of what the other one has left.
 *
 * Each has another ABI: a load begins maps of its own, writes to syslog what the other one has
 * recorded, and the other one's log ends. 0.1.0 knows nothing of the lock outside of the pin
 * directory, of the second set of pins, and of map_origin.
 */
#include "fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <linux/bpf.h>

#define ENFORCING 0
#define CANNOT_TELL 1
#define NOT_ENFORCING 3
#define DEGRADED 4
#define POLICY "limit 1/h burst 30\n" FIRE_POLICY

#define FOREIGN "was loaded by a smtpward of ABI"

static const char *ours;
static const char *released;

/* Who loaded last; NULL: nobody, or it cannot be told. */
static const char *loaded;

/* What a child of each test makes a file of: a load waits for whoever takes its lines. */
static int syslog_fd = -1;
static char syslog_file[128];

/* How many attempts a line of 0.1.0 is about, which is none for the reader of lines. */
static uint64_t counted_before(const char *line)
{
	const char *suppressed = strstr(line, " v=1 suppressed=");
	unsigned long long held = 0, lost = 0;

	if (suppressed && sscanf(suppressed, " v=1 suppressed=%llu lost=%llu", &held, &lost) != 2)
		fail_msg("no sum: %s", line);
	return strstr(line, " v=1 verdict=") ? 1 : held + lost;
}

/*
 * The same of either version. An alert is about none. What this one sums up has a name; of what
 * was lost 0.1.0 may have kept none.
 */
static uint64_t counted(const char *text)
{
	uint64_t suppressed, lost;
	struct line line;

	if (strstr(text, "]: v=1 "))
		return counted_before(text);
	if (strstr(text, " verdict="))
		return 1;
	line_read(text, &line);
	suppressed = line_number(&line, "suppressed");
	lost = line_number(&line, "lost");
	if (suppressed && !lost && strstr(text, " cgroup=\"\""))
		fail_msg("a sum that names nobody: %s", text);
	return suppressed + lost;
}

/* Longer than other children's lives. */
#define DAEMON_SECONDS 7200

static int be_syslog_daemon(void *arg)
{
	const int file = open(syslog_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct pollfd poll_fd = { .fd = syslog_fd, .events = POLLIN };
	static char datagram[32768];

	alarm(DAEMON_SECONDS);
	while (file >= 0 && poll(&poll_fd, 1, -1) == 1) {
		ssize_t len = recv(syslog_fd, datagram, sizeof(datagram) - 1, 0);

		if (len < 0)
			break;
		datagram[len++] = '\n';
		if (write(file, datagram, (size_t)len) != len)
			break;
	}
	return __LINE__;
}

#define LAST_LINE "all is written"

/* Attempts that loads wrote lines or sums of to syslog; false: not all of it is there yet. */
static bool count_written(uint64_t *ret_n)
{
	_cleanup_fclose_ FILE *file = fopen(syslog_file, "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	*ret_n = 0;
	while (file && getline(&line, &size, file) > 0) {
		if (!strcmp(line, LAST_LINE "\n"))
			return true;
		line[strcspn(line, "\n")] = '\0';
		if (strstr(line, " smtpward["))
			*ret_n += counted(line);
	}
	return false;
}

static uint64_t all_written(void)
{
	const struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = SYSLOG_SOCKET };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const int64_t deadline = clock_ms() + FIXTURE_PATIENCE;
	uint64_t n;

	assert_int_equal(sendto(fd, LAST_LINE, strlen(LAST_LINE), 0, (const struct sockaddr *)&to,
				sizeof(to)),
			 strlen(LAST_LINE));
	while (!count_written(&n))
		assert_true(pause_until(deadline));
	return n;
}

static void load_with(const char *binary)
{
	fixture.binary = binary;
	policy_load(POLICY, fixture.name);
	if (loaded)
		assert_int_equal(loaded != binary,
				 strstr(run.err, "took over from a smtpward of ABI") != NULL);
	loaded = binary;
}

/* The same, killed or held on its way: its exit status. */
static int load_until(const char *binary, const struct trace_end *end)
{
	const char *argv[] = { "smtpward", "load",
			       "-c",	   policy_write(POLICY, fixture.name),
			       "--cgroup", fixture.attached,
			       "--pins",   fixture.pins,
			       NULL };

	fixture.binary = binary;
	smtpward_child(argv, trace_killed, (void *)end);
	loaded = run.status ? NULL : binary;
	return run.status;
}

static void unload_with(const char *binary)
{
	fixture.binary = binary;
	policy_unload();
	loaded = NULL;
}

static void assert_status(const char *binary, int status, const char *says)
{
	fixture.binary = binary;
	smtpward("status", "--pins", fixture.pins, NULL);
	if (run.status != status || (!strstr(run.out, says) && !strstr(run.err, says)))
		fail_msg("status of %s: %d, not %d and '%s': %s%s",
			 binary == ours ? "this version" : "0.1.0", run.status, status, says,
			 run.out, run.err);
}

/* Neither guesses at what the other one has loaded. */
static void assert_in_force(const char *by)
{
	assert_status(by, ENFORCING, "enforcing\n");
	assert_status(by == ours ? released : ours, CANNOT_TELL, FOREIGN);
}

static void assert_nothing_loaded(void)
{
	assert_status(released, NOT_ENFORCING, "nothing is loaded");
	assert_status(ours, NOT_ENFORCING, "nothing is loaded");
	assert_int_equal(bpf_count_attached(fixture.attached_fd, false), 0);
	assert_int_equal(bpf_count_attached(fixture.attached_fd, true), 0);
}

static void assert_refuses(void)
{
	cgroup_make("other");
	assert_int_equal(attempt_in("other", NET_OUTSIDE4, 25), EPERM);
	assert_int_equal(attempt_in("other", NET_OUTSIDE6, 25), EPERM);
	assert_int_equal(attempt_in("other", NET_OUTSIDE4_OTHER, 25), 0);
}

static void log_begin(struct log *log, const char *binary)
{
	fixture.binary = binary;
	log_start(log, LOG_FILE);
}

/* How many attempts its lines are about. */
static uint64_t logged(const struct log *log)
{
	_cleanup_free_ char *copy = strdup(log->text);
	char *rest = copy, *line;
	uint64_t sum = 0;

	assert_non_null(copy);
	while ((line = strsep(&rest, "\n")))
		if (strstr(line, " smtpward["))
			sum += counted(line);
	return sum;
}

/*
 * With what the one's log and the loads have written, the other's writes the rest. Ours ends as
 * failed, so that its service starts it again.
 */
static void assert_all_logged(struct log *log, const char *next)
{
	_cleanup_(log_close) struct log rest = { 0 };
	uint64_t sum = 0;

	if (log) {
		assert_int_equal(log_wait_exit(log), next == ours ? 0 : 1);
		sum = logged(log);
		assert_true(sum > 0);
	}
	log_begin(&rest, next);
	fire_end();
	log_end(&rest, SIGTERM);
	assert_int_equal(sum + all_written() + logged(&rest), fire->refused_right);
}

/* To and fro under one fire; the log of the first ends as the other one takes over. */
static void changes_hands(const char *before, const char *after)
{
	_cleanup_(log_close) struct log log = { 0 };

	load_with(before);
	log_begin(&log, before);
	fire_start(1, true);
	for (int i = 0; i < fixture_rounds(2); i++) {
		load_with(after);
		assert_in_force(after);
		load_with(before);
	}
	load_with(after);
	assert_all_logged(&log, after);
	unload_with(after);
	assert_nothing_loaded();
}

static void test_upgrade(void **state)
{
	changes_hands(released, ours);
}

static void test_back(void **state)
{
	changes_hands(ours, released);
}

/* Where a load is killed: before the switch, in it, and behind it up to its end. */
/* Rows of report. */
static size_t count_rows(void)
{
	int is_counted = 0;
	size_t rows;
	json_t *json;

	fixture.binary = ours;
	if (smtpward("report", "--json", "--pins", fixture.pins, NULL))
		fail_msg("report: status %d: %s", run.status, run.err);
	json = json_loads(run.out, 0, NULL);
	json_unpack(json, "{s:b}", "counted", &is_counted);
	assert_true(is_counted);
	rows = json_array_size(json_object_get(json, "rows"));
	json_decref(json);
	return rows;
}

/* 0.1.0 counts no rows: this version begins with none, also after it was away. */
static void test_count_begins(void **state)
{
	load_with(released);
	assert_refuses();
	fixture.binary = ours;
	assert_int_equal(smtpward("report", "--pins", fixture.pins, NULL), 1);
	assert_non_null(strstr(run.err, FOREIGN));
	load_with(ours);
	assert_int_equal(count_rows(), 0);
	assert_refuses();
	assert_int_equal(count_rows(), 2);
	load_with(released);
	assert_refuses();
	load_with(ours);
	assert_int_equal(count_rows(), 0);
	unload_with(ours);
}

static const struct trace_end ends[] = {
	{ BPF_OBJ_PIN, 1, 0, 0 },      { BPF_MAP_FREEZE, 1, 0, 0 },   { BPF_LINK_UPDATE, 1, 0, 0 },
	{ BPF_LINK_UPDATE, 2, 0, 0 },  { BPF_LINK_UPDATE, 2, 1, 0 },  { BPF_LINK_UPDATE, 2, 8, 0 },
	{ BPF_LINK_UPDATE, 2, 34, 0 }, { BPF_LINK_UPDATE, 2, 89, 0 },
};

/* Killed at each of these; then the one or the other goes on. */
static void is_killed(const char *before, const char *after)
{
	unsigned int killed = 0;

	load_with(before);
	fire_start(1, true);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		killed += load_until(after, &ends[i]) == 128 + SIGKILL;
		fixture.binary = ours;
		/* A hook of which the program is not yet the one that decides is none in force. */
		smtpward("status", "--pins", fixture.pins, NULL);
		if (!strstr(run.out, "enforcing") && !strstr(run.err, FOREIGN))
			fail_msg("killed at %zu: status %d: %s%s", i, run.status, run.out, run.err);
		if (i % 2) {
			load_with(after);
			assert_in_force(after);
		}
		load_with(before);
	}
	assert_true(killed >= 7);
	assert_all_logged(NULL, before);
	unload_with(ours);
	assert_nothing_loaded();
}

static void test_upgrade_is_killed(void **state)
{
	is_killed(released, ours);
}

static void test_back_is_killed(void **state)
{
	is_killed(ours, released);
}

/*
 * A log of 0.1.0 that runs as root puts back a program that is not the policy's, and has its
 * lock on the pin directory. It looks every two seconds: not while a load is under way.
 */
static void test_log_leaves_a_load_alone(void **state)
{
	const struct trace_end held = { BPF_LINK_UPDATE, 1, 0, 5000 };
	_cleanup_(log_close) struct log log = { 0 };

	load_with(released);
	log_begin(&log, released);
	fire_start(1, false);
	assert_int_equal(load_until(ours, &held), 0);
	assert_in_force(ours);
	assert_all_logged(&log, ours);
	assert_int_equal(log_count(&log, " alert="), 0);
	unload_with(ours);
}

/* Whoever may read holds up this version for two seconds with that lock, and not for ever. */
static void test_lock_is_held(void **state)
{
	_cleanup_close_ int fd = -1;

	load_with(released);
	fd = open(fixture.pins, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_SH), 0);
	load_with(ours);
	assert_status(ours, ENFORCING, "enforcing\n");
	assert_int_equal(flock(fd, LOCK_UN), 0);
	load_with(released);
	assert_int_equal(flock(fd, LOCK_SH), 0);
	unload_with(ours);
}

/* What the other one unloads is off, its log ends well, and this version leaves nothing. */
static void unloads(const char *before, const char *by)
{
	_cleanup_(log_close) struct log log = { 0 };
	struct bpf_ids ids;
	char keep[256];
	struct stat st;

	load_with(before);
	bpf_ids_of_pins(fixture.pins, &ids);
	log_begin(&log, before);
	assert_refuses();
	unload_with(by);
	assert_int_equal(log_wait_exit(&log), 0);
	assert_int_equal(logged(&log), 2);
	assert_int_equal(log_count(&log, " alert="), 0);
	assert_nothing_loaded();
	/* The tracker of what 0.1.0 has lifted is held by the second set still. */
	unload_with(ours);
	assert_int_equal(bpf_ids_wait_dead(&ids), 0);
	snprintf(keep, sizeof(keep), "/run/smtpward/keep/%s", fixture_instance());
	assert_int_equal(stat(keep, &st), -1);
}

static void test_unload(void **state)
{
	unloads(released, ours);
	unloads(ours, released);
	/* And what was gone back with. */
	load_with(ours);
	unloads(released, ours);
	load_with(ours);
	unloads(released, released);
}

/* All pins of 0.1.0: the kernel lets go of its hooks. */
static void test_wiped(void **state)
{
	const int64_t deadline = clock_ms() + FIXTURE_PATIENCE;

	load_with(released);
	bpf_wipe("");
	while (bpf_count_attached(fixture.attached_fd, false) ||
	       bpf_count_attached(fixture.attached_fd, true))
		assert_true(pause_until(deadline));
	assert_nothing_loaded();
	unload_with(ours);
	load_with(ours);
	assert_refuses();
	assert_in_force(ours);
	unload_with(ours);
}

/*
 * A part of them: it refuses still, status says that not all is well, and a load mends it. The
 * load is held with one hook that has its new program and one that has not.
 */
static void wiped_in_part(const char *name, int status, const char *says)
{
	const struct trace_end held = { BPF_LINK_UPDATE, 1, 0, 300 };

	load_with(released);
	fire_start(1, false);
	bpf_wipe(name);
	assert_status(ours, status, says);
	assert_int_equal(load_until(ours, &held), 0);
	assert_in_force(ours);
	fire_end();
	unload_with(ours);
	assert_nothing_loaded();

	load_with(released);
	bpf_wipe(name);
	unload_with(ours);
	assert_nothing_loaded();
}

static void test_wiped_gate(void **state)
{
	wiped_in_part("map_gate", CANNOT_TELL, FOREIGN);
}

static void test_wiped_generation(void **state)
{
	wiped_in_part("generation-1", NOT_ENFORCING, "has no whole policy");
}

/* After the way back the second set, which 0.1.0 does not know, holds its hooks. */
static void test_back_and_wiped(void **state)
{
	load_with(ours);
	load_with(released);
	assert_in_force(released);
	fire_start(1, false);
	bpf_wipe("");
	loaded = NULL;
	assert_status(ours, NOT_ENFORCING, "has no whole policy");
	load_with(ours);
	assert_in_force(ours);
	fire_end();
	assert_int_equal(bpf_count_attached(fixture.attached_fd, false), 1);
	assert_int_equal(bpf_count_attached(fixture.attached_fd, true), 1);
	load_with(released);
	bpf_wipe("");
	assert_refuses();
	fixture.binary = ours;
	assert_int_equal(smtpward("unload", "--pins", fixture.pins, NULL), 0);
	assert_non_null(strstr(run.err, "unloaded: "));
	assert_nothing_loaded();
}

static int setup(void **state)
{
	fire_setup();
	if (fixture_setup(state))
		return -1;
	syslog_make_dev();
	syslog_fd = syslog_bind();
	snprintf(syslog_file, sizeof(syslog_file), "%s/syslog", fixture.dir);
	ours = fixture.binary;
	released = getenv("SMTPWARD_TEST_RELEASE");
	if (!released || access(released, X_OK))
		fail_msg("there is no release to take over from: run tests/upgrade/run");
	return 0;
}

static int tidy(void **state)
{
	fixture.binary = ours;
	loaded = NULL;
	return fixture_tidy(state);
}

static int begin(void **state)
{
	char left[32768];

	/* Of a test that has failed. */
	while (recv(syslog_fd, left, sizeof(left), 0) > 0)
		;
	unlink(syslog_file);
	child_start(CHILD(0), be_syslog_daemon, NULL);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, tidy)

static int tests(void)
{
	const struct CMUnitTest all[] = {
		TEST(test_upgrade),
		TEST(test_back),
		TEST(test_count_begins),
		TEST(test_upgrade_is_killed),
		TEST(test_back_is_killed),
		TEST(test_log_leaves_a_load_alone),
		TEST(test_lock_is_held),
		TEST(test_unload),
		TEST(test_wiped),
		TEST(test_wiped_gate),
		TEST(test_wiped_generation),
		TEST(test_back_and_wiped),
	};

	return cmocka_run_group_tests_name("release", all, setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
