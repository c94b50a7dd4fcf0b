// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rules that end: by themselves, at their instant and no other, in the order of the rules;
 * and what a clock does to them that is stepped, set late, or not set. What is natively only
 * the number that the programs have for the clock is the clock itself in a guest, where the
 * machine is the tests'.
 */
#include "fixture.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define NS 1000000000LL
#define HOUR 3600
#define DAY (24 * HOUR)

/* An instant as a policy has it. Good until the eighth call after this one. */
static const char *at(time_t when)
{
	static char texts[8][32];
	static unsigned int turn;
	char *text = texts[turn++ % 8];
	struct tm tm;

	assert_non_null(gmtime_r(&when, &tm));
	assert_true(strftime(text, sizeof(texts[0]), "%Y-%m-%dT%H:%M:%SZ", &tm));
	return text;
}

static int connects(void)
{
	return attempt_in("a.service", NET_OUTSIDE4, 25);
}

#define assert_passes() assert_int_equal(connects(), 0)
#define assert_refused() assert_int_equal(connects(), EPERM)

static void assert_said(const char *text, const char *words)
{
	if (!strstr(text, words))
		fail_msg("'%s' is not in: %s", words, text);
}

/* Whether the loads are as on a kernel before 6.1. */
static bool before_tai;

static int begin(void **state)
{
	before_tai = *state;
	cgroup_make("a.service");
	cgroup_make("b.service");
	return 0;
}

/* Until a time of the clock has come. */
static void wait_for(time_t when)
{
	const struct timespec until = { .tv_sec = when };
	int r;

	do
		r = clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL);
	while (r == EINTR);
	assert_int_equal(r, 0);
}

static struct smtpward_clock clock_read(void)
{
	_cleanup_close_ int fd = bpf_pin_open("policy/map_clock");
	struct smtpward_clock clock;
	const uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &clock), 0);
	return clock;
}

/* As if the clock had been stepped, and the programs told. */
static void clock_step(int64_t seconds)
{
	_cleanup_close_ int fd = bpf_pin_open("policy/map_clock");
	struct smtpward_clock clock = clock_read();
	const uint32_t zero = 0;

	clock.offset_ns += (uint64_t)(seconds * NS);
	assert_int_equal(bpf_map_update_elem(fd, &zero, &clock, BPF_ANY), 0);
}

static void clock_put_right(void)
{
	if (smtpward("clock", "--pins", fixture.pins, NULL))
		fail_msg("clock: status %d: %s", run.status, run.err);
}

/* The probe of a kernel that has no CLOCK_TAI for programs: it calls what is not there. */
static void change_probe(struct bpf_insn *insns, size_t n)
{
	for (size_t i = 0; n < 16 && i < n; i++)
		if (trace_is_call(&insns[i], BPF_FUNC_ktime_get_tai_ns))
			insns[i].imm = 0x7fff;
}

static int without_tai(void *arg)
{
	return trace_programs(change_probe);
}

static int load_file(const char *file, const char *option, const char *value)
{
	const char *argv[] = { "smtpward", "load",	 "-c",
			       file,	   "--cgroup",	 fixture.attached,
			       "--pins",   fixture.pins, option,
			       value,	   NULL };

	return smtpward_child(argv, before_tai ? without_tai : NULL, NULL);
}

__attribute__((format(printf, 1, 2))) static void load(const char *format, ...)
{
	static char text[SMTPWARD_RULES_MAX * 64];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (load_file(policy_write("%s", text), NULL, NULL))
		fail_msg("load: status %d: %s", run.status, run.err);
}

static json_t *rule_member(json_t *status, size_t rule, const char *name)
{
	json_t *value =
		json_object_get(json_array_get(json_object_get(status, "rules"), rule), name);

	assert_non_null(value);
	return value;
}

/* In words, in JSON, and by the exit status. */
static void assert_clock_trouble(bool there)
{
	json_auto_t *status = status_json();
	json_t *troubles = json_object_get(status, "degraded"), *trouble;
	bool told = false;
	size_t i;

	json_array_foreach(troubles, i, trouble)
		told |= !strncmp(json_string_value(trouble), "the clock is not set", 20);
	assert_int_equal(told, there);
	smtpward("status", "--pins", fixture.pins, NULL);
	assert_int_equal(run.status, there ? 4 : 0);
	assert_int_equal(!!strstr(run.out, "\ndegraded  the clock is not set"), there);
}

static const char *status_text(void)
{
	smtpward("status", "--pins", fixture.pins, NULL);
	return run.out;
}

/* Both of them before the end, or else on a machine that had something else to do: later. */
static time_t load_until_soon(int *ret_a, int *ret_b)
{
	for (int seconds = 3;; seconds *= 2) {
		const time_t end = time(NULL) + seconds;

		load("allow unit a.service until %s\n", at(end));
		*ret_a = connects();
		*ret_b = attempt_in("b.service", NET_OUTSIDE4, 25);
		if (time(NULL) < end)
			return end;
		assert_true(seconds < 60 * fixture_slow());
	}
}

/* The real thing: nobody runs, nobody writes a map. */
static void test_ends_by_itself(void **state)
{
	int in_a, in_b;
	const time_t end = load_until_soon(&in_a, &in_b);

	assert_int_equal(in_a, 0);
	assert_int_equal(in_b, EPERM);
	wait_for(end);
	assert_refused();
	assert_int_equal(attempt_in("a.service", NET_OUTSIDE6, 25), EPERM);
	assert_said(status_text(), ": ended\n");
}

static void test_several_instants(void **state)
{
	const time_t now = time(NULL);
	uint64_t audited;

	load("allow unit a.service until %s\n"
	     "audit unit a.service, b.service until %s\n"
	     "allow user 4242 until %s\n",
	     at(now + HOUR), at(now + 2 * HOUR), at(now + 3 * HOUR));
	assert_passes();
	assert_int_equal(status_counter("audited"), 0);
	clock_step(HOUR);
	assert_passes();
	audited = status_counter("audited");
	assert_int_equal(audited, 1);
	assert_int_equal(attempt_in("b.service", NET_OUTSIDE4, 25), 0);
	clock_step(HOUR);
	assert_refused();
	assert_int_equal(attempt_in("b.service", NET_OUTSIDE4, 25), EPERM);
	clock_step(DAY);
	assert_refused();
	/* Stepped back, it is alive again. */
	clock_step(-DAY - 2 * HOUR);
	assert_passes();
	assert_int_equal(status_counter("audited"), audited + 1);
}

/* What is over lets the next rule decide, and what has no end stays. */
static void test_first_match_falls_through(void **state)
{
	const time_t now = time(NULL);

	load("allow unit a.service until %s\n"
	     "deny unit a.service\n"
	     "allow unit b.service\n"
	     "allow\n",
	     at(now + HOUR));
	assert_passes();
	clock_step(HOUR);
	assert_refused();
	assert_int_equal(attempt_in("b.service", NET_OUTSIDE4, 25), 0);
	assert_int_equal(attempt_in("", NET_OUTSIDE4, 25), 0);
	clock_step(-2 * DAY);
	assert_int_equal(attempt_in("b.service", NET_OUTSIDE4, 25), 0);
}

/* Let through so far, audited or allowed. 256 rules are more than a status of theirs has room. */
static uint64_t passed(bool audited)
{
	_cleanup_close_ int fd = bpf_pin_open("map_counters");
	struct smtpward_counters cpus[256];
	const int n = libbpf_num_possible_cpus();
	const uint32_t zero = 0;
	uint64_t sum = 0;

	assert_true(n > 0 && n <= (int)ARRAY_SIZE(cpus));
	assert_int_equal(bpf_map_lookup_elem(fd, &zero, cpus), 0);
	for (int i = 0; i < n; i++)
		sum += audited ? cpus[i].audited : cpus[i].allowed;
	return sum;
}

static void assert_passes_by(bool audited)
{
	const uint64_t before = passed(audited);

	assert_passes();
	assert_int_equal(passed(audited), before + 1);
}

/* As many instants as there can be: each of them, a second before it and on it. */
static void test_every_instant(void **state)
{
	static const int some[] = { 0, 1, 2, 63, 64, 127, 128, 129, 191, 254, 255 };
	static char text[SMTPWARD_RULES_MAX * 64];
	const time_t first = time(NULL) + DAY;
	char *end = text;
	int64_t at_now = 0;

	for (int i = 0; i < SMTPWARD_RULES_MAX; i++)
		end += sprintf(end, "%s until %s\n", i % 2 ? "audit" : "allow",
			       at(first + (time_t)i * HOUR));
	load("%s", text);
	for (size_t i = 0; i < ARRAY_SIZE(some); i++) {
		const int64_t due = first + (int64_t)some[i] * HOUR - time(NULL);
		const bool audited = some[i] % 2;

		clock_step(due - 60 - at_now);
		assert_passes_by(audited);
		clock_step(60);
		at_now = due;
		if (some[i] == SMTPWARD_RULES_MAX - 1)
			assert_refused();
		else
			assert_passes_by(!audited);
	}
}

/* Before what no clock can be: nothing that has an end matches, and what has none does. */
static void test_clock_not_set(void **state)
{
	const time_t now = time(NULL);

	load("allow unit a.service until %s\n"
	     "audit unit a.service until %s\n"
	     "allow unit b.service\n",
	     at(now + DAY + HOUR / 2), at(now + DAY));
	assert_passes();
	clock_step(-20LL * 365 * DAY);
	assert_refused();
	assert_int_equal(attempt_in("b.service", NET_OUTSIDE4, 25), 0);
	assert_said(status_text(), "matches nothing while the clock is not set");
	assert_clock_trouble(true);
	/* A clock that says nothing at all, from before 1970. */
	clock_step(-40LL * 365 * DAY);
	assert_refused();
	clock_put_right();
	assert_passes();
	assert_said(status_text(), ": ends in 24 h\n");
	assert_clock_trouble(false);
	/* Who asks for no clock misses none. */
	load("allow unit b.service\n");
	assert_clock_trouble(false);
}

/* What is in force already: no file is read. */
static void test_boot_puts_right(void **state)
{
	load("allow unit a.service until %s\n", at(time(NULL) + HOUR));
	clock_step(-20LL * 365 * DAY);
	assert_refused();
	assert_int_equal(load_file("none.conf", "--boot", NULL), 0);
	assert_passes();
	assert_clock_trouble(false);
}

/* Said once, and it ends nothing: to start it anew would not set the clock. */
static void test_log_says_so(void **state)
{
	static const char alert[] = "alert=\"degraded: the clock is not set";
	const char *argv[] = { "smtpward", "log",	 "--to",	  "stderr",
			       "--pins",   fixture.pins, "--until-alert", NULL };
	_cleanup_(log_close) struct log log = { 0 };

	load("allow unit a.service until %s\n", at(time(NULL) + HOUR));
	clock_step(-20LL * 365 * DAY);
	log_start_run(&log, argv, NULL);
	log_line(&log, alert, 0);
	assert_refused();
	log_line(&log, "verdict=deny", 0);
	log_end(&log, SIGTERM);
	assert_int_equal(log_count(&log, alert), 1);
}

static struct smtpward_clock clock_of(uint64_t generation, int64_t step)
{
	_cleanup_close_ int fd = -1;
	struct smtpward_clock clock;
	const uint32_t zero = 0;
	char name[64];

	snprintf(name, sizeof(name), "generation-%" PRIu64 "/map_clock", generation);
	fd = bpf_pin_open(name);
	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &clock), 0);
	clock.offset_ns += (uint64_t)(step * NS);
	assert_int_equal(bpf_map_update_elem(fd, &zero, &clock, BPF_ANY), 0);
	return clock;
}

static void clock_step_of(uint64_t generation)
{
	const uint64_t stepped = clock_of(generation, DAY).offset_ns;

	clock_put_right();
	assert_true(llabs((int64_t)(stepped - DAY * NS - clock_of(generation, 0).offset_ns)) <
		    NS / 100);
}

static void trial_over(void)
{
	const struct smtpward_trial over = { .word = 1 };
	_cleanup_close_ int fd = bpf_pin_open("policy/map_trial");
	const uint32_t zero = 0;

	assert_int_equal(bpf_map_update_elem(fd, &zero, &over, BPF_ANY), 0);
}

/* What a trial goes back to is told as well, and once it has gone back: nobody does so later. */
static void test_behind_a_trial(void **state)
{
	const time_t now = time(NULL);
	json_auto_t *status = NULL;
	uint64_t before, tried;

	load("allow unit a.service until %s\n", at(now + HOUR));
	assert_int_equal(load_file(policy_write("allow unit b.service until %s\n", at(now + HOUR)),
				   "--try", "1h"),
			 0);
	status = status_json();
	before = (uint64_t)json_integer_value(json_object_get(
		json_object_get(json_object_get(status, "trial"), "then"), "generation"));
	tried = (uint64_t)json_integer_value(
		json_object_get(json_object_get(status, "policy"), "generation"));
	clock_step_of(before);
	clock_step_of(tried);
	trial_over();
	assert_passes();
	clock_of(before, DAY);
	assert_refused();
	clock_put_right();
	assert_passes();
}

/* A policy that was written later than it is: either time is wrong, and both are said. */
static void test_written_in_the_future(void **state)
{
	const time_t now = time(NULL);
	const char *file = policy_write("allow until %s\n", at(now + 10 * DAY));
	const struct timeval times[2] = { { now + DAY, 0 }, { now + DAY, 0 } };
	char text[PATH_MAX + 128];

	assert_int_equal(utimes(file, times), 0);
	assert_int_equal(load_file(file, NULL, NULL), 0);
	snprintf(text, sizeof(text), "%s: warning: the file is of %s, and the clock says 20", file,
		 at(now + DAY));
	assert_said(run.err, text);
	assert_null(strstr(run.err, "the clock is not set"));
	assert_refused();
	/* And once it is set; or the file has the time of the clock. */
	clock_step(DAY + HOUR);
	assert_passes();
	assert_int_equal(utimes(file, NULL), 0);
	assert_int_equal(load_file(file, NULL, NULL), 0);
	assert_null(strstr(run.err, "the file is of"));
	assert_passes();
}

static void test_over_from_the_start(void **state)
{
	load("allow unit a.service until 2020-01-01T00:00Z\n");
	assert_said(run.err, "policy.conf:1:1: warning: this rule ended at 2020-01-01T00:00Z");
	assert_refused();
	assert_said(status_text(), ": ended\n");
}

static void test_load_says_the_last(void **state)
{
	const time_t now = time(NULL);

	load("allow unit a.service until %s\n"
	     "allow unit b.service until %s\n"
	     "allow unit b.service user 4242\n",
	     at(now + 2 * HOUR + 60), at(now + 2 * HOUR + 60));
	assert_said(run.err, ":1:1: note: ends in 2 h, and no allow or audit that names the unit "
			     "'a.service' lasts longer\n");
	assert_said(run.err, ":2:1: note: ends in 2 h\n");
}

static void test_status_json(void **state)
{
	const time_t end = time(NULL) + DAY;
	json_auto_t *status = NULL;
	json_int_t left;

	load("allow user 4242\n"
	     "allow unit a.service until %s\n"
	     "allow until 2020-01-01T00:00Z\n",
	     at(end));
	status = status_json();
	assert_true(json_is_null(rule_member(status, 0, "until")));
	assert_true(json_is_null(rule_member(status, 0, "left")));
	assert_string_equal(json_string_value(rule_member(status, 2, "until")),
			    "2020-01-01T00:00Z");
	assert_int_equal(json_integer_value(rule_member(status, 2, "left")), 0);
	left = json_integer_value(rule_member(status, 1, "left"));
	assert_true(left <= DAY && left > DAY - 60 * fixture_slow());
	clock_step(-20LL * 365 * DAY);
	json_decref(status);
	status = status_json();
	assert_true(json_is_null(rule_member(status, 1, "left")));
}

static bool kernel_has_tai(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_FUNC_ktime_get_tai_ns,
				       NULL) == 1;
}

/* The command does what a load does, and nothing where there is nothing to do. */
static void test_command(void **state)
{
	const time_t now = time(NULL);
	struct smtpward_clock clock;

	clock_put_right();
	assert_said(run.err, "nothing is loaded");
	load("allow unit a.service\n");
	clock_put_right();
	clock = clock_read();
	assert_false(clock.offset_ns || clock.floor_ns || clock.source);
	load("allow unit a.service until %s\n", at(now + HOUR));
	clock = clock_read();
	clock_step(DAY);
	assert_refused();
	clock_put_right();
	assert_passes();
	assert_true(llabs((int64_t)(clock_read().offset_ns - clock.offset_ns)) < NS / 100);
	assert_int_equal(clock_read().floor_ns, clock.floor_ns);
	assert_int_equal(clock.source, kernel_has_tai() && !before_tai);
}

/* A load goes by the clock as it is then, and an end goes with its policy. */
static void test_over_a_load(void **state)
{
	const time_t now = time(NULL);

	load("allow unit a.service until %s\n", at(now + HOUR));
	clock_step(DAY);
	assert_refused();
	load("allow unit a.service until %s\n", at(now + HOUR));
	assert_passes();
	load("deny\n");
	assert_refused();
}

/* Whether the programs in force have the tables of instants. */
static bool has_tables(void)
{
	_cleanup_close_ int fd = bpf_pin_open("policy/prog_connect4");
	uint32_t ids[64] = { 0 };
	struct bpf_prog_info info = { .map_ids = (uintptr_t)ids, .nr_map_ids = ARRAY_SIZE(ids) };
	uint32_t size = sizeof(info);
	bool has = false;

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
	for (uint32_t i = 0; i < info.nr_map_ids && i < ARRAY_SIZE(ids); i++) {
		_cleanup_close_ int map_fd = bpf_map_get_fd_by_id(ids[i]);
		struct bpf_map_info map = { 0 };

		size = sizeof(map);
		assert_int_equal(bpf_obj_get_info_by_fd(map_fd, &map, &size), 0);
		has |= !strcmp(map.name, ".rodata.until");
	}
	return has;
}

/* Ten kilobytes that other policies do without. */
static void test_tables(void **state)
{
	load("allow unit a.service\n");
	assert_passes();
	assert_false(has_tables());
	load("allow unit a.service until %s\n", at(time(NULL) + HOUR));
	assert_passes();
	assert_true(has_tables());
}

/* Whoever reads for root knows what is left, and can change nothing of it. */
static int reader_changes(void *arg)
{
	char path[PATH_MAX];
	int r = reader_become(NULL);

	if (r)
		return r;
	snprintf(path, sizeof(path), "%s/policy/map_clock", fixture.pins);
	return bpf_obj_get(path) < 0 ? errno : 0;
}

static void test_reader_prolongs_nothing(void **state)
{
	const char *file = policy_write("allow until %s\n", at(time(NULL) + HOUR));
	struct stat st;
	char path[PATH_MAX];

	assert_int_equal(load_file(file, "--reader", READER), 0);
	snprintf(path, sizeof(path), "%s/policy/map_clock", fixture.pins);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(child_run(CHILD_IN(""), reader_changes, NULL), EACCES);
}

/* The machine's own clock, in a guest. */

static struct timespec boot_before, clock_before;
static int tai_before;

static void guest_set(time_t when)
{
	const struct timespec now = { .tv_sec = when };

	assert_int_equal(clock_settime(CLOCK_REALTIME, &now), 0);
}

/*
 * Not set, for smtpward; later than the machine's uptime, since no kernel takes an instant before
 * its own boot.
 */
#define NOT_SET (100 * DAY)

static void guest_set_tai(int seconds)
{
	struct timex timex = { .modes = ADJ_TAI, .constant = seconds };

	assert_true(adjtimex(&timex) >= 0);
}

static int guest_begin(void **state)
{
	struct timex timex = { .modes = 0 };

	begin(state);
	assert_true(adjtimex(&timex) >= 0);
	tai_before = timex.tai;
	assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &boot_before), 0);
	return clock_gettime(CLOCK_REALTIME, &clock_before);
}

static int guest_end(void **state)
{
	struct timespec boot;

	if (clock_gettime(CLOCK_BOOTTIME, &boot))
		return -1;
	guest_set(clock_before.tv_sec + boot.tv_sec - boot_before.tv_sec);
	guest_set_tai(tai_before);
	return fixture_tidy(state);
}

/* With CLOCK_TAI nobody has to do anything; before, the command has. */
static void guest_stepped(void)
{
	if (clock_read().source == SMTPWARD_CLOCK_BOOTTIME)
		clock_put_right();
}

static void test_guest_steps(void **state)
{
	const time_t now = time(NULL);

	load("allow unit a.service until %s\n", at(now + DAY));
	assert_passes();
	guest_set(now + 2 * DAY);
	guest_stepped();
	assert_refused();
	assert_said(status_text(), ": ended\n");
	guest_set(now);
	guest_stepped();
	assert_passes();
	guest_set(now + DAY - 2);
	guest_stepped();
	wait_for(now + DAY);
	assert_refused();
}

/* Before 6.1, a step that nobody has told the programs of changes nothing. */
static void test_guest_untold(void **state)
{
	const time_t now = time(NULL);

	load("allow unit a.service until %s\n", at(now + DAY));
	guest_set(now + 2 * DAY);
	assert_int_equal(connects(), clock_read().source == SMTPWARD_CLOCK_TAI ? EPERM : 0);
	clock_put_right();
	assert_refused();
}

/* UTC of 2026-01-02T03:04:05..., within a minute or so. */
static void assert_about(const char *text, time_t when)
{
	struct tm tm = { 0 };
	time_t said;

	assert_non_null(strptime(text, "%Y-%m-%dT%H:%M:%S", &tm));
	said = timegm(&tm);
	if (said < when - 60 || said > when + 60)
		fail_msg("%s is %lld s off", text, (long long)(said - when));
}

/* What was before the clock was set has the time by the clock that is set. */
static void assert_times_are(time_t when)
{
	_cleanup_(log_close) struct log log = { 0 };
	json_auto_t *json = status_json();
	struct line line;

	assert_about(
		json_string_value(json_object_get(json_object_get(json, "policy"), "loaded_at")),
		when);
	log_start(&log, LOG_FILE);
	line_read(log_line(&log, "verdict=deny", 0), &line);
	assert_about(line_field(&line, "time")->value, when);
	log_end(&log, SIGTERM);
}

static void test_guest_set_late(void **state)
{
	const time_t now = time(NULL);

	guest_set(NOT_SET);
	load("allow unit a.service until %s\n"
	     "allow unit b.service\n",
	     at(now + DAY));
	assert_said(run.err, "the clock is not set");
	assert_refused();
	assert_int_equal(attempt_in("b.service", NET_OUTSIDE4, 25), 0);
	assert_said(status_text(), "matches nothing while the clock is not set");
	guest_set(now);
	assert_times_are(now);
	guest_stepped();
	assert_passes();
	guest_set(NOT_SET);
	guest_stepped();
	assert_refused();
	guest_set(now);
	guest_stepped();
	assert_passes();
}

/* Of a log that runs while the clock is stepped, ahead and back: by the clock as it is then. */
static void test_guest_lines(void **state)
{
	static const time_t steps[] = { 0, 2 * DAY, -DAY };
	_cleanup_(log_close) struct log log = { 0 };
	const time_t now = time(NULL);
	struct line line;

	load("deny\n");
	log_start(&log, LOG_FILE);
	for (unsigned int i = 0; i < ARRAY_SIZE(steps); i++) {
		guest_set(now + steps[i]);
		assert_refused();
		line_read(log_line(&log, "verdict=deny", i), &line);
		assert_about(line_field(&line, "time")->value, now + steps[i]);
	}
	log_end(&log, SIGTERM);
}

/* What an NTP daemon tells the kernel of TAI, after the load: ends come sooner until then. */
static void test_guest_tai(void **state)
{
	const time_t end = time(NULL) + DAY;
	bool tai;

	guest_set_tai(0);
	load("allow unit a.service until %s\n", at(end));
	tai = clock_read().source == SMTPWARD_CLOCK_TAI;
	guest_set(end - HOUR);
	guest_stepped();
	assert_passes();
	guest_set_tai(2 * HOUR);
	assert_int_equal(connects(), tai ? EPERM : 0);
	clock_put_right();
	assert_passes();
	guest_set(end);
	guest_stepped();
	assert_refused();
}

/* Each as it is, and as on a kernel before 6.1; the latter by a state that is not NULL. */
#define BOTH(function, begin, end)                                         \
	{ #function, function, begin, end, NULL },                         \
	{                                                                  \
#function " before 6.1", function, begin, end, &before_tai \
	}
#define TEST(function) BOTH(function, begin, fixture_tidy)
#define ONCE(function)                                         \
	{                                                      \
#function, function, begin, fixture_tidy, NULL \
	}
#define GUEST_TEST(function) BOTH(function, guest_begin, guest_end)

static const struct CMUnitTest all[] = {
	TEST(test_ends_by_itself),
	TEST(test_several_instants),
	TEST(test_first_match_falls_through),
	TEST(test_every_instant),
	TEST(test_clock_not_set),
	TEST(test_boot_puts_right),
	ONCE(test_log_says_so),
	ONCE(test_behind_a_trial),
	TEST(test_written_in_the_future),
	TEST(test_over_from_the_start),
	TEST(test_load_says_the_last),
	TEST(test_status_json),
	TEST(test_command),
	TEST(test_over_a_load),
	ONCE(test_tables),
	TEST(test_reader_prolongs_nothing),
	GUEST_TEST(test_guest_steps),
	GUEST_TEST(test_guest_untold),
	GUEST_TEST(test_guest_set_late),
	{ "test_guest_lines", test_guest_lines, guest_begin, guest_end, NULL },
	GUEST_TEST(test_guest_tai),
};

/* Elsewhere than in a guest the clock is others' too; and 5.10 is before 6.1. */
static bool is_for_here(const struct CMUnitTest *test)
{
	if (test->setup_func == guest_begin && !fixture_owns_machine())
		return false;
	return !test->initial_state || kernel_has_tai();
}

static int tests(void)
{
	struct CMUnitTest chosen[ARRAY_SIZE(all)];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (is_for_here(&all[i]))
			chosen[n++] = all[i];
	return _cmocka_run_group_tests("until", chosen, n, fixture_setup, fixture_teardown);
}

int main(void)
{
	return fixture_main(tests);
}
